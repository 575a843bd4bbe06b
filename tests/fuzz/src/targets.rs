//! One function for each fuzz target. Each takes any bytes; what must hold is asserted, for a fuzzer as for a test that
//! replays a corpus: no panic, no hang, nothing that depends on how bytes were cut, and no more memory than a small
//! multiple of the input.

use super::shape::{self, Input, NOW_MS};
use super::support::raw;
use super::support::rig::{self, Chunks, Confirm, Rig};
use holdfast::config::{self, Overrides};
use holdfast::policy::{Mode, Pattern, Preset, Scenario, Settings};
use holdfast::wire::api::ApiKey;
use holdfast::wire::endpoints::{self, Endpoints};
use holdfast::wire::principal::Exchange;
use holdfast::wire::{
    api_versions, fetch, fetch_repair, fetch_request, header, offsets, produce, sasl, schema,
    versions,
};
use std::borrow::Cow;

/// An input may cost so many times its length...
const ALLOCATED_PER_BYTE: u64 = 64;
/// ...and this: tables, messages, a few small vectors.
const ALLOCATED_ANYHOW: u64 = 64 * 1024;
/// The two buffers of a pair, and its settings.
const ALLOCATED_BY_PAIR: u64 = 1024 * 1024;
/// More is nothing that small inputs do not show.
const MOST_BYTES: usize = 16 * 1024;

/// Runs `work` and holds what it had allocated at a time against the length of its input.
fn bounded(len: usize, work: impl FnOnce()) {
    bounded_beside(ALLOCATED_ANYHOW, len, work);
}

fn bounded_beside(anyhow: u64, len: usize, work: impl FnOnce()) {
    let measured = allocation_counter::measure(work);
    let most = len as u64 * ALLOCATED_PER_BYTE + anyhow;
    assert!(
        measured.bytes_max <= most,
        "{} bytes allocated for an input of {len}, at most {most} expected",
        measured.bytes_max
    );
}

// ---- walkers ----

/// What one look at a window told.
enum Seen {
    /// A part, and how many bytes it covers.
    Part(String, u64),
    /// What the batches of a partition say.
    OfBatches(String, u64),
    Need(usize),
    Malformed,
    Done,
}

/// Walks `bytes`, showing no more than what was needed and `step` bytes: what was told, in order.
fn walk(bytes: &[u8], step: usize, mut next: impl FnMut(&mut [u8]) -> Seen) -> Vec<String> {
    let (mut told, mut at, mut shown) = (Vec::new(), 0_usize, step);
    // A part may be empty, but not without end.
    for _ in 0..8 * bytes.len() + 64 {
        let rest = bytes.get(at..).unwrap_or(&[]);
        let mut window = rest[..shown.min(rest.len())].to_vec();
        match next(&mut window) {
            Seen::Part(what, len) => {
                if !what.is_empty() {
                    told.push(format!("{at}: {what}"));
                }
                at = at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
                shown = step;
            }
            Seen::OfBatches(what, len) => {
                told.push(what);
                at = at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
                shown = step;
            }
            Seen::Need(n) => {
                assert!(n > window.len(), "{n} bytes needed, {} shown", window.len());
                if window.len() == rest.len() {
                    told.push("short".to_owned());
                    return told;
                }
                shown = n.max(shown.saturating_add(step));
            }
            Seen::Malformed => {
                told.push("malformed".to_owned());
                return told;
            }
            Seen::Done => {
                told.push("done".to_owned());
                return told;
            }
        }
    }
    panic!("a walk of {} bytes does not end", bytes.len());
}

/// The same in one piece and in small ones.
fn walks_alike<W: Clone>(bytes: &[u8], walker: &W, next: impl Fn(&mut W, &mut [u8]) -> Seen) {
    let told = |step: usize| {
        let mut walker = walker.clone();
        walk(bytes, step, |window| next(&mut walker, window))
    };
    let whole = told(usize::MAX / 2);
    for step in [1, 7] {
        let pieces = told(step);
        assert_eq!(whole, pieces, "in one piece (left), in pieces of {step}");
    }
}

/// First byte: which one; second: the version; then the bytes that it walks.
pub fn walkers(data: &[u8]) {
    let mut input = Input(&data[..data.len().min(MOST_BYTES)]);
    let (which, version) = (input.byte(), i16::from(input.byte() % 20));
    let bytes = input.0;
    match which % 8 {
        0 => walk_produce(version, bytes),
        1 => walk_fetch(version, bytes),
        2 => walk_fetch_request(version, bytes),
        3 => bounded(bytes.len(), || look_at_heads(version, bytes)),
        4 => bounded(bytes.len(), || look_at_offsets(version, bytes)),
        5 => bounded(bytes.len(), || prove_all(version, bytes)),
        6 => bounded(bytes.len(), || {
            let _ = produce::is_sole_success(bytes, version);
            if bytes.len() >= 8 {
                let _ = produce::walk_answer(bytes, version, |_| {});
            }
        }),
        _ => bounded(bytes.len(), || {
            let _ = sasl::mechanism(version, bytes);
            let _ = sasl::error_code(version, bytes);
            let _ = sasl::auth_bytes(version, bytes);
            let _ = sasl::Authenticated::of_answer(version, bytes);
            for name in ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"] {
                let mut exchange = Exchange::new(sasl::Mechanism::from_name(name));
                let claim = exchange.token(Some(bytes));
                let _ = claim.accepted(bytes);
            }
            let _ = api_versions::client_software(version, bytes);
        }),
    }
}

fn walk_produce(version: i16, bytes: &[u8]) {
    let walker = produce::Walker::new(version % 14, bytes.len() as u64);
    walks_alike(bytes, &walker, |walker, window| match walker.next(window) {
        produce::Step::Part { part, len } => Seen::Part(format!("{part:?}"), len),
        produce::Step::Need(n) => Seen::Need(n),
        produce::Step::Malformed(_) => Seen::Malformed,
        produce::Step::Done => Seen::Done,
    });
    let _ = produce::sole_batch(bytes, bytes.len() as u64, version % 14);
    let _ = produce::sole_records(bytes, bytes.len() as u64, version % 14);
}

fn walk_fetch(version: i16, bytes: &[u8]) {
    let batches = fetch::Batches {
        transactions: version % 2 == 0,
        ends: true,
    };
    let walker = fetch::Walker::new(version, bytes.len() as u64, batches);
    walks_alike(bytes, &walker, |walker, window| match walker.next(window) {
        fetch::Step::Pass(len) => Seen::Part(String::new(), len),
        // As many batches as are here are walked in one step: where in them that is told depends on it.
        fetch::Step::Part(part @ (fetch::Part::Delivered(_) | fetch::Part::Transactional), len) => {
            Seen::OfBatches(format!("{part:?}"), len)
        }
        fetch::Step::Part(part, len) => Seen::Part(format!("{part:?}"), len),
        fetch::Step::Need(n) => Seen::Need(n),
        fetch::Step::Malformed(_) => Seen::Malformed,
        fetch::Step::Done => Seen::Done,
    });
}

fn walk_fetch_request(version: i16, bytes: &[u8]) {
    let walker = fetch_request::Walker::new(version, bytes.len() as u64);
    walks_alike(bytes, &walker, |walker, window| match walker.next(window) {
        fetch_request::Step::Pass(len) => Seen::Part(String::new(), len),
        fetch_request::Step::Part(part, len) => Seen::Part(format!("{part:?}"), len),
        fetch_request::Step::Need(n) => Seen::Need(n),
        fetch_request::Step::Malformed(_) => Seen::Malformed,
        fetch_request::Step::Done => Seen::Done,
    });
}

/// A header, and the beginning of a body, at every length that is there.
fn look_at_heads(version: i16, frame: &[u8]) {
    let len = frame.len();
    if header::start(frame).is_none() {
        return;
    }
    for flexible in [false, true] {
        let header::Look::Ready(found) = header::header(frame, len, flexible) else {
            continue;
        };
        assert!(found.body_at <= len);
        let _ = produce::head(frame, len, found.body_at, version % 14);
        let _ = fetch_request::head(frame, len, found.body_at, version);
    }
}

fn look_at_offsets(version: i16, body: &[u8]) {
    if let Ok(commit) = offsets::Commit::read(2 + version % 9, body) {
        assert!(format!("{commit:?}").len() < 100_000_000);
    }
    let _ = offsets::fetched(1 + version % 10, body);
    let _ = offsets::fetching_group(1 + version % 10, body);
    let _ = offsets::listed(version % 12, body);
    let _ = offsets::latest_asked(version % 12, body);
}

fn prove_all(version: i16, body: &[u8]) {
    for message in schema::MESSAGES {
        let _ = schema::prove(message, version, body);
    }
}

// ---- the session ----

const KEYS: [i16; 24] = [
    0, 0, 0, 1, 2, 3, 8, 9, 10, 17, 18, 19, 20, 21, 22, 33, 36, 37, 43, 44, 57, 60, 75, 78,
];

/// What a stream of bytes did.
#[derive(PartialEq, Debug)]
struct Came {
    to_broker: Vec<Vec<u8>>,
    to_client: Vec<Vec<u8>>,
    closes: String,
    sums: (u64, u64, u64),
}

/// Of a session, beside what is sent.
struct Ways {
    settings: Settings,
    confirm: Confirm,
    brokers_outside: bool,
    max_in_flight: usize,
    max_absorbed_in_flight: usize,
    max_absorbed_bytes: usize,
    /// The largest frame that there is ever room for.
    collect_bytes: usize,
    refuses_announcements: bool,
}

/// First the settings; then requests with headers of ours, or as they are; then what the broker says.
pub fn session(data: &[u8]) {
    let mut input = Input(&data[..data.len().min(MOST_BYTES)]);
    let (flags, seed) = (input.byte(), input.byte());
    if flags & 0x80 != 0 {
        return shaped_session(flags, seed, input);
    }
    let mut answers = usize::from(input.byte()) * 8;
    let mut sent = Vec::new();
    if flags & 1 == 0 {
        let mut id = 0;
        while input.0.len() > answers && !input.0.is_empty() && id < 16 {
            id += 1;
            let key = KEYS[usize::from(input.byte()) % KEYS.len()];
            let version = i16::from(input.byte() % 20);
            let len = usize::from(input.byte()) * 2;
            let body = input.take(len);
            sent.extend(raw::request_frame(key, version, id, Some("app"), body));
        }
        answers = input.0.len();
    } else {
        let len = input.0.len().saturating_sub(answers);
        sent.extend(input.take(len));
    }
    let said = answered(input.take(answers), flags & 2 == 0);
    let mode = match flags >> 2 & 3 {
        0 | 1 => Mode::Enforce,
        2 => Mode::Observe,
        _ => Mode::Off,
    };
    let ways = || Ways {
        settings: rig::settings(mode),
        confirm: Confirm::Same,
        brokers_outside: flags & 16 != 0,
        max_in_flight: 6,
        max_absorbed_in_flight: 8,
        max_absorbed_bytes: 1024 * 1024,
        collect_bytes: 64 * 1024 * 1024,
        refuses_announcements: false,
    };
    however_cut(seed, sent.len() + said.len(), |chunks| {
        let mut rig = ways().rig(chunks);
        rig.send(&sent).answer(&said);
        came(rig)
    });
}

/// Requests that follow their tables, and answers that follow those of what is asked.
fn shaped_session(flags: u8, seed: u8, mut input: Input<'_>) {
    let (how, limits) = (input.byte(), input.byte());
    let requests: Vec<_> = schema::MESSAGES
        .iter()
        .filter(|message| message.name.ends_with("Request"))
        .collect();
    let mut sent = Vec::new();
    for id in 1..=1 + i32::from(flags & 15) {
        let which = input.byte();
        let (key, version, body) = match which {
            // Produce and Fetch are most of what there is, and most of the code.
            0..100 => shaped_request(&schema::PRODUCE_REQUEST, &mut input),
            100..140 => shaped_request(&schema::FETCH_REQUEST, &mut input),
            140..240 => {
                let message = requests[usize::from(which - 140) % requests.len()];
                shaped_request(message, &mut input)
            }
            _ => {
                let key = KEYS[usize::from(input.byte()) % KEYS.len()];
                let version = i16::from(input.byte() % 20);
                let len = usize::from(input.byte());
                (key, version, input.take(len).to_vec())
            }
        };
        let client_id = [Some("app"), None, Some("metrics-1")][usize::from(which % 3)];
        sent.extend(raw::request_frame(key, version, id, client_id, &body));
    }
    // The last one may never end.
    if flags & 0x40 != 0 {
        sent.truncate(sent.len().saturating_sub(1 + usize::from(input.byte())));
    }
    however_cut(
        seed,
        sent.len() + 4 * input.0.len() + 512 * 1024,
        |chunks| {
            let mut rig = Ways::of(how, limits, flags & 0x20 != 0).rig(chunks);
            rig.send(&sent);
            let mut input = Input(input.0);
            for _ in 0..32 {
                let Some(answer) = shaped_answer(&rig, &mut input) else {
                    break;
                };
                rig.answer(&answer).tell();
            }
            came(rig)
        },
    );
}

fn shaped_request(message: &schema::Message, input: &mut Input<'_>) -> (i16, i16, Vec<u8>) {
    let version = shape::version(message, input);
    let body = shape::body(message, version, input);
    (message.api_key.0, version, body)
}

/// What a broker says to the request whose turn it is; `None`: nothing is asked, or it says no more.
fn shaped_answer(rig: &Rig, input: &mut Input<'_>) -> Option<Vec<u8>> {
    if input.0.is_empty() {
        return None;
    }
    let asked = rig.session.in_flight().oldest()?;
    let id = asked.correlation_id.to_be_bytes();
    let is_answer = |message: &&&schema::Message| {
        message.name.ends_with("Response")
            && message.api_key.0 == asked.api_key
            && message.versions.contain(asked.api_version)
    };
    let known = schema::MESSAGES.iter().find(is_answer);
    Some(match (input.byte(), known) {
        (0..240, Some(message)) => {
            let body = shape::body(message, asked.api_version, input);
            // ApiVersions is answered without tags, whatever its version.
            let tags = raw::is_flexible(asked.api_key, asked.api_version) && asked.api_key != 18;
            rig::response(&id, &[vec![0; usize::from(tags)], body].concat())
        }
        (254.., _) => {
            let len = usize::from(input.byte());
            input.take(len).to_vec()
        }
        _ => {
            let len = usize::from(input.byte());
            rig::response(&id, input.take(len))
        }
    })
}

impl Ways {
    fn of(how: u8, limits: u8, brokers_outside: bool) -> Ways {
        let preset = |preset| Settings {
            modes: Scenario::ALL.map(|scenario| scenario.preset(preset)),
            ..Settings::default()
        };
        let all = || vec![Pattern("orders".into())];
        let settings = match how & 7 {
            0 => preset(Preset::Default),
            1 => preset(Preset::Observe),
            2 => preset(Preset::Strict),
            // Whatever there is, also what holds requests and answers.
            3 => Settings {
                modes: [Mode::Enforce; Scenario::COUNT],
                single_instance: true,
                repair_offsets_expired: true,
                repair_new_partition_skip: true,
                held_back_groups: vec![Pattern("group".into())],
                ..Settings::default()
            },
            4 => Settings {
                idempotent_topics: all(),
                transactional_topics: vec![Pattern("notes".into())],
                protected_topics: all(),
                protected_groups: vec![Pattern("gr*".into())],
                keyed_topics: all(),
                ..preset(Preset::Strict)
            },
            5 => Settings {
                exemptions: vec![
                    rig::exemption(Scenario::AcksNone, &["notes"], &[]),
                    rig::exemption(Scenario::AcksLeader, &["orders"], &["metrics-*"]),
                    rig::exemption(Scenario::OversizedBatch, &[], &["metrics-*"]),
                ],
                ..preset(Preset::Default)
            },
            6 => Settings {
                max_batch_bytes: Some(100),
                max_request_bytes: Some(4096),
                ..preset(Preset::Default)
            },
            _ => rig::settings(Mode::Enforce),
        };
        let confirm = match how >> 3 & 3 {
            0 | 1 => Confirm::Same,
            2 => Confirm::Limit(100),
            _ => Confirm::Silence,
        };
        Ways {
            settings,
            confirm,
            brokers_outside,
            max_in_flight: [1, 3, 6, 100][usize::from(limits & 3)],
            max_absorbed_in_flight: [1, 2, 8, 8][usize::from(limits >> 2 & 3)],
            max_absorbed_bytes: [1024, 1024 * 1024][usize::from(limits >> 4 & 1)],
            collect_bytes: [100, 64 * 1024 * 1024][usize::from(limits >> 5 & 1)],
            refuses_announcements: limits >> 6 & 1 == 1,
        }
    }

    fn rig(self, chunks: &Chunks) -> Rig {
        let mut rig = Rig::new(self.settings)
            .topic("orders", Some(200))
            .topic("notes", None)
            .degraded("orders", 0)
            .facts("orders", |facts| {
                facts.keeping.retention_ms = Some(86_400_000);
                facts.keeping.deletes = Some(true);
                facts.keeping.create_time = Some(true);
            })
            .chunks(chunks)
            .without_broker();
        rig.now_ms = NOW_MS;
        rig.confirm = self.confirm;
        rig.log_ends = [(("orders", 0), 100), (("notes", 1), 0)].into();
        rig.brokers_outside = self.brokers_outside;
        rig.limits.max_in_flight = self.max_in_flight;
        rig.limits.max_absorbed_in_flight = self.max_absorbed_in_flight;
        rig.limits.max_absorbed_bytes = self.max_absorbed_bytes;
        rig.collect_bytes = self.collect_bytes;
        rig.refuses_announcements = self.refuses_announcements;
        rig
    }
}

/// The same comes of it at once, byte by byte, and in pieces of any size; and memory for `len` bytes is enough.
fn however_cut(seed: u8, len: usize, run: impl Fn(&Chunks) -> Came) {
    let mut whole = None;
    bounded_beside(ALLOCATED_BY_PAIR, len, || whole = Some(run(&Chunks::All)));
    for chunks in [
        // Byte by byte, where that is not for minutes.
        Chunks::Of(1 + len / 1024 / 1024),
        Chunks::Random(u64::from(seed), 1 + usize::from(seed)),
        Chunks::Bypassing(u64::from(seed), 1 + usize::from(seed)),
    ] {
        let pieces = run(&chunks);
        assert_eq!(whole.as_ref(), Some(&pieces), "at once (left), {chunks:?}");
    }
}

/// Answers with headers of ours, 1 up; or bytes as they are.
fn answered(bytes: &[u8], framed: bool) -> Vec<u8> {
    if !framed {
        return bytes.to_vec();
    }
    let (mut input, mut said, mut id) = (Input(bytes), Vec::new(), 0_i32);
    while !input.0.is_empty() {
        id += 1;
        let len = usize::from(input.byte()) * 2;
        let body = input.take(len);
        said.extend((body.len() as i32 + 4).to_be_bytes());
        said.extend(id.to_be_bytes());
        said.extend(body);
    }
    said
}

/// Both sides end, and nothing waits any more.
fn came(mut rig: Rig) -> Came {
    let sums = rig.sums();
    rig.client_ends().broker_ends().finish();
    assert!(rig.session.in_flight().is_empty(), "something still waits");
    let collected = rig.collects.iter().copied().max().unwrap_or(0);
    assert!(rig.most_held <= collected.max(64 * 1024) + 64 * 1024);
    Came {
        to_broker: rig.broker_frames(),
        to_client: rig.client_frames(),
        closes: format!("{:?}", rig.closes()),
        sums,
    }
}

// ---- what is rewritten ----

struct Mapped;

impl Endpoints for Mapped {
    fn endpoint(&self, node_id: i32) -> Option<(Cow<'_, str>, u16)> {
        (node_id < 1000).then_some(("gateway.example".into(), 9100))
    }
}

const REWRITTEN: [i16; 9] = [0, 1, 3, 10, 60, 75, 78, 79, 18];

/// First byte: which answer; second: its version; then its body.
pub fn responses(data: &[u8]) {
    let mut input = Input(&data[..data.len().min(MOST_BYTES)]);
    let (which, version) = (input.byte(), i16::from(input.byte() % 20));
    let body = input.0;
    bounded(body.len(), || {
        let key = ApiKey(REWRITTEN[usize::from(which) % REWRITTEN.len()]);
        rewrite(key, version, body);
        let _ = endpoints::blank_rack_id(version, body);
        if let Ok(edits) = versions::rewrite_api_versions_response(version, body) {
            let once = edits.apply(body.to_vec());
            let again = versions::rewrite_api_versions_response(version, &once)
                .expect("what was written can be read");
            assert_eq!(again.apply(once.clone()), once);
        }
        if let Ok(repaired) = fetch_repair::repair(version, body, |_| true) {
            let written = repaired.edits.apply(body.to_vec());
            let proven = schema::prove(&schema::FETCH_RESPONSE, version, &written);
            assert!(proven.is_ok(), "{proven:?}");
        }
    });
}

/// What was rewritten follows its schema, and has nothing left to rewrite.
fn rewrite(key: ApiKey, version: i16, body: &[u8]) {
    let Ok(rewritten) = endpoints::rewrite(key, version, body, &Mapped, &mut ()) else {
        return;
    };
    let once = rewritten.body(body.to_vec());
    let again = endpoints::rewrite(key, version, &once, &Mapped, &mut ())
        .expect("what was written can be read");
    assert_eq!(again.body(once.clone()), once, "{key:?} version {version}");
}

// ---- the configuration ----

/// A text of gateway.toml.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(&data[..data.len().min(MOST_BYTES)]);
    let load = |text: &str| config::load("gateway.toml", text, &Overrides::default(), &|_| None);
    match load(&text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(settings) => {
            // What is in force, written out, is the same again.
            let effective = config::effective(&settings);
            let again = load(&effective).unwrap_or_else(|error| panic!("{error}\n{effective}"));
            assert_eq!(config::effective(&again), effective);
        }
    }
}
