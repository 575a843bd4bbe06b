//! The table of configuration keys (roof): name, default, range, unit, meaning. The checks, `gateway.toml`, the output of
//! `holdfast check` and the README's table of limits are all made from it, so that they cannot disagree.
//!
//! Does not know how a value becomes a setting (`check.rs`).

use crate::policy::Scenario;

/// One key of `gateway.toml`.
#[derive(Debug)]
pub struct Key {
    /// `limits`, `policy.acks_none`, …
    pub table: &'static str,
    pub name: &'static str,
    pub allowed: Allowed,
    pub default: Default,
    /// Sentences for `gateway.toml`: what it does, and where the figure comes from.
    pub doc: &'static str,
}

/// What may stand there.
#[derive(Debug)]
pub enum Allowed {
    /// Inclusive; the unit in words.
    Range(i64, i64, &'static str),
    OneOf(&'static [&'static str]),
    Truth,
    /// A list of names of scenarios.
    Scenarios,
    /// Text, or a list of texts, of this form.
    Form(&'static str),
}

/// What holds when nothing stands there.
#[derive(Debug)]
pub enum Default {
    Number(i64),
    Text(&'static str),
    Truth(bool),
    /// No value of its own: what then holds, and an example for `gateway.toml`.
    Unset(&'static str, &'static str),
    /// Must be given; with an example for `gateway.toml`.
    Required(&'static str),
}

impl Key {
    pub fn path(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// The key with this path, where `exemptions.<any name>.owner` is `exemptions.<name>.owner`.
    pub fn find(path: &str) -> Option<&'static Key> {
        let (table, name) = path.rsplit_once('.')?;
        let table = match table.starts_with("exemptions.") {
            true => EXEMPTION,
            false => table,
        };
        KEYS.iter()
            .copied()
            .find(|key| key.table == table && key.name == name)
    }

    pub fn default_number(&self) -> i64 {
        match self.default {
            Default::Number(number) => number,
            _ => 0,
        }
    }

    pub fn default_text(&self) -> &'static str {
        match self.default {
            Default::Text(text) => text,
            _ => "",
        }
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Allowed::Range(min, max, unit) => write!(f, "{min} to {max} {unit}"),
            Allowed::OneOf(values) => {
                for (position, value) in values.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    write!(f, "{comma}\"{value}\"")?;
                }
                Ok(())
            }
            Allowed::Truth => f.write_str("true or false"),
            Allowed::Scenarios => {
                f.write_str("a list of at least one of ")?;
                let names = Scenario::ALL.map(|scenario| format!("\"{}\"", scenario.name()));
                f.write_str(&names.join(", "))
            }
            Allowed::Form(form) => f.write_str(form),
        }
    }
}

/// What each table is about, in the order of `gateway.toml`.
pub const TABLES: &[(&str, &str)] = &[
    ("listener", "Where clients connect. All ports are bound at start, so that every replica of the gateway agrees."),
    ("listener.tls", "TLS with clients, on all Kafka ports. Without certificate_file they are plaintext. Files are read anew when their\ncontent changes, for new connections."),
    ("listener.sni", "One more port, for all brokers: which one a client means is the server name of its TLS handshake (SNI). Its clients are\ntold broker_host and advertised_port; those of the other ports are told what [listener] says."),
    ("cluster", "The Kafka cluster behind the gateway."),
    ("cluster.tls", "TLS with brokers. The certificate must be for the name that is dialled: of bootstrap_servers, and as brokers advertise."),
    ("cluster.sasl", "How the gateway's own connections to the brokers authenticate (what it looks at the cluster by, and `holdfast audit`); not\nat all by default. Clients authenticate themselves: their exchange passes through untouched."),
    ("policy", "What is done about each way of losing records. `holdfast explain <scenario>` prints the manual of one."),
    ("policy.acks_none", "acks=0 becomes acks=all; the answers that nobody asked for are absorbed and counted."),
    ("policy.acks_leader", "acks=1 becomes acks=all."),
    ("policy.ack_timeout", "A timeout_ms too short for replication is raised where nobody waits for the answer."),
    ("policy.oversized_batch", "A batch that its topic would not take is refused early, alone, and with the right error."),
    ("policy.oversized_request", "A Produce request for which a broker would hang up is answered instead."),
    ("policy.not_idempotent", "Batches of producers without idempotence are counted; refused where a topic demands it."),
    ("policy.not_transactional", "Batches outside of a transaction are refused where a topic demands one."),
    ("policy.weak_topic", "Writes to a topic on which acks=all is hollow: too few replicas, min.insync.replicas too low or too high, unclean\nelections."),
    ("policy.under_replicated", "Writes to a partition that has too few in-sync replicas right now, where min.insync.replicas lets them pass."),
    ("policy.stale_timestamp", "Batches that are older than the topic's retention.ms: deleted as soon as they are stored."),
    ("policy.future_timestamp", "Batches with a timestamp far ahead: they keep retention from working."),
    ("policy.legacy_format", "Produce requests and messages from before Kafka 0.11."),
    ("policy.dirty_read", "Records of transactions that are read before they are committed, or although they were aborted, are counted, or\ntaken out."),
    ("policy.retention_overrun", "Records that were deleted before a consumer came to read them are counted."),
    ("policy.offset_reset", "Records that a consumer skips which starts at the end of the log are counted."),
    ("policy.commit_retention", "A commit that asks to be forgotten before the brokers would forget it is kept as long as theirs."),
    ("policy.commit_past_end", "A commit beyond the end of the log is refused."),
    ("policy.commit_ahead", "A commit of records that the consumer was not given is counted, or lowered to what it was given."),
    ("policy.commit_regression", "A group that commits an offset below its last one is counted."),
    ("policy.commit_hold_back", "Commits of the groups named here lag by one, so that what is being worked on is not committed yet. A heuristic."),
    ("policy.offsets_expired", "A group whose committed offsets the brokers have forgotten is counted, or given them back."),
    ("policy.new_partition_skip", "A partition that is younger than the group that reads it is counted, or read from its beginning."),
    ("policy.acked_truncation", "Acknowledged records that are gone, by the offsets that later ones are given: an alarm."),
    ("policy.ignored_error", "Errors that clients are told by answers to Produce are counted, by client and topic."),
    ("policy.risky_client", "Connections of client libraries with known bugs that lose records are counted."),
    ("policy.auto_topic_creation", "Asking for a topic that does not exist does not create it."),
    ("policy.weak_topic_creation", "A topic that is created with too little replication is given enough, or refused."),
    ("policy.destructive_admin", "Calls that delete records, topics, groups or their offsets are refused for the names protected here."),
    ("policy.weakening_config", "A change of configs by which records would be lost that were safe before is refused."),
    ("policy.partition_growth", "Partitions are not added to topics whose records belong to partitions by key."),
    ("policy.unclean_election", "An election that lets a replica lead which does not have all acknowledged records is refused."),
    ("policy.replica_reduction", "A reassignment to fewer replicas than the floor or than today is refused."),
    ("policy.cluster_downgrade", "Unsafe downgrades of features and the removal of brokers and voters are refused."),
    (EXEMPTION, "Named, owned, expiring exceptions from scenarios. Any number of tables; none by default."),
    ("limits", "Every buffer, queue and count has a limit."),
    ("drain", "What happens on SIGTERM. delay_ms + timeout_ms must stay below the supervisor's patience\n(Kubernetes: terminationGracePeriodSeconds)."),
    ("reload", "When the file is read anew: on SIGHUP, and when its content has changed."),
    ("admin", "HTTP for machines: /metrics, /report, /livez, /readyz. Plain and unauthenticated: keep it away from clients."),
    ("telemetry", "Bounds of what is exported."),
    ("log", "Logs, on standard error."),
];

/// Stands for every `[exemptions.<name>]`.
pub const EXEMPTION: &str = "exemptions.<name>";

pub const MODES: &[&str] = &["off", "observe", "enforce"];
const PORT: &str = "(port)";
const MS: &str = "ms";
const BYTES: &str = "bytes";
const HOUR_MS: i64 = 3_600_000;
const I32_MAX: i64 = i32::MAX as i64;

pub static BIND: Key = text("listener", "bind", "127.0.0.1", "an IP address, without port",
    "Address of all Kafka ports. 0.0.0.0 and :: listen everywhere and need advertised_host.");
pub static BOOTSTRAP_PORT: Key = number("listener", "bootstrap_port", 9092, 1, 65535, PORT,
    "The port for the clients' bootstrap.servers: leads to any living bootstrap server of [cluster].");
pub static BROKER_PORT_BASE: Key = number("listener", "broker_port_base", 9100, 0, 65535, PORT,
    "The broker with node id n is reached through port broker_port_base + n.");
pub static BROKER_IDS: Key = text("listener", "broker_ids", "0-9", "node ids and ranges of them, as in \"0-9,17\"; at most 1000 ids, each with a port up to 65535",
    "Node ids that get a port; leave room for brokers to come. A broker outside the set is not shown to clients, and what\nit leads is unavailable through the gateway: better than a way around it (see holdfast_brokers_outside_set).");
pub static ADVERTISED_HOST: Key = unset("listener", "advertised_host", "listener.bind", "\"broker-{id}.kafka.example.com\"", "a host name or an IP address (not 0.0.0.0, ::), without port; {id} in it stands for the broker's node id",
    "Host that clients are told for every broker; may differ from bind. With {id} each broker has a host of its own.");
pub static ADVERTISED_BROKER_PORT_BASE: Key = unset_number("listener", "advertised_broker_port_base", "listener.broker_port_base", "9100", 0, 65535, PORT,
    "What clients are told instead of broker_port_base, when a port mapping lies in between.");
pub static ADVERTISED_BROKER_PORT: Key = unset_number("listener", "advertised_broker_port", "another port for each broker, as above", "9092", 1, 65535, PORT,
    "The one port that clients are told for every broker, where each has a host of its own ({id} in advertised_host), as\nKubernetes Services have.");

pub static PROXY_PROTOCOL: Key = choice("listener", "proxy_protocol", "off", &["off", "required"],
    "Whether every connection to a Kafka port begins with a header of the PROXY protocol, version 2, before TLS: the client's\naddress for limits, logs and what is remembered by address. Only where nobody but the load balancer reaches the ports:\nwhoever does says who he is.");
pub static BOOTSTRAP_SERVERS: Key = Key { table: "cluster", name: "bootstrap_servers", allowed: Allowed::Form("a list of at least one \"host:port\", IPv6 in brackets"),
    default: Default::Required("[\"kafka-1:9092\", \"kafka-2:9092\", \"kafka-3:9092\"]"),
    doc: "Some of the brokers; the others are learned. Must be given, here or by --bootstrap-server." };
pub static CONNECT_TIMEOUT: Key = number("cluster", "connect_timeout_ms", 10_000, 100, 120_000, MS,
    "For one dial, all addresses of the name together; also how long a client on a broker port waits for the first view.\nKafka clients give up by themselves after 10 to 30 s (socket.connection.setup.timeout.ms, KIP-601).");
pub static METADATA_REFRESH: Key = number("cluster", "metadata_refresh_ms", 5_000, 500, HOUR_MS, MS,
    "Period of the gateway's own look at the cluster (Metadata, DescribeConfigs); errors that show a stale view trigger\none at once. Until a look has seen that a partition fell below min.insync.replicas, acks=0 is still raised to all.");
pub static LOOKUP_TIMEOUT: Key = number("cluster", "lookup_timeout_ms", 1000, 1, 1000, MS,
    "How long the refusal of a batch by a learned limit waits for a fresh DescribeConfigs; without an answer the batch is\nforwarded, and counted in holdfast_unverified_total. Forwarding never waits.");
pub static TCP_USER_TIMEOUT: Key = number("cluster", "tcp_user_timeout_ms", 120_000, 1000, HOUR_MS, MS,
    "TCP_USER_TIMEOUT towards brokers: bytes that are not acknowledged end a dead connection after this time. Linux counts\nthe time in which the broker takes nothing, too, and a broker reads nothing while it works on a request: keep it above\nthe largest timeout_ms of your producers.");

const PEM: &str = "the path of a PEM file";
const VERSIONS: &[&str] = &["TLSv1.2", "TLSv1.3"];
pub static TLS_CERTIFICATE: Key = unset("listener.tls", "certificate_file", "none, and the ports are plaintext", "\"/etc/holdfast/tls/tls.crt\"", PEM,
    "The gateway's certificate and its chain, leaf first. Prefer ECDSA: handshakes cost a third of RSA's.");
pub static TLS_KEY: Key = unset("listener.tls", "private_key_file", "none", "\"/etc/holdfast/tls/tls.key\"", PEM,
    "The certificate's private key, not encrypted.");
pub static TLS_CLIENT_AUTH: Key = choice("listener.tls", "client_auth", "none", &["none", "requested", "required"],
    "Whether clients are asked for a certificate, in the words of Kafka's ssl.client.auth.");
pub static TLS_CLIENT_CA: Key = unset("listener.tls", "client_ca_file", "none", "\"/etc/holdfast/tls/client-ca.crt\"", PEM,
    "The CAs of clients' certificates; must be given unless client_auth is \"none\".");
pub static TLS_CLIENT_CRLS: Key = unset("listener.tls", "client_crl_files", "none", "[\"/etc/holdfast/tls/client.crl\"]", "a list of paths of PEM files",
    "Revocation lists of those CAs, and of those between them and clients. A client is refused when a list names its\ncertificate, or one between it and the CA; a CA without a list revokes nobody. A list that is out of date counts.");
pub static TLS_MIN_VERSION: Key = choice("listener.tls", "min_version", "TLSv1.2", VERSIONS, "The oldest version that is spoken with clients.");
pub static SNI_PORT: Key = unset_number("listener.sni", "port", "no such port", "9094", 1, 65535, PORT,
    "Needs [listener.tls], with a certificate for bootstrap_host and for every broker_host.");
pub static SNI_BOOTSTRAP_HOST: Key = unset("listener.sni", "bootstrap_host", "none", "\"kafka.example.com\"", "a host name",
    "The name for the clients' bootstrap.servers. Must be given where there is a port.");
pub static SNI_BROKER_HOST: Key = unset("listener.sni", "broker_host", "none", "\"broker-{id}.kafka.example.com\"", "a host name with one {id} in it, which stands for the broker's node id",
    "The name of each broker. Must be given where there is a port. A handshake without a name, or with another, is refused.");
pub static SNI_ADVERTISED_PORT: Key = unset_number("listener.sni", "advertised_port", "listener.sni.port", "443", 1, 65535, PORT,
    "The port that clients are told, when a port mapping lies in between.");
pub static BROKER_TLS: Key = truth("cluster.tls", "enabled", "Whether brokers are reached by TLS (security.protocol SSL or SASL_SSL).");
pub static BROKER_CA: Key = unset("cluster.tls", "ca_file", "the system's roots", "\"/etc/holdfast/tls/kafka-ca.crt\"", PEM,
    "The CAs of the brokers' certificates.");
pub static BROKER_CERTIFICATE: Key = unset("cluster.tls", "certificate_file", "none", "\"/etc/holdfast/tls/client.crt\"", PEM,
    "The gateway's own certificate, where brokers ask for one (ssl.client.auth). They then see the gateway, not its clients.");
pub static BROKER_KEY: Key = unset("cluster.tls", "private_key_file", "none", "\"/etc/holdfast/tls/client.key\"", PEM,
    "Its private key, not encrypted.");
pub static BROKER_MIN_VERSION: Key = choice("cluster.tls", "min_version", "TLSv1.2", VERSIONS, "The oldest version that is spoken with brokers.");
pub static SASL_MECHANISM: Key = Key { table: "cluster.sasl", name: "mechanism", allowed: Allowed::OneOf(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]),
    default: Default::Unset("no authentication", "\"SCRAM-SHA-512\""),
    doc: "Kafka's sasl.mechanism. PLAIN and OAUTHBEARER show the secret to whoever sees the bytes: use them over TLS only." };
pub static SASL_USERNAME: Key = example("cluster.sasl", "username", "\"holdfast\"", "a name of 1 to 255 bytes without NUL; with PLAIN and SCRAM",
    "It needs DESCRIBE and DESCRIBE_CONFIGS on topics and DESCRIBE_CONFIGS on the cluster; ALTER_CONFIGS where weak_topic repairs.");
pub static SASL_PASSWORD: Key = example("cluster.sasl", "password", "\"${KAFKA_PASSWORD}\"", "a text of 1 to 4096 bytes without NUL; with PLAIN and SCRAM, and without password_file",
    "From the environment, rather than written here. Never shown, by `holdfast check` neither.");
pub static SASL_PASSWORD_FILE: Key = example("cluster.sasl", "password_file", "\"/etc/holdfast/secrets/password\"", "the path of a file; with PLAIN and SCRAM, and without password",
    "Read anew at every authentication; a line break at its end does not count.");
pub static SASL_TOKEN_FILE: Key = example("cluster.sasl", "token_file", "\"/var/run/secrets/tokens/kafka\"", "the path of a file; with OAUTHBEARER",
    "Holds a bearer token, mostly a JWT. Read anew at every authentication, so that whoever renews it need not tell.");

pub static PRESET: Key = choice("policy", "preset", "default", &["default", "observe", "strict"],
    "\"default\" enforces what no working client can notice on a healthy cluster and observes the rest, \"observe\" changes\nnothing and counts everything, \"strict\" enforces what the README's table says. A mode below overrides it.");
pub static SINGLE_INSTANCE: Key = truth("policy", "single_instance",
    "Whether every connection of every group goes through this one process. Scenarios that join what several connections\nshow then call their counts exact; commit_ahead and commit_hold_back are enforced only then.");
pub static HELD_BACK_GROUPS: Key = example("policy.commit_hold_back", "groups", "[\"mailer-*\"]", "a list of group ids; * stands for any run of characters",
    "Groups whose commits are held back; none by default.");
pub static REPAIR_OFFSETS_EXPIRED: Key = truth("policy.offsets_expired", "repair",
    "Enforced: the last offset that is known is written into the answer. It also gives a group its place back that somebody\ndeleted on purpose.");
pub static REPAIR_NEW_PARTITION_SKIP: Key = truth("policy.new_partition_skip", "repair",
    "Enforced: 0 is written into the answer, so that the partition is read from its beginning.");
pub static REPAIR_WEAK_TOPIC: Key = choice("policy.weak_topic", "repair", "off", MODES,
    "Whether min.insync.replicas of topics in use is raised to policy.weak_topic_creation.min_insync_replicas, where it is\nlower: \"observe\" says and counts what would be done, \"enforce\" changes the topic (IncrementalAlterConfigs). Only with\nthree replicas or more, one to spare, and all of them in sync. Not while mode is \"off\".");
pub static BELOW_MIN_ISR: Key = choice("policy.acks_leader", "below_min_isr", "refuse", &["refuse", "leader"],
    "While a partition has fewer in-sync replicas than min.insync.replicas: \"refuse\" raises acks all the same and the\nclient sees NOT_ENOUGH_REPLICAS, \"leader\" lets acks=1 through, counted in holdfast_degraded_total.");
pub static FLOOR: Key = number("policy.ack_timeout", "floor_ms", 30_000, 1, HOUR_MS, MS,
    "Smallest timeout_ms of a request whose acks was 0. Default: Kafka's own default of request.timeout.ms.");
pub static MAX_BATCH_BYTES: Key = unset_number("policy.oversized_batch", "max_batch_bytes", "max.message.bytes of each topic alone", "1048588", 61, I32_MAX, BYTES,
    "A limit of your own for 12 + batchLength of a batch as sent, in force beside the topic's max.message.bytes. It refuses\nwithout asking the brokers first. The least is a batch header (KIP-98).");
pub static MAX_REQUEST_BYTES: Key = unset_number("policy.oversized_request", "max_request_bytes", "socket.request.max.bytes of the brokers, else 104857600", "104857600", 1024, I32_MAX, BYTES,
    "Largest request frame, instead of what the brokers say.");

pub static IDEMPOTENT_TOPICS: Key = unset("policy.not_idempotent", "topics", "none", "[\"payments\"]", "a list of topic names (letters, digits, . _ -); * stands for any run of characters",
    "Topics that demand idempotence: only there the scenario refuses, in mode \"enforce\".");
pub static TRANSACTIONAL_TOPICS: Key = unset("policy.not_transactional", "topics", "none", "[\"ledger.*\"]", "a list of topic names (letters, digits, . _ -); * stands for any run of characters",
    "Topics that demand a transaction: the scenario sees no others.");
pub static MIN_IN_SYNC_REPLICAS: Key = number("policy.under_replicated", "min_in_sync_replicas", 2, 2, 100, "replicas",
    "In-sync replicas that a partition must have, or all of its replicas where those are fewer.");
pub static MAX_AHEAD: Key = number("policy.future_timestamp", "max_ahead_ms", HOUR_MS, 0, 1000 * 24 * HOUR_MS, MS,
    "How far ahead of the gateway's clock a timestamp may lie. Default: message.timestamp.after.max.ms of Kafka 4.0.");
pub static REPLICATION_FACTOR: Key = number("policy.weak_topic_creation", "replication_factor", 3, 2, 100, "replicas",
    "Least replication factor, also for weakening_config and replica_reduction.");
pub static MIN_INSYNC_REPLICAS: Key = number("policy.weak_topic_creation", "min_insync_replicas", 2, 1, 99, "replicas",
    "Least min.insync.replicas, also for weakening_config. Below replication_factor: else one broker that fails stops writes.");
pub static PROTECTED_TOPICS: Key = example("policy.destructive_admin", "topics", "[\"orders*\"]", "a list of topic names (letters, digits, . _ -); * stands for any run of characters",
    "Topics that are protected; none by default. While there are some, topics are deleted by name or by an id that is known.");
pub static PROTECTED_GROUPS: Key = example("policy.destructive_admin", "groups", "[\"billing-*\"]", "a list of group ids; * stands for any run of characters",
    "Groups that are protected, also from commits of nobody's that set them forward from a known place; none by default.");
pub static RETENTION_FLOOR: Key = number("policy.weakening_config", "retention_floor_ms", 86_400_000, 0, 10 * 365 * 24 * HOUR_MS, MS,
    "Least retention.ms that may be set where nobody knows what the topic has today. Default: one day.");
pub static KEYED_TOPICS: Key = example("policy.partition_growth", "topics", "[\"accounts*\"]", "a list of topic names (letters, digits, . _ -); * stands for any run of characters",
    "Topics whose records belong to partitions by key, beside those that are compacted; none by default.");

pub static EXEMPTION_SCENARIOS: Key = Key { table: EXEMPTION, name: "scenarios", allowed: Allowed::Scenarios, default: Default::Unset("", "[\"acks_none\"]"), doc:
    "What is not applied. Required." };
pub static EXEMPTION_TOPICS: Key = example(EXEMPTION, "topics", "[\"metrics.*\"]", "a list of topic names (letters, digits, . _ -); * stands for any run of characters",
    "Topics that it holds for; none given: every topic. A request that mixes topics gets the stricter treatment.");
pub static EXEMPTION_CLIENT_IDS: Key = example(EXEMPTION, "client_ids", "[\"telegraf-*\"]", "a list of client ids; * stands for any run of characters",
    "Client ids that it holds for; none given: every client. Topics, client ids and groups that are given must all match;\none of them must be given.");
pub static EXEMPTION_GROUPS: Key = example(EXEMPTION, "groups", "[\"backfill-*\"]", "a list of group ids; * stands for any run of characters",
    "Groups that it holds for; none given: every group, and requests that concern none.");
pub static EXEMPTION_PRINCIPALS: Key = example(EXEMPTION, "principals", "[\"User:telegraf\", \"User:svc-*\"]", "a list of principals in Kafka's form, as in \"User:alice\"; * stands for any run of characters",
    "Who authenticated, as Kafka's default principal builder names it; default: everybody, also who is not known. Known of PLAIN,\nSCRAM and OAUTHBEARER (claim sub), after the broker's yes; not of GSSAPI and delegation tokens.");
pub static EXEMPTION_OWNER: Key = example(EXEMPTION, "owner", "\"team-observability\"", "text that is not empty",
    "Who answers for it. Required.");
pub static EXEMPTION_REASON: Key = example(EXEMPTION, "reason", "\"a lost sample is replaced ten seconds later\"", "text that is not empty",
    "Why. Required.");
pub static EXEMPTION_EXPIRES: Key = example(EXEMPTION, "expires", "\"2027-01-31\"", "a date in quotes, as in \"2027-01-31\"",
    "Last day (UTC) on which it works. Required. Afterwards it is reported in the log and as holdfast_exemption_expiry_timestamp_seconds.");

pub static MAX_CONNECTIONS: Key = number("limits", "max_connections", 9000, 1, 1_000_000, "connections",
    "Client connections at a time; each takes two file descriptors. More are closed at once.");
pub static MAX_CONNECTIONS_PER_IP: Key = unset_number("limits", "max_connections_per_ip", "limits.max_connections", "9000", 1, 1_000_000, "connections",
    "Client connections at a time from one address.");
pub static MAX_IN_FLIGHT: Key = number("limits", "max_in_flight", 1024, 1, 1_000_000, "requests",
    "Requests on one connection that wait for their answers; beyond it the client is not read.");
pub static MAX_ABSORBED_IN_FLIGHT: Key = number("limits", "max_absorbed_in_flight", 8, 1, 10_000, "requests",
    "Former acks=0 requests on one connection that are unanswered; beyond it the client is not read. A broker works on one\nrequest per connection at a time, so more buys no speed and makes more records of unknown fate when it dies.");
pub static MAX_ABSORBED_BYTES: Key = number("limits", "max_absorbed_bytes", 1_048_576, 1024, 1 << 30, BYTES,
    "The same in bytes; one request may always be under way, however large.");
pub static BUFFER_BYTES: Key = number("limits", "buffer_bytes", 536_870_912, 4 * 65_536, 1 << 40, BYTES,
    "Memory for relay buffers (64 KiB each, 256 KiB for streams that fill those, leased while bytes move) and for collected\nframes, all connections together: a fourth each for relaying requests, for requests held whole, for relaying answers, for\nanswers held whole. At the limit clients are not read. A fourth should hold the brokers' socket.request.max.bytes: a larger\nrequest that must be held is closed. A client that does not read its answer keeps one buffer.");
pub static ANNOUNCED_BYTES: Key = number("limits", "announced_bytes", 268_435_456, 65_536, 1 << 40, BYTES,
    "Bytes of requests (of any kind) that were begun towards a broker and whose end is still to come, all connections\ntogether: a broker allocates a request's whole length at its first byte. Requests that fit into a relay buffer have a\nfourth, and go on when they are whole when there is no more of it; those up to a 128th of all have another fourth, all\nothers half; these wait. Up to 4 KiB a request is not counted.");
pub static PIPES: Key = number("limits", "pipes", 64, 0, 100_000, "pipes",
    "Pipes at a time for requests, and as many for answers, through which what nobody looks at goes from socket to socket without\nentering the process (splice(2)): the rest of a frame from 96 KiB on, where neither side has TLS. Each takes two file\ndescriptors, and 256 KiB of what the system lets a user's pipes hold (fs.pipe-user-pages-soft, 64 MiB mostly). Where there is\nnone, bytes are read and written, which costs more CPU. 0: always.");
pub static HEADER_TIMEOUT: Key = number("limits", "header_timeout_ms", 30_000, 100, HOUR_MS, MS,
    "From the first byte of a connection or a frame to the end of its header.");
pub static FRAME_TIMEOUT: Key = number("limits", "frame_timeout_ms", 30_000, 100, HOUR_MS, MS,
    "A frame that has begun must bring 16 KiB or its end in each such span; one that holds room in buffer_bytes or\nannounced_bytes a tenth of that, if it is more.");
pub static IDLE_TIMEOUT: Key = number("limits", "idle_timeout_ms", 660_000, 1000, 24 * HOUR_MS, MS,
    "A connection on which nothing moved and nothing is awaited is closed. Default: beyond the broker's own 10 minutes\n(connections.max.idle.ms), so that brokers go on deciding.");
pub static MAX_CONNECTION_AGE: Key = number("limits", "max_connection_age_ms", 0, 0, 30 * 24 * HOUR_MS, MS,
    "A connection of this age, 10 % more or less, ends as a drain ends it: what is under way is finished, and the client\nconnects anew, so that it finds instances that were added. 0: never.");
pub static WRITE_STALL_TIMEOUT: Key = number("limits", "write_stall_timeout_ms", 600_000, 100, HOUR_MS, MS,
    "A client that takes none of the bytes written to it for so long is closed. A Java consumer reads only while it polls, so\nanything below its max.poll.interval.ms cuts working clients; a broker waits for connections.max.idle.ms, ten minutes. Where\nbuffer_bytes has no relay buffer left, it is two seconds, and ten to take all that one holds.");
pub static BUDGET_TIMEOUT: Key = number("limits", "budget_timeout_ms", 30_000, 100, HOUR_MS, MS,
    "Longest wait of a connection for room to hold a request whole (buffer_bytes) or to announce one (announced_bytes). For a\nrelay buffer it waits as long as it takes: closing would lose more.");
pub static WORKER_THREADS: Key = number("limits", "worker_threads", 0, 0, 1024, "threads",
    "Threads that move bytes; 0: as many as the process may use CPUs (cgroup quota included). A connection stays with the one\nthat had the fewest when it came. All else (accepting, the look at the cluster, metrics) has one more.");

pub static DRAIN_DELAY: Key = number("drain", "delay_ms", 2000, 0, 300_000, MS,
    "From SIGTERM (and /readyz 503) to the end of accepting: time for load balancers to notice.");
pub static DRAIN_TIMEOUT: Key = number("drain", "timeout_ms", 30_000, 100, HOUR_MS, MS,
    "From the end of accepting to the exit, whatever is still open.");
pub static CLOSE_DRAIN_TIMEOUT: Key = number("drain", "close_drain_timeout_ms", 5000, 0, 300_000, MS,
    "How long a connection that is being closed is read on, until the client's FIN: closing a socket with unread bytes\ndestroys what the client has handed over. At most timeout_ms.");

pub static WATCH_INTERVAL: Key = number("reload", "watch_interval_ms", 5000, 0, HOUR_MS, MS,
    "How often the content of the file is looked at; 0: only on SIGHUP. Content that is still being written is waited for.");

pub static ADMIN_BIND: Key = text("admin", "bind", "127.0.0.1:9901", "an IP address and a port, IPv6 in brackets",
    "Address and port of the HTTP endpoint; port 0 takes a free one, named in the log.");

pub static MAX_LABEL_VALUES: Key = number("telemetry", "max_label_values", 200, 1, 10_000, "values",
    "Client ids, and topics, that each metric family names (…_by_client_total, …_by_topic_total); the rest is counted\nunder \"__other__\", and in holdfast_label_overflow_total.");

pub static LOG_LEVEL: Key = choice("log", "level", "info", &["error", "warn", "info", "debug", "trace"], "The least severity that is written.");
pub static LOG_FORMAT: Key = choice("log", "format", "human", &["human", "json"], "One line per event, for people or for machines.");
pub static LOG_SUMMARY: Key = number("log", "summary_ms", 60_000, 100, HOUR_MS, MS,
    "An override or a refusal is logged once per scenario, client and topic, and then counted in a summary this often.");

/// Every key, in the order of `gateway.toml`.
pub static KEYS: &[&Key] = &[
    &BIND, &BOOTSTRAP_PORT, &BROKER_PORT_BASE, &BROKER_IDS, &ADVERTISED_HOST, &ADVERTISED_BROKER_PORT_BASE,
    &ADVERTISED_BROKER_PORT, &PROXY_PROTOCOL,
    &TLS_CERTIFICATE, &TLS_KEY, &TLS_CLIENT_AUTH, &TLS_CLIENT_CA, &TLS_CLIENT_CRLS, &TLS_MIN_VERSION,
    &SNI_PORT, &SNI_BOOTSTRAP_HOST, &SNI_BROKER_HOST, &SNI_ADVERTISED_PORT,
    &BOOTSTRAP_SERVERS, &CONNECT_TIMEOUT, &METADATA_REFRESH, &LOOKUP_TIMEOUT, &TCP_USER_TIMEOUT,
    &BROKER_TLS, &BROKER_CA, &BROKER_CERTIFICATE, &BROKER_KEY, &BROKER_MIN_VERSION,
    &SASL_MECHANISM, &SASL_USERNAME, &SASL_PASSWORD, &SASL_PASSWORD_FILE, &SASL_TOKEN_FILE,
    &PRESET, &SINGLE_INSTANCE, &mode("policy.acks_none"), &mode("policy.acks_leader"), &BELOW_MIN_ISR, &mode("policy.ack_timeout"), &FLOOR,
    &mode("policy.oversized_batch"), &MAX_BATCH_BYTES, &mode("policy.oversized_request"), &MAX_REQUEST_BYTES,
    &mode("policy.not_idempotent"), &IDEMPOTENT_TOPICS, &mode("policy.not_transactional"), &TRANSACTIONAL_TOPICS,
    &mode("policy.weak_topic"), &REPAIR_WEAK_TOPIC, &mode("policy.under_replicated"), &MIN_IN_SYNC_REPLICAS, &mode("policy.stale_timestamp"),
    &mode("policy.future_timestamp"), &MAX_AHEAD, &mode("policy.legacy_format"),
    &mode("policy.dirty_read"), &mode("policy.retention_overrun"), &mode("policy.offset_reset"), &mode("policy.commit_retention"),
    &mode("policy.commit_past_end"), &mode("policy.commit_ahead"), &mode("policy.commit_regression"), &mode("policy.commit_hold_back"), &HELD_BACK_GROUPS, &mode("policy.offsets_expired"),
    &REPAIR_OFFSETS_EXPIRED, &mode("policy.new_partition_skip"), &REPAIR_NEW_PARTITION_SKIP,
    &mode("policy.acked_truncation"), &mode("policy.ignored_error"), &mode("policy.risky_client"),
    &mode("policy.auto_topic_creation"), &mode("policy.weak_topic_creation"), &REPLICATION_FACTOR, &MIN_INSYNC_REPLICAS,
    &mode("policy.destructive_admin"), &PROTECTED_TOPICS, &PROTECTED_GROUPS, &mode("policy.weakening_config"), &RETENTION_FLOOR,
    &mode("policy.partition_growth"), &KEYED_TOPICS,
    &mode("policy.unclean_election"), &mode("policy.replica_reduction"), &mode("policy.cluster_downgrade"),
    &EXEMPTION_SCENARIOS, &EXEMPTION_TOPICS, &EXEMPTION_CLIENT_IDS, &EXEMPTION_GROUPS, &EXEMPTION_PRINCIPALS, &EXEMPTION_OWNER, &EXEMPTION_REASON, &EXEMPTION_EXPIRES,
    &MAX_CONNECTIONS, &MAX_CONNECTIONS_PER_IP, &MAX_IN_FLIGHT, &MAX_ABSORBED_IN_FLIGHT, &MAX_ABSORBED_BYTES,
    &BUFFER_BYTES, &ANNOUNCED_BYTES, &PIPES, &HEADER_TIMEOUT, &FRAME_TIMEOUT, &IDLE_TIMEOUT, &MAX_CONNECTION_AGE, &WRITE_STALL_TIMEOUT, &BUDGET_TIMEOUT,
    &WORKER_THREADS, &DRAIN_DELAY, &DRAIN_TIMEOUT, &CLOSE_DRAIN_TIMEOUT, &WATCH_INTERVAL, &ADMIN_BIND, &MAX_LABEL_VALUES,
    &LOG_LEVEL, &LOG_FORMAT, &LOG_SUMMARY,
];

const fn number(table: &'static str, name: &'static str, default: i64, min: i64, max: i64, unit: &'static str, doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::Range(min, max, unit), default: Default::Number(default), doc }
}

const fn text(table: &'static str, name: &'static str, default: &'static str, form: &'static str, doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::Form(form), default: Default::Text(default), doc }
}

const fn choice(table: &'static str, name: &'static str, default: &'static str, values: &'static [&'static str], doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::OneOf(values), default: Default::Text(default), doc }
}

/// Something to be switched on.
const fn truth(table: &'static str, name: &'static str, doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::Truth, default: Default::Truth(false), doc }
}

const fn mode(table: &'static str) -> Key {
    Key { table, name: "mode", allowed: Allowed::OneOf(MODES), default: Default::Unset("as the preset says", "\"enforce\""),
        doc: "\"off\": not judged, \"observe\": judged and counted, \"enforce\": judged, counted and applied." }
}

const fn unset(table: &'static str, name: &'static str, then: &'static str, example: &'static str, form: &'static str, doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::Form(form), default: Default::Unset(then, example), doc }
}

#[allow(clippy::too_many_arguments)]
const fn unset_number(table: &'static str, name: &'static str, then: &'static str, example: &'static str, min: i64, max: i64, unit: &'static str, doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::Range(min, max, unit), default: Default::Unset(then, example), doc }
}

const fn example(table: &'static str, name: &'static str, example: &'static str, form: &'static str, doc: &'static str) -> Key {
    Key { table, name, allowed: Allowed::Form(form), default: Default::Unset("", example), doc }
}
