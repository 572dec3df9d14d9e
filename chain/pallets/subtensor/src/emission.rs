//! What a block does by itself: prices fall, TAO is emitted to subnets, and epochs that are due run.

use crate::{
    AlphaBalance, BlockEmission, BlocksSinceLastStep, Config, Event, FirstEmissionBlockNumber, LastEpochBlock,
    MaxEpochsPerBlock, NetUid, NetworkRegistrationAllowed, OwnerCutEnabled, Pallet, PendingEpochAt, PendingOwnerCut,
    PendingRootAlphaDivs, PendingServerEmission, PendingValidatorEmission, RegistrationsThisBlock, SubnetAlphaOut,
    SubnetAlphaOutEmission, SubnetEmissionEnabled, SubnetOwnerCut, SubnetworkN, SubtokenEnabled, TaoBalance, Tempo,
    defaults, numbers::Proportion,
};
use alloc::vec::Vec;
use frame_support::weights::Weight;

impl<T: Config> Pallet<T> {
    /// Runs before any transaction of the block.
    pub(crate) fn begin_block(now: u64) -> Weight {
        let subnets = Self::subnets();
        RegistrationsThisBlock::<T>::remove(NetUid::ROOT);
        for netuid in &subnets {
            Self::decay_burn(*netuid);
            Self::adjust_difficulty(*netuid, now);
            RegistrationsThisBlock::<T>::remove(netuid);
        }
        let opened = Self::reveal_timelocked_weights(&subnets);
        Self::accrue_emission(&subnets, now);
        let neurons = Self::run_due_epochs(&subnets, now);
        Self::block_weight(subnets.len(), neurons).saturating_add(Self::reveal_weight(opened))
    }

    /// Emits this block's TAO over the subnets that take part and have it enabled, and each one's alpha. With none, no TAO
    /// is emitted.
    fn accrue_emission(subnets: &[NetUid], now: u64) {
        let emission = block_emission(Self::issuance());
        BlockEmission::<T>::put(emission);
        let (taking, idle): (Vec<NetUid>, Vec<NetUid>) =
            subnets.iter().partition(|netuid| Self::takes_emission(**netuid, now));
        for netuid in idle {
            Self::forget_emission(netuid);
        }
        let root_sells = Self::root_sells(&taking);
        let mut weights = Self::emission_weights(&taking);
        // Where root has not enabled it, a subnet gets no TAO; what it emits of its own goes on.
        for (netuid, weight) in taking.iter().zip(&mut weights) {
            if !SubnetEmissionEnabled::<T>::get(netuid) {
                *weight = 0;
            }
        }
        for (netuid, share) in taking.iter().copied().zip(split(emission, &weights)) {
            let (alpha, to_root) = if Self::is_dynamic(netuid) {
                Self::emit_to_pool(netuid, share)
            } else {
                Self::emit_one_to_one(netuid, share)
            };
            Self::accrue_alpha(netuid, alpha, to_root, root_sells);
        }
        for netuid in taking {
            Self::update_moving_price(netuid, now);
        }
    }

    /// Whether a subnet emits: once it is started, while stake may be moved and neurons may register.
    fn takes_emission(netuid: NetUid, now: u64) -> bool {
        SubtokenEnabled::<T>::get(netuid)
            && NetworkRegistrationAllowed::<T>::get(netuid)
            && FirstEmissionBlockNumber::<T>::get(netuid).is_some_and(|first| first <= now)
    }

    /// Sets a subnet's alpha aside until its epoch: the owner's cut, then half to miners and half to validators, who
    /// also get the odd one. Root's part of the validators' half waits to be sold, if root may sell; else it is not
    /// issued.
    fn accrue_alpha(netuid: NetUid, alpha: AlphaBalance, to_root: Proportion, root_sells: bool) {
        let owner_cut = if OwnerCutEnabled::<T>::get(netuid) { part(alpha, SubnetOwnerCut::<T>::get()) } else { 0 };
        let rest = alpha.saturating_sub(owner_cut);
        let miners = rest / 2;
        let root = to_root.of_amount(rest.saturating_sub(miners));
        let validators = rest.saturating_sub(miners).saturating_sub(root);
        let issued = if root_sells {
            PendingRootAlphaDivs::<T>::mutate(netuid, |pending| *pending = pending.saturating_add(root));
            alpha
        } else {
            alpha.saturating_sub(root)
        };
        PendingOwnerCut::<T>::mutate(netuid, |pending| *pending = pending.saturating_add(owner_cut));
        PendingServerEmission::<T>::mutate(netuid, |pending| *pending = pending.saturating_add(miners));
        PendingValidatorEmission::<T>::mutate(netuid, |pending| *pending = pending.saturating_add(validators));
        // Below 21 million by its halvings, so nothing saturates.
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(issued));
        SubnetAlphaOutEmission::<T>::insert(netuid, alpha);
    }

    /// Runs the epochs that are due, those that wait longest first, as many as one block may have; the others are put
    /// off to the next block. Returns how many neurons they were about.
    fn run_due_epochs(subnets: &[NetUid], now: u64) -> usize {
        let mut due = Vec::new();
        for netuid in subnets.iter().copied() {
            if Self::is_epoch_due(netuid, now) {
                due.push((LastEpochBlock::<T>::get(netuid), netuid));
            } else {
                BlocksSinceLastStep::<T>::mutate(netuid, |blocks| *blocks = blocks.saturating_add(1));
            }
        }
        due.sort_unstable();
        let (now_running, put_off) = due.split_at(due.len().min(usize::from(MaxEpochsPerBlock::<T>::get())));
        let mut neurons = 0usize;
        for (_, netuid) in now_running {
            neurons = neurons.saturating_add(usize::from(SubnetworkN::<T>::get(netuid)));
            Self::run_epoch(*netuid, now);
        }
        for (_, netuid) in put_off {
            let to_block = now.saturating_add(1);
            PendingEpochAt::<T>::insert(netuid, to_block);
            BlocksSinceLastStep::<T>::mutate(netuid, |blocks| *blocks = blocks.saturating_add(1));
            Self::deposit_event(Event::EpochDeferred { netuid: *netuid, from_block: now, to_block });
        }
        neurons
    }

    fn is_epoch_due(netuid: NetUid, now: u64) -> bool {
        Self::next_epoch_start_block(netuid).is_some_and(|block| now >= block)
    }

    /// The block at whose beginning a subnet's next epoch runs (unless too many are due); `None` if its tempo is 0.
    pub fn next_epoch_start_block(netuid: NetUid) -> Option<u64> {
        let tempo = Tempo::<T>::get(netuid);
        if tempo == 0 || !Self::subnet_exists(netuid) {
            return None;
        }
        let regular = LastEpochBlock::<T>::get(netuid).saturating_add(u64::from(tempo));
        let pending = PendingEpochAt::<T>::get(netuid);
        Some(if pending == 0 { regular } else { pending })
    }
}

/// What a block emits: one TAO, halved each time the supply has covered half of what was left to 21 million.
pub fn block_emission(issuance: TaoBalance) -> TaoBalance {
    let Some(left) = defaults::TOTAL_SUPPLY_RAO.checked_sub(issuance).filter(|left| *left > 0) else { return 0 };
    // floor(log2(1 / (1 - issuance / supply))) halvings.
    let halvings = (defaults::TOTAL_SUPPLY_RAO / left).ilog2();
    defaults::BLOCK_EMISSION_RAO >> halvings
}

/// `fraction / 65535` of an amount, rounded down.
pub(crate) fn part(amount: u64, fraction: u16) -> u64 {
    let product = u128::from(amount).saturating_mul(u128::from(fraction));
    u64::try_from(product / u128::from(u16::MAX)).unwrap_or(amount)
}

/// Splits `total` in proportion to `parts` so that nothing is lost: each gets the difference of two rounded running
/// sums, so less than one rao away from its due. All zero if the parts are.
pub(crate) fn split(total: u64, parts: &[u64]) -> Vec<u64> {
    let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    let mut running = 0u128;
    let mut paid = 0u64;
    parts
        .iter()
        .map(|part| {
            // At most 2⁸⁰ · 2⁶⁴ would overflow, but the sum of what a subnet emits is below 2⁶⁴ rao.
            running = running.saturating_add(u128::from(*part));
            let up_to_here = u128::from(total).saturating_mul(running).checked_div(sum).unwrap_or_default();
            let up_to_here = u64::try_from(up_to_here).unwrap_or(total);
            let share = up_to_here.saturating_sub(paid);
            paid = up_to_here;
            share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defaults::{RAO_PER_TAO, TOTAL_SUPPLY_RAO};

    #[test]
    fn emission_halves_when_half_of_the_rest_is_out() {
        assert_eq!(block_emission(0), RAO_PER_TAO);
        assert_eq!(block_emission(TOTAL_SUPPLY_RAO / 2 - 1), RAO_PER_TAO);
        assert_eq!(block_emission(TOTAL_SUPPLY_RAO / 2), RAO_PER_TAO / 2);
        assert_eq!(block_emission(TOTAL_SUPPLY_RAO / 4 * 3 - 1), RAO_PER_TAO / 2);
        assert_eq!(block_emission(TOTAL_SUPPLY_RAO / 4 * 3), RAO_PER_TAO / 4);
        assert_eq!(block_emission(TOTAL_SUPPLY_RAO - 1), 0);
        assert_eq!(block_emission(TOTAL_SUPPLY_RAO), 0);
        assert_eq!(block_emission(u64::MAX), 0);
    }

    #[test]
    fn a_split_loses_nothing_and_is_fair_to_a_rao() {
        for (total, parts) in
            [(100, vec![1, 1, 1]), (7, vec![0, 5, 0, 3]), (1, vec![9, 9]), (u64::MAX, vec![3, 1 << 50, 7])]
        {
            let shares = split(total, &parts);
            assert_eq!(shares.iter().map(|share| u128::from(*share)).sum::<u128>(), u128::from(total));
            let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
            for (share, part) in shares.iter().zip(&parts) {
                let due = u128::from(total) * u128::from(*part) / sum;
                assert!(u128::from(*share).abs_diff(due) <= 1, "{share} for {due}");
            }
        }
        assert_eq!(split(5, &[0, 0]), [0, 0]);
        assert!(split(5, &[]).is_empty());
    }

    #[test]
    fn a_part_is_rounded_down() {
        assert_eq!(part(1_000_000_000, 11_796), 179_995_422);
        assert_eq!(part(u64::MAX, u16::MAX), u64::MAX);
        assert_eq!(part(5, 0), 0);
    }
}
