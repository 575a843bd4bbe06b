//! Large batches of the Java producer and of librdkafka go by pipes: each is stored as it was sent, which the brokers' own check
//! of its sum says, and read as it is stored.

use crate::support::holdfast::Holdfast;
use crate::support::kafka::{shared_cluster, unique};
use crate::support::rdk::{self, Isolation, Settings};
use std::time::Duration;

const RECORD_BYTES: usize = 300_000;

#[test]
fn large_batches_of_java_and_librdkafka_are_stored_as_sent_and_read_as_stored() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let [of_java, of_rdkafka] = ["spliced-java", "spliced-rdkafka"].map(|name| {
        let topic = unique(name);
        cluster.create_topic(&topic, 2, 3, &[]);
        topic
    });
    let size = RECORD_BYTES.to_string();
    let args = [
        "--bootstrap-server",
        &holdfast.bootstrap(),
        "--topic",
        &of_java,
        "--num-records",
        "150",
        "--record-size",
        &size,
        "--throughput",
        "-1",
        "--command-property",
        "acks=1",
        "--command-property",
        "batch.size=1000000",
        "--command-property",
        "linger.ms=50",
    ];
    let tool = "org.apache.kafka.tools.ProducerPerformance";
    let written = cluster.tool_with(tool, &args, b"", Duration::from_secs(120));
    assert!(written.ok().contains("150 records sent"), "{written:?}");
    for (acks, ids) in [("0", 0..60), ("1", 60..120), ("all", 120..180)] {
        let settings = Settings::acks(acks).set("linger.ms", "50");
        let at = holdfast.bootstrap();
        let told = rdk::produce_ids(&at, &of_rdkafka, ids, RECORD_BYTES, &settings);
        assert_eq!(told.ok.len(), 60, "acks={acks}: {:?}", told.failed);
    }
    for (topic, records) in [(&of_java, 150), (&of_rdkafka, 180)] {
        cluster.wait_replicated(topic);
        let [mut direct, mut through] = [cluster.bootstrap(), holdfast.bootstrap()]
            .map(|at| rdk::read_all(&at, topic, Isolation::ReadUncommitted));
        direct.sort_unstable();
        through.sort_unstable();
        assert_eq!(direct.len(), records, "{topic}");
        // Not assert_eq: 45 MB are nothing to print.
        assert!(
            direct == through,
            "{topic}: what is read differs from what is stored"
        );
    }
    let metrics = holdfast.metrics();
    let confirmed = [("outcome", "confirmed")];
    assert_eq!(
        metrics.value("holdfast_acks0_records_total", &confirmed),
        60.0
    );
    for direction in ["request", "response"] {
        let all = metrics.value(&format!("holdfast_{direction}_bytes_total"), &[]);
        let labels = [("direction", direction)];
        let share = metrics.value("holdfast_spliced_bytes_total", &labels) / all;
        println!("{direction}: {share:.2} of {all} bytes went by pipes");
        assert!(share > 0.5, "{direction}: {share} of {all}");
    }
}
