//! How each scenario stands for one client: its mode, less the exemptions that its client id, its principal or a topic falls
//! under.
//!
//! Worked out once per client id, principal and settings, so that a request costs no pattern matching unless an exemption names
//! topics. Exemptions whose date has passed are taken out of the settings by the proxy; nothing here has a clock.

use super::{Exemption, Mode, Pattern, Scenario, Settings};
use std::sync::Arc;

/// How a scenario stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stand {
    /// Neither judged nor counted.
    Off,
    Apply(Mode),
    /// The exemption with that position in the settings keeps it from being applied.
    Exempt(u16),
    /// It depends on the topic or the group.
    ByTopic(Mode),
}

/// All scenarios for one client id and one principal under one set of settings.
#[derive(Clone, Debug)]
pub struct Standing {
    settings: Arc<Settings>,
    principal: Option<Arc<str>>,
    stands: [Stand; Scenario::COUNT],
}

impl Standing {
    /// `principal`: as the brokers accepted it; `None`: not known.
    pub fn of(
        settings: &Arc<Settings>,
        client_id: Option<&str>,
        principal: Option<Arc<str>>,
    ) -> Standing {
        let who = (client_id, principal.as_deref());
        let stands = Scenario::ALL.map(|scenario| stand(settings, scenario, who));
        Standing {
            settings: settings.clone(),
            principal,
            stands,
        }
    }

    /// Whether it was worked out under these very settings.
    pub fn is_of(&self, settings: &Arc<Settings>) -> bool {
        Arc::ptr_eq(&self.settings, settings)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    #[inline]
    pub fn get(&self, scenario: Scenario) -> Stand {
        self.stands[scenario as usize]
    }

    /// The same for one topic; a topic whose name is not known falls under no exemption.
    pub fn for_topic(
        &self,
        scenario: Scenario,
        client_id: Option<&str>,
        topic: Option<&str>,
    ) -> Stand {
        self.for_names(scenario, client_id, topic, None)
    }

    /// The same for a topic, a group, or a topic of a group. What is not named falls under no exemption that names some.
    pub fn for_names(
        &self,
        scenario: Scenario,
        client_id: Option<&str>,
        topic: Option<&str>,
        group: Option<&str>,
    ) -> Stand {
        let Stand::ByTopic(mode) = self.get(scenario) else {
            return self.get(scenario);
        };
        let who = (client_id, self.principal.as_deref());
        let found = self.settings.exemptions.iter().position(|exemption| {
            concerns(exemption, scenario, who)
                && names(&exemption.topics, topic)
                && names(&exemption.groups, group)
        });
        found.map_or(Stand::Apply(mode), |position| {
            Stand::Exempt(position as u16)
        })
    }

    pub fn exemption(&self, position: u16) -> Option<&Exemption> {
        self.settings.exemptions.get(position as usize)
    }
}

/// Client id and principal, as far as they are known.
type Who<'a> = (Option<&'a str>, Option<&'a str>);

fn stand(settings: &Settings, scenario: Scenario, who: Who) -> Stand {
    let mode = settings.mode(scenario);
    if mode == Mode::Off {
        return Stand::Off;
    }
    let mut stand = Stand::Apply(mode);
    for (position, exemption) in settings.exemptions.iter().enumerate() {
        if !concerns(exemption, scenario, who) {
            continue;
        }
        if exemption.topics.is_empty() && exemption.groups.is_empty() {
            return Stand::Exempt(position as u16);
        }
        stand = Stand::ByTopic(mode);
    }
    stand
}

fn concerns(exemption: &Exemption, scenario: Scenario, (client_id, principal): Who) -> bool {
    exemption.scenarios.contains(&scenario)
        && names(&exemption.client_ids, client_id)
        && names(&exemption.principals, principal)
}

/// Whether the patterns, if there are any, name it.
fn names(patterns: &[Pattern], name: Option<&str>) -> bool {
    patterns.is_empty() || name.is_some_and(|name| any_matches(patterns, name))
}

/// Whether one of the patterns matches.
pub fn any_matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

impl Pattern {
    /// `*` stands for any run of characters, also none; everything else for itself. Linear in time but for the number
    /// of stars, so that a hostile name costs nothing.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut from) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while from < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, from));
                    at += 1;
                }
                Some(byte) if *byte == name[from] => (at, from) = (at + 1, from + 1),
                _ => match star {
                    Some((star_at, taken)) => {
                        star = Some((star_at, taken + 1));
                        (at, from) = (star_at + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(exemptions: Vec<Exemption>) -> Arc<Settings> {
        Arc::new(Settings {
            modes: [Mode::Enforce; Scenario::COUNT],
            exemptions,
            ..Settings::default()
        })
    }

    fn exemption(topics: &[&str], client_ids: &[&str]) -> Exemption {
        let patterns = |list: &[&str]| {
            list.iter()
                .map(|pattern| Pattern((*pattern).to_owned()))
                .collect()
        };
        Exemption {
            name: "metrics".into(),
            scenarios: vec![Scenario::AcksNone],
            topics: patterns(topics),
            client_ids: patterns(client_ids),
            groups: Vec::new(),
            principals: Vec::new(),
            owner: "platform".into(),
            reason: "may be lost".into(),
            expires: None,
        }
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("orders*", "orders", true),
            ("*.log", "a.b.log", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                Pattern(pattern.into()).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn an_exemption_without_topics_holds_for_the_client_and_one_with_topics_for_those() {
        let standing = Standing::of(
            &settings(vec![exemption(&[], &["edge-*"])]),
            Some("edge-7"),
            None,
        );
        assert_eq!(standing.get(Scenario::AcksNone), Stand::Exempt(0));
        assert_eq!(
            standing.get(Scenario::AcksLeader),
            Stand::Apply(Mode::Enforce)
        );
        let standing = Standing::of(&settings(vec![exemption(&["m.*"], &[])]), None, None);
        assert_eq!(
            standing.get(Scenario::AcksNone),
            Stand::ByTopic(Mode::Enforce)
        );
        assert_eq!(
            standing.for_topic(Scenario::AcksNone, None, Some("m.cpu")),
            Stand::Exempt(0)
        );
        assert_eq!(
            standing.for_topic(Scenario::AcksNone, None, Some("orders")),
            Stand::Apply(Mode::Enforce)
        );
        assert_eq!(
            standing.for_topic(Scenario::AcksNone, None, None),
            Stand::Apply(Mode::Enforce)
        );
    }

    #[test]
    fn an_exemption_for_principals_holds_for_nobody_else_and_not_while_none_is_known() {
        let mut svc = exemption(&[], &[]);
        svc.principals = vec![Pattern("User:svc-*".into())];
        let mut both = svc.clone();
        both.scenarios = vec![Scenario::AcksLeader];
        both.client_ids = vec![Pattern("edge".into())];
        both.topics = vec![Pattern("m.*".into())];
        let settings = settings(vec![svc, both]);
        let enforced = Stand::Apply(Mode::Enforce);
        for (client_id, principal, none, leader) in [
            (None, None, enforced, enforced),
            (Some("edge"), None, enforced, enforced),
            (Some("edge"), Some("User:bob"), enforced, enforced),
            (None, Some("User:svc-1"), Stand::Exempt(0), enforced),
            (
                Some("edge"),
                Some("User:svc-1"),
                Stand::Exempt(0),
                Stand::Exempt(1),
            ),
        ] {
            let standing = Standing::of(&settings, client_id, principal.map(Arc::from));
            assert_eq!(standing.get(Scenario::AcksNone), none, "{principal:?}");
            let found = standing.for_topic(Scenario::AcksLeader, client_id, Some("m.cpu"));
            assert_eq!(found, leader, "{client_id:?} {principal:?}");
            let found = standing.for_topic(Scenario::AcksLeader, client_id, Some("orders"));
            assert_eq!(found, enforced);
        }
    }
}
