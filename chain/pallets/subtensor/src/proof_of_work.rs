//! Registration by proof of work: who cannot or will not pay the price computes instead. What it takes to find a proof goes
//! up where more come than are wanted, and down where fewer do.
//!
//! ```text
//! seal = Keccak-256(SHA-256("subtensor-pow-register-v1" ‖ netuid ‖ hash of a recent block ‖ hotkey ‖ coldkey ‖ nonce))
//! ```
//!
//! A seal is good if, read as a little-endian number, it times the difficulty is below 2²⁵⁶. The netuid is two bytes and
//! the nonce eight, little-endian. The rule is that of Bittensor's later versions, whose client looks for such seals.

use crate::{
    AdjustmentAlpha, AdjustmentInterval, Config, Difficulty, Error, Event, LastAdjustmentBlock,
    LastPowRegistrationBlock, MaxDifficulty, MaxRegistrationsPerBlock, MinDifficulty, NetUid,
    NetworkPowRegistrationAllowed, POWRegistrationsThisInterval, Pallet, RegistrationsThisBlock,
    TargetRegistrationsPerInterval, defaults,
};
use codec::Encode;
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{
    ensure_signed,
    pallet_prelude::{BlockNumberFor, OriginFor},
};
use sp_core::U256;
use sp_io::hashing::{keccak_256, sha2_256};

/// Who proves work for what.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The subnet.
    pub netuid: NetUid,
    /// The hash of a recent block.
    pub block_hash: &'a [u8],
    /// The encoded hotkey that is to be registered.
    pub hotkey: &'a [u8],
    /// The encoded coldkey that signs the registration.
    pub coldkey: &'a [u8],
}

/// The seal that proves work: with it a miner tries nonces, and the chain checks what was found.
pub fn seal(challenge: Challenge<'_>, nonce: u64) -> [u8; 32] {
    const DOMAIN: &[u8] = b"subtensor-pow-register-v1";
    let Challenge { netuid, block_hash, hotkey, coldkey } = challenge;
    let (netuid, nonce) = (netuid.0.to_le_bytes(), nonce.to_le_bytes());
    let payload = [DOMAIN, netuid.as_slice(), block_hash, hotkey, coldkey, nonce.as_slice()].concat();
    keccak_256(&sha2_256(&payload))
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
        work: [u8; 32],
        hotkey: T::AccountId,
    ) -> DispatchResult {
        let coldkey = ensure_signed(origin)?;
        Self::ensure_registrable(netuid, &hotkey)?;
        ensure!(NetworkPowRegistrationAllowed::<T>::get(netuid), Error::<T>::SubNetRegistrationDisabled);
        ensure!(
            RegistrationsThisBlock::<T>::get(netuid) < MaxRegistrationsPerBlock::<T>::get(netuid),
            Error::<T>::TooManyRegistrationsThisBlock
        );
        let now = Self::current_block();
        // The present block has no hash yet: work on it could have been done at any time.
        ensure!(
            work_block < now && now.saturating_sub(work_block) <= defaults::WORK_BLOCKS,
            Error::<T>::InvalidWorkBlock
        );
        // One proof registers once: the hotkey's next is on a later block.
        let last = LastPowRegistrationBlock::<T>::get(&hotkey);
        ensure!(last.is_none_or(|last| work_block > last), Error::<T>::InvalidWorkBlock);
        let number = BlockNumberFor::<T>::try_from(work_block).map_err(|_| Error::<T>::InvalidWorkBlock)?;
        let block_hash = frame_system::Pallet::<T>::block_hash(number);
        ensure!(block_hash != T::Hash::default(), Error::<T>::InvalidWorkBlock);
        let challenge =
            Challenge { netuid, block_hash: block_hash.as_ref(), hotkey: &hotkey.encode(), coldkey: &coldkey.encode() };
        let seal = seal(challenge, nonce);
        ensure!(seal == work, Error::<T>::InvalidSeal);
        ensure!(meets_difficulty(&seal, Difficulty::<T>::get(netuid).max(1)), Error::<T>::InvalidDifficulty);

        Self::register_neuron(netuid, &coldkey, hotkey.clone())?;
        LastPowRegistrationBlock::<T>::insert(hotkey, work_block);
        POWRegistrationsThisInterval::<T>::mutate(netuid, |n| *n = n.saturating_add(1));
        Ok(())
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
