//! What was measured, for people: a table for each case while it runs, and Markdown for a README at the end. Measures nothing.

use crate::absolute::Figures;
use crate::cases::{Metric, Target};
use crate::peers::{COPY, COPY_AGAIN, DEFAULT};
use crate::stats::{Ratio, Verdict, median};
use std::fmt::Write;

/// One metric of one case, of all relays.
pub struct Row {
    pub case: String,
    pub metric: Metric,
    pub columns: Vec<Column>,
    pub judged: Vec<Judged>,
}

/// What one relay showed, round by round.
pub struct Column {
    pub relay: String,
    pub samples: Vec<f64>,
    /// To the copy of the same round.
    pub ratio: Ratio,
}

/// A target and what became of it.
pub struct Judged {
    pub target: Target,
    /// The cheapest of those that the target names.
    pub beside: String,
    pub ratio: Option<Ratio>,
    pub verdict: Verdict,
}

impl Row {
    /// `samples` by relay. The direct way is left out of what only a process can cost.
    pub fn new(
        case: String,
        metric: Metric,
        samples: Vec<(String, Vec<f64>)>,
        targets: &[Target],
    ) -> Row {
        let yardstick = samples.iter().find(|(name, _)| name == COPY);
        let yardstick = yardstick
            .map(|(_, samples)| samples.clone())
            .unwrap_or_default();
        let column = |(relay, samples): (String, Vec<f64>)| Column {
            ratio: Ratio::of(&samples, &yardstick),
            relay,
            samples,
        };
        let shown = |(name, _): &(String, Vec<f64>)| name != "direct" || !metric.of_processes;
        let columns: Vec<Column> = samples.into_iter().filter(shown).map(column).collect();
        let judged = judge(&columns, targets);
        Row {
            case,
            metric,
            columns,
            judged,
        }
    }
}

/// Against the relay whose median is the lowest: whoever is the cheapest of several by chance makes the target harder, not
/// easier.
fn judge(columns: &[Column], targets: &[Target]) -> Vec<Judged> {
    let find = |name: &str| columns.iter().find(|column| column.relay == name);
    let Some(default) = find(DEFAULT) else {
        return Vec::new();
    };
    let judged = |target: &Target| {
        let absent: Vec<&str> = target
            .beside
            .iter()
            .copied()
            .filter(|name| find(name).is_none())
            .collect();
        let there = target.beside.iter().filter_map(|name| find(name));
        let cheapest = there.min_by(|a, b| median(&a.samples).total_cmp(&median(&b.samples)));
        let ratio = cheapest.map(|cheapest| Ratio::of(&default.samples, &cheapest.samples));
        let verdict = match (ratio, absent.is_empty()) {
            (Some(ratio), true) => ratio.against(target.limit),
            _ => Verdict::NotJudged(format!("without {}", absent.join(", "))),
        };
        Judged {
            target: *target,
            beside: cheapest
                .map_or("none", |cheapest| &cheapest.relay)
                .to_owned(),
            ratio,
            verdict,
        }
    };
    targets.iter().map(judged).collect()
}

impl Judged {
    fn text(&self) -> String {
        let kind = if self.target.stretch {
            "stretch"
        } else {
            "target"
        };
        let ratio = self
            .ratio
            .map_or_else(String::new, |ratio| ratio.to_string());
        format!(
            "{kind} ≤ {:.2} × {}: {ratio} {}",
            self.target.limit, self.beside, self.verdict
        )
    }
}

/// The metrics of one case, a line for each relay.
pub fn print_case(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    println!("{}", first.case);
    let mut header = format!("  {:<15}", "relay");
    for row in rows {
        let name = format!("{} {}", row.metric.name, row.metric.unit);
        write!(header, " {name:>20}   {:<18}", "/ copy").expect("a text");
    }
    println!("{}", header.trim_end());
    let relays: Vec<&String> = rows
        .iter()
        .max_by_key(|row| row.columns.len())
        .map(|row| row.columns.iter().map(|column| &column.relay).collect())
        .unwrap_or_default();
    for relay in relays {
        let mut line = format!("  {relay:<15}");
        for row in rows {
            match row.columns.iter().find(|column| &column.relay == relay) {
                None => write!(line, " {:>20}   {:<18}", "", ""),
                Some(column) => {
                    let absolute = format!("{:.*}", row.metric.digits, median(&column.samples));
                    write!(line, " {absolute:>20}   {:<18}", column.ratio.to_string())
                }
            }
            .expect("a text");
        }
        println!("{}", line.trim_end());
    }
    for row in rows {
        for judged in &row.judged {
            println!(
                "  {DEFAULT}, {} {}: {}",
                row.metric.name,
                row.metric.unit,
                judged.text()
            );
        }
    }
    println!();
}

pub fn print_figures(figures: &[Figures]) {
    for row in figures {
        println!("{}", row.what);
        for (relay, value) in &row.by_relay {
            println!("  {relay:<15} {value:>10.1} {}", row.unit);
        }
        if let Some((target, verdict)) = &row.judged {
            println!("  {DEFAULT}: target {target}: {verdict}");
        }
        println!();
    }
}

/// Two tables: ratios to the plain copy, and absolute figures.
pub fn markdown(heading: &str, rows: &[Row], figures: &[Figures]) -> String {
    let mut text = format!("{heading}\n\n");
    if !rows.is_empty() {
        let mut relays: Vec<&str> = Vec::new();
        for column in rows.iter().flat_map(|row| &row.columns) {
            if column.relay != COPY && !relays.contains(&column.relay.as_str()) {
                relays.push(&column.relay);
            }
        }
        let mut line = format!("| | {COPY} = 1 |");
        let mut rule = "|---|---|".to_owned();
        for relay in &relays {
            write!(line, " {relay} |").expect("a text");
            rule += "---|";
        }
        writeln!(
            text,
            "{line} {DEFAULT} beside its target | |\n{rule}---|---|"
        )
        .expect("a text");
        for row in rows {
            text += &markdown_row(row, &relays);
            text += "\n";
        }
    }
    if !figures.is_empty() {
        text += "\n| | measured | target | |\n|---|---|---|---|\n";
        for row in figures {
            let measured: Vec<String> = row
                .by_relay
                .iter()
                .map(|(relay, value)| format!("{relay} {value:.1} {}", row.unit))
                .collect();
            let measured = measured.join(", ");
            let (target, verdict) = row
                .judged
                .clone()
                .map_or_else(Default::default, |(target, verdict)| {
                    (target, verdict.to_string())
                });
            writeln!(text, "| {} | {measured} | {target} | {verdict} |", row.what).expect("a text");
        }
    }
    text
}

fn markdown_row(row: &Row, relays: &[&str]) -> String {
    let find = |name: &str| row.columns.iter().find(|column| column.relay == name);
    let metric = row.metric;
    let absolute = find(COPY).map_or(f64::NAN, |copy| median(&copy.samples));
    let mut line = format!(
        "| {}, {} | {absolute:.*} {} |",
        row.case, metric.name, metric.digits, metric.unit
    );
    for relay in relays {
        match find(relay) {
            None => line += " |",
            // Of noise and of what is judged, the spread is told, too.
            Some(column) if [COPY_AGAIN, DEFAULT].contains(relay) => {
                write!(line, " {} |", column.ratio).expect("a text");
            }
            Some(column) => write!(line, " {:.2} |", column.ratio.median).expect("a text"),
        }
    }
    let targets: Vec<&Judged> = row.judged.iter().collect();
    let told: Vec<String> = targets
        .iter()
        .map(|judged| {
            let ratio = judged
                .ratio
                .map_or_else(|| "–".to_owned(), |ratio| ratio.to_string());
            let kind = if judged.target.stretch {
                "stretch "
            } else {
                ""
            };
            format!(
                "{kind}≤ {:.2} × {}: {ratio}",
                judged.target.limit, judged.beside
            )
        })
        .collect();
    let verdicts: Vec<String> = targets
        .iter()
        .map(|judged| judged.verdict.to_string())
        .collect();
    write!(line, " {} | {} |", told.join("; "), verdicts.join("; ")).expect("a text");
    line
}
