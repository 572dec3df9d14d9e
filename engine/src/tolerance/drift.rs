//! When a sequence of hops off by too much is no longer chance: a one-sided sequential test.
//!
//! Page's cumulative sum (Biometrika 41, 1954) of hops whose error exceeds a bound or does not, in whole numbers: an
//! exceedance raises the level, any other hop lowers it by one, never below zero, and at the limit the hops are not an honest
//! machine's. No level *clears* anybody: who behaves for long starts from zero again and has gained nothing.
//!
//! The price of such a test is that in the long run it convicts everybody. So the expected number of hops until then is part
//! of the rules ([`DriftRules::run_length`]), exactly, for any rate of exceedances: the honest one, which has to be measured,
//! and that of whom it is to catch.

use thiserror::Error;

/// Highest limit of a level: bounds what computing a run length takes.
pub const MAX_LIMIT: u32 = 4096;

/// How fast suspicion grows, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftRules {
    rise: u32,
    limit: u32,
}

/// Rules that are none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a level that rises by {rise} to a limit of {limit}: both must be 1 to {MAX_LIMIT}")]
pub struct DriftRulesError {
    rise: u32,
    limit: u32,
}

impl DriftRules {
    /// An exceedance weighs as much as `rise` hops without; `limit` is the level that convicts.
    ///
    /// # Errors
    /// When one of them is 0 or above [`MAX_LIMIT`].
    pub fn new(rise: u32, limit: u32) -> Result<Self, DriftRulesError> {
        let fits = |value: u32| (1..=MAX_LIMIT).contains(&value);
        if fits(rise) && fits(limit) { Ok(Self { rise, limit }) } else { Err(DriftRulesError { rise, limit }) }
    }

    /// Expected number of hops until the limit, from level 0, where a hop exceeds the bound with probability `rate`,
    /// each by itself. Infinite at a rate of 0.
    ///
    /// With E(s) for the expectation from level s: E(s) = 1 + p·E(s + rise) + (1 − p)·E(max(s − 1, 0)), and 0 from the limit on.
    /// Going down from the limit, each E(s) is a(s) + b(s)·E(s − 1); what remains is E(0). 1 − b is computed instead of b, or
    /// small rates would vanish in the difference.
    pub fn run_length(&self, rate: f64) -> f64 {
        let p = rate.clamp(0.0, 1.0);
        if p == 0.0 {
            return f64::INFINITY;
        }
        let (rise, limit) = (self.rise as usize, self.limit as usize);
        // a and 1 − b by level.
        let mut steps = vec![(0.0, 0.0); limit];
        // From s + rise down to s: E(s + rise) = sum + (1 − lost)·E(s).
        let down = |steps: &[(f64, f64)], s: usize| match steps.get(s + 1..=s + rise) {
            None => (0.0, 1.0),
            Some(between) => {
                let sum = between.iter().fold(0.0, |below, (a, lost)| a + (1.0 - lost) * below);
                let kept: f64 = between.iter().map(|(_, lost)| (-lost).ln_1p()).sum();
                (sum, -kept.exp_m1())
            }
        };
        for s in (1..limit).rev() {
            let (sum, lost) = down(&steps, s);
            // E(s)·(1 − p·(1 − lost)) = 1 + p·sum + (1 − p)·E(s − 1)
            let scale = (1.0 - p) + p * lost;
            steps[s] = ((1.0 + p * sum) / scale, p * lost / scale);
        }
        let (sum, lost) = down(&steps, 0);
        (1.0 + p * sum) / (p * lost)
    }
}

/// What is known of one neuron's hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    level: u32,
}

/// What a test says so far. There is no "honest": see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// The level is below the limit.
    Open,
    /// It has reached the limit, and stays there.
    Dishonest,
}

impl Drift {
    /// At a level that was [read](Self::level) before.
    pub fn at(level: u32) -> Self {
        Self { level }
    }

    /// How suspicious it is.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Takes another hop into account.
    pub fn note(&mut self, rules: &DriftRules, exceeds: bool) -> Looks {
        if self.looks(rules) == Looks::Open {
            self.level = if exceeds { self.level.saturating_add(rules.rise) } else { self.level.saturating_sub(1) }
                .min(rules.limit);
        }
        self.looks(rules)
    }

    /// What the hops so far say.
    pub fn looks(&self, rules: &DriftRules) -> Looks {
        if self.level >= rules.limit { Looks::Dishonest } else { Looks::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_lapses_and_conviction_does_not() {
        let rules = DriftRules::new(3, 5).unwrap();
        let mut drift = Drift::default();
        for _ in 0..100 {
            assert_eq!(drift.note(&rules, true), Looks::Open);
            for _ in 0..3 {
                assert_eq!(drift.note(&rules, false), Looks::Open);
            }
        }
        assert_eq!(drift, Drift::default(), "good conduct saves nothing up");
        drift.note(&rules, true);
        drift.note(&rules, false);
        assert_eq!(drift.note(&rules, true), Looks::Dishonest);
        for _ in 0..100 {
            assert_eq!(drift.note(&rules, false), Looks::Dishonest);
        }
        for (rise, limit) in [(0, 1), (1, 0), (MAX_LIMIT + 1, 1), (1, MAX_LIMIT + 1)] {
            assert!(DriftRules::new(rise, limit).is_err());
        }
    }

    #[test]
    fn run_lengths_are_those_of_the_definition() {
        // One exceedance is enough: the mean of a geometric distribution.
        for p in [1e-9, 0.01, 1.0] {
            let found = DriftRules::new(7, 7).unwrap().run_length(p);
            assert!((found * p - 1.0).abs() < 1e-12, "{p}: {found}");
        }
        assert_eq!(DriftRules::new(1, 1).unwrap().run_length(0.0), f64::INFINITY);
        for (rise, limit, p) in [(1, 4, 0.5), (3, 5, 0.2), (10, 15, 0.05), (10, 40, 0.1), (2, 64, 0.4)] {
            let rules = DriftRules::new(rise, limit).unwrap();
            // The expectations by level as a fixed point of their definition, from below.
            let mut expected = vec![0.0; limit as usize];
            loop {
                let before = expected.clone();
                for s in 0..expected.len() {
                    let above = expected.get(s + rise as usize).copied().unwrap_or(0.0);
                    expected[s] = 1.0 + p * above + (1.0 - p) * expected[s.saturating_sub(1)];
                }
                if expected.iter().zip(&before).all(|(now, before)| now - before <= 1e-13 * now) {
                    break;
                }
            }
            let found = rules.run_length(p);
            assert!((found / expected[0] - 1.0).abs() < 1e-8, "{rise} to {limit} at {p}: {found}, {}", expected[0]);
        }
    }

    #[test]
    fn small_rates_keep_their_digits() {
        // Two exceedances within `rise` hops convict: to first order p⁻²/rise.
        let rules = DriftRules::new(100, 101).unwrap();
        for p in [1e-6, 1e-8, 1e-10] {
            let found = rules.run_length(p) * p * p * 100.0;
            assert!((0.98..1.02).contains(&found), "{p}: {found}");
        }
    }
}
