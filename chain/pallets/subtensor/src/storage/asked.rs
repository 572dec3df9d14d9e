//! What Bittensor's clients read although nothing on this chain writes it: locks, leases, collateral and queues, which
//! the chain leaves out. A missing item would end the client's command; an empty one tells it the truth.

use frame_support::pallet_macros::pallet_section;

/// Storage items that stay empty, pasted into the pallet.
#[pallet_section]
mod asked {
    /// How a subnet's epochs reach consensus: always by Yuma here.
    #[pallet::storage]
    pub type SubnetEpochConsensus<T> = StorageMap<_, Identity, NetUid, EpochConsensus, ValueQuery>;

    /// The part of a registration's price that would be kept as a miner's collateral.
    #[pallet::storage]
    pub type CollateralLockShare<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// How fast that collateral would drain.
    #[pallet::storage]
    pub type CollateralDrainRatio<T> = StorageMap<_, Identity, NetUid, U64F64, ValueQuery>;

    /// Subnets that wait to be taken down.
    #[pallet::storage]
    pub type DissolveCleanupQueue<T> = StorageValue<_, Vec<NetUid>, ValueQuery>;

    /// Subnets that wait to be created: (coldkey, TAO set aside).
    #[pallet::storage]
    pub type NetworkRegistrationQueue<T: Config> = StorageValue<_, Vec<(T::AccountId, TaoBalance)>, ValueQuery>;

    /// The average flow of TAO into a subnet: (block, rao per block).
    #[pallet::storage]
    pub type SubnetEmaTaoFlow<T> = StorageMap<_, Identity, NetUid, (u64, I64F64), OptionQuery>;

    /// Stake that a coldkey locked to a hotkey in a subnet: (coldkey, netuid, hotkey).
    #[pallet::storage]
    pub type Lock<T: Config> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, T::AccountId>, NMapKey<Identity, NetUid>, NMapKey<Blake2_128Concat, T::AccountId>),
        LockState,
        OptionQuery,
    >;

    /// Whether a coldkey's lock in a subnet decays.
    #[pallet::storage]
    pub type DecayingLock<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, bool, OptionQuery>;

    /// Whether an owner's cut would be locked at once.
    #[pallet::storage]
    pub type OwnerCutAutoLockEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

    /// What is locked to a hotkey in a subnet.
    #[pallet::storage]
    pub type HotkeyLock<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, LockState, OptionQuery>;

    /// What of that decays.
    #[pallet::storage]
    pub type DecayingHotkeyLock<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, LockState, OptionQuery>;

    /// What a subnet's owner locked.
    #[pallet::storage]
    pub type OwnerLock<T> = StorageMap<_, Identity, NetUid, LockState, OptionQuery>;

    /// What of that decays.
    #[pallet::storage]
    pub type DecayingOwnerLock<T> = StorageMap<_, Identity, NetUid, LockState, OptionQuery>;

    /// Blocks in which a lock would mature.
    #[pallet::storage]
    pub type MaturityRate<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::LOCK_RATE_BLOCKS }>>;

    /// Blocks in which a lock would open.
    #[pallet::storage]
    pub type UnlockRate<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::LOCK_RATE_BLOCKS }>>;

    /// What becomes of a coldkey's root dividends: they are sold for TAO as they fall due.
    #[pallet::storage]
    pub type RootClaimType<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, RootClaimTypeEnum, ValueQuery>;

    /// Root dividends of a hotkey that wait to be claimed, by subnet.
    #[pallet::storage]
    pub type RootClaimable<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, BTreeMap<NetUid, I96F32>, ValueQuery>;

    /// Root dividends that were claimed: (netuid, hotkey, coldkey).
    #[pallet::storage]
    pub type RootClaimed<T: Config> = StorageNMap<
        _,
        (NMapKey<Identity, NetUid>, NMapKey<Blake2_128Concat, T::AccountId>, NMapKey<Blake2_128Concat, T::AccountId>),
        u128,
        ValueQuery,
    >;

    /// Blocks between two openings of root stake.
    #[pallet::storage]
    pub type RootStakeUnlockInterval<T> = StorageValue<_, u64, ValueQuery>;
}
