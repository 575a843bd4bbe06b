//! The numbers as text: a table for a terminal, a line for a log. Pure; `show/main.rs` writes it.

use crate::numbers::{Client, MAX_BATCH_BYTES, Numbers};

/// What does not change while the demo runs.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The bootstrap servers of a real cluster; none for the mock.
    pub real_cluster: Option<String>,
    pub holdfast: String,
    pub metrics_url: String,
}

/// The whole screen, no line wider than 100 columns.
pub fn table(scene: &Scene, numbers: &Numbers, seconds: u64) -> Vec<String> {
    let cluster = match &scene.real_cluster {
        Some(servers) => format!("the cluster at {servers}"),
        None => "three brokers (librdkafka's mock)".to_owned(),
    };
    let mut lines = vec![
        format!(
            "clients -> Holdfast {} -> {cluster}   {seconds} s",
            scene.holdfast
        ),
        format!("metrics: {}", scene.metrics_url),
        String::new(),
        format!(
            "{:<12}{:>9}{:>9}{:>9}  {:<40}{:>9}",
            "producer", "sent", "told ok", "failed", "what Holdfast made of it", "read"
        ),
    ];
    let row = |name: &str, client: &Client, made: String| {
        format!(
            "{:<12}{:>9}{:>9}{:>9}  {:<40}{:>9}",
            name,
            client.sent,
            client.told_ok,
            client.told_too_large + client.told_other,
            made,
            client.read
        )
    };
    let holdfast = &numbers.holdfast;
    lines.push(row(
        "acks=0",
        &numbers.acks_none,
        format!("{} requests raised to acks=all,", holdfast.acks_none),
    ));
    lines.push(format!(
        "{:41}{} records confirmed,",
        "", holdfast.confirmed
    ));
    lines.push(format!(
        "{:41}{} refused, {} unknown",
        "", holdfast.refused, holdfast.unknown
    ));
    lines.push(row(
        "acks=1",
        &numbers.acks_leader,
        format!("{} requests raised to acks=all", holdfast.acks_leader),
    ));
    lines.push(row(
        "oversized",
        &numbers.oversized,
        format!("{} batches MESSAGE_TOO_LARGE", holdfast.oversized_batch),
    ));
    lines.push(String::new());
    lines.extend(legend(scene));
    lines
}

/// One line for a log.
pub fn line(numbers: &Numbers, seconds: u64) -> String {
    let Numbers {
        acks_none,
        acks_leader,
        oversized,
        holdfast,
    } = numbers;
    format!(
        "{seconds} s: acks=0 sent {} raised {} confirmed {} refused {} unknown {} read {}; \
         acks=1 sent {} raised {} read {}; oversized sent {} ok {} too_large {} refused {} read {}",
        acks_none.sent,
        holdfast.acks_none,
        holdfast.confirmed,
        holdfast.refused,
        holdfast.unknown,
        acks_none.read,
        acks_leader.sent,
        holdfast.acks_leader,
        acks_leader.read,
        oversized.sent,
        oversized.told_ok,
        oversized.told_too_large,
        holdfast.oversized_batch,
        oversized.read
    )
}

/// What the columns mean and what the demo does not prove.
pub fn legend(scene: &Scene) -> Vec<String> {
    let mut lines = vec![
        "acks=0: the client is told ok when the bytes have left it, whatever becomes of them;"
            .to_owned(),
        "        Holdfast asks the brokers and keeps the books.".to_owned(),
        format!(
            "oversized: every third batch has 100 KiB, max_batch_bytes is {} KiB; refused before a broker",
            MAX_BATCH_BYTES >> 10
        ),
        "        sees it, with the error that a broker would give.".to_owned(),
    ];
    if scene.real_cluster.is_none() {
        lines.extend(
            [
                "The mock has no replication, keeps 5 MiB per partition and ignores acks: this shows what",
                "Holdfast does. Why it matters is proven on real brokers by the loss matrix of the tests.",
            ]
            .map(str::to_owned),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_100_columns_even_with_large_numbers() {
        let client = Client {
            sent: 99_999_999,
            told_ok: 99_999_999,
            read: 99_999_999,
            ..Client::default()
        };
        let numbers = Numbers {
            acks_none: client,
            acks_leader: client,
            oversized: client,
            ..Numbers::default()
        };
        let scene = Scene {
            real_cluster: None,
            holdfast: "127.0.0.1:65535".to_owned(),
            metrics_url: "http://127.0.0.1:65535/metrics".to_owned(),
        };
        for line in table(&scene, &numbers, 86_400) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
