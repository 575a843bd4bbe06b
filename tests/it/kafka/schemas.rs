//! Kafka's own message schemas, as the kafka-clients jar carries them: every field of a response that could tell a client
//! where a broker is must be treated or be excepted here with its reason, and our tables must say what the schemas say.

use crate::support::kafka::Version;
use crate::support::process::{self, Scratch};
use holdfast::wire::api::ApiKey;
use holdfast::wire::schema::{self, Field, Kind, Versions};
use holdfast::wire::versions::{self, Treatment};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Response fields that name a host, a port, a listener or an endpoint and are passed on as they are.
const EXCEPTIONS: [(i64, &str, &str); 31] = [
    (
        15,
        "Groups.Members.ClientHost",
        "the client's address, not a broker's",
    ),
    (
        29,
        "Resources.Acls.Host",
        "part of an ACL: must be what the operator wrote",
    ),
    (
        31,
        "FilterResults.MatchingAcls.Host",
        "part of an ACL: must be what the operator wrote",
    ),
    (52, "NodeEndpoints", "Vote: controllers among themselves"),
    (
        52,
        "NodeEndpoints.Host",
        "Vote: controllers among themselves",
    ),
    (
        52,
        "NodeEndpoints.Port",
        "Vote: controllers among themselves",
    ),
    (
        53,
        "NodeEndpoints",
        "BeginQuorumEpoch: controllers among themselves",
    ),
    (
        53,
        "NodeEndpoints.Host",
        "BeginQuorumEpoch: controllers among themselves",
    ),
    (
        53,
        "NodeEndpoints.Port",
        "BeginQuorumEpoch: controllers among themselves",
    ),
    (
        54,
        "NodeEndpoints",
        "EndQuorumEpoch: controllers among themselves",
    ),
    (
        54,
        "NodeEndpoints.Host",
        "EndQuorumEpoch: controllers among themselves",
    ),
    (
        54,
        "NodeEndpoints.Port",
        "EndQuorumEpoch: controllers among themselves",
    ),
    (
        55,
        "Nodes.Listeners",
        "DescribeQuorum: controllers; the quorum tools print it, nobody connects",
    ),
    (
        55,
        "Nodes.Listeners.Host",
        "DescribeQuorum: controllers; the quorum tools print it, nobody connects",
    ),
    (
        55,
        "Nodes.Listeners.Port",
        "DescribeQuorum: controllers; the quorum tools print it, nobody connects",
    ),
    (
        59,
        "NodeEndpoints",
        "FetchSnapshot: controllers among themselves",
    ),
    (
        59,
        "NodeEndpoints.Host",
        "FetchSnapshot: controllers among themselves",
    ),
    (
        59,
        "NodeEndpoints.Port",
        "FetchSnapshot: controllers among themselves",
    ),
    (
        69,
        "Groups.Members.ClientHost",
        "the client's address, not a broker's",
    ),
    (
        77,
        "Groups.Members.ClientHost",
        "the client's address, not a broker's",
    ),
    (
        82,
        "CurrentLeader.Host",
        "UpdateRaftVoter: controllers among themselves",
    ),
    (
        82,
        "CurrentLeader.Port",
        "UpdateRaftVoter: controllers among themselves",
    ),
    (
        88,
        "EndpointInformationEpoch",
        "a number: the version of the application's own endpoints",
    ),
    (
        88,
        "PartitionsByUserEndpoint",
        "the application's `application.server`, not a broker's",
    ),
    (
        88,
        "PartitionsByUserEndpoint.UserEndpoint",
        "the application's `application.server`, not a broker's",
    ),
    (
        88,
        "PartitionsByUserEndpoint.UserEndpoint.Host",
        "the application's `application.server`, not a broker's",
    ),
    (
        88,
        "PartitionsByUserEndpoint.UserEndpoint.Port",
        "the application's `application.server`, not a broker's",
    ),
    (
        89,
        "Groups.Members.ClientHost",
        "the client's address, not a broker's",
    ),
    (
        89,
        "Groups.Members.UserEndpoint",
        "the application's `application.server`, not a broker's",
    ),
    (
        89,
        "Groups.Members.UserEndpoint.Host",
        "the application's `application.server`, not a broker's",
    ),
    (
        89,
        "Groups.Members.UserEndpoint.Port",
        "the application's `application.server`, not a broker's",
    ),
];

#[test]
fn no_response_tells_a_client_where_a_broker_is_behind_our_back() {
    let mut untreated = Vec::new();
    let mut excepted = Vec::new();
    for message in responses() {
        let key = message["apiKey"].as_i64().unwrap();
        let treated = i16::try_from(key)
            .ok()
            .and_then(|key| versions::listed(ApiKey(key)));
        let treated = treated.is_some_and(|api| {
            api.carries_endpoints
                && matches!(api.treatment, Treatment::Hot | Treatment::RewrittenResponse)
        });
        for path in addresses(&message) {
            let exception = EXCEPTIONS
                .iter()
                .find(|(excepted, field, _)| (*excepted, *field) == (key, path.as_str()));
            match exception {
                Some((_, field, _)) => excepted.push((key, *field)),
                None if treated => {}
                None => untreated.push(format!("{} ({key}) {path}", message["name"])),
            }
        }
    }
    assert!(
        untreated.is_empty(),
        "neither treated nor excepted: {untreated:#?}"
    );
    let stale = EXCEPTIONS
        .iter()
        .filter(|(key, field, _)| !excepted.contains(&(*key, *field)));
    let stale: Vec<_> = stale.collect();
    assert!(
        stale.is_empty(),
        "excepted but not in the schemas: {stale:#?}"
    );
}

#[test]
fn every_table_says_what_the_schema_says() {
    let schemas = read_schemas();
    for message in schema::MESSAGES {
        let json = schemas
            .iter()
            .find(|json| json["name"] == message.name)
            .unwrap_or_else(|| panic!("no schema {}", message.name));
        assert_eq!(json["apiKey"], message.api_key.0, "{}", message.name);
        let flexible = versions_of(&json["flexibleVersions"]).map_or(i16::MAX, |range| range.first);
        assert_eq!(flexible, message.flexible_from, "{}", message.name);
        let valid = versions_of(&json["validVersions"]).unwrap();
        for version in valid.first.max(message.versions.first)..=valid.last {
            assert!(
                message.versions.contain(version),
                "{} {version} is new",
                message.name
            );
            let mut ours = Vec::new();
            rows_of_table(message.fields, version, "", &mut ours);
            let mut kafkas = Vec::new();
            rows_of_json(json, &json["fields"], version, "", &mut kafkas);
            assert_eq!(ours, kafkas, "{} {version}", message.name);
        }
    }
}

#[test]
fn a_key_that_is_listed_is_understood_up_to_the_newest_version_of_the_schemas() {
    for json in responses() {
        let Some(api) = versions::listed(ApiKey(
            i16::try_from(json["apiKey"].as_i64().unwrap()).unwrap(),
        )) else {
            continue;
        };
        let newest = versions_of(&json["validVersions"]).unwrap().last;
        assert!(api.versions.last >= newest, "{} {newest}", json["name"]);
        let flexible = versions_of(&json["flexibleVersions"]).map_or(i16::MAX, |range| range.first);
        assert_eq!(api.flexible_from, flexible, "{}", json["name"]);
    }
}

/// `path type nullable tag` of every field that a version has, depth first.
fn rows_of_table(fields: &[Field], version: i16, parent: &str, rows: &mut Vec<String>) {
    for field in fields
        .iter()
        .filter(|field| field.versions.contain(version))
    {
        let path = format!("{parent}.{}", field.name.text());
        let nullable = field.nullable.contain(version);
        let kind = match field.kind {
            Kind::Struct(_) => "struct".to_owned(),
            Kind::Structs(_) => "[]struct".to_owned(),
            Kind::Array(element) => format!("[]{}", primitive(element)),
            ref kind => primitive(kind).to_owned(),
        };
        rows.push(format!(
            "{path} {kind} nullable={nullable} tag={:?}",
            field.tag
        ));
        if let Kind::Struct(fields) | Kind::Structs(fields) = field.kind {
            rows_of_table(fields, version, &path, rows);
        }
    }
}

fn primitive(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::I8 => "int8",
        Kind::I16 => "int16",
        Kind::U16 => "uint16",
        Kind::I32 => "int32",
        Kind::I64 => "int64",
        Kind::Uuid => "uuid",
        Kind::String => "string",
        Kind::Records => "records",
        Kind::Struct(_) | Kind::Structs(_) | Kind::Array(_) => "nested",
    }
}

fn rows_of_json(
    message: &Value,
    fields: &Value,
    version: i16,
    parent: &str,
    rows: &mut Vec<String>,
) {
    for field in fields.as_array().unwrap() {
        if !versions_of(&field["versions"]).is_some_and(|range| range.contain(version)) {
            continue;
        }
        let path = format!("{parent}.{}", snake(field["name"].as_str().unwrap()));
        let nullable =
            versions_of(&field["nullableVersions"]).is_some_and(|range| range.contain(version));
        let tag = field["tag"].as_u64();
        let nested = nested(message, field);
        let kind = field["type"].as_str().unwrap();
        let kind = match (nested.is_some(), kind.starts_with("[]")) {
            (true, true) => "[]struct",
            (true, false) => "struct",
            (false, _) => kind,
        };
        rows.push(format!("{path} {kind} nullable={nullable} tag={tag:?}"));
        if let Some(nested) = nested {
            rows_of_json(message, nested, version, &path, rows);
        }
    }
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for (position, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && position > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// The fields of a field that is a struct or an array of structs.
fn nested<'a>(message: &'a Value, field: &'a Value) -> Option<&'a Value> {
    if field["fields"].is_array() {
        return Some(&field["fields"]);
    }
    let name = field["type"].as_str()?.trim_start_matches("[]");
    let common = message["commonStructs"].as_array()?;
    common
        .iter()
        .find(|common| common["name"] == name)
        .map(|common| &common["fields"])
}

/// `0-3`, `4+`, `7`, `none`.
fn versions_of(text: &Value) -> Option<Versions> {
    let text = text.as_str().filter(|text| *text != "none")?;
    let number = |text: &str| text.parse().unwrap();
    Some(match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(first), _) => Versions {
            first: number(first),
            last: i16::MAX,
        },
        (None, Some((first, last))) => Versions {
            first: number(first),
            last: number(last),
        },
        (None, None) => Versions {
            first: number(text),
            last: number(text),
        },
    })
}

/// Paths of all fields of a response whose name speaks of an address.
fn addresses(message: &Value) -> Vec<String> {
    fn visit(message: &Value, fields: &Value, parent: &str, found: &mut Vec<String>) {
        // An API that was removed keeps its file, without fields.
        for field in fields.as_array().into_iter().flatten() {
            let name = field["name"].as_str().unwrap();
            let path = match parent {
                "" => name.to_owned(),
                parent => format!("{parent}.{name}"),
            };
            let lower = name.to_lowercase();
            let speaks = ["host", "listener", "endpoint", "address"]
                .iter()
                .any(|word| lower.contains(word))
                || lower.ends_with("port");
            if speaks {
                found.push(path.clone());
            }
            if let Some(nested) = nested(message, field) {
                visit(message, nested, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    visit(message, &message["fields"], "", &mut found);
    found
}

fn responses() -> Vec<Value> {
    let mut schemas = read_schemas();
    schemas.retain(|schema| schema["type"] == "response");
    assert!(
        schemas.len() > 80,
        "only {} responses in the jar",
        schemas.len()
    );
    schemas
}

fn read_schemas() -> Vec<Value> {
    let directory = unpacked();
    let mut schemas = Vec::new();
    for entry in std::fs::read_dir(directory.path().join("common/message")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            schemas.push(parse(&path));
        }
    }
    schemas
}

/// Kafka's schemas are JSON with lines of comment.
fn parse(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let json = lines.collect::<Vec<_>>().join("\n");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The directory with the schemas of the jar, unpacked anew: a few milliseconds.
fn unpacked() -> Scratch {
    process::require("jar", "openjdk-17-jdk-headless");
    let directory = Scratch::new("schemas");
    let version = Version::V4_3_1;
    let name = format!("kafka-clients-{}.jar", version.as_str());
    let mut jar = Command::new("jar");
    jar.arg("--extract")
        .arg("--file")
        .arg(version.libs().join(name));
    jar.arg("common/message").current_dir(directory.path());
    process::run("jar", jar, b"", Duration::from_secs(60)).ok();
    directory
}
