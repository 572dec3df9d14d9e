//! The rules by which work is checked and paid.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// How validators check work, and what they pay for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct JudgingRules {
    /// Of a thousand microbatches of a window, how many the validators together compute again. Lower: a cheat on a share
    /// δ of its passes slips a window with (1−δ)^drawn.
    pub audit_per_mille: u16,
    /// At least so many, however small the window.
    pub audit_floor: u32,
    /// At most so many: bounds what a window costs the validators together.
    pub audit_ceiling: u32,
    /// Microbatches that each validator draws on top from the leaves of a miner that it holds a strike against.
    pub suspect_draws: u32,
    /// Blocks from the opening of a window's audits, right after its cut, until a replica that has not shown its leaves is
    /// silent. Short: slow links are not paid.
    pub answer_blocks: u32,
    /// Blocks from their opening until a window's audits close. Longer than the retention: silence everywhere.
    pub close_blocks: u32,
    /// Windows that a score looks back on. Few: weights jump. Many: who stops working is paid on.
    pub score_windows: u32,
    /// Blocks from registration until a miner has its full score, growing evenly: what can be gained by cheating under a
    /// new hotkey until it is caught has to stay below its burn and what the ramp withholds.
    pub ramp_blocks: u32,
    /// What every miner's machine has to show.
    pub hardware: HardwareRules,
}

impl Default for JudgingRules {
    /// For a small subnet whose neurons share a machine.
    fn default() -> Self {
        Self {
            audit_per_mille: 250,
            audit_floor: 3,
            audit_ceiling: 64,
            suspect_draws: 4,
            answer_blocks: 12,
            close_blocks: 40,
            score_windows: 12,
            ramp_blocks: 0,
            hardware: HardwareRules::default(),
        }
    }
}

/// The proof of compute that every miner gives. Differing: validators admit different miners.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct HardwareRules {
    /// Side of the matrices, whose cube is the number of multiplications. The time they take has to be well above the
    /// round trip, or the network is measured.
    pub side: u32,
    /// Multiplications per second that a miner's machine has to do.
    pub multiplications_per_second: u64,
    /// Of a thousand, how much longer than that speed says a miner may take: noise of an honest machine.
    pub slack_per_mille: u32,
    /// What the network may take, there and back.
    pub round_trip_ms: u32,
    /// How long a miner has to open the drawn tiles.
    pub open_ms: u32,
    /// In how many of a thousand windows the whole fleet proves itself at the same moment.
    pub fleet_per_mille: u16,
}

impl Default for HardwareRules {
    /// Little enough for a score of neurons that prove themselves at the same moment on two cores.
    fn default() -> Self {
        Self {
            side: 512,
            multiplications_per_second: 20_000_000,
            slack_per_mille: 500,
            round_trip_ms: 500,
            open_ms: 5_000,
            fleet_per_mille: 0,
        }
    }
}

impl HardwareRules {
    /// The milliseconds that a miner has for the product, allowances included.
    pub fn allowed_ms(&self) -> u64 {
        let multiplications = u128::from(self.side).pow(3);
        let honest_ms = (multiplications * 1000).div_ceil(u128::from(self.multiplications_per_second.max(1)));
        let with_slack = (honest_ms * (1000 + u128::from(self.slack_per_mille))).div_ceil(1000);
        u64::try_from(with_slack).unwrap_or(u64::MAX).saturating_add(u64::from(self.round_trip_ms))
    }
}
