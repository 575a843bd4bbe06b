//! Commits whose partitions' ends are asked for after they went on, so that `commit_past_end` can count where it only observes.

use super::{Answer, Env, Event, Question};
use crate::cluster::LogEnd;
use crate::policy::{Mode, Scenario, commit_past_end};
use crate::wire::api::{ApiKey, ErrorCode};
use std::sync::Arc;

/// The most partitions of one commit that are remembered until then.
pub(super) const MOST: usize = 1000;

/// What is to be compared with the ends of logs.
#[derive(Debug)]
pub(in super::super) struct Wonder {
    pub(super) commits: Vec<Committed>,
    /// By what they came, and how they would be refused.
    api_key: ApiKey,
    error_code: ErrorCode,
    asked: bool,
}

/// One partition of a commit.
#[derive(Debug)]
pub(super) struct Committed {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl Wonder {
    pub fn new(api_key: ApiKey, error_code: ErrorCode) -> Wonder {
        Wonder {
            commits: Vec::new(),
            api_key,
            error_code,
            asked: false,
        }
    }

    pub fn question(&mut self) -> Option<Question> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        let partitions = self.commits.iter();
        let partitions = partitions.map(|commit| (commit.topic.clone(), commit.partition));
        // A topic that nobody has met yet has no end that is told: nothing waits for it to be met.
        Some(Question::LogEnds(partitions.collect(), Vec::new()))
    }

    pub fn told(self, env: &Env<'_>, answer: Option<Answer>, mut push: impl FnMut(Event)) {
        let ends = match answer {
            Some(Answer::LogEnds(ends)) => ends,
            _ => Vec::new(),
        };
        let ends = sorted(ends);
        let mut unverified = false;
        for commit in self.commits {
            match end_of(&ends, &commit.topic, commit.partition) {
                Some(end) if commit_past_end::judge(commit.offset, end) => {
                    push(Event::Rejection {
                        count: 1,
                        scenario: Scenario::CommitPastEnd,
                        mode: Mode::Observe,
                        api_key: self.api_key,
                        error_code: self.error_code,
                        topic: Some(commit.topic),
                        records: 0,
                        bytes: 0,
                    });
                }
                Some(_) => {}
                None => unverified = true,
            }
        }
        remember(env, &ends);
        if unverified {
            push(Event::Unverified {
                scenario: Scenario::CommitPastEnd,
            });
        }
    }
}

/// What leaders told spares later looks.
pub(super) fn remember(env: &Env<'_>, ends: &[LogEnd]) {
    for end in ends {
        let id = env.view.topic(&end.topic).and_then(|topic| topic.id);
        env.ledger.log_ends.told(id, end);
    }
}

/// In the order that [`end_of`] needs.
pub(super) fn sorted(mut ends: Vec<LogEnd>) -> Vec<LogEnd> {
    ends.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    ends
}

pub(super) fn end_of(ends: &[LogEnd], topic: &str, partition: i32) -> Option<i64> {
    let place = |end: &LogEnd| (*end.topic).cmp(topic).then(end.partition.cmp(&partition));
    let found = ends.binary_search_by(place).ok()?;
    Some(ends[found].offset)
}
