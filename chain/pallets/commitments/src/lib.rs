//! Small public notes by hotkeys, under the names of Bittensor's pallet `Commitments`.
//!
//! A registered hotkey posts up to three fields with `set_commitment`; the chain keeps the latest post and the block it
//! was made in. Posting is free of fee, and bounded by space instead: [`MaxSpace`] bytes per hotkey and epoch of the
//! subnet, each post counting as at least [`MIN_SPACE_BYTES`]. Who needs older posts follows blocks or events.
//!
//! Two kinds of data that Bittensor accepts do less here, because what stands behind them is not part of this chain:
//! `TimelockEncrypted` is refused (this chain holds no decryption), and `ResetBondsFlag` is stored but resets nothing,
//! as on a Bittensor subnet whose `BondsResetOn` is off.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod data;

#[cfg(test)]
mod tests;

pub use data::{Data, MAX_BIG_RAW_BYTES, MAX_RAW_BYTES, MAX_TIMELOCK_BYTES};
pub use pallet::*;

/// Fields that one commitment may have. The metadata names the type by it, so clients break when it changes.
pub const MAX_FIELDS: u32 = 3;

/// Bytes a hotkey may post per epoch of a subnet unless root set another limit.
pub const DEFAULT_MAX_SPACE_BYTES: u32 = 3_100;

/// What a post counts for at least, so that empty posts run out too: 31 posts an epoch by default.
pub const MIN_SPACE_BYTES: u64 = 100;

/// What this pallet asks the subnets' pallet, implemented by the runtime.
pub trait SubnetInfo<AccountId> {
    /// Whether `who` is a hotkey with a uid on the subnet.
    fn is_registered(netuid: u16, who: &AccountId) -> bool;

    /// The number of the subnet's current epoch; space is handed out anew when it changes.
    fn epoch_index(netuid: u16) -> u64;
}

/// The pallet. The macro writes many items; their documentation is on what they are made from.
#[allow(clippy::expect_used, reason = "FRAME's expansion of a pallet expects its place in the runtime")]
#[allow(clippy::multiple_bound_locations, reason = "the derives repeat the bounds of a struct in a where clause")]
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use alloc::boxed::Box;
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
    }

    #[pallet::pallet]
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
    }

    #[pallet::error]
    pub enum Error<T> {
        /// More fields than `MaxFields`.
        TooManyFieldsInCommitmentInfo,
        /// The signer is not a hotkey registered on the subnet.
        AccountNotAllowedCommit,
        /// The hotkey's space of this epoch is used up.
        SpaceLimitExceeded,
        /// This chain cannot open timelocked data.
        TimelockNotSupported,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Post, replacing the signer's earlier post on this subnet.
        #[pallet::call_index(0)]
        #[pallet::weight((
            Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 3)),
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
            let timelocked = info.fields.iter().any(|field| matches!(field, Data::TimelockEncrypted { .. }));
            ensure!(!timelocked, Error::<T>::TimelockNotSupported);

            let bytes: u64 = info.fields.iter().map(Data::space_bytes).sum();
            Self::use_space(netuid, &who, bytes.max(MIN_SPACE_BYTES))?;

            let block = frame_system::Pallet::<T>::block_number();
            CommitmentOf::<T>::insert(netuid, &who, Registration { deposit: 0, block, info: *info });
            LastCommitment::<T>::insert(netuid, &who, block);
            Self::deposit_event(Event::Commitment { netuid, who });
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
