//! The arithmetic of a pool whose holders own shares of it.
//!
//! Shares are [`U64F64`]; all rounding goes against the one who moves stake, by less than one rao, and what is rounded
//! off stays in the pool. So no move by one holder takes a rao from another, and the last holder gets what is left.

use crate::{AlphaBalance, U64F64};
use sp_core::U256;

/// A hotkey's pool in one subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Pool {
    /// What is in it.
    pub(crate) alpha: AlphaBalance,
    /// What is held of it.
    pub(crate) shares: U64F64,
}

impl Pool {
    /// What `shares` of this pool are worth.
    pub(crate) fn value_of(self, shares: U64F64) -> AlphaBalance {
        if shares == self.shares {
            return self.alpha;
        }
        let value = mul_div(shares.bits, u128::from(self.alpha), self.shares.bits, Round::Down);
        value.and_then(|value| u64::try_from(value).ok()).unwrap_or(self.alpha).min(self.alpha)
    }

    /// The shares that a deposit of `amount` is worth; `None` if they do not fit.
    pub(crate) fn shares_for_deposit(self, amount: AlphaBalance) -> Option<U64F64> {
        if self.shares == U64F64::default() || self.alpha == 0 {
            return Some(U64F64::from_integer(amount));
        }
        let bits = mul_div(self.shares.bits, u128::from(amount), u128::from(self.alpha), Round::Down)?;
        Some(U64F64 { bits })
    }

    /// The shares that a withdrawal of `amount` costs a holder of `held`; `None` if they are worth less.
    pub(crate) fn shares_for_withdrawal(self, amount: AlphaBalance, held: U64F64) -> Option<U64F64> {
        let value = self.value_of(held);
        match amount.cmp(&value) {
            core::cmp::Ordering::Greater => None,
            // Whoever takes all leaves no shares behind.
            core::cmp::Ordering::Equal => Some(held),
            core::cmp::Ordering::Less => {
                let bits = mul_div(self.shares.bits, u128::from(amount), u128::from(self.alpha), Round::Up)?;
                Some(U64F64 { bits: bits.min(held.bits) })
            }
        }
    }
}

enum Round {
    Down,
    Up,
}

/// `a · b / c`, exact in between; `None` if `c` is zero or the result does not fit.
fn mul_div(a: u128, b: u128, c: u128, round: Round) -> Option<u128> {
    if c == 0 {
        return None;
    }
    let (quotient, remainder) = (U256::from(a) * U256::from(b)).div_mod(U256::from(c));
    let rounded = match round {
        Round::Up if !remainder.is_zero() => quotient + 1,
        _ => quotient,
    };
    u128::try_from(rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deposits and returns what the newcomer holds.
    fn deposit(pool: &mut Pool, amount: u64) -> U64F64 {
        let shares = pool.shares_for_deposit(amount).unwrap();
        pool.alpha += amount;
        pool.shares.bits += shares.bits;
        shares
    }

    #[test]
    fn a_dividend_is_shared_pro_rata_and_nothing_is_lost() {
        let mut pool = Pool::default();
        let first = deposit(&mut pool, 3_000_000);
        let second = deposit(&mut pool, 1_000_000);
        pool.alpha += 1_000_001;
        assert_eq!(pool.value_of(first), 3_750_000);
        assert_eq!(pool.value_of(second), 1_250_000);

        let taken = pool.value_of(first);
        let burned = pool.shares_for_withdrawal(taken, first).unwrap();
        assert_eq!(burned, first);
        pool.alpha -= taken;
        pool.shares.bits -= burned.bits;
        assert_eq!(pool.value_of(second), 1_250_001, "the last holder gets the dust");
    }

    #[test]
    fn no_move_of_one_holder_takes_from_another() {
        let mut pool = Pool::default();
        let first = deposit(&mut pool, 7_000_003);
        pool.alpha += 999_983;
        let worth = pool.value_of(first);
        let mut second = deposit(&mut pool, 5_000_011);
        assert!(pool.value_of(first) >= worth);
        assert!((5_000_010..=5_000_011).contains(&pool.value_of(second)));
        for amount in [1u64, 999, 123_457] {
            let burned = pool.shares_for_withdrawal(amount, second).unwrap();
            pool.alpha -= amount;
            pool.shares.bits -= burned.bits;
            second.bits -= burned.bits;
            assert!(pool.value_of(first) >= worth);
        }
    }

    #[test]
    fn more_than_it_is_worth_is_refused() {
        let mut pool = Pool::default();
        let held = deposit(&mut pool, 100);
        assert_eq!(pool.shares_for_withdrawal(101, held), None);
    }
}
