//! A client's own test suite, as its authors wrote it, straight at the brokers and through Holdfast under the default preset: every
//! test ends alike.

use super::ways::Way;
use crate::support::clients::franz_suite;
use crate::support::holdfast::Holdfast;
use crate::support::kafka::shared_cluster;
use std::collections::{BTreeMap, BTreeSet};

/// Each test by its name, with how it ended.
type Ends = BTreeMap<String, String>;

fn ended(output: &str) -> Ends {
    let ends = output.lines().filter_map(|line| {
        let (end, name) = line.trim_start().strip_prefix("--- ")?.split_once(": ")?;
        let (name, _took) = name.split_once(" (")?;
        Some((name.to_owned(), end.to_owned()))
    });
    ends.collect()
}

/// The tests that failed, without the parts that they have.
fn failed(ends: &Ends) -> BTreeSet<&str> {
    let failed = ends.iter().filter(|(_, end)| *end == "FAIL");
    failed
        .filter_map(|(name, _)| name.split('/').next())
        .collect()
}

/// Some of them race with each other and the machine: what fails gets a second try, alone.
fn run(way: &Way<'_>) -> Ends {
    let first = franz_suite(&way.bootstrap, ".");
    let mut ends = ended(&first.stdout);
    let again: Vec<&str> = failed(&ends).into_iter().collect();
    if !again.is_empty() {
        println!("{}: again {again:?}", way.name);
        let second = franz_suite(&way.bootstrap, &format!("^({})$", again.join("|")));
        println!("{}", second.stdout);
        ends.extend(ended(&second.stdout));
    }
    ends
}

#[test]
fn the_test_suite_of_franz_go_ends_through_holdfast_as_direct() {
    let cluster = shared_cluster();
    let holdfast = Holdfast::start(&cluster.bootstrap());
    let [direct, through] = Way::both(&cluster, &holdfast);
    let (direct, through) = std::thread::scope(|scope| {
        let direct = scope.spawn(|| run(&direct));
        let through = run(&through);
        (direct.join().expect("the suite"), through)
    });
    assert_eq!(failed(&through), BTreeSet::new());
    assert_eq!(direct, through, "direct (left) and through (right)");
    for name in [
        "TestGroupETL",
        "TestTxnEtl",
        "TestShareGroupETL",
        "TestConsumeRegex",
    ] {
        assert_eq!(
            through.get(name).map(String::as_str),
            Some("PASS"),
            "{name}"
        );
    }
    let metrics = holdfast.metrics();
    let requests = metrics.value("holdfast_requests_total", &[]);
    assert!(requests > 1_000.0, "{requests} requests");
}
