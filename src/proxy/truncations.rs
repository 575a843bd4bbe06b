//! Confirms what contradicts an acknowledgement (`acked_truncation`): the alarm is raised once Metadata fetched after the answer
//! has the topic under the same id.
//!
//! Floor 5. Beside the connections, which may be gone by then: a producer that reconnects after a change of leaders is the common
//! case, and while leaders change a look may take its time. Nobody waits for it.

use super::Shared;
use crate::cluster::{Learned, TopicFacts};
use crate::ledger::acked::Truncation;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How often the ledger is looked at while nothing is found.
const PERIOD: Duration = Duration::from_millis(200);
/// What nobody confirms is asked for again after that time, that often.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 60;
/// More that wait are counted as not confirmed.
const MOST: usize = 1000;

/// Runs as long as the gateway.
pub async fn confirm(shared: Arc<Shared>) {
    let mut waiting: Vec<(Truncation, u32)> = Vec::new();
    loop {
        let (found, left_out) = shared.ledger.acked.take_found();
        shared.telemetry.truncations_unverified(left_out);
        for truncation in found {
            match waiting.len() < MOST {
                true => waiting.push((truncation, 0)),
                false => shared.telemetry.truncations_unverified(1),
            }
        }
        if !waiting.is_empty() {
            waiting = settle(&shared, waiting).await;
        }
        sleep(if waiting.is_empty() {
            PERIOD
        } else {
            AGAIN_AFTER
        })
        .await;
    }
}

/// Asks for all their topics together. Returns those that nobody told of.
async fn settle(shared: &Shared, waiting: Vec<(Truncation, u32)>) -> Vec<(Truncation, u32)> {
    let mut asked: HashMap<Arc<str>, oneshot::Receiver<Option<Arc<TopicFacts>>>> = HashMap::new();
    for (truncation, _) in &waiting {
        let topic = &truncation.topic;
        asked
            .entry(topic.clone())
            .or_insert_with(|| shared.watch.confirm(topic.clone()));
    }
    let within = shared.settings.cluster.lookup_timeout * 2;
    let mut told = HashMap::new();
    for (topic, answer) in asked {
        if let Ok(Ok(Some(facts))) = timeout(within, answer).await {
            told.insert(topic, facts.id);
        }
    }
    let mut left = Vec::new();
    for (truncation, attempts) in waiting {
        match told.get(&truncation.topic) {
            Some(id) if *id == Some(truncation.topic_id) => {
                shared.telemetry.truncated(&truncation);
            }
            Some(id) => another_topic(shared, &truncation, *id),
            None if attempts + 1 < ATTEMPTS => left.push((truncation, attempts + 1)),
            None => shared.telemetry.truncations_unverified(1),
        }
    }
    left
}

/// It was deleted and created anew: what was acknowledged of the old one says nothing of the new one.
fn another_topic(shared: &Shared, truncation: &Truncation, now: Option<[u8; 16]>) {
    let (topic, was) = (&truncation.topic, truncation.topic_id);
    shared.ledger.acked.gone(topic, was, now);
    // Has the watch look at once.
    shared.watch.learned(Learned::NotLeader);
}
