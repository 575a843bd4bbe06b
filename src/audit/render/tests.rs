//! What is shown, and which exit code follows.

use super::*;
use crate::audit::facts::Position;
use crate::audit::report::{BrokerSeen, MAX_FINDINGS};
use std::collections::BTreeMap;

fn topic(name: &str, check: Check, found: &str) -> Finding {
    let subject = Subject::Topic {
        name: name.into(),
        internal: name.starts_with("__"),
    };
    Finding::new(check, subject, found.to_owned())
}

fn report() -> Report {
    let mut report = Report {
        cluster_id: Some("abc".into()),
        ..Report::default()
    };
    report.brokers.push(BrokerSeen {
        node_id: 1,
        server: "k1:9092".into(),
        rack: None,
        settings: BTreeMap::from([("min.insync.replicas", "1".to_owned())]),
    });
    (report.seen.topics, report.seen.partitions) = (2, 5);
    report.add(topic("b", Check::SingleReplica, "replication factor 1").in_partitions(&[0, 3]));
    report.add(topic(
        "__consumer_offsets",
        Check::SingleReplica,
        "replication factor 1",
    ));
    let mut behind = Finding::new(
        Check::Overtaken,
        Subject::Group {
            id: "g\u{1b}[2J".into(),
            state: Some("Empty".into()),
            topic: "b".into(),
        },
        "3 offsets deleted unread in 1 partition".into(),
    );
    behind.partition_count = 1;
    behind.positions.push(Position {
        partition: 0,
        committed: 2,
        log_start: 5,
        log_end: 20,
        expiring_until: None,
    });
    report.add(behind);
    report.sort();
    report
}

#[test]
fn the_text_has_a_paragraph_for_each_check_the_worst_first_and_no_control_characters() {
    let mut report = report();
    for name in ["x", "y"] {
        report.not_seen("configs of topic", "REFUSED (29)".into(), name);
    }
    report.notes.push("a remark".into());
    let text = human(&report);
    let expected = format!(
        "Cluster abc: 1 broker, 2 topics (5 partitions), 0 groups\n\
         \nERROR  overtaken  (1)\n  {}\n  -> {}\n\
         \x20   group g\\u{{1b}}[2J (Empty), topic b  3 offsets deleted unread in 1 partition; partition 0: committed 2, log 5 to 20\n\
         \nERROR  single_replica  (2)\n  {}\n  -> {}\n\
         \x20   topic __consumer_offsets (internal)  replication factor 1\n\
         \x20   topic b                              replication factor 1: partitions 0, 3\n\
         \nNOT SEEN: nothing is said about\n  configs of topic x, y: REFUSED (29)\n\
         \nNotes\n  a remark\n\
         \n3 errors, 0 warnings; not everything could be seen.\n",
        Check::Overtaken.meaning(),
        Check::Overtaken.advice(),
        Check::SingleReplica.meaning(),
        Check::SingleReplica.advice(),
    );
    assert_eq!(text, expected);
}

#[test]
fn json_has_everything_under_names_that_programs_can_ask_for() {
    let object: Value = serde_json::from_str(&json(&report())).expect("JSON");
    assert_eq!(object["cluster_id"], "abc");
    assert_eq!(object["brokers"][0]["settings"]["min.insync.replicas"], "1");
    assert_eq!(object["summary"]["errors"], 3);
    assert_eq!(object["summary"]["complete"], true);
    let group = &object["findings"][0];
    assert_eq!(group["check"], "overtaken");
    assert_eq!(group["severity"], "error");
    assert_eq!(
        (&group["topic"], &group["state"]),
        (&json!("b"), &json!("Empty"))
    );
    assert_eq!(group["positions"][0]["overtaken"], 3);
    assert_eq!(object["findings"][1]["internal"], true);
    assert_eq!(object["findings"][2]["partitions"], json!([0, 3]));
    assert_eq!(object["checks"][0]["count"], 1);
}

#[test]
fn the_exit_code_says_whether_anything_was_found_or_could_not_be_seen() {
    let mut report = Report::default();
    report.add(Finding::new(
        Check::PageCache,
        Subject::Cluster,
        String::new(),
    ));
    let codes = |report: &Report| {
        [Severity::Warning, Severity::Error].map(|severity| report.exit_code(severity))
    };
    assert_eq!(codes(&report), [0, 0]);
    report.not_seen("groups of broker", "silent".into(), "1");
    assert_eq!(codes(&report), [2, 2]);
    report.add(topic("t", Check::TwoReplicas, ""));
    assert_eq!(codes(&report), [1, 2]);
    report.add(topic("t", Check::SingleReplica, ""));
    assert_eq!(codes(&report), [1, 1]);
}

#[test]
fn findings_and_what_was_not_seen_are_counted_beyond_what_is_kept() {
    let mut report = Report::default();
    for number in 0..MAX_FINDINGS + 5 {
        report.add(topic(&format!("t{number}"), Check::SingleReplica, ""));
    }
    assert_eq!((report.findings.len(), report.omitted()), (MAX_FINDINGS, 5));
    assert_eq!(report.count(Severity::Error), MAX_FINDINGS + 5);
    let text = human(&report);
    assert!(text.contains("and 9955 more\n"), "{text}");
    for number in 0..1000 {
        report.not_seen("configs of topic", format!("reason {number}"), "t");
        report.not_seen("configs of topic", "always the same".into(), "t");
    }
    assert!(report.unseen.len() <= 200);
    let told: usize = report.unseen.iter().map(|unseen| unseen.count).sum();
    assert_eq!(told + report.unseen_otherwise, 2000);
    assert!(
        report
            .unseen
            .iter()
            .all(|unseen| unseen.examples.len() <= 5)
    );
}

#[test]
fn a_report_without_findings_says_so() {
    let text = human(&Report::default());
    assert!(text.ends_with("\nNothing found.\n"), "{text}");
}
