//! When a former acks=0 request must not wait for replicas. A broker works on one request of a connection at a time, so what
//! a client sends behind its acks=0 requests waits for all of them; without Holdfast it would not. Two things cannot wait:
//! anything, where replicas are slow to answer; and the client's proving itself anew before the broker hangs up (KIP-368).
//! Nothing is stored less for it: nobody repeats an acks=0 request, whatever became of it.

use super::event::Degradation;
use super::inflight::Pending;

/// The broker has owed the answer to a former acks=0 request for that long: replicas are slow.
const SLOW_US: u64 = 2_000_000;
/// They are asked again after that.
const AGAIN_US: u64 = 5_000_000;
/// Clients authenticate again when 85 % of the session have passed (Java, at the earliest), or some seconds before its end
/// (franz-go). A backlog needs its time before that.
const LEAD_PERCENT: u64 = 15;
const LEAD_MS: u64 = 30_000;

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
    slow_until_us: u64,
    /// From when on the client is about to authenticate anew; until it begins to.
    expires_soon_from_us: Option<u64>,
    /// The client had to wait for answers to its acks=0 requests: it has a backlog in front of us.
    held_back: bool,
}

impl Haste {
    /// Why acks=0 is not to become all at this moment. `front`: the oldest request that waits for its answer.
    pub fn reason(&mut self, now_us: u64, front: Option<&Pending>) -> Option<Degradation> {
        let owed_since = front
            .filter(|front| front.absorbed_bytes > 0)
            .map(|front| front.since_us);
        if owed_since.is_some_and(|since_us| now_us.saturating_sub(since_us) >= SLOW_US) {
            self.replicas_are_slow(now_us);
        }
        if now_us < self.slow_until_us {
            return Some(Degradation::SlowReplicas);
        }
        let soon = self.expires_soon_from_us.is_some_and(|from| now_us >= from);
        (soon && self.held_back).then_some(Degradation::Reauthentication)
    }

    pub fn replicas_are_slow(&mut self, now_us: u64) {
        self.slow_until_us = now_us.saturating_add(AGAIN_US);
    }

    pub fn held_back(&mut self) {
        self.held_back = true;
    }

    /// The broker accepted the client. `told_ms`: what the client knows of how long; 0 or less: for ever.
    pub fn authenticated(&mut self, now_us: u64, told_ms: i64) {
        let lifetime_ms = u64::try_from(told_ms).unwrap_or(0);
        let lead_ms = (lifetime_ms / 100 * LEAD_PERCENT + LEAD_MS).min(lifetime_ms / 2);
        let from_us = now_us.saturating_add((lifetime_ms - lead_ms).saturating_mul(1_000));
        self.expires_soon_from_us = (lifetime_ms > 0).then_some(from_us);
        self.held_back = false;
    }

    /// Its handshake is here: it sends nothing more until it is accepted.
    pub fn authenticates(&mut self) {
        self.expires_soon_from_us = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn the_last_part_of_a_session_is_for_the_backlog() {
        let check = |told_ms, expected: Option<u64>| {
            let mut haste = Haste::default();
            haste.authenticated(SECOND_US, told_ms);
            let from_us = haste.expires_soon_from_us;
            assert_eq!(from_us, expected.map(|s| s * SECOND_US), "{told_ms}");
        };
        check(0, None);
        check(-1, None);
        check(10_000, Some(1 + 5));
        check(100_000, Some(1 + 55));
        check(3_600_000, Some(1 + 3_600 - 540 - 30));
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
        assert_eq!(haste.reason(9 * SECOND_US, None), None);
        haste.held_back();
        assert_eq!(haste.reason(4 * SECOND_US, None), None);
        let reason = haste.reason(5 * SECOND_US, None);
        assert_eq!(reason, Some(Degradation::Reauthentication));
        haste.authenticates();
        assert_eq!(haste.reason(6 * SECOND_US, None), None);
    }
}
