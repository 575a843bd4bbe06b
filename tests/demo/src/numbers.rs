//! What the clients saw, what Holdfast counted, and whether the two agree. Pure.

use std::fmt;

/// Batches above this are refused: the demo sets `max_batch_bytes` to it.
pub const MAX_BATCH_BYTES: usize = 64 << 10;
/// What the third producer sends now and then; below librdkafka's own limit.
pub const OVERSIZED_BYTES: usize = 100 << 10;

/// One producer and the consumer's view of its records.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Client {
    /// Records given to librdkafka.
    pub sent: u64,
    /// Records for which the application was told that all is well.
    pub told_ok: u64,
    /// Records for which it was told MESSAGE_TOO_LARGE.
    pub told_too_large: u64,
    /// Records for which it was told anything else.
    pub told_other: u64,
    /// Records that the consumer read, each counted once.
    pub read: u64,
    pub read_twice: u64,
}

/// From `/metrics`.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Holdfast {
    /// Requests with acks=0 that became acks=all.
    pub acks_none: u64,
    /// Requests with acks=1 that became acks=all.
    pub acks_leader: u64,
    /// Batches answered with MESSAGE_TOO_LARGE.
    pub oversized_batch: u64,
    pub confirmed: u64,
    pub refused: u64,
    pub unknown: u64,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub acks_none: Client,
    pub acks_leader: Client,
    pub oversized: Client,
    pub holdfast: Holdfast,
}

impl Holdfast {
    /// Reads Prometheus' text format; a family that is not there counts as 0, and then the numbers disagree.
    pub fn parse(text: &str) -> Holdfast {
        let sum = |family: &str, label: &str| -> u64 {
            text.lines()
                .filter_map(|line| {
                    let (name, labels_and_value) = line.split_once('{')?;
                    let (labels, value) = labels_and_value.rsplit_once('}')?;
                    let mut labels = labels.split(',');
                    let ours = name == family && labels.any(|each| each.trim() == label);
                    ours.then(|| value.trim().parse::<f64>().ok())?
                })
                .sum::<f64>() as u64
        };
        let acks0 = "holdfast_acks0_records_total";
        Holdfast {
            acks_none: sum("holdfast_overrides_total", r#"scenario="acks_none""#),
            acks_leader: sum("holdfast_overrides_total", r#"scenario="acks_leader""#),
            oversized_batch: sum("holdfast_rejections_total", r#"scenario="oversized_batch""#),
            confirmed: sum(acks0, r#"outcome="confirmed""#),
            refused: sum(acks0, r#"outcome="refused""#),
            unknown: sum(acks0, r#"outcome="unknown""#),
        }
    }
}

impl Numbers {
    /// What must hold once all clients have ended and the consumer has caught up, and does not; empty is good.
    pub fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.check_clients(&mut found);
        self.check_acks_none(&mut found);
        self.check_acks_leader(&mut found);
        self.check_oversized(&mut found);
        found
    }

    fn check_clients(&self, found: &mut Vec<String>) {
        let clients = [
            ("acks=0", self.acks_none),
            ("acks=1", self.acks_leader),
            ("oversized", self.oversized),
        ];
        for (name, client) in clients {
            let told = client.told_ok + client.told_too_large + client.told_other;
            differ(
                found,
                name,
                "records sent",
                client.sent,
                "told the outcome",
                told,
            );
            if client.sent == 0 {
                found.push(format!("{name}: nothing was sent"));
            }
        }
    }

    /// Every record ends in exactly one of three sets, and what was stored is the confirmed and perhaps the unknown.
    fn check_acks_none(&self, found: &mut Vec<String>) {
        let Holdfast {
            confirmed,
            refused,
            unknown,
            ..
        } = self.holdfast;
        let client = self.acks_none;
        let counted = confirmed + refused + unknown;
        differ(
            found,
            "acks=0",
            "records handed over",
            client.told_ok,
            "confirmed, refused or unknown",
            counted,
        );
        if !(confirmed..=confirmed + unknown).contains(&client.read) {
            found.push(format!(
                "acks=0: {} records were read, {confirmed} are confirmed and {unknown} unknown",
                client.read
            ));
        }
        if client.read_twice > 0 {
            found.push(format!(
                "acks=0: {} records were stored twice",
                client.read_twice
            ));
        }
        if self.holdfast.acks_none == 0 {
            found.push("acks=0: no request was raised to acks=all".to_owned());
        }
    }

    /// A client that is told of a failure may have its record stored all the same; one that is told ok must have it stored.
    fn check_acks_leader(&self, found: &mut Vec<String>) {
        let client = self.acks_leader;
        if !(client.told_ok..=client.sent).contains(&client.read) {
            found.push(format!(
                "acks=1: {} records were told ok, {} were read",
                client.told_ok, client.read
            ));
        }
        if self.holdfast.acks_leader == 0 {
            found.push("acks=1: no request was raised to acks=all".to_owned());
        }
    }

    /// This producer sends every record in a batch of its own, so that batches and records are the same number.
    fn check_oversized(&self, found: &mut Vec<String>) {
        let client = self.oversized;
        let refused = self.holdfast.oversized_batch;
        differ(
            found,
            "oversized",
            "records told MESSAGE_TOO_LARGE",
            client.told_too_large,
            "batches refused",
            refused,
        );
        differ(
            found,
            "oversized",
            "records told ok",
            client.told_ok,
            "read",
            client.read,
        );
        if client.told_too_large == 0 {
            found.push("oversized: nothing was refused".to_owned());
        }
    }
}

fn differ(
    found: &mut Vec<String>,
    client: &str,
    what: impl fmt::Display,
    a: u64,
    of: &str,
    b: u64,
) {
    if a != b {
        found.push(format!("{client}: {a} {what}, but {b} {of}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = r#"
# HELP holdfast_overrides_total Requests changed.
# TYPE holdfast_overrides_total counter
holdfast_overrides_total{api_key="Produce",mode="enforce",scenario="acks_none"} 7
holdfast_overrides_total{api_key="Produce",mode="enforce",scenario="acks_leader"} 5
holdfast_overrides_by_client_total{scenario="acks_none",mode="enforce",client_id="a"} 7
holdfast_rejections_total{scenario="oversized_batch",api_key="Produce",error_code="MESSAGE_TOO_LARGE",mode="enforce"} 3
holdfast_rejections_total{scenario="oversized_request",api_key="Produce",error_code="MESSAGE_TOO_LARGE",mode="enforce"} 0
holdfast_acks0_records_total{outcome="confirmed",cause="none"} 60
holdfast_acks0_records_total{outcome="refused",cause="error_code"} 2
holdfast_acks0_records_total{outcome="refused",cause="closed"} 1
holdfast_acks0_records_total{outcome="unknown",cause="no_answer"} 1
"#;

    fn agreeing() -> Numbers {
        let client = |sent, told_too_large, read| Client {
            sent,
            told_ok: sent - told_too_large,
            told_too_large,
            read,
            ..Client::default()
        };
        Numbers {
            acks_none: client(64, 0, 61),
            acks_leader: client(50, 0, 50),
            oversized: client(9, 3, 6),
            holdfast: Holdfast::parse(METRICS),
        }
    }

    #[test]
    fn families_are_summed_by_their_scenario_and_outcome_whatever_the_order_of_labels() {
        let expected = Holdfast {
            acks_none: 7,
            acks_leader: 5,
            oversized_batch: 3,
            confirmed: 60,
            refused: 3,
            unknown: 1,
        };
        assert_eq!(Holdfast::parse(METRICS), expected);
    }

    #[test]
    fn an_unknown_record_may_be_read_or_not() {
        assert_eq!(agreeing().disagreements(), Vec::<String>::new());
        let mut unread = agreeing();
        unread.acks_none.read = 60;
        assert_eq!(unread.disagreements(), Vec::<String>::new());
    }

    #[test]
    fn every_single_record_that_is_missing_or_too_many_is_a_disagreement() {
        let cases: [fn(&mut Numbers); 10] = [
            |n| n.acks_none.sent += 1,
            |n| n.acks_none.read = 59,
            |n| n.acks_none.read = 62,
            |n| n.acks_none.read_twice = 1,
            |n| n.holdfast.confirmed -= 1,
            |n| n.holdfast.acks_leader = 0,
            |n| n.acks_leader.read -= 1,
            |n| n.oversized.read -= 1,
            |n| n.oversized.told_too_large -= 1,
            |n| n.holdfast.oversized_batch += 1,
        ];
        for (at, change) in cases.into_iter().enumerate() {
            let mut numbers = agreeing();
            change(&mut numbers);
            assert!(!numbers.disagreements().is_empty(), "case {at}");
        }
    }
}
