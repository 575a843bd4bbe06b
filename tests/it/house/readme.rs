//! The README's tables, made from the code: scenarios, the audit's checks, metrics, limits, versions.

use holdfast::audit::Check;
use holdfast::cli;
use holdfast::config::keys::{Default, KEYS, Key};
use holdfast::policy::{Preset, Scenario};
use holdfast::telemetry::FAMILIES;
use holdfast::wire::versions::{TABLE, Treatment};
use std::fmt::Write;

/// The README with every table between `<!-- generated: name -->` and `<!-- end -->` made anew.
pub fn with_tables(text: &str) -> String {
    let tables = [
        ("scenarios", scenarios()),
        ("audit", checks()),
        ("metrics", metrics()),
        ("limits", limits()),
        ("versions", versions()),
    ];
    let mut result = text.to_owned();
    for (name, table) in tables {
        let begin = format!("<!-- generated: {name} -->\n");
        let (before, rest) = result
            .split_once(&begin)
            .unwrap_or_else(|| panic!("README.md has no {begin}"));
        let (_, after) = rest
            .split_once("<!-- end -->")
            .unwrap_or_else(|| panic!("README.md: {name} has no end"));
        result = format!("{before}{begin}{table}<!-- end -->{after}");
    }
    result
}

fn scenarios() -> String {
    let mut table = String::from(
        "| scenario | what it is about | default | strict | metric |\n|---|---|---|---|---|\n",
    );
    for scenario in Scenario::ALL {
        let name = scenario.name();
        let families = [
            (scenario.overrides(), "holdfast_overrides_total"),
            (
                !scenario.refuses_with().is_empty(),
                "holdfast_rejections_total",
            ),
            (scenario.counts(), "holdfast_observations_total"),
        ];
        let families = families.into_iter().filter(|(has, _)| *has);
        let families: Vec<_> = families
            .map(|(_, family)| format!("`{family}{{scenario=\"{name}\"}}`"))
            .collect();
        let _ = writeln!(
            table,
            "| `{name}` | {} | {} | {} | {} |",
            cli::title(scenario),
            scenario.preset(Preset::Default).name(),
            scenario.preset(Preset::Strict).name(),
            families.join(", ")
        );
    }
    table
}

fn checks() -> String {
    let mut table = String::from("| check | severity | what follows from it |\n|---|---|---|\n");
    for check in Check::ALL {
        let (name, severity) = (check.name(), check.severity().name());
        let _ = writeln!(table, "| `{name}` | {severity} | {} |", check.meaning());
    }
    table
}

fn metrics() -> String {
    let mut table = String::from("| metric | type | labels | |\n|---|---|---|---|\n");
    for family in FAMILIES {
        let labels: Vec<_> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let help = family.help.replace('_', "\\_").replace('*', "\\*");
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {help} |",
            family.name,
            family.kind.name(),
            labels.join(" ")
        );
    }
    table
}

fn limits() -> String {
    let mut table = String::from("| key | default | allowed | metric |\n|---|---|---|---|\n");
    for key in KEYS.iter().filter(|key| {
        key.table == "limits" || key.name.ends_with("timeout_ms") || key.name == "max_request_bytes"
    }) {
        let default = match key.default {
            Default::Number(number) => number.to_string(),
            Default::Truth(truth) => truth.to_string(),
            Default::Text(text) => text.to_owned(),
            Default::Unset(then, _) => format!("`{then}`"),
            Default::Required(_) => "none".to_owned(),
        };
        let _ = writeln!(
            table,
            "| `{}` | {default} | {} | {} |",
            key.path(),
            key.allowed,
            metric_of(key)
        );
    }
    table
}

/// Where it shows that a limit was reached.
fn metric_of(key: &Key) -> String {
    let rejected = "`holdfast_client_connections_rejected_total";
    let closed = "`holdfast_client_connections_closed_total";
    match key.name {
        "max_connections" | "max_connections_per_ip" => {
            format!("{rejected}{{limit=\"{}\"}}`", key.name)
        }
        "max_in_flight" | "max_absorbed_in_flight" | "max_absorbed_bytes" => {
            format!(
                "`holdfast_client_paused_seconds_total{{limit=\"{}\"}}`",
                key.name
            )
        }
        "buffer_bytes" | "announced_bytes" => {
            let paused = "`holdfast_client_paused_seconds_total";
            let name = key.name;
            format!("`holdfast_{name}`, {paused}{{limit=\"{name}\"}}`")
        }
        "pipes" => "`holdfast_spliced_bytes_total`, which does not grow".into(),
        "header_timeout_ms" => format!("{closed}{{cause=\"header_timeout\"}}`"),
        "frame_timeout_ms" => format!("{closed}{{cause=\"frame_stalled\"}}`"),
        "idle_timeout_ms" => format!("{closed}{{cause=\"idle\"}}`"),
        "write_stall_timeout_ms" => format!("{closed}{{cause=\"write_stalled\"}}`"),
        "budget_timeout_ms" => format!("{closed}{{cause=\"budget_timeout\"}}`"),
        "connect_timeout_ms" => "`holdfast_upstream_errors_total{kind=\"timeout\"}`".into(),
        "lookup_timeout_ms" => "`holdfast_unverified_total`".into(),
        "tcp_user_timeout_ms" => "`holdfast_upstream_errors_total{kind=\"reset\"}`".into(),
        "timeout_ms" | "close_drain_timeout_ms" => {
            "`holdfast_acks0_records_total{cause=\"close_deadline\"}`".into()
        }
        "max_request_bytes" => format!(
            "{closed}{{cause=\"frame_size\"}}`, `holdfast_rejections_total{{scenario=\"oversized_request\"}}`"
        ),
        _ => String::new(),
    }
}

fn versions() -> String {
    let mut table =
        String::from("| API | key | versions understood | what is done |\n|---|---|---|---|\n");
    for api in TABLE {
        let treated = match api.treatment {
            Treatment::Hot => "read while it streams by, patched in place",
            Treatment::RewrittenResponse => "broker addresses in answers are replaced",
            Treatment::Judged => {
                "requests are judged whole, refused parts are answered by Holdfast"
            }
            Treatment::Advertised => "cut to this table",
            Treatment::Handshake => "says what follows on the connection",
        };
        let range = format!("{}–{}", api.versions.first, api.versions.last);
        let _ = writeln!(
            table,
            "| {} | {} | {range} | {treated} |",
            api.key.name(),
            api.key.0
        );
    }
    table
}
