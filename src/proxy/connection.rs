//! The driver of one client connection: one hand-written `poll` that owns both sockets, both lanes and the session.
//!
//! It is dull on purpose: read, let the session judge, write, until neither side has anything to do. One write per read,
//! never per frame; back-pressure is not reading. Buffers are leased before a read and given back when the lane is empty.
//! What a frame means, what becomes of it and what to remember of it is the session's business.
//!
//! ```text
//!   client --read--> requests lane --judge--> --write--> broker        (dialled when the client has sent something)
//!   client <--write-- responses lane <--judge-- <--read-- broker
//!   either ==========> a pipe, what nobody wants to see ==========> the other
//! ```
//!
//! Closing never destroys bytes that the client has handed over: forwarding stops, outstanding answers are delivered, our
//! write side is ended, and the client is read, and counted, until its FIN or a deadline.

mod deadlines;
mod half;
mod lookup;

use super::budget::{RELAY_BUFFER_BYTES, Share, Waiting};
use super::settings::Live;
use super::tls;
use super::{Phase, Shared};
use crate::cluster::View;
use crate::ledger::deliveries::Address;
use crate::session::event::{CloseCause, Limit, OutcomeCause};
use crate::session::inflight::UpstreamId;
use crate::session::{Answer, Env, Question, Session, Want};
use crate::telemetry::{ConnectionMeter, Direction};
use half::Half;
use lookup::Lookup;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Bytes read, to be relayed or thrown away, after which a connection lets others go first: a quarter of what tokio's own budget of
/// 128 operations comes to with 64 KiB. The others of its worker wait for as long as those take. Beside four times as many, it costs no
/// CPU that could be told from noise.
const BYTES_PER_WAKE: usize = 1024 * 1024;
/// Turns of reading, judging and writing after which it does, too, however little they moved.
const ROUNDS_PER_WAKE: usize = 10_000;
/// How long the wall clock goes on by the other one before it is read again, so that most wakes read only one: what is compared
/// with it are timestamps of records, by seconds at the least.
const WALL_CLOCK_US: u64 = 100_000;
/// Answers of our own that a client has not taken, beyond which nothing more of it is read.
const OWN_ANSWERS_BYTES: u64 = 64 * 1024;
/// The same, by how many pieces they come in.
const OWN_ANSWERS: usize = 256;
/// A broker gives back what it has allocated for a frame some time after its connection has ended in the midst of it.
const ANNOUNCED_AFTER_END: Duration = Duration::from_secs(1);

/// How the broker of a connection is reached.
pub trait Dial: Send + Unpin + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin;

    fn dial(&self) -> Dialing<Self::Stream>;

    /// The socket whose bytes are the stream's own; `None`: there is none, or it holds them in another form (TLS).
    fn socket(_stream: &Self::Stream) -> Option<&TcpStream> {
        None
    }
}

/// A connection being made. The error is why the client is closed.
pub type Dialing<S> = Pin<Box<dyn Future<Output = Result<S, (CloseCause, String)>> + Send>>;

/// The broker's side.
enum Broker<S> {
    /// Nothing has been sent to it yet.
    Idle,
    Dialing(Dialing<S>),
    Open(S),
    /// Writing failed; what it still said is read.
    ReadOnly(S),
    Gone,
}

/// What is judged by: replaced between requests only.
struct Known {
    view: Arc<View>,
    brokers_outside: bool,
    live: Arc<Live>,
    node_id: Option<i32>,
    /// It came by the port of `[listener.sni]`, whose clients are told other addresses.
    by_name: bool,
    /// When the wall clock was read, by `clock_us`, and what it told.
    wall_clock: (u64, i64),
    clock_us: u64,
    address: Address,
}

/// An IPv4 address is the same one whether it came as such or mapped.
fn address(client: IpAddr) -> Address {
    Address(match client {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    })
}

/// By the wall clock, which is what timestamps of records are compared with.
pub(super) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

impl Known {
    fn look_at_clocks(&mut self, clock_us: u64) {
        self.clock_us = clock_us;
        if clock_us - self.wall_clock.0 >= WALL_CLOCK_US {
            self.wall_clock = (clock_us, unix_ms());
        }
    }

    fn unix_ms(&self) -> i64 {
        let (read_us, read_ms) = self.wall_clock;
        read_ms.saturating_add_unsigned((self.clock_us - read_us) / 1000)
    }

    fn env<'a>(&'a self, shared: &'a Shared) -> Env<'a> {
        Env {
            view: &self.view,
            ledger: &shared.ledger,
            policy: &self.live.policy,
            advertised: shared.settings.listener.told(self.by_name),
            limits: &self.live.session_limits,
            node_id: self.node_id,
            brokers_outside: self.brokers_outside,
            needs_login: shared.settings.cluster.sasl.is_some(),
            address: self.address,
            now_ms: self.unix_ms(),
            clock_us: self.clock_us,
        }
    }
}

/// See the module.
pub struct Connection<D: Dial> {
    shared: Arc<Shared>,
    dial: D,
    known: Known,
    client: D::Stream,
    client_reads: bool,
    client_writes: bool,
    broker: Broker<D::Stream>,
    session: Session,
    requests: Half,
    responses: Half,
    announced: Option<Share>,
    /// What is announced is larger than a buffer.
    announced_large: bool,
    announce_wait: Waiting,
    lookup: Option<Box<Lookup>>,
    /// A look that nothing waits for.
    wonder: Option<Box<Lookup>>,
    /// Boxed, so that what a task takes is below 2 KiB: allocators round up from there in steps of 512 bytes.
    meter: Box<ConnectionMeter>,
    phase: Phase,
    /// The settings that `signal` tells the end of: those in force as far as it has heard, if not those it judges by.
    heard: Arc<Live>,
    /// Wakes the task when other settings hold or the gateway drains, and then when it aborts.
    signal: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Pin<Box<Sleep>>,
    /// The signal, and the timer, were polled since they were set, so that they wake the task. Between that and their
    /// going off there is nothing to ask them, and asking costs a lock that all connections share.
    signal_armed: bool,
    timer_armed: bool,
    begun: Instant,
    /// Of `max_connection_age_ms`, so that connections made together do not end together.
    age_factor: f64,
    /// Its age has been reached.
    retired: bool,
    now: Instant,
    active_at: Instant,
    closing_since: Option<Instant>,
    budget_since: Option<Instant>,
    /// When the frame being read last showed that it goes on, and how many bytes and frames had come by then.
    frame_since: Option<(Instant, u64, u64)>,
    read_bytes: u64,
    moved: usize,
    over: bool,
}

/// How many bytes a read brought.
fn brought(read: &Poll<io::Result<usize>>) -> u64 {
    match read {
        Poll::Ready(Ok(n)) => *n as u64,
        _ => 0,
    }
}

/// The task is polled again once the runtime has looked for what sockets have to say. One that wakes itself is polled without such
/// a look up to 61 times in a row (tokio's `event_interval`), and its worker's other connections wait for as long.
fn go_on_later(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// Somewhere between 0.9 and 1.1.
fn age_factor() -> f64 {
    let random = RandomState::new().hash_one(0);
    0.9 + 0.2 * (random % 1024) as f64 / 1023.0
}

impl<D: Dial> Connection<D> {
    /// As of a client that named its broker: it is told addresses of `[listener.sni]`.
    pub fn by_name(mut self, by_name: bool) -> Self {
        self.known.by_name = by_name;
        self
    }

    /// `node_id`: the broker that the port stands for, `None` for the bootstrap port. `principal`: who the client is known to be
    /// before its first byte (by its certificate), as in `User:alice`.
    pub fn new(
        shared: Arc<Shared>,
        client: D::Stream,
        dial: D,
        node_id: Option<i32>,
        principal: Option<Arc<str>>,
        meter: ConnectionMeter,
    ) -> Self {
        let now = Instant::now();
        let view = shared.watch.view();
        let known = Known {
            by_name: false,
            brokers_outside: shared.brokers_outside(&view),
            live: shared.live.load_full(),
            view,
            node_id,
            address: address(meter.client_ip()),
            wall_clock: (0, unix_ms()),
            clock_us: 0,
        };
        Connection {
            dial,
            client,
            client_reads: true,
            client_writes: true,
            broker: Broker::Idle,
            session: Session::new(principal),
            requests: Half::new(),
            responses: Half::new(),
            announced: None,
            announced_large: false,
            announce_wait: Waiting::default(),
            lookup: None,
            wonder: None,
            meter: Box::new(meter),
            phase: Phase::Serving,
            signal: Box::pin(known.live.superseded.clone().cancelled_owned()),
            heard: known.live.clone(),
            signal_armed: false,
            timer_armed: false,
            timer: Box::pin(tokio::time::sleep_until(
                now + known.live.limits.idle_timeout,
            )),
            known,
            begun: now,
            age_factor: age_factor(),
            retired: false,
            now,
            active_at: now,
            closing_since: None,
            budget_since: None,
            frame_since: None,
            read_bytes: 0,
            moved: 0,
            over: false,
            shared,
        }
    }

    fn relay(&mut self, cx: &mut Context<'_>) {
        // Rounds without bytes are rare and few; a limit on them keeps a mistake in one frame from taking a whole worker.
        let mut again = false;
        for _ in 0..ROUNDS_PER_WAKE {
            let requests = self.pump_requests(cx);
            // Nothing changed since the answers were looked at.
            if again && !requests {
                return;
            }
            let waits_for_bytes = self.waits_for_bytes();
            let responses = self.pump_responses(cx);
            let closing = self.close_step(cx);
            self.pump_wonder(cx);
            if self.over || !(requests || responses || closing) {
                return;
            }
            // What it has learned may change how the next request is judged: the watch is told first.
            if self.moved >= BYTES_PER_WAKE || self.session.has_learned() {
                break;
            }
            // What only requests moved, was before the answers were looked at; and a client of whom nothing but bytes is waited
            // for is not affected by answers.
            if !closing && (!responses || waits_for_bytes && self.waits_for_bytes()) {
                return;
            }
            again = !closing;
        }
        go_on_later(cx);
    }

    // ---- requests: client -> broker ----

    /// Whether anything moved.
    fn pump_requests(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        loop {
            if self.requests.lane.has_output() && !self.write_to_broker(cx, &mut moved) {
                return moved;
            }
            if self.requests.unflushed && !self.flush_to_broker(cx) {
                return moved;
            }
            // What we answer ourselves costs the client nothing: one that takes no answers must not pile them up here.
            if self.owes_too_many_answers() {
                return moved;
            }
            if self.requests.may_judge() {
                self.judge_requests(cx);
                moved = true;
                continue;
            }
            if self.over || self.moved >= BYTES_PER_WAKE {
                return moved;
            }
            if let Some(came) = self.splice_client(cx) {
                if !came {
                    return moved;
                }
                moved = true;
                continue;
            }
            if !self.ready_to_read_client(cx, &mut moved) {
                // What it waited for may have come.
                if self.requests.may_judge() {
                    continue;
                }
                return moved;
            }
            if !self.read_client(cx) {
                return moved;
            }
            moved = true;
        }
    }

    /// Whether nothing but what the client sends can make requests go on.
    fn waits_for_bytes(&self) -> bool {
        matches!(self.requests.want, Want::Bytes(_))
            && !self.requests.may_judge()
            && !self.owes_too_many_answers()
    }

    /// The client is not read until it has taken some.
    fn owes_too_many_answers(&self) -> bool {
        let lane = &self.responses.lane;
        let bytes = lane.output_len() > OWN_ANSWERS_BYTES && lane.own_len() > OWN_ANSWERS_BYTES;
        (bytes || lane.pieces() > OWN_ANSWERS) && !self.ending()
    }

    fn judge_requests(&mut self, cx: &mut Context<'_>) {
        self.requests.news = false;
        loop {
            let env = self.known.env(&self.shared);
            self.requests.want = self.session.on_request(&env, &mut self.requests.lane);
            let in_flight = self.session.in_flight().len();
            self.session.flush_answers(&mut self.responses.lane);
            if matches!(self.requests.want, Want::Answers)
                && self.session.in_flight().len() < in_flight
            {
                // Our own answers made room, and no broker will say anything that would wake us.
                self.requests.news = true;
            }
            if !self.session.holds_announcement() {
                self.announced = None;
            }
            // Where it need not wait, a large frame goes out in one write with what stands in front of it.
            if self.session.holds() {
                self.take_on_settings();
            }
            let Want::Announce(len) = self.requests.want else {
                break;
            };
            if !self.announce(len, cx) {
                break;
            }
        }
        if matches!(self.requests.want, Want::Close) {
            // Where the next frame begins is not known any more: the rest can only be thrown away.
            let rest = self.requests.lane.fresh_len();
            self.requests.lane.skip(rest);
            self.requests.want = Want::Bytes(1);
        }
        self.note_want();
    }

    fn note_want(&mut self) {
        let (announces, collects) = match self.requests.want {
            Want::Announce(_) => (true, false),
            Want::Collect(len) => (false, !self.requests.holds_room_for(len)),
            _ => (false, false),
        };
        match announces || collects {
            true => self.budget_since = self.budget_since.or(Some(self.now)),
            false => self.budget_since = None,
        }
        // A place in a queue that nobody asks about any more would keep what it is given.
        if !announces {
            self.announce_wait.give_up();
        }
        if !collects {
            self.requests.collect_wait.give_up();
        }
    }

    /// Whether all that was planned went out.
    fn write_to_broker(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> bool {
        loop {
            let stream = match &mut self.broker {
                Broker::Open(stream) => stream,
                Broker::Idle => {
                    self.broker = Broker::Dialing(self.dial.dial());
                    continue;
                }
                Broker::Dialing(dialing) => match dialing.as_mut().poll(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(stream)) => {
                        self.meter.upstream_opened();
                        self.broker = Broker::Open(stream);
                        continue;
                    }
                    Poll::Ready(Err((cause, detail))) => {
                        self.meter.upstream_error(cause);
                        self.broker = Broker::Gone;
                        self.session.misdeed(cause, detail);
                        self.lose_broker(cause);
                        *moved = true;
                        return true;
                    }
                },
                Broker::ReadOnly(_) | Broker::Gone => {
                    self.requests.give_up_plan(&self.shared.budgets.requests);
                    return true;
                }
            };
            let buffers = &self.shared.budgets.requests;
            match self.requests.write(stream, D::socket, buffers, cx) {
                Poll::Pending => {
                    self.requests.blocked_since.get_or_insert(self.now);
                    return false;
                }
                Poll::Ready(Ok(n)) if n > 0 => {
                    *moved = true;
                    self.requests.wrote(n);
                    if !self.requests.lane.has_output() {
                        return true;
                    }
                }
                Poll::Ready(_) => {
                    // What it said before it went may still be there to read.
                    *moved = true;
                    self.session.close(CloseCause::BrokerReset);
                    self.meter.upstream_error(CloseCause::BrokerReset);
                    self.requests.give_up_plan(&self.shared.budgets.requests);
                    if let Broker::Open(stream) = std::mem::replace(&mut self.broker, Broker::Gone)
                    {
                        self.broker = Broker::ReadOnly(stream);
                    }
                    return true;
                }
            }
        }
    }

    /// Whether nothing is held back any more. A failure shows when the stream is written or read next.
    fn flush_to_broker(&mut self, cx: &mut Context<'_>) -> bool {
        if let Broker::Open(stream) = &mut self.broker
            && Pin::new(stream).poll_flush(cx).is_pending()
        {
            self.requests.blocked_since.get_or_insert(self.now);
            return false;
        }
        self.requests.flushed();
        true
    }

    fn flush_to_client(&mut self, cx: &mut Context<'_>) -> bool {
        if self.client_writes && Pin::new(&mut self.client).poll_flush(cx).is_pending() {
            self.responses.blocked_since.get_or_insert(self.now);
            return false;
        }
        self.responses.flushed();
        true
    }

    /// Whether the client is to be read now, with a buffer for it.
    fn ready_to_read_client(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> bool {
        self.requests.give_back_pipe(&self.shared.budgets.requests);
        if !self.client_reads {
            return false;
        }
        match self.requests.want.clone() {
            Want::Bytes(_) | Want::Close => {}
            Want::Answers => {
                if self.keeps_from_others() && self.requests.has_probe_room() {
                    // Whether it is still there: else what it keeps may end.
                    *moved |= self.read_client(cx);
                }
                return false;
            }
            Want::Confirm(question) => return self.look_up(*question, cx, moved),
            Want::Announce(len) => {
                // First whether there is still a client: what one that has gone has begun, no broker is to hear of.
                if self.reads_on(cx) && self.read_client(cx) {
                    *moved = true;
                } else if self.announce(len, cx) {
                    (self.requests.news, *moved) = (true, true);
                }
                return false;
            }
            Want::Collect(len) => {
                let budget = &self.shared.budgets.requests.collect;
                match self.requests.poll_collect(budget, len, cx) {
                    Poll::Pending => return false,
                    Poll::Ready(true) => self.budget_since = None,
                    Poll::Ready(false) => {
                        self.session.cannot_collect();
                        self.requests.news = true;
                        *moved = true;
                        return false;
                    }
                }
            }
        }
        if !self.requests.is_readable(D::socket(&self.client), cx) {
            return self.came_from_client(Poll::Pending, Half::filled);
        }
        self.requests
            .poll_room(&self.shared.budgets.requests, cx)
            .is_ready()
    }

    /// Whether there is room to read more of a frame that does not go on yet.
    fn reads_on(&mut self, cx: &mut Context<'_>) -> bool {
        let buffers = &self.shared.budgets.requests;
        self.requests.poll_room(buffers, cx).is_ready() && !self.requests.lane.room().is_empty()
    }

    fn look_up(&mut self, question: Question, cx: &mut Context<'_>, moved: &mut bool) -> bool {
        let (watch, now) = (&self.shared.watch, self.now);
        let lookup = self
            .lookup
            .get_or_insert_with(|| Lookup::begun(watch, question, now));
        if let Poll::Ready(answer) = lookup.poll(cx) {
            self.looked_up(answer);
            *moved = true;
        }
        false
    }

    fn looked_up(&mut self, answer: Option<Answer>) {
        self.lookup = None;
        self.session.confirmed(answer);
        self.requests.news = true;
    }

    /// Asks what the session only wants to count by, and tells it what came.
    fn pump_wonder(&mut self, cx: &mut Context<'_>) {
        if let Some(question) = self.session.question() {
            self.wonder = Some(Lookup::begun(&self.shared.watch, question, self.now));
        }
        if let Some(wonder) = &mut self.wonder
            && let Poll::Ready(answer) = wonder.poll(cx)
        {
            self.wondered(answer);
        }
    }

    fn wondered(&mut self, answer: Option<Answer>) {
        self.wonder = None;
        let env = self.known.env(&self.shared);
        self.session.told(&env, answer);
    }

    /// Whether it is settled how a frame of that many bytes goes on, whose end is not here.
    fn announce(&mut self, len: usize, cx: &mut Context<'_>) -> bool {
        let announced = &self.shared.budgets.announced;
        let large = len > RELAY_BUFFER_BYTES;
        let share = match large {
            true => match announced.poll_take(len, &mut self.announce_wait, cx) {
                Poll::Ready(share) => Some(share),
                Poll::Pending => return false,
            },
            false => announced.try_take_small(len),
        };
        self.budget_since = None;
        match share.is_some() {
            true => self.session.announce_granted(),
            false => self.session.announce_refused(),
        }
        (self.announced, self.announced_large) = (share, large);
        true
    }

    /// Whether bytes came, or the end.
    fn read_client(&mut self, cx: &mut Context<'_>) -> bool {
        let read = self.requests.read(&mut self.client, cx);
        self.came_from_client(read, Half::filled)
    }

    /// The same of bytes that nobody looks at; `None`: they are to be read, to be looked at or because they are few.
    fn splice_client(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let unseen = self.session.unseen_requests();
        let (Broker::Open(broker), true) = (&self.broker, self.client_reads && unseen > 0) else {
            return None;
        };
        D::socket(broker)?;
        let (client, buffers) = (D::socket(&self.client)?, &self.shared.budgets.requests);
        let read = self.requests.splice(client, unseen, buffers, cx)?;
        let n = brought(&read);
        let more = self.came_from_client(read, Half::took_in);
        if n > 0 && self.session.requests_bypassed(n) == 0 {
            // The frame may end here, and the next bytes may be long in coming.
            self.judge_requests(cx);
        }
        Some(more)
    }

    fn came_from_client(
        &mut self,
        read: Poll<io::Result<usize>>,
        took: fn(&mut Half, usize, Instant),
    ) -> bool {
        match read {
            Poll::Pending => {
                // Who may announce a large frame keeps its buffer: those who wait for that may hold all others.
                if self.announced.is_none() || !self.announced_large {
                    self.requests.rest(&self.shared.budgets.requests);
                }
                false
            }
            Poll::Ready(Ok(n)) if n > 0 => {
                self.read_bytes += n as u64;
                self.moved += n;
                self.active_at = self.now;
                took(&mut self.requests, n, self.now);
                true
            }
            Poll::Ready(end) => {
                self.client_reads = false;
                if end.is_err() {
                    self.client_writes = false;
                }
                // A frame that is not whole by now never will be; whole ones were judged, or wait in the lane.
                self.session.client_ended(&mut self.requests.lane);
                let cause = if end.is_err() {
                    CloseCause::ClientReset
                } else {
                    CloseCause::ClientClosed
                };
                self.session.close(cause);
                true
            }
        }
    }

    // ---- responses: broker -> client ----

    fn pump_responses(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        loop {
            if self.responses.lane.has_output() && !self.write_to_client(cx, &mut moved) {
                return moved;
            }
            if self.responses.unflushed && !self.flush_to_client(cx) {
                return moved;
            }
            if self.responses.may_judge() {
                self.judge_responses();
                moved = true;
                continue;
            }
            if self.moved >= BYTES_PER_WAKE {
                return moved;
            }
            if let Some(came) = self.splice_broker(cx) {
                if !came {
                    return moved;
                }
                moved = true;
                continue;
            }
            if !self.ready_to_read_broker(cx) {
                return moved;
            }
            if !self.read_broker(cx) {
                return moved;
            }
            moved = true;
        }
    }

    fn judge_responses(&mut self) {
        self.responses.news = false;
        let env = self.known.env(&self.shared);
        self.responses.want =
            self.session
                .on_response(&env, UpstreamId::FIRST, &mut self.responses.lane);
        if matches!(self.requests.want, Want::Answers) {
            self.requests.news = true;
        }
        if matches!(self.responses.want, Want::Close) {
            // An answer that is none, or not to this request: nothing that follows can be trusted.
            let cause = self
                .session
                .closing()
                .unwrap_or(CloseCause::CorrelationMismatch);
            self.lose_broker(cause);
        }
    }

    /// Whether all that was planned went out, or is not wanted any more.
    fn write_to_client(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> bool {
        while self.responses.lane.has_output() {
            if !self.client_writes {
                self.responses.give_up_plan(&self.shared.budgets.responses);
                self.responses.blocked_since = None;
                return true;
            }
            let buffers = &self.shared.budgets.responses;
            match self
                .responses
                .write(&mut self.client, D::socket, buffers, cx)
            {
                Poll::Pending => {
                    self.responses.blocked_since.get_or_insert(self.now);
                    return false;
                }
                Poll::Ready(Ok(n)) if n > 0 => {
                    *moved = true;
                    self.responses.wrote(n);
                    self.active_at = self.now;
                }
                // It takes no answers any more; what it sent is read on all the same.
                Poll::Ready(_) => self.client_writes = false,
            }
        }
        true
    }

    fn ready_to_read_broker(&mut self, cx: &mut Context<'_>) -> bool {
        self.responses
            .give_back_pipe(&self.shared.budgets.responses);
        if !matches!(self.broker, Broker::Open(_) | Broker::ReadOnly(_)) {
            return false;
        }
        if let Want::Collect(len) = self.responses.want {
            let budget = &self.shared.budgets.responses.collect;
            match self.responses.poll_collect(budget, len, cx) {
                Poll::Pending => return false,
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    let limit = budget.limit_bytes();
                    let detail = format!(
                        "an answer of {len} bytes must be held, {limit} are allowed for all (a fourth of buffer_bytes)"
                    );
                    self.session.misdeed(CloseCause::LimitExceeded, detail);
                    self.lose_broker(CloseCause::LimitExceeded);
                    return false;
                }
            }
        }
        if let Broker::Open(stream) | Broker::ReadOnly(stream) = &self.broker
            && !self.responses.is_readable(D::socket(stream), cx)
        {
            return self.came_from_broker(Poll::Pending, Half::filled);
        }
        self.responses
            .poll_room(&self.shared.budgets.responses, cx)
            .is_ready()
    }

    fn read_broker(&mut self, cx: &mut Context<'_>) -> bool {
        let (Broker::Open(stream) | Broker::ReadOnly(stream)) = &mut self.broker else {
            return false;
        };
        let read = self.responses.read(stream, cx);
        self.came_from_broker(read, Half::filled)
    }

    /// The same of bytes that nobody looks at; `None`: they are to be read, to be looked at or because they are few.
    fn splice_broker(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let unseen = self.session.unseen_responses();
        let (Broker::Open(broker), true) = (&self.broker, self.client_writes && unseen > 0) else {
            return None;
        };
        D::socket(&self.client)?;
        let (broker, buffers) = (D::socket(broker)?, &self.shared.budgets.responses);
        let read = self.responses.splice(broker, unseen, buffers, cx)?;
        let n = brought(&read);
        let more = self.came_from_broker(read, Half::took_in);
        if n > 0 && self.session.responses_bypassed(n) == 0 {
            self.judge_responses();
        }
        Some(more)
    }

    fn came_from_broker(
        &mut self,
        read: Poll<io::Result<usize>>,
        took: fn(&mut Half, usize, Instant),
    ) -> bool {
        match read {
            Poll::Pending => {
                self.responses.rest(&self.shared.budgets.responses);
                false
            }
            Poll::Ready(Ok(n)) if n > 0 => {
                self.moved += n;
                self.active_at = self.now;
                took(&mut self.responses, n, self.now);
                true
            }
            Poll::Ready(end) => {
                let cause = match &end {
                    Err(alert) if tls::is_alert(alert) => CloseCause::BrokerTls,
                    Err(_) => CloseCause::BrokerReset,
                    Ok(_) => CloseCause::BrokerClosed,
                };
                if let Err(reason) = end {
                    self.meter.upstream_error(cause);
                    if cause == CloseCause::BrokerTls {
                        let detail = format!("the broker ended TLS: {reason}");
                        self.session.misdeed(cause, detail);
                    }
                }
                self.lose_broker(cause);
                true
            }
        }
    }

    fn lose_broker(&mut self, cause: CloseCause) {
        if matches!(self.broker, Broker::Open(_) | Broker::ReadOnly(_)) {
            self.meter.upstream_closed();
        }
        self.broker = Broker::Gone;
        self.end_announced();
        self.responses.collect_wait.give_up();
        self.session
            .broker_lost(self.requests.lane.written_bytes(), cause);
        self.requests.give_up_plan(&self.shared.budgets.requests);
        self.requests.flushed();
        let rest = self.responses.lane.fresh_len();
        self.responses.lane.skip(rest);
        self.session.flush_answers(&mut self.responses.lane);
        self.requests.judge_again();
    }

    // ---- the end ----

    /// One step towards the end, once the connection is ending; whether anything changed.
    fn close_step(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(cause) = self.session.closing() else {
            return false;
        };
        if self.closing_since.is_none() {
            self.closing_since = Some(self.now);
            self.requests.judge_again();
            return true;
        }
        let mut changed = false;
        let forwarding = self.requests.lane.has_output()
            || self.requests.unflushed
            || (self.client_reads && cause.is_orderly());
        if !self.session.in_flight().broker_owes()
            && !forwarding
            && !matches!(self.broker, Broker::Gone)
        {
            self.end_broker(cx);
            changed = true;
        }
        let answered =
            matches!(self.broker, Broker::Gone) || !self.session.in_flight().client_waits();
        if self.client_writes && answered && !self.responses.lane.has_output() {
            match Pin::new(&mut self.client).poll_shutdown(cx) {
                Poll::Pending => {}
                Poll::Ready(_) => {
                    self.client_writes = false;
                    changed = true;
                }
            }
        }
        if !self.client_reads && matches!(self.broker, Broker::Gone) && !self.client_writes {
            self.over = true;
        }
        changed
    }

    fn end_broker(&mut self, cx: &mut Context<'_>) {
        if let Broker::Open(stream) | Broker::ReadOnly(stream) = &mut self.broker {
            // Nothing is owed to either side; an orderly end is a courtesy that need not be waited for.
            let _ = Pin::new(stream).poll_shutdown(cx);
            self.meter.upstream_closed();
        }
        self.broker = Broker::Gone;
        self.end_announced();
    }

    /// The connection to the broker has ended in the midst of a frame.
    fn end_announced(&mut self) {
        let share = self.announced.take().filter(|_| self.announced_large);
        if let (Some(share), Ok(runtime)) = (share, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                tokio::time::sleep(ANNOUNCED_AFTER_END).await;
                drop(share);
            });
        }
    }

    fn ending(&self) -> bool {
        self.session.closing().is_some()
    }

    /// Everything that still waits ends here.
    fn finish(&mut self, cause: OutcomeCause) {
        if self.session.closing().is_none() {
            self.session.close(CloseCause::Drain);
        }
        if std::thread::panicking() {
            // Looking at what brought the panic about might bring a second one, which ends the process.
            let rest = self.requests.lane.fresh_len();
            self.requests.lane.skip(rest);
        }
        let env = self.known.env(&self.shared);
        self.session.finish(&env, &mut self.requests.lane, cause);
        if matches!(self.broker, Broker::Open(_) | Broker::ReadOnly(_)) {
            self.meter.upstream_closed();
        }
        self.broker = Broker::Gone;
        self.end_announced();
        self.tell();
        self.over = true;
    }

    // ---- what others are told ----

    /// Takes part in the drain, and in its end.
    fn follow_phase(&mut self, cx: &mut Context<'_>) {
        let phase = self.shared.phase();
        if self.signal_armed && phase == self.phase {
            return;
        }
        while self.signal.as_mut().poll(cx).is_ready() {
            match self.phase {
                // Other settings hold since the last look.
                Phase::Serving if self.shared.phase() == Phase::Serving => self.refresh(),
                Phase::Serving => {
                    self.phase = Phase::Draining;
                    self.signal.set(self.shared.abort.clone().cancelled_owned());
                    self.session.drain(CloseCause::Drain);
                    self.requests.news = true;
                }
                Phase::Draining | Phase::Aborting => {
                    self.phase = Phase::Aborting;
                    self.finish(OutcomeCause::CloseDeadline);
                    return;
                }
            }
        }
        self.signal_armed = true;
    }

    fn look_at_clocks(&mut self) {
        self.now = Instant::now();
        let lasted = self.now.saturating_duration_since(self.begun);
        self.known
            .look_at_clocks(u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX));
    }

    fn refresh(&mut self) {
        let live = self.shared.live.load();
        if !Arc::ptr_eq(&live, &self.heard) {
            self.heard = Arc::clone(&live);
            if self.phase == Phase::Serving {
                let superseded = live.superseded.clone();
                self.signal.set(superseded.cancelled_owned());
                self.signal_armed = false;
            }
        }
        if !Arc::ptr_eq(&live, &self.known.live) {
            drop(live);
            self.session.hold(true);
            self.take_on_settings();
        }
        // A request is judged under one view.
        if self.session.mid_request() {
            return;
        }
        let view = self.shared.watch.published().load();
        if !Arc::ptr_eq(&view, &self.known.view) {
            self.known.view = Arc::clone(&view);
            self.known.brokers_outside = self.shared.brokers_outside(&self.known.view);
        }
    }

    /// New settings are taken on when nothing is under way that was judged under the old ones, not even an answer; until then
    /// the session begins no request. A broker works on one request of a connection at a time, so that waiting for the
    /// answers first costs a round trip.
    fn take_on_settings(&mut self) {
        if self.session.mid_request() || !self.session.in_flight().is_empty() {
            return;
        }
        self.known.live = self.shared.live.load_full();
        self.session.hold(false);
        self.requests.judge_again();
    }

    /// Because of which limit the client is not read.
    fn paused(&self) -> Option<Limit> {
        if !self.client_reads {
            return None;
        }
        match self.requests.want {
            Want::Answers => self.session.paused_by(),
            Want::Announce(_) => Some(Limit::AnnouncedBytes),
            Want::Collect(len) if !self.requests.holds_room_for(len) => Some(Limit::BufferBytes),
            _ if self.requests.lease_wait.is_waiting() => Some(Limit::BufferBytes),
            _ => None,
        }
    }

    fn tell(&mut self) {
        self.meter.paused(self.paused(), self.now.into_std());
        self.meter.absorbing(self.session.in_flight().absorbed());
        if self.session.has_events() {
            let meter = &mut self.meter;
            self.session.events(|event| meter.record(&event));
            for learned in self.session.learned() {
                self.shared.watch.learned(learned);
            }
        }
        let (requests, responses) = (self.requests.untold(), self.responses.untold());
        if requests + responses > 0 {
            let now = Instant::now();
            for (half, direction, bytes) in [
                (&mut self.requests, Direction::Request, requests),
                (&mut self.responses, Direction::Response, responses),
            ] {
                if bytes == 0 {
                    continue;
                }
                self.meter.relayed(direction, bytes, half.untold_spliced());
                if !half.lane.has_output()
                    && let Some(since) = half.since.take()
                {
                    self.meter
                        .added_latency(direction, now.saturating_duration_since(since));
                }
            }
        }
    }
}

impl<D: Dial> Future for Connection<D> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.look_at_clocks();
        this.moved = 0;
        this.refresh();
        this.follow_phase(cx);
        if this.over {
            return Poll::Ready(());
        }
        loop {
            this.relay(cx);
            this.tell();
            if this.over {
                this.finish(OutcomeCause::Aborted);
                return Poll::Ready(());
            }
            let (next, acted) = this.deadlines();
            if this.over {
                return Poll::Ready(());
            }
            if acted {
                continue;
            }
            if next < this.timer.deadline() || this.timer.deadline() <= this.now {
                this.timer.as_mut().reset(next);
                this.timer_armed = false;
            }
            if this.timer_armed {
                return Poll::Pending;
            }
            this.timer_armed = true;
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It is over already: what is due is looked at again.
            this.look_at_clocks();
        }
    }
}

impl<D: Dial> Drop for Connection<D> {
    /// A panic ends up here, too: nothing that waits may vanish uncounted, and buffers go back.
    fn drop(&mut self) {
        if !self.over {
            self.session.close(if std::thread::panicking() {
                CloseCause::Panic
            } else {
                CloseCause::Drain
            });
            self.finish(OutcomeCause::Aborted);
        }
        self.requests.give_back(&self.shared.budgets.requests);
        self.responses.give_back(&self.shared.budgets.responses);
    }
}
