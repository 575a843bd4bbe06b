//! Where Kafka comes from: its published jars, copied by Maven into a cache outside the repository, and what is built
//! once beside them (the class archive, the Java and Go clients of `tests/clients`); and the jars of a KDC. It starts no cluster.
//!
//! The cache is `$HOLDFAST_KAFKA_CACHE`, else `holdfast/kafka` in `$XDG_CACHE_HOME` or `~/.cache`. Each thing is made
//! under a file lock in a directory of its own and renamed into place, so a cache is whole or absent, whoever else
//! is testing on the machine. Every entry can be deleted at any time that no test runs.

use super::ports;
use super::process::{self, Process, Scratch};
use super::raw::{Metadata, Raw};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

const POM: &str = include_str!("../../kafka/pom.xml");
const KDC_POM: &str = include_str!("../../kdc/pom.xml");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V4_3_1,
    V3_9_2,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V4_3_1 => "4.3.1",
            Version::V3_9_2 => "3.9.2",
        }
    }

    /// Resolves the jars at first use: 14 s from the network, then none.
    pub fn libs(self) -> PathBuf {
        static RESOLVED: Mutex<Vec<(Version, PathBuf)>> = Mutex::new(Vec::new());
        let mut resolved = RESOLVED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, libs)) = resolved.iter().find(|(version, _)| *version == self) {
            return libs.clone();
        }
        require_java();
        let libs = once(&self.dir().join("libs"), |new| self.resolve(new));
        resolved.push((self, libs.clone()));
        libs
    }

    /// Named by what is asked of Maven: a changed pom.xml is a new distribution, not a stale one.
    fn dir(self) -> PathBuf {
        cache().join(format!(
            "{}-{}",
            self.as_str(),
            fingerprint(&[POM.as_bytes()])
        ))
    }

    fn resolve(self, new: &Path) {
        let version = format!("-Dkafka.version={}", self.as_str());
        match self {
            Version::V4_3_1 => copy_jars("kafka", new, &[&version]),
            Version::V3_9_2 => copy_jars("kafka", new, &[&version, "-P", "kafka3"]),
        }
    }

    /// `java` with the jars on its class path and the archive of their classes; heap limits and the main class are
    /// the caller's. Compiles with C1 only: nothing here lives long enough to be paid back by C2 on two cores.
    pub fn java(self) -> Command {
        let archive = self.class_archive();
        let mut java = self.plain_java();
        java.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
        java
    }

    fn plain_java(self) -> Command {
        let mut java = Command::new("java");
        java.args([
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xshare:auto",
        ]);
        java.arg("-cp").arg(format!("{}/*", self.libs().display()));
        let logging = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka");
        java.arg(match self {
            Version::V4_3_1 => format!("-Dlog4j2.configurationFile={logging}/log4j2.properties"),
            Version::V3_9_2 => format!("-Dlog4j.configuration=file:{logging}/log4j.properties"),
        });
        // Whatever the shell has set for Java is not part of the test.
        java.env_remove("JAVA_TOOL_OPTIONS").env_remove("CLASSPATH");
        java
    }

    /// The parsed classes of a broker that has started, which the JVM maps instead of loading them anew: it halves
    /// the start of three brokers on two cores. Made by running one combined node until it answers.
    fn class_archive(self) -> PathBuf {
        static MADE: Mutex<Vec<(Version, PathBuf)>> = Mutex::new(Vec::new());
        let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, archive)) = made.iter().find(|(version, _)| *version == self) {
            return archive.clone();
        }
        // An archive fits the JVM that wrote it and the jars at the path where it saw them.
        let libs = self.libs();
        let java = java_version();
        let name = format!(
            "classes-{}",
            fingerprint(&[java.as_bytes(), libs.as_os_str().as_encoded_bytes()])
        );
        let dir = once(&self.dir().join(name), |new| self.record_classes(new));
        let archive = dir.join("kafka.jsa");
        made.push((self, archive.clone()));
        archive
    }

    fn record_classes(self, new: &Path) {
        let scratch = Scratch::new("classes");
        let (port, controller_port) = (ports::free(), ports::free());
        let properties = scratch.path().join("node.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             log.dirs={}\nlog.cleaner.dedupe.buffer.size=8388608\n",
            scratch.path().join("data").display(),
        );
        fs::write(&properties, text).expect("a file in the scratch directory");
        let mut format = self.plain_java();
        format
            .args([
                "-Xmx128m",
                "kafka.tools.StorageTool",
                "format",
                "-t",
                CLUSTER_ID,
                "-c",
            ])
            .arg(&properties);
        process::run("format", format, b"", Duration::from_secs(120)).ok();
        // Also the bootstrap snapshot that `format` wrote: the same for every node of this version.
        fs::copy(
            scratch.path().join("data/bootstrap.checkpoint"),
            new.join("bootstrap.checkpoint"),
        )
        .expect("the bootstrap snapshot");

        let mut broker = self.plain_java();
        broker.arg(format!(
            "-XX:ArchiveClassesAtExit={}",
            new.join("kafka.jsa").display()
        ));
        broker.args(["-Xmx512m", "kafka.Kafka"]).arg(&properties);
        let mut broker = Process::start("classes", scratch.path(), broker);
        let address = format!("127.0.0.1:{port}");
        super::eventually(
            "a node that records its classes",
            Duration::from_secs(120),
            || {
                let mut connection = Raw::connect(&address).map_err(|e| e.to_string())?;
                let metadata = Metadata::ask(&mut connection, None, Duration::from_secs(5))
                    .map_err(|e| e.to_string())?;
                match metadata.brokers.len() {
                    0 => Err("no broker yet".into()),
                    _ => Ok(()),
                }
            },
        );
        broker.signal(rustix::process::Signal::TERM);
        let status = broker.wait_exit(Duration::from_secs(120));
        assert!(
            status.is_some() && new.join("kafka.jsa").is_file(),
            "no class archive: {status:?}\n{}",
            broker.tail()
        );
    }

    /// What `StorageTool format` writes for a cluster without options.
    pub fn bootstrap_snapshot(self) -> PathBuf {
        self.class_archive().with_file_name("bootstrap.checkpoint")
    }
}

/// `tests/kdc`, compiled as it starts, with Kerby's jars on its class path; its arguments are the caller's.
pub fn kdc_command() -> Command {
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m"]);
    java.arg("-cp").arg(format!("{}/*", kdc_libs().display()));
    java.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kdc/Kdc.java"));
    java.env_remove("JAVA_TOOL_OPTIONS").env_remove("CLASSPATH");
    java
}

pub fn kdc_libs() -> PathBuf {
    require_java();
    let name = format!("kdc-{}", fingerprint(&[KDC_POM.as_bytes()]));
    once(&cache().join(name), |new| copy_jars("kdc", new, &[]))
}

/// What the pom.xml of a directory of `tests` asks for.
fn copy_jars(directory: &str, new: &Path, more: &[&str]) {
    process::require("mvn", "maven");
    let mut maven = Command::new("mvn");
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{directory}/pom.xml"));
    maven.args(["-q", "-B", "-f"]).arg(pom);
    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", new.display()));
    maven.args(more);
    process::run("maven", maven, b"", Duration::from_secs(600)).ok();
}

/// The id of every cluster here; they never meet.
pub const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// The compiled classes of `tests/clients/java`, by the jars of `version`. Kafka 3.9 has no share groups.
pub fn java_classes(version: Version) -> PathBuf {
    process::require("javac", "openjdk-17-jdk-headless");
    let mut sources = sources(&clients().join("java"), "java");
    if version == Version::V3_9_2 {
        sources.retain(|(path, _)| !path.ends_with("ShareGroupConsumer.java"));
    }
    let libs = version.libs();
    once(
        &version
            .dir()
            .join(format!("clients-{}", fingerprint_of(&sources))),
        |new| {
            let mut javac = Command::new("javac");
            javac
                .args(["-nowarn", "-d"])
                .arg(new)
                .arg("-cp")
                .arg(format!("{}/*", libs.display()));
            javac.args(sources.iter().map(|(path, _)| path));
            process::run("javac", javac, b"", Duration::from_secs(180)).ok();
        },
    )
}

/// The built program of `tests/clients/franz`.
pub fn franz_binary() -> PathBuf {
    built_by_go("franz", &["build", "-o"], ".")
}

/// franz-go's own tests, of the version that `tests/clients/franz` uses.
pub fn franz_suite_binary() -> PathBuf {
    let package = "github.com/twmb/franz-go/pkg/kgo";
    built_by_go("franz-suite", &["test", "-c", "-o"], package)
}

fn built_by_go(name: &str, how: &[&str], package: &str) -> PathBuf {
    process::require("go", "golang-go");
    require_go_1_21();
    let dir = clients().join("franz");
    let mut sources = sources(&dir, "go");
    sources.extend(self::sources(&dir, "mod"));
    let built = once(
        &cache().join(format!("{name}-{}", fingerprint_of(&sources))),
        |new| {
            let mut go = Command::new("go");
            // A distribution's Go may be older than go.mod asks for; from 1.21 on it fetches the one that is asked for.
            go.current_dir(&dir)
                .env("CGO_ENABLED", "0")
                .env("GOTOOLCHAIN", "auto");
            go.args(how).arg(new.join(name)).arg(package);
            process::run("go", go, b"", Duration::from_secs(600)).ok();
        },
    );
    built.join(name)
}

/// Older ones cannot read go.mod; newer ones fetch the Go that it asks for.
fn require_go_1_21() {
    let mut go = Command::new("go");
    go.args(["env", "GOVERSION"]);
    let output = process::run("go-version", go, b"", Duration::from_secs(60));
    let version = output.ok().trim().trim_start_matches("go1.");
    let minor: u32 = version
        .split(['.', '-', ' '])
        .next()
        .and_then(|m| m.parse().ok())
        .unwrap_or(0);
    assert!(
        minor >= 21,
        "go1.{version} is too old: apt-get install golang-go from Debian 13 or bookworm-backports"
    );
}

fn require_java() {
    process::require("java", "openjdk-17-jdk-headless");
}

fn java_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        require_java();
        let mut java = Command::new("java");
        java.args(["-XshowSettings:none", "-version"]);
        process::run("java-version", java, b"", Duration::from_secs(60)).stderr
    })
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn cache() -> PathBuf {
    let from = |variable: &str| {
        std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    from("HOLDFAST_KAFKA_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("holdfast/kafka")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/holdfast/kafka")))
        .expect("HOLDFAST_KAFKA_CACHE, XDG_CACHE_HOME or HOME: where Kafka's jars are cached")
}

/// The directory `path`, filled by `make` unless it is there. Whole or absent: made beside it and renamed.
fn once(path: &Path, make: impl FnOnce(&Path)) -> PathBuf {
    let parent = path.parent().expect("a path in the cache");
    fs::create_dir_all(parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
    let lock = File::create(path.with_extension("lock")).expect("a lock file in the cache");
    lock.lock().expect("the lock of the cache");
    if !path.is_dir() {
        let new = path.with_extension("new");
        // What an interrupted run left.
        let _ = fs::remove_dir_all(&new);
        fs::create_dir(&new).expect("a directory in the cache");
        make(&new);
        fs::rename(&new, path).expect("a rename within the cache");
    }
    path.to_path_buf()
}

fn sources(dir: &Path, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|entry| entry.expect("a directory entry").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("a source file")))
        .collect()
}

fn fingerprint_of(sources: &[(PathBuf, Vec<u8>)]) -> String {
    fingerprint(
        &sources
            .iter()
            .map(|(_, text)| text.as_slice())
            .collect::<Vec<_>>(),
    )
}

/// Names a cache entry by what it was made from. Not cryptographic: nobody attacks their own cache.
fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
