//! acks=0 with batches beyond the topic's limit: direct nothing is stored and the client is told "ok" for all of it.

use super::{Row, Way, acks0_records};
use crate::support::eventually;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::{shared_cluster, unique};
use crate::support::rdk::{self, IdProducer, Settings, Told};
use std::time::Duration;

const RECORDS: u64 = 2_000;
/// With the small batch that goes first.
const HANDED_OVER: u64 = RECORDS + 1;

/// 1 KB records, batched by the client beyond the topic's limit of 100 000 bytes.
fn produce_beyond_the_limit(bootstrap: &str, topic: &str, acks: &str) -> Told {
    let settings = Settings::acks(acks)
        .set("batch.num.messages", "10000")
        .set("batch.size", "900000")
        .set("linger.ms", "500")
        .set("message.timeout.ms", "20000");
    let producer = IdProducer::new(bootstrap, topic, &settings);
    // A small batch first: a topic's limit is learned when the topic is first seen, and until then the broker decides.
    producer.send(RECORDS, 10, Some(0));
    std::thread::sleep(Duration::from_secs(2));
    for id in 0..RECORDS {
        producer.send(id, 1_000, Some(0));
    }
    producer.finish(Duration::from_secs(40))
}

#[test]
fn oversized_batches_of_acks_0_vanish_direct_and_are_counted_through_holdfast() {
    let cluster = shared_cluster();
    let (direct_topic, through_topic) = (unique("oversized"), unique("oversized"));
    for topic in [&direct_topic, &through_topic] {
        cluster.create_topic(topic, 1, 3, &[("max.message.bytes", "100000")]);
    }
    let direct = produce_beyond_the_limit(&cluster.bootstrap(), &direct_topic, "0");
    let stored = cluster.read_all(&direct_topic);
    let lost = direct.lost(&stored).len();
    Row {
        experiment: "03 acks=0, batches above the topic's `max.message.bytes`",
        way: Way::Direct,
        sent: HANDED_OVER as usize,
        told_ok: direct.ok.len(),
        stored: stored.len(),
        lost,
        reported: "nobody".into(),
    }
    .tell();
    assert!(
        lost > 0,
        "the direct run lost nothing: the experiment did not reproduce the loss"
    );

    let holdfast = Holdfast::start(&cluster.bootstrap());
    let through = produce_beyond_the_limit(&holdfast.bootstrap(), &through_topic, "0");
    assert_eq!(through.ok.len() as u64, HANDED_OVER, "{through:?}");
    let stored = cluster.read_all(&through_topic);
    Row {
        experiment: "03 acks=0, batches above the topic's `max.message.bytes`",
        way: Way::Through,
        sent: HANDED_OVER as usize,
        told_ok: through.ok.len(),
        stored: stored.len(),
        lost: through.lost(&stored).len(),
        reported: "`holdfast_acks0_records_total{outcome=\"refused\"}`".into(),
    }
    .tell();
    eventually("every record has its end", Duration::from_secs(20), || {
        let metrics = holdfast.metrics();
        let [confirmed, refused, unknown] =
            ["confirmed", "refused", "unknown"].map(|o| acks0_records(&metrics, o));
        match confirmed + refused + unknown == HANDED_OVER
            && unknown == 0
            && confirmed == stored.len() as u64
        {
            true => Ok(()),
            false => Err(format!(
                "confirmed {confirmed}, refused {refused}, unknown {unknown}, stored {}",
                stored.len()
            )),
        }
    });
    assert!(rdk::duplicates(&stored).is_empty());
    let refused = [
        ("scenario", "oversized_batch"),
        ("mode", "enforce"),
        ("error_code", "MESSAGE_TOO_LARGE"),
    ];
    assert!(
        holdfast
            .metrics()
            .value("holdfast_rejections_total", &refused)
            > 0.0
    );
}

#[test]
fn oversized_batches_of_acks_1_and_all_are_refused_alike_direct_and_through_holdfast() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    for acks in ["1", "all"] {
        for bootstrap in [cluster.bootstrap(), holdfast.bootstrap()] {
            let topic = unique("oversized");
            cluster.create_topic(&topic, 1, 3, &[("max.message.bytes", "100000")]);
            let told = produce_beyond_the_limit(&bootstrap, &topic, acks);
            let stored = cluster.read_all(&topic);
            assert!(told.lost(&stored).is_empty());
            assert!(
                !told.failed.is_empty(),
                "acks={acks} by {bootstrap}: {told:?}"
            );
            for error in told.failed.values() {
                assert_eq!(
                    *error,
                    rdkafka::types::RDKafkaErrorCode::MessageSizeTooLarge,
                    "acks={acks} by {bootstrap}"
                );
            }
        }
    }
    let refused = [
        ("scenario", "oversized_batch"),
        ("mode", "enforce"),
        ("error_code", "MESSAGE_TOO_LARGE"),
    ];
    assert!(
        holdfast
            .metrics()
            .value("holdfast_rejections_total", &refused)
            > 0.0
    );
}
