//! A consumer of partition 0 of `orders` as brokers see it: a connection to its group's coordinator and one to the leader, both
//! through a gateway, and what the brokers say.

use super::fetches::{Answered, Request, answer, batch};
use super::offsets::{Commit, Offsets, committed, fetch, fetched, list_offsets, listed};
use super::rig::{Rig, frames};
use holdfast::ledger::Ledger;
use holdfast::ledger::deliveries::Address;
use holdfast::policy::{Scenario, Settings};
use holdfast::session::event::{Completeness, Event};
use holdfast::wire::offsets::Commit as Read;
use std::sync::Arc;

pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;
const OUT_OF_RANGE: i16 = 1;

/// Versions of Fetch, OffsetCommit, OffsetFetch and ListOffsets.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    pub fetch: i16,
    pub commit: i16,
    pub offsets: i16,
    pub list: i16,
}

impl Versions {
    pub fn some() -> [Versions; 4] {
        [(4, 2, 1, 1), (11, 7, 5, 4), (12, 8, 8, 6), (18, 10, 10, 11)].map(
            |(fetch, commit, offsets, list)| Versions {
                fetch,
                commit,
                offsets,
                list,
            },
        )
    }
}

pub struct Consumer {
    pub versions: Versions,
    pub group: &'static str,
    pub member: &'static str,
    pub generation: i32,
    pub coordinator: Rig,
    pub leader: Rig,
}

impl Consumer {
    pub fn new(policy: &Settings) -> Consumer {
        Consumer::of(policy, Versions::some()[3], &Arc::default())
    }

    pub fn of(policy: &Settings, versions: Versions, ledger: &Arc<Ledger>) -> Consumer {
        let rig = || {
            let mut rig = Rig::new(policy.clone())
                .topic("orders", None)
                .without_broker();
            rig.ledger = ledger.clone();
            rig
        };
        Consumer {
            versions,
            group: "g",
            member: "m-1",
            generation: 3,
            coordinator: rig(),
            leader: rig(),
        }
    }

    /// Another process of the same client id.
    pub fn from(mut self, address: u8) -> Consumer {
        let address = Address([address; 16]);
        (self.coordinator.address, self.leader.address) = (address, address);
        self
    }

    /// It asks for its group's offset.
    pub fn begin(&mut self, offset: i64) -> &mut Consumer {
        let (version, rig) = (self.versions.offsets, &mut self.coordinator);
        rig.send(&fetch(version, 5, &[self.group]));
        rig.answer(&fetched(
            version,
            5,
            self.group,
            &[("orders", &[(0, offset)])],
        ));
        self
    }

    /// It asks where the log begins or ends.
    pub fn list(&mut self, timestamp: i64, offset: i64) -> &mut Consumer {
        let (version, rig) = (self.versions.list, &mut self.leader);
        let (request, answer) = (
            list_offsets(version, 6, "orders", 0, timestamp),
            listed(version, 6, "orders", 0, offset),
        );
        let at = (rig.to_broker.len(), rig.to_client.len());
        rig.send(&request).answer(&answer);
        assert_eq!(rig.to_broker[at.0..], request);
        assert_eq!(rig.to_client[at.1..], answer);
        self
    }

    /// It is given that many records from there on.
    pub fn fetch(&mut self, offset: i64, records: u64) -> &mut Consumer {
        self.fetch_from_log(offset, records, 0)
    }

    pub fn fetch_from_log(
        &mut self,
        offset: i64,
        records: u64,
        log_start_offset: i64,
    ) -> &mut Consumer {
        let records = match records {
            0 => Vec::new(),
            count => batch(offset, count, -1, 0),
        };
        self.fetched(
            offset,
            Answered {
                log_start_offset,
                records,
                ..Answered::default()
            },
        )
    }

    /// Its position is not in the log.
    pub fn out_of_range(&mut self, offset: i64) -> &mut Consumer {
        self.fetched(
            offset,
            Answered {
                error_code: OUT_OF_RANGE,
                log_start_offset: -1,
                ..Answered::default()
            },
        )
    }

    fn fetched(&mut self, offset: i64, partition: Answered) -> &mut Consumer {
        let version = self.versions.fetch;
        self.leader
            .send(&Request::new(version, 1, 0, offset).frame());
        let partition = Answered {
            high_watermark: 10_000,
            last_stable_offset: 10_000,
            ..partition
        };
        self.leader
            .answer(&answer(version, 1, &[("orders", vec![partition])]));
        assert!(self.leader.session.in_flight().is_empty());
        self
    }

    /// It commits, the broker says that code, and this is the offset that it was asked for.
    pub fn commit_and(&mut self, offset: i64, code: i16) -> i64 {
        let version = self.versions.commit;
        let offsets = [(0, offset)];
        let topics: Offsets<'_> = &[("orders", &offsets)];
        let commit = Commit {
            group: self.group,
            member: self.member,
            generation: self.generation,
            ..Commit::new(version, topics)
        };
        let (sent, rig) = (commit.frame(9), &mut self.coordinator);
        let at = rig.to_broker.len();
        rig.send(&sent);
        let went = frames(&rig.to_broker[at..]).pop().expect("a commit");
        rig.answer(&committed(version, 9, &[("orders", &[(0, code)])]));
        assert!(rig.closes().is_empty() && rig.session.in_flight().is_empty());
        // Size, key, version, correlation id, client id, and from version 8 on tags.
        let header = 4 + 8 + 2 + 3 + usize::from(version >= 8);
        let read = Read::read(version, &went[header..]).expect("a commit");
        let offset_went = read.topics[0].partitions[0].committed_offset;
        if offset_went == offset {
            assert_eq!(went, sent);
        } else {
            let offsets = [(0, offset_went)];
            let body = Commit {
                offsets: &[("orders", &offsets)],
                ..commit
            };
            assert_eq!(went, body.frame(9), "one offset is another one");
        }
        offset_went
    }

    pub fn commit(&mut self, offset: i64) -> i64 {
        self.commit_and(offset, 0)
    }

    /// What was counted: exactness, group and how much.
    pub fn observed(&self, scenario: Scenario) -> Vec<(Completeness, String, u64)> {
        let events = self.coordinator.events.iter().chain(&self.leader.events);
        let found = events.filter_map(|event| match event {
            Event::Observed {
                scenario: found,
                completeness,
                topic,
                group,
                count,
            } if *found == scenario => {
                assert_eq!(topic.as_deref(), Some("orders"));
                let group = group.as_deref().unwrap_or("none");
                Some((*completeness, group.to_owned(), *count))
            }
            _ => None,
        });
        found.collect()
    }
}
