//! Public randomness on chain, under the names of Bittensor's pallet `Drand`.
//!
//! A *pulse* is one round of a drand beacon: a BLS signature over the round number, and its SHA-256. Nobody knows it
//! before its round, everybody can check it after. What was committed before a round can therefore be judged by it.
//!
//! What differs from Bittensor, on purpose, because a development chain has no internet to rely on:
//!
//! * There an off-chain worker fetches the quicknet beacon over HTTPS and posts it as an unsigned transaction. Here the
//!   block's author holds the beacon's key and writes the pulses as an *inherent*: one round per block, in the block
//!   whose timestamp reaches the round. The operator of such a chain is trusted not to look ahead.
//! * A round lasts one block, which may be far below a second, while drand counts in whole seconds. The exact length is
//!   in [`RoundMillis`]; [`BeaconConfig`]'s `period` holds it in seconds when it is a whole number of them, and zero
//!   otherwise, so that a reader that only knows drand's unit fails loudly instead of reading a round long known.
//!
//! The round of a timestamp is [`round_at`]; the first round that was still secret at a timestamp is the next one.
//! The pallet checks that rounds follow each other and are due. Whoever relies on a pulse verifies its signature
//! against `public_key`, as with drand itself.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod types;

#[cfg(test)]
mod tests;

pub use pallet::*;
pub use types::{
    BeaconConfiguration, INHERENT_IDENTIFIER, Metadata, Pulse, PulseInherent, RoundNumber, SCHEME_ID, round_at,
};

/// Most pulses that one block may bring. More than one round is due when blocks became slower than the rounds.
pub const MAX_PULSES_PER_BLOCK: u32 = 256;

/// How many of the latest rounds stay readable; older ones are removed. At 250 ms a block that is more than an hour,
/// which outlives every window, reveal and audit that looks a round up.
pub const MAX_KEPT_PULSES: u64 = 16_384;

/// The pallet. The macro writes many items; their documentation is on what they are made from.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::vec::Vec;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::Time;
    use frame_system::pallet_prelude::*;

    /// What the pallet needs from the runtime.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The chain's clock in milliseconds; must already stand at the current block when pulses are written.
        type Time: Time<Moment = u64>;
    }

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// Which beacon the pulses come from.
    #[pallet::storage]
    pub type BeaconConfig<T> = StorageValue<_, BeaconConfiguration, ValueQuery>;

    /// Length of a round in milliseconds. Not in Bittensor: there it is `period` seconds.
    #[pallet::storage]
    pub type RoundMillis<T> = StorageValue<_, u64, ValueQuery>;

    /// The latest [`MAX_KEPT_PULSES`] rounds.
    #[pallet::storage]
    pub type Pulses<T> = StorageMap<_, Blake2_128Concat, RoundNumber, Pulse, OptionQuery>;

    /// The latest round written, zero before the first.
    #[pallet::storage]
    pub type LastStoredRound<T> = StorageValue<_, RoundNumber, ValueQuery>;

    /// The oldest round still readable, zero before the first.
    #[pallet::storage]
    pub type OldestStoredRound<T> = StorageValue<_, RoundNumber, ValueQuery>;

    /// The beacon at genesis.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Compressed G2 point, 96 bytes.
        pub public_key: Vec<u8>,
        /// When round 1 began, Unix seconds.
        pub genesis_time: u32,
        /// Length of a round in milliseconds.
        pub round_millis: u64,
        /// drand's hash over the parameters of the beacon, 32 bytes.
        pub hash: Vec<u8>,
        /// The seed that names the group of signers, 32 bytes.
        pub group_hash: Vec<u8>,
        /// The beacon's name.
        pub beacon_id: Vec<u8>,
        #[serde(skip)]
        #[doc(hidden)]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if self.round_millis == 0 {
                return; // No beacon: the chain runs without pulses.
            }
            BeaconConfig::<T>::put(BeaconConfiguration {
                public_key: BoundedVec::truncate_from(self.public_key.clone()),
                period: types::whole_seconds(self.round_millis),
                genesis_time: self.genesis_time,
                hash: BoundedVec::truncate_from(self.hash.clone()),
                group_hash: BoundedVec::truncate_from(self.group_hash.clone()),
                scheme_id: BoundedVec::truncate_from(SCHEME_ID.to_vec()),
                metadata: Metadata { beacon_id: BoundedVec::truncate_from(self.beacon_id.clone()) },
            });
            RoundMillis::<T>::put(self.round_millis);
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Pulses were written.
        NewPulse {
            /// Their rounds, ascending.
            rounds: Vec<RoundNumber>,
        },
        /// Root removed the rounds before this one.
        SetOldestStoredRound(RoundNumber),
    }

    #[pallet::error]
    pub enum Error<T> {
        /// A pulse's round does not follow the latest stored one.
        InvalidRoundNumber,
        /// A pulse's round has not begun at this block's timestamp.
        RoundInTheFuture,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Forget all rounds before `oldest_round`. Root only; at most [`MAX_KEPT_PULSES`] entries go.
        #[pallet::call_index(2)]
        #[pallet::weight((Weight::from_parts(5_000_000, 0), DispatchClass::Operational, Pays::No))]
        pub fn set_oldest_stored_round(origin: OriginFor<T>, oldest_round: u64) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(oldest_round <= LastStoredRound::<T>::get(), Error::<T>::InvalidRoundNumber);
            Self::prune_before(oldest_round);
            Self::deposit_event(Event::SetOldestStoredRound(oldest_round));
            Ok(())
        }

        /// Write the pulses that became due. An inherent: only the block's author can include it.
        ///
        /// Index 3, because 0 and 1 are Bittensor's `write_pulse` and `set_beacon_config`, which take other arguments.
        #[pallet::call_index(3)]
        #[pallet::weight((Weight::from_parts(20_000_000, 0), DispatchClass::Mandatory))]
        pub fn write_pulses(
            origin: OriginFor<T>,
            pulses: BoundedVec<Pulse, ConstU32<MAX_PULSES_PER_BLOCK>>,
        ) -> DispatchResult {
            ensure_none(origin)?;
            let due = Self::round_due();
            let mut last = LastStoredRound::<T>::get();
            let mut rounds = Vec::with_capacity(pulses.len());
            for pulse in pulses {
                // Rounds may be skipped forward (after an outage), never repeated or rewritten.
                ensure!(pulse.round > last, Error::<T>::InvalidRoundNumber);
                ensure!(pulse.round <= due, Error::<T>::RoundInTheFuture);
                last = pulse.round;
                rounds.push(last);
                Pulses::<T>::insert(last, pulse);
            }
            if let Some(first) = rounds.first() {
                if OldestStoredRound::<T>::get() == 0 {
                    OldestStoredRound::<T>::put(first);
                }
                LastStoredRound::<T>::put(last);
                Self::prune_before(last.saturating_sub(MAX_KEPT_PULSES - 1));
                Self::deposit_event(Event::NewPulse { rounds });
            }
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// The round that the current timestamp has reached.
        fn round_due() -> RoundNumber {
            round_at(BeaconConfig::<T>::get().genesis_time, RoundMillis::<T>::get(), T::Time::now())
        }

        /// Remove every round before `oldest`.
        fn prune_before(oldest: RoundNumber) {
            let first = OldestStoredRound::<T>::get();
            if first == 0 || oldest <= first {
                return;
            }
            for round in first..oldest {
                Pulses::<T>::remove(round);
            }
            OldestStoredRound::<T>::put(oldest);
        }
    }

    #[pallet::inherent]
    impl<T: Config> ProvideInherent for Pallet<T> {
        type Call = Call<T>;
        type Error = sp_inherents::MakeFatalError<()>;
        const INHERENT_IDENTIFIER: sp_inherents::InherentIdentifier = INHERENT_IDENTIFIER;

        fn create_inherent(data: &sp_inherents::InherentData) -> Option<Self::Call> {
            let pulses = data.get_data::<PulseInherent>(&INHERENT_IDENTIFIER).ok().flatten()?;
            (!pulses.is_empty()).then_some(Call::write_pulses { pulses })
        }

        fn is_inherent(call: &Self::Call) -> bool {
            matches!(call, Call::write_pulses { .. })
        }
    }
}
