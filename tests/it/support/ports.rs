//! Ports that nobody else uses: not the kernel for outgoing connections, not another test process, not an earlier
//! test of this one. It hands out numbers; it does not keep them bound, because the child that gets one must bind it.
//!
//! A port that is bound, read and released can be taken by any outgoing connection before the child binds it, so
//! these lie below the kernel's ephemeral range. A block of them belongs to one test process for as long as that
//! lives: the claim is a socket with a name in the abstract namespace, which leaves nothing behind.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;

const FIRST: u16 = 10_240;
const BLOCK: u16 = 128;
/// The last block ends below 32 768, where Linux begins to take ports for outgoing connections.
const BLOCKS: u16 = (32_768 - FIRST) / BLOCK;

struct Claimed {
    next: u16,
    end: u16,
    claims: Vec<UnixListener>,
}

static CLAIMED: Mutex<Claimed> = Mutex::new(Claimed {
    next: 0,
    end: 0,
    claims: Vec::new(),
});

/// One free port on 127.0.0.1, never handed out again in this process.
pub fn free() -> u16 {
    base(1) + 1
}

/// A number `b` such that `b + 1 ..= b + count` are free on 127.0.0.1 and never handed out again in this process;
/// `count` up to 64. For ports that are a base plus a node id.
#[track_caller]
pub fn base(count: u16) -> u16 {
    assert!(
        count <= BLOCK / 2,
        "{count} ports in a row, at most {} are handed out",
        BLOCK / 2
    );
    let mut claimed = CLAIMED
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for _ in 0..2 * BLOCK * BLOCKS {
        if claimed.end - claimed.next < count {
            claimed.claim_block();
        }
        let first = claimed.next;
        claimed.next += count;
        if (first..first + count).all(is_free) {
            return first - 1;
        }
        // Somebody sits on one of them; the next run of ports begins behind the first.
        claimed.next = first + 1;
    }
    panic!(
        "no {count} free ports in a row between {FIRST} and {}",
        FIRST + BLOCK * BLOCKS
    );
}

impl Claimed {
    fn claim_block(&mut self) {
        let start = (std::process::id() % u32::from(BLOCKS)) as u16;
        for step in 0..BLOCKS {
            let block = (start + step) % BLOCKS;
            let name = format!("holdfast-it-ports-{block}");
            let address = SocketAddr::from_abstract_name(name).expect("a short name");
            if let Ok(claim) = UnixListener::bind_addr(&address) {
                self.claims.push(claim);
                self.next = FIRST + block * BLOCK;
                self.end = self.next + BLOCK;
                return;
            }
        }
        panic!("all {BLOCKS} blocks of ports are claimed by test processes");
    }
}

/// Bound to a port of these. A child that another test forks at that moment keeps a copy of the socket of [`is_free`] until it
/// has become another program.
#[track_caller]
pub fn listener(port: u16) -> TcpListener {
    let mut last = None;
    for _ in 0..200 {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) => last = Some(error),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("port {port} is not free: {last:?}");
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
