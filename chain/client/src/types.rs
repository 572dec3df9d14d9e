//! The chain's small numbers, each with its own type so that a uid is never passed where a netuid belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Index of a neuron within its subnet. Reused after pruning: pair it with the block of registration to name a neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub u16);

/// Number of a subnet. 0 is the root network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Netuid(pub u16);

impl Netuid {
    /// The root network, where stake is held in TAO.
    pub const ROOT: Self = Self(0);

    /// A subnet may run several mechanisms; weights and bonds of mechanism `m` live under `netuid + 4096 * m`.
    /// The chain caps netuids well below 4096, so the two never overlap; saturates rather than wraps if they would.
    #[must_use]
    pub fn storage_index(self, mechanism: u8) -> u16 {
        self.0.saturating_add(u16::from(mechanism).saturating_mul(4096))
    }
}

/// Height of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

impl BlockNumber {
    /// The next height.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Hash of a block's header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockHash(pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockHash({self})")
    }
}

/// The chain's smallest unit of money: 10⁹ rao are one TAO (τ). Also used for a subnet's alpha, which has the same scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rao(pub u64);

impl Rao {
    /// Rao in one TAO.
    pub const PER_TAO: u64 = 1_000_000_000;

    /// A whole number of TAO, saturating at the largest representable amount.
    #[must_use]
    pub fn from_tao(tao: u64) -> Self {
        Self(tao.saturating_mul(Self::PER_TAO))
    }

    /// The sum, or the largest amount where it would overflow.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero where it would be negative.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Rao {
    /// As TAO with exactly the digits needed: `1.5 τ`, `0.000000001 τ`, `12 τ`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Self::PER_TAO, self.0 % Self::PER_TAO);
        if rest == 0 {
            return write!(f, "{whole} τ");
        }
        let digits = format!("{rest:09}");
        write!(f, "{whole}.{} τ", digits.trim_end_matches('0'))
    }
}

/// A text that is not an amount of TAO.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an amount: write TAO with at most 9 decimals (`1.5`, `1.5 τ`) or whole rao (`1500000000 rao`)"
)]
pub struct ParseRaoError {
    text: String,
}

impl FromStr for Rao {
    type Err = ParseRaoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_rao(text.trim()).ok_or_else(|| ParseRaoError { text: text.chars().take(40).collect() })
    }
}

fn parse_rao(text: &str) -> Option<Rao> {
    if let Some(rao) = text.strip_suffix("rao") {
        return parse_digits(rao.trim()).map(Rao);
    }
    let tao = text.strip_suffix('τ').or_else(|| text.strip_suffix("TAO")).or_else(|| text.strip_suffix("tao"));
    let tao = tao.unwrap_or(text).trim();
    let (whole, fraction) = tao.split_once('.').unwrap_or((tao, "0"));
    if fraction.len() > 9 {
        return None;
    }
    let fraction = parse_digits(fraction)?.checked_mul(10_u64.pow(9 - u32::try_from(fraction.len()).ok()?))?;
    parse_digits(whole)?.checked_mul(Rao::PER_TAO)?.checked_add(fraction).map(Rao)
}

/// Digits only: `u64::from_str` would also take a leading plus.
fn parse_digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

macro_rules! display_as_number {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}
display_as_number!(Uid, Netuid, BlockNumber);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rao_is_shown_as_tao_and_read_back() {
        for (rao, shown) in [
            (0, "0 τ"),
            (1, "0.000000001 τ"),
            (1_500_000_000, "1.5 τ"),
            (12 * Rao::PER_TAO, "12 τ"),
            (u64::MAX, "18446744073.709551615 τ"),
        ] {
            assert_eq!(Rao(rao).to_string(), shown);
            assert_eq!(shown.parse::<Rao>(), Ok(Rao(rao)));
        }
        assert_eq!("2".parse(), Ok(Rao(2_000_000_000)));
        assert_eq!("0.25 TAO".parse(), Ok(Rao(250_000_000)));
        assert_eq!("17 rao".parse(), Ok(Rao(17)));
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["", "τ", "-1", "+1", "1e9", "1.", ".5", "0.0000000001", "18446744074", "1,5", "1.5 rao", "1.-5"] {
            assert!(text.parse::<Rao>().is_err(), "{text:?} was taken for an amount");
        }
    }

    #[test]
    fn mechanisms_have_their_own_storage_index() {
        assert_eq!(Netuid(1).storage_index(0), 1);
        assert_eq!(Netuid(1).storage_index(1), 4097);
        assert_eq!(Netuid(9).storage_index(255), u16::MAX);
    }
}
