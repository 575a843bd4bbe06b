//! Floor 3: one client connection as a state machine. No async, no sockets, no clock of its own.
//!
//! The driver hands it the bytes that came ([`Session::on_request`], [`Session::on_response`]) in a [`lane::Lane`]; the
//! session judges them, edits them in place, plans what becomes of them, and says what it [`Want`]s next. This is the only
//! floor that both asks policy and edits bytes, and each change comes with its [`event::Event`].

mod acked;
mod appends;
pub mod event;
mod events;
mod fetch;
mod fetches;
mod haste;
pub mod inflight;
mod introduction;
mod judged;
pub mod lane;
mod merge;
mod produce;
mod readers;
mod requests;
mod responses;
mod sasl;
mod sole;
mod sole_fetch;
pub mod storage;
mod topics;

use crate::cluster::{Advertised, GroupOffset, Learned, LogEnd, TopicFacts, TopicRef, View};
use crate::ledger::Ledger;
use crate::ledger::deliveries::{Address, Client};
use crate::policy::{self, standing::Standing};
use crate::wire::principal::Exchange;
use event::{CloseCause, Event, Limit, Outcome, OutcomeCause};
use events::Events;
use haste::Haste;
use inflight::{Fate, InFlight, Lost, RecordsOf};
use lane::Lane;
use produce::LazyFrame;
use requests::Request;
use responses::Response;
use std::sync::Arc;

/// What is known and in force while bytes are judged.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub view: &'a View,
    pub ledger: &'a Ledger,
    pub policy: &'a Arc<policy::Settings>,
    pub advertised: &'a Advertised,
    pub limits: &'a Limits,
    /// Which broker this connection leads to; `None` on the bootstrap port.
    pub node_id: Option<i32>,
    /// Whether the cluster has brokers outside `broker_ids`.
    pub brokers_outside: bool,
    /// Whether brokers take nothing but a login from a client that has not logged in.
    pub needs_login: bool,
    /// Where the client connects from.
    pub address: Address,
    /// Unix time in ms, as of this turn: the session has no clock.
    pub now_ms: i64,
    /// How long the connection has been there, in µs, as of this turn; never goes back, as Unix time may.
    pub clock_us: u64,
}

/// What one connection may have under way.
#[derive(Clone, Debug)]
pub struct Limits {
    pub max_in_flight: usize,
    pub max_absorbed_in_flight: usize,
    pub max_absorbed_bytes: usize,
    /// What the driver's buffers hold; a frame that must be held whole and is larger is collected.
    pub relay_buffer_bytes: usize,
}

/// What a session needs to go on with a lane.
#[derive(Clone, PartialEq, Debug)]
pub enum Want {
    /// More bytes: at least that many fresh ones.
    Bytes(usize),
    /// The frame at the front must be held: storage for that many bytes, reserved whole.
    Collect(usize),
    /// Leave to let a frame of that many bytes go on before its end is here.
    Announce(usize),
    /// Answers: too much is in flight.
    Answers,
    /// What only the brokers can tell, as of now ([`Session::confirmed`]).
    Confirm(Box<Question>),
    /// Nothing: the connection has to end ([`Session::closing`]).
    Close,
}

impl Want {
    /// Boxed, because it is rare and long: a want is kept for both directions of each connection.
    fn confirm(question: Question) -> Want {
        Want::Confirm(Box::new(question))
    }
}

/// What is asked of the brokers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// What this topic's limits are.
    Facts(Arc<str>),
    /// Where the logs of these partitions end. Of topics that the view may not have, what was told before.
    LogEnds(Vec<(Arc<str>, i32)>, Vec<Arc<TopicFacts>>),
    /// What a group has committed of these partitions.
    Committed(Arc<str>, Vec<(Arc<str>, i32)>),
    /// What these topics are called, and who leads them: nobody has met them yet.
    Topics(Vec<TopicRef>),
}

/// What the brokers said.
#[derive(Clone, Debug)]
pub enum Answer {
    Facts(Arc<TopicFacts>),
    /// Without the partitions that nobody told of.
    LogEnds(Vec<LogEnd>),
    /// Without the partitions that the coordinator did not tell of.
    Committed(Vec<GroupOffset>),
    /// Without the topics that nobody told of, and without what is configured.
    Topics(Vec<Arc<TopicFacts>>),
}

/// One client connection.
pub struct Session {
    client_id: Option<Arc<str>>,
    /// As the brokers accepted it; `None`: not known, or not yet.
    principal: Option<Arc<str>>,
    /// Who the client is without any SASL.
    given_principal: Option<Arc<str>>,
    /// A broker has accepted it.
    logged_in: bool,
    sasl: Exchange,
    /// A header was looked at for the client id.
    introduced: bool,
    software_known: bool,
    /// The first of `frames` from which on a Produce is looked at closer.
    next_sample: u64,
    /// Met in the last sample, so that meeting it again costs nothing.
    sampled_topic: Option<Arc<str>>,
    standing: Option<Standing>,
    /// Requests in a row that were overridden alike and are not told of yet.
    tally: Option<sole::Tally>,
    /// The partitions that the client writes to; only of one that does.
    acked: Option<Box<acked::Acked>>,
    /// Where the client reads; only of one that does.
    fetches: Option<Box<fetches::Fetches>>,
    /// What all connections of the client share; only where somebody wants to know.
    reader: Option<Arc<Client>>,
    request: Request,
    produce: LazyFrame,
    /// Only while brokers are asked something about the request at the front.
    judged: Option<Box<judged::Lookups>>,
    /// What is to be counted once the brokers have told more. Nothing waits for it.
    wonder: Option<judged::Wonder>,
    /// The frame at the front is larger than everything that may be collected.
    cannot_collect: bool,
    /// The first byte of the frame being read has gone on.
    begun: bool,
    announced: bool,
    /// There was no leave to announce it: it goes on when its end is here.
    goes_whole: bool,
    /// Raw SASL tokens that follow the one being read.
    after_token: u8,
    frames: u64,
    /// As of the last look at requests.
    clock_us: u64,
    response: Response,
    in_flight: InFlight,
    closing: Option<CloseCause>,
    /// As what it ends at the next frame boundary.
    draining: Option<CloseCause>,
    /// No request is begun.
    held: bool,
    /// Nothing goes to the broker any more, not even what a drain lets through.
    severed: bool,
    /// As what records end that are read and not forwarded any more.
    unforwarded: OutcomeCause,
    close_after_frame: Option<CloseCause>,
    haste: Haste,
    /// Which limit the client waits for, when answers are what is wanted.
    paused_by: Option<Limit>,
    /// Answers seen, of those whose time is only sampled.
    sampled_answers: u8,
    events: Events,
    learned: Vec<Learned>,
}

impl Default for Session {
    fn default() -> Session {
        Session::new(None)
    }
}

impl Session {
    /// `principal`: who the client is known to be before its first byte (by its certificate), in Kafka's form.
    pub fn new(principal: Option<Arc<str>>) -> Session {
        let mut events = Events::default();
        if principal.is_some() {
            events.push(Event::Principal(principal.clone()));
        }
        Session {
            client_id: None,
            principal: principal.clone(),
            given_principal: principal,
            logged_in: false,
            sasl: Exchange::default(),
            introduced: false,
            software_known: false,
            next_sample: 0,
            sampled_topic: None,
            standing: None,
            tally: None,
            acked: None,
            fetches: None,
            reader: None,
            request: Request::Start,
            produce: LazyFrame::default(),
            judged: None,
            wonder: None,
            cannot_collect: false,
            begun: false,
            announced: false,
            goes_whole: false,
            after_token: 0,
            frames: 0,
            clock_us: 0,
            response: Response::Start,
            in_flight: InFlight::default(),
            closing: None,
            draining: None,
            held: false,
            severed: false,
            unforwarded: OutcomeCause::Closing,
            close_after_frame: None,
            haste: Haste::default(),
            paused_by: None,
            sampled_answers: 0,
            events,
            learned: Vec::new(),
        }
    }

    /// Why the connection is ending, once it is.
    pub fn closing(&self) -> Option<CloseCause> {
        self.closing
    }

    /// Whether a request is only partly read.
    pub fn mid_request(&self) -> bool {
        !matches!(
            self.request,
            Request::Start | Request::AwaitSaslHandshake | Request::Lost
        )
    }

    /// Whether the request being read goes on before its end is here, by leave.
    pub fn holds_announcement(&self) -> bool {
        self.announced
    }

    /// Requests wholly read since the beginning.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The limit because of which no request is read, while [`Want::Answers`] is what is wanted.
    pub fn paused_by(&self) -> Option<Limit> {
        self.paused_by
    }

    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Leave to announce the frame at the front.
    pub fn announce_granted(&mut self) {
        self.announced = true;
    }

    /// There is no leave, and the frame at the front fits into the driver's buffer: it goes on when it is whole.
    pub fn announce_refused(&mut self) {
        self.goes_whole = true;
    }

    /// The frame at the front is larger than everything that may be collected.
    pub fn cannot_collect(&mut self) {
        match self.request {
            Request::Start => self.cannot_collect = true,
            _ => self.produce.cannot_collect = true,
        }
    }

    /// The answer to [`Want::Confirm`]; `None`: nobody answered in time.
    pub fn confirmed(&mut self, answer: Option<Answer>) {
        match (self.request, answer) {
            (Request::Start, answer) => {
                if let Some(lookups) = &mut self.judged {
                    lookups.confirmed(answer);
                }
            }
            (_, Some(Answer::Facts(facts))) => self.produce.confirmation = Some(Some(facts)),
            (_, _) => self.produce.confirmation = Some(None),
        }
    }

    /// What the brokers are to be asked while everything goes on; once. [`Session::told`] takes the answer.
    pub fn question(&mut self) -> Option<Question> {
        self.wonder.as_mut().and_then(judged::Wonder::question)
    }

    /// The answer to [`Session::question`]; `None`: nobody answered in time.
    pub fn told(&mut self, env: &Env<'_>, answer: Option<Answer>) {
        if let Some(wonder) = self.wonder.take() {
            let events = &mut self.events;
            wonder.told(env, answer, |event| events.push(event));
        }
    }

    /// Puts our own answers whose turn it is behind what was planned for the client.
    pub fn flush_answers(&mut self, responses: &mut Lane) {
        while matches!(self.response, Response::Start)
            && matches!(self.in_flight.oldest(), Some(pending) if matches!(pending.fate, Fate::Answer(_)))
        {
            if let Some(inflight::Pending {
                fate: Fate::Answer(bytes),
                ..
            }) = self.in_flight.pop()
            {
                responses.insert(bytes);
            }
        }
    }

    /// The connection ends at the next frame boundary, in order: `cause` is one of those that are.
    pub fn drain(&mut self, cause: CloseCause) {
        self.draining.get_or_insert(cause);
        if !self.mid_request() {
            self.close(cause);
        }
    }

    /// Whether no request is begun for now; what is wanted then are answers. One that is partly read goes on.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub fn holds(&self) -> bool {
        self.held
    }

    /// Ends the connection for a reason that `detail` tells. Only the first cause counts.
    pub fn misdeed(&mut self, cause: CloseCause, detail: String) {
        if self.closing.is_none() {
            self.events.push(Event::Misdeed { cause, detail });
        }
        self.close(cause);
    }

    /// From now on nothing of the client is forwarded any more: what it still sends is counted as refused. Answers that
    /// are outstanding are still delivered. Only the first cause counts; but a drain lets acks=0 through, and any cause
    /// that comes on top ends that, too: behind half a frame nothing may follow.
    pub fn close(&mut self, cause: CloseCause) {
        if self.closing.is_none() {
            self.closing = Some(cause);
            self.events.push(Event::Closed { cause });
        } else if cause.is_orderly() {
            return;
        }
        self.severed |= !cause.is_orderly();
        self.doom_request(OutcomeCause::Closing);
    }

    /// The client has ended its side: nothing more will come. A frame that is not whole by now never will be.
    pub fn client_ended(&mut self, requests: &mut Lane) {
        self.abandon_request(OutcomeCause::ClientCut);
        requests.skip(requests.fresh_len());
    }

    /// The broker is gone (or never came): nothing of what waits will be answered.
    pub fn broker_lost(&mut self, written_bytes: u64, cause: CloseCause) {
        self.close(cause);
        self.severed = true;
        self.give_up(Lost {
            cause: OutcomeCause::BrokerLost,
            written_bytes,
        });
    }

    /// The last word: whatever still waits, or was read and not looked at yet, ends here. Idempotent. The connection must
    /// be closing.
    pub fn finish(&mut self, env: &Env<'_>, requests: &mut Lane, cause: OutcomeCause) {
        self.severed = true;
        self.unforwarded = cause;
        self.doom_request(cause);
        requests.clear_plan();
        // Whole frames that waited their turn in the lane are counted like those that come too late.
        self.on_request(env, requests);
        self.abandon_request(cause);
        self.told(env, None);
        let written_bytes = requests.written_bytes();
        self.give_up(Lost {
            cause,
            written_bytes,
        });
    }

    pub fn events(&mut self, each: impl FnMut(Event)) {
        self.tell_tally();
        self.events.drain(each);
    }

    pub fn has_events(&self) -> bool {
        !self.events.is_empty() || !self.learned.is_empty() || self.has_tally()
    }

    pub fn has_learned(&self) -> bool {
        !self.learned.is_empty()
    }

    pub fn learned(&mut self) -> impl Iterator<Item = Learned> + '_ {
        // Rare: one that rests keeps no room for them.
        std::mem::take(&mut self.learned).into_iter()
    }

    /// Every waiting request is forgotten; the records of the former acks=0 ones are counted. What was wholly written may
    /// be stored; of what was not, the broker has no whole frame.
    fn give_up(&mut self, lost: Lost) {
        // Answers of our own that stand in front are still good.
        let mut kept = Vec::new();
        let mut in_front = true;
        while let Some(pending) = self.in_flight.pop() {
            if in_front && matches!(pending.fate, Fate::Answer(_)) {
                kept.push(pending);
                continue;
            }
            in_front = false;
            let outcome = match pending.end <= lost.written_bytes {
                true => Outcome::Unknown,
                false => Outcome::Refused,
            };
            for records in self.in_flight.take_oldest_records(pending.records) {
                self.events.push(acks0_event(
                    outcome,
                    lost.cause,
                    pending.correlation_id,
                    records,
                ));
            }
        }
        for pending in kept {
            self.in_flight.push(pending);
        }
    }
}

/// The event of records of an acks=0 request that reached their end.
fn acks0_event(outcome: Outcome, cause: OutcomeCause, correlation_id: i32, of: RecordsOf) -> Event {
    Event::Acks0 {
        outcome,
        cause,
        correlation_id,
        topic: of.topic.name().cloned(),
        partition: of.partition,
        records: of.records,
        bytes: of.bytes,
        exact: of.exact,
    }
}
