//! The arithmetic of a constant-product pool of TAO and alpha.
//!
//! `tao · alpha` never falls: what a trade gets out is rounded down, and the fee, a part of what goes in, stays in the
//! pool. So the price of alpha is `tao / alpha`, and whoever trades forth and back has lost the fee and at most two rao.

use crate::{
    AlphaBalance, TaoBalance,
    defaults::{MIN_RESERVE, RAO_PER_TAO},
    numbers::{Proportion, mul_div, mul_div_up, product_at_least},
};

/// What is in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reserves {
    /// TAO, in rao.
    pub(crate) tao: TaoBalance,
    /// Alpha, in the smallest unit.
    pub(crate) alpha: AlphaBalance,
}

/// A trade that a pool would make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trade {
    /// What comes out.
    pub(crate) out: u64,
    /// The part of what goes in that buys nothing.
    pub(crate) fee: u64,
    /// The pool afterwards.
    pub(crate) after: Reserves,
}

impl Reserves {
    /// The trade of `tao` for alpha at a fee of `fee_rate / 65535`; `None` if the pool is too small for it.
    pub(crate) fn buy(self, tao: TaoBalance, fee_rate: u16) -> Option<Trade> {
        let fee = fee_of(tao, fee_rate);
        let out = swapped(self.tao, self.alpha, tao.checked_sub(fee)?)?;
        let after = Self { tao: self.tao.checked_add(tao)?, alpha: self.alpha.checked_sub(out)? };
        (after.alpha >= MIN_RESERVE).then_some(Trade { out, fee, after })
    }

    /// The trade of `alpha` for TAO at a fee of `fee_rate / 65535`; `None` if the pool is too small for it.
    pub(crate) fn sell(self, alpha: AlphaBalance, fee_rate: u16) -> Option<Trade> {
        let fee = fee_of(alpha, fee_rate);
        let out = swapped(self.alpha, self.tao, alpha.checked_sub(fee)?)?;
        let after = Self { tao: self.tao.checked_sub(out)?, alpha: self.alpha.checked_add(alpha)? };
        (after.tao >= MIN_RESERVE).then_some(Trade { out, fee, after })
    }

    /// The price of one alpha in rao, rounded down; 0 where there is no alpha.
    pub(crate) fn price_rao(self) -> u64 {
        if self.alpha == 0 { 0 } else { mul_div(self.tao, RAO_PER_TAO, self.alpha).unwrap_or(u64::MAX) }
    }

    /// The price of alpha in TAO, at most one.
    pub(crate) fn price_up_to_one(self) -> Proportion {
        Proportion::of(self.tao, self.alpha)
    }

    /// Whether the price is at most `limit` rao.
    pub(crate) fn is_at_most(self, limit: TaoBalance) -> bool {
        product_at_least([limit, self.alpha, 1], [self.tao, RAO_PER_TAO, 1])
    }

    /// Whether the price is at least `limit` rao.
    pub(crate) fn is_at_least(self, limit: TaoBalance) -> bool {
        product_at_least([self.tao, RAO_PER_TAO, 1], [limit, self.alpha, 1])
    }

    /// Whether one alpha of this pool is worth at least `limit` billionths of one of the other.
    pub(crate) fn is_worth_at_least(self, limit: u64, other: Self) -> bool {
        // (tao / alpha) / (other.tao / other.alpha) ≥ limit / 10⁹, without a division.
        product_at_least([self.tao, other.alpha, RAO_PER_TAO], [limit, other.tao, self.alpha])
    }
}

/// The largest amount of at most `most` for which `holds`, given that it holds up to some amount and no further; 0 if it
/// never does.
pub(crate) fn largest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    if holds(most) {
        return most;
    }
    let (mut low, mut high) = (0, most);
    while high.saturating_sub(low) > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

fn fee_of(amount: u64, fee_rate: u16) -> u64 {
    crate::emission::part(amount, fee_rate)
}

/// What comes out of a side of `output` when `net` goes into a side of `input`: `output − input · output / (input + net)`.
fn swapped(input: u64, output: u64, net: u64) -> Option<u64> {
    if input == 0 || output == 0 {
        return None;
    }
    let left = mul_div_up(input, output, u128::from(input) + u128::from(net))?;
    Some(output.saturating_sub(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand of each.
    const POOL: Reserves = Reserves { tao: 1_000 * RAO_PER_TAO, alpha: 1_000 * RAO_PER_TAO };
    const FEE: u16 = 33;

    /// Pseudo-random numbers of all sizes, so that a failing case repeats itself.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = (self.0 >> 58) as u32;
            self.0.rotate_left(17) >> bits
        }
    }

    fn k(pool: Reserves) -> u128 {
        u128::from(pool.tao) * u128::from(pool.alpha)
    }

    #[test]
    fn golden_trades() {
        // 100 TAO, of which 100 · 33 / 65535 are the fee: 1000 − 1000 · 1000 / (1000 + 99.949645228).
        let bought = POOL.buy(100 * RAO_PER_TAO, FEE).unwrap();
        assert_eq!((bought.out, bought.fee), (90867473489, 50354772));
        assert_eq!(bought.after, Reserves { tao: 1100000000000, alpha: 909132526511 });
        let sold = bought.after.sell(bought.out, FEE).unwrap();
        assert_eq!((sold.out, sold.fee), (99908460540, 45756109));
        // Without a fee: 1000 − 1000 · 1000 / 2000.
        assert_eq!(POOL.buy(1_000 * RAO_PER_TAO, 0).unwrap().out, 500 * RAO_PER_TAO);
        assert_eq!(POOL.price_rao(), RAO_PER_TAO);
        assert_eq!(Reserves { tao: 3, alpha: 2 }.price_rao(), 1_500_000_000);
    }

    #[test]
    fn the_product_never_falls_and_nobody_gains_by_trading_forth_and_back() {
        let mut dice = Dice(1);
        let mut traded = 0;
        for _ in 0..20_000 {
            let pool = Reserves { tao: dice.roll(), alpha: dice.roll() };
            let (amount, fee_rate) = (dice.roll(), (dice.roll() % 1_000) as u16);
            if let Some(bought) = pool.buy(amount, fee_rate) {
                traded += 1;
                assert!(k(bought.after) >= k(pool), "{pool:?} {amount}");
                assert!(bought.fee <= amount);
                if let Some(back) = bought.after.sell(bought.out, fee_rate) {
                    assert!(back.out <= amount, "{pool:?}: {amount} became {}", back.out);
                }
            }
            if let Some(sold) = pool.sell(amount, fee_rate) {
                traded += 1;
                assert!(k(sold.after) >= k(pool), "{pool:?} {amount}");
                if let Some(back) = sold.after.buy(sold.out, fee_rate) {
                    assert!(back.out <= amount, "{pool:?}: {amount} became {}", back.out);
                }
            }
        }
        assert!(traded > 1_000, "only {traded} trades were possible");
    }

    #[test]
    fn a_pool_is_not_drained_and_does_not_overflow() {
        assert_eq!(Reserves { tao: 0, alpha: 5 }.buy(1, 0), None);
        assert_eq!(Reserves { tao: 5, alpha: 0 }.sell(1, 0), None);
        assert_eq!(POOL.buy(u64::MAX, 0), None, "the reserve would not fit");
        assert_eq!(POOL.sell(u64::MAX, 0), None);
        let small = Reserves { tao: MIN_RESERVE, alpha: MIN_RESERVE };
        assert_eq!(small.buy(MIN_RESERVE, 0), None);
        assert_eq!(small.sell(MIN_RESERVE, 0), None);
        let full = Reserves { tao: u64::MAX, alpha: u64::MAX };
        assert_eq!((full.buy(1, FEE), full.sell(1, FEE)), (None, None));
        assert_eq!(full.price_rao(), RAO_PER_TAO);
        assert_eq!(Reserves { tao: u64::MAX, alpha: 1 }.price_rao(), u64::MAX);
    }

    #[test]
    fn the_largest_amount_within_a_limit_is_found_to_the_rao() {
        let limit = 1_100_000_000;
        let within = |tao| POOL.buy(tao, FEE).is_some_and(|trade| trade.after.is_at_most(limit));
        let most = largest(u64::MAX, within);
        assert!(within(most) && !within(most + 1));
        // Without a fee the price is 1.1 after √1.1 · 1000 − 1000 TAO.
        assert!(most.abs_diff(48_808_848_170) < 60_000_000, "{most}");
        assert_eq!(largest(5, |_| false), 0);
        assert_eq!(largest(5, |_| true), 5);
        assert!(POOL.is_worth_at_least(RAO_PER_TAO, POOL) && !POOL.is_worth_at_least(RAO_PER_TAO + 1, POOL));
    }
}
