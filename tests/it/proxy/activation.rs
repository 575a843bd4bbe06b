//! Socket activation: whoever starts the program holds its ports, so that nobody is refused while it is not there.

use super::fake::Fake;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::ports;
use crate::support::process::{Process, Scratch};
use crate::support::raw::request_frame;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// What became of dialling, by whether it was connected, and answered, and how long that took.
#[derive(Default, Debug)]
struct Dials {
    answered: Vec<Duration>,
    refused: Vec<String>,
    /// Connected, and then cut off: by a process that died, or drained.
    cut: usize,
}

fn dial(address: SocketAddr, question: &[u8], dials: &Mutex<Dials>) {
    let begun = Instant::now();
    let connected = TcpStream::connect_timeout(&address, PATIENCE);
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => {
            let refusal = format!("{address}: {error}");
            return dials.lock().unwrap().refused.push(refusal);
        }
    };
    let ask = |stream: &mut TcpStream| -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(question)?;
        stream.read_exact(&mut [0; 8])
    };
    let answer = ask(&mut stream);
    let mut dials = dials.lock().unwrap();
    match answer {
        Ok(()) => dials.answered.push(begun.elapsed()),
        Err(_) => dials.cut += 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_that_were_passed_refuse_nobody_while_the_program_is_stopped_killed_and_started() {
    let fake = Fake::start(1).await;
    let options = Options::new(&fake.server.to_string());
    let options = options.config("drain.delay_ms = 0\n").pass_sockets();
    let mut holdfast = Holdfast::start_with(options);
    assert!(holdfast.log().contains("sockets=5"), "{}", holdfast.log());
    let over = Arc::<AtomicBool>::default();
    let [kafka, admin] = [(); 2].map(|()| Arc::<Mutex<Dials>>::default());
    let api_versions = request_frame(18, 0, 7, Some("dials"), b"");
    let get = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let questions = [
        (holdfast.bootstrap(), api_versions.clone(), &kafka),
        (holdfast.broker_addr(1), api_versions, &kafka),
        (holdfast.admin_addr(), get.to_vec(), &admin),
    ];
    let mut dialling = Vec::new();
    for (address, question, dials) in questions.into_iter().cycle().take(9) {
        let (address, over) = (address.parse().unwrap(), over.clone());
        let dials = dials.clone();
        dialling.push(thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                dial(address, &question, &dials);
                thread::sleep(Duration::from_millis(5));
            }
        }));
    }
    const AWAY: Duration = Duration::from_millis(400);
    for round in 0..4 {
        thread::sleep(Duration::from_millis(300));
        match round % 2 {
            0 => {
                holdfast.sigterm();
                let status = holdfast.wait_exit(PATIENCE).expect("an end");
                assert_eq!(status.code(), Some(0), "{}", holdfast.log());
            }
            _ => holdfast.kill9(),
        }
        thread::sleep(AWAY);
        holdfast.start_again();
        holdfast.wait_ready();
    }
    thread::sleep(Duration::from_millis(300));
    over.store(true, Ordering::Relaxed);
    dialling.into_iter().for_each(|t| t.join().unwrap());
    for (what, dials) in [("kafka", kafka), ("admin", admin)] {
        let dials = dials.lock().unwrap();
        let waited = dials
            .answered
            .iter()
            .filter(|took| **took >= AWAY / 2)
            .count();
        println!(
            "{what}: {} answered, {waited} of them by the next process, {} cut off, {} refused",
            dials.answered.len(),
            dials.cut,
            dials.refused.len()
        );
        assert_eq!(dials.refused, [""; 0]);
        // Each of three or six threads has at most one connection that a process takes with it.
        assert!(dials.answered.len() > 100 && waited >= 4 && dials.cut <= 4 * 6);
    }
}

/// A program that ends at once: its exit code and what it says.
#[track_caller]
fn run(sockets: Vec<OwnedFd>, bootstrap_port: u16) -> (Option<i32>, String) {
    let scratch = Scratch::new("activation");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["run", "--bootstrap-server", "127.0.0.1:1"]);
    command.args(["--bootstrap-port", &bootstrap_port.to_string()]);
    command.args(["--broker-port-base", &bootstrap_port.to_string()]);
    command.args(["--broker-ids", "1-2", "--admin-bind", "127.0.0.1:0"]);
    let mut process = Process::start_passing("holdfast", scratch.path(), command, sockets);
    let status = process.wait_exit(PATIENCE);
    (status.expect("an end").code(), process.stderr())
}

#[test]
fn passed_sockets_that_do_not_fit_the_configuration_are_told_of() {
    // The bootstrap port, those of two brokers, and one of nobody.
    let base = ports::base(4) + 1;
    let held: Vec<_> = (base..base + 4).map(ports::listener).collect();
    let pass = |which: &[usize]| -> Vec<OwnedFd> {
        let copy = |which: &usize| held[*which].try_clone().unwrap().into();
        which.iter().map(copy).collect()
    };
    let check = |sockets: Vec<OwnedFd>, words: &str| {
        let (code, said) = run(sockets, base);
        assert!(said.contains(words), "{words:?} in\n{said}");
        assert_eq!(code, Some(1), "{said}");
    };
    let unclaimed = format!(
        "was passed (LISTEN_FDS) for 127.0.0.1:{}, where no port is",
        base + 3
    );
    check(pass(&[3, 2, 1, 0]), &unclaimed);
    let missing = format!("but none for 127.0.0.1:{}; pass those of all", base + 1);
    check(pass(&[0, 2]), &missing);
    let elsewhere = Scratch::new("unix");
    let unix = UnixListener::bind(elsewhere.path().join("socket")).unwrap();
    let mut sockets = pass(&[0]);
    sockets.push(unix.into());
    check(
        sockets,
        "socket 2 of those passed (LISTEN_FDS) cannot be used",
    );
    let connected: OwnedFd = TcpStream::connect(held[3].local_addr().unwrap())
        .unwrap()
        .into();
    check(vec![connected], "it does not listen");
}
