//! `holdfast report` (roof): asks a running gateway for its `/report` and makes a table of it for people. Prints nothing.

use crate::admin::report::{ByMode, Client, Exemption, Report, ScenarioCounts};
use crate::config;
use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime};

/// For connecting, and between two pieces of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A report has some megabytes at most: five hundred clients with fifty topics each.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;
/// As much of a name as a table shows.
const MAX_CELL_CHARS: usize = 40;
/// Topics that a table names of one client.
const SHOWN_TOPICS: usize = 3;

/// The JSON document that the gateway's admin port at `address` (HOST:PORT, also with http:// in front) gives.
///
/// # Errors
/// Nobody answers there, or something else does; the text says which.
pub fn fetch(address: &str) -> Result<String, String> {
    let address = host_and_port(address)?;
    let failed = |error: io::Error| {
        format!(
            "no report from {address}: {error}; --admin names the admin port of a running gateway as HOST:PORT ([admin] bind)"
        )
    };
    let answer = ask(address).map_err(failed)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().unwrap_or_default();
    match status.strip_prefix("HTTP/1.1 ") {
        Some(status) if status.starts_with("200") => Ok(body.to_owned()),
        _ => Err(format!(
            "no report from {address}: answered {:?}; --admin names the admin port of a running gateway as HOST:PORT ([admin] bind)",
            status.chars().take(80).collect::<String>()
        )),
    }
}

/// As a browser shows the address of the page, too.
fn host_and_port(address: &str) -> Result<&str, String> {
    if address.starts_with("https://") {
        return Err(format!(
            "--admin: found {address:?}; allowed: HOST:PORT or http://HOST:PORT (the admin port speaks no TLS)"
        ));
    }
    let rest = address.strip_prefix("http://").unwrap_or(address);
    let end = rest.find('/').unwrap_or(rest.len());
    Ok(&rest[..end])
}

fn ask(address: &str) -> io::Result<Vec<u8>> {
    let mut last = io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return exchange(stream, &address.to_string()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut stream: TcpStream, host: &str) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET /report HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The document as a table.
///
/// # Errors
/// It is none of Holdfast's.
pub fn table(json: &str) -> Result<String, String> {
    let report: Report = serde_json::from_str(json)
        .map_err(|error| format!("the report cannot be read: {error}"))?;
    let mut text = format!(
        "Holdfast {}, preset {}, {}\n",
        shown(&report.version),
        shown(&report.preset),
        shown(&report.readiness)
    );
    for broker in &report.brokers {
        let rack = broker
            .rack
            .as_deref()
            .map(|rack| format!(", rack {}", shown(rack)));
        let _ = writeln!(
            text,
            "broker {}: {}:{}{}",
            broker.node_id,
            shown(&broker.host),
            broker.port,
            rack.unwrap_or_default()
        );
    }
    text += "\n";
    text += &needs(&report);
    text += &aligned(
        &[
            "SCENARIO",
            "MODE",
            "CHANGED",
            "REFUSED",
            "WOULD BE",
            "COUNTED",
            "EXEMPTED",
            "UNVERIFIED",
        ],
        report.scenarios.iter().map(scenario_row).collect(),
    );
    text += LEGEND;
    text += &weak_topics(&report);
    text += &exemptions(&report);
    let mut clients: Vec<_> = report.clients.iter().map(client_row).collect();
    if report.clients_left_out > 0 {
        let mut others = client_row(&report.others);
        others[0] = format!("({} others)", report.clients_left_out);
        clients.push(others);
    }
    text += &aligned(
        &[
            "CLIENT ID",
            "PRINCIPAL",
            "LIBRARY",
            "OPEN",
            "REQUESTS",
            "ACKS 0/1/ALL",
            "IDEMPOTENT",
            "LARGEST BATCH",
            "TOPICS",
            "ERRORS",
            "KNOWN BUGS",
        ],
        clients,
    );
    text += "\nIdempotence, largest batch and topics are of sampled requests.\n";
    Ok(text)
}

/// What the columns count, and where to read on.
const LEGEND: &str = "\
Changed: requests; refused: parts of requests; would be: both, where the mode is observe; counted: in the unit of its scenario;
unverified: forwarded because a look-up that a refusal rests on was not answered. `holdfast explain SCENARIO` tells of one.

";

/// What a human should know, the gravest first.
fn needs(report: &Report) -> String {
    let mut text = String::new();
    for need in &report.needs {
        let level = shown(&need.level).to_uppercase();
        let _ = writeln!(text, "{level:<4}  {}", printable(&need.text));
    }
    if !report.needs.is_empty() {
        text += "\n";
    }
    text
}

fn weak_topics(report: &Report) -> String {
    let topics = report.weak_topics.iter();
    let mut rows: Vec<_> = topics
        .map(|topic| vec![shown(&topic.name), printable(&topic.why)])
        .collect();
    if report.weak_topics_left_out > 0 {
        rows.push(vec![format!("({} others)", report.weak_topics_left_out)]);
    }
    section(&["WEAK TOPIC", "WHY"], rows)
}

fn exemptions(report: &Report) -> String {
    let row = |exemption: &Exemption| {
        let scenarios = exemption.scenarios.iter().map(|name| shown(name));
        vec![
            shown(&exemption.name),
            or_none(scenarios.collect()),
            shown(&exemption.owner),
            exemption.expires.map_or("-".to_owned(), last_day),
            exemption.hits.to_string(),
        ]
    };
    section(
        &["EXEMPTION", "SCENARIOS", "OWNER", "ENDS", "HITS"],
        report.exemptions.iter().map(row).collect(),
    )
}

/// On which it still works.
fn last_day(expires: u64) -> String {
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expires));
    end.and_then(config::last_day).unwrap_or("-".to_owned())
}

/// A table of its own, where there is anything to be shown.
fn section(head: &[&str], rows: Vec<Vec<String>>) -> String {
    match rows.is_empty() {
        true => String::new(),
        false => aligned(head, rows) + "\n",
    }
}

fn scenario_row(counts: &ScenarioCounts) -> Vec<String> {
    let ByMode { observe, enforce } = counts.overrides;
    let observed = counts.observations.exact + counts.observations.partial;
    vec![
        shown(&counts.name),
        shown(&counts.mode),
        enforce.to_string(),
        counts.rejections.enforce.to_string(),
        (observe + counts.rejections.observe).to_string(),
        observed.to_string(),
        counts.exempted.to_string(),
        counts.unverified.to_string(),
    ]
}

fn client_row(client: &Client) -> Vec<String> {
    let library = match (&client.software, &client.software_version) {
        (Some(name), Some(version)) => format!("{} {}", shown(name), shown(version)),
        _ => "-".to_owned(),
    };
    let acks = client.acks;
    let largest = match client.largest_batch_bytes {
        0 => "-".to_owned(),
        bytes => bytes.to_string(),
    };
    let errors = client.errors.iter();
    let errors: Vec<_> = errors
        .map(|(code, count)| format!("{} {count}", shown(code)))
        .collect();
    let bugs: Vec<_> = client
        .known_bugs
        .iter()
        .map(|bug| shown(&bug.bug))
        .collect();
    vec![
        client.client_id.as_deref().map_or("-".to_owned(), shown),
        client.principal.as_deref().map_or("-".to_owned(), shown),
        library,
        client.open_connections.to_string(),
        client.requests.to_string(),
        format!("{}/{}/{}", acks.none, acks.leader, acks.all),
        (if client.idempotent { "yes" } else { "no" }).to_owned(),
        largest,
        topics(client),
        or_none(errors),
        or_none(bugs),
    ]
}

fn topics(client: &Client) -> String {
    let mut names: Vec<_> = client
        .topics
        .iter()
        .take(SHOWN_TOPICS)
        .map(|name| shown(name))
        .collect();
    let more = client.topics.len().saturating_sub(SHOWN_TOPICS);
    match (more, client.topics_left_out) {
        (0, 0) => {}
        (more, 0) => names.push(format!("{more} more")),
        (more, _) => names.push(format!("more than {more} more")),
    }
    or_none(names)
}

fn or_none(words: Vec<String>) -> String {
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}

/// A name as a terminal may see it: clients choose some of them.
fn shown(name: &str) -> String {
    let cell: String = name.chars().take(MAX_CELL_CHARS).collect();
    let mut cell = printable(&cell);
    if name.chars().nth(MAX_CELL_CHARS).is_some() {
        cell.push('…');
    }
    cell
}

/// A sentence of the gateway's, in which names may stand.
fn printable(text: &str) -> String {
    // What is only quoted by escape_debug is no danger to a terminal.
    let safe = |c: char| match c {
        '\'' | '"' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(safe).collect()
}

fn aligned(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut lines = vec![
        head.iter()
            .map(|title| (*title).to_owned())
            .collect::<Vec<_>>(),
    ];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(text, "{}", padded.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::report::{Acks, Bug, Need, WeakTopic};

    #[test]
    fn a_table_shows_what_the_document_says() {
        let report = Report {
            version: "1.2.3".into(),
            preset: "strict".into(),
            readiness: "ready".into(),
            scenarios: vec![ScenarioCounts {
                name: "acks_none".into(),
                mode: "enforce".into(),
                overrides: ByMode {
                    observe: 2,
                    enforce: 7,
                },
                exempted: 3,
                ..ScenarioCounts::default()
            }],
            clients: vec![Client {
                client_id: Some("app\x1b[2J".into()),
                principal: Some("User:alice".into()),
                software: Some("librdkafka".into()),
                software_version: Some("1.8.2".into()),
                acks: Acks {
                    none: 5,
                    leader: 0,
                    all: 4,
                },
                topics: ["a", "b", "c", "d"].map(str::to_owned).into(),
                errors: [("MESSAGE_TOO_LARGE".to_owned(), 9)].into(),
                known_bugs: vec![Bug {
                    bug: "librdkafka #3712".into(),
                    what: String::new(),
                }],
                ..Client::default()
            }],
            clients_left_out: 8,
            needs: vec![Need {
                level: "look".into(),
                text: "topic \"a\x1b[2J\" isn't strong".into(),
            }],
            weak_topics: vec![WeakTopic {
                name: "orders".into(),
                why: "replication factor 1, wanted 3 or more".into(),
            }],
            weak_topics_left_out: 4,
            exemptions: vec![Exemption {
                name: "metrics".into(),
                scenarios: vec!["acks_none".into(), "acks_leader".into()],
                owner: "team-a".into(),
                expires: Some(1_801_440_000),
                hits: 12,
                ..Exemption::default()
            }],
            ..Report::default()
        };
        let text = table(&serde_json::to_string(&report).expect("JSON")).expect("a table");
        for words in [
            "Holdfast 1.2.3, preset strict, ready",
            "acks_none  enforce  7        0        2         0        3         0\n",
            "LOOK  topic \"a\\u{1b}[2J\" isn't strong\n",
            "orders      replication factor 1, wanted 3 or more\n(4 others)\n",
            "metrics    acks_none, acks_leader  team-a  2027-01-31  12\n",
            "`holdfast explain SCENARIO`",
            "app\\u{1b}[2J  User:alice  librdkafka 1.8.2  0     0         5/0/4",
            "a, b, c, 1 more",
            "MESSAGE_TOO_LARGE 9",
            "librdkafka #3712\n",
            "(8 others)",
        ] {
            assert!(text.contains(words), "{words:?} in\n{text}");
        }
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn the_admin_port_may_be_named_as_a_browser_does() {
        for address in [
            "h:9901",
            "http://h:9901",
            "http://h:9901/",
            "http://h:9901/report",
        ] {
            assert_eq!(host_and_port(address), Ok("h:9901"));
        }
        let error = host_and_port("https://h:9901").expect_err("no TLS");
        assert!(
            error.contains("allowed: HOST:PORT or http://HOST:PORT"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_report_is_said_to_be_none() {
        assert!(
            table("<html>")
                .expect_err("no JSON")
                .starts_with("the report cannot be read: ")
        );
    }
}
