//! What an audit has to say (roof): findings, each of a [`Check`]; what could not be seen; remarks. All of it bounded.

use super::facts::Position;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Findings that are kept with their particulars; beyond it they are counted.
pub const MAX_FINDINGS: usize = 10_000;
/// Reasons for which something was not seen that are kept apart, and names kept with each.
const MAX_UNSEEN: usize = 200;
const MAX_EXAMPLES: usize = 5;
/// Partitions that a finding names.
pub const MAX_PARTITIONS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; never a reason to fail.
    Info,
    /// Records are lost, or writing stops, when something else goes wrong as well.
    Warning,
    /// One failure loses acknowledged records, or it has happened already, or acks=all fails now.
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

macro_rules! checks {
    ($($check:ident $name:literal $severity:ident $meaning:literal $advice:literal,)*) => {
        /// What is looked for, in the order in which it is reported.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check { $($check,)* }

        impl Check {
            pub const ALL: &'static [Check] = &[$(Check::$check,)*];

            pub fn name(self) -> &'static str {
                match self { $(Check::$check => $name,)* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Check::$check => Severity::$severity,)* }
            }

            /// What follows from it.
            pub fn meaning(self) -> &'static str {
                match self { $(Check::$check => $meaning,)* }
            }

            /// What can be done about it.
            pub fn advice(self) -> &'static str {
                match self { $(Check::$check => $advice,)* }
            }
        }
    };
}

checks! {
    NoLeader "no_leader" Error
        "no leader: nothing can be written or read"
        "bring a replica back; an unclean election would lose acknowledged records",
    IsrBelowMin "isr_below_min" Error
        "fewer in-sync replicas than min.insync.replicas: acks=all is refused (NOT_ENOUGH_REPLICAS), acks=1 is taken and at risk"
        "find out why replicas have left the ISR",
    Overtaken "overtaken" Error
        "retention has deleted what a group had not read: it goes on behind the gap, or where auto.offset.reset sends it"
        "the records are gone; let the group catch up, and keep records longer or read faster",
    CommittedBeyondEnd "committed_beyond_end" Error
        "a group has committed an offset that no record has yet: it passes over what is written up to there, or goes where auto.offset.reset sends it"
        "set the group back to where it stopped reading (kafka-consumer-groups.sh --reset-offsets); find out who commits for it",
    SingleReplica "single_replica" Error
        "one replica: acks=all waits for nobody else, a lost disk is lost records, a stopped broker stops reading and writing"
        "raise the replication factor to 3 (kafka-reassign-partitions.sh)",
    MinIsrOne "min_isr_one" Error
        "acks=all is told ok as soon as the leader alone has the record, whenever the others have left the ISR"
        "set min.insync.replicas to 2, with three replicas or more",
    UncleanElection "unclean_election" Error
        "a replica that has missed records may become leader: acknowledged records vanish, whatever acks was"
        "set unclean.leader.election.enable to false",
    TwoReplicas "two_replicas" Warning
        "two replicas: with min.insync.replicas 1 one failure can lose records, with 2 one failure stops writing"
        "raise the replication factor to 3",
    MinIsrLeavesNoRoom "min_isr_leaves_no_room" Warning
        "min.insync.replicas takes every replica: acks=all fails as soon as one broker is down, for a restart, too"
        "set min.insync.replicas to the replication factor less 1",
    IsrShrunk "isr_shrunk" Warning
        "replicas are missing in the ISR: fewer failures than planned are left"
        "a broker that is being restarted comes back by itself; else find out why it lags",
    OneRack "one_rack" Warning
        "all replicas are in one rack: what takes the rack down takes every copy"
        "spread the replicas over racks (kafka-reassign-partitions.sh)",
    BrokerWithoutRack "broker_without_rack" Warning
        "other brokers have a rack and these do not: replicas are not spread over racks"
        "set broker.rack",
    OvertakenSoon "overtaken_soon" Warning
        "retention is about to delete what a group has not read"
        "let the group catch up, or keep records longer until it has (retention.ms, retention.bytes)",
    WeakDefault "weak_default" Warning
        "topics that are created without saying otherwise are weak"
        "default.replication.factor=3 and min.insync.replicas=2 on every broker, 3 and 2 for the internal topics",
    AutoCreateTopics "auto_create_topics" Warning
        "whoever mistypes a topic's name creates one, with the brokers' defaults, and writes into it unnoticed"
        "set auto.create.topics.enable to false",
    ShortOffsetsRetention "short_offsets_retention" Warning
        "committed offsets of a group without members are forgotten within less than 7 days: it then begins where auto.offset.reset says"
        "set offsets.retention.minutes to 10080 or more",
    BrokersDiffer "brokers_differ" Warning
        "brokers disagree: what a topic gets depends on which one decides"
        "give all brokers the same value",
    NoRacks "no_racks" Info
        "no broker has a rack: whether one rack or zone holds all replicas cannot be seen"
        "set broker.rack where brokers share racks or zones",
    PageCache "page_cache" Info
        "acknowledged records are in the brokers' page cache until the system writes them: safe unless all replicas lose power together"
        "replicas in different racks or zones are the remedy; flush.messages=1 costs throughput",
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Cluster,
    /// Node ids.
    Brokers(Vec<i32>),
    Topic {
        name: Arc<str>,
        internal: bool,
    },
    Group {
        id: Arc<str>,
        state: Option<String>,
        topic: Arc<str>,
    },
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub check: Check,
    pub subject: Subject,
    /// The values that made it one.
    pub found: String,
    /// Of the topic, the first [`MAX_PARTITIONS`] that are concerned, of `partition_count`; none: all or not by partition.
    pub partitions: Vec<i32>,
    pub partition_count: usize,
    /// Where a group stands, worst first, at most [`MAX_PARTITIONS`].
    pub positions: Vec<Position>,
}

impl Finding {
    pub fn new(check: Check, subject: Subject, found: String) -> Finding {
        Finding {
            check,
            subject,
            found,
            partitions: Vec::new(),
            partition_count: 0,
            positions: Vec::new(),
        }
    }

    pub fn in_partitions(mut self, partitions: &[i32]) -> Finding {
        self.partition_count = partitions.len();
        self.partitions = partitions.iter().copied().take(MAX_PARTITIONS).collect();
        self
    }
}

/// Something that no answer told of, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    pub what: &'static str,
    pub reason: String,
    pub count: usize,
    pub examples: Vec<String>,
}

/// A broker, for the reader.
#[derive(Clone, Debug)]
pub struct BrokerSeen {
    pub node_id: i32,
    pub server: String,
    pub rack: Option<String>,
    pub settings: super::facts::BrokerConfig,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub topics: usize,
    pub partitions: usize,
    pub groups: usize,
}

#[derive(Debug, Default)]
pub struct Report {
    pub cluster_id: Option<String>,
    pub brokers: Vec<BrokerSeen>,
    pub seen: Seen,
    pub findings: Vec<Finding>,
    /// Findings of each check, also of those that were not kept.
    pub counts: BTreeMap<Check, usize>,
    pub unseen: Vec<Unseen>,
    /// What was not seen for still other reasons.
    pub unseen_otherwise: usize,
    pub notes: Vec<String>,
}

impl Report {
    pub fn add(&mut self, finding: Finding) {
        *self.counts.entry(finding.check).or_default() += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    pub fn not_seen(&mut self, what: &'static str, reason: String, example: &str) {
        let room = self.unseen.len() < MAX_UNSEEN;
        let known = self
            .unseen
            .iter_mut()
            .find(|unseen| unseen.what == what && unseen.reason == reason);
        match known {
            Some(unseen) => {
                unseen.count += 1;
                if unseen.examples.len() < MAX_EXAMPLES {
                    unseen.examples.push(example.to_owned());
                }
            }
            None if room => self.unseen.push(Unseen {
                what,
                reason,
                count: 1,
                examples: vec![example.to_owned()],
            }),
            None => self.unseen_otherwise += 1,
        }
    }

    /// Puts findings into the order in which they are shown.
    pub fn sort(&mut self) {
        self.findings
            .sort_by(|a, b| (a.check, &a.subject).cmp(&(b.check, &b.subject)));
    }

    pub fn count(&self, severity: Severity) -> usize {
        let of = self.counts.iter();
        of.filter(|(check, _)| check.severity() == severity)
            .map(|(_, count)| count)
            .sum()
    }

    /// Findings that are counted and not kept.
    pub fn omitted(&self) -> usize {
        self.counts.values().sum::<usize>() - self.findings.len()
    }

    /// 1: findings of `fail_on` or worse; 2: none, but not everything could be seen; 0: nothing found.
    pub fn exit_code(&self, fail_on: Severity) -> u8 {
        let found = [Severity::Warning, Severity::Error]
            .into_iter()
            .any(|severity| severity >= fail_on && self.count(severity) > 0);
        match (found, self.unseen.is_empty()) {
            (true, _) => 1,
            (false, false) => 2,
            (false, true) => 0,
        }
    }
}
