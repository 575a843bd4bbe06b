//! The loss matrix: what each experiment saw, as a table. With `HOLDFAST_LOSS_TABLE=1` in the environment the experiments
//! write their rows into the README, each in its place; without it they only say them (`--nocapture`).

use std::path::Path;
use std::sync::{Mutex, PoisonError};

const BEGIN: &str = "<!-- measured: losses -->\n";
const END: &str = "<!-- end -->";
const HEAD: &str = "| experiment | way | sent | told ok | stored | lost | reported |\n|---|---|---|---|---|---|---|\n";

/// By what way the records went.
#[derive(Clone, Copy)]
pub enum Way {
    Direct,
    Through,
}

/// One line of the table.
pub struct Row {
    /// Begins with its place in the table: `01 acks=1, …`.
    pub experiment: &'static str,
    pub way: Way,
    pub sent: usize,
    /// Of how many the client was told that all is well.
    pub told_ok: usize,
    pub stored: usize,
    /// Told ok, and yet not there, or never read.
    pub lost: usize,
    /// Who said so: an error, a metric, nobody.
    pub reported: String,
}

impl Row {
    pub fn tell(&self) {
        let line = self.line();
        println!("{line}");
        if std::env::var_os("HOLDFAST_LOSS_TABLE").is_some() {
            // Experiments run side by side.
            static README: Mutex<()> = Mutex::new(());
            let _one_at_a_time = README.lock().unwrap_or_else(PoisonError::into_inner);
            let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
            let text = std::fs::read_to_string(&readme).expect("the README is there");
            std::fs::write(&readme, put_in(&text, &line)).expect("the README can be written");
        }
    }

    fn line(&self) -> String {
        let way = match self.way {
            Way::Direct => "1 direct",
            Way::Through => "2 through Holdfast",
        };
        let lost = match self.lost {
            0 => "0".to_owned(),
            lost => format!("**{}**", thousands(lost)),
        };
        format!(
            "| {} | {way} | {} | {} | {} | {lost} | {} |",
            self.experiment,
            thousands(self.sent),
            thousands(self.told_ok),
            thousands(self.stored),
            self.reported
        )
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// The text with the line in its place: instead of one of the same experiment and way, else by order.
fn put_in(text: &str, line: &str) -> String {
    let (before, rest) = text.split_once(BEGIN).expect("the README has the table");
    let (table, after) = rest.split_once(END).expect("the table has an end");
    let key = |line: &str| {
        line.split('|')
            .take(3)
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("|")
    };
    let mut lines: Vec<&str> = table
        .strip_prefix(HEAD)
        .unwrap_or_default()
        .lines()
        .collect();
    lines.retain(|other| key(other) != key(line));
    lines.push(line);
    lines.sort_by_key(|line| key(line));
    format!("{before}{BEGIN}{HEAD}{}\n{END}{after}", lines.join("\n"))
}

#[test]
fn a_row_takes_the_place_of_the_one_before_it() {
    let row = |experiment, way, lost| Row {
        experiment,
        way,
        sent: 12_345,
        told_ok: 5,
        stored: 5,
        lost,
        reported: "nobody".into(),
    };
    let empty = format!("a\n{BEGIN}{HEAD}{END}\nb\n");
    let mut text = empty.clone();
    for row in [
        row("02 two", Way::Direct, 0),
        row("01 one", Way::Through, 0),
        row("01 one", Way::Direct, 7),
        row("01 one", Way::Direct, 1_007),
    ] {
        text = put_in(&text, &row.line());
    }
    let expected = format!(
        "a\n{BEGIN}{HEAD}\
         | 01 one | 1 direct | 12 345 | 5 | 5 | **1 007** | nobody |\n\
         | 01 one | 2 through Holdfast | 12 345 | 5 | 5 | 0 | nobody |\n\
         | 02 two | 1 direct | 12 345 | 5 | 5 | 0 | nobody |\n{END}\nb\n"
    );
    assert_eq!(text, expected);
}
