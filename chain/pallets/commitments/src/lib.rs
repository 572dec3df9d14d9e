//! Small public notes by hotkeys, under the names of Bittensor's pallet `Commitments`.
//!
//! A registered hotkey posts up to three fields with `set_commitment`; the chain keeps the latest post and the block it
//! was made in. Posting is free of fee, and bounded by space instead: [`MaxSpace`] bytes per hotkey and epoch of the
//! subnet, each post counting as at least [`MIN_SPACE_BYTES`]. Who needs older posts follows blocks or events.
//!
//! Two kinds of data do something. `TimelockEncrypted` is opened by the chain when the beacon has signed its round: the
//! field leaves the post, and its plain text goes to [`RevealedCommitments`]. `ResetBondsFlag` asks for the hotkey's bonds
//! to be reset, which a subnet must allow (`BondsResetOn`).

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod data;
mod reveal;

#[cfg(test)]
mod tests;

pub use data::{Data, MAX_BIG_RAW_BYTES, MAX_RAW_BYTES, MAX_TIMELOCK_BYTES};
pub use pallet::*;

use alloc::vec::Vec;
use timelock::BeaconSignatures;

/// Fields that one commitment may have. The metadata names the type by it, so clients break when it changes.
pub const MAX_FIELDS: u32 = 3;

/// Bytes a hotkey may post per epoch of a subnet unless root set another limit.
pub const DEFAULT_MAX_SPACE_BYTES: u32 = 3_100;

/// What a post counts for at least, so that empty posts run out too: 31 posts an epoch by default.
pub const MIN_SPACE_BYTES: u64 = 100;

/// Revealed messages of a hotkey on a subnet that are kept: the latest.
pub const MAX_REVEALS_PER_HOTKEY: usize = 10;

/// Fields that one block opens; more wait for the next. Opening one takes some milliseconds. (Bittensor opens all at once.)
pub const MAX_REVEALS_PER_BLOCK: u32 = 32;

/// Rows of bonds that a subnet has at most.
const MAX_BOND_ROWS: u64 = 256;

/// Reference time of opening a field: a pairing and two multiplications.
const REVEAL_PICOSECONDS: u64 = 5_000_000_000;

/// What this pallet asks the subnets' pallet, implemented by the runtime.
pub trait SubnetInfo<AccountId> {
    /// Whether `who` is a hotkey with a uid on the subnet.
    fn is_registered(netuid: u16, who: &AccountId) -> bool;

    /// The number of the subnet's current epoch; space is handed out anew when it changes.
    fn epoch_index(netuid: u16) -> u64;

    /// Takes away the bonds on a hotkey, if the subnet allows it.
    fn reset_bonds(netuid: u16, who: &AccountId);
}

/// The pallet. The macro writes many items; their documentation is on what they are made from.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[allow(clippy::multiple_bound_locations, reason = "the derives repeat the bounds of a struct in a where clause")]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::boxed::Box;
    use alloc::collections::BTreeSet;
    use frame_support::pallet_prelude::*;
    use frame_support::{CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound};
    use frame_system::pallet_prelude::*;

    /// What the pallet needs from the runtime.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Fields that one commitment may have.
        #[pallet::constant]
        type MaxFields: Get<u32> + 'static;

        /// Who is registered where, and in which epoch a subnet is.
        type Subnets: SubnetInfo<Self::AccountId>;

        /// The beacon that opens time-locked fields.
        type Beacon: BeaconSignatures;
    }

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// What a hotkey posts.
    #[derive(
        CloneNoBound,
        DebugNoBound,
        EqNoBound,
        PartialEqNoBound,
        Encode,
        Decode,
        DecodeWithMemTracking,
        TypeInfo,
        MaxEncodedLen,
    )]
    #[codec(mel_bound())]
    #[scale_info(skip_type_params(FieldLimit))]
    pub struct CommitmentInfo<FieldLimit: Get<u32>> {
        /// The fields, in the poster's order.
        pub fields: BoundedVec<Data, FieldLimit>,
    }

    /// A stored post.
    #[derive(
        CloneNoBound,
        DebugNoBound,
        EqNoBound,
        PartialEqNoBound,
        Encode,
        Decode,
        DecodeWithMemTracking,
        TypeInfo,
        MaxEncodedLen,
    )]
    #[codec(mel_bound(BlockNumber: MaxEncodedLen))]
    #[scale_info(skip_type_params(FieldLimit))]
    pub struct Registration<FieldLimit: Get<u32>, BlockNumber: Clone + core::fmt::Debug + Eq> {
        /// Always zero; the field is part of Bittensor's layout.
        pub deposit: u64,
        /// The block of the post.
        pub block: BlockNumber,
        /// What was posted.
        pub info: CommitmentInfo<FieldLimit>,
    }

    /// How much of its space a hotkey has used.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
    pub struct UsageTracker {
        /// The epoch this counts for.
        pub last_epoch: u64,
        /// Bytes used in it.
        pub used_space: u64,
    }

    type RegistrationOf<T> = Registration<<T as Config>::MaxFields, BlockNumberFor<T>>;

    /// The latest post of a hotkey on a subnet.
    #[pallet::storage]
    pub type CommitmentOf<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, RegistrationOf<T>, OptionQuery>;

    /// The block of a hotkey's latest post on a subnet.
    #[pallet::storage]
    pub type LastCommitment<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, BlockNumberFor<T>, OptionQuery>;

    /// The block in which a hotkey's latest post with a `ResetBondsFlag` was made.
    #[pallet::storage]
    pub type LastBondsReset<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, BlockNumberFor<T>, OptionQuery>;

    /// What a hotkey posted under a time lock and the chain has opened: (plain text, block), the oldest first.
    #[pallet::storage]
    pub type RevealedCommitments<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, Vec<(Vec<u8>, u64)>, OptionQuery>;

    /// The posts of which something waits for its round: (netuid, hotkey).
    #[pallet::storage]
    pub type TimelockedIndex<T: Config> = StorageValue<_, BTreeSet<(u16, T::AccountId)>, ValueQuery>;

    /// How much of its space a hotkey has used on a subnet.
    #[pallet::storage]
    pub type UsedSpaceOf<T: Config> =
        StorageDoubleMap<_, Identity, u16, Twox64Concat, T::AccountId, UsageTracker, OptionQuery>;

    /// The default of [`MaxSpace`].
    #[pallet::type_value]
    pub fn DefaultMaxSpace() -> u32 {
        DEFAULT_MAX_SPACE_BYTES
    }

    /// Bytes a hotkey may post per epoch of a subnet.
    #[pallet::storage]
    pub type MaxSpace<T> = StorageValue<_, u32, ValueQuery, DefaultMaxSpace>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A hotkey posted.
        Commitment {
            /// On this subnet.
            netuid: u16,
            /// The hotkey.
            who: T::AccountId,
        },
        /// A hotkey posted something under a time lock.
        TimelockCommitment {
            /// On this subnet.
            netuid: u16,
            /// The hotkey.
            who: T::AccountId,
            /// The round that opens the first of it.
            reveal_round: u64,
        },
        /// The chain opened something that a hotkey had posted under a time lock.
        CommitmentRevealed {
            /// On this subnet.
            netuid: u16,
            /// The hotkey.
            who: T::AccountId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// More fields than `MaxFields`.
        TooManyFieldsInCommitmentInfo,
        /// The signer is not a hotkey registered on the subnet.
        AccountNotAllowedCommit,
        /// The hotkey's space of this epoch is used up.
        SpaceLimitExceeded,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_block: BlockNumberFor<T>) -> Weight {
            let (looked_at, tried) = Self::reveal_due();
            let opening = Weight::from_parts(REVEAL_PICOSECONDS, 0)
                .saturating_add(T::DbWeight::get().reads_writes(1, 2))
                .saturating_mul(tried.into());
            // A post, and the pulses of its fields' rounds.
            let looking = T::DbWeight::get().reads(4).saturating_mul(looked_at.into());
            T::DbWeight::get().reads_writes(1, 1).saturating_add(looking).saturating_add(opening)
        }
    }

    /// What a post may cost. Resetting bonds goes through every row of them: as many as neurons and mechanisms together.
    fn post_weight<T: Config>(resets_bonds: bool) -> Weight {
        let rows = if resets_bonds { MAX_BOND_ROWS } else { 0 };
        let database = T::DbWeight::get().reads_writes(rows.saturating_add(5), rows.saturating_add(4));
        Weight::from_parts(30_000_000, 0).saturating_add(database)
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Post, replacing the signer's earlier post on this subnet.
        #[pallet::call_index(0)]
        #[pallet::weight((
            post_weight::<T>(info.fields.contains(&Data::ResetBondsFlag)),
            DispatchClass::Normal,
            Pays::No
        ))]
        pub fn set_commitment(
            origin: OriginFor<T>,
            netuid: u16,
            info: Box<CommitmentInfo<T::MaxFields>>,
        ) -> DispatchResult {
            let who = ensure_signed(origin)?;
            ensure!(T::Subnets::is_registered(netuid, &who), Error::<T>::AccountNotAllowedCommit);
            ensure!(info.fields.len() as u32 <= T::MaxFields::get(), Error::<T>::TooManyFieldsInCommitmentInfo);
            let bytes: u64 = info.fields.iter().map(Data::space_bytes).sum();
            Self::use_space(netuid, &who, bytes.max(MIN_SPACE_BYTES))?;

            let resets_bonds = info.fields.contains(&Data::ResetBondsFlag);
            let reveal_round = info.fields.iter().find_map(|field| match field {
                Data::TimelockEncrypted { reveal_round, .. } => Some(*reveal_round),
                _ => None,
            });
            let block = frame_system::Pallet::<T>::block_number();
            CommitmentOf::<T>::insert(netuid, &who, Registration { deposit: 0, block, info: *info });
            LastCommitment::<T>::insert(netuid, &who, block);
            if resets_bonds {
                LastBondsReset::<T>::insert(netuid, &who, block);
                T::Subnets::reset_bonds(netuid, &who);
            }
            Self::note_timelock(netuid, who, reveal_round);
            Ok(())
        }

        /// Set how many bytes a hotkey may post per epoch. Root only.
        #[pallet::call_index(2)]
        #[pallet::weight((Weight::from_parts(5_000_000, 0), DispatchClass::Operational, Pays::No))]
        pub fn set_max_space(origin: OriginFor<T>, new_limit: u32) -> DispatchResult {
            ensure_root(origin)?;
            MaxSpace::<T>::put(new_limit);
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// Forget all that was posted on a subnet, and whatever of it waits for its round: the subnet is no more.
        pub fn purge(netuid: u16) {
            let _ = CommitmentOf::<T>::clear_prefix(netuid, u32::MAX, None);
            let _ = LastCommitment::<T>::clear_prefix(netuid, u32::MAX, None);
            let _ = LastBondsReset::<T>::clear_prefix(netuid, u32::MAX, None);
            let _ = RevealedCommitments::<T>::clear_prefix(netuid, u32::MAX, None);
            let _ = UsedSpaceOf::<T>::clear_prefix(netuid, u32::MAX, None);
            TimelockedIndex::<T>::mutate(|index| index.retain(|(subnet, _)| *subnet != netuid));
        }

        /// Note that something of a post waits for its round, or that nothing does, and announce the post.
        fn note_timelock(netuid: u16, who: T::AccountId, reveal_round: Option<u64>) {
            let entry = (netuid, who.clone());
            let mut index = TimelockedIndex::<T>::get();
            let changed = if reveal_round.is_some() { index.insert(entry) } else { index.remove(&entry) };
            if changed {
                TimelockedIndex::<T>::put(index);
            }
            Self::deposit_event(match reveal_round {
                Some(reveal_round) => Event::TimelockCommitment { netuid, who, reveal_round },
                None => Event::Commitment { netuid, who },
            });
        }

        /// Book `bytes` on the hotkey's space of this epoch.
        fn use_space(netuid: u16, who: &T::AccountId, bytes: u64) -> Result<(), Error<T>> {
            let epoch = T::Subnets::epoch_index(netuid);
            let mut usage = UsedSpaceOf::<T>::get(netuid, who).unwrap_or_default();
            if usage.last_epoch != epoch {
                usage = UsageTracker { last_epoch: epoch, used_space: 0 };
            }
            usage.used_space = usage.used_space.saturating_add(bytes);
            ensure!(usage.used_space <= u64::from(MaxSpace::<T>::get()), Error::<T>::SpaceLimitExceeded);
            UsedSpaceOf::<T>::insert(netuid, who, usage);
            Ok(())
        }
    }
}
