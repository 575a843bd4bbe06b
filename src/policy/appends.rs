//! The decisions about one batch that is to be appended: which scenarios it falls under, and with what each refuses.
//!
//! All of them look at the same few fields, so they are judged in one go, in the order of [`SCENARIOS`]; the first one in
//! force refuses. The rules themselves are in their files.

use super::{
    Mode, Scenario, Settings, future_timestamp, legacy_format, not_idempotent, not_transactional,
    stale_timestamp, under_replicated, weak_topic,
};
use crate::cluster::{Keeping, PartitionFacts, TopicFacts};
use crate::wire::api::ErrorCode;
use crate::wire::record_batch::Entry;

/// What is judged here.
pub const SCENARIOS: [Scenario; 7] = [
    Scenario::LegacyFormat,
    Scenario::NotTransactional,
    Scenario::NotIdempotent,
    Scenario::FutureTimestamp,
    Scenario::StaleTimestamp,
    Scenario::WeakTopic,
    Scenario::UnderReplicated,
];

/// One batch, where it is to go, and what is known of that.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    pub version: i16,
    pub transactional: bool,
    pub entry: Entry,
    /// Absent where only an id is known.
    pub topic: Option<&'a str>,
    pub partition: i32,
    pub facts: Option<&'a TopicFacts>,
    /// Unix time in ms.
    pub now_ms: i64,
}

/// A scenario that the batch falls under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    pub error_code: ErrorCode,
    /// It rests on facts of the topic, which are to be confirmed before it refuses.
    pub learned: bool,
    /// The scenario refuses only where a topic is named, and this one is not.
    pub only_counted: bool,
}

/// What a batch itself brings to the decision: two batches of one kind, in requests that begin alike and go to the same
/// partition, fall under the same scenarios.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kind {
    magic: i8,
    idempotent: bool,
    ahead: bool,
    stale: bool,
}

/// Between which times the timestamps of a topic's batches lie that nobody minds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Horizon {
    keeping: Keeping,
    max_ahead_ms: i64,
}

impl Horizon {
    #[inline(always)]
    pub fn kind(&self, entry: Entry, now_ms: i64) -> Kind {
        let timestamp = entry.max_timestamp;
        Kind {
            magic: entry.magic,
            idempotent: !not_idempotent::judge(entry.producer_id),
            ahead: future_timestamp::judge(timestamp, now_ms, self.max_ahead_ms).is_some(),
            stale: stale_timestamp::judge(timestamp, now_ms, self.keeping).is_some(),
        }
    }
}

impl Settings {
    /// Whether a batch has to be looked at.
    #[inline]
    pub fn judges_appends(&self) -> bool {
        self.mode(Scenario::AckedTruncation) != Mode::Off
            || SCENARIOS
                .iter()
                .any(|scenario| self.mode(*scenario) != Mode::Off)
    }

    /// Whether the scenario, in force, can refuse a batch at all.
    pub fn can_refuse_appends(&self, scenario: Scenario) -> bool {
        match scenario {
            Scenario::NotIdempotent => not_idempotent::refuses(self),
            Scenario::NotTransactional => not_transactional::refuses(self),
            _ => true,
        }
    }
}

/// Whether the batch falls under the scenario.
#[inline]
pub fn judge(scenario: Scenario, append: &Append<'_>, settings: &Settings) -> Option<Found> {
    let entry = append.entry;
    let found = |error_code, learned| Found {
        error_code,
        learned,
        only_counted: false,
    };
    match scenario {
        Scenario::LegacyFormat => {
            legacy_format::judge(append.version, entry.magic).map(|code| found(code, false))
        }
        Scenario::NotTransactional => {
            let topics = &settings.transactional_topics;
            not_transactional::judge(append.transactional, topics, append.topic)
                .then(|| found(ErrorCode::POLICY_VIOLATION, false))
        }
        Scenario::NotIdempotent => not_idempotent::judge(entry.producer_id).then(|| Found {
            error_code: ErrorCode::POLICY_VIOLATION,
            learned: false,
            only_counted: !not_idempotent::demanded(&settings.idempotent_topics, append.topic),
        }),
        Scenario::FutureTimestamp => append
            .ahead(settings)
            .map(|_| found(ErrorCode::INVALID_TIMESTAMP, false)),
        Scenario::StaleTimestamp => append
            .stale()
            .map(|_| found(ErrorCode::INVALID_TIMESTAMP, true)),
        Scenario::WeakTopic => append
            .weak()
            .map(|_| found(ErrorCode::POLICY_VIOLATION, true)),
        Scenario::UnderReplicated => append
            .too_few(settings)
            .map(|_| found(ErrorCode::NOT_ENOUGH_REPLICAS, true)),
        _ => None,
    }
}

/// What the application is told of a finding.
pub fn text(scenario: Scenario, append: &Append<'_>, settings: &Settings) -> String {
    let topic = append.topic.unwrap_or("of that id");
    let told = match scenario {
        Scenario::LegacyFormat => Some(legacy_format::text(
            append.version,
            append.entry.magic,
            topic,
        )),
        Scenario::NotTransactional => Some(not_transactional::text(topic)),
        Scenario::NotIdempotent => Some(not_idempotent::text(topic)),
        Scenario::FutureTimestamp => append
            .ahead(settings)
            .map(|found| future_timestamp::text(found, topic)),
        Scenario::StaleTimestamp => append
            .stale()
            .map(|found| stale_timestamp::text(found, topic)),
        Scenario::WeakTopic => append.weak().map(|found| weak_topic::text(found, topic)),
        Scenario::UnderReplicated => append
            .too_few(settings)
            .map(|found| under_replicated::text(found, topic, append.partition)),
        _ => None,
    };
    told.unwrap_or_default()
}

impl Append<'_> {
    fn place(&self) -> Option<&PartitionFacts> {
        let partitions = &self.facts?.partitions;
        let at = partitions.binary_search_by_key(&self.partition, |partition| partition.index);
        partitions.get(at.ok()?)
    }

    fn keeping(&self) -> Keeping {
        self.facts.map(|facts| facts.keeping).unwrap_or_default()
    }

    pub fn horizon(&self, settings: &Settings) -> Horizon {
        Horizon {
            keeping: self.keeping(),
            max_ahead_ms: settings.max_ahead_ms,
        }
    }

    fn ahead(&self, settings: &Settings) -> Option<future_timestamp::Ahead> {
        future_timestamp::judge(self.entry.max_timestamp, self.now_ms, settings.max_ahead_ms)
    }

    fn stale(&self) -> Option<stale_timestamp::Stale> {
        stale_timestamp::judge(self.entry.max_timestamp, self.now_ms, self.keeping())
    }

    fn weak(&self) -> Option<weak_topic::Weak> {
        let replicas = self.place().map(|partition| partition.replicas);
        let min_isr = self.facts?.min_insync_replicas;
        weak_topic::judge(replicas, min_isr, self.keeping().unclean_leader_election)
    }

    fn too_few(&self, settings: &Settings) -> Option<under_replicated::TooFew> {
        let place = self.place()?;
        under_replicated::judge(
            place.in_sync_replicas,
            place.replicas,
            self.facts?.min_insync_replicas,
            settings.min_in_sync_replicas,
        )
    }
}
