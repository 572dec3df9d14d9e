//! An epoch's input that owns its slices, so that it can be made up, changed and renamed.

use yuma::{EpochInput, EpochParams, Fixed64, Row};

/// An input with its slices.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) params: EpochParams,
    pub(crate) current_block: u64,
    pub(crate) last_step_block: u64,
    pub(crate) emission: u64,
    pub(crate) owner_uid: Option<u16>,
    pub(crate) stake: Vec<Fixed64>,
    pub(crate) last_update: Vec<u64>,
    pub(crate) block_at_registration: Vec<u64>,
    pub(crate) validator_permit: Vec<bool>,
    pub(crate) weights: Vec<Row>,
    pub(crate) bonds: Vec<Row>,
    pub(crate) earliest_live_commit: Option<Vec<Option<u64>>>,
}

impl Owned {
    pub(crate) fn borrowed(&self) -> EpochInput<'_> {
        EpochInput {
            params: self.params,
            current_block: self.current_block,
            last_step_block: self.last_step_block,
            emission: self.emission,
            owner_uid: self.owner_uid,
            stake: &self.stake,
            last_update: &self.last_update,
            block_at_registration: &self.block_at_registration,
            validator_permit: &self.validator_permit,
            weights: &self.weights,
            bonds: &self.bonds,
            earliest_live_commit: self.earliest_live_commit.as_deref(),
        }
    }

    /// The definition, written differently from the crate's.
    pub(crate) fn is_consistent(&self) -> bool {
        let uids = self.stake.len();
        let rows_are = |rows: &[Row]| {
            rows.len() == uids
                && rows.iter().all(|row| {
                    let mut targets: Vec<u16> = row.iter().map(|&(target, _)| target).collect();
                    targets.sort_unstable();
                    targets.windows(2).all(|two| two[0] != two[1])
                        && targets.last().is_none_or(|&last| usize::from(last) < uids)
                })
        };
        self.last_update.len() == uids
            && self.block_at_registration.len() == uids
            && self.validator_permit.len() == uids
            && self.earliest_live_commit.as_ref().is_none_or(|commits| commits.len() == uids)
            && self.owner_uid.is_none_or(|uid| usize::from(uid) < uids)
            && self.stake.iter().all(|stake| *stake >= 0)
            && self.stake.iter().try_fold(0_i128, |total, stake| total.checked_add(stake.to_bits())).is_some()
            && self.params.bonds_moving_average_ppm <= 1_000_000
            && rows_are(&self.weights)
            && rows_are(&self.bonds)
    }
}
