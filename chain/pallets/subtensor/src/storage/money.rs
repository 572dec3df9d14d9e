//! What somebody holds, and what a block adds to it: balances, stake, pools, emission.

use frame_support::pallet_macros::pallet_section;

/// Storage items, pasted into the pallet.
#[pallet_section]
mod money {
    // ---- Money. ----

    /// All TAO that exists: free balances and stake. Refreshed at the end of every block.
    #[pallet::storage]
    pub type TotalIssuance<T> = StorageValue<_, TaoBalance, ValueQuery>;

    /// All TAO outside free balances: the sum of `SubnetTAO`.
    #[pallet::storage]
    pub type TotalStake<T> = StorageValue<_, TaoBalance, ValueQuery>;

    /// A subnet's TAO: the pool's where alpha has a price, and where it is worth TAO one to one what backs all of it.
    #[pallet::storage]
    pub type SubnetTAO<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery>;

    /// What the last block emitted in all, after halvings.
    #[pallet::storage]
    pub type BlockEmission<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::BLOCK_EMISSION_RAO }>>;

    /// TAO that the last block put into a subnet (with its `SubnetAlphaInEmission`, where alpha has a price).
    #[pallet::storage]
    pub type SubnetTaoInEmission<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery>;

    /// Alpha that the last block emitted for a subnet's owner, miners and validators, root's part included.
    #[pallet::storage]
    pub type SubnetAlphaOutEmission<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// Whether a subnet takes part in emission. Creation sets it to false; root enables it.
    #[pallet::storage]
    pub type SubnetEmissionEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// What waits for the miners until the epoch.
    #[pallet::storage]
    pub type PendingServerEmission<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// What waits for the validators until the epoch.
    #[pallet::storage]
    pub type PendingValidatorEmission<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// What waits for the subnet's owner until the epoch.
    #[pallet::storage]
    pub type PendingOwnerCut<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// The owner's share of every subnet's emission, as a fraction of 65535.
    #[pallet::storage]
    pub type SubnetOwnerCut<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::SUBNET_OWNER_CUT }>>;

    /// Whether a subnet's owner gets a share at all.
    #[pallet::storage]
    pub type OwnerCutEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// TAO destroyed by registrations in a subnet.
    #[pallet::storage]
    pub type RAORecycledForRegistration<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery>;

    // ---- Stake. A hotkey's stake is a pool; coldkeys hold shares of it, so that a dividend is one write. ----

    /// All alpha staked to a hotkey in a subnet: the pool.
    #[pallet::storage]
    pub type TotalHotkeyAlpha<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// All shares of a hotkey's pool.
    #[pallet::storage]
    pub type TotalHotkeyShares<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, U64F64, ValueQuery>;

    /// The shares that a coldkey holds of a hotkey's pool: (hotkey, coldkey, netuid).
    #[pallet::storage]
    pub type Alpha<T: Config> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, T::AccountId>, NMapKey<Blake2_128Concat, T::AccountId>, NMapKey<Identity, NetUid>),
        U64F64,
        ValueQuery,
    >;

    /// What a hotkey earned in its last epoch, incentive and dividends together.
    #[pallet::storage]
    pub type LastHotkeyEmissionOnNetuid<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// The dividends of the last epoch by hotkey, before the take.
    #[pallet::storage]
    pub type AlphaDividendsPerSubnet<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, AlphaBalance, ValueQuery>;

    /// Stake below which a neuron has no say and may not set weights.
    #[pallet::storage]
    pub type StakeThreshold<T> = StorageValue<_, u64, ValueQuery>;

    /// The least that may stay staked with somebody else's hotkey, in millionths of the least stake.
    #[pallet::storage]
    pub type NominatorMinRequiredStake<T> = StorageValue<_, u64, ValueQuery>;

    // ---- The pool. ----

    /// Alpha in a subnet's pool: what can be bought.
    #[pallet::storage]
    pub type SubnetAlphaIn<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// Alpha outside the pool: all stake, all that waits to be paid, and all that was burned.
    #[pallet::storage]
    pub type SubnetAlphaOut<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// The part of `SubnetAlphaOut` that was burned. (Not on Bittensor: it makes the sum exact.)
    #[pallet::storage]
    pub type SubnetAlphaBurned<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// TAO that was ever traded for a subnet's alpha, in either direction.
    #[pallet::storage]
    pub type SubnetVolume<T> = StorageMap<_, Identity, NetUid, u128, ValueQuery>;

    /// The moving average of the price of alpha, counted as one at most. Emission is split by it.
    #[pallet::storage]
    pub type SubnetMovingPrice<T> = StorageMap<_, Identity, NetUid, I96F32, ValueQuery>;

    /// How fast that average follows the price, once a subnet is old.
    #[pallet::storage]
    pub type SubnetMovingAlpha<T> = StorageValue<_, I96F32, ValueQuery, defaults::SubnetMovingAlphaDefault>;

    /// Blocks after which a subnet's average follows half as fast as it ever will.
    #[pallet::storage]
    pub type EMAPriceHalvingBlocks<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::EMA_PRICE_HALVING_BLOCKS }>>;

    /// Alpha that the last block put into a subnet's pool.
    #[pallet::storage]
    pub type SubnetAlphaInEmission<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// TAO with which the last block bought a subnet's alpha, to destroy it.
    #[pallet::storage]
    pub type SubnetExcessTao<T> = StorageMap<_, Identity, NetUid, TaoBalance, ValueQuery>;

    /// Whether stake on a subnet may be given to another coldkey.
    #[pallet::storage]
    pub type TransferToggle<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// The mechanism (see `SubnetMechanism`) of subnets that are created. (Not on Bittensor, where it is 1.)
    #[pallet::storage]
    pub type NewSubnetMechanism<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::DYNAMIC_MECHANISM }>>;

    // ---- Root. ----

    /// What TAO staked on root counts for in a subnet, against its alpha, as a fraction of 2⁶⁴ − 1.
    #[pallet::storage]
    pub type TaoWeight<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TAO_WEIGHT }>>;

    /// Root's part of what a subnet's validators got in the last block.
    #[pallet::storage]
    pub type RootProp<T> = StorageMap<_, Identity, NetUid, U96F32, ValueQuery>;

    /// What waits for root's stakers until the epoch.
    #[pallet::storage]
    pub type PendingRootAlphaDivs<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// What was sold for the root stake of each hotkey in the last epoch that paid root, before the take.
    #[pallet::storage]
    pub type RootAlphaDividendsPerSubnet<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, AlphaBalance, ValueQuery>;

    // ---- What the owner's hotkey mines. ----

    /// What becomes of it.
    #[pallet::storage]
    pub type RecycleOrBurn<T> = StorageMap<_, Identity, NetUid, RecycleOrBurnEnum, ValueQuery>;

    /// Its share of what miners earned in the last epoch.
    #[pallet::storage]
    pub type MinerBurned<T> = StorageMap<_, Identity, NetUid, U96F32, ValueQuery>;

    /// Alpha that a block's TAO bought beyond what went into the pool with it. It counts as issued, and nobody has it.
    #[pallet::storage]
    pub type SubnetProtocolAlpha<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;

    /// All alpha of a subnet that is staked to any hotkey.
    #[pallet::storage]
    pub type TotalAlphaStaked<T> = StorageMap<_, Identity, NetUid, AlphaBalance, ValueQuery>;
}
