//! The house: what a machine can check of how the code is laid out, and that what is generated is what the code says.
//!
//! A generated file or table that differs is rewritten, and the test fails once: look at the difference and commit it.

mod chart;
mod readme;

use holdfast::config;
use holdfast::policy::Scenario;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom: own floor and lower ones. What is not listed here is not part of the house.
const FLOORS: &[(&str, u8)] = &[
    ("wire", 0),
    ("cluster", 1),
    ("ledger", 1),
    ("policy", 2),
    ("session", 3),
    ("telemetry", 4),
    ("proxy", 5),
    ("admin", 6),
    ("audit", ROOF),
    ("config", ROOF),
    ("cli", ROOF),
    ("reload", ROOF),
    ("report", ROOF),
    ("run", ROOF),
    ("main", ROOF),
];
const ROOF: u8 = 7;
/// Floors up to this one know no runtime, no sockets, no clock and no log.
const LAST_PURE_FLOOR: u8 = 3;
const IMPURE: [&str; 6] = [
    "tokio",
    "std::net",
    "socket2",
    "Instant::now",
    "SystemTime::now",
    "tracing",
];

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (file, floor) in sources() {
        let code = code_of(&file);
        for name in imported(&code) {
            match floor_of(&name) {
                Some(imported) if imported <= floor => {}
                Some(imported) => wrong.push(format!(
                    "{}: floor {floor} imports crate::{name}, floor {imported}",
                    show(&file)
                )),
                None => wrong.push(format!("{}: crate::{name} has no floor", show(&file))),
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_floors_that_decide_know_no_runtime_no_socket_no_clock_and_no_log() {
    let mut wrong = Vec::new();
    for (file, _) in sources().filter(|(_, floor)| *floor <= LAST_PURE_FLOOR) {
        // Grouped imports (`use std::{net, …}`) are spelled out by nobody here; one would be found by its members.
        let code = code_of(&file);
        for word in IMPURE.iter().filter(|word| code.contains(**word)) {
            wrong.push(format!("{}: {word}", show(&file)));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let silent = |file: &PathBuf| !read(file).starts_with("//!");
    let silent: Vec<_> = rust_files()
        .filter(silent)
        .map(|file| show(&file))
        .collect();
    assert_eq!(silent, [""; 0]);
}

#[test]
fn nothing_is_unsafe_unfinished_or_tied_to_a_machine() {
    // In pieces, so that this file is not found.
    let words = [
        concat!("un", "safe {"),
        concat!("un", "safe fn"),
        concat!("un", "safe impl"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("un", "implemented!("),
        concat!("/home", "/"),
        concat!("/wo", "rk/"),
    ];
    let others = ["README.md", "gateway.toml", "Cargo.toml"].map(|name| root().join(name));
    let mut wrong = Vec::new();
    for file in rust_files().chain(others) {
        let text = read(&file);
        for word in words.iter().filter(|word| text.contains(**word)) {
            wrong.push(format!("{}: {word}", show(&file)));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_scenario_has_one_name_everywhere() {
    const HEADINGS: [&str; 5] = [
        "What it sees",
        "How records are lost",
        "What the gateway does",
        "What it costs",
        "When to turn it off",
    ];
    for scenario in Scenario::ALL {
        let name = scenario.name();
        let manual = read(&root().join(format!("src/policy/{name}.rs")));
        assert_eq!(manual, scenario.source(), "{name}");
        assert!(manual.starts_with(&format!("//! # {name}: ")), "{name}");
        let headings: Vec<_> = manual
            .lines()
            .filter_map(|line| line.strip_prefix("//! ## "))
            .collect();
        assert_eq!(headings, HEADINGS, "{name}");
        let table = format!("policy.{name}");
        let mode = |key: &&&config::keys::Key| key.table == table && key.name == "mode";
        assert!(
            config::keys::KEYS.iter().any(|key| mode(&key)),
            "{name} has no table"
        );
        let tried = root().join(format!("tests/it/policy/{name}.rs"));
        assert!(tried.is_file(), "{} is missing", show(&tried));
        let listed = read(&root().join("tests/it/policy/mod.rs"));
        let line = format!("mod {name};");
        assert!(
            listed.lines().any(|found| found == line),
            "tests/it/policy/mod.rs has no {line}"
        );
    }
    // And one on real brokers.
    let tried: String = files_under(&root().join("tests/it/kafka"))
        .iter()
        .map(|file| read(file))
        .collect();
    let untried = Scenario::ALL.map(Scenario::name);
    let untried: Vec<_> = untried
        .into_iter()
        .filter(|name| !tried.contains(&format!("\"{name}\"")))
        .collect();
    assert_eq!(
        untried, [""; 0],
        "scenarios that no test of tests/it/kafka names"
    );
    // And the other way round: a manual that no scenario has is a rule that nobody asks.
    let manuals = rust_files().filter(|file| {
        file.starts_with(root().join("src/policy")) && read(file).starts_with("//! # ")
    });
    assert_eq!(manuals.count(), Scenario::COUNT);
}

#[test]
fn gateway_toml_is_the_complete_commented_default() {
    in_step(&root().join("gateway.toml"), &config::commented());
}

#[test]
fn what_gateway_toml_says_is_what_holds_without_it() {
    let servers = ["kafka-1:9092", "kafka-2:9092", "kafka-3:9092"].map(str::to_owned);
    let flags = config::Overrides {
        bootstrap_servers: Some(servers.to_vec()),
        ..config::Overrides::default()
    };
    let load = |name, text: &str, flags| match config::load(name, text, flags, &|_| None) {
        Ok(settings) => config::effective(&settings),
        Err(error) => panic!("{error}"),
    };
    let file = read(&root().join("gateway.toml"));
    let no_flags = config::Overrides::default();
    let with = load("gateway.toml", &file, &no_flags);
    assert_eq!(with, load("", "", &flags));
    for key in config::keys::KEYS {
        let named = |line: &str| {
            line.trim_start_matches("# ")
                .starts_with(&format!("{} = ", key.name))
        };
        assert!(file.lines().any(named), "{} is not named", key.path());
    }
}

#[test]
fn the_readme_is_in_step_with_the_code() {
    let path = root().join("README.md");
    in_step(&path, &readme::with_tables(&read(&path)));
}

#[test]
fn every_dependency_says_why_it_is_there() {
    for manifest in ["Cargo.toml", "tests/demo/Cargo.toml"] {
        let text = read(&root().join(manifest));
        let mut in_dependencies = false;
        let mut commented = false;
        for line in text.lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
                commented = false;
            }
            // One reason may cover the lines that follow it.
            commented |= line.starts_with('#');
            let declares = in_dependencies && line.contains(" = ") && !line.starts_with(['#', ' ']);
            let again = line.starts_with("tokio ");
            assert!(
                !declares || commented || again,
                "{manifest}: no reason given for {line}"
            );
        }
    }
}

/// Compares a file with what the code says that it holds, and rewrites it when it differs.
fn in_step(path: &Path, expected: &str) {
    if read(path) != expected {
        fs::write(path, expected).expect("the repository is writable");
        panic!(
            "{} differed from the code and was rewritten: look at the difference and commit it",
            show(path)
        );
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn show(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", show(path)))
}

/// The files of `src` that belong to a floor, with it.
fn sources() -> impl Iterator<Item = (PathBuf, u8)> {
    files_under(&root().join("src"))
        .into_iter()
        .filter_map(|file| {
            let inside = file.strip_prefix(root().join("src")).ok()?;
            let first = inside.components().next()?.as_os_str().to_str()?;
            let name = first.trim_end_matches(".rs");
            if name == "lib" {
                return None;
            }
            let floor = floor_of(name).unwrap_or_else(|| panic!("{} has no floor", show(&file)));
            Some((file, floor))
        })
}

fn rust_files() -> impl Iterator<Item = PathBuf> {
    ["src", "tests", "benches"]
        .into_iter()
        .flat_map(|name| files_under(&root().join(name)))
}

fn files_under(directory: &Path) -> Vec<PathBuf> {
    files_named(directory, &["rs"])
}

/// The files with these endings, at any depth, in order.
fn files_named(directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", show(&directory)));
        for entry in entries.flatten() {
            let path = entry.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(ending) if endings.contains(&ending) => files.push(path),
                _ if path.is_dir() && !path.ends_with("target") => waiting.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// The file without its comments. Text after `//` inside a string goes, too: nothing here is looked for in strings.
fn code_of(file: &Path) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned() + "\n";
    read(file).lines().map(code).collect()
}

/// The modules behind every `crate::`, also those of `use crate::{a::b, c};`.
fn imported(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (_, rest) in code
        .match_indices("crate::")
        .map(|(at, word)| code.split_at(at + word.len()))
    {
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_members(group)),
            None => names.push(leading_name(rest)),
        }
    }
    names
}

/// The first names of a brace group's members.
fn group_members(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut members) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(std::mem::take(&mut member)),
            _ if depth == 0 => member.push(character),
            _ => {}
        }
    }
    members.push(member);
    let names = members.iter().map(|member| leading_name(member.trim()));
    names.filter(|name| !name.is_empty()).collect()
}

fn leading_name(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn floor_of(name: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(floor, _)| *floor == name)
        .map(|(_, number)| *number)
}

#[test]
fn imports_are_found_in_groups_and_paths() {
    let code = "use crate::{admin, proxy::{self, settings}};\nlet x = crate::wire::api::ApiKey(3);\nuse crate::policy;";
    assert_eq!(imported(code), ["admin", "proxy", "wire", "policy"]);
}
