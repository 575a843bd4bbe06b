//! Brokers that serve clients and never answer what Holdfast itself asks: nothing waits for that where a scenario only observes, and
//! where it is in force what would have been refused is forwarded in time and counted as unverified.

use super::expiry::coordinator;
use super::faults::{behind_faults, bootstrap};
use crate::support::eventually;
use crate::support::faults::Fault;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::Cluster;
use crate::support::offsets::commit_of_nobody;
use crate::support::raw::{self, Batch, Metadata, Produce, Raw, Resource, now_ms};
use crate::support::rdk;
use std::time::{Duration, Instant};

/// With what Holdfast's own connections introduce themselves.
const OURS: &str = "holdfast";
const PATIENCE: Duration = Duration::from_secs(60);
const THIRTY_DAYS: &str = "2592000000";
const TWO_DAYS: &str = "172800000";
/// A protected group, and the topic that it reads.
const GUARDED: &str = "guarded";
const POLICY_VIOLATION: i16 = 44;
const MESSAGE_TOO_LARGE: i16 = 10;
/// How long a refusal waits for its look-up.
const LOOKUP: Duration = Duration::from_secs(1);

/// What rests on a look-up.
const SCENARIOS: [&str; 7] = [
    "oversized_batch",
    "weak_topic",
    "stale_timestamp",
    "commit_past_end",
    "destructive_admin",
    "weakening_config",
    "partition_growth",
];

fn gateway(servers: &str, mode: &str) -> Holdfast {
    let mut toml = format!("[cluster]\nlookup_timeout_ms = {}\n", LOOKUP.as_millis());
    for scenario in SCENARIOS {
        toml += &format!("[policy.{scenario}]\nmode = \"{mode}\"\n");
        if scenario == "destructive_admin" {
            toml += &format!("groups = [\"{GUARDED}\"]\n");
        }
    }
    Holdfast::start_with(Options::new(servers).config(&toml))
}

/// What each scenario's request is answered, with how long that took.
struct Asked<'a> {
    cluster: &'a Cluster,
    holdfast: &'a Holdfast,
}

impl Asked<'_> {
    fn leader(&self, topic: &str) -> Raw {
        let leader = self.cluster.wait_leader(topic, 0, PATIENCE);
        Raw::connect(&self.holdfast.broker_addr(leader)).expect("a connection")
    }

    fn produce(&self, topic: &str, batch: &Batch) -> i16 {
        let produce = Produce::new(9, -1, topic, 0, batch.bytes());
        let answer = self.leader(topic).produce(&produce).expect("an answer");
        answer.error_codes()[0]
    }

    /// Of nobody's.
    fn commit(&self, group: &str, topic: &str, offset: i64) -> i16 {
        let node = coordinator(self.cluster, group);
        commit_of_nobody(&self.holdfast.broker_addr(node), group, topic, offset)
    }

    fn one(&self, scenario: &str) -> i16 {
        match scenario {
            "oversized_batch" => self.produce("small", &Batch::of_ids(0, 1, 5_000)),
            "weak_topic" => self.produce("weak", &Batch::of_ids(0, 1, 10)),
            "stale_timestamp" => {
                let mut batch = Batch::of_ids(0, 1, 10);
                batch.timestamp_ms = now_ms() - 86_400_000;
                self.produce("short", &batch)
            }
            "commit_past_end" => self.commit("past", "short", 1_000_000),
            "destructive_admin" => self.commit(GUARDED, GUARDED, 5),
            "weakening_config" => {
                let change = [("retention.ms", TWO_DAYS)];
                let resource = Resource::Topic("month");
                let answer = raw::alter_configs(&mut self.leader("month"), resource, &change);
                answer.expect("an answer").0
            }
            "partition_growth" => {
                let count = self.cluster.metadata(Some(&["compacted"]));
                let count = count
                    .topic("compacted")
                    .expect("the topic")
                    .partitions
                    .len();
                match rdk::grow(&self.holdfast.bootstrap(), "compacted", count + 1) {
                    Ok(()) => 0,
                    Err(_) => POLICY_VIOLATION,
                }
            }
            other => panic!("{other}"),
        }
    }

    fn unverified(&self, scenario: &str) -> f64 {
        let labels = [("scenario", scenario)];
        self.holdfast
            .metrics()
            .value_or_zero("holdfast_unverified_total", &labels)
    }
}

#[test]
fn brokers_that_answer_clients_and_not_the_gateway_hold_nothing_up_that_is_observed_and_nothing_for_long_that_is_in_force()
 {
    let (cluster, faults) = behind_faults();
    for (topic, configs) in [
        ("small", &[("max.message.bytes", "2000")][..]),
        ("weak", &[("min.insync.replicas", "1")]),
        ("short", &[("retention.ms", "3600000")]),
        ("month", &[("retention.ms", THIRTY_DAYS)]),
        ("compacted", &[("cleanup.policy", "compact")]),
        (GUARDED, &[]),
    ] {
        cluster.create_topic(topic, 1, 3, configs);
    }
    let all = rdk::Settings::acks("all");
    rdk::produce_ids(&cluster.bootstrap(), GUARDED, 0..10, 10, &all);
    let node = coordinator(&cluster, GUARDED);
    let at_first = || commit_of_nobody(&cluster.broker(node).addr(), GUARDED, GUARDED, 0);
    eventually("a place", PATIENCE, || match at_first() {
        0 => Ok(()),
        code => Err(format!("error {code}")),
    });
    let servers = bootstrap(&faults);
    let gateways = ["enforce", "observe"].map(|mode| gateway(&servers, mode));
    let [enforcing, observing] = gateways.each_ref().map(|holdfast| Asked {
        cluster: &cluster,
        holdfast,
    });
    // All is known, and while brokers answer all of it is refused.
    for asked in [&enforcing, &observing] {
        let topics = ["small", "weak", "short", "month", "compacted"];
        let mut raw = Raw::connect(&asked.holdfast.broker_addr(1)).expect("a connection");
        Metadata::ask(&mut raw, Some(&topics), PATIENCE).expect("an answer");
    }
    for scenario in SCENARIOS {
        eventually(
            &format!("a refusal by {scenario}"),
            PATIENCE,
            || match enforcing.one(scenario) {
                0 => Err("taken".to_owned()),
                _ => Ok(()),
            },
        );
    }
    let before = SCENARIOS.map(|scenario| enforcing.unverified(scenario));
    for proxy in &faults {
        proxy.set(Fault::BlackHoleOf(OURS));
    }
    for (scenario, before) in SCENARIOS.into_iter().zip(before) {
        let begun = Instant::now();
        let code = enforcing.one(scenario);
        let took = begun.elapsed();
        // What is forwarded the broker judges itself.
        let expected = match scenario {
            "oversized_batch" => MESSAGE_TOO_LARGE,
            _ => 0,
        };
        assert_eq!(code, expected, "{scenario}: forwarded");
        assert_eq!(enforcing.unverified(scenario), before + 1.0, "{scenario}");
        assert!(took >= LOOKUP && took < 4 * LOOKUP, "{scenario}: {took:?}");
    }
    cluster.alter_configs(Resource::Topic("month"), &[("retention.ms", THIRTY_DAYS)]);
    for scenario in SCENARIOS {
        // Whatever else takes time on a busy machine: if it waited, it would take as long every time.
        eventually(
            &format!("{scenario} is forwarded at once"),
            PATIENCE,
            || {
                let begun = Instant::now();
                let code = observing.one(scenario);
                assert!([0, MESSAGE_TOO_LARGE].contains(&code), "{scenario}: {code}");
                match begun.elapsed() {
                    took if took < LOOKUP / 2 => Ok(()),
                    took => Err(format!("{took:?}")),
                }
            },
        );
    }
    // What is only counted is looked up behind the commit, which is long gone.
    eventually("the commit is unverified", PATIENCE, || {
        match observing.unverified("commit_past_end") {
            0.0 => Err("not yet".to_owned()),
            _ => Ok(()),
        }
    });
}
