//! Who the client is and how it writes: its client id, its library's name and version (ApiVersions, version 3 and above),
//! and a sample of its batches. Nothing here decides anything, and nothing that is malformed matters here: it passes.
//!
//! Each connection is looked at once when it begins, and its Produce requests at the first and then at one in
//! [`SAMPLE_EVERY`] requests, as far as the bytes are here: what goes by in between costs a comparison.

use super::event::{Completeness, Event};
use super::lane::Lane;
use super::produce::topic_of;
use super::requests::whole;
use super::{Env, Session, Want};
use crate::policy::standing::Stand;
use crate::policy::{Scenario, ignored_error, risky_client};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::api_versions::{self, SOFTWARE_FROM};
use crate::wire::header::{self, Look, Start};
use crate::wire::produce::{Head, Part, Step, TopicKey, Walker};
use crate::wire::versions;
use std::sync::Arc;

/// Requests from one sampled Produce to the next.
pub const SAMPLE_EVERY: u64 = 1024;
/// Batches looked at in a sampled request.
const SAMPLED_BATCHES: usize = 16;
/// Longer names cannot be topics (Kafka's `Topic.validate`); one would be kept as long as the connection.
const MAX_TOPIC_BYTES: usize = 249;
/// A longer ApiVersions request passes unread: names and versions have 64 bytes, client ids a few more.
const MAX_INTRODUCTION_BYTES: usize = 4096;

impl Session {
    /// At the start of a request that is no Produce: whose it is, if that is not known yet.
    pub(super) fn introduce(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
    ) -> Result<(), Want> {
        let names_software = start.api_key == ApiKey::API_VERSIONS
            && start.api_version >= SOFTWARE_FROM
            && versions::understands(start.api_key, start.api_version)
            && frame_len <= MAX_INTRODUCTION_BYTES
            && !self.software_known;
        if !names_software {
            if !self.introduced
                && let Look::Ready(header) = header::header(lane.fresh(), frame_len, false)
            {
                self.introduced = true;
                let client_id = header.client_id.map(|(from, to)| &lane.fresh()[from..to]);
                self.stand_as(env, client_id);
            }
            return Ok(());
        }
        let frame = whole(env, lane, frame_len)?;
        let Look::Ready(header) = header::header(frame, frame_len, true) else {
            return Ok(());
        };
        let software = api_versions::client_software(start.api_version, &frame[header.body_at..])
            .map(|(name, version)| (Arc::<str>::from(name), Arc::<str>::from(version)));
        self.introduced = true;
        let client_id = header.client_id.map(|(from, to)| &frame[from..to]);
        self.stand_as(env, client_id);
        if let Some((name, version)) = software {
            self.software_known = true;
            let risky = risky_client::risks(&name, &version).next().is_some();
            self.events.push(Event::Software { name, version });
            if risky {
                self.observe(Scenario::RiskyClient, None, 1);
            }
        }
        Ok(())
    }

    /// At the head of a Produce, where it is due: whose it is, and what its first batches look like.
    pub(super) fn sample(
        &mut self,
        env: &Env<'_>,
        lane: &mut Lane,
        start: Start,
        frame_len: usize,
        head: Head,
        client_id: Option<(usize, usize)>,
    ) {
        let fresh = &*lane.fresh();
        self.introduced = true;
        self.stand_as(env, client_id.map(|(from, to)| &fresh[from..to]));
        let mut walker = Walker::new(start.api_version, (frame_len - head.topics_at) as u64);
        let (mut at, mut batches) = (head.topics_at, 0);
        while batches < SAMPLED_BATCHES {
            let window = fresh.get(at..).unwrap_or_default();
            let Step::Part { part, len } = walker.next(window) else {
                break;
            };
            match part {
                Part::Topic { key, .. } => {
                    let again = |topic: &Arc<str>| key == TopicKey::Name(topic.as_bytes());
                    if !self.sampled_topic.as_ref().is_some_and(again) {
                        let name = topic_of(key, env).0.name().cloned();
                        self.sampled_topic = name.filter(|name| name.len() <= MAX_TOPIC_BYTES);
                    }
                }
                Part::Entry(entry) => {
                    batches += 1;
                    self.next_sample = self.frames + SAMPLE_EVERY;
                    let idempotent = entry.producer_id >= 0;
                    let topic = self.sampled_topic.as_ref();
                    self.events.batch(topic, idempotent, entry.size);
                }
                _ => {}
            }
            at = at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        }
    }

    /// The client is told of an error by the answer to a Produce.
    pub(super) fn tell_error(&mut self, topic: Option<Arc<str>>, error_code: ErrorCode) {
        if !ignored_error::judge(error_code) {
            return;
        }
        self.events.push(Event::AnswerError {
            error_code,
            topic: topic.clone(),
            count: 1,
        });
        self.observe(Scenario::IgnoredError, topic, 1);
    }

    /// Counts what a scenario of mere counting found, unless it is off or exempted.
    fn observe(&mut self, scenario: Scenario, topic: Option<Arc<str>>, count: u64) {
        let Some(standing) = &self.standing else {
            return;
        };
        match standing.for_topic(scenario, self.client_id.as_deref(), topic.as_deref()) {
            Stand::Off => {}
            Stand::Apply(_) | Stand::ByTopic(_) => self.events.push(Event::Observed {
                scenario,
                completeness: Completeness::Exact,
                topic,
                group: None,
                count,
            }),
            Stand::Exempt(position) => {
                if let Some(exemption) = standing.exemption(position) {
                    self.events.push(Event::Exempted {
                        scenario,
                        exemption: exemption.name.clone(),
                        count,
                    });
                }
            }
        }
    }
}
