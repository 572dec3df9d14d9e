//! Opening what was posted under a time lock, when the beacon has signed its round.

use alloc::vec::Vec;
use frame_support::BoundedVec;
use sp_runtime::traits::UniqueSaturatedInto;

use timelock::BeaconSignatures;

use crate::{
    CommitmentOf, Config, Data, Event, MAX_REVEALS_PER_BLOCK, MAX_REVEALS_PER_HOTKEY, Pallet, RevealedCommitments,
    SubnetInfo, TimelockedIndex,
};

/// What is left of a post's fields, what of them was opened, and how many were tried.
struct Opened<T: Config> {
    left: BoundedVec<Data, T::MaxFields>,
    revealed: Vec<Vec<u8>>,
    tried: u32,
}

impl<T: Config> Pallet<T> {
    /// Opens the fields whose rounds the chain has, up to a bound; the rest waits for the next block. Returns how many
    /// posts were looked at and how many fields were tried.
    pub(crate) fn reveal_due() -> (u32, u32) {
        let (mut looked_at, mut tried) = (0u32, 0u32);
        let mut index = TimelockedIndex::<T>::get();
        let before = index.len();
        index.retain(|(netuid, who)| {
            if tried >= MAX_REVEALS_PER_BLOCK {
                return true;
            }
            looked_at = looked_at.saturating_add(1);
            let (waits, here) = Self::reveal_of(*netuid, who);
            tried = tried.saturating_add(here);
            waits
        });
        if index.len() < before {
            TimelockedIndex::<T>::put(index);
        }
        (looked_at, tried)
    }

    /// Opens what can be of one post. Returns whether any of it still waits, and how many fields were tried.
    fn reveal_of(netuid: u16, who: &T::AccountId) -> (bool, u32) {
        // Who has lost the place waits no more; so there are never more who wait than neurons.
        if !T::Subnets::is_registered(netuid, who) {
            return (false, 0);
        }
        let Some(mut post) = CommitmentOf::<T>::get(netuid, who) else { return (false, 0) };
        let Opened { left, revealed, tried } = Self::open(&post.info.fields);
        let waits = left.iter().any(Data::is_timelocked);
        if tried == 0 {
            return (waits, 0);
        }
        Self::keep(netuid, who, revealed);
        // What opened is no part of the post any more; nor is what never will.
        if left.is_empty() {
            CommitmentOf::<T>::remove(netuid, who);
        } else {
            post.info.fields = left;
            CommitmentOf::<T>::insert(netuid, who, post);
        }
        (waits, tried)
    }

    fn open(fields: &BoundedVec<Data, T::MaxFields>) -> Opened<T> {
        let mut opened = Opened { left: fields.clone(), revealed: Vec::new(), tried: 0 };
        opened.left.retain(|field| {
            let Data::TimelockEncrypted { encrypted, reveal_round } = field else { return true };
            let Some(signature) = T::Beacon::signature(*reveal_round) else { return true };
            opened.tried = opened.tried.saturating_add(1);
            let message = signature.as_slice().try_into().ok().and_then(|signature| {
                // Sealed for another round, or no sealed message at all: nobody will ever read it.
                timelock::open(signature, encrypted).ok()
            });
            opened.revealed.extend(message.filter(|message| !message.is_empty()));
            false
        });
        opened
    }

    /// Stores what was opened behind what was before, and drops the oldest of too many.
    fn keep(netuid: u16, who: &T::AccountId, revealed: Vec<Vec<u8>>) {
        if revealed.is_empty() {
            return;
        }
        let block: u64 = frame_system::Pallet::<T>::block_number().unique_saturated_into();
        let mut all = RevealedCommitments::<T>::get(netuid, who).unwrap_or_default();
        for message in revealed {
            all.push((message, block));
            Self::deposit_event(Event::CommitmentRevealed { netuid, who: who.clone() });
        }
        let too_many = all.len().saturating_sub(MAX_REVEALS_PER_HOTKEY);
        all.drain(..too_many);
        RevealedCommitments::<T>::insert(netuid, who, all);
    }
}
