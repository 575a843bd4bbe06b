//! Floor 3: one connection as a state machine, held against a virtual client and a virtual broker (`support/rig.rs`).

mod accounting;
mod acks;
mod addresses;
mod alike;
mod allocations;
mod bare;
mod ending;
mod haste;
mod instructions;
mod introduction;
mod limits;
mod oversized;
mod principal;
mod random;
mod relay;
mod sasl;
