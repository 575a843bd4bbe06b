//! What the benchmarks say of their figures: a verdict must not come easier than its rule.

#[path = "../../benches/relay/stats.rs"]
mod stats;

use stats::{PAIRS, Ratio, Verdict};

/// Ratios to a yardstick that always takes 1.
#[track_caller]
fn check(ratios: &[f64], target: f64, expected: Verdict) {
    let ratio = Ratio::of(ratios, &vec![1.0; ratios.len()]);
    assert_eq!(ratio.against(target), expected, "{ratio}");
}

/// So many of each.
fn of(parts: &[(usize, f64)]) -> Vec<f64> {
    let parts = parts.iter().flat_map(|(times, value)| vec![*value; *times]);
    parts.collect()
}

#[test]
fn a_median_at_the_target_meets_it_however_wide_the_spread() {
    check(&of(&[(PAIRS, 1.0)]), 1.0, Verdict::Met);
    check(&of(&[(8, 0.9), (7, 3.0)]), 1.0, Verdict::Met);
}

#[test]
fn a_target_is_missed_only_when_the_whole_interval_is_above_it() {
    check(&of(&[(PAIRS, 1.01)]), 1.0, Verdict::Missed);
    check(&of(&[(14, 1.2), (1, 0.5)]), 1.0, Verdict::Missed);
    check(&of(&[(7, 0.5), (8, 1.2)]), 1.0, Verdict::NotDistinguishable);
}

#[test]
fn fewer_pairs_than_the_rule_asks_for_are_not_judged() {
    let few = of(&[(PAIRS - 1, 0.1)]);
    let told = "14 pairs, 15 are needed".to_owned();
    check(&few, 1.0, Verdict::NotJudged(told));
}

#[test]
fn pairs_are_compared_before_the_median_is_taken() {
    // A machine that becomes slow during the run changes both sides of a pair.
    let yardstick: Vec<f64> = (1..=15).map(f64::from).collect();
    let values: Vec<f64> = yardstick.iter().map(|value| value * 1.1).collect();
    let ratio = Ratio::of(&values, &yardstick);
    assert!((ratio.median - 1.1).abs() < 1e-9, "{ratio}");
    assert!(
        (ratio.low - 1.1).abs() < 1e-9 && (ratio.high - 1.1).abs() < 1e-9,
        "{ratio}"
    );
}
