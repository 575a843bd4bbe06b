//! A question of a session to the cluster that is under way.

use crate::cluster::{GroupOffset, LogEnd, TopicFacts};
use crate::proxy::watch::Handle;
use crate::session::{Answer, Question};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// See the module.
pub struct Lookup {
    answer: Asked,
    pub since: Instant,
}

enum Asked {
    Facts(oneshot::Receiver<Option<Arc<TopicFacts>>>),
    LogEnds(oneshot::Receiver<Vec<LogEnd>>),
    Committed(oneshot::Receiver<Vec<GroupOffset>>),
    Topics(oneshot::Receiver<Vec<Arc<TopicFacts>>>),
}

impl Lookup {
    pub fn begun(watch: &Handle, question: Question, since: Instant) -> Box<Lookup> {
        let answer = match question {
            Question::Facts(topic) => Asked::Facts(watch.confirm(topic)),
            Question::LogEnds(partitions, met) => Asked::LogEnds(watch.log_ends(partitions, met)),
            Question::Committed(group, partitions) => {
                Asked::Committed(watch.committed(group, partitions))
            }
            Question::Topics(topics) => Asked::Topics(watch.topics(topics)),
        };
        Box::new(Lookup { answer, since })
    }

    /// `None`: nobody answered.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        match &mut self.answer {
            Asked::Facts(answer) => Pin::new(answer)
                .poll(cx)
                .map(|facts| facts.ok().flatten().map(Answer::Facts)),
            Asked::LogEnds(answer) => Pin::new(answer)
                .poll(cx)
                .map(|ends| ends.ok().map(Answer::LogEnds)),
            Asked::Committed(answer) => Pin::new(answer)
                .poll(cx)
                .map(|offsets| offsets.ok().map(Answer::Committed)),
            Asked::Topics(answer) => Pin::new(answer)
                .poll(cx)
                .map(|topics| topics.ok().map(Answer::Topics)),
        }
    }
}
