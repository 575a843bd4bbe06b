//! The chart is in step with the code: the schema of `config` is made from the table of keys, and what dashboards and
//! alerts ask for is exported.

use super::{files_named, in_step, read, root, show};
use holdfast::config::keys::{Allowed, Default, KEYS, Key, TABLES};
use holdfast::policy::Scenario;
use holdfast::telemetry::FAMILIES;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

#[test]
fn the_charts_schema_of_config_is_the_table_of_keys() {
    let path = root().join("helm/values.schema.json");
    let mut schema: Value = serde_json::from_str(&read(&path)).expect("a JSON schema");
    schema["properties"]["config"] = schema_of_config();
    let names = Scenario::ALL.map(Scenario::name).to_vec();
    let rules = &mut schema["properties"]["metrics"]["properties"]["prometheusRule"];
    rules["properties"]["enforced"]["items"]["enum"] = json!(names);
    let pretty = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    in_step(&path, &pretty);
}

#[test]
fn every_metric_of_a_dashboard_or_an_alert_is_exported() {
    let mut unknown = Vec::new();
    for path in files_named(&root().join("helm/files"), &["json", "yaml"]) {
        for name in metrics_in(&read(&path)) {
            if !is_exported(&name) {
                unknown.push(format!("{}: {name}", show(&path)));
            }
        }
    }
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn every_alert_has_a_severity_a_summary_a_runbook_and_tests_that_fire_and_do_not() {
    let alerts = read(&root().join("helm/files/alerts.yaml"));
    let runbooks = read(&root().join("helm/README.md"));
    let tests = read(&root().join("tests/helm/alerts_test.yaml"));
    let blocks: Vec<_> = alerts.split("  - alert: ").skip(1).collect();
    assert!(blocks.len() >= 11, "{} alerts", blocks.len());
    for block in blocks {
        let name = block.lines().next().unwrap_or_default();
        for needed in ["severity:", "summary:", "description:"] {
            assert!(block.contains(needed), "{name} has no {needed}");
        }
        let heading = format!("\n### {name}\n");
        assert!(
            runbooks.contains(&heading),
            "helm/README.md has no runbook of {name}"
        );
        let uses: Vec<_> = tests
            .split("alertname: ")
            .skip(1)
            .filter(|rest| rest.lines().next() == Some(name))
            .collect();
        let silent = |rest: &&str| rest.lines().nth(1).unwrap_or_default().ends_with("[]");
        assert!(uses.iter().any(silent), "{name}: no test that it is silent");
        assert!(
            uses.iter().any(|rest| !silent(rest)),
            "{name}: no test that it fires"
        );
    }
}

#[test]
fn dashboards_have_four_rows_and_name_no_datasource() {
    for path in files_named(&root().join("helm/files/dashboards"), &["json"]) {
        let dashboard: Value = serde_json::from_str(&read(&path)).expect("JSON");
        let panels = dashboard["panels"].as_array().expect("panels");
        let rows = panels.iter().filter(|panel| panel["type"] == "row");
        assert_eq!(rows.count(), 4, "{}", show(&path));
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            let title = &panel["title"];
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(
                panel["description"].as_str().is_some(),
                "{title} has no description"
            );
        }
        let variables = dashboard["templating"]["list"]
            .as_array()
            .expect("variables");
        assert_eq!(variables[0]["type"], "datasource");
        assert_eq!(dashboard["uid"], "holdfast");
    }
}

/// `config` of the chart's values: every table and key of `gateway.toml`, and nothing else.
fn schema_of_config() -> Value {
    let mut root = table("gateway.toml, table by table and key by key.");
    for key in KEYS.iter().copied() {
        let mut place = &mut root;
        let mut path = String::new();
        for part in key.table.split('.') {
            path = match path.as_str() {
                "" => part.to_owned(),
                _ => format!("{path}.{part}"),
            };
            let slot = match part {
                "<name>" => &mut place["additionalProperties"],
                _ => &mut place["properties"][part],
            };
            // `false` is what `additionalProperties` is before an exemption's keys come.
            if !slot.is_object() {
                *slot = table(doc_of(&path));
            }
            place = slot;
        }
        place["properties"][key.name] = schema_of(key);
    }
    let exemption = &mut root["properties"]["exemptions"]["additionalProperties"];
    exemption["required"] = json!(["scenarios", "owner", "reason", "expires"]);
    root
}

fn table(doc: &str) -> Value {
    let mut table = json!({"type": "object", "additionalProperties": false, "properties": {}});
    if !doc.is_empty() {
        table["description"] = doc.replace('\n', " ").into();
    }
    table
}

fn doc_of(table: &str) -> &'static str {
    let found = TABLES.iter().find(|(name, _)| *name == table);
    found.map_or("", |(_, doc)| doc)
}

fn schema_of(key: &Key) -> Value {
    let mut schema = match &key.allowed {
        Allowed::Range(min, max, _) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Allowed::OneOf(values) => json!({"type": "string", "enum": values}),
        Allowed::Truth => json!({"type": "boolean"}),
        Allowed::Scenarios => {
            let names = Scenario::ALL.map(Scenario::name).to_vec();
            json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": names}})
        }
        Allowed::Form(form) if form.starts_with("a list") => {
            json!({"type": "array", "items": {"type": "string"}})
        }
        Allowed::Form(_) => json!({"type": "string"}),
    };
    let mut doc = key.doc.replace('\n', " ");
    if !matches!(key.allowed, Allowed::Scenarios | Allowed::OneOf(_)) && !key.doc.is_empty() {
        doc = format!("{doc} Allowed: {}.", key.allowed);
    }
    if !doc.is_empty() {
        schema["description"] = doc.into();
    }
    match key.default {
        Default::Number(number) => schema["default"] = number.into(),
        Default::Text(text) => schema["default"] = text.into(),
        Default::Truth(truth) => schema["default"] = truth.into(),
        _ => {}
    }
    schema
}

/// All `holdfast_…` and `process_…` words of a text that name metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("holdfast_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn is_exported(name: &str) -> bool {
    const PROCESS: [&str; 5] = [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ];
    let family = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    let known = |name: &str| FAMILIES.iter().any(|family| family.name == name);
    known(name) || family.is_some_and(known) || PROCESS.contains(&name)
}

/// So that the type of an empty table is not guessed.
#[test]
fn an_exemption_of_any_name_has_the_keys_of_one() {
    let schema = schema_of_config();
    let exemption = &schema["properties"]["exemptions"]["additionalProperties"];
    let keys: &Map<String, Value> = exemption["properties"].as_object().expect("keys");
    assert!(keys.contains_key("owner") && keys.contains_key("expires"));
    assert_eq!(exemption["additionalProperties"], false);
}
