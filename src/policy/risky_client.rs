//! # risky_client: a library with known bugs that lose records
//!
//! ## What it sees
//! Name and version with which a client's library introduces itself (ApiVersions, version 3 and above, KIP-511). Older
//! libraries and those that send no ApiVersions stay unknown, and an application may set the name as it likes.
//!
//! ## How records are lost
//! Inside the client, where no broker and no gateway can see it:
//! - KAFKA-19012, Java 2.8 up to 3.9.1, 4.0.1, 4.1.1: the buffer of a batch that has expired is used again while it is being
//!   sent, and records land in another topic with a valid checksum.
//! - KAFKA-8350 and KAFKA-8202, Java before 4.2: a batch much larger than the topic's limit is split for ever, or until the
//!   stack overflows, and never delivered.
//! - KAFKA-18641, Java 3.7 to 3.9 with `group.protocol=consumer`: an automatic commit may go ahead of what was processed.
//! - librdkafka before 1.9.0 (#3712): an idempotent producer starts its sequence anew when a partition goes away and comes
//!   back, and the broker takes new records for duplicates.
//! - sarama (#2619, #3354): retried messages overtake later ones; buffered ones go out without a sequence.
//!
//! ## What the gateway does
//! It counts connections of such clients, and names their bugs in `/report`. It changes nothing.
//!
//! ## What it costs
//! Nothing.
//!
//! ## When to turn it off
//! When a library was patched under its old version: exempt its client id. The list is only as new as Holdfast itself.

/// One known bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Risk {
    /// Where it is described.
    pub bug: &'static str,
    /// What happens, in a few words.
    pub what: &'static str,
    software: &'static str,
    /// Versions from the first up to, but not with, the second.
    ranges: &'static [(Version, Version)],
}

/// Major, minor, patch.
type Version = (u32, u32, u32);

const EVERY: &[(Version, Version)] = &[((0, 0, 0), (u32::MAX, 0, 0))];

/// The names are those that the libraries send.
const RISKS: [Risk; 6] = [
    Risk {
        bug: "KAFKA-19012",
        what: "records may land in another topic after a batch expires",
        software: "apache-kafka-java",
        ranges: &[
            ((2, 8, 0), (3, 9, 2)),
            ((4, 0, 0), (4, 0, 2)),
            ((4, 1, 0), (4, 1, 2)),
        ],
    },
    Risk {
        bug: "KAFKA-8350",
        what: "a batch far above the topic's limit is split for ever and not delivered",
        software: "apache-kafka-java",
        ranges: &[((0, 0, 0), (4, 2, 0))],
    },
    Risk {
        bug: "KAFKA-18641",
        what: "with group.protocol=consumer an automatic commit may skip records",
        software: "apache-kafka-java",
        ranges: &[((3, 7, 0), (4, 0, 0))],
    },
    Risk {
        bug: "librdkafka #3712",
        what: "an idempotent producer may lose records when a partition goes away and comes back",
        software: "librdkafka",
        ranges: &[((0, 0, 0), (1, 9, 0))],
    },
    Risk {
        bug: "sarama #2619",
        what: "retried records may overtake later ones",
        software: "sarama",
        ranges: EVERY,
    },
    Risk {
        bug: "sarama #3354",
        what: "an idempotent producer may send buffered records without a sequence",
        software: "sarama",
        ranges: EVERY,
    },
];

/// The known bugs of a library, by the name and version that it sent. A version that is no number is every version.
pub fn risks(name: &str, version: &str) -> impl Iterator<Item = &'static Risk> {
    let version = parsed(version);
    RISKS.iter().filter(move |risk| {
        let concerned = |range: &(Version, Version)| {
            version.is_none_or(|version| range.0 <= version && version < range.1)
        };
        // Bindings of librdkafka call themselves `confluent-kafka-python` and the like, with versions of their own.
        name == risk.software && risk.ranges.iter().any(concerned)
    })
}

/// The numbers at the start: `3.9.1`, `4.1.0-SNAPSHOT`, `2.8.1-cp1`, `v1.43.2`.
fn parsed(version: &str) -> Option<Version> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut numbers = version
        .split(['.', '-', '+'])
        .map_while(|number| number.parse::<u32>().ok());
    let major = numbers.next()?;
    let mut next = || numbers.next().unwrap_or(0);
    Some((major, next(), next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, version: &str, expected: &[&str]) {
        let found: Vec<_> = risks(name, version).map(|risk| risk.bug).collect();
        assert_eq!(found, expected, "{name} {version}");
    }

    #[test]
    fn bugs_are_told_by_name_and_version() {
        let java = "apache-kafka-java";
        check(java, "2.7.2", &["KAFKA-8350"]);
        check(java, "2.8.0", &["KAFKA-19012", "KAFKA-8350"]);
        check(java, "3.9.1", &["KAFKA-19012", "KAFKA-8350", "KAFKA-18641"]);
        check(java, "3.9.2", &["KAFKA-8350", "KAFKA-18641"]);
        check(java, "4.0.1", &["KAFKA-19012", "KAFKA-8350"]);
        check(java, "4.1.2", &["KAFKA-8350"]);
        check(java, "4.2.0", &[]);
        check(java, "4.3.1", &[]);
        check("librdkafka", "1.8.2", &["librdkafka #3712"]);
        check("librdkafka", "v2.12.1", &[]);
        check("kgo", "1.17.0", &[]);
        check("Apache-Kafka-Java", "3.9.1", &[]);
    }

    #[test]
    fn a_version_that_nobody_can_read_is_taken_for_any() {
        check("sarama", "dev", &["sarama #2619", "sarama #3354"]);
        check("librdkafka", "unknown", &["librdkafka #3712"]);
        check("librdkafka", "99999999999999999999", &["librdkafka #3712"]);
    }
}
