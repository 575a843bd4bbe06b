//! The Java and Go clients of `tests/clients`, run to their end. They write one JSON object per line, the last with
//! `"done": true`. Which flags they take is said at the top of each source.

use super::distribution::{self, Version};
use super::kafka::java_client_command;
use super::process::{self, Output, Scratch};
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);

/// A class of `tests/clients/java` with the client library of `version`: IdempotentProducer, TransactionalProducer,
/// ShareGroupConsumer (4.3.1), GroupConsumer, Commits, CommitPastEnd, ExactlyOnce, AdminCalls, OversizedInTheMiddle,
/// OversizedBeside, Tools; SteadyProducer ends with its input (`java_client_command`).
#[track_caller]
pub fn java(version: Version, class: &str, args: &[&str]) -> Output {
    process::run(
        class,
        java_client_command(version, class, args),
        b"",
        TIMEOUT,
    )
}

/// What a Java client is set to so that it logs in with a name and a password; by OAUTHBEARER with an unsigned token for the name.
pub fn java_login(mechanism: &str, (user, password): (&str, &str)) -> [String; 2] {
    let (module, options) = match mechanism {
        "OAUTHBEARER" => (
            "oauthbearer.OAuthBearer",
            format!("unsecuredLoginStringClaim_sub=\"{user}\""),
        ),
        _ => (
            match mechanism {
                "PLAIN" => "plain.Plain",
                _ => "scram.Scram",
            },
            format!("username=\"{user}\" password=\"{password}\""),
        ),
    };
    [
        format!("sasl.mechanism={mechanism}"),
        format!(
            "sasl.jaas.config=org.apache.kafka.common.security.{module}LoginModule required {options};"
        ),
    ]
}

/// Kafka's own command line tools, one after another in one JVM: each by its main class and its arguments. What each left.
#[track_caller]
pub fn tools(version: Version, calls: &[Vec<String>]) -> Vec<Ran> {
    let scratch = Scratch::new("tools");
    let file = scratch.path().join("calls");
    let lines: String = calls.iter().map(|call| call.join("\t") + "\n").collect();
    std::fs::write(&file, lines).expect("a file in the scratch directory");
    let output = java(version, "Tools", &[&file.display().to_string()]);
    let lines = output.json_lines();
    assert_eq!(lines.len(), calls.len(), "{output:?}");
    let ran = lines.iter().map(|line| Ran {
        status: line["status"].as_i64().expect("a status"),
        wrote: line["wrote"].as_str().expect("a text").to_owned(),
    });
    ran.collect()
}

/// What one tool left: its exit status, and what it wrote to both outputs.
#[derive(Debug)]
pub struct Ran {
    pub status: i64,
    pub wrote: String,
}

/// `tests/clients/franz`: produce, oversized, consume or commits.
#[track_caller]
pub fn franz(args: &[&str]) -> Output {
    process::run("franz", franz_command(args), b"", TIMEOUT)
}

/// The same, for `Process::start`.
pub fn franz_command(args: &[&str]) -> Command {
    let mut franz = Command::new(distribution::franz_binary());
    franz.args(args);
    franz
}

/// franz-go's own tests: what `go test -v -run` says. Topics are small, and of few partitions.
#[track_caller]
pub fn franz_suite(bootstrap: &str, tests: &str) -> Output {
    let mut suite = Command::new(distribution::franz_suite_binary());
    suite.args(["-test.v", "-test.parallel=4", "-test.timeout=540s"]);
    // The first reads its own source, which is not here; the second ends early when an internal topic is read before others.
    let skipped = "^(TestOptValuesCoversEveryOption|Test848RegexBrokerResolves)$";
    suite.args(["-test.run", tests, "-test.skip", skipped]);
    suite
        .env("KGO_SEEDS", bootstrap)
        .env("KGO_LOG_LEVEL", "none");
    suite
        .env("KGO_TEST_RECORDS", "5000")
        .env("KGO_TEST_MAX_TOPIC_PARTS", "3");
    process::run("franz-suite", suite, b"", Duration::from_secs(560))
}
