//! Holdfast: the durability gateway for Apache Kafka. It stands between clients and brokers, raises what clients ask of the
//! brokers too little, refuses early what brokers would refuse late, and counts all of it. This page is the map.
//!
//! # Floors
//!
//! A file imports its own floor and lower ones only. The lowest four know no runtime, no sockets, no clock and no log, so
//! every rule of the protocol and every decision about durability is tested without a network, at every byte boundary.
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | roof | `main`, [`run`], [`reload`], [`cli`], [`config`], [`report`] | flags and text -> settings -> a running process -> exit code |
//! | roof | [`audit`] | looks at a cluster, without traffic, for what loses records; shares the watch's connections and nothing else |
//! | 6 | [`admin`] | the page at `/`, `/metrics`, `/report`, `/livez`, `/readyz`: reads, never decides |
//! | 5 | [`proxy`] | tokio: listeners, the polling driver of a connection, budgets, the watch, the drain |
//! | 4 | [`telemetry`] | events -> counters, histograms, the clients seen, log lines at a rate |
//! | 3 | [`session`] | one client connection as a state machine; the only place that asks the policy and edits bytes |
//! | 2 | [`policy`] | pure decisions; one file for each scenario, whose `//!` is its manual |
//! | 1 | [`cluster`] | what is known of the cluster, as plain values |
//! | 1 | [`ledger`] | bounded memory that connections share |
//! | 0 | [`wire`] | bytes: frames, headers, versions, walkers, edits in place |
//!
//! # A Produce request with acks=0
//!
//! `proxy::connection` reads. `wire` finds acks in the first hundred bytes. `policy` says what becomes of it, `session` writes
//! two bytes where they lie and remembers that the answer is to be absorbed; the bytes go on, uncopied. The broker, seeing
//! −1, does answer: `session` takes the request from the front of its queue, reads the error codes, swallows the frame and
//! writes an event for each partition, which `telemetry` counts.
//!
//! # Invariants
//!
//! 1. Imports go down only (`tests/it/house`).
//! 2. Answers leave in the order of their requests, also those that Holdfast makes itself.
//! 3. An answer is written for a request if and only if the client expects one.
//! 4. Only versions that can be parsed are advertised.
//! 5. No broker's address reaches a client unmapped.
//! 6. A request is judged once, under one view and one set of settings; its fate never changes.
//! 7. Every buffer, queue and count has a limit.
//! 8. No peer's bytes make it panic; nothing is allocated from a claimed length; there is no `unsafe`.
//! 9. An override cannot be made without its event: both come out of the same call.
//! 10. A request that was accepted is never dropped silently: it reaches the broker, or the client is told (by an answer, or
//!     for acks=0 by closing, as brokers do), and it is counted.
//!
//! # What is not built, and where it would go
//!
//! Holdfast does not send again. Every request names its broker side ([`session::inflight::UpstreamId`]; there is one), so that
//! further ones find their place. Nothing says yet which bytes are to be kept for sending again: with nobody who sends
//! again that would be code that never runs. What is written is the session's plan (`session::lane`), so that keeping would be one
//! more word of that plan; and what is to be kept, `Session::unseen_requests` must not let go by.
//!
//! # What goes by unread
//!
//! Of a large frame only the heads are of interest. Where the session says that it need not see what comes next, 96 KiB of it or
//! more, and neither side has TLS, `proxy::connection` moves it through a pipe (`proxy::splice`, splice(2)). It is planned, counted
//! and waited for like all else: written bytes are those that left the pipe, and one that is not emptied goes down with its connection.
//! The heads are read with a small buffer then; a large one would copy what the pipe is to save. Batches of the Java client have 16 KiB unless it is
//! told otherwise: where somebody wants to see each of their heads, nothing of them is spliced.
//!
//! # Threads
//!
//! Every thread that relays has a runtime of its own (`proxy::workers`), and a connection stays with the one that it was given to. Under tokio's
//! shared runtime, with two workers, 5 000 small requests a second cost 1.24 times a plain copy's CPU (which runs under it, too), and
//! 0.9 times so; with one worker it makes no difference. Nobody else looks at a worker's sockets while one of its connections is busy: after
//! each MiB that one gives way until the runtime has looked (`proxy::connection`). What connections share is behind atomics and
//! short locks as before.

pub mod admin;
pub mod audit;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod ledger;
pub mod policy;
pub mod proxy;
pub mod reload;
pub mod report;
pub mod run;
pub mod session;
pub mod telemetry;
pub mod wire;
