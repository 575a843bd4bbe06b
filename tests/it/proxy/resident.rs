//! The program's own memory, as the system counts it: connections that wait, and after a burst.

use crate::support::bystander::resident_bytes;
use crate::support::holdfast::{Holdfast, Options};
use crate::support::raw::request_frame;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const IDLE: usize = 2000;
/// The target is 4 KiB, which `memory.rs` holds to the byte on the heap; pages, the allocator's own and this unoptimised
/// build add to it here.
const GUARD_BYTES: u64 = 5 * 1024;

/// Answers every request with an empty body, whatever it was, on as many connections as come.
fn broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // One request each is enough here; the watch's own are left unanswered, it is not asked.
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
            let mut start = [0; 12];
            if stream.read_exact(&mut start).is_ok() && start[4..6] == [0, 12] {
                let len = u32::from_be_bytes([start[0], start[1], start[2], start[3]]) - 8;
                stream.read_exact(&mut vec![0; len as usize]).ok();
                let mut answer = 4_u32.to_be_bytes().to_vec();
                answer.extend(&start[8..12]);
                stream.write_all(&answer).ok();
            }
            kept.push(stream);
        }
    });
    port
}

fn round_trip(address: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("Holdfast listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok();
    let frame = request_frame(12, 0, 1, Some("test"), &vec![b'x'; bytes]);
    stream.write_all(&frame).expect("it reads");
    stream.read_exact(&mut [0; 8]).expect("an answer");
    stream
}

#[test]
fn two_thousand_idle_connections_and_a_burst_leave_little_behind() {
    let holdfast = Holdfast::launch(Options::new(&format!("127.0.0.1:{}", broker())));
    let address = holdfast.bootstrap();
    crate::support::eventually("it listens", Duration::from_secs(20), || {
        TcpStream::connect(&address).map_err(|error| error.to_string())
    });
    // What is made once (buffers that are kept, tables of descriptors) is made here.
    drop(
        (0..100)
            .map(|_| round_trip(&address, 100_000))
            .collect::<Vec<_>>(),
    );
    let before = resident_bytes(holdfast.pid());
    let lines: Vec<_> = (0..IDLE).map(|_| round_trip(&address, 1000)).collect();
    let each = resident_bytes(holdfast.pid()).saturating_sub(before) / IDLE as u64;
    println!("{each} resident bytes for each idle connection");
    assert!(each <= GUARD_BYTES, "{each} bytes");
    drop(lines);
    let idle = resident_bytes(holdfast.pid());
    drop(
        (0..50)
            .map(|_| round_trip(&address, 1024 * 1024))
            .collect::<Vec<_>>(),
    );
    let after = resident_bytes(holdfast.pid());
    println!("{idle} resident bytes before a burst, {after} after it");
    assert!(
        after < idle + 8 * 1024 * 1024,
        "{idle} before, {after} after"
    );
}
