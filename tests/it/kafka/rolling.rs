//! Two instances behind a TCP load balancer, under clients that write and read all the time: instances are restarted one after
//! the other, and one is added. Nothing that was acknowledged is lost, nobody is refused, and clients are back within 2 s.

use crate::support::eventually;
use crate::support::haproxy::{Haproxy, Ports};
use crate::support::holdfast::{Holdfast, Options};
use crate::support::kafka::{Cluster, java_client_command, shared_cluster, unique};
use crate::support::process::{Process, Scratch, json_lines};
use crate::support::raw::request_frame;
use crate::support::rdk::{self, IdProducer, Settings};
use rdkafka::Message;
use rdkafka::consumer::Consumer;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long nothing happens, to learn what pauses are usual on this machine.
const CALM: Duration = Duration::from_secs(5);
/// Beyond those.
const BACK_WITHIN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

const ACKS: [&str; 3] = ["0", "1", "all"];

/// A producer for each `acks`, one of Java's, and a group that reads what is written with acks=all.
struct Load {
    over: Arc<AtomicBool>,
    producers: Vec<(String, Arc<IdProducer>)>,
    sending: JoinHandle<u64>,
    consumer: Arc<Mutex<Given>>,
    consuming: JoinHandle<()>,
    java_topic: String,
    java: Process,
    java_input: Option<ChildStdin>,
    _scratch: Scratch,
}

/// What the group was given.
#[derive(Default)]
struct Given {
    ids: BTreeSet<u64>,
    last: Option<Instant>,
    longest_gap: Duration,
}

impl Load {
    fn start(cluster: &Cluster, bootstrap: &str) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let producers: Vec<_> = ACKS
            .iter()
            .map(|acks| {
                let topic = unique(&format!("rolling-{acks}"));
                cluster.create_topic(&topic, 3, 3, &[]);
                // Few requests: a broker works on one of a connection at a time, and what piles up there must be
                // answered before a connection ends.
                let settings = Settings::acks(acks)
                    .set("linger.ms", "25")
                    .set("message.timeout.ms", "60000");
                let producer = IdProducer::new(bootstrap, &topic, &settings);
                (topic, Arc::new(producer))
            })
            .collect();
        let java_topic = unique("rolling-java");
        cluster.create_topic(&java_topic, 3, 3, &[]);
        let scratch = Scratch::new("steady");
        let args = ["--bootstrap-server", bootstrap, "--topic", &java_topic];
        let command = java_client_command(cluster.version(), "SteadyProducer", &args);
        let mut java = Process::start_with_stdin("steady", scratch.path(), command);
        let java_input = java.take_stdin();
        let sending = {
            let (over, producers) = (over.clone(), producers.clone());
            thread::spawn(move || {
                let mut id = 0;
                while !over.load(Ordering::Relaxed) {
                    producers.iter().for_each(|(_, p)| p.send(id, 100, None));
                    id += 1;
                    thread::sleep(Duration::from_millis(5));
                }
                id
            })
        };
        let consumer = Arc::<Mutex<Given>>::default();
        let consuming = {
            let (over, read) = (over.clone(), consumer.clone());
            let source = rdk::consumer(bootstrap, &unique("rolling"), &[]);
            source.subscribe(&[&producers[2].0]).expect("subscribed");
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Some(Ok(message)) = source.poll(Duration::from_millis(100)) else {
                        continue;
                    };
                    let id = message.key().and_then(|key| std::str::from_utf8(key).ok());
                    let id = id.and_then(|id| id.parse().ok()).expect("an id");
                    let mut read = read.lock().unwrap();
                    let now = Instant::now();
                    if let Some(last) = read.last.replace(now) {
                        read.longest_gap = read.longest_gap.max(now - last);
                    }
                    read.ids.insert(id);
                }
            })
        };
        Load {
            over,
            producers,
            sending,
            consumer,
            consuming,
            java_topic,
            java,
            java_input,
            _scratch: scratch,
        }
    }

    /// Until every client is at work.
    fn wait_working(&self) {
        eventually("every client is at work", PATIENCE, || {
            let told = self.producers.iter().map(|(_, p)| p.told().ok.len());
            let read = self.consumer.lock().unwrap().ids.len();
            let java = json_lines(&self.java.stdout()).len();
            let done: Vec<_> = told.chain([read, java]).collect();
            match done.iter().all(|done| *done > 100) {
                true => Ok(()),
                false => Err(format!("{done:?}")),
            }
        });
    }

    /// The longest pause of each client while nothing happens.
    fn usual_pauses(&mut self) -> Vec<(&'static str, Duration)> {
        self.pauses();
        thread::sleep(CALM);
        self.pauses()
    }

    /// The longest pause of each client since it was asked last.
    fn pauses(&mut self) -> Vec<(&'static str, Duration)> {
        let said = |java: &Process| -> Vec<u64> {
            let lines = json_lines(&java.stdout());
            lines
                .iter()
                .filter_map(|line| line["longest_gap_ms"].as_u64())
                .collect()
        };
        let before = said(&self.java).len();
        let input = self.java_input.as_mut().expect("not over yet");
        input.write_all(b"\n").expect("it reads");
        let java = eventually("the Java client says it", PATIENCE, || {
            said(&self.java)
                .get(before)
                .copied()
                .ok_or_else(String::new)
        });
        let mut pauses: Vec<_> = ["librdkafka, acks=0", "acks=1", "acks=all"]
            .into_iter()
            .zip(
                self.producers
                    .iter()
                    .map(|(_, producer)| producer.longest_gap()),
            )
            .collect();
        pauses.push(("Java, acks=all", Duration::from_millis(java)));
        let read = std::mem::take(&mut self.consumer.lock().unwrap().longest_gap);
        pauses.push(("the group", read));
        pauses
    }

    /// Ends it: all that was acknowledged is stored and was read. How many records were sent with acks=0, and how many of
    /// them are stored.
    #[track_caller]
    fn finish(mut self, cluster: &Cluster) -> (u64, u64) {
        let read_in_time = |load: &Load, told: &BTreeSet<u64>| {
            eventually("the group was given all", PATIENCE, || {
                let read = load.consumer.lock().unwrap();
                match told.difference(&read.ids).count() {
                    0 => Ok(()),
                    missing => Err(format!("{missing} missing")),
                }
            });
        };
        let told_all = self.producers[2].1.told().ok_ids();
        read_in_time(&self, &told_all);
        self.over.store(true, Ordering::Relaxed);
        let sent = self.sending.join().expect("no panic");
        self.consuming.join().expect("no panic");
        let mut silent = 0;
        for (acks, (topic, producer)) in ACKS.into_iter().zip(self.producers) {
            let producer = Arc::into_inner(producer).expect("nobody else sends");
            let told = producer.finish(PATIENCE);
            let stored = cluster.read_all(&topic);
            let distinct = rdk::ids(&stored).len() as u64;
            println!(
                "acks={acks}: {sent} sent, {distinct} stored, {} twice",
                stored.len() as u64 - distinct
            );
            if acks == "0" {
                silent = distinct;
                continue;
            }
            assert_eq!(
                (told.ok.len() as u64, told.failed.len()),
                (sent, 0),
                "acks={acks}"
            );
            assert_eq!(told.lost(&stored), BTreeSet::new(), "acks={acks}");
        }
        drop(self.java_input.take());
        let status = self.java.wait_exit(PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
        let lines = json_lines(&self.java.stdout());
        let failed: Vec<_> = lines
            .iter()
            .filter(|line| !line["error"].is_null())
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
        let acknowledged = lines.iter().filter(|line| !line["offset"].is_null());
        let acknowledged: BTreeSet<u64> = acknowledged
            .filter_map(|line| line["id"].as_u64())
            .collect();
        let stored = rdk::ids(&cluster.read_all(&self.java_topic));
        println!(
            "Java: {} acknowledged, {} stored",
            acknowledged.len(),
            stored.len()
        );
        assert!(acknowledged.len() > 500 && acknowledged.is_subset(&stored));
        (sent, silent)
    }
}

/// Dials every port all the time, asks ApiVersions, and wants the answer.
struct Prober {
    over: Arc<AtomicBool>,
    dialled: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    probing: Vec<JoinHandle<()>>,
}

impl Prober {
    fn start(addresses: Vec<String>) -> Prober {
        let over = Arc::<AtomicBool>::default();
        let (dialled, failed) = (
            Arc::<AtomicU64>::default(),
            Arc::<Mutex<Vec<String>>>::default(),
        );
        let probe = |address: String| {
            let (over, dialled, failed) = (over.clone(), dialled.clone(), failed.clone());
            let address: SocketAddr = address.parse().expect("an address");
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    if let Err(error) = ask(address) {
                        failed.lock().unwrap().push(format!("{address}: {error}"));
                    }
                    dialled.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(50));
                }
            })
        };
        let probing = addresses.into_iter().map(probe).collect();
        Prober {
            over,
            dialled,
            failed,
            probing,
        }
    }

    /// Nobody was refused.
    #[track_caller]
    fn finish(self) {
        self.over.store(true, Ordering::Relaxed);
        for probing in self.probing {
            probing.join().expect("no panic");
        }
        let (dialled, failed) = (
            self.dialled.load(Ordering::Relaxed),
            self.failed.lock().unwrap(),
        );
        println!("{dialled} dials, {} failed", failed.len());
        assert!(
            failed.is_empty() && dialled > 100,
            "{dialled} dials, {failed:?}"
        );
    }
}

fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&request_frame(18, 0, 7, Some("prober"), b""))?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer)
}

/// Two instances behind haproxy, both up.
fn pair(cluster: &Cluster, toml: &str) -> ([Holdfast; 2], Haproxy) {
    let ports = Ports::choose();
    let config = ports.toml() + toml;
    let instances =
        [(); 2].map(|()| Holdfast::start_with(Options::new(&cluster.bootstrap()).config(&config)));
    let haproxy = Haproxy::start(ports, &[&instances[0], &instances[1]]);
    (0..2).for_each(|number| haproxy.wait_up(number, true));
    (instances, haproxy)
}

#[track_caller]
fn end(holdfast: &mut Holdfast) {
    holdfast.sigterm();
    let status = holdfast.wait_exit(PATIENCE);
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(0),
        "{}",
        holdfast.log()
    );
}

fn connections(holdfast: &Holdfast) -> f64 {
    holdfast.metrics().value("holdfast_client_connections", &[])
}

/// What its log says of acks=0 at each of its ends: confirmed, refused, unknown.
fn told_of_acks0(holdfast: &Holdfast) -> Vec<[u64; 3]> {
    let log = holdfast.log();
    let ends = log.lines().filter(|line| line.contains("holdfast ends"));
    let number = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}="))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    ends.map(|line| {
        ["confirmed", "refused", "unknown"].map(|name| number(line, name).expect("a number"))
    })
    .collect()
}

#[track_caller]
fn assert_back_in_time(normal: &[(&str, Duration)], then: &[(&str, Duration)]) {
    println!("longest pauses: {normal:?} while nothing happens, then {then:?}");
    for ((who, normal), (_, pause)) in normal.iter().zip(then) {
        assert!(
            *pause <= *normal + BACK_WITHIN,
            "{who}: {pause:?}, {normal:?} is usual"
        );
    }
}

#[test]
fn a_rolling_restart_loses_no_acknowledged_record_and_refuses_nobody() {
    let cluster = shared_cluster();
    let (mut instances, haproxy) = pair(&cluster, "");
    let mut load = Load::start(&cluster, &haproxy.bootstrap());
    load.wait_working();
    let prober = Prober::start(haproxy.addresses());
    let normal = load.usual_pauses();
    for (number, instance) in instances.iter_mut().enumerate() {
        assert!(connections(instance) > 3.0, "clients are on both");
        let begun = Instant::now();
        end(instance);
        let drained = begun.elapsed();
        instance.start_again();
        instance.wait_ready();
        // Below the deadline, which is 2 s and 30 s: nothing was cut off. Nine seconds alone, 26 beside other clusters.
        assert!(drained < Duration::from_secs(30), "{drained:?}");
        println!(
            "instance {number}: ended after {drained:?}, ready after {:?}",
            begun.elapsed()
        );
        haproxy.wait_up(number, true);
        // Clients that were not back by now would show.
        thread::sleep(BACK_WITHIN);
    }
    let pauses = load.pauses();
    let (sent, stored) = load.finish(&cluster);
    prober.finish();
    let counts = haproxy.counts();
    println!("{counts:?}");
    assert_eq!((counts.connect_errors, counts.retries), (0, 0));
    assert_back_in_time(&normal, &pauses);

    instances.iter_mut().for_each(end);
    let ends: Vec<_> = instances.iter().flat_map(told_of_acks0).collect();
    let sum = |outcome: usize| ends.iter().map(|end| end[outcome]).sum::<u64>();
    let (confirmed, refused, unknown) = (sum(0), sum(1), sum(2));
    println!("acks=0: {confirmed} confirmed, {refused} refused, {unknown} unknown");
    assert_eq!(ends.len(), 4);
    assert!(confirmed + refused + unknown >= sent, "none without an end");
    assert!(
        sent - stored <= refused + unknown,
        "none lost without a word"
    );
}

#[test]
fn an_instance_that_is_added_gets_connections_of_clients_that_are_there() {
    let cluster = shared_cluster();
    let (mut instances, haproxy) = pair(&cluster, "limits.max_connection_age_ms = 4000\n");
    end(&mut instances[1]);
    haproxy.wait_up(1, false);
    let mut load = Load::start(&cluster, &haproxy.bootstrap());
    load.wait_working();
    let prober = Prober::start(haproxy.addresses());
    let normal = load.usual_pauses();
    instances[1].start_again();
    instances[1].wait_ready();
    haproxy.wait_up(1, true);
    eventually("clients are on both", Duration::from_secs(20), || {
        let [old, new] = [&instances[0], &instances[1]].map(connections);
        match new >= 0.3 * (old + new) {
            true => Ok(()),
            false => Err(format!(
                "{old} connections on the old one, {new} on the new one"
            )),
        }
    });
    thread::sleep(BACK_WITHIN);
    let pauses = load.pauses();
    let (sent, stored) = load.finish(&cluster);
    prober.finish();
    let labels = [("cause", "max_age")];
    let metrics = instances[0].metrics();
    let old = metrics.value("holdfast_client_connections_closed_total", &labels);
    println!(
        "{old} connections of the old instance ended for their age; acks=0: {sent} sent, {stored} stored"
    );
    assert!(old > 10.0);
    assert_back_in_time(&normal, &pauses);
    instances.iter_mut().for_each(end);
    let ends: Vec<_> = instances.iter().flat_map(told_of_acks0).collect();
    let not_stored: u64 = ends
        .iter()
        .map(|[_, refused, unknown]| refused + unknown)
        .sum();
    assert!(sent - stored <= not_stored, "none lost without a word");
}
