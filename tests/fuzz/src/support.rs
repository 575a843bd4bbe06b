//! The virtual pair of client and broker, and the client written by hand, as the tests have them.

#![allow(dead_code, unused_imports)]

#[path = "../../it/support/raw.rs"]
pub mod raw;
#[path = "../../it/support/rig.rs"]
pub mod rig;
