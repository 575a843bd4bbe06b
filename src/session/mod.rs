//! Floor 3: one client connection as a state machine. No async, no sockets, no clock of its own.

pub mod event;
