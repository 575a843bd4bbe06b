//! `[policy]` and `[exemptions]` (roof).

use super::Checker;
use super::values::{Quoted, end_of_day, mode_of, truth};
use crate::config::file::{self, At, File, Found, List, Text};
use crate::config::keys::{self, Key};
use crate::policy::{self, BelowMinIsr, Exemption, Floors, Mode, Pattern, Preset, Scenario};
use std::collections::BTreeMap;

/// More than anyone keeps an eye on.
const MAX_EXEMPTIONS: usize = 1000;

impl Checker<'_> {
    pub(super) fn policy(&mut self, file: &File) -> policy::Settings {
        let file_policy = &file.policy;
        let preset = self.value_of(&file_policy.preset);
        let preset = Preset::ALL
            .into_iter()
            .find(|known| Some(known.name()) == preset)
            .unwrap_or(Preset::Default);
        let modes = Scenario::ALL.map(|scenario| {
            let key = Key::find(&format!("policy.{}.mode", scenario.name()));
            let chosen = key.map(|key| self.choice(key, file_policy.mode(scenario)));
            chosen.and_then(mode_of).unwrap_or(scenario.preset(preset))
        });
        let single_instance = truth(&keys::SINGLE_INSTANCE, &file_policy.single_instance);
        if !single_instance {
            self.joined_alone(file_policy);
        }
        policy::Settings {
            modes,
            below_min_isr: match self
                .choice(&keys::BELOW_MIN_ISR, &file_policy.acks_leader.below_min_isr)
            {
                "leader" => BelowMinIsr::Leader,
                _ => BelowMinIsr::Refuse,
            },
            ack_timeout_floor_ms: self.number(&keys::FLOOR, &file_policy.ack_timeout.floor_ms)
                as i32,
            max_batch_bytes: self
                .optional(
                    &keys::MAX_BATCH_BYTES,
                    &file_policy.oversized_batch.max_batch_bytes,
                )
                .map(|bytes| bytes as u32),
            max_request_bytes: self
                .optional(
                    &keys::MAX_REQUEST_BYTES,
                    &file_policy.oversized_request.max_request_bytes,
                )
                .map(|bytes| bytes as u32),
            idempotent_topics: self.topics(
                &keys::IDEMPOTENT_TOPICS,
                "policy.not_idempotent",
                &file_policy.not_idempotent.topics,
            ),
            transactional_topics: self.topics(
                &keys::TRANSACTIONAL_TOPICS,
                "policy.not_transactional",
                &file_policy.not_transactional.topics,
            ),
            min_in_sync_replicas: self.number(
                &keys::MIN_IN_SYNC_REPLICAS,
                &file_policy.under_replicated.min_in_sync_replicas,
            ) as u16,
            max_ahead_ms: self.number(&keys::MAX_AHEAD, &file_policy.future_timestamp.max_ahead_ms),
            single_instance,
            repair_offsets_expired: truth(
                &keys::REPAIR_OFFSETS_EXPIRED,
                &file_policy.offsets_expired.repair,
            ),
            repair_new_partition_skip: truth(
                &keys::REPAIR_NEW_PARTITION_SKIP,
                &file_policy.new_partition_skip.repair,
            ),
            repair_weak_topic: mode_of(
                self.choice(&keys::REPAIR_WEAK_TOPIC, &file_policy.weak_topic.repair),
            )
            .unwrap_or(Mode::Off),
            held_back_groups: self.patterns(
                &keys::HELD_BACK_GROUPS,
                keys::HELD_BACK_GROUPS.table,
                &file_policy.commit_hold_back.groups,
            ),
            floors: Floors {
                replication_factor: self.number(
                    &keys::REPLICATION_FACTOR,
                    &file_policy.weak_topic_creation.replication_factor,
                ) as u16,
                min_insync_replicas: self.number(
                    &keys::MIN_INSYNC_REPLICAS,
                    &file_policy.weak_topic_creation.min_insync_replicas,
                ) as u16,
            },
            retention_floor_ms: self.number(
                &keys::RETENTION_FLOOR,
                &file_policy.weakening_config.retention_floor_ms,
            ),
            protected_topics: self.topics(
                &keys::PROTECTED_TOPICS,
                keys::PROTECTED_TOPICS.table,
                &file_policy.destructive_admin.topics,
            ),
            protected_groups: self.patterns(
                &keys::PROTECTED_GROUPS,
                keys::PROTECTED_GROUPS.table,
                &file_policy.destructive_admin.groups,
            ),
            keyed_topics: self.topics(
                &keys::KEYED_TOPICS,
                keys::KEYED_TOPICS.table,
                &file_policy.partition_growth.topics,
            ),
            exemptions: self.exemptions(&file.exemptions),
        }
    }

    /// One of several replicas would change commits by what it alone has seen.
    fn joined_alone(&mut self, file: &file::Policy) {
        for scenario in [Scenario::CommitAhead, Scenario::CommitHoldBack] {
            let enforced = |mode: &&Found<String>| mode.value == Mode::Enforce.name();
            if let Some(mode) = file.mode(scenario).as_ref().filter(enforced) {
                let path = format!("policy.{}.mode", scenario.name());
                let text = "found \"enforce\" without policy.single_instance = true; allowed: \"off\", \"observe\" (a replica of the gateway that does not see all connections of a group would change commits that are right)";
                self.wrong(&path, Some(&mode.at), text.into());
            }
        }
    }

    fn exemptions(&mut self, found: &BTreeMap<String, Found<file::Exemption>>) -> Vec<Exemption> {
        if found.len() > MAX_EXEMPTIONS {
            let text = format!(
                "found {} exemptions; allowed: at most {MAX_EXEMPTIONS} (each may be looked at for each request)",
                found.len()
            );
            self.wrong("exemptions", None, text);
        }
        found
            .iter()
            .map(|(name, file)| self.exemption(name, &file.value, &file.at))
            .collect()
    }

    /// What is missing is told of at its table.
    fn exemption(&mut self, name: &str, file: &file::Exemption, at: &At) -> Exemption {
        let place = Some(at);
        let table = format!("exemptions.{name}");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.wrong(&table, place, format!("found {name:?}; allowed: a name of 1 to 64 letters, digits, _ and - (it becomes a metric label)"));
        }
        let lists = [
            &file.topics,
            &file.client_ids,
            &file.groups,
            &file.principals,
        ];
        if lists.iter().all(|list| list.is_none()) {
            self.wrong(&table, place, "found neither topics nor client_ids nor groups nor principals; allowed: at least one of them (to switch a scenario off for everyone, set its mode)".into());
        }
        if file.expires.is_none() {
            let path = format!("{table}.expires");
            self.wrong(
                &path,
                place,
                format!(
                    "found nothing; allowed: {}",
                    keys::EXEMPTION_EXPIRES.allowed
                ),
            );
        }
        let expires = file.expires.as_ref().and_then(|found| {
            let end = end_of_day(&found.value);
            if end.is_none() {
                let key = &keys::EXEMPTION_EXPIRES;
                self.not_allowed(
                    key,
                    &format!("{table}.expires"),
                    &found.at,
                    &Quoted(&found.value),
                );
            }
            end
        });
        Exemption {
            name: name.into(),
            scenarios: self.exempted(&table, place, &file.scenarios),
            topics: self.topics(&keys::EXEMPTION_TOPICS, &table, &file.topics),
            client_ids: self.patterns(&keys::EXEMPTION_CLIENT_IDS, &table, &file.client_ids),
            groups: self.patterns(&keys::EXEMPTION_GROUPS, &table, &file.groups),
            principals: self.principals(&table, &file.principals),
            owner: self.given(&keys::EXEMPTION_OWNER, &table, place, &file.owner),
            reason: self.given(&keys::EXEMPTION_REASON, &table, place, &file.reason),
            expires,
        }
    }

    fn exempted(&mut self, table: &str, place: Option<&At>, found: &List) -> Vec<Scenario> {
        let key = &keys::EXEMPTION_SCENARIOS;
        let path = format!("{table}.{}", key.name);
        let Some(list) = found.as_ref().filter(|list| !list.value.is_empty()) else {
            let place = found.as_ref().map(|list| &list.at).or(place);
            self.wrong(
                &path,
                place,
                format!("found nothing; allowed: {}", key.allowed),
            );
            return Vec::new();
        };
        let scenarios = list.value.iter().filter_map(|name| {
            let scenario = Scenario::from_name(name);
            if scenario.is_none() {
                self.not_allowed(key, &path, &list.at, &Quoted(name));
            }
            scenario
        });
        scenarios.collect()
    }

    /// Patterns of principals: without a type, none would ever match.
    fn principals(&mut self, table: &str, found: &List) -> Vec<Pattern> {
        let typed = |text: &str| text.contains(':') || text.starts_with('*');
        self.patterns_that(typed, &keys::EXEMPTION_PRINCIPALS, table, found)
    }

    /// Patterns of topics: with a character that no topic's name may have, none would ever match (Kafka's `Topic.validate`).
    fn topics(&mut self, key: &Key, table: &str, found: &List) -> Vec<Pattern> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
        self.patterns_that(|text| text.chars().all(legal), key, table, found)
    }

    /// Patterns that may match something.
    fn patterns_that(
        &mut self,
        may_match: impl Fn(&str) -> bool,
        key: &Key,
        table: &str,
        found: &List,
    ) -> Vec<Pattern> {
        for list in found.iter() {
            let given = list.value.iter().filter(|text| !text.is_empty());
            for text in given.filter(|text| !may_match(text)) {
                let path = format!("{table}.{}", key.name);
                self.not_allowed(key, &path, &list.at, &Quoted(text));
            }
        }
        self.patterns(key, table, found)
    }

    fn patterns(&mut self, key: &Key, table: &str, found: &List) -> Vec<Pattern> {
        let Some(list) = found else {
            return Vec::new();
        };
        let path = format!("{table}.{}", key.name);
        if list.value.is_empty() {
            // An empty list would mean "all" in an exception and nothing in a scenario: nobody writes it on purpose.
            self.not_allowed(key, &path, &list.at, &"[]");
        }
        for pattern in list.value.iter().filter(|pattern| pattern.is_empty()) {
            self.not_allowed(key, &path, &list.at, &Quoted(pattern));
        }
        list.value.iter().cloned().map(Pattern).collect()
    }

    /// A text that must be there and not be empty.
    fn given(&mut self, key: &Key, table: &str, place: Option<&At>, found: &Text) -> String {
        let text = found
            .as_ref()
            .map(|found| found.value.trim())
            .unwrap_or_default();
        if text.is_empty() {
            let place = found.as_ref().map(|found| &found.at).or(place);
            self.wrong(
                &format!("{table}.{}", key.name),
                place,
                format!("found nothing; allowed: {}", key.allowed),
            );
        }
        text.to_owned()
    }
}
