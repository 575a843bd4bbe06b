//! A session without the rig: nothing is written down, and everything it needs is there beforehand. What is counted here, the
//! session itself has done.

use crate::support::raw;
use crate::support::rig::Rig;
use holdfast::cluster::{Advertised, IdSet};
use holdfast::ledger::Ledger;
use holdfast::policy::Settings;
use holdfast::session::inflight::UpstreamId;
use holdfast::session::lane::Lane;
use holdfast::session::storage::Storage;
use holdfast::session::{Env, Limits, Session};
use std::io::IoSlice;
use std::sync::Arc;

/// What a client sends at once, and what the broker answers to it.
pub struct Traffic {
    pub requests: Vec<u8>,
    pub answers: Vec<u8>,
    /// Where answers to Produce tell an offset: it grows from one to the next.
    pub offsets_at: Vec<usize>,
}

impl Traffic {
    /// One request, and the offset that `told` tells of in its answer.
    pub fn one(request: Vec<u8>, answer: Vec<u8>, told: Option<i64>) -> Traffic {
        let offsets_at = told.and_then(|offset| {
            let bytes = offset.to_be_bytes();
            answer.windows(8).position(|found| found == bytes)
        });
        Traffic {
            requests: request,
            answers: answer,
            offsets_at: offsets_at.into_iter().collect(),
        }
    }

    /// These, one after the other, in one read each way.
    pub fn in_turn(all: Vec<Traffic>) -> Traffic {
        let mut sum = Traffic {
            requests: Vec::new(),
            answers: Vec::new(),
            offsets_at: Vec::new(),
        };
        for traffic in all {
            let before = sum.answers.len();
            let offsets_at = traffic.offsets_at.iter().map(|at| before + at);
            sum.offsets_at.extend(offsets_at);
            sum.requests.extend(traffic.requests);
            sum.answers.extend(traffic.answers);
        }
        sum
    }

    /// The same so many times, in one read each way, under correlation ids one after the other.
    pub fn pipelined(self, times: usize) -> Traffic {
        let each = self.answers.len();
        let offsets_at =
            (0..times).flat_map(|n| self.offsets_at.iter().map(move |at| n * each + at));
        Traffic {
            offsets_at: offsets_at.collect(),
            requests: numbered(self.requests.repeat(times), REQUEST_CORRELATION_ID_AT),
            answers: numbered(self.answers.repeat(times), ANSWER_CORRELATION_ID_AT),
        }
    }
}

/// Behind size, api_key and api_version; behind the size.
const REQUEST_CORRELATION_ID_AT: usize = 8;
const ANSWER_CORRELATION_ID_AT: usize = 4;

fn numbered(mut frames: Vec<u8>, correlation_id_at: usize) -> Vec<u8> {
    let (mut at, mut n) = (0, 0_i32);
    while let Some(&size) = frames[at..].first_chunk() {
        n += 1;
        frames[at + correlation_id_at..][..4].copy_from_slice(&n.to_be_bytes());
        at += 4 + u32::from_be_bytes(size) as usize;
    }
    frames
}

/// Gives `run` what moves the traffic once, as the driver moves it, and tells how many bytes went to the broker and to the client.
/// No acknowledged record may look lost in the end.
pub fn with_turns<R>(
    policy: Settings,
    traffic: Traffic,
    run: impl FnOnce(&mut dyn FnMut() -> (usize, usize)) -> R,
) -> R {
    let Traffic {
        requests,
        mut answers,
        offsets_at,
    } = traffic;
    let mut offset = 0i64;
    let view = Rig::default().topic("orders", Some(1_000_000)).view;
    let policy = Arc::new(policy);
    let advertised = Advertised {
        host: "gateway".into(),
        port_base: 9100,
        port: None,
        ids: IdSet::from_ranges([(1, 3)]),
    };
    let limits = Limits {
        max_in_flight: 100,
        max_absorbed_in_flight: 8,
        max_absorbed_bytes: 1024 * 1024,
        relay_buffer_bytes: 64 * 1024,
    };
    let ledger = Ledger::default();
    let env = Env {
        view: &view,
        ledger: &ledger,
        policy: &policy,
        advertised: &advertised,
        limits: &limits,
        node_id: Some(1),
        brokers_outside: false,
        needs_login: false,
        address: Default::default(),
        now_ms: raw::now_ms(),
        clock_us: 1,
    };
    let mut bare = Bare {
        session: Session::new(None),
        requests: Lane::default(),
        responses: Lane::default(),
    };
    for lane in [&mut bare.requests, &mut bare.responses] {
        lane.replace_storage(Storage::new(64 * 1024));
    }
    let mut turn = || {
        for at in &offsets_at {
            offset += 10;
            answers[*at..at + 8].copy_from_slice(&offset.to_be_bytes());
        }
        bare.turn(&env, &requests, &answers)
    };
    let result = run(&mut turn);
    assert!(ledger.acked.take_found().0.is_empty());
    result
}

struct Bare {
    session: Session,
    requests: Lane,
    responses: Lane,
}

impl Bare {
    fn turn(&mut self, env: &Env<'_>, requests: &[u8], answers: &[u8]) -> (usize, usize) {
        let to_broker = fill_and_write(&mut self.requests, requests, |lane| {
            self.session.on_request(env, lane);
        });
        self.session.flush_answers(&mut self.responses);
        let to_client = fill_and_write(&mut self.responses, answers, |lane| {
            self.session.on_response(env, UpstreamId::FIRST, lane);
        });
        self.session.events(drop);
        self.session.learned().for_each(drop);
        (to_broker, to_client)
    }
}

fn fill_and_write(lane: &mut Lane, bytes: &[u8], judge: impl FnOnce(&mut Lane)) -> usize {
    lane.room()[..bytes.len()].copy_from_slice(bytes);
    lane.filled(bytes.len());
    judge(lane);
    let mut written = 0;
    while lane.has_output() {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = lane.output(&mut slices);
        let n = slices[..used].iter().map(|slice| slice.len()).sum();
        lane.wrote(n);
        written += n;
    }
    written
}
