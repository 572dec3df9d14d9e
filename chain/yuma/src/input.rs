//! What an epoch reads: the subnet's parameters and, per uid, what the chain stored; checked before it is used.

use alloc::vec::Vec;
use core::fmt;

use crate::fixed::Fixed64;

/// One stored row of weights or bonds: pairs of (uid of the target, value), as the chain stores them.
pub type Row = Vec<(u16, u16)>;

/// Most neurons an epoch can judge. A row or column of so many `u16` still adds up to less than 2^31, so that no sum
/// saturates and no share of it is too large. Bittensor's subnets have up to 256.
pub const MAX_UIDS: usize = 1 << 15;

/// A bonds moving average of one, in parts per million.
pub(crate) const ONE_PPM: u64 = 1_000_000;

/// How bonds are kept and turned into dividends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum YumaVersion {
    /// Bonds contain stake and are column-normalized before and after the moving average.
    Yuma1,
    /// Bonds are per validator and miner, without stake in them; stake enters with the dividends.
    #[default]
    Yuma3,
}

/// Liquid alpha: how fast a bond follows a weight depends on how far the validator is from consensus. Yuma 3 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidAlpha {
    /// Slowest rate (`AlphaValues.0`), a proportion of `u16::MAX`.
    pub low: u16,
    /// Fastest rate (`AlphaValues.1`), a proportion of `u16::MAX`.
    pub high: u16,
    /// Steepness of the sigmoid between them (`AlphaSigmoidSteepness`), in hundredths.
    pub steepness: i16,
}

impl Default for LiquidAlpha {
    /// The chain's defaults: 0.7 to 0.9, steepness 1000 (which is 10 per unit).
    fn default() -> Self {
        Self { low: 45_875, high: 58_982, steepness: 1_000 }
    }
}

/// The hyperparameters of a subnet that Yuma consensus reads. Named as the chain names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochParams {
    /// `Kappa`: the share of stake that a weight must have behind it to be consensus, a proportion of `u16::MAX`.
    pub kappa: u16,
    /// `Tempo`: blocks between epochs.
    pub tempo: u16,
    /// Blocks after its last update in which a validator's stake still counts; see [`activity_cutoff_blocks`].
    ///
    /// [`activity_cutoff_blocks`]: crate::activity_cutoff_blocks
    pub activity_cutoff_blocks: u64,
    /// `MaxAllowedValidators`: how many neurons hold a validator permit after this epoch (the owner comes on top).
    pub max_allowed_validators: u16,
    /// `StakeThreshold`: stake below this counts as none, except the owner's.
    pub stake_threshold: u64,
    /// `BondsMovingAverage`: how much of the old bond stays, in parts per million; at most 1,000,000.
    pub bonds_moving_average_ppm: u64,
    /// `BondsPenalty`: how far weights above consensus are cut before they become bonds, a proportion of `u16::MAX`.
    pub bonds_penalty: u16,
    /// `Yuma3On`.
    pub yuma: YumaVersion,
    /// `LiquidAlphaOn` with `AlphaValues` and `AlphaSigmoidSteepness`; ignored by Yuma 1, as on the chain.
    pub liquid_alpha: Option<LiquidAlpha>,
}

impl Default for EpochParams {
    /// The chain's defaults for a new subnet, at its default tempo of 360 blocks.
    fn default() -> Self {
        Self {
            kappa: 32_767,
            tempo: 360,
            activity_cutoff_blocks: crate::activity_cutoff_blocks(13_889, 360),
            max_allowed_validators: 128,
            stake_threshold: 0,
            bonds_moving_average_ppm: 900_000,
            bonds_penalty: u16::MAX,
            yuma: YumaVersion::Yuma3,
            liquid_alpha: None,
        }
    }
}

/// Everything an epoch of one mechanism of one subnet depends on.
///
/// Every slice has one element per uid, in uid order. Rows keep the order in which they are stored (liquid alpha can
/// tell, see `bonds`), name each target once, and name only uids that exist.
#[derive(Clone, Debug)]
pub struct EpochInput<'a> {
    /// Hyperparameters.
    pub params: EpochParams,
    /// The block in which the epoch runs.
    pub current_block: u64,
    /// `LastMechansimStepBlock` (the chain's spelling): the block of the last epoch that ran, 0 if none did.
    pub last_step_block: u64,
    /// Alpha to split, in rao. Server and validator emission together never exceed it.
    pub emission: u64,
    /// The subnet owner's uid, if the owner's hotkey is registered: always permitted, may weigh itself.
    pub owner_uid: Option<u16>,
    /// Stake in rao: alpha plus weighted tao, inherited through parents and children; see [`combined_stake`].
    ///
    /// [`combined_stake`]: crate::combined_stake
    pub stake: &'a [Fixed64],
    /// Block of the last weights (or, with commit-reveal, commit) of each uid in this mechanism.
    pub last_update: &'a [u64],
    /// Block in which each uid was last registered.
    pub block_at_registration: &'a [u64],
    /// Permits that the epoch before granted: they, not the new ones, decide whose weights count now.
    pub validator_permit: &'a [bool],
    /// Stored weights, one row per uid.
    pub weights: &'a [Row],
    /// Stored bonds, one row per uid.
    pub bonds: &'a [Row],
    /// `None` when commit-reveal is off. Else, per uid, the block of its earliest commit that is neither revealed nor
    /// expired: weights towards a neuron that registered after that block are dropped.
    pub earliest_live_commit: Option<&'a [Option<u64>]>,
}

/// Why an input cannot be an epoch's. Nothing is computed then; the caller's storage is inconsistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EpochError {
    /// More uids than [`MAX_UIDS`].
    TooManyUids {
        /// Uids given.
        uids: usize,
    },
    /// A per-uid slice does not have one element per uid.
    UnequalLengths {
        /// Name of the field in [`EpochInput`].
        field: &'static str,
        /// Its length.
        length: usize,
        /// The number of uids: the length of `stake`.
        uids: usize,
    },
    /// A row names a target that does not exist.
    TargetOutOfRange {
        /// `weights` or `bonds`.
        field: &'static str,
        /// Whose row.
        uid: u16,
        /// What it names.
        target: u16,
        /// The number of uids.
        uids: usize,
    },
    /// A row names a target twice.
    DuplicateTarget {
        /// `weights` or `bonds`.
        field: &'static str,
        /// Whose row.
        uid: u16,
        /// What it names twice.
        target: u16,
    },
    /// The owner's uid does not exist.
    OwnerOutOfRange {
        /// The owner's uid.
        owner_uid: u16,
        /// The number of uids.
        uids: usize,
    },
    /// A stake below zero.
    NegativeStake {
        /// Whose.
        uid: u16,
    },
    /// All stakes together do not fit in 2^63 rao, some hundred times what can ever be issued.
    StakeOverflow,
    /// A moving average above one would make bonds grow without end.
    BondsMovingAverageAboveOne {
        /// The parameter, in parts per million.
        ppm: u64,
    },
}

impl fmt::Display for EpochError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooManyUids { uids } => {
                write!(f, "{uids} uids, an epoch judges at most {MAX_UIDS}: trim the subnet first")
            }
            Self::UnequalLengths { field, length, uids } => {
                write!(f, "`{field}` has {length} elements for {uids} uids: pass exactly one per uid, as in `stake`")
            }
            Self::TargetOutOfRange { field, uid, target, uids } => write!(
                f,
                "`{field}` of uid {uid} names uid {target}, but there are {uids}: trim rows when uids are removed"
            ),
            Self::DuplicateTarget { field, uid, target } => {
                write!(f, "`{field}` of uid {uid} names uid {target} twice: refuse such a row when it is set")
            }
            Self::OwnerOutOfRange { owner_uid, uids } => {
                write!(f, "the owner's uid is {owner_uid}, but there are {uids}: pass None for an unregistered owner")
            }
            Self::NegativeStake { uid } => write!(f, "the stake of uid {uid} is negative: pass zero for no stake"),
            Self::StakeOverflow => write!(f, "the stakes together are 2^63 rao or more: count none twice"),
            Self::BondsMovingAverageAboveOne { ppm } => {
                write!(f, "the bonds moving average is {ppm} ppm: it must be at most {ONE_PPM}")
            }
        }
    }
}

impl core::error::Error for EpochError {}

impl EpochInput<'_> {
    /// Checks everything that the formulas take for granted.
    pub(crate) fn validate(&self) -> Result<(), EpochError> {
        let uids = self.stake.len();
        if uids > MAX_UIDS {
            return Err(EpochError::TooManyUids { uids });
        }
        let lengths = [
            ("last_update", self.last_update.len()),
            ("block_at_registration", self.block_at_registration.len()),
            ("validator_permit", self.validator_permit.len()),
            ("weights", self.weights.len()),
            ("bonds", self.bonds.len()),
            ("earliest_live_commit", self.earliest_live_commit.map_or(uids, <[_]>::len)),
        ];
        if let Some(&(field, length)) = lengths.iter().find(|(_, length)| *length != uids) {
            return Err(EpochError::UnequalLengths { field, length, uids });
        }
        if let Some(owner_uid) = self.owner_uid.filter(|&uid| usize::from(uid) >= uids) {
            return Err(EpochError::OwnerOutOfRange { owner_uid, uids });
        }
        if let Some((uid, _)) = (0..).zip(self.stake).find(|(_, stake)| **stake < Fixed64::ZERO) {
            return Err(EpochError::NegativeStake { uid });
        }
        if self.stake.iter().try_fold(Fixed64::ZERO, |total, stake| total.checked_add(*stake)).is_none() {
            return Err(EpochError::StakeOverflow);
        }
        if self.params.bonds_moving_average_ppm > ONE_PPM {
            return Err(EpochError::BondsMovingAverageAboveOne { ppm: self.params.bonds_moving_average_ppm });
        }
        validate_rows("weights", self.weights, uids)?;
        validate_rows("bonds", self.bonds, uids)
    }
}

fn validate_rows(field: &'static str, rows: &[Row], uids: usize) -> Result<(), EpochError> {
    // Which row last named each target; one allocation serves all rows.
    let mut named_by: Vec<Option<u16>> = alloc::vec![None; uids];
    for (uid, row) in (0..=u16::MAX).zip(rows) {
        // In a row in ascending order, as most are, nobody is named twice, and who is named last is the highest.
        if row.is_sorted_by(|one, next| one.0 < next.0) && row.last().is_none_or(|last| usize::from(last.0) < uids) {
            continue;
        }
        for &(target, _) in row {
            let seen = named_by.get_mut(usize::from(target)).ok_or(EpochError::TargetOutOfRange {
                field,
                uid,
                target,
                uids,
            })?;
            if seen.replace(uid) == Some(uid) {
                return Err(EpochError::DuplicateTarget { field, uid, target });
            }
        }
    }
    Ok(())
}
