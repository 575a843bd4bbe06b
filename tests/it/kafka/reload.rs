//! The configuration changes while real clients write: nobody is cut off, nothing is lost, memory stays flat; and what is
//! wrong, or takes a restart, changes nothing.

use crate::support::eventually;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{shared_cluster, unique};
use crate::support::rdk::{self, IdProducer, Settings};
use std::time::{Duration, Instant};

const RELOADS: &str = "holdfast_config_reloads_total";

/// How long the load under reloads goes on; HOLDFAST_RELOAD_SECONDS=600 for the ten minutes, a hundred a minute.
fn seconds() -> (Duration, Duration) {
    match std::env::var("HOLDFAST_RELOAD_SECONDS") {
        Ok(text) => (
            Duration::from_secs(text.parse().expect("seconds")),
            Duration::from_millis(600),
        ),
        Err(_) => (Duration::from_secs(20), Duration::from_millis(20)),
    }
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("still running");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|text| text.parse().ok()).expect("VmRSS")
}

#[test]
fn reloads_under_load_drop_no_connection_and_no_record_and_keep_memory_flat() {
    let cluster = shared_cluster();
    let file = |round: u64| {
        let mode = ["enforce", "observe", "off"][round as usize % 3];
        format!(
            "[policy.acks_leader]\nmode = \"{mode}\"\n[limits]\nmax_in_flight = {}\n[reload]\nwatch_interval_ms = 0\n\
             [exemptions.e{}]\nscenarios = [\"acks_none\"]\ntopics = [\"nobody-{round}\"]\nowner = \"o\"\nreason = \"r\"\nexpires = \"2099-01-01\"\n",
            500 + round % 2,
            round % 7,
        )
    };
    let options = Options::new(&cluster.bootstrap()).config(&file(0));
    let mut holdfast = Holdfast::start_with(options);
    let topics = ["reload-0", "reload-1", "reload-all"].map(unique);
    let producers =
        [(&topics[0], "0"), (&topics[1], "1"), (&topics[2], "all")].map(|(topic, acks)| {
            cluster.create_topic(topic, 3, 3, &[]);
            let settings = Settings::acks(acks).set("message.timeout.ms", "60000");
            IdProducer::new(&holdfast.bootstrap(), topic, &settings)
        });
    let (span, pause) = seconds();
    let (begun, mut id, mut round, mut early) = (Instant::now(), 0, 0, 0);
    while begun.elapsed() < span {
        round += 1;
        std::fs::write(holdfast.config_file(), file(round)).expect("written");
        holdfast.sighup();
        for _ in 0..10 {
            producers.iter().for_each(|p| p.send(id, 100, None));
            id += 1;
        }
        std::thread::sleep(pause);
        if early == 0 && begun.elapsed() > span / 4 {
            early = rss_kib(holdfast.pid());
        }
    }
    for producer in producers {
        let told = producer.finish(Duration::from_secs(60));
        assert_eq!((told.ok.len() as u64, told.failed.len()), (id, 0));
    }
    let late = rss_kib(holdfast.pid());
    for topic in &topics {
        eventually("all is stored", Duration::from_secs(30), || {
            match rdk::ids(&cluster.read_all(topic)).len() as u64 {
                stored if stored == id => Ok(()),
                stored => Err(format!("{stored} of {id} in {topic}")),
            }
        });
    }
    let metrics = holdfast.metrics();
    let applied = metrics.value(RELOADS, &[("outcome", "applied")]);
    println!(
        "{round} files, {applied} applied, {id} records per topic, RSS {early} then {late} KiB"
    );
    assert!(
        applied >= round as f64 / 4.0,
        "signals may fall together, not most of them"
    );
    assert_eq!(metrics.value(RELOADS, &[("outcome", "invalid")]), 0.0);
    let closed = "holdfast_client_connections_closed_total";
    for series in metrics.matching(closed, &[]) {
        let cause = series.labels["cause"].as_str();
        assert!(
            series.value == 0.0 || matches!(cause, "client_closed" | "client_reset"),
            "{cause}: {}",
            series.value
        );
    }
    assert!(
        late < early + early / 10 + 2048,
        "RSS grew from {early} to {late} KiB"
    );
    // Series of exemptions that are gone are gone.
    assert!(
        metrics
            .matching("holdfast_exemption_expiry_timestamp_seconds", &[])
            .len()
            == 1
    );
}

#[test]
fn content_that_changes_is_applied_and_what_is_wrong_or_takes_a_restart_changes_nothing() {
    let cluster = shared_cluster();
    let base = "[reload]\nwatch_interval_ms = 100\n";
    let mut holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(base));
    let mode = |holdfast: &Holdfast, mode: &str| {
        let labels = [("scenario", "acks_leader"), ("mode", mode)];
        holdfast
            .metrics()
            .value("holdfast_enforcement_mode", &labels)
    };
    let reloads = |holdfast: &Holdfast, outcome: &str| {
        holdfast.metrics().value(RELOADS, &[("outcome", outcome)])
    };
    let waits = |holdfast: &Holdfast, outcome: &str, times: f64| {
        eventually(outcome, Duration::from_secs(20), || {
            match reloads(holdfast, outcome) {
                n if n == times => Ok(()),
                n => Err(format!(
                    "{n} times {outcome}, {times} expected\n{}",
                    holdfast.log()
                )),
            }
        });
    };
    let successful = |holdfast: &Holdfast| {
        holdfast
            .metrics()
            .value("holdfast_config_last_reload_successful", &[])
    };
    let hash = |holdfast: &Holdfast| {
        holdfast
            .metrics()
            .matching("holdfast_config_hash_info", &[])[0]
            .labels["hash"]
            .clone()
    };
    let at_start = hash(&holdfast);
    assert_eq!(mode(&holdfast, "enforce"), 1.0);

    // As Kubernetes does it: the name leads elsewhere from one moment to the next.
    let name = holdfast.config_file();
    let swap = |text: &str| {
        let fresh = name.with_extension(format!(
            "{}",
            std::fs::read_dir(name.parent().unwrap()).unwrap().count()
        ));
        std::fs::write(&fresh, text).unwrap();
        let link = name.with_extension("link");
        std::os::unix::fs::symlink(&fresh, &link).unwrap();
        std::fs::rename(&link, &name).unwrap();
    };
    swap(&format!("{base}[policy.acks_leader]\nmode = \"observe\"\n"));
    waits(&holdfast, "applied", 1.0);
    assert_eq!(
        (mode(&holdfast, "observe"), mode(&holdfast, "enforce")),
        (1.0, 0.0)
    );
    let changed = hash(&holdfast);
    assert_ne!(changed, at_start);

    swap(&format!(
        "{base}[policy.acks_leader]\nmode = \"sometimes\"\n"
    ));
    waits(&holdfast, "invalid", 1.0);
    assert_eq!(successful(&holdfast), 0.0);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(
        reloads(&holdfast, "invalid"),
        1.0,
        "once, not with every look"
    );
    assert_eq!(
        holdfast.log().matches("the configuration is wrong").count(),
        1
    );

    swap(&format!(
        "{base}[policy.acks_leader]\nmode = \"off\"\n[limits]\nbuffer_bytes = 1048576\n"
    ));
    waits(&holdfast, "restart_required", 1.0);
    assert_eq!(
        (mode(&holdfast, "observe"), hash(&holdfast)),
        (1.0, changed),
        "nothing of it was applied"
    );
    assert!(
        holdfast.log().contains("limits.buffer_bytes"),
        "{}",
        holdfast.log()
    );

    // Flags stand over the file, which names the ports of nobody: that alone is no change.
    swap(&format!(
        "{base}[listener]\nbootstrap_port = 1\n[policy.acks_leader]\nmode = \"observe\"\n"
    ));
    waits(&holdfast, "unchanged", 1.0);
    assert_eq!(successful(&holdfast), 1.0);
    holdfast.sighup();
    waits(&holdfast, "unchanged", 2.0);
    swap(base);
    waits(&holdfast, "applied", 2.0);
    assert_eq!(hash(&holdfast), at_start);
}

#[test]
fn connections_that_end_for_their_age_cost_a_producer_nothing() {
    let cluster = shared_cluster();
    let toml = "[limits]\nmax_connection_age_ms = 1000\n";
    let holdfast = Holdfast::start_with(Options::new(&cluster.bootstrap()).config(toml));
    let [silent, all] = ["age-0", "age-all"].map(unique);
    let producers = [
        (&silent, Settings::acks("0")),
        (&all, Settings::idempotent()),
    ]
    .map(|(topic, settings)| {
        cluster.create_topic(topic, 3, 3, &[]);
        IdProducer::new(&holdfast.bootstrap(), topic, &settings)
    });
    let (begun, mut id) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(10) {
        producers.iter().for_each(|p| p.send(id, 100, None));
        id += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    let [silent_told, all_told] =
        producers.map(|producer| producer.finish(Duration::from_secs(60)));
    assert_eq!((all_told.ok.len() as u64, all_told.failed.len()), (id, 0));
    let stored = rdk::ids(&cluster.read_all(&all));
    assert_eq!(stored.len() as u64, id, "acks=all");
    let closed = holdfast.metrics();
    let closed = closed.value(
        "holdfast_client_connections_closed_total",
        &[("cause", "max_age")],
    );
    assert!(closed >= 10.0, "{closed}");
    let stored = rdk::ids(&cluster.read_all(&silent)).len() as u64;
    println!(
        "{closed} closed for their age; acks=0: {stored} of {id} stored, {} told ok",
        silent_told.ok.len()
    );
    let metrics = holdfast.metrics();
    let ended = |outcome| {
        metrics.value_or_zero("holdfast_acks0_records_total", &[("outcome", outcome)]) as u64
    };
    assert_eq!((ended("refused"), ended("unknown")), (0, 0));
    assert_eq!(ended("confirmed"), stored);
}
