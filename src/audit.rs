//! `holdfast audit` (roof): looks at a cluster, without any traffic, for what loses records. Asks only; changes nothing.
//!
//! In steps: `audit/ask.rs` asks brokers, `facts.rs` is what they told, `judge.rs` says what is wrong with it, `report.rs` keeps
//! that, `render.rs` writes it. One question at a time; topics and groups go through in batches, so that a large cluster takes
//! time and not memory: what is held is one answer, the topics' leaders, and the report, which has a limit.

mod ask;
mod facts;
mod judge;
mod render;
mod report;

pub use render::{human, json};
pub use report::{Check, Report, Severity};

use crate::proxy::settings::{self, HostPort};
use crate::proxy::watch::link::Dialing;
use crate::wire::api::ErrorCode;
use ask::{Asker, At, Committed, EARLIEST, LATEST, said};
use facts::{Brokers, Group, Position, Topic, TopicConfig};
use report::BrokerSeen;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// From a request's first byte to its answer's last. A broker that was silent for so long is not asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Topics per DescribeConfigs, groups per OffsetFetch, partitions per ListOffsets.
const TOPICS: usize = 500;
const GROUPS: usize = 20;
const PARTITIONS: usize = 1000;
/// Partitions whose offsets are remembered, as several groups may read one.
const MAX_ENDS: usize = 200_000;
/// `flush.messages` of a topic that leaves writing to the system.
const NEVER: i64 = i64::MAX;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    #[error("no bootstrap server could be audited:{0}")]
    Nobody(String),
}

/// Looks at the cluster behind `bootstrap_servers`.
///
/// # Errors
/// No bootstrap server answers. What fails later is named in the report.
pub fn run(settings: &settings::Cluster) -> Result<Report, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let report = runtime.block_on(look(settings));
    // A blocked look-up of a name must not hold up the exit.
    runtime.shutdown_background();
    report
}

async fn look(settings: &settings::Cluster) -> Result<Report, Error> {
    let dialing = Dialing {
        connect_timeout: settings.connect_timeout,
        tcp_user_timeout: settings.tcp_user_timeout,
        tls: settings.tls.clone(),
        request_timeout: REQUEST_TIMEOUT,
        sasl: settings.sasl.clone(),
    };
    let mut asker = Asker::new(dialing);
    let (server, metadata) = first_look(&mut asker, &settings.bootstrap_servers).await?;
    let mut audit = Audit {
        asker,
        server,
        brokers: metadata.brokers,
        topics: HashMap::new(),
        ends: HashMap::new(),
        report: Report::default(),
        share_groups: 0,
        unknown_topics: BTreeSet::new(),
    };
    audit.report.cluster_id = metadata.cluster_id;
    for (name, code) in metadata.refused {
        audit.report.not_seen("topic", said(code), &name);
    }
    audit.topics(metadata.topics).await;
    audit.brokers().await;
    audit.groups().await;
    Ok(audit.end())
}

async fn first_look(
    asker: &mut Asker,
    servers: &[HostPort],
) -> Result<(HostPort, ask::Metadata), Error> {
    let mut reasons = String::new();
    for server in servers {
        let metadata = asker
            .at(server, async |link, dialing| {
                ask::metadata(link, dialing).await
            })
            .await;
        match metadata {
            Ok(metadata) => return Ok((server.clone(), metadata)),
            Err(reason) => reasons = format!("{reasons}\n  {server}: {reason}"),
        }
    }
    Err(Error::Nobody(reasons))
}

/// A look under way.
struct Audit {
    asker: Asker,
    /// The bootstrap server that answered.
    server: HostPort,
    brokers: Brokers,
    topics: HashMap<Arc<str>, Known>,
    ends: HashMap<(Arc<str>, i32), Ends>,
    report: Report,
    share_groups: usize,
    /// Topics with commits that Metadata does not name; as many as a note can name, and one.
    unknown_topics: BTreeSet<Arc<str>>,
}

/// What groups need to know of a topic.
struct Known {
    config: TopicConfig,
    /// By partition; negative: none.
    leaders: HashMap<i32, i32>,
}

/// Where the log of a partition begins and ends.
#[derive(Clone, Copy)]
struct Ends {
    start: i64,
    end: i64,
    expiring_until: Option<i64>,
}

/// Topics whose commits were found without the topic: kept to be named.
const MAX_UNKNOWN_TOPICS: usize = 5;

impl Audit {
    // ---------------------------------------------------------------------------------------------------- topics

    async fn topics(&mut self, topics: Vec<Topic>) {
        let (mut unset, mut told) = (0, 0);
        for chunk in topics.chunks(TOPICS) {
            let names: Vec<Arc<str>> = chunk.iter().map(|topic| topic.name.clone()).collect();
            let server = self.server.clone();
            let configs = self
                .asker
                .at(&server, async |link, dialing| {
                    ask::topic_configs(link, &names, dialing).await
                })
                .await;
            for topic in chunk {
                let config = match &configs {
                    Ok(configs) => match configs.get(&*topic.name) {
                        Some(Some(config)) => config.clone(),
                        // Deleted since the first look.
                        Some(None) => continue,
                        None => Err("left out of the answer".to_owned()),
                    },
                    Err(reason) => Err(reason.clone()),
                };
                if let Err(reason) = &config {
                    let reason = reason.clone();
                    self.report
                        .not_seen("configs of topic", reason, &topic.name);
                }
                let config = config.unwrap_or_default();
                told += usize::from(config.flush_messages.is_some());
                unset += usize::from(config.flush_messages == Some(NEVER));
                self.topic(topic, config);
            }
        }
        if let Some(finding) = judge::page_cache(unset, told) {
            self.report.add(finding);
        }
    }

    fn topic(&mut self, topic: &Topic, config: TopicConfig) {
        self.report.seen.topics += 1;
        self.report.seen.partitions += topic.partitions.len();
        for finding in judge::topic(topic, config, &self.brokers) {
            self.report.add(finding);
        }
        let leaders = topic.partitions.iter().map(|one| (one.index, one.leader));
        let known = Known {
            config,
            leaders: leaders.collect(),
        };
        self.topics.insert(topic.name.clone(), known);
    }

    // --------------------------------------------------------------------------------------------------- brokers

    async fn brokers(&mut self) {
        let mut configs = BTreeMap::new();
        let mut authorizer = false;
        for (id, broker) in &self.brokers {
            let told = self
                .asker
                .at(&broker.server, async |link, dialing| {
                    ask::broker_config(link, *id, dialing).await
                })
                .await;
            let mut seen = BrokerSeen {
                node_id: *id,
                server: broker.server.to_string(),
                rack: broker.rack.clone(),
                settings: BTreeMap::new(),
            };
            match told.unwrap_or_else(Err) {
                Ok((config, with_authorizer)) => {
                    authorizer |= with_authorizer;
                    seen.settings = config.clone();
                    configs.insert(*id, config);
                }
                Err(reason) => {
                    authorizer |= reason.contains("AUTHORIZATION_FAILED");
                    let name = format!("{id} ({})", broker.server);
                    self.report.not_seen("configs of broker", reason, &name);
                }
            }
            self.report.brokers.push(seen);
        }
        let exists = |name: &str| self.topics.contains_key(name);
        let findings = judge::broker_configs(&configs, &exists);
        for finding in findings.into_iter().chain(judge::racks(&self.brokers)) {
            self.report.add(finding);
        }
        if authorizer {
            self.report.notes.push(
                "the cluster has an authorizer: topics and groups that this principal may not DESCRIBE are left out by the brokers, without a word"
                    .into(),
            );
        }
    }

    // ---------------------------------------------------------------------------------------------------- groups

    async fn groups(&mut self) {
        let brokers: Vec<(i32, HostPort)> = self
            .brokers
            .iter()
            .map(|(id, broker)| (*id, broker.server.clone()))
            .collect();
        for (id, server) in brokers {
            let listed = self
                .asker
                .at(&server, async |link, dialing| {
                    ask::groups(link, dialing).await
                })
                .await;
            match listed {
                Ok(listed) => {
                    self.share_groups += listed.share_groups;
                    for chunk in listed.groups.chunks(GROUPS) {
                        self.some_groups(&server, chunk).await;
                    }
                }
                Err(reason) => {
                    let name = format!("{id} ({server})");
                    self.report.not_seen("groups of broker", reason, &name);
                }
            }
        }
    }

    /// Groups of one coordinator.
    async fn some_groups(&mut self, coordinator: &HostPort, groups: &[Group]) {
        let committed = self
            .asker
            .at(coordinator, async |link, dialing| {
                ask::committed(link, groups, dialing).await
            })
            .await;
        let committed = match committed {
            Ok(committed) => committed,
            Err(reason) => {
                for group in groups {
                    self.report
                        .not_seen("commits of group", reason.clone(), &group.id);
                }
                return;
            }
        };
        self.find_ends(&committed).await;
        for committed in committed {
            let group = groups.iter().find(|group| *group.id == committed.group);
            match (group, committed.error_code) {
                (Some(group), ErrorCode::NONE) => self.group(group, &committed),
                // Deleted since it was listed.
                (Some(_), ErrorCode::GROUP_ID_NOT_FOUND) | (None, _) => {}
                (Some(group), code) => {
                    self.report
                        .not_seen("commits of group", said(code), &group.id);
                }
            }
        }
    }

    fn group(&mut self, group: &Group, committed: &Committed) {
        self.report.seen.groups += 1;
        for (topic, partitions) in &committed.topics {
            let Some(known) = self.topics.get(topic) else {
                if !partitions.is_empty() && self.unknown_topics.len() <= MAX_UNKNOWN_TOPICS {
                    self.unknown_topics.insert(topic.clone());
                }
                continue;
            };
            let position = |(partition, committed): &(i32, i64)| {
                let ends = self.ends.get(&(topic.clone(), *partition))?;
                Some(Position {
                    partition: *partition,
                    committed: *committed,
                    log_start: ends.start,
                    log_end: ends.end,
                    expiring_until: ends.expiring_until,
                })
            };
            let positions: Vec<Position> = partitions.iter().filter_map(position).collect();
            for finding in judge::group(group, topic, known.config, &positions) {
                self.report.add(finding);
            }
        }
    }

    /// Asks leaders where the logs begin and end that these groups read, as far as that is not known.
    async fn find_ends(&mut self, committed: &[Committed]) {
        if self.ends.len() >= MAX_ENDS {
            self.ends.clear();
        }
        let mut wanted: BTreeSet<(i32, Arc<str>, i32)> = BTreeSet::new();
        for (topic, partitions) in committed.iter().flat_map(|group| &group.topics) {
            let Some(known) = self.topics.get(topic) else {
                continue;
            };
            for (partition, _) in partitions {
                let name = || format!("{topic}-{partition}");
                match known.leaders.get(partition) {
                    _ if self.ends.contains_key(&(topic.clone(), *partition)) => {}
                    Some(leader @ 0..) => {
                        wanted.insert((*leader, topic.clone(), *partition));
                    }
                    Some(_) => {
                        let reason = "no leader".to_owned();
                        self.report
                            .not_seen("offsets of partition", reason, &name());
                    }
                    // The topic was made anew with fewer partitions.
                    None => {}
                }
            }
        }
        let wanted: Vec<(i32, Arc<str>, i32)> = wanted.into_iter().collect();
        for of_leader in wanted.chunk_by(|a, b| a.0 == b.0) {
            for chunk in of_leader.chunks(PARTITIONS) {
                self.ends_of(chunk).await;
            }
        }
    }

    /// Partitions of one leader.
    async fn ends_of(&mut self, chunk: &[(i32, Arc<str>, i32)]) {
        let begin = self.offsets(chunk, |_| Some(EARLIEST)).await;
        let end = self.offsets(chunk, |_| Some(LATEST)).await;
        // A tenth of the time before a record goes.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        let young = self
            .offsets(chunk, |config| {
                let retention_ms = config
                    .retention_ms
                    .filter(|ms| *ms >= 0 && config.deletes)?;
                Some(now.saturating_sub(retention_ms - retention_ms / 10).max(0))
            })
            .await;
        for (_, topic, partition) in chunk {
            let key = (topic.clone(), *partition);
            let (Some(start), Some(end)) = (begin.get(&key), end.get(&key)) else {
                continue;
            };
            // No record is as young: all of them are in their last tenth.
            let until = |first: &i64| if *first < 0 { *end } else { *first };
            let ends = Ends {
                start: *start,
                end: *end,
                expiring_until: young.get(&key).map(until),
            };
            self.ends.insert(key, ends);
        }
    }

    /// The offsets that belong to the time `when` says for a topic, `None` being no question; what fails is reported.
    async fn offsets(
        &mut self,
        chunk: &[(i32, Arc<str>, i32)],
        when: impl Fn(&TopicConfig) -> Option<i64>,
    ) -> HashMap<(Arc<str>, i32), i64> {
        let at = |(_, topic, partition): &(i32, Arc<str>, i32)| {
            let timestamp = when(&self.topics.get(topic)?.config)?;
            Some(At {
                topic: topic.clone(),
                partition: *partition,
                timestamp,
            })
        };
        let asked: Vec<At> = chunk.iter().filter_map(at).collect();
        let leader = chunk.first().map(|(leader, ..)| *leader);
        let server = leader.and_then(|leader| self.brokers.get(&leader));
        let told = match server.map(|broker| broker.server.clone()) {
            _ if asked.is_empty() => return HashMap::new(),
            Some(server) => {
                self.asker
                    .at(&server, async |link, dialing| {
                        ask::offsets(link, &asked, dialing).await
                    })
                    .await
            }
            None => Err("its leader is not among the brokers".to_owned()),
        };
        let mut offsets = HashMap::new();
        for at in asked {
            let key = (at.topic, at.partition);
            let outcome = match &told {
                Ok(told) => match told.get(&key) {
                    Some(Ok(offset)) => Ok(Some(*offset)),
                    // Deleted since the first look.
                    Some(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)) => Ok(None),
                    Some(Err(code)) => Err(said(*code)),
                    None => Err("left out of the answer".to_owned()),
                },
                Err(reason) => Err(reason.clone()),
            };
            match outcome {
                Ok(Some(offset)) => {
                    offsets.insert(key, offset);
                }
                Ok(None) => {}
                Err(reason) => {
                    let name = format!("{}-{}", key.0, key.1);
                    self.report.not_seen("offsets of partition", reason, &name);
                }
            }
        }
        offsets
    }

    // ------------------------------------------------------------------------------------------------------- end

    fn end(mut self) -> Report {
        if self.share_groups > 0 {
            let text = format!(
                "{} share groups are not audited: their progress is not kept as committed offsets",
                self.share_groups
            );
            self.report.notes.push(text);
        }
        if !self.unknown_topics.is_empty() {
            let more = match self.unknown_topics.len() > MAX_UNKNOWN_TOPICS {
                true => " and others",
                false => "",
            };
            let names = self.unknown_topics.iter().take(MAX_UNKNOWN_TOPICS);
            let names: Vec<&str> = names.map(|name| &**name).collect();
            let text = format!(
                "groups have commits on topics that do not exist, or may not be described: {}{more}",
                names.join(", ")
            );
            self.report.notes.push(text);
        }
        self.report.sort();
        self.report
    }
}
