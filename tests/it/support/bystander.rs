//! A client of good manners beside an attack: what it waited for meanwhile, and what the attack cost the program in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A request is due so often, whether the one before was answered or not: what waits behind a slow answer waited, too.
const EVERY: Duration = Duration::from_millis(20);
/// Fewer answers say nothing about the slowest in a hundred.
const LEAST_ANSWERS: usize = 20;

/// What was seen during an attack.
#[derive(Debug)]
pub struct Seen {
    /// From when each request was due to its answer, ascending.
    pub waited: Vec<Duration>,
    /// Resident memory on top of what there was before, at most.
    pub added_bytes: u64,
}

/// Runs `attack` while `ask` sends one request after the other and panics without its answer, and the memory of the process
/// is weighed. `what` is printed with the figures.
pub fn beside<T>(
    what: &str,
    pid: u32,
    mut ask: impl FnMut() + Send,
    attack: impl FnOnce() -> T,
) -> (T, Seen) {
    // What is made once is made here.
    (0..3).for_each(|_| ask());
    let before = resident_bytes(pid);
    let over = AtomicBool::new(false);
    let begun = Instant::now();
    let (came, mut waited, most) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| asked(ask, &over));
        let weighing = scope.spawn(|| most_resident(pid, &over));
        // Also when the attack panics: the others are waited for.
        let ends = Ends(&over);
        let came = attack();
        drop(ends);
        let waited = asking.join().expect("answers while others attack");
        (came, waited, weighing.join().expect("a living process"))
    });
    waited.sort_unstable();
    let seen = Seen {
        waited,
        added_bytes: most.saturating_sub(before),
    };
    println!(
        "{what}: {:?}, {} answers, p50 {:?}, p99 {:?}, most {:?}; {} KiB resident before, {} KiB more at most",
        begun.elapsed(),
        seen.waited.len(),
        seen.quantile(50),
        seen.quantile(99),
        seen.quantile(100),
        before / 1024,
        seen.added_bytes / 1024,
    );
    (came, seen)
}

impl Seen {
    pub fn quantile(&self, percent: usize) -> Duration {
        let last = self.waited.len().saturating_sub(1);
        let at = (self.waited.len() * percent / 100).min(last);
        self.waited.get(at).copied().unwrap_or_default()
    }

    /// The slowest in a hundred waited no longer than that, and no more memory was taken.
    #[track_caller]
    pub fn assert(&self, p99: Duration, added_bytes: u64) {
        assert!(
            self.waited.len() >= LEAST_ANSWERS,
            "{} answers",
            self.waited.len()
        );
        let found = self.quantile(99);
        assert!(found <= p99, "p99 of {found:?}, at most {p99:?}");
        let added = self.added_bytes;
        assert!(added <= added_bytes, "{added} bytes, at most {added_bytes}");
    }
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn asked(mut ask: impl FnMut(), over: &AtomicBool) -> Vec<Duration> {
    let (mut due, mut waited) = (Instant::now(), Vec::new());
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        ask();
        waited.push(due.elapsed());
        due += EVERY;
    }
    waited
}

fn most_resident(pid: u32, over: &AtomicBool) -> u64 {
    let mut most = 0;
    while !over.load(Ordering::Relaxed) {
        most = most.max(resident_bytes(pid));
        std::thread::sleep(Duration::from_millis(50));
    }
    most.max(resident_bytes(pid))
}

/// As the system counts it.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    1024 * kib
        .expect("a resident size")
        .parse::<u64>()
        .expect("a number")
}

#[test]
fn the_slowest_in_a_hundred_is_told_and_who_waits_behind_a_slow_answer_waited_too() {
    let waited = (1..=200).map(Duration::from_millis).collect();
    let seen = Seen {
        waited,
        added_bytes: 7,
    };
    seen.assert(Duration::from_millis(199), 7);
    for (p99, bytes) in [(198, 7), (199, 6)] {
        let judge = || seen.assert(Duration::from_millis(p99), bytes);
        assert!(std::panic::catch_unwind(judge).is_err(), "{p99} {bytes}");
    }
    assert_eq!(seen.quantile(50), Duration::from_millis(101));
    assert_eq!(seen.quantile(99), Duration::from_millis(199));
    assert_eq!(seen.quantile(100), Duration::from_millis(200));
    let mut slow = true;
    let ask = || {
        if std::mem::take(&mut slow) {
            std::thread::sleep(10 * EVERY);
        }
    };
    let over = AtomicBool::new(false);
    let waited = std::thread::scope(|scope| {
        let asking = scope.spawn(|| asked(ask, &over));
        std::thread::sleep(15 * EVERY);
        over.store(true, Ordering::Relaxed);
        asking.join().expect("no panic")
    });
    let behind = waited.iter().filter(|span| **span >= 5 * EVERY).count();
    assert!(behind >= 4, "{waited:?}");
}
