//! What the scenarios that look at batches have in common: each with every acks in every mode, at every version that differs
//! on the wire, and in pieces, so that the short way and the long way must agree.

use super::MODES;
use crate::support::raw;
use crate::support::rig::{Confirm, Rig, exemption, frame, parse_answer, settings};
use holdfast::cluster::TopicFacts;
use holdfast::policy::{Mode, Scenario, Settings};
use holdfast::session::event::{CloseCause, Event};

/// A scenario, what has to be set for it, and what is known of the topic `orders`.
pub struct Case {
    pub scenario: Scenario,
    pub error_code: i16,
    pub policy: fn(&mut Settings),
    pub facts: fn(&mut TopicFacts),
}

impl Case {
    pub fn rig(&self, mode: Mode) -> Rig {
        let mut policy = settings(Mode::Off);
        policy.modes[self.scenario as usize] = mode;
        (self.policy)(&mut policy);
        Rig::new(policy)
            .topic("orders", None)
            .facts("orders", self.facts)
    }

    /// The only batch of a request falls under the scenario.
    pub fn is_found(&self, versions: &[i16], request: impl Fn(i16, i16) -> raw::Produce) {
        self.each(
            versions,
            &request,
            |mode, acks, version, rig, sent, what| {
                let counted = match mode {
                    Mode::Off => [].into(),
                    _ => [(mode.name(), 1)].into(),
                };
                assert_eq!(rig.rejections(self.scenario), counted, "{what}");
                if mode != Mode::Enforce {
                    assert_eq!(rig.to_broker, sent, "{what}");
                    assert!(rig.confirms.is_empty() && rig.collects.is_empty(), "{what}");
                    return;
                }
                assert!(rig.to_broker.is_empty(), "{what}");
                if acks == 0 {
                    assert_eq!(rig.closes(), [CloseCause::RefusedUnanswerable], "{what}");
                    return;
                }
                let (_, answer) = parse_answer(version, &rig.to_client);
                assert_eq!(answer.error_codes(), [self.error_code], "{what}");
                if version >= 8 {
                    let text = answer.partitions[0].error_message.clone();
                    let text = text.unwrap_or_default();
                    assert!(text.starts_with(self.scenario.name()), "{what}: {text}");
                }
            },
        );
    }

    /// The only batch of a request does not fall under it.
    pub fn is_not_found(&self, versions: &[i16], request: impl Fn(i16, i16) -> raw::Produce) {
        self.each(versions, &request, |_, _, _, rig, sent, what| {
            assert!(rig.rejections(self.scenario).is_empty(), "{what}");
            assert_eq!(rig.to_broker, sent, "{what}");
            assert!(rig.closes().is_empty(), "{what}");
        });
    }

    fn each(
        &self,
        versions: &[i16],
        request: &dyn Fn(i16, i16) -> raw::Produce,
        check: impl Fn(Mode, i16, i16, &Rig, &[u8], &str),
    ) {
        for mode in MODES {
            for acks in [0, 1, -1] {
                for version in versions {
                    let sent = frame(1, &request(*version, acks));
                    for at in [0, 13, 60, sent.len() - 1] {
                        let mut rig = self.rig(mode);
                        rig.send(&sent[..at]).send(&sent[at..]);
                        let what = format!("{mode:?} acks {acks} version {version} cut at {at}");
                        check(mode, acks, *version, &rig, &sent, &what);
                    }
                }
            }
        }
    }

    /// A topic or a client that is exempted is left alone, and the exemption counted.
    pub fn is_exempted(&self, request: &raw::Produce) {
        for (topics, client_ids) in [(&["ord*"][..], &[][..]), (&[], &["app"])] {
            let mut rig = self.rig(Mode::Enforce);
            rig.policy.exemptions = vec![exemption(self.scenario, topics, client_ids)];
            let sent = frame(1, request);
            rig.send(&sent);
            assert_eq!(rig.to_broker, sent, "{topics:?}");
            assert!(rig.rejections(self.scenario).is_empty());
            assert!(rig.has(|event| matches!(event, Event::Exempted { count: 1, .. })));
        }
    }

    /// A refusal by what was learned is confirmed: a fresh look that finds nothing, or no look at all, refuses nothing.
    pub fn is_confirmed(&self, request: &raw::Produce, healthy: fn(&mut TopicFacts)) {
        let sent = frame(1, request);
        let mut rig = self.rig(Mode::Enforce);
        rig.send(&sent);
        assert_eq!(rig.confirms.len(), 1);

        let mut rig = self.rig(Mode::Enforce);
        let mut facts = (**rig.view.topic("orders").unwrap()).clone();
        healthy(&mut facts);
        rig.confirm = Confirm::Facts(Box::new(facts));
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
        assert!(rig.rejections(self.scenario).is_empty());

        let mut rig = self.rig(Mode::Enforce);
        rig.confirm = Confirm::Silence;
        rig.send(&sent);
        assert_eq!(rig.to_broker, sent);
        let scenario = self.scenario;
        assert!(rig.has(|event| *event == Event::Unverified { scenario }));
    }
}
