//! The Java and Go clients of `tests/clients`, run to their end. They write one JSON object per line, the last with
//! `"done": true`. Which flags they take is said at the top of each source.

use super::distribution::{self, Version};
use super::kafka::java_client_command;
use super::process::{self, Output};
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(120);

/// A class of `tests/clients/java` with the client library of `version`: IdempotentProducer, TransactionalProducer,
/// ShareGroupConsumer (4.3.1), GroupConsumer, CommitPastEnd, AdminCalls, OversizedInTheMiddle,
/// OversizedBeside.
#[track_caller]
pub fn java(version: Version, class: &str, args: &[&str]) -> Output {
    process::run(
        class,
        java_client_command(version, class, args),
        b"",
        TIMEOUT,
    )
}

/// `tests/clients/franz`: produce, oversized or consume.
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
