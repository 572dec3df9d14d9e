//! Registration by proof of work: who cannot or will not pay the price computes instead. What it takes to find a proof goes
//! up where more come than are wanted, and down where fewer do.
//!
//! ```text
//! seal = Keccak-256(SHA-256(nonce ‖ Keccak-256(hash of a recent block ‖ hotkey)))
//! ```
//!
//! A seal is good if, read as a little-endian number, it times the difficulty is below 2²⁵⁶. The nonce is eight bytes,
//! little-endian.

use crate::{
    AdjustmentAlpha, AdjustmentInterval, Config, Difficulty, Error, Event, LastAdjustmentBlock, MaxDifficulty,
    MaxRegistrationsPerBlock, MinDifficulty, NetUid, NetworkPowRegistrationAllowed, POWRegistrationsThisInterval,
    Pallet, RegistrationsThisBlock, TargetRegistrationsPerInterval, UsedWork, defaults,
};
use alloc::vec::Vec;
use codec::Encode;
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{
    ensure_signed,
    pallet_prelude::{BlockNumberFor, OriginFor},
};
use sp_core::U256;
use sp_io::hashing::{keccak_256, sha2_256};

/// Registrations by proof of work in an interval, as a multiple of the wanted ones, after which no more are taken.
const MOST_PER_TARGET: u16 = 3;

/// The seal that proves work for a hotkey: with it a miner tries nonces, and the chain checks what was found.
pub fn seal(block_hash: &[u8], hotkey: &[u8], nonce: u64) -> [u8; 32] {
    let bound = keccak_256(&[block_hash, hotkey].concat());
    keccak_256(&sha2_256(&[nonce.to_le_bytes().as_slice(), &bound].concat()))
}

/// Whether a seal is good enough for a difficulty.
pub fn meets_difficulty(seal: &[u8; 32], difficulty: u64) -> bool {
    U256::from_little_endian(seal).checked_mul(U256::from(difficulty)).is_some()
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_pow_register(
        origin: OriginFor<T>,
        netuid: NetUid,
        work_block: u64,
        nonce: u64,
        work: Vec<u8>,
        hotkey: T::AccountId,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_registrable(netuid, &hotkey)?;
        ensure!(NetworkPowRegistrationAllowed::<T>::get(netuid), Error::<T>::SubNetRegistrationDisabled);
        ensure!(
            RegistrationsThisBlock::<T>::get(netuid) < MaxRegistrationsPerBlock::<T>::get(netuid),
            Error::<T>::TooManyRegistrationsThisBlock
        );
        let most = TargetRegistrationsPerInterval::<T>::get(netuid).saturating_mul(MOST_PER_TARGET);
        // Without intervals nothing is counted anew, so nothing is limited by them.
        ensure!(
            AdjustmentInterval::<T>::get(netuid) == 0 || POWRegistrationsThisInterval::<T>::get(netuid) < most,
            Error::<T>::TooManyRegistrationsThisInterval
        );
        Self::check_work(netuid, work_block, nonce, &work, &hotkey)?;

        let now = Self::current_block();
        Self::register_neuron(netuid, &coldkey, hotkey)?;
        UsedWork::<T>::insert(work, now);
        POWRegistrationsThisInterval::<T>::mutate(netuid, |n| *n = n.saturating_add(1));
        Ok(())
    }

    fn check_work(
        netuid: NetUid,
        work_block: u64,
        nonce: u64,
        work: &Vec<u8>,
        hotkey: &T::AccountId,
    ) -> DispatchResult {
        let now = Self::current_block();
        // The present block has no hash yet: work on it could have been done at any time.
        ensure!(
            work_block < now && now.saturating_sub(work_block) <= defaults::WORK_BLOCKS,
            Error::<T>::InvalidWorkBlock
        );
        Self::forget_old_work(now);
        ensure!(!UsedWork::<T>::contains_key(work), Error::<T>::InvalidWorkBlock);
        let number = BlockNumberFor::<T>::try_from(work_block).map_err(|_| Error::<T>::InvalidWorkBlock)?;
        let block_hash = frame_system::Pallet::<T>::block_hash(number);
        let seal = seal(block_hash.as_ref(), &hotkey.encode(), nonce);
        ensure!(seal.as_slice() == work.as_slice(), Error::<T>::InvalidSeal);
        ensure!(meets_difficulty(&seal, Difficulty::<T>::get(netuid)), Error::<T>::InvalidDifficulty);
        Ok(())
    }

    /// Work on blocks that are too old is refused for that; it need not be remembered.
    fn forget_old_work(now: u64) {
        let old: Vec<Vec<u8>> = UsedWork::<T>::iter()
            .filter(|(_, block)| now.saturating_sub(*block) > defaults::WORK_BLOCKS)
            .map(|(work, _)| work)
            .collect();
        for work in old {
            UsedWork::<T>::remove(work);
        }
    }

    /// Once per `AdjustmentInterval`: the difficulty moves towards its product with
    /// `(registrations + wanted) / (2 · wanted)`, so it halves where nobody came.
    pub(crate) fn adjust_difficulty(netuid: NetUid, now: u64) {
        let interval = u64::from(AdjustmentInterval::<T>::get(netuid));
        if interval == 0 || now.saturating_sub(LastAdjustmentBlock::<T>::get(netuid)) < interval {
            return;
        }
        LastAdjustmentBlock::<T>::insert(netuid, now);
        let registrations = POWRegistrationsThisInterval::<T>::take(netuid);
        let wanted = TargetRegistrationsPerInterval::<T>::get(netuid);
        let old = Difficulty::<T>::get(netuid);
        let moved = adjusted(old, registrations, wanted, AdjustmentAlpha::<T>::get(netuid));
        // The floor is applied last: should the bounds ever cross, a registration takes some work.
        let new = moved.min(MaxDifficulty::<T>::get(netuid)).max(MinDifficulty::<T>::get(netuid));
        if new != old {
            Difficulty::<T>::insert(netuid, new);
            Self::deposit_event(Event::DifficultySet(netuid, new));
        }
    }
}

/// `α · old + (1 − α) · old · (registrations + wanted) / (2 · wanted)`, α being a fraction of 2⁶⁴ − 1. Where none are
/// wanted, the difficulty stays.
fn adjusted(old: u64, registrations: u16, wanted: u16, alpha: u64) -> u64 {
    let one = U256::from(u64::MAX);
    let (alpha, old_wide) = (U256::from(alpha), U256::from(old));
    let pressure = U256::from(u32::from(registrations) + u32::from(wanted));
    // No product here has more than 64 + 64 + 18 bits.
    let target = (old_wide * (one - alpha) * pressure).checked_div(U256::from(2 * u32::from(wanted)));
    let Some(target) = target else { return old };
    u64::try_from((old_wide * alpha + target) / one).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difficulty_follows_the_demand() {
        assert_eq!(adjusted(1_000, 2, 2, 0), 1_000, "as many as wanted");
        assert_eq!(adjusted(1_000, 0, 2, 0), 500, "nobody");
        assert_eq!(adjusted(1_000, 6, 2, 0), 2_000, "three times as many");
        assert_eq!(adjusted(1_000, 6, 2, u64::MAX), 1_000, "nothing moves");
        assert_eq!(adjusted(1_000, 6, 2, u64::MAX / 2), 1_500, "half of the way");
        assert_eq!(adjusted(1_000, 6, 0, 0), 1_000, "none wanted");
        assert_eq!(adjusted(u64::MAX, u16::MAX, 1, 0), u64::MAX, "never past the end");
    }

    #[test]
    fn a_seal_is_judged_as_a_little_endian_number() {
        let mut seal = [0; 32];
        seal[31] = 0x80;
        assert!(meets_difficulty(&seal, 1) && !meets_difficulty(&seal, 2));
        seal.reverse();
        assert!(meets_difficulty(&seal, u64::MAX));
        assert!(meets_difficulty(&[0xff; 32], 0), "no difficulty, no work");
    }
}
