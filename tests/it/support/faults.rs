//! A TCP proxy that makes faults: slow, in tiny pieces, silent, reset, half closed. It knows nothing of Kafka. What it does
//! can be changed while connections are open.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Nothing,
    /// Each read waits so long before it is written on.
    Latency(Duration),
    /// Writes of that many bytes.
    Slices(usize),
    /// Nothing is read, nothing is written, nothing ends.
    BlackHole,
    /// Every connection is reset, and so is each new one.
    Reset,
    /// What the left side sends is ended towards the right one; answers still come.
    HalfClose,
    /// As BlackHole, of connections whose first bytes have these among them; the others go on.
    BlackHoleOf(&'static str),
}

pub struct Faults {
    port: u16,
    fault: Arc<Mutex<Fault>>,
    over: Arc<AtomicBool>,
}

const TICK: Duration = Duration::from_millis(20);

impl Faults {
    /// Listens on `port` (0: a free one) in front of `target`.
    #[track_caller]
    pub fn start(port: u16, target: &str) -> Faults {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        listener.set_nonblocking(true).expect("a socket option");
        let fault = Arc::new(Mutex::new(Fault::Nothing));
        let over = Arc::new(AtomicBool::new(false));
        let (state, ended, target) = (fault.clone(), over.clone(), target.to_owned());
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok((left, _)) = listener.accept() else {
                    thread::sleep(TICK);
                    continue;
                };
                let Ok(right) = TcpStream::connect(&target) else {
                    continue;
                };
                join(left, right, &state, &ended);
            }
        });
        Faults { port, fault, over }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn join(left: TcpStream, right: TcpStream, fault: &Arc<Mutex<Fault>>, over: &Arc<AtomicBool>) {
    for stream in [&left, &right] {
        stream.set_nonblocking(false).ok();
        stream.set_nodelay(true).ok();
        stream.set_read_timeout(Some(TICK)).ok();
        stream.set_write_timeout(Some(Duration::from_secs(5))).ok();
    }
    let ways = [(&left, &right, true), (&right, &left, false)];
    let began: Arc<OnceLock<Vec<u8>>> = Arc::default();
    for (from, to, forth) in ways {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let (fault, over, began) = (fault.clone(), over.clone(), began.clone());
        thread::spawn(move || pump((from, to), forth, &began, &fault, &over));
    }
}

/// One direction, until its end. `began`: what the left side sent first.
fn pump(
    (mut from, mut to): (TcpStream, TcpStream),
    forth: bool,
    began: &OnceLock<Vec<u8>>,
    fault: &Mutex<Fault>,
    over: &AtomicBool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while !over.load(Ordering::Relaxed) {
        let now = *fault.lock().unwrap_or_else(PoisonError::into_inner);
        match now {
            Fault::BlackHole => {
                thread::sleep(TICK);
                continue;
            }
            Fault::BlackHoleOf(text) if has(began, text) => {
                thread::sleep(TICK);
                continue;
            }
            Fault::Reset => return reset(&from, &to),
            Fault::HalfClose if forth => {
                to.shutdown(Shutdown::Write).ok();
                return;
            }
            _ => {}
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => {
                to.shutdown(Shutdown::Write).ok();
                return;
            }
            Ok(read) => read,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return reset(&from, &to),
        };
        if forth {
            began.get_or_init(|| buffer[..read].to_vec());
            if matches!(now, Fault::BlackHoleOf(text) if has(began, text)) {
                continue;
            }
        }
        if let Fault::Latency(span) = now {
            thread::sleep(span);
        }
        let size = match now {
            Fault::Slices(size) => size,
            _ => read,
        };
        for piece in buffer[..read].chunks(size) {
            if to.write_all(piece).is_err() {
                return reset(&from, &to);
            }
        }
    }
    reset(&from, &to);
}

fn has(began: &OnceLock<Vec<u8>>, text: &str) -> bool {
    let began = began.get().map_or(&[][..], Vec::as_slice);
    began
        .windows(text.len())
        .any(|piece| piece == text.as_bytes())
}

/// Both sides see a reset, not an end.
fn reset(from: &TcpStream, to: &TcpStream) {
    for stream in [from, to] {
        let socket = socket2::SockRef::from(stream);
        socket.set_linger(Some(Duration::ZERO)).ok();
        stream.shutdown(Shutdown::Both).ok();
    }
}
