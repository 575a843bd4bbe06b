//! What a connection waits for, for how long, and what becomes of it then; less long where others wait for what it holds.

use super::{Connection, Dial};
use crate::proxy::budget::Share;
use crate::session::Want;
use crate::session::event::{CloseCause, OutcomeCause};
use std::time::Duration;
use tokio::time::Instant;

/// What a frame must bring in each `frame_timeout`; one that holds room, or an announcement, a tenth of that if it is more.
const LEAST_PROGRESS: u64 = 16 * 1024;
const LEAST_SHARE: usize = 10;
/// Where no buffer is left for others, a client that keeps one, and takes nothing of what is in it, is not waited for any longer.
const PATIENCE_EXHAUSTED: Duration = Duration::from_secs(2);
/// Nor is one that takes so long to empty it, or that has gone for so long.
const EMPTIED_EXHAUSTED: Duration = Duration::from_secs(10);

impl<D: Dial> Connection<D> {
    /// Acts on deadlines that have passed: the next one that is to come, and whether anything was done.
    pub(super) fn deadlines(&mut self) -> (Instant, bool) {
        let limits = &self.known.live.limits;
        let (frame_timeout, header_timeout) = (limits.frame_timeout, limits.header_timeout);
        let (idle, stall, budget) = (
            limits.idle_timeout,
            limits.write_stall_timeout,
            limits.budget_timeout,
        );
        let age = limits.max_connection_age;
        let mut next = self.now + idle;
        let mut acted = false;
        if !age.is_zero()
            && !self.retired
            && self.passed(self.begun + age.mul_f64(self.age_factor), &mut next)
        {
            self.retired = true;
            self.session.drain(CloseCause::MaxAge);
            self.requests.judge_again();
            acted = true;
        }
        let waits = matches!(self.requests.want, Want::Answers)
            || self.responses.blocked_since.is_some()
            || self.closing_since.is_some();
        if waits && (self.requests.lease.is_some() || self.responses.lease.is_some()) {
            // Others may come to wait for what it keeps.
            next = next.min(self.now + PATIENCE_EXHAUSTED);
        }
        if let Some(since) = self.closing_since {
            let mut at = self.closing_deadline(since);
            if self.keeps_from_others() {
                at = at.min(since + EMPTIED_EXHAUSTED);
            }
            if self.passed(at, &mut next) {
                self.finish(OutcomeCause::CloseDeadline);
                return (next, true);
            }
        }
        let within = self.shared.settings.cluster.lookup_timeout;
        if let Some(since) = self.lookup.as_ref().map(|lookup| lookup.since)
            && self.passed(since + within, &mut next)
        {
            self.looked_up(None);
            acted = true;
        }
        if let Some(since) = self.wonder.as_ref().map(|wonder| wonder.since)
            && self.passed(since + within, &mut next)
        {
            self.wondered(None);
            acted = true;
        }
        if let Some(since) = self.budget_since.filter(|_| self.closing_since.is_none())
            && self.passed(since + budget, &mut next)
        {
            let detail =
                format!("no room for a request within {budget:?} (buffer_bytes, announced_bytes)");
            self.session.misdeed(CloseCause::BudgetTimeout, detail);
            acted = true;
        }
        acted |= self.frame_deadline(frame_timeout, header_timeout, &mut next);
        if let Some(since) = self.responses.blocked_since {
            let slow = self.responses.since.unwrap_or(since) + EMPTIED_EXHAUSTED;
            let (until, why) = match self.keeps_from_others() {
                true => (
                    (since + stall.min(PATIENCE_EXHAUSTED)).min(slow),
                    "fast enough while others wait for its buffer (buffer_bytes)".to_owned(),
                ),
                false => (since + stall, format!("for {stall:?}")),
            };
            if self.passed(until, &mut next) {
                (self.client_writes, acted) = (false, true);
                self.responses.blocked_since = None;
                let detail = format!("the client took no answer {why}");
                self.session.misdeed(CloseCause::WriteStalled, detail);
            }
        }
        // A broker works on one request at a time, so one that does not read may only be busy with the one before.
        if let Some(since) = self
            .requests
            .blocked_since
            .filter(|_| !self.session.in_flight().broker_owes())
            && self.passed(since + stall, &mut next)
        {
            (self.requests.blocked_since, acted) = (None, true);
            self.session.misdeed(
                CloseCause::WriteStalled,
                format!("the broker took nothing for {stall:?}"),
            );
            self.lose_broker(CloseCause::WriteStalled);
        }
        if self.session.in_flight().is_empty()
            && self.closing_since.is_none()
            && self.passed(self.active_at + idle, &mut next)
        {
            self.session.close(CloseCause::Idle);
            acted = true;
        }
        (next, acted)
    }

    /// Whether it holds a relay buffer of those that there are no more of.
    pub(super) fn keeps_from_others(&self) -> bool {
        let budgets = &self.shared.budgets;
        let halves = [
            (&self.requests, &budgets.requests),
            (&self.responses, &budgets.responses),
        ];
        halves
            .iter()
            .any(|(half, buffers)| half.lease.is_some() && buffers.relay.is_exhausted())
    }

    /// A frame that has begun must go on.
    fn frame_deadline(
        &mut self,
        frame_timeout: Duration,
        header_timeout: Duration,
        next: &mut Instant,
    ) -> bool {
        let begun = self.session.mid_request() || self.requests.lane.fresh_len() > 0;
        // It is not to blame for bytes that we do not read.
        let reading = self.client_reads
            && matches!(self.requests.want, Want::Bytes(_) | Want::Collect(_))
            && self.budget_since.is_none()
            && !self.requests.lease_wait.is_waiting()
            && !self.owes_too_many_answers();
        if !begun
            || !reading
            || self.requests.lane.has_output()
            || self.requests.unflushed
            || self.closing_since.is_some()
        {
            self.frame_since = None;
            return false;
        }
        let frames = self.session.frames();
        let (since, bytes, frame) =
            *self
                .frame_since
                .get_or_insert((self.now, self.read_bytes, frames));
        let least = self.least_progress();
        if self.read_bytes - bytes >= least || frame != frames {
            self.frame_since = Some((self.now, self.read_bytes, frames));
            *next = (*next).min(self.now + frame_timeout.min(header_timeout));
            return false;
        }
        let header = !self.session.mid_request();
        let timeout = if header {
            header_timeout
        } else {
            frame_timeout
        };
        if self.passed(since + timeout, next) {
            let (cause, what) = match header {
                true => (CloseCause::HeaderTimeout, "the header of a request"),
                false => (CloseCause::FrameStalled, "a request"),
            };
            let brought = self.read_bytes - bytes;
            let detail = format!(
                "{what} brought {brought} bytes in {timeout:?}, at least {least} or its end expected"
            );
            self.session.misdeed(cause, detail);
            return true;
        }
        false
    }

    /// Others wait for what a frame holds.
    fn least_progress(&self) -> u64 {
        let collected = self.requests.collected.as_ref().map_or(0, Share::bytes);
        let announced = self.announced.as_ref().map_or(0, Share::bytes);
        LEAST_PROGRESS.max((collected.max(announced) / LEAST_SHARE) as u64)
    }

    fn closing_deadline(&self, since: Instant) -> Instant {
        let settings = &*self.known.live;
        let patience = settings.drain.close_drain_timeout;
        match self.session.closing() {
            // What it handed over is still being delivered.
            Some(CloseCause::ClientClosed | CloseCause::ClientReset) => {
                since + settings.limits.idle_timeout
            }
            // A client that has nothing under way and sends nothing more is not waited for to the last.
            Some(cause) if cause.is_orderly() && self.session.in_flight().is_empty() => {
                let quiet_since = since.max(self.active_at);
                (quiet_since + patience).min(since + settings.drain.timeout)
            }
            Some(cause) if cause.is_orderly() => since + settings.drain.timeout,
            _ => since + patience,
        }
    }

    fn passed(&self, at: Instant, next: &mut Instant) -> bool {
        if at <= self.now {
            return true;
        }
        *next = (*next).min(at);
        false
    }
}
