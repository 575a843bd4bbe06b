//! A [`Report`] as text for people and as JSON for programs (roof). Pure.
//!
//! Names of groups and racks may hold anything: what could steer a terminal is escaped.

use super::facts::Position;
use super::report::{Check, Finding, Report, Severity, Subject};
use serde_json::{Value, json};
use std::fmt::Write;

/// Lines for one check in the text; JSON has them all.
const MAX_LINES: usize = 50;

/// The report for a terminal: one paragraph for each check that found something, the worst first.
pub fn human(report: &Report) -> String {
    let mut text = headline(report);
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        let checks = report.counts.keys();
        for check in checks.filter(|check| check.severity() == severity) {
            paragraph(&mut text, report, *check);
        }
    }
    unseen(&mut text, report);
    if !report.notes.is_empty() {
        text.push_str("\nNotes\n");
        for note in &report.notes {
            let _ = writeln!(text, "  {}", shown(note));
        }
    }
    let _ = writeln!(text, "\n{}", summary(report));
    text
}

fn headline(report: &Report) -> String {
    let seen = report.seen;
    format!(
        "Cluster {}: {}, {} ({}), {}\n",
        shown(report.cluster_id.as_deref().unwrap_or("without an id")),
        count(report.brokers.len(), "broker"),
        count(seen.topics, "topic"),
        count(seen.partitions, "partition"),
        count(seen.groups, "group"),
    )
}

fn paragraph(text: &mut String, report: &Report, check: Check) {
    let total = report.counts.get(&check).copied().unwrap_or(0);
    let findings: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.check == check)
        .collect();
    let severity = check.severity().name().to_uppercase();
    let _ = writeln!(text, "\n{severity}  {}  ({total})", check.name());
    let _ = writeln!(text, "  {}", check.meaning());
    let _ = writeln!(text, "  -> {}", check.advice());
    let lines = findings.iter().take(MAX_LINES);
    let lines: Vec<(String, String)> = lines.map(|finding| line(finding)).collect();
    let width = lines.iter().map(|(subject, _)| subject.chars().count());
    let width = width.max().unwrap_or(0);
    for (subject, found) in &lines {
        let _ = writeln!(text, "    {subject:width$}  {found}");
    }
    if total > lines.len() {
        let _ = writeln!(text, "    and {} more", total - lines.len());
    }
}

fn line(finding: &Finding) -> (String, String) {
    let subject = match &finding.subject {
        Subject::Cluster => "the cluster".to_owned(),
        Subject::Brokers(ids) => super::judge::list(ids),
        Subject::Topic { name, internal } => {
            let internal = if *internal { " (internal)" } else { "" };
            format!("topic {}{internal}", shown(name))
        }
        Subject::Group { id, state, topic } => {
            let state = state.as_deref().map(|state| format!(" ({})", shown(state)));
            let state = state.unwrap_or_default();
            format!("group {}{state}, topic {}", shown(id), shown(topic))
        }
    };
    let mut found = finding.found.clone();
    if let [first, others @ ..] = finding.partitions.as_slice() {
        let noun = if others.is_empty() {
            "partition"
        } else {
            "partitions"
        };
        let _ = write!(found, ": {noun} {first}");
        for partition in others {
            let _ = write!(found, ", {partition}");
        }
        let more = finding
            .partition_count
            .saturating_sub(finding.partitions.len());
        if more > 0 {
            let _ = write!(found, " and {more} more");
        }
    }
    if let Some(worst) = finding.positions.first() {
        let _ = write!(
            found,
            "; partition {}: committed {}, log {} to {}",
            worst.partition, worst.committed, worst.log_start, worst.log_end
        );
    }
    (subject, found)
}

fn unseen(text: &mut String, report: &Report) {
    if report.unseen.is_empty() {
        return;
    }
    text.push_str("\nNOT SEEN: nothing is said about\n");
    for unseen in &report.unseen {
        let examples: Vec<String> = unseen.examples.iter().map(|name| shown(name)).collect();
        let more = match unseen.count.saturating_sub(examples.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = examples.join(", ");
        let _ = writeln!(
            text,
            "  {} {names}{more}: {}",
            unseen.what,
            shown(&unseen.reason)
        );
    }
    if report.unseen_otherwise > 0 {
        let _ = writeln!(
            text,
            "  {} more, for other reasons",
            report.unseen_otherwise
        );
    }
}

fn summary(report: &Report) -> String {
    let (errors, warnings) = (
        report.count(Severity::Error),
        report.count(Severity::Warning),
    );
    let infos = report.count(Severity::Info);
    let found = match errors + warnings {
        0 => "Nothing found".to_owned(),
        _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    let told = match infos {
        0 => String::new(),
        infos => format!("; {infos} for information"),
    };
    let incomplete = match report.unseen.is_empty() {
        true => "",
        false => "; not everything could be seen",
    };
    format!("{found}{told}{incomplete}.")
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// Without control characters.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// The report for programs: one object, indented, with a line feed at its end.
pub fn json(report: &Report) -> String {
    let checks = report.counts.iter().map(|(check, count)| {
        json!({
            "check": check.name(),
            "severity": check.severity().name(),
            "count": count,
            "meaning": check.meaning(),
            "advice": check.advice(),
        })
    });
    let brokers = report.brokers.iter().map(|broker| {
        json!({
            "node_id": broker.node_id,
            "address": broker.server,
            "rack": broker.rack,
            "settings": broker.settings,
        })
    });
    let unseen = report.unseen.iter().map(|unseen| {
        json!({
            "what": unseen.what,
            "reason": unseen.reason,
            "count": unseen.count,
            "examples": unseen.examples,
        })
    });
    let object = json!({
        "cluster_id": report.cluster_id,
        "brokers": brokers.collect::<Vec<_>>(),
        "seen": {
            "topics": report.seen.topics,
            "partitions": report.seen.partitions,
            "groups": report.seen.groups,
        },
        "summary": {
            "errors": report.count(Severity::Error),
            "warnings": report.count(Severity::Warning),
            "infos": report.count(Severity::Info),
            "omitted": report.omitted(),
            "complete": report.unseen.is_empty(),
        },
        "checks": checks.collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "unseen": unseen.collect::<Vec<_>>(),
        "unseen_otherwise": report.unseen_otherwise,
        "notes": report.notes,
    });
    format!("{object:#}\n")
}

fn finding(finding: &Finding) -> Value {
    let mut object = json!({
        "check": finding.check.name(),
        "severity": finding.check.severity().name(),
        "found": finding.found,
    });
    match &finding.subject {
        Subject::Cluster => {}
        Subject::Brokers(ids) => object["brokers"] = json!(ids),
        Subject::Topic { name, internal } => {
            object["topic"] = json!(name.as_ref());
            object["internal"] = json!(internal);
        }
        Subject::Group { id, state, topic } => {
            object["group"] = json!(id.as_ref());
            object["state"] = json!(state);
            object["topic"] = json!(topic.as_ref());
        }
    }
    if finding.partition_count > 0 {
        object["partition_count"] = json!(finding.partition_count);
    }
    if !finding.partitions.is_empty() {
        object["partitions"] = json!(finding.partitions);
    }
    if !finding.positions.is_empty() {
        object["positions"] = finding.positions.iter().map(position).collect();
    }
    object
}

fn position(position: &Position) -> Value {
    json!({
        "partition": position.partition,
        "committed": position.committed,
        "log_start": position.log_start,
        "log_end": position.log_end,
        "overtaken": position.overtaken(),
        "beyond": position.beyond(),
        "unread": position.unread(),
        "headroom": position.headroom(),
    })
}

#[cfg(test)]
mod tests;
