//! A real Kafka cluster of three brokers on this machine: started, stopped, killed and frozen by calls, asked by raw
//! requests over fresh connections (a JVM per question would cost seconds, and a client that already knows a frozen
//! broker hangs on it). It does not know Holdfast.
//!
//! At most two clusters run at a time, however many test threads there are. `shared_cluster` is for tests that break
//! nothing: it stays up from test to test and gives way only when another cluster needs its place.

use super::certificates::{Ca, Identity};
use super::distribution::{self, CLUSTER_ID};
use super::process::{self, Output, Process, Scratch};
use super::raw::{self, Metadata, MetadataPartition, Raw, Resource};
use super::rdk::{self, Isolation, Record, Settings};
use super::{eventually, ports};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use super::distribution::Version;

const BROKERS: [i32; 3] = [1, 2, 3];
const CONTROLLER: i32 = 9;
/// How long a node may take to start on a machine that is busy with other things.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const TOOL_TIMEOUT: Duration = Duration::from_secs(120);

// ---------------------------------------------------------------------------------------------------------- Spec

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Three nodes, each broker and controller. With two of them stopped there is no quorum, and no ISR can shrink.
    Combined,
    /// A controller of its own (node 9) and three brokers: an ISR shrinks while brokers are stopped.
    DedicatedController,
}

/// What a cluster is to be. Replication factor 3, `min.insync.replicas` 2 and four partitions unless set otherwise.
#[derive(Clone, Debug)]
pub struct Spec {
    version: Version,
    shape: Shape,
    properties: Vec<(String, String)>,
    listeners: Vec<ClientListener>,
    java_options: Vec<String>,
}

impl Spec {
    pub fn new(version: Version) -> Spec {
        Spec {
            version,
            shape: Shape::Combined,
            properties: Vec::new(),
            listeners: Vec::new(),
            java_options: Vec::new(),
        }
    }

    pub fn dedicated_controller(mut self) -> Spec {
        self.shape = Shape::DedicatedController;
        self
    }

    /// A line of every node's server.properties, over the defaults; `{node}` stands for the node id.
    pub fn property(mut self, key: &str, value: &str) -> Spec {
        self.properties.push((key.into(), value.into()));
        self
    }

    /// Of every node's JVM.
    pub fn java_option(mut self, option: &str) -> Spec {
        self.java_options.push(option.into());
        self
    }

    /// One more listener for clients, beside the one that `bootstrap` names.
    pub fn listener(mut self, listener: ClientListener) -> Spec {
        self.listeners.push(listener);
        self
    }
}

/// A further listener of every broker.
#[derive(Clone, Debug)]
pub struct ClientListener {
    name: String,
    /// Its host, and what a node's id is added to for the port; without one it is the listener's own.
    advertised: Option<(String, Option<u16>)>,
    sasl: Option<Sasl>,
    tls: Option<Tls>,
}

#[derive(Clone, Debug)]
struct Tls {
    identity: Identity,
    /// Where clients have to have a certificate: the CA of theirs.
    client_ca: Option<String>,
}

#[derive(Clone, Debug)]
struct Sasl {
    mechanisms: Vec<String>,
    /// Name and password.
    users: Vec<(String, String)>,
    /// Who the brokers are by Kerberos: `sasl.jaas.config` of GSSAPI.
    gssapi: Option<String>,
}

impl ClientListener {
    /// A PLAINTEXT listener; `name` in capitals.
    pub fn plaintext(name: &str) -> ClientListener {
        ClientListener {
            name: name.into(),
            advertised: None,
            sasl: None,
            tls: None,
        }
    }

    /// A SASL_PLAINTEXT listener (SASL_SSL after `tls`) with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, and its users; or OAUTHBEARER, by which whoever
    /// has an unsigned token is let in.
    pub fn sasl_plaintext(
        name: &str,
        mechanisms: &[&str],
        users: &[(&str, &str)],
    ) -> ClientListener {
        let mechanisms = mechanisms.iter().map(|m| m.to_string()).collect();
        let users = users
            .iter()
            .map(|(user, password)| (user.to_string(), password.to_string()))
            .collect();
        ClientListener {
            name: name.into(),
            advertised: None,
            sasl: Some(Sasl {
                mechanisms,
                users,
                gssapi: None,
            }),
            tls: None,
        }
    }

    /// After `sasl_plaintext`: by GSSAPI too, all brokers being one service principal.
    #[track_caller]
    pub fn gssapi(mut self, jaas: &str) -> ClientListener {
        let sasl = self.sasl.as_mut().expect("a listener with SASL");
        sasl.mechanisms.push("GSSAPI".into());
        sasl.gssapi = Some(jaas.into());
        self
    }

    /// Broker n says that it is at `host` and port `port_base` + n (a relay in front of it); else it names itself.
    pub fn advertised(mut self, host: &str, port_base: u16) -> ClientListener {
        self.advertised = Some((host.into(), Some(port_base)));
        self
    }

    /// By TLS, every broker with this certificate and named `localhost`: SSL, or SASL_SSL if it asks for a password.
    pub fn tls(mut self, identity: &Identity) -> ClientListener {
        self.advertised = Some(("localhost".into(), None));
        self.tls = Some(Tls {
            identity: identity.clone(),
            client_ca: None,
        });
        self
    }

    /// After `tls`: only for clients with a certificate of this CA.
    #[track_caller]
    pub fn clients_of(mut self, ca: &Ca) -> ClientListener {
        let tls = self.tls.as_mut().expect("a listener with TLS");
        tls.client_ca = Some(ca.pem.clone());
        self
    }

    fn security_protocol(&self) -> &'static str {
        match (&self.sasl, &self.tls) {
            (Some(_), None) => "SASL_PLAINTEXT",
            (None, None) => "PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
            (None, Some(_)) => "SSL",
        }
    }

    /// Writes its keystore and truststore, PEM files of `dir`; the properties that name them.
    fn tls_properties(&self, dir: &Path) -> Vec<(String, String)> {
        let Some(tls) = &self.tls else {
            return Vec::new();
        };
        let name = self.name.to_lowercase();
        let write = |end: &str, text: &str| {
            let file = dir.join(format!("{name}.{end}.pem"));
            fs::write(&file, text).expect("a file in the scratch directory");
            file.display().to_string()
        };
        let keystore = write(
            "keystore",
            &format!("{}{}", tls.identity.key, tls.identity.certificate),
        );
        let mut lines = vec![
            ("keystore.type", "PEM".to_owned()),
            ("keystore.location", keystore),
        ];
        if let Some(ca) = &tls.client_ca {
            lines.push(("truststore.type", "PEM".to_owned()));
            lines.push(("truststore.location", write("truststore", ca)));
            lines.push(("client.auth", "required".to_owned()));
        }
        let prefix = format!("listener.name.{name}.ssl");
        let lines = lines.into_iter();
        lines
            .map(|(key, value)| (format!("{prefix}.{key}"), value))
            .collect()
    }

    fn properties(&self) -> Vec<(String, String)> {
        let Some(sasl) = &self.sasl else {
            return Vec::new();
        };
        let prefix = format!("listener.name.{}", self.name.to_lowercase());
        let mut lines = vec![(
            format!("{prefix}.sasl.enabled.mechanisms"),
            sasl.mechanisms.join(","),
        )];
        for mechanism in &sasl.mechanisms {
            let module = match mechanism.as_str() {
                "PLAIN" => {
                    let mut module =
                        "org.apache.kafka.common.security.plain.PlainLoginModule required"
                            .to_string();
                    for (user, password) in &sasl.users {
                        write!(module, " user_{user}=\"{password}\"").expect("writing to a String");
                    }
                    module + ";"
                }
                "GSSAPI" => sasl.gssapi.clone().expect("who the brokers are"),
                "OAUTHBEARER" => {
                    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
                        .to_string()
                }
                _ => {
                    "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_string()
                }
            };
            lines.push((
                format!("{prefix}.{}.sasl.jaas.config", mechanism.to_lowercase()),
                module,
            ));
        }
        lines
    }

    /// What `StorageTool format --add-scram` is to write into the first metadata.
    fn scram_credentials(&self) -> Vec<String> {
        let Some(sasl) = &self.sasl else {
            return Vec::new();
        };
        let scram = sasl.mechanisms.iter().filter(|m| m.starts_with("SCRAM"));
        scram
            .flat_map(|m| {
                sasl.users
                    .iter()
                    .map(move |(name, password)| format!("{m}=[name={name},password={password}]"))
            })
            .collect()
    }
}

// ------------------------------------------------------------------------------------------------------- Cluster

pub struct Cluster {
    nodes: Vec<Node>,
    version: Version,
    /// From the call to the moment at which every broker listed all of them.
    pub started_in: Duration,
    // Dropped in this order: the processes, their data, the place.
    scratch: Scratch,
    _place: Place,
}

/// One process. A broker unless its id is 9.
pub struct Node {
    pub id: i32,
    port: AtomicU16,
    /// Name and port of the further listeners.
    listeners: Vec<(String, u16)>,
    version: Version,
    java_options: Vec<String>,
    dir: PathBuf,
    process: Mutex<State>,
}

enum State {
    Down,
    Running(Process),
    Frozen(Process),
}

impl Cluster {
    /// Formats, starts, and waits until every broker lists all three.
    pub fn start(spec: Spec) -> Cluster {
        // What is fetched and built once is not part of the start.
        spec.version.bootstrap_snapshot();
        let place = Place::take();
        let begun = Instant::now();
        let scratch = Scratch::new(&format!("kafka-{}", spec.version.as_str()));
        let nodes = lay_out(&spec, scratch.path());
        for node in &nodes {
            node.launch();
        }
        let mut cluster = Cluster {
            nodes,
            version: spec.version,
            started_in: Duration::ZERO,
            scratch,
            _place: place,
        };
        cluster.wait_ready();
        cluster.started_in = begun.elapsed();
        cluster
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The brokers of the plain listener, living or not.
    pub fn bootstrap(&self) -> String {
        self.brokers().map(Node::addr).collect::<Vec<_>>().join(",")
    }

    /// The brokers that are neither stopped nor frozen.
    pub fn living_bootstrap(&self) -> String {
        self.living().map(Node::addr).collect::<Vec<_>>().join(",")
    }

    /// The brokers' own ports of a further listener (not what it advertises).
    pub fn bootstrap_of(&self, listener: &str) -> String {
        self.brokers()
            .map(|b| format!("127.0.0.1:{}", b.port_of(listener)))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// A node by its id: 1 to 3, or 9 for a controller of its own.
    #[track_caller]
    pub fn broker(&self, id: i32) -> &Node {
        self.nodes
            .iter()
            .find(|node| node.id == id)
            .unwrap_or_else(|| panic!("no node {id}"))
    }

    pub fn brokers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.id != CONTROLLER)
    }

    fn living(&self) -> impl Iterator<Item = &Node> {
        self.brokers().filter(|node| node.is_running())
    }

    /// Every broker that runs lists all that run.
    fn wait_ready(&self) {
        let expected: Vec<i32> = self.living().map(|node| node.id).collect();
        for node in self.living() {
            let what = format!(
                "node {} of a {} cluster knows brokers {expected:?}",
                node.id,
                self.version.as_str()
            );
            eventually(&what, START_TIMEOUT, || {
                node.assert_alive();
                let metadata = node.metadata(Some(&[])).map_err(|e| e.to_string())?;
                let known: Vec<i32> = metadata
                    .brokers
                    .iter()
                    .map(|broker| broker.node_id)
                    .collect();
                match expected.iter().all(|id| known.contains(id)) {
                    true => Ok(()),
                    false => Err(format!("it knows {known:?}")),
                }
            });
        }
    }

    // ------------------------------------------------------------------------------------------------- questions

    /// Asked of a living broker over a fresh connection; None asks for all topics.
    #[track_caller]
    pub fn metadata(&self, topics: Option<&[&str]>) -> Metadata {
        eventually(
            "a living broker answers Metadata",
            Duration::from_secs(30),
            || {
                let mut complaint = "no broker is running".to_string();
                for node in self.living() {
                    match node.metadata(topics) {
                        Ok(metadata) => return Ok(metadata),
                        Err(e) => complaint = format!("node {}: {e}", node.id),
                    }
                }
                Err(complaint)
            },
        )
    }

    #[track_caller]
    fn partition(&self, topic: &str, partition: i32) -> Option<MetadataPartition> {
        self.metadata(Some(&[topic]))
            .partition(topic, partition)
            .cloned()
    }

    /// Node ids, sorted; empty while the topic is unknown.
    #[track_caller]
    pub fn isr(&self, topic: &str, partition: i32) -> Vec<i32> {
        let mut isr = self
            .partition(topic, partition)
            .map(|p| p.isr_nodes)
            .unwrap_or_default();
        isr.sort_unstable();
        isr
    }

    /// None while there is none.
    #[track_caller]
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.partition(topic, partition)
            .map(|p| p.leader_id)
            .filter(|id| *id >= 0)
    }

    #[track_caller]
    pub fn topic_id(&self, topic: &str) -> [u8; 16] {
        let metadata = self.metadata(Some(&[topic]));
        metadata
            .topic(topic)
            .unwrap_or_else(|| panic!("no topic {topic}"))
            .id
    }

    /// Until the ISR has `count` members; they.
    #[track_caller]
    pub fn wait_isr(
        &self,
        topic: &str,
        partition: i32,
        count: usize,
        timeout: Duration,
    ) -> Vec<i32> {
        eventually(
            &format!("{count} in-sync replicas of {topic}-{partition}"),
            timeout,
            || {
                let isr = self.isr(topic, partition);
                match isr.len() == count {
                    true => Ok(isr),
                    false => Err(format!("they are {isr:?}")),
                }
            },
        )
    }

    /// Until the leader is a broker that runs; its id.
    #[track_caller]
    pub fn wait_leader(&self, topic: &str, partition: i32, timeout: Duration) -> i32 {
        eventually(
            &format!("a living leader of {topic}-{partition}"),
            timeout,
            || match self.leader(topic, partition) {
                Some(id) if self.living().any(|node| node.id == id) => Ok(id),
                leader => Err(format!("it is {leader:?}")),
            },
        )
    }

    /// All records up to the end of every partition as it is now, read by a fresh librdkafka consumer.
    #[track_caller]
    pub fn read_all(&self, topic: &str) -> Vec<Record> {
        self.read_all_as(topic, Isolation::ReadUncommitted)
    }

    #[track_caller]
    pub fn read_all_as(&self, topic: &str, isolation: Isolation) -> Vec<Record> {
        self.wait_replicated(topic);
        rdk::read_all(&self.living_bootstrap(), topic, isolation)
    }

    /// Waits until readers of `topic` see all that its leaders have. What acks=0 and acks=1 were told ok is behind the high
    /// watermark, and for readers not there, until the followers have fetched it; nor does the high watermark move while
    /// fewer replicas are in sync than `min.insync.replicas` asks for, and who comes back is in sync before it has more (KIP-966).
    #[track_caller]
    pub fn wait_replicated(&self, topic: &str) {
        let what = format!("the followers have all of {topic}");
        eventually(&what, Duration::from_secs(30), || {
            let node = self.living().next().ok_or("no living broker")?;
            let metadata = node.metadata(Some(&[topic])).map_err(|e| e.to_string())?;
            let partitions = &metadata.topic(topic).ok_or("no such topic")?.partitions;
            for p in partitions {
                if p.leader_id < 0 {
                    return Err(format!("{p:?} has no leader"));
                }
                let mut leader = self.broker(p.leader_id).connect();
                let (high_watermark, log_end) =
                    raw::ends(&mut leader, topic, p.partition, p.leader_epoch)
                        .map_err(|e| e.to_string())?;
                if high_watermark < log_end {
                    return Err(format!("{high_watermark} of {log_end} in {p:?}"));
                }
            }
            Ok(())
        });
    }

    // -------------------------------------------------------------------------------------------------- commands

    /// Creates a topic and waits until every living broker knows a leader and the whole ISR of each partition.
    #[track_caller]
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication_factor: i16,
        configs: &[(&str, &str)],
    ) {
        self.create(name, partitions, replication_factor, configs, None);
    }

    /// The same with the replicas of each partition named; the first is the preferred leader.
    #[track_caller]
    pub fn create_topic_on(&self, name: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) {
        let assignment: Vec<Vec<i32>> = replicas.iter().map(|nodes| nodes.to_vec()).collect();
        self.create(
            name,
            assignment.len() as i32,
            assignment[0].len() as i16,
            configs,
            Some(&assignment),
        );
    }

    /// A topic of one partition, of which `ids` of records are on all replicas.
    #[track_caller]
    pub fn filled_topic(&self, name: &str, ids: Range<u64>) -> String {
        let topic = unique(name);
        self.create_topic(&topic, 1, 3, &[]);
        let all = Settings::acks("all");
        let told = rdk::produce_ids(&self.bootstrap(), &topic, ids.clone(), 10, &all);
        assert_eq!(told.ok.len() as u64, ids.end - ids.start, "{told:?}");
        topic
    }

    #[track_caller]
    fn create(
        &self,
        name: &str,
        partitions: i32,
        replication_factor: i16,
        configs: &[(&str, &str)],
        assignment: Option<&[Vec<i32>]>,
    ) {
        let mut connection = self.connect();
        let (code, text) = raw::create_topic(
            &mut connection,
            name,
            partitions,
            replication_factor,
            configs,
            assignment,
        )
        .unwrap_or_else(|e| panic!("creating topic {name}: {e}"));
        assert_eq!(code, 0, "creating topic {name}: {text:?}");
        for node in self.living() {
            eventually(
                &format!("node {} knows topic {name}", node.id),
                Duration::from_secs(30),
                || {
                    let metadata = node.metadata(Some(&[name])).map_err(|e| e.to_string())?;
                    let known = &metadata.topic(name).ok_or("no such topic")?.partitions;
                    let whole = known
                        .iter()
                        .filter(|p| p.leader_id >= 0 && p.isr_nodes.len() == p.replica_nodes.len());
                    match whole.count() == partitions as usize {
                        true => Ok(()),
                        false => Err(format!("{known:?}")),
                    }
                },
            );
        }
    }

    #[track_caller]
    pub fn alter_configs(&self, resource: Resource<'_>, configs: &[(&str, &str)]) {
        let (code, text) = raw::alter_configs(&mut self.connect(), resource, configs)
            .unwrap_or_else(|e| panic!("{resource:?} {configs:?}: {e}"));
        assert_eq!(code, 0, "{resource:?} {configs:?}: {text:?}");
    }

    /// A raw connection to a living broker.
    #[track_caller]
    pub fn connect(&self) -> Raw {
        let node = self.living().next().expect("a living broker");
        node.connect()
    }

    /// A raw connection to the partition's leader.
    #[track_caller]
    pub fn connect_to_leader(&self, topic: &str, partition: i32) -> Raw {
        let leader = self.wait_leader(topic, partition, Duration::from_secs(30));
        self.broker(leader).connect()
    }

    /// Runs a main class of Kafka's jars to its end.
    #[track_caller]
    pub fn tool(&self, main_class: &str, args: &[&str]) -> Output {
        self.tool_with(main_class, args, b"", TOOL_TIMEOUT)
    }

    #[track_caller]
    pub fn tool_with(
        &self,
        main_class: &str,
        args: &[&str],
        input: &[u8],
        timeout: Duration,
    ) -> Output {
        let name = main_class.rsplit('.').next().expect("a class name");
        process::run(
            name,
            tool_command(self.version, main_class, args),
            input,
            timeout,
        )
    }
}

/// `java` with a main class of Kafka's jars, for `Process::start` or `process::run`.
pub fn tool_command(version: Version, main_class: &str, args: &[&str]) -> Command {
    let mut java = version.java();
    java.args(["-Xmx256m", main_class]).args(args);
    java
}

// ---------------------------------------------------------------------------------------------------------- Node

impl Node {
    /// What it wrote: standard output, then standard error.
    pub fn log(&self) -> String {
        let read = |end: &str| {
            let file = self.dir.join(format!("node{}.{end}", self.id));
            fs::read(file).unwrap_or_default()
        };
        String::from_utf8_lossy(&[read("out"), read("err")].concat()).into_owned()
    }

    /// From now on no file of it can grow beyond `bytes`, as on a full disk: RLIMIT_FSIZE, which needs no rights.
    #[track_caller]
    pub fn limit_file_size(&self, bytes: u64) {
        process::require("prlimit", "util-linux");
        let State::Running(process) = &*self.lock() else {
            panic!("node {} is not running", self.id)
        };
        let mut prlimit = Command::new("prlimit");
        prlimit.args([
            format!("--pid={}", process.pid()),
            format!("--fsize={bytes}"),
        ]);
        process::run("prlimit", prlimit, b"", TOOL_TIMEOUT).ok();
    }

    /// `host:port` of the plain listener.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// Stops it and starts it again with its plain listener at another port.
    pub fn move_to(&self, port: u16) {
        self.stop();
        let file = self.dir.join("server.properties");
        let text = fs::read_to_string(&file).expect("the node's properties");
        let moved = format!("127.0.0.1:{port}");
        fs::write(&file, text.replace(&self.addr(), &moved)).expect("the node's properties");
        self.port.store(port, Ordering::Relaxed);
        self.restart();
    }

    #[track_caller]
    pub fn port_of(&self, listener: &str) -> u16 {
        let found = self.listeners.iter().find(|(name, _)| name == listener);
        found.unwrap_or_else(|| panic!("no listener {listener}")).1
    }

    #[track_caller]
    pub fn connect(&self) -> Raw {
        Raw::connect(&self.addr()).unwrap_or_else(|e| panic!("node {}: {e}", self.id))
    }

    /// What this broker believes, over a fresh connection.
    pub fn metadata(&self, topics: Option<&[&str]>) -> std::io::Result<Metadata> {
        let mut connection = Raw::connect_within(&self.addr(), Duration::from_secs(2))?;
        Metadata::ask(&mut connection, topics, Duration::from_secs(3))
    }

    /// SIGTERM: the broker hands its partitions over and ends.
    pub fn stop(&self) {
        let mut state = self.lock();
        if let State::Running(process) | State::Frozen(process) = &mut *state {
            process.signal(Signal::CONT);
            process.signal(Signal::TERM);
            let ended = process.wait_exit(Duration::from_secs(60));
            assert!(
                ended.is_some(),
                "node {} does not end on SIGTERM\n{}",
                self.id,
                process.tail()
            );
        }
        *state = State::Down;
    }

    /// SIGKILL: the broker is gone without a word, also when it was frozen.
    pub fn kill9(&self) {
        let mut state = self.lock();
        if let State::Running(process) | State::Frozen(process) = &mut *state {
            process.kill9();
        }
        *state = State::Down;
    }

    /// SIGSTOP: it keeps its connections and says nothing.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal(Signal::STOP, true);
    }

    /// SIGCONT.
    #[track_caller]
    pub fn thaw(&self) {
        self.signal(Signal::CONT, false);
    }

    #[track_caller]
    fn signal(&self, signal: Signal, freezes: bool) {
        let mut state = self.lock();
        *state = match std::mem::replace(&mut *state, State::Down) {
            State::Down => panic!("node {} is not running", self.id),
            State::Running(mut process) | State::Frozen(mut process) => {
                process.signal(signal);
                match freezes {
                    true => State::Frozen(process),
                    false => State::Running(process),
                }
            }
        };
    }

    /// Starts it again, with its data, after `stop` or `kill9` (or stops it first); until it lists itself among the
    /// brokers. Its replicas catch up later: `wait_isr`.
    pub fn restart(&self) {
        self.stop();
        self.launch();
        eventually(&format!("node {} is back", self.id), START_TIMEOUT, || {
            self.assert_alive();
            if self.id == CONTROLLER {
                return Raw::connect(&self.addr())
                    .map(drop)
                    .map_err(|e| e.to_string());
            }
            let metadata = self.metadata(Some(&[])).map_err(|e| e.to_string())?;
            match metadata
                .brokers
                .iter()
                .any(|broker| broker.node_id == self.id)
            {
                true => Ok(()),
                false => Err("it does not know itself".into()),
            }
        });
    }

    pub fn is_running(&self) -> bool {
        matches!(*self.lock(), State::Running(_))
    }

    fn launch(&self) {
        let mut java = self.version.java();
        java.args([
            "-Xms256m",
            "-Xmx512m",
            "-XX:MaxMetaspaceSize=192m",
            "-XX:ReservedCodeCacheSize=96m",
        ]);
        java.args(&self.java_options);
        java.arg("kafka.Kafka")
            .arg(self.dir.join("server.properties"));
        java.current_dir(&self.dir);
        let process = Process::start(&format!("node{}", self.id), &self.dir, java);
        *self.lock() = State::Running(process);
    }

    fn assert_alive(&self) {
        if let State::Running(process) = &mut *self.lock()
            && let Some(status) = process.try_wait()
        {
            panic!("node {} ended with {status}\n{}", self.id, process.tail());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.process
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

// -------------------------------------------------------------------------------------------------------- layout

/// Ports, server.properties and formatted directories.
fn lay_out(spec: &Spec, root: &Path) -> Vec<Node> {
    let ids: Vec<i32> = match spec.shape {
        Shape::Combined => BROKERS.to_vec(),
        Shape::DedicatedController => [&[CONTROLLER], &BROKERS[..]].concat(),
    };
    let nodes: Vec<Node> = ids
        .iter()
        .map(|&id| Node {
            id,
            port: AtomicU16::new(ports::free()),
            listeners: spec
                .listeners
                .iter()
                .map(|l| (l.name.clone(), ports::free()))
                .collect(),
            version: spec.version,
            java_options: spec.java_options.clone(),
            dir: root.join(format!("node{id}")),
            process: Mutex::new(State::Down),
        })
        .collect();
    // A controller of its own listens on its only port; a combined node has one more.
    let quorum: Vec<(i32, u16)> = match spec.shape {
        Shape::Combined => ids.iter().map(|&id| (id, ports::free())).collect(),
        Shape::DedicatedController => vec![(CONTROLLER, nodes[0].port())],
    };
    for node in &nodes {
        fs::create_dir_all(node.dir.join("data")).expect("a directory in the scratch directory");
        let text: String = properties(spec, node, &quorum)
            .iter()
            .map(|(k, v)| format!("{k}={v}\n"))
            .collect();
        fs::write(node.dir.join("server.properties"), text)
            .expect("a file in the scratch directory");
    }
    format(spec, &nodes);
    nodes
}

fn properties(spec: &Spec, node: &Node, quorum: &[(i32, u16)]) -> BTreeMap<String, String> {
    let mut lines: BTreeMap<String, String> = DEFAULTS
        .lines()
        .filter(|line| spec.version != Version::V3_9_2 || !line.starts_with("share."))
        .filter_map(|line| line.trim().split_once('='))
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let mut set = |key: &str, value: String| lines.insert(key.to_string(), value);

    let is_broker = node.id != CONTROLLER;
    let (mut bound, mut advertised) = (Vec::new(), Vec::new());
    let mut protocols = vec![
        "CONTROLLER:PLAINTEXT".to_string(),
        "PLAINTEXT:PLAINTEXT".to_string(),
    ];
    if is_broker {
        bound.push(format!("PLAINTEXT://{}", node.addr()));
        advertised.push(format!("PLAINTEXT://{}", node.addr()));
    }
    for listener in &spec.listeners {
        protocols.push(format!(
            "{}:{}",
            listener.name,
            listener.security_protocol()
        ));
        if is_broker {
            let port = node.port_of(&listener.name);
            bound.push(format!("{}://127.0.0.1:{port}", listener.name));
            let (host, port) = match &listener.advertised {
                Some((host, Some(base))) => (host.as_str(), base + node.id as u16),
                Some((host, None)) => (host.as_str(), port),
                None => ("127.0.0.1", port),
            };
            advertised.push(format!("{}://{host}:{port}", listener.name));
            let tls = listener.tls_properties(&node.dir);
            for (key, value) in listener.properties().into_iter().chain(tls) {
                set(&key, value);
            }
        }
    }
    if let Some((_, port)) = quorum.iter().find(|(id, _)| *id == node.id) {
        bound.push(format!("CONTROLLER://127.0.0.1:{port}"));
    }
    let roles = match (is_broker, spec.shape) {
        (false, _) => "controller",
        (true, Shape::Combined) => "broker,controller",
        (true, Shape::DedicatedController) => "broker",
    };
    let voters: Vec<String> = quorum
        .iter()
        .map(|(id, port)| format!("{id}@127.0.0.1:{port}"))
        .collect();
    set("process.roles", roles.into());
    set("node.id", node.id.to_string());
    set("controller.quorum.voters", voters.join(","));
    set("listeners", bound.join(","));
    if is_broker {
        set("advertised.listeners", advertised.join(","));
        set("inter.broker.listener.name", "PLAINTEXT".into());
    }
    set("controller.listener.names", "CONTROLLER".into());
    set("listener.security.protocol.map", protocols.join(","));
    set("log.dirs", node.dir.join("data").display().to_string());
    for (key, value) in &spec.properties {
        set(key, value.replace("{node}", &node.id.to_string()));
    }
    lines
}

/// Small, quick to elect and quick to notice, as three nodes on one small machine have to be.
const DEFAULTS: &str = "
default.replication.factor=3
min.insync.replicas=2
num.partitions=4
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
share.coordinator.state.topic.num.partitions=3
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
replica.lag.time.max.ms=3000
broker.session.timeout.ms=6000
";

/// What `StorageTool format` would write. The bootstrap snapshot is the same for all nodes of a version, so one run of
/// the tool serves every cluster: three more JVMs per cluster took 4 s of two cores. SCRAM users are part of the
/// snapshot, so a cluster that has some gets a run of its own.
fn format(spec: &Spec, nodes: &[Node]) {
    let mut credentials: Vec<String> = spec
        .listeners
        .iter()
        .flat_map(ClientListener::scram_credentials)
        .collect();
    credentials.sort_unstable();
    credentials.dedup();
    let snapshot = match credentials.is_empty() {
        true => spec.version.bootstrap_snapshot(),
        false => format_with_users(spec.version, &nodes[0], &credentials),
    };
    for node in nodes {
        let data = node.dir.join("data");
        // 22 characters that are the base64 of 16 bytes, different for each directory of the cluster.
        let directory_id = format!("holdfastDirectoryNod{}A", node.id);
        let meta = format!(
            "version=1\ncluster.id={CLUSTER_ID}\nnode.id={}\ndirectory.id={directory_id}\n",
            node.id
        );
        fs::write(data.join("meta.properties"), meta).expect("a file in the scratch directory");
        let target = data.join("bootstrap.checkpoint");
        if target != snapshot {
            fs::copy(&snapshot, target).expect("the bootstrap snapshot");
        }
    }
}

fn format_with_users(version: Version, node: &Node, credentials: &[String]) -> PathBuf {
    let mut java = version.java();
    java.args([
        "-Xmx128m",
        "kafka.tools.StorageTool",
        "format",
        "-t",
        CLUSTER_ID,
    ]);
    java.arg("-c").arg(node.dir.join("server.properties"));
    for credential in credentials {
        java.arg("--add-scram").arg(credential);
    }
    process::run("format", java, b"", TOOL_TIMEOUT).ok();
    node.dir.join("data/bootstrap.checkpoint")
}

// ------------------------------------------------------------------------------------------ places and shared ones

/// Three JVMs each: more than two clusters on two cores only wait for each other.
const PLACES: usize = 2;

struct Places {
    taken: usize,
    shared: Vec<Shared>,
}

struct Shared {
    version: Version,
    /// None while it is being started.
    cluster: Option<Arc<Cluster>>,
    users: usize,
    last_used: Instant,
}

static PLACES_TAKEN: Mutex<Places> = Mutex::new(Places {
    taken: 0,
    shared: Vec::new(),
});
static PLACE_FREED: Condvar = Condvar::new();

fn places() -> MutexGuard<'static, Places> {
    PLACES_TAKEN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn wait_for_place(guard: MutexGuard<'static, Places>) -> MutexGuard<'static, Places> {
    PLACE_FREED
        .wait(guard)
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The right to run a cluster.
struct Place;

impl Place {
    fn take() -> Place {
        let mut places = places();
        loop {
            if places.taken < PLACES {
                places.taken += 1;
                return Place;
            }
            // A shared cluster that nobody uses gives way, the one that was left longest ago first.
            let idle = places
                .shared
                .iter()
                .enumerate()
                .filter(|(_, s)| s.users == 0 && s.cluster.is_some());
            match idle
                .min_by_key(|(_, s)| s.last_used)
                .map(|(index, _)| index)
            {
                Some(index) => {
                    let evicted = places.shared.remove(index);
                    drop(places);
                    drop(evicted);
                    places = self::places();
                }
                None => places = wait_for_place(places),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        places().taken -= 1;
        PLACE_FREED.notify_all();
    }
}

/// A cluster that other tests use at the same time: own topics and groups (`unique`), and nothing stopped or altered.
pub struct SharedCluster {
    version: Version,
    cluster: Option<Arc<Cluster>>,
}

impl Deref for SharedCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster.as_ref().expect("present until dropped")
    }
}

impl Drop for SharedCluster {
    fn drop(&mut self) {
        // First ours, so that the one in the table is the last when it is evicted.
        self.cluster = None;
        if let Some(shared) = places()
            .shared
            .iter_mut()
            .find(|s| s.version == self.version)
        {
            shared.users -= 1;
            shared.last_used = Instant::now();
        }
        PLACE_FREED.notify_all();
    }
}

/// Kafka 4.3.1, three combined nodes.
pub fn shared_cluster() -> SharedCluster {
    shared(Version::V4_3_1)
}

/// Kafka 3.9.2, three combined nodes.
pub fn shared_cluster_39() -> SharedCluster {
    shared(Version::V3_9_2)
}

fn shared(version: Version) -> SharedCluster {
    let mut places = places();
    loop {
        match places.shared.iter_mut().find(|s| s.version == version) {
            Some(Shared {
                cluster: Some(cluster),
                users,
                ..
            }) => {
                *users += 1;
                return SharedCluster {
                    version,
                    cluster: Some(cluster.clone()),
                };
            }
            Some(_) => places = wait_for_place(places),
            None => break,
        }
    }
    places.shared.push(Shared {
        version,
        cluster: None,
        users: 1,
        last_used: Instant::now(),
    });
    drop(places);
    // Whoever waits for a cluster that cannot start must try, and fail, for themselves.
    let starting = Starting(version);
    let cluster = Arc::new(Cluster::start(Spec::new(version)));
    std::mem::forget(starting);
    let mut places = self::places();
    if let Some(shared) = places.shared.iter_mut().find(|s| s.version == version) {
        shared.cluster = Some(cluster.clone());
    }
    PLACE_FREED.notify_all();
    SharedCluster {
        version,
        cluster: Some(cluster),
    }
}

struct Starting(Version);

impl Drop for Starting {
    fn drop(&mut self) {
        places().shared.retain(|s| s.version != self.0);
        PLACE_FREED.notify_all();
    }
}

/// `name` with a number that no other test of this run gets: a topic or a group on a shared cluster.
pub fn unique(name: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    format!("{name}-{}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// A class of `tests/clients/java`, run against whatever its arguments name, with the client of `version`.
pub fn java_client_command(version: Version, class: &str, args: &[&str]) -> Command {
    let classes = distribution::java_classes(version);
    let mut java = version.java();
    // The jars stay first: the class archive fits only a class path that begins as it began.
    let jars = format!("{}/*", version.libs().display());
    java.arg("-cp").arg(format!("{jars}:{}", classes.display()));
    java.args(["-Xmx256m", class]).args(args);
    java
}
