//! What subnets and their neurons are: keys, registration, what they say about themselves, mechanisms.

use frame_support::pallet_macros::pallet_section;

/// Storage items, pasted into the pallet.
#[pallet_section]
mod subnets {
    // ---- Keys. ----

    /// The coldkey that owns a hotkey.
    #[pallet::storage]
    pub type Owner<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, T::AccountId, ValueQuery, defaults::ZeroAccount<T>>;

    /// The hotkeys that a coldkey owns.
    #[pallet::storage]
    pub type OwnedHotkeys<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Vec<T::AccountId>, ValueQuery>;

    /// The hotkeys that a coldkey staked to, at any time.
    #[pallet::storage]
    pub type StakingHotkeys<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Vec<T::AccountId>, ValueQuery>;

    /// The share of dividends that a hotkey keeps from those who staked to it, as a fraction of 65535.
    #[pallet::storage]
    pub type Delegates<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, u16, ValueQuery, ConstU16<{ defaults::DELEGATE_TAKE }>>;

    // ---- Subnets. ----

    /// The subnets that exist, and the root network.
    #[pallet::storage]
    pub type NetworksAdded<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

    /// How many subnets exist, the root network counted.
    #[pallet::storage]
    pub type TotalNetworks<T> = StorageValue<_, u16, ValueQuery>;

    /// How many subnets may exist.
    #[pallet::storage]
    pub type SubnetLimit<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::SUBNET_LIMIT }>>;

    /// Blocks during which a new subnet is not taken down to make room for another.
    #[pallet::storage]
    pub type NetworkImmunityPeriod<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::NETWORK_IMMUNITY_PERIOD_BLOCKS }>>;

    /// Blocks that must pass between two creations of subnets.
    #[pallet::storage]
    pub type NetworkRateLimit<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::NETWORK_RATE_LIMIT_BLOCKS }>>;

    /// The floor of the price of a subnet.
    #[pallet::storage]
    pub type NetworkMinLockCost<T> =
        StorageValue<_, TaoBalance, ValueQuery, ConstU64<{ defaults::NETWORK_MIN_LOCK_COST_RAO }>>;

    /// What the last subnet cost.
    #[pallet::storage]
    pub type NetworkLastLockCost<T> =
        StorageValue<_, TaoBalance, ValueQuery, ConstU64<{ defaults::NETWORK_MIN_LOCK_COST_RAO }>>;

    /// Blocks in which the price of a subnet falls by the last price paid.
    #[pallet::storage]
    pub type NetworkLockReductionInterval<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::NETWORK_LOCK_REDUCTION_INTERVAL_BLOCKS }>>;

    /// The block at which the last subnet was created, if any was. (Bittensor keeps it in `LastRateLimitedBlock`.)
    #[pallet::storage]
    pub type NetworkLastRegistered<T> = StorageValue<_, u64, ValueQuery>;

    /// What a subnet's creator paid. It went into the pool, or was destroyed where there is none.
    #[pallet::storage]
    pub type SubnetLocked<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery>;

    /// The coldkey that owns a subnet.
    #[pallet::storage]
    pub type SubnetOwner<T: Config> =
        StorageMap<_, Identity, NetUid, T::AccountId, ValueQuery, defaults::ZeroAccount<T>>;

    /// The hotkey of a subnet's owner.
    #[pallet::storage]
    pub type SubnetOwnerHotkey<T: Config> =
        StorageMap<_, Identity, NetUid, T::AccountId, ValueQuery, defaults::ZeroAccount<T>>;

    /// What a subnet's owner says about it.
    #[pallet::storage]
    pub type SubnetIdentitiesV3<T> = StorageMap<_, Identity, NetUid, SubnetIdentityV3, OptionQuery>;

    /// The symbol of a subnet's token. Clients refuse to connect without it.
    #[pallet::storage]
    pub type TokenSymbol<T> = StorageMap<_, Identity, NetUid, Vec<u8>, ValueQuery, defaults::TaoSymbol>;

    /// The block at which a subnet was created.
    #[pallet::storage]
    pub type NetworkRegisteredAt<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// Blocks that an owner must wait before starting a subnet.
    #[pallet::storage]
    pub type StartCallDelay<T> = StorageValue<_, u64, ValueQuery>;

    /// The block from which a started subnet emits.
    #[pallet::storage]
    pub type FirstEmissionBlockNumber<T> = StorageMap<_, Identity, NetUid, u64, OptionQuery>;

    /// Whether a subnet was started, so that stake may be moved.
    #[pallet::storage]
    pub type SubtokenEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

    /// 1 where alpha has a pool and a price; 0 where it is worth TAO one to one.
    #[pallet::storage]
    pub type SubnetMechanism<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// How many incentive mechanisms a subnet has.
    #[pallet::storage]
    pub type MechanismCountCurrent<T> = StorageMap<_, Identity, NetUid, MechId, ValueQuery, OneMechanism>;

    // ---- Neurons. ----

    /// How many neurons a subnet has; uids are 0 to this.
    #[pallet::storage]
    pub type SubnetworkN<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// The uid of a hotkey in a subnet.
    #[pallet::storage]
    pub type Uids<T: Config> = StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, u16, OptionQuery>;

    /// The hotkey of a uid in a subnet.
    #[pallet::storage]
    pub type Keys<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Identity, u16, T::AccountId, ValueQuery, defaults::ZeroAccount<T>>;

    /// Whether a hotkey has a uid in a subnet.
    #[pallet::storage]
    pub type IsNetworkMember<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, bool, ValueQuery>;

    /// The block at which the present holder of a uid registered.
    #[pallet::storage]
    pub type BlockAtRegistration<T> = StorageDoubleMap<_, Identity, NetUid, Identity, u16, u64, ValueQuery>;

    /// Where a hotkey can be reached.
    #[pallet::storage]
    pub type Axons<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, AxonInfo, OptionQuery>;

    // ---- Registration. ----

    /// Whether a subnet takes new neurons.
    #[pallet::storage]
    pub type NetworkRegistrationAllowed<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// The price of a registration.
    #[pallet::storage]
    pub type Burn<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery, ConstU64<{ defaults::BURN_RAO }>>;

    /// The floor of the price.
    #[pallet::storage]
    pub type MinBurn<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery, ConstU64<{ defaults::MIN_BURN_RAO }>>;

    /// The ceiling of the price.
    #[pallet::storage]
    pub type MaxBurn<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery, ConstU64<{ defaults::MAX_BURN_RAO }>>;

    /// Blocks in which the price halves while nobody registers.
    #[pallet::storage]
    pub type BurnHalfLife<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::BURN_HALF_LIFE_BLOCKS }>>;

    /// The factor by which a registration raises the price of the next.
    #[pallet::storage]
    pub type BurnIncreaseMult<T> =
        StorageMap<_, Identity, NetUid, U64F64, ValueQuery, defaults::BurnIncreaseMultDefault>;

    /// Registrations in this block.
    #[pallet::storage]
    pub type RegistrationsThisBlock<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// Registrations by proof of work that one block takes; burned ones are paced by their price alone.
    #[pallet::storage]
    pub type MaxRegistrationsPerBlock<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MAX_REGISTRATIONS_PER_BLOCK }>>;

    /// Registrations by proof of work in an adjustment interval at which the difficulty stays as it is. Three times as many
    /// are taken.
    #[pallet::storage]
    pub type TargetRegistrationsPerInterval<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::TARGET_REGISTRATIONS_PER_INTERVAL }>>;

    /// Blocks between two adjustments of the difficulty; 0 stops them.
    #[pallet::storage]
    pub type AdjustmentInterval<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::ADJUSTMENT_INTERVAL_BLOCKS }>>;

    /// Whether a subnet takes registrations by proof of work.
    #[pallet::storage]
    pub type NetworkPowRegistrationAllowed<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// How many tries a proof of work takes on average.
    #[pallet::storage]
    pub type Difficulty<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::DIFFICULTY }>>;

    /// The floor of the difficulty.
    #[pallet::storage]
    pub type MinDifficulty<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::MIN_DIFFICULTY }>>;

    /// The ceiling of the difficulty.
    #[pallet::storage]
    pub type MaxDifficulty<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::MAX_DIFFICULTY }>>;

    /// The share of the old difficulty that an adjustment keeps, as a fraction of 2⁶⁴ − 1.
    #[pallet::storage]
    pub type AdjustmentAlpha<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// The block of the last adjustment.
    #[pallet::storage]
    pub type LastAdjustmentBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// Registrations by proof of work since the last adjustment.
    #[pallet::storage]
    pub type POWRegistrationsThisInterval<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// The block that a hotkey last proved work on.
    #[pallet::storage]
    pub type LastPowRegistrationBlock<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, OptionQuery>;

    /// Neurons that fit into a subnet.
    #[pallet::storage]
    pub type MaxAllowedUids<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MAX_ALLOWED_UIDS }>>;

    /// To how many neurons a subnet may be trimmed at most.
    #[pallet::storage]
    pub type MinAllowedUids<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MIN_ALLOWED_UIDS }>>;

    /// Blocks during which a new neuron is not pruned.
    #[pallet::storage]
    pub type ImmunityPeriod<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::IMMUNITY_PERIOD_BLOCKS }>>;

    /// Neurons of a subnet's owner that are never pruned.
    #[pallet::storage]
    pub type ImmuneOwnerUidsLimit<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::IMMUNE_OWNER_UIDS_LIMIT }>>;

    /// While no more neurons than this are not immune, the immune are pruned first.
    #[pallet::storage]
    pub type MinNonImmuneUids<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MIN_NON_IMMUNE_UIDS }>>;

    /// Blocks between two servings of one neuron.
    #[pallet::storage]
    pub type ServingRateLimit<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::SERVING_RATE_LIMIT_BLOCKS }>>;

    // ---- What neurons and coldkeys say about themselves. ----

    /// Where a hotkey's metrics can be read.
    #[pallet::storage]
    pub type Prometheus<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, PrometheusInfo, OptionQuery>;

    /// The key with which a hotkey's axon proves itself.
    #[pallet::storage]
    pub type NeuronCertificates<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, NeuronCertificate, OptionQuery>;

    /// What a coldkey says about itself.
    #[pallet::storage]
    pub type IdentitiesV2<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, ChainIdentityV2, OptionQuery>;

    // ---- Mechanisms. ----

    /// How many mechanisms a subnet may have.
    #[pallet::storage]
    pub type MaxMechanismCount<T> = StorageValue<_, MechId, ValueQuery, defaults::MaxMechanismCountDefault>;

    /// How a subnet's emission is split over its mechanisms, as fractions of 65535 that add up to one; evenly if unset.
    #[pallet::storage]
    pub type MechanismEmissionSplit<T> = StorageMap<_, Identity, NetUid, Vec<u16>, OptionQuery>;
}
