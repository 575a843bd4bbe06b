//! The same thing done straight at the brokers and through Holdfast: what comes of it must be equal. Knows both ways and
//! judges nothing but equality.

use crate::support::holdfast::Holdfast;
use crate::support::kafka::{Cluster, unique};
use crate::support::process::Output;
use crate::support::rdk::{self, Isolation, Record};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// A way to the brokers, and names of its own on a cluster that others use too.
pub struct Way<'a> {
    pub cluster: &'a Cluster,
    pub name: &'static str,
    pub bootstrap: String,
}

impl<'a> Way<'a> {
    pub fn both(cluster: &'a Cluster, holdfast: &Holdfast) -> [Way<'a>; 2] {
        [
            Way {
                cluster,
                name: "direct",
                bootstrap: cluster.bootstrap(),
            },
            Way {
                cluster,
                name: "through",
                bootstrap: holdfast.bootstrap(),
            },
        ]
    }

    /// A topic that only this way writes to.
    pub fn topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
        let topic = unique(&format!("{name}-{}", self.name));
        self.cluster.create_topic(&topic, partitions, 3, configs);
        topic
    }

    /// What of `topic` a consumer that reads straight from the brokers sees, ordered by partition and offset.
    pub fn stored(&self, topic: &str) -> Vec<Record> {
        let mut records = self.cluster.read_all_as(topic, Isolation::ReadCommitted);
        records.sort_unstable();
        records
    }
}

/// Does it both ways, direct first, and compares; the result.
#[track_caller]
pub fn same<T: PartialEq + Debug>(
    cluster: &Cluster,
    holdfast: &Holdfast,
    what: &str,
    mut experiment: impl FnMut(&Way<'_>) -> T,
) -> T {
    let [direct, through] = Way::both(cluster, holdfast).map(|way| experiment(&way));
    assert_eq!(direct, through, "{what}: direct (left) and through (right)");
    through
}

/// What one of `tests/clients` said of its records: id and error (none: told ok), and its last line.
#[derive(Debug, PartialEq)]
pub struct Said {
    pub records: Vec<(u64, Option<String>)>,
    pub last: Value,
}

impl Said {
    #[track_caller]
    pub fn by(output: &Output) -> Said {
        output.ok();
        let mut lines = output.json_lines();
        let last = lines
            .pop()
            .unwrap_or_else(|| panic!("no lines: {output:?}"));
        assert_eq!(last["done"], true, "{output:?}");
        let records = lines.iter().filter_map(|line| {
            let error = line["error"].as_str().map(str::to_owned);
            Some((line["id"].as_u64()?, error))
        });
        Said {
            records: records.collect(),
            last,
        }
    }

    pub fn ok(&self) -> BTreeSet<u64> {
        let ok = self.records.iter().filter(|(_, error)| error.is_none());
        ok.map(|(id, _)| *id).collect()
    }
}

/// The records without their offsets, sorted: transaction markers take offsets too, and how a client fills its batches is
/// not for a gateway to decide.
pub fn contents(records: &[Record]) -> Vec<Record> {
    let without_offset = |record: &Record| Record {
        offset: 0,
        ..record.clone()
    };
    let mut contents: Vec<Record> = records.iter().map(without_offset).collect();
    contents.sort_unstable();
    contents
}

/// No id is stored twice.
#[track_caller]
pub fn assert_each_once(records: &[Record]) {
    assert_eq!(rdk::duplicates(records), Default::default());
}
