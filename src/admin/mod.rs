//! Floor 6: HTTP for machines: `/metrics`, `/livez`, `/readyz`. Reads, never decides.

use std::net::SocketAddr;

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port 0 takes a free one.
    pub bind: SocketAddr,
}
