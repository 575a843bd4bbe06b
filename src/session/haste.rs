//! When a former acks=0 request must not wait for replicas. A broker works on one request of a connection at a time, so what
//! a client sends behind its acks=0 requests waits for all of them; without Holdfast it would not. One thing cannot wait:
//! the client's proving itself anew before the broker hangs up (KIP-368). Nothing is stored less for it: nobody repeats an
//! acks=0 request, whatever became of it.

/// A session that is told to last longer leaves a backlog the time that it needs: of what is told too early, and behind the
/// 95 % of a session at which Java authenticates anew at the latest.
const SHORT_MS: u64 = 120_000;

/// Of a session's end the client is told that much too early, at most; of a short session's half.
const TOLD_EARLY_MS: i64 = 60_000;
/// Brokers refuse who authenticates twice within a second; a session is not told to be shorter for our sake.
const LEAST_TOLD_MS: i64 = 3_000;

/// How long the client is told that it is accepted, so that it begins early to prove itself anew.
pub(super) fn told_lifetime_ms(lifetime_ms: i64) -> i64 {
    let early_ms = TOLD_EARLY_MS.min(lifetime_ms / 2);
    (lifetime_ms - early_ms).max(LEAST_TOLD_MS.min(lifetime_ms))
}

/// What one connection knows about it.
#[derive(Debug, Default)]
pub(super) struct Haste {
    /// From when on a backlog would be in the way, in a short session; until the client authenticates.
    from_us: Option<u64>,
    /// The client had to wait for answers to its acks=0 requests: it has a backlog in front of us.
    held_back: bool,
}

impl Haste {
    /// Whether acks=0 is not to become all at this moment.
    pub fn hurries(&self, now_us: u64) -> bool {
        self.held_back && self.from_us.is_some_and(|from_us| now_us >= from_us)
    }

    pub fn held_back(&mut self) {
        self.held_back = true;
    }

    /// The broker accepted the client. `told_ms`: what the client knows of how long; 0 or less: for ever.
    pub fn authenticated(&mut self, now_us: u64, told_ms: i64) {
        let told_ms = u64::try_from(told_ms).unwrap_or(0);
        self.from_us = (1..=SHORT_MS)
            .contains(&told_ms)
            .then(|| now_us.saturating_add(told_ms * 1_000 / 2));
        self.held_back = false;
    }

    /// Its handshake is here: it sends nothing more until it is accepted.
    pub fn authenticates(&mut self) {
        self.from_us = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn the_second_half_of_a_short_session_is_for_the_backlog() {
        let check = |told_ms, expected: Option<u64>| {
            let mut haste = Haste::default();
            haste.authenticated(SECOND_US, told_ms);
            let from_us = haste.from_us;
            assert_eq!(from_us, expected.map(|s| s * SECOND_US), "{told_ms}");
        };
        check(0, None);
        check(-1, None);
        check(10_000, Some(1 + 5));
        check(120_000, Some(1 + 60));
        check(120_001, None);
        check(i64::MAX, None);
    }

    #[test]
    fn a_client_is_told_of_half_a_short_session_and_of_all_but_a_minute_of_a_long_one() {
        for (lifetime_ms, told_ms) in [
            (0, 0),
            (1, 1),
            (2_000, 2_000),
            (4_000, 3_000),
            (10_000, 5_000),
            (120_000, 60_000),
            (3_600_000, 3_540_000),
            (i64::MAX, i64::MAX - 60_000),
        ] {
            assert_eq!(told_lifetime_ms(lifetime_ms), told_ms);
        }
    }

    #[test]
    fn only_a_client_that_was_held_back_is_in_a_hurry_to_authenticate() {
        let mut haste = Haste::default();
        haste.authenticated(0, 10_000);
        assert!(!haste.hurries(9 * SECOND_US));
        haste.held_back();
        assert!(!haste.hurries(4 * SECOND_US));
        assert!(haste.hurries(5 * SECOND_US));
        haste.authenticates();
        assert!(!haste.hurries(6 * SECOND_US));
    }
}
