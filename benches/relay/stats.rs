//! Medians, how sure they are, and what that says about a target. Pure.

use std::fmt;

/// With fewer pairs nothing is judged.
pub const PAIRS: usize = 15;

/// Ratios of pairs that were measured side by side, in one number and its spread.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    pub median: f64,
    /// Bootstrap interval of the median, 95 %.
    pub low: f64,
    pub high: f64,
    pub pairs: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The median is not above the target.
    Met,
    /// All of the interval is above the target.
    Missed,
    /// The median is above the target, and so little that it may be chance.
    NotDistinguishable,
    /// And why.
    NotJudged(String),
}

impl Ratio {
    /// Of each value to its yardstick.
    pub fn of(values: &[f64], yardsticks: &[f64]) -> Ratio {
        let pairs = values.iter().zip(yardsticks);
        let ratios: Vec<f64> = pairs.map(|(value, yardstick)| value / yardstick).collect();
        let (low, high) = bootstrap(&ratios);
        Ratio {
            median: median(&ratios),
            low,
            high,
            pairs: ratios.len(),
        }
    }

    pub fn against(self, target: f64) -> Verdict {
        match self {
            Ratio { pairs, .. } if pairs < PAIRS => {
                Verdict::NotJudged(format!("{pairs} pairs, {PAIRS} are needed"))
            }
            Ratio { median, .. } if median <= target => Verdict::Met,
            Ratio { low, .. } if low > target => Verdict::Missed,
            _ => Verdict::NotDistinguishable,
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} [{:.2}, {:.2}]", self.median, self.low, self.high)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Met => f.write_str("met"),
            Verdict::Missed => f.write_str("MISSED"),
            Verdict::NotDistinguishable => f.write_str("not distinguishable"),
            Verdict::NotJudged(why) => write!(f, "not judged: {why}"),
        }
    }
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Linear between the two nearest values; `q` from 0 to 1.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// Percentile bootstrap with a fixed seed, so that the same numbers give the same interval.
fn bootstrap(values: &[f64]) -> (f64, f64) {
    const RESAMPLES: usize = 2_000;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut medians = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let resample: Vec<f64> = values
            .iter()
            .map(|_| values[xorshift(&mut state) as usize % values.len()])
            .collect();
        medians.push(median(&resample));
    }
    (quantile(&medians, 0.025), quantile(&medians, 0.975))
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 11
}
