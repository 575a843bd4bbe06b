//! The table of metric families (floor 4): name, labels, meaning. Registration and the README's table are made from it.
//!
//! Names follow `holdfast_<noun>_<unit>_total`; labels are our enums or, in the `_by_` families, names under a cap.

use prometheus::{
    Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry,
};

/// One metric family.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

#[rustfmt::skip]
pub static FAMILIES: &[Family] = &[
    // What was done.
    counter("holdfast_overrides_total", &["scenario", "api_key", "mode"], "Requests (of CreateTopics and StreamsGroupHeartbeat, topics in them) that a scenario changed (mode enforce) or would have changed (observe)"),
    counter("holdfast_overrides_by_client_total", &["scenario", "mode", "client_id"], "The same by client id; capped, the rest under __other__"),
    counter("holdfast_overrides_by_topic_total", &["scenario", "mode", "topic"], "The same by topic, one per topic and request; capped, the rest under __other__"),
    counter("holdfast_rejections_total", &["scenario", "api_key", "error_code", "mode"], "Partitions (of requests that name none: topics, groups, resources) that a scenario refused (mode enforce) or would have refused (observe)"),
    counter("holdfast_rejections_by_client_total", &["scenario", "mode", "client_id"], "The same by client id; capped, the rest under __other__"),
    counter("holdfast_rejections_by_topic_total", &["scenario", "mode", "topic"], "The same by topic; capped, the rest under __other__"),
    counter("holdfast_rejected_records_total", &["scenario", "mode"], "Records in them"),
    counter("holdfast_rejected_bytes_total", &["scenario", "mode"], "Bytes of record batches in them"),
    counter("holdfast_observations_total", &["scenario", "completeness"], "What the scenarios that change nothing have counted, in the unit of their manual; partial: other connections or replicas may have seen more"),
    counter("holdfast_observations_by_client_total", &["scenario", "completeness", "client_id"], "The same by client id; capped, the rest under __other__"),
    counter("holdfast_observations_by_topic_total", &["scenario", "completeness", "topic"], "The same by topic; capped, the rest under __other__"),
    counter("holdfast_observations_by_group_total", &["scenario", "completeness", "group"], "The same by group, where one is concerned; capped, the rest under __other__"),
    counter("holdfast_answer_errors_total", &["error_code"], "Partitions for which a Produce answer told its client of an error, Holdfast's refusals among them; where 46 (stored before) is none"),
    counter("holdfast_override_failures_total", &["scenario", "error_code"], "Partitions that failed with a code that exists only because acks was raised"),
    counter("holdfast_degraded_total", &["scenario", "reason"], "Requests whose acks was not raised to all, because a partition was below min.insync.replicas, or the client had to authenticate anew soon"),
    counter("holdfast_unverified_total", &["scenario"], "Refusals that were not confirmed within cluster.lookup_timeout_ms: forwarded instead; and alarms of acked_truncation that nobody confirmed"),
    counter("holdfast_suspected_total", &["scenario"], "What hints at a scenario's loss and does not prove it, in the unit of its manual"),
    counter("holdfast_unjudged_total", &["scenario"], "Requests larger than the whole limits.buffer_bytes, streamed on without judging"),
    counter("holdfast_override_records_total", &["scenario", "mode"], "Records in the overridden Produce requests, of topics whose name is known"),
    counter("holdfast_exemption_hits_total", &["scenario", "exemption"], "Requests to which an exemption kept a scenario from being applied"),
    // Where the records of acks=0 requests ended.
    counter("holdfast_acks0_records_total", &["outcome", "cause"], "Records sent with acks=0, by where they ended: confirmed stored, refused (certainly not stored), unknown"),
    counter("holdfast_acks0_bytes_total", &["outcome", "cause"], "Bytes of record batches sent with acks=0, likewise"),
    counter("holdfast_acks0_inexact_total", &[], "Partitions counted in holdfast_acks0_records_total by their batches, as their format (magic 0, 1) hides the records, or by what has room in a batch that claims more"),
    counter("holdfast_absorbed_responses_total", &[], "Answers of brokers that no client had asked for (acks=0), absorbed"),
    counter("holdfast_absorbed_errors_total", &["error_code"], "Partitions that failed in them"),
    gauge("holdfast_acks0_inflight_requests", &[], "Requests sent with acks=0 whose answer is awaited and will be absorbed"),
    gauge("holdfast_acks0_inflight_bytes", &[], "Bytes of them"),
    // Traffic.
    counter("holdfast_requests_total", &["api_key"], "Requests read from clients"),
    counter("holdfast_unknown_api_total", &["api_key"], "Requests of APIs that have no name here, by number, passed on unread; capped, the rest under __other__"),
    counter("holdfast_decode_failures_total", &["api_key", "side"], "Requests (side client) and answers (side broker) that do not follow Kafka's schema: the connection is closed"),
    counter("holdfast_request_bytes_total", &[], "Bytes written to brokers"),
    counter("holdfast_response_bytes_total", &[], "Bytes written to clients"),
    counter("holdfast_spliced_bytes_total", &["direction"], "Bytes of both that were written from a pipe (limits.pipes) and did not enter the process"),
    histogram("holdfast_added_latency_seconds", &["direction"], "Time that frames spent in Holdfast, the broker's time excluded"),
    histogram("holdfast_upstream_latency_seconds", &["api_key"], "Time from a request's going on to its answer's arrival; Produce and Fetch: of a sample; APIs without a name of their own here under __other__"),
    // Connections.
    gauge("holdfast_client_connections", &[], "Client connections that are open"),
    counter("holdfast_client_connections_total", &[], "Client connections that were accepted"),
    counter("holdfast_client_connections_closed_total", &["cause"], "Client connections that ended, by cause"),
    counter("holdfast_client_connections_rejected_total", &["limit"], "Client connections turned away by a key of [limits], or that the system (descriptors, memory) did not give; not among the accepted"),
    gauge("holdfast_clients_known", &[], "Clients (client id, library, its version) that /report tells of by name"),
    counter("holdfast_clients_left_out_total", &[], "Clients that made room for others in /report, or found none: told of together"),
    gauge("holdfast_upstream_connections", &[], "Connections to brokers that are open"),
    counter("holdfast_upstream_errors_total", &["kind"], "Connections to brokers that could not be made, or failed"),
    counter("holdfast_tls_handshake_failures_total", &["side", "cause"], "TLS handshakes that failed, with clients and with brokers (the gateway's own looks excepted)"),
    counter("holdfast_proxy_protocol_failures_total", &["cause"], "Connections closed for want of a header of the PROXY protocol, version 2 (listener.proxy_protocol)"),
    counter("holdfast_tls_reload_failures_total", &[], "Changed TLS files that could not be used: what was in force stayed"),
    gauge("holdfast_tls_last_reload_successful", &[], "1 when all TLS files could be used the last time that they were looked at, 0 when not"),
    gauge("holdfast_tls_certificate_not_after_timestamp_seconds", &["usage"], "When the gateway's own certificate ends: usage listener, or cluster"),
    // Budgets.
    gauge("holdfast_buffer_bytes", &[], "Memory leased for relay buffers and collected frames"),
    gauge("holdfast_buffer_limit_bytes", &[], "limits.buffer_bytes"),
    gauge("holdfast_announced_bytes", &[], "Bytes of frames that were begun towards brokers and whose end is still to come, which brokers have allocated"),
    gauge("holdfast_announced_limit_bytes", &[], "limits.announced_bytes"),
    counter("holdfast_client_pauses_total", &["limit"], "Times that a client began not to be read, by the key of [limits] it waits for"),
    counter("holdfast_client_paused_seconds_total", &["limit"], "Time for which clients were not read, likewise; added up when a connection wakes"),
    gauge("holdfast_clients_paused", &["limit"], "Clients that are not read now, likewise"),
    // What is known of the cluster.
    gauge("holdfast_brokers_unreachable", &[], "Brokers and bootstrap servers that cannot be reached; /report and the log name them and say why"),
    gauge("holdfast_brokers_outside_set", &[], "Brokers of the cluster outside listener.broker_ids: not reachable through Holdfast"),
    counter("holdfast_watch_looks_total", &["outcome"], "The gateway's own looks at the cluster"),
    counter("holdfast_watch_failures_total", &["reason"], "Attempts of the gateway's own connections that failed; authentication: the brokers do not let it in, see [cluster.sasl]; tls: there is no TLS with them, see [cluster.tls]; lost: also what a listener does that wants TLS or SASL"),
    gauge("holdfast_watch_last_success_timestamp_seconds", &[], "When the last look succeeded; 0: none yet"),
    counter("holdfast_topic_repairs_total", &["outcome"], "Attempts of weak_topic to raise a topic's min.insync.replicas: done, refused by the brokers, unanswered; observed: it would be raised, once for each topic"),
    counter("holdfast_learned_dropped_total", &[], "Things that connections noticed and that the watch had no room for"),
    counter("holdfast_ledger_forgotten_total", &["table"], "Partitions that a table of the ledger had no room for: acknowledged offsets, commits of groups, ends of logs, positions of consumers (once for each request), what clients were given"),
    gauge("holdfast_fetch_headroom_offsets", &["topic"], "Offsets that may yet be deleted before a consumer of the topic misses some: the lowest of the last minute or two; capped, the lowest first, the next under __other__"),
    // What is in force.
    gauge("holdfast_enforcement_mode", &["scenario", "mode"], "1 for the mode in force, 0 for the others"),
    gauge("holdfast_exemptions_active", &[], "Exemptions that have not expired"),
    gauge("holdfast_exemption_expiry_timestamp_seconds", &["exemption"], "When the exemption stops working; only those that have a date"),
    // Holdfast itself.
    gauge("holdfast_ready", &[], "1 once all ports are bound and a first view of the cluster was learned"),
    counter("holdfast_config_reloads_total", &["outcome"], "Times the configuration was read anew; invalid and restart_required left the settings as they were"),
    gauge("holdfast_config_last_reload_successful", &[], "1 when the configuration was accepted the last time that it was read, 0 when not"),
    gauge("holdfast_config_last_reload_success_timestamp_seconds", &[], "When it was accepted last, at start or later"),
    gauge("holdfast_config_hash_info", &["hash"], "1, with a hash of the settings in force as `holdfast check` prints them"),
    gauge("holdfast_draining", &[], "1 from SIGTERM on"),
    counter("holdfast_panics_total", &[], "Tasks that panicked; each ended one connection at most"),
    counter("holdfast_label_overflow_total", &["family"], "Times that a connection met a label value for which a _by_ family had no room"),
    gauge("holdfast_build_info", &["version"], "1"),
];

/// 50 µs to 10 s.
const LATENCY_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        kind: Kind::Histogram,
        labels,
        help,
    }
}

/// Makes and registers families by name. The name stands in the source, so a mistake fails in the first test that makes
/// a `Telemetry`: these functions may panic, and only there.
pub(super) struct Maker<'a>(pub &'a Registry);

impl Maker<'_> {
    pub fn counter(&self, name: &str) -> IntCounter {
        let counter = IntCounter::with_opts(self.opts(name)).expect(SOUND);
        self.registered(counter)
    }

    pub fn counters(&self, name: &str) -> IntCounterVec {
        let counters = IntCounterVec::new(self.opts(name), self.find(name).labels).expect(SOUND);
        self.registered(counters)
    }

    /// One of fractions for each value of the family's only label.
    pub fn seconds<const N: usize>(&self, name: &str, values: [&str; N]) -> [Counter; N] {
        let counters = CounterVec::new(self.opts(name), self.find(name).labels).expect(SOUND);
        let counters = self.registered(counters);
        values.map(|value| counters.with_label_values(&[value]))
    }

    pub fn gauge(&self, name: &str) -> IntGauge {
        let gauge = IntGauge::with_opts(self.opts(name)).expect(SOUND);
        self.registered(gauge)
    }

    pub fn gauges(&self, name: &str) -> IntGaugeVec {
        let gauges = IntGaugeVec::new(self.opts(name), self.find(name).labels).expect(SOUND);
        self.registered(gauges)
    }

    /// One histogram for each value of the family's only label.
    pub fn histograms<const N: usize>(&self, name: &str, values: [&str; N]) -> [Histogram; N] {
        let opts = HistogramOpts::from(self.opts(name)).buckets(LATENCY_BUCKETS.to_vec());
        let histograms = HistogramVec::new(opts, self.find(name).labels).expect(SOUND);
        let histograms = self.registered(histograms);
        values.map(|value| histograms.with_label_values(&[value]))
    }

    fn registered<C: prometheus::core::Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect(SOUND);
        collector
    }

    fn find(&self, name: &str) -> &'static Family {
        FAMILIES
            .iter()
            .find(|family| family.name == name)
            .expect(SOUND)
    }

    fn opts(&self, name: &str) -> Opts {
        Opts::new(name, self.find(name).help)
    }
}

const SOUND: &str = "the table of families is sound";
