//! The one decision about a Produce request's own fields: what its acks and its timeout become, and why.
//!
//! All control flow of the acks scenarios is here; the rules themselves are in their files. `Observe` lives here, too:
//! a finding that is only observed changes nothing.

use super::standing::Stand;
use super::{BelowMinIsr, Mode, Scenario, Settings, ack_timeout, acks_leader, acks_none};

/// One finding: the scenario, and whether it is applied or only counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    pub scenario: Scenario,
    pub mode: Mode,
}

/// What becomes of a Produce request's acks and timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    pub acks: Option<Finding>,
    pub timeout: Option<Finding>,
    /// What is written over acks.
    pub new_acks: Option<i16>,
    /// What is written over timeout_ms.
    pub new_timeout_ms: Option<i32>,
    /// acks stayed below all because a partition is below its `min.insync.replicas`.
    pub degraded: bool,
}

/// The scenario that a value of acks falls under.
#[inline]
pub fn acks_scenario(acks: i16) -> Option<Scenario> {
    if acks_none::judge(acks) {
        Some(Scenario::AcksNone)
    } else if acks_leader::judge(acks) {
        Some(Scenario::AcksLeader)
    } else {
        None
    }
}

/// Whether what becomes of acks may depend on the request's partitions, while some partition is degraded.
pub fn heeds_degraded(scenario: Scenario, settings: &Settings) -> bool {
    match scenario {
        Scenario::AcksNone => true,
        _ => settings.below_min_isr == BelowMinIsr::Leader,
    }
}

/// `stand` must be settled (no `ByTopic`): the stricter answer where a request mixes topics. `degraded`: a partition of
/// the request is below its `min.insync.replicas`.
pub fn judge(
    acks: i16,
    timeout_ms: i32,
    settings: &Settings,
    stands: &dyn Fn(Scenario) -> Stand,
    degraded: bool,
) -> Plan {
    let mut plan = Plan::default();
    let Some(scenario) = acks_scenario(acks) else {
        return plan;
    };
    let Stand::Apply(mode) = stands(scenario) else {
        return plan;
    };
    plan.acks = Some(Finding { scenario, mode });
    if mode == Mode::Enforce {
        let to = match scenario {
            Scenario::AcksNone => acks_none::raised(degraded),
            _ => acks_leader::raised(acks, degraded, settings.below_min_isr),
        };
        plan.degraded = to != -1;
        plan.new_acks = (to != acks).then_some(to);
    }
    if let Stand::Apply(timeout_mode) = stands(Scenario::AckTimeout)
        && let Some(found) = ack_timeout::judge(acks, timeout_ms, settings.ack_timeout_floor_ms)
    {
        let applied = match found {
            // A timeout matters only where acks was raised; otherwise nobody waits for replicas.
            ack_timeout::Finding::Raise(floor_ms)
                if timeout_mode == Mode::Enforce && mode == Mode::Enforce =>
            {
                plan.new_timeout_ms = Some(floor_ms);
                Mode::Enforce
            }
            _ => Mode::Observe,
        };
        plan.timeout = Some(Finding {
            scenario: Scenario::AckTimeout,
            mode: applied,
        });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(below_min_isr: BelowMinIsr) -> Settings {
        Settings {
            modes: [Mode::Enforce; Scenario::COUNT],
            below_min_isr,
            ..Settings::default()
        }
    }

    fn check(
        acks: i16,
        mode: Mode,
        degraded: bool,
        below: BelowMinIsr,
        expected: (Option<i16>, Option<i32>, bool),
    ) {
        let plan = judge(
            acks,
            100,
            &settings(below),
            &|_| Stand::Apply(mode),
            degraded,
        );
        assert_eq!(
            (plan.new_acks, plan.new_timeout_ms, plan.degraded),
            expected,
            "acks {acks} {mode:?} {degraded}"
        );
    }

    #[test]
    fn acks_becomes_all_unless_that_would_store_less_than_direct() {
        use BelowMinIsr::{Leader, Refuse};
        check(
            0,
            Mode::Enforce,
            false,
            Refuse,
            (Some(-1), Some(10_000), false),
        );
        check(
            0,
            Mode::Enforce,
            true,
            Refuse,
            (Some(1), Some(10_000), true),
        );
        check(1, Mode::Enforce, false, Refuse, (Some(-1), None, false));
        check(1, Mode::Enforce, true, Refuse, (Some(-1), None, false));
        check(1, Mode::Enforce, true, Leader, (None, None, true));
        check(5, Mode::Enforce, true, Leader, (Some(-1), None, false));
        check(-1, Mode::Enforce, true, Refuse, (None, None, false));
    }

    #[test]
    fn what_is_observed_changes_nothing_and_is_found_all_the_same() {
        check(
            0,
            Mode::Observe,
            false,
            BelowMinIsr::Refuse,
            (None, None, false),
        );
        let plan = judge(
            0,
            100,
            &settings(BelowMinIsr::Refuse),
            &|_| Stand::Apply(Mode::Observe),
            false,
        );
        assert_eq!(
            plan.acks,
            Some(Finding {
                scenario: Scenario::AcksNone,
                mode: Mode::Observe
            })
        );
        assert!(plan.timeout.is_some());
        let plan = judge(
            0,
            100,
            &settings(BelowMinIsr::Refuse),
            &|_| Stand::Exempt(0),
            false,
        );
        assert_eq!(plan, Plan::default());
    }
}
