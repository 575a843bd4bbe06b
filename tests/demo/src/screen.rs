//! The numbers as text: a table for a terminal, a line for a log. Pure; `show/main.rs` writes it.

use crate::numbers::{Client, MAX_BATCH_BYTES, Numbers, OVERSIZED_BYTES};

/// What does not change while the demo runs.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The bootstrap servers of a real cluster; none for the mock.
    pub real_cluster: Option<String>,
    pub holdfast: String,
    pub metrics_url: String,
}

/// What a terminal has unless somebody drew it wider. A wrapped line would break drawing over the last screen.
const COLUMNS: usize = 80;

/// The whole screen.
pub fn table(scene: &Scene, numbers: &Numbers, seconds: u64) -> Vec<String> {
    let cluster = match &scene.real_cluster {
        Some(servers) => servers.as_str(),
        None => "three brokers (librdkafka's mock)",
    };
    let holdfast = &numbers.holdfast;
    let mut lines = vec![
        format!("clients -> Holdfast {} -> {cluster}", scene.holdfast),
        format!("metrics: {}   {seconds} s", scene.metrics_url),
        String::new(),
        format!(
            "{:<10}{:>8}{:>8}{:>7}{:>8}  what Holdfast made of it",
            "producer", "sent", "told ok", "failed", "read"
        ),
    ];
    lines.extend(row(
        "acks=0",
        &numbers.acks_none,
        &[
            format!("{} requests raised to acks=all,", holdfast.acks_none),
            format!("{} records confirmed,", holdfast.confirmed),
            format!("{} refused, {} unknown", holdfast.refused, holdfast.unknown),
        ],
    ));
    lines.extend(row(
        "acks=1",
        &numbers.acks_leader,
        &[format!(
            "{} requests raised to acks=all",
            holdfast.acks_leader
        )],
    ));
    lines.extend(row(
        "oversized",
        &numbers.oversized,
        &[format!(
            "{} batches MESSAGE_TOO_LARGE",
            holdfast.oversized_batch
        )],
    ));
    lines.push(String::new());
    lines.extend(legend(scene));
    for line in &mut lines {
        if let Some((end, _)) = line.char_indices().nth(COLUMNS) {
            line.truncate(end);
        }
    }
    lines
}

fn row(name: &str, client: &Client, made: &[String]) -> Vec<String> {
    let failed = client.told_too_large + client.told_other;
    let Client {
        sent,
        told_ok,
        read,
        ..
    } = client;
    let numbers = format!("{name:<10}{sent:>8}{told_ok:>8}{failed:>7}{read:>8}");
    let rows = made.iter().enumerate().map(|(at, made)| match at {
        0 => format!("{numbers}  {made}"),
        _ => format!("{:41}  {made}", ""),
    });
    rows.collect()
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
        "acks=0: the client is told ok when the bytes have left it, whatever becomes of".to_owned(),
        "them; Holdfast asks the brokers and keeps the books.".to_owned(),
        format!(
            "oversized: each third batch has {} KiB, max_batch_bytes is {} KiB; refused",
            OVERSIZED_BYTES >> 10,
            MAX_BATCH_BYTES >> 10
        ),
        "before a broker sees it, with the error that a broker would give.".to_owned(),
    ];
    if scene.real_cluster.is_none() {
        lines.extend(
            [
                "The mock has no replication, keeps 5 MiB per partition and ignores acks: this",
                "shows what Holdfast does. Why it matters is proven by the loss matrix of the",
                "tests, on real brokers.",
            ]
            .map(str::to_owned),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Holdfast;

    #[test]
    fn no_text_is_cut_at_80_columns_even_with_large_numbers() {
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
            holdfast: Holdfast {
                acks_none: 9_999_999,
                acks_leader: 9_999_999,
                confirmed: 99_999_999,
                refused: 9_999_999,
                unknown: 9_999_999,
                oversized_batch: 9_999_999,
            },
        };
        let scene = Scene {
            real_cluster: None,
            holdfast: "127.0.0.1:65535".to_owned(),
            metrics_url: "http://127.0.0.1:65535/metrics".to_owned(),
        };
        for line in table(&scene, &numbers, 86_400) {
            assert!(line.chars().count() < COLUMNS, "{line}");
        }
    }
}
