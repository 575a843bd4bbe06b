//! StreamsGroupHeartbeat: `weak_topic_creation`, of the topics that its topology has the brokers create.

use super::{Judge, Of, Open, Verdict};
use crate::policy::Scenario;
use crate::policy::weak_topic_creation::{self as rule, MIN_INSYNC_REPLICAS, UNCLEAN};
use crate::wire::api::ErrorCode;
use crate::wire::edit::Edits;
use crate::wire::streams_group::{self, Topic};
use std::str::from_utf8;

const SCENARIO: Scenario = Scenario::WeakTopicCreation;
/// The one of the codes of this answer that says what is wrong; clients stop at it and show the text.
const CODE: ErrorCode = ErrorCode::STREAMS_INVALID_TOPOLOGY;

pub(super) fn judge(judge: &mut Judge<'_>, version: i16, body: &[u8]) -> Result<Verdict, Open> {
    let topics = streams_group::topics(version, body).map_err(|_| Open::Malformed)?;
    let verdicts = topics.iter().map(|topic| {
        let name = String::from_utf8_lossy(topic.name);
        (topic, name, verdict(judge, topic))
    });
    let verdicts: Vec<_> = verdicts.collect();
    // First what refuses the request as a whole, so that nothing is counted as changed in it.
    for (_, name, verdict) in &verdicts {
        if let rule::Verdict::Refuse(text) = verdict
            && judge.refuses(SCENARIO, CODE, Of::topic(name))
        {
            let text = format!("{text} (topic {name})");
            return Ok(Verdict::Answered(streams_group::refusal(CODE, &text)));
        }
    }
    let mut edits = Edits::default();
    for (topic, name, verdict) in &verdicts {
        if let rule::Verdict::Raise {
            replication_factor,
            min_insync_replicas,
            no_unclean,
        } = verdict
            && judge.overrides(SCENARIO, Of::topic(name))
        {
            if let Some(factor) = replication_factor {
                topic.set_replication_factor(*factor, &mut edits);
            }
            if let Some(replicas) = min_insync_replicas {
                topic.set_config(MIN_INSYNC_REPLICAS, &replicas.to_string(), &mut edits);
            }
            if *no_unclean {
                topic.set_config(UNCLEAN, "false", &mut edits);
            }
        }
    }
    Ok(match edits.is_empty() {
        true => Verdict::Pass,
        false => Verdict::Changed {
            body: edits.splice(body),
            ours: None,
        },
    })
}

fn verdict(judge: &Judge<'_>, topic: &Topic<'_>) -> rule::Verdict {
    let configs = topic.configs.iter();
    let wanted = rule::Wanted {
        replication_factor: match topic.replication_factor {
            0 => rule::BROKERS_CHOOSE,
            factor => factor,
        },
        fewest_assigned: None,
        // What is not UTF-8 is no key that matters, and no number.
        configs: configs
            .map(|config| {
                let key = from_utf8(config.key).unwrap_or_default();
                (key, from_utf8(config.value).ok())
            })
            .collect(),
        brokers: judge.env.view.brokers.len(),
    };
    rule::judge(&wanted, judge.env.policy.floors)
}
