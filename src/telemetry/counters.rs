//! Every series that is counted into, made once and at 0 (floor 4). Who counts what is the business of those who use it.

use super::capped::{Capped, OTHER};
use super::families::Maker;
use super::pairs::Pairs;
use super::{
    CONNECTION_LIMITS, PROXY_CAUSES, ReloadOutcome, Settings, TLS_CAUSES, TlsSide, TopicRepair,
    UPSTREAM_ERRORS, WatchFailure, saturated, unix_seconds, upstream_error,
};
use crate::ledger;
use crate::policy::{self, Mode, Scenario, ignored_error};
use crate::session::event::{
    CloseCause, Completeness, Degradation, Limit, Outcome, OutcomeCause, Side,
};
use crate::wire::api::{ApiKey, ErrorCode};
use crate::wire::versions;
use arc_swap::ArcSwap;
use prometheus::{Counter, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use std::sync::Arc;

/// Handles of every family, resolved.
pub(super) struct Counters {
    pub(super) overrides: Pairs<(Scenario, ApiKey, Mode), 3>,
    pub(super) overrides_by_client: Capped,
    pub(super) overrides_by_topic: Capped,
    pub(super) rejections: Pairs<(Scenario, ApiKey, ErrorCode, Mode), 4>,
    pub(super) rejections_by_client: Capped,
    pub(super) rejections_by_topic: Capped,
    pub(super) observations: Pairs<(Scenario, Completeness), 2>,
    pub(super) observations_by_client: Capped,
    pub(super) observations_by_topic: Capped,
    pub(super) observations_by_group: Capped,
    pub(super) rejected_records: Pairs<(Scenario, Mode), 2>,
    pub(super) rejected_bytes: Pairs<(Scenario, Mode), 2>,
    pub(super) answer_errors: Pairs<ErrorCode, 1>,
    pub(super) override_failures: Pairs<(Scenario, ErrorCode), 2>,
    pub(super) degraded: Pairs<(Scenario, Degradation), 2>,
    pub(super) unverified: Pairs<Scenario, 1>,
    pub(super) suspected: Pairs<Scenario, 1>,
    pub(super) unjudged: Pairs<Scenario, 1>,
    /// A family whose one label the operator chose: few, known at start.
    pub(super) exemption_hits: ArcSwap<Vec<ExemptionHits>>,
    pub(super) exemption_hits_family: IntCounterVec,
    pub(super) exemption_expiries: IntGaugeVec,
    pub(super) modes_in_force: IntGaugeVec,
    pub(super) reloads: Pairs<ReloadOutcome, 1>,
    pub(super) reload_successful: IntGauge,
    pub(super) reload_success_at: IntGauge,
    pub(super) config_hash: IntGaugeVec,
    pub(super) acks0_records: Pairs<(Outcome, OutcomeCause), 2>,
    pub(super) acks0_bytes: Pairs<(Outcome, OutcomeCause), 2>,
    pub(super) acks0_inexact: IntCounter,
    pub(super) acks0_inflight_requests: IntGauge,
    pub(super) acks0_inflight_bytes: IntGauge,
    pub(super) absorbed: IntCounter,
    pub(super) absorbed_errors: Pairs<ErrorCode, 1>,
    pub(super) requests: Pairs<ApiKey, 1>,
    pub(super) request_bytes: IntCounter,
    pub(super) response_bytes: IntCounter,
    /// Of requests, of responses.
    pub(super) spliced_bytes: [IntCounter; 2],
    pub(super) unknown_apis: IntCounterVec,
    pub(super) decode_failures: Pairs<(ApiKey, Side), 2>,
    pub(super) upstream_latency: [Histogram; TIMED_APIS.len() + 1],
    pub(super) override_records: Pairs<(Scenario, Mode), 2>,
    pub(super) pauses: [IntCounter; Limit::ALL.len()],
    pub(super) paused_seconds: [Counter; Limit::ALL.len()],
    pub(super) clients_paused: [IntGauge; Limit::ALL.len()],
    /// Of requests, of responses.
    pub(super) latency: [Histogram; 2],
    pub(super) connections: IntGauge,
    pub(super) connections_total: IntCounter,
    pub(super) closed: Pairs<CloseCause, 1>,
    pub(super) rejected: Pairs<&'static str, 1>,
    pub(super) tls_failures: Pairs<(TlsSide, &'static str), 2>,
    pub(super) proxy_failures: Pairs<&'static str, 1>,
    pub(super) tls_reload_failures: IntCounter,
    pub(super) tls_reload_successful: IntGauge,
    pub(super) tls_not_after: IntGaugeVec,
    pub(super) upstream: IntGauge,
    pub(super) upstream_errors: Pairs<CloseCause, 1>,
    pub(super) buffer: IntGauge,
    pub(super) buffer_limit: IntGauge,
    pub(super) announced: IntGauge,
    pub(super) announced_limit: IntGauge,
    pub(super) brokers_unreachable: IntGauge,
    pub(super) brokers_outside: IntGauge,
    pub(super) looks: Pairs<bool, 1>,
    pub(super) last_look: IntGauge,
    pub(super) watch_failures: Pairs<WatchFailure, 1>,
    pub(super) topic_repairs: Pairs<TopicRepair, 1>,
    pub(super) learned_dropped: IntCounter,
    pub(super) ledger_forgotten: Pairs<&'static str, 1>,
    pub(super) headroom: IntGaugeVec,
    pub(super) exemptions_active: IntGauge,
    pub(super) ready: IntGauge,
    pub(super) draining: IntGauge,
    pub(super) panics: IntCounter,
}

/// What an exemption has kept a scenario from.
type ExemptionHits = (Arc<str>, Scenario, IntCounter);

impl Counters {
    /// The series of exemptions that are gone go, too: reloads must not add to them without end.
    pub(super) fn set_policy(&self, policy: &policy::Settings) {
        for scenario in Scenario::ALL {
            for mode in Mode::ALL {
                let in_force = policy.mode(scenario) == mode;
                self.modes_in_force
                    .with_label_values(&[scenario.name(), mode.name()])
                    .set(i64::from(in_force));
            }
        }
        self.exemption_expiries.reset();
        for exemption in &policy.exemptions {
            if let Some(end) = exemption.expires {
                self.exemption_expiries
                    .with_label_values(&[&*exemption.name])
                    .set(unix_seconds(end));
            }
        }
        self.exemptions_active
            .set(saturated(policy.exemptions.len()));
        let hits = exemption_hits(&self.exemption_hits_family, policy);
        let gone = self.exemption_hits.swap(Arc::new(hits));
        let stays = |name: &str, of: Scenario| {
            let mut hits = policy.exemptions.iter();
            hits.any(|exemption| &*exemption.name == name && exemption.scenarios.contains(&of))
        };
        for (name, scenario, _) in gone.iter().filter(|(name, of, _)| !stays(name, *of)) {
            // It may be gone already.
            let _ = self
                .exemption_hits_family
                .remove_label_values(&[scenario.name(), name]);
        }
    }

    pub(super) fn new(make: &Maker, settings: &Settings) -> Counters {
        let overflow = make.counters("holdfast_label_overflow_total");
        let capped = |name: &'static str| {
            Capped::new(
                make.counters(name),
                overflow.with_label_values(&[name]),
                settings.max_label_values,
            )
        };
        let raising = [Scenario::AcksNone, Scenario::AcksLeader];
        Counters {
            overrides: Pairs::new(
                make.counters("holdfast_overrides_total"),
                |(scenario, api_key, mode)| [scenario.name(), api_key.name(), mode.name()],
                each_api(Scenario::overrides)
                    .flat_map(|(scenario, api_key)| MODES.map(|mode| (scenario, api_key, mode))),
            ),
            overrides_by_client: capped("holdfast_overrides_by_client_total"),
            overrides_by_topic: capped("holdfast_overrides_by_topic_total"),
            rejections: Pairs::new(
                make.counters("holdfast_rejections_total"),
                |(scenario, api_key, code, mode)| {
                    [scenario.name(), api_key.name(), code.name(), mode.name()]
                },
                each_api(|_| true).flat_map(|(scenario, api_key)| {
                    let codes = scenario.refuses_with().iter();
                    codes.flat_map(move |code| MODES.map(|mode| (scenario, api_key, *code, mode)))
                }),
            ),
            rejections_by_client: capped("holdfast_rejections_by_client_total"),
            rejections_by_topic: capped("holdfast_rejections_by_topic_total"),
            rejected_records: by_mode(make, "holdfast_rejected_records_total"),
            rejected_bytes: by_mode(make, "holdfast_rejected_bytes_total"),
            observations: Pairs::new(
                make.counters("holdfast_observations_total"),
                |(scenario, completeness)| [scenario.name(), completeness.name()],
                Scenario::ALL
                    .into_iter()
                    .filter(|scenario| scenario.counts())
                    .flat_map(|scenario| Completeness::ALL.map(|found| (scenario, found))),
            ),
            observations_by_client: capped("holdfast_observations_by_client_total"),
            observations_by_topic: capped("holdfast_observations_by_topic_total"),
            observations_by_group: capped("holdfast_observations_by_group_total"),
            answer_errors: Pairs::new(
                make.counters("holdfast_answer_errors_total"),
                |code| [code.name()],
                PRODUCE_CODES
                    .map(ErrorCode)
                    .into_iter()
                    .filter(|code| ignored_error::judge(*code)),
            ),
            override_failures: Pairs::new(
                make.counters("holdfast_override_failures_total"),
                |(scenario, code)| [scenario.name(), code.name()],
                raising
                    .into_iter()
                    .flat_map(|scenario| RAISED_CODES.map(|code| (scenario, code))),
            ),
            degraded: Pairs::new(
                make.counters("holdfast_degraded_total"),
                |(scenario, reason)| [scenario.name(), reason.name()],
                raising.into_iter().flat_map(|scenario| {
                    let reasons = Degradation::ALL.into_iter();
                    let possible = move |reason: &Degradation| {
                        scenario == Scenario::AcksNone || *reason == Degradation::BelowMinIsr
                    };
                    reasons
                        .filter(possible)
                        .map(move |reason| (scenario, reason))
                }),
            ),
            unverified: by_scenario(
                make,
                "holdfast_unverified_total",
                Scenario::ALL
                    .into_iter()
                    .filter(|scenario| !scenario.refuses_with().is_empty())
                    .chain([Scenario::AckedTruncation]),
            ),
            suspected: by_scenario(
                make,
                "holdfast_suspected_total",
                [Scenario::AckedTruncation],
            ),
            unjudged: by_scenario(make, "holdfast_unjudged_total", Scenario::ALL),
            exemption_hits: ArcSwap::default(),
            exemption_hits_family: make.counters("holdfast_exemption_hits_total"),
            exemption_expiries: make.gauges("holdfast_exemption_expiry_timestamp_seconds"),
            modes_in_force: make.gauges("holdfast_enforcement_mode"),
            reloads: Pairs::new(
                make.counters("holdfast_config_reloads_total"),
                |outcome| [outcome.name()],
                ReloadOutcome::ALL,
            ),
            reload_successful: make.gauge("holdfast_config_last_reload_successful"),
            reload_success_at: make.gauge("holdfast_config_last_reload_success_timestamp_seconds"),
            config_hash: make.gauges("holdfast_config_hash_info"),
            acks0_records: acks0(make, "holdfast_acks0_records_total"),
            acks0_bytes: acks0(make, "holdfast_acks0_bytes_total"),
            acks0_inexact: make.counter("holdfast_acks0_inexact_total"),
            acks0_inflight_requests: make.gauge("holdfast_acks0_inflight_requests"),
            acks0_inflight_bytes: make.gauge("holdfast_acks0_inflight_bytes"),
            absorbed: make.counter("holdfast_absorbed_responses_total"),
            absorbed_errors: Pairs::new(
                make.counters("holdfast_absorbed_errors_total"),
                |code| [code.name()],
                PRODUCE_CODES.map(ErrorCode),
            ),
            requests: Pairs::new(
                make.counters("holdfast_requests_total"),
                |api_key| [api_key.name()],
                versions::TABLE.iter().map(|api| api.key),
            ),
            request_bytes: make.counter("holdfast_request_bytes_total"),
            response_bytes: make.counter("holdfast_response_bytes_total"),
            spliced_bytes: {
                let family = make.counters("holdfast_spliced_bytes_total");
                ["request", "response"].map(|direction| family.with_label_values(&[direction]))
            },
            unknown_apis: {
                let family = make.counters("holdfast_unknown_api_total");
                family.with_label_values(&[OTHER]);
                family
            },
            decode_failures: Pairs::new(
                make.counters("holdfast_decode_failures_total"),
                |(api_key, side)| [api_key.name(), side.name()],
                versions::TABLE
                    .iter()
                    .flat_map(|api| Side::ALL.map(|side| (api.key, side))),
            ),
            upstream_latency: make.histograms("holdfast_upstream_latency_seconds", timed_apis()),
            override_records: Pairs::new(
                make.counters("holdfast_override_records_total"),
                |(scenario, mode)| [scenario.name(), mode.name()],
                each_api(Scenario::overrides)
                    .filter(|(_, api_key)| *api_key == ApiKey::PRODUCE)
                    .flat_map(|(scenario, _)| MODES.map(|mode| (scenario, mode))),
            ),
            pauses: {
                let pauses = make.counters("holdfast_client_pauses_total");
                Limit::ALL.map(|limit| pauses.with_label_values(&[limit.name()]))
            },
            paused_seconds: make.seconds(
                "holdfast_client_paused_seconds_total",
                Limit::ALL.map(Limit::name),
            ),
            clients_paused: {
                let paused = make.gauges("holdfast_clients_paused");
                Limit::ALL.map(|limit| paused.with_label_values(&[limit.name()]))
            },
            latency: make.histograms("holdfast_added_latency_seconds", ["request", "response"]),
            connections: make.gauge("holdfast_client_connections"),
            connections_total: make.counter("holdfast_client_connections_total"),
            closed: Pairs::new(
                make.counters("holdfast_client_connections_closed_total"),
                |cause| [cause.name()],
                CloseCause::ALL,
            ),
            rejected: Pairs::new(
                make.counters("holdfast_client_connections_rejected_total"),
                |limit| [limit],
                CONNECTION_LIMITS,
            ),
            tls_failures: Pairs::new(
                make.counters("holdfast_tls_handshake_failures_total"),
                |(side, cause)| [side.name(), cause],
                TlsSide::ALL
                    .into_iter()
                    .flat_map(|side| TLS_CAUSES.map(|cause| (side, cause))),
            ),
            proxy_failures: Pairs::new(
                make.counters("holdfast_proxy_protocol_failures_total"),
                |cause| [cause],
                PROXY_CAUSES,
            ),
            tls_reload_failures: make.counter("holdfast_tls_reload_failures_total"),
            tls_reload_successful: make.gauge("holdfast_tls_last_reload_successful"),
            tls_not_after: make.gauges("holdfast_tls_certificate_not_after_timestamp_seconds"),
            upstream: make.gauge("holdfast_upstream_connections"),
            upstream_errors: Pairs::new(
                make.counters("holdfast_upstream_errors_total"),
                |cause| [upstream_error(cause)],
                UPSTREAM_ERRORS.map(|(cause, _)| cause),
            ),
            buffer: make.gauge("holdfast_buffer_bytes"),
            buffer_limit: make.gauge("holdfast_buffer_limit_bytes"),
            announced: make.gauge("holdfast_announced_bytes"),
            announced_limit: make.gauge("holdfast_announced_limit_bytes"),
            brokers_unreachable: make.gauge("holdfast_brokers_unreachable"),
            brokers_outside: make.gauge("holdfast_brokers_outside_set"),
            looks: Pairs::new(
                make.counters("holdfast_watch_looks_total"),
                |success| [if success { "success" } else { "failure" }],
                [true, false],
            ),
            last_look: make.gauge("holdfast_watch_last_success_timestamp_seconds"),
            watch_failures: Pairs::new(
                make.counters("holdfast_watch_failures_total"),
                |reason| [reason.name()],
                WatchFailure::ALL,
            ),
            topic_repairs: Pairs::new(
                make.counters("holdfast_topic_repairs_total"),
                |outcome| [outcome.name()],
                TopicRepair::ALL,
            ),
            learned_dropped: make.counter("holdfast_learned_dropped_total"),
            ledger_forgotten: Pairs::new(
                make.counters("holdfast_ledger_forgotten_total"),
                |table| [table],
                ledger::TABLES,
            ),
            headroom: make.gauges("holdfast_fetch_headroom_offsets"),
            exemptions_active: make.gauge("holdfast_exemptions_active"),
            ready: make.gauge("holdfast_ready"),
            draining: make.gauge("holdfast_draining"),
            panics: make.counter("holdfast_panics_total"),
        }
    }
}

/// The APIs whose answers are timed by name.
const TIMED_APIS: [ApiKey; 7] = [
    ApiKey::PRODUCE,
    ApiKey::FETCH,
    ApiKey::LIST_OFFSETS,
    ApiKey::METADATA,
    ApiKey::OFFSET_COMMIT,
    ApiKey::OFFSET_FETCH,
    ApiKey::FIND_COORDINATOR,
];

fn timed_apis() -> [&'static str; TIMED_APIS.len() + 1] {
    std::array::from_fn(|n| TIMED_APIS.get(n).map_or(OTHER, |api_key| api_key.name()))
}

/// Its place among them, the last one for all others.
pub(super) fn timed_as(api_key: ApiKey) -> usize {
    let timed = TIMED_APIS.iter().position(|timed| *timed == api_key);
    timed.unwrap_or(TIMED_APIS.len())
}

/// Numbers of APIs without a name that `holdfast_unknown_api_total` tells apart.
pub(super) const MAX_UNKNOWN_APIS: usize = 16;

/// REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND: only acks=all is answered with them.
const RAISED_CODES: [ErrorCode; 3] = [
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
];

/// What a broker may answer for a partition of a Produce request.
const PRODUCE_CODES: [i16; 22] = [
    -1, 2, 3, 5, 6, 7, 10, 17, 18, 19, 20, 29, 32, 43, 44, 45, 47, 56, 59, 76, 87, 100,
];

/// The modes in which something is found.
const MODES: [Mode; 2] = [Mode::Observe, Mode::Enforce];

fn each_api(which: fn(Scenario) -> bool) -> impl Iterator<Item = (Scenario, ApiKey)> {
    let scenarios = Scenario::ALL
        .into_iter()
        .filter(move |scenario| which(*scenario));
    scenarios.flat_map(|scenario| {
        scenario
            .apis()
            .iter()
            .map(move |api_key| (scenario, *api_key))
    })
}

/// Of the scenarios that refuse records.
fn by_mode(make: &Maker, name: &'static str) -> Pairs<(Scenario, Mode), 2> {
    let refusing = each_api(|scenario| !scenario.refuses_with().is_empty());
    let records = refusing.filter(|(_, api_key)| *api_key == ApiKey::PRODUCE);
    Pairs::new(
        make.counters(name),
        |(scenario, mode)| [scenario.name(), mode.name()],
        records.flat_map(|(scenario, _)| MODES.map(|mode| (scenario, mode))),
    )
}

fn by_scenario(
    make: &Maker,
    name: &'static str,
    scenarios: impl IntoIterator<Item = Scenario>,
) -> Pairs<Scenario, 1> {
    Pairs::new(make.counters(name), |scenario| [scenario.name()], scenarios)
}

fn acks0(make: &Maker, name: &'static str) -> Pairs<(Outcome, OutcomeCause), 2> {
    // Only a broker's answer confirms; what the leader alone has stored may yet be lost, or not.
    let possible = |outcome, cause| match (outcome, cause) {
        (Outcome::Confirmed, cause) => cause == OutcomeCause::BrokerAnswer,
        (outcome, OutcomeCause::LeaderOnly) => outcome == Outcome::Unknown,
        _ => true,
    };
    let all = Outcome::ALL
        .into_iter()
        .flat_map(|outcome| OutcomeCause::ALL.map(|cause| (outcome, cause)));
    Pairs::new(
        make.counters(name),
        |(outcome, cause)| [outcome.name(), cause.name()],
        all.filter(|(outcome, cause)| possible(*outcome, *cause)),
    )
}

fn exemption_hits(family: &IntCounterVec, policy: &policy::Settings) -> Vec<ExemptionHits> {
    let each = policy.exemptions.iter().flat_map(|exemption| {
        exemption
            .scenarios
            .iter()
            .map(|scenario| (exemption.name.clone(), *scenario))
    });
    each.map(|(name, scenario)| {
        let counter = family.with_label_values(&[scenario.name(), &*name]);
        (name, scenario, counter)
    })
    .collect()
}
