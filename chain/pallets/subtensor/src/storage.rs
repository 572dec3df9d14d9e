//! What the chain remembers: Bittensor's names, keys, value types and defaults.

use frame_support::pallet_macros::pallet_section;

/// Storage items, pasted into the pallet.
#[pallet_section]
mod storage {
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

    // ---- Subnets. ----

    /// The subnets that exist.
    #[pallet::storage]
    pub type NetworksAdded<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

    /// How many subnets exist.
    #[pallet::storage]
    pub type TotalNetworks<T> = StorageValue<_, u16, ValueQuery>;

    /// How many subnets may exist.
    #[pallet::storage]
    pub type SubnetLimit<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::SUBNET_LIMIT }>>;

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

    /// Bounds proof-of-work registrations on Bittensor; burned ones are paced by their price alone.
    #[pallet::storage]
    pub type MaxRegistrationsPerBlock<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MAX_REGISTRATIONS_PER_BLOCK }>>;

    /// Kept for clients: burned registrations are paced by their price alone.
    #[pallet::storage]
    pub type TargetRegistrationsPerInterval<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::TARGET_REGISTRATIONS_PER_INTERVAL }>>;

    /// Kept for clients, like `TargetRegistrationsPerInterval`.
    #[pallet::storage]
    pub type AdjustmentInterval<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::ADJUSTMENT_INTERVAL_BLOCKS }>>;

    /// Neurons that fit into a subnet.
    #[pallet::storage]
    pub type MaxAllowedUids<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MAX_ALLOWED_UIDS }>>;

    /// Blocks during which a new neuron is not pruned.
    #[pallet::storage]
    pub type ImmunityPeriod<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::IMMUNITY_PERIOD_BLOCKS }>>;

    /// Neurons of a subnet's owner that are never pruned.
    #[pallet::storage]
    pub type ImmuneOwnerUidsLimit<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::IMMUNE_OWNER_UIDS_LIMIT }>>;

    /// Blocks between two servings of one neuron.
    #[pallet::storage]
    pub type ServingRateLimit<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::SERVING_RATE_LIMIT_BLOCKS }>>;

    // ---- The clock of epochs. ----

    /// Blocks between two epochs; 0 stops them.
    #[pallet::storage]
    pub type Tempo<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::TEMPO_BLOCKS }>>;

    /// The block of the last epoch (of the creation, before the first).
    #[pallet::storage]
    pub type LastEpochBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// The block to which an epoch that was due has been put off; 0 if none.
    #[pallet::storage]
    pub type PendingEpochAt<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// How many epochs a subnet has had. Commits and reveals are counted in it.
    #[pallet::storage]
    pub type SubnetEpochIndex<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// The block at which the last epoch paid; 0 before the first. (The misspelling is Bittensor's.)
    #[pallet::storage]
    pub type LastMechansimStepBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// Blocks since the last epoch.
    #[pallet::storage]
    pub type BlocksSinceLastStep<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// Epochs that may run in one block.
    #[pallet::storage]
    pub type MaxEpochsPerBlock<T> = StorageValue<_, u8, ValueQuery, ConstU8<{ defaults::MAX_EPOCHS_PER_BLOCK }>>;

    // ---- Consensus: parameters. ----

    /// Consensus majority as a fraction of 65535.
    #[pallet::storage]
    pub type Kappa<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::KAPPA }>>;

    /// Read by no epoch any more; kept for clients.
    #[pallet::storage]
    pub type Rho<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::RHO }>>;

    /// Share of the old bonds that an epoch keeps, in millionths.
    #[pallet::storage]
    pub type BondsMovingAverage<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::BONDS_MOVING_AVERAGE }>>;

    /// How far weights above consensus are cut in bonds, as a fraction of 65535.
    #[pallet::storage]
    pub type BondsPenalty<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::BONDS_PENALTY }>>;

    /// Whether bonds follow Yuma 3. Creation sets it to true.
    #[pallet::storage]
    pub type Yuma3On<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

    /// Whether the bonds' moving average depends on how far a weight is from consensus (Yuma 3 only).
    #[pallet::storage]
    pub type LiquidAlphaOn<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

    /// The bounds (low, high) of liquid alpha as fractions of 65535.
    #[pallet::storage]
    pub type AlphaValues<T> = StorageMap<_, Identity, NetUid, (u16, u16), ValueQuery, defaults::AlphaValuesDefault>;

    /// The steepness of liquid alpha's sigmoid, in hundredths.
    #[pallet::storage]
    pub type AlphaSigmoidSteepness<T> =
        StorageMap<_, Identity, NetUid, i16, ValueQuery, defaults::AlphaSigmoidSteepnessDefault>;

    /// Neurons that may hold a validator permit.
    #[pallet::storage]
    pub type MaxAllowedValidators<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MAX_ALLOWED_VALIDATORS }>>;

    /// The activity cutoff as it was set, in blocks. An epoch reads `ActivityCutoffFactorMilli`.
    #[pallet::storage]
    pub type ActivityCutoff<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::ACTIVITY_CUTOFF_BLOCKS }>>;

    /// The activity cutoff in thousandths of a tempo.
    #[pallet::storage]
    pub type ActivityCutoffFactorMilli<T> =
        StorageMap<_, Identity, NetUid, u32, ValueQuery, ConstU32<{ defaults::ACTIVITY_CUTOFF_FACTOR_MILLI }>>;

    /// Weights a validator must set at least.
    #[pallet::storage]
    pub type MinAllowedWeights<T> =
        StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::MIN_ALLOWED_WEIGHTS }>>;

    /// The largest share of one weight in a row, as a fraction of 65535.
    #[pallet::storage]
    pub type MaxWeightsLimit<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ u16::MAX }>>;

    /// The least version of validator software whose weights are taken.
    #[pallet::storage]
    pub type WeightsVersionKey<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// Blocks between two weight settings (or commits) of one neuron.
    #[pallet::storage]
    pub type WeightsSetRateLimit<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::WEIGHTS_SET_RATE_LIMIT_BLOCKS }>>;

    /// Whether weights are committed first and revealed later.
    #[pallet::storage]
    pub type CommitRevealWeightsEnabled<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// Epochs between a commit and its reveal.
    #[pallet::storage]
    pub type RevealPeriodEpochs<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::REVEAL_PERIOD_EPOCHS }>>;

    // ---- Consensus: state, by uid. ----

    /// Weights that are committed and not revealed: (hash, epoch of the commit, block of the commit, epoch in which it
    /// must be revealed).
    #[pallet::storage]
    pub type WeightCommits<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        NetUidStorageIndex,
        Twox64Concat,
        T::AccountId,
        VecDeque<(H256, u64, u64, u64)>,
        OptionQuery,
    >;

    /// Sealed weights by the epoch of their commit: (hotkey, block of the commit, what is sealed, the round that opens it).
    #[pallet::storage]
    pub type TimelockedWeightCommits<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        NetUidStorageIndex,
        Twox64Concat,
        u64,
        VecDeque<(T::AccountId, u64, SealedWeights, u64)>,
        ValueQuery,
    >;

    /// The form of sealed weights that is taken.
    #[pallet::storage]
    pub type CommitRevealWeightsVersion<T> =
        StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::COMMIT_REVEAL_WEIGHTS_VERSION }>>;

    /// The weights that a validator set, as (uid, weight), scaled so that the largest is 65535.
    #[pallet::storage]
    pub type Weights<T> = StorageDoubleMap<_, Identity, NetUidStorageIndex, Identity, u16, Vec<(u16, u16)>, ValueQuery>;

    /// The bonds that a validator holds, as (uid, bond).
    #[pallet::storage]
    pub type Bonds<T> = StorageDoubleMap<_, Identity, NetUidStorageIndex, Identity, u16, Vec<(u16, u16)>, ValueQuery>;

    /// The block of a neuron's last weights (of their commit, with commit-reveal).
    #[pallet::storage]
    pub type LastUpdate<T> = StorageMap<_, Identity, NetUidStorageIndex, Vec<u64>, ValueQuery>;

    /// Miners' shares in the last epoch, as fractions of 65535.
    #[pallet::storage]
    pub type Incentive<T> = StorageMap<_, Identity, NetUidStorageIndex, Vec<u16>, ValueQuery>;

    /// Validators' shares in the last epoch, as fractions of 65535.
    #[pallet::storage]
    pub type Dividends<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;

    /// The weights that consensus agreed on, as fractions of 65535.
    #[pallet::storage]
    pub type Consensus<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;

    /// How much of a validator's weights was within consensus, as a fraction of 65535.
    #[pallet::storage]
    pub type ValidatorTrust<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;

    /// Who may validate.
    #[pallet::storage]
    pub type ValidatorPermit<T> = StorageMap<_, Identity, NetUid, Vec<bool>, ValueQuery>;

    /// Who set weights within the activity cutoff.
    #[pallet::storage]
    pub type Active<T> = StorageMap<_, Identity, NetUid, Vec<bool>, ValueQuery>;

    /// What a neuron earned in the last epoch. Pruning goes by it.
    #[pallet::storage]
    pub type Emission<T> = StorageMap<_, Identity, NetUid, Vec<AlphaBalance>, ValueQuery>;

    /// Stake as the last epoch counted it, scaled so that the largest is 65535.
    #[pallet::storage]
    pub type StakeWeight<T> = StorageMap<_, Identity, NetUid, Vec<u16>, ValueQuery>;

    // ---- Parents and children. ----

    /// Who works with a hotkey's stake: (proportion of 2⁶⁴ − 1, child), by (parent, netuid).
    #[pallet::storage]
    pub type ChildKeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Vec<(u64, T::AccountId)>, ValueQuery>;

    /// Whose stake a hotkey works with: (proportion of 2⁶⁴ − 1, parent), by (child, netuid). `ChildKeys` the other way.
    #[pallet::storage]
    pub type ParentKeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, Vec<(u64, T::AccountId)>, ValueQuery>;

    /// The children that a hotkey will have at the first epoch after a block: (children, block).
    #[pallet::storage]
    pub type PendingChildKeys<T: Config> = StorageDoubleMap<
        _,
        Identity,
        NetUid,
        Blake2_128Concat,
        T::AccountId,
        (Vec<(u64, T::AccountId)>, u64),
        ValueQuery,
    >;

    /// Blocks between naming children and the epoch that takes them on.
    #[pallet::storage]
    pub type PendingChildKeyCooldown<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::PENDING_CHILDKEY_COOLDOWN_BLOCKS }>>;

    /// The share of a parent's dividends that a child keeps, as a fraction of 65535.
    #[pallet::storage]
    pub type ChildkeyTake<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, NetUid, u16, ValueQuery>;

    /// The least take of a child anywhere.
    #[pallet::storage]
    pub type MinChildkeyTake<T> = StorageValue<_, u16, ValueQuery>;

    /// The least take of a child in a subnet; the larger of the two holds.
    #[pallet::storage]
    pub type MinChildkeyTakePerSubnet<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery>;

    /// The largest take of a child.
    #[pallet::storage]
    pub type MaxChildkeyTake<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::MAX_CHILDKEY_TAKE }>>;

    /// The part of what a child earns with a stranger's stake that is destroyed, as a fraction of 2⁶⁴ − 1.
    #[pallet::storage]
    pub type CKBurn<T> = StorageValue<_, u64, ValueQuery>;

    // ---- Takes and rate limits. ----

    /// The least take of a delegate.
    #[pallet::storage]
    pub type MinDelegateTake<T> = StorageValue<_, u16, ValueQuery>;

    /// The largest take of a delegate.
    #[pallet::storage]
    pub type MaxDelegateTake<T> = StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::DELEGATE_TAKE }>>;

    /// Blocks between two raises of a delegate's take.
    #[pallet::storage]
    pub type TxDelegateTakeRateLimit<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TX_DELEGATE_TAKE_RATE_LIMIT_BLOCKS }>>;

    /// Blocks between two raises of a child's take.
    #[pallet::storage]
    pub type TxChildkeyTakeRateLimit<T> =
        StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TX_CHILDKEY_TAKE_RATE_LIMIT_BLOCKS }>>;

    /// Blocks between two swaps of hotkeys by one coldkey.
    #[pallet::storage]
    pub type TxRateLimit<T> = StorageValue<_, u64, ValueQuery, ConstU64<{ defaults::TX_RATE_LIMIT_BLOCKS }>>;

    /// The block of a coldkey's last swap of a hotkey.
    #[pallet::storage]
    pub type LastTxBlock<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// The block at which a hotkey's take was last raised.
    #[pallet::storage]
    pub type LastTxBlockDelegateTake<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// The block at which a hotkey's take as a child was last raised.
    #[pallet::storage]
    pub type LastTxBlockChildKeyTake<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// The block at which a key last did something that is rate-limited per subnet: (key, netuid, kind). The kinds are
    /// in `rate_limit`.
    #[pallet::storage]
    pub type TransactionKeyLastBlock<T: Config> = StorageNMap<
        _,
        (NMapKey<Blake2_128Concat, T::AccountId>, NMapKey<Identity, NetUid>, NMapKey<Identity, u16>),
        u64,
        ValueQuery,
    >;

    /// The block at which a coldkey last swapped a hotkey on a subnet alone.
    #[pallet::storage]
    pub type LastHotkeySwapOnNetuid<T: Config> =
        StorageDoubleMap<_, Identity, NetUid, Blake2_128Concat, T::AccountId, u64, ValueQuery>;

    /// Blocks before an epoch in which hyperparameters stand still.
    #[pallet::storage]
    pub type AdminFreezeWindow<T> =
        StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::ADMIN_FREEZE_WINDOW_BLOCKS }>>;

    /// Tempos between two settings of one hyperparameter by a subnet's owner.
    #[pallet::storage]
    pub type OwnerHyperparamRateLimit<T> =
        StorageValue<_, u16, ValueQuery, ConstU16<{ defaults::OWNER_HYPERPARAM_RATE_LIMIT_TEMPOS }>>;

    // ---- What the owner's hotkey mines. ----

    /// What becomes of it.
    #[pallet::storage]
    pub type RecycleOrBurn<T> = StorageMap<_, Identity, NetUid, RecycleOrBurnEnum, ValueQuery>;

    /// Its share of what miners earned in the last epoch.
    #[pallet::storage]
    pub type MinerBurned<T> = StorageMap<_, Identity, NetUid, U96F32, ValueQuery>;

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

    // ---- Registration by proof of work. ----

    /// How much work a registration takes.
    #[pallet::storage]
    pub type Difficulty<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::DIFFICULTY }>>;

    /// The floor of the difficulty.
    #[pallet::storage]
    pub type MinDifficulty<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::DIFFICULTY }>>;

    /// The ceiling of the difficulty.
    #[pallet::storage]
    pub type MaxDifficulty<T> =
        StorageMap<_, Identity, NetUid, u64, ValueQuery, ConstU64<{ defaults::MAX_DIFFICULTY }>>;

    /// Whether neurons may register by proof of work.
    #[pallet::storage]
    pub type NetworkPowRegistrationAllowed<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery, ConstBool<true>>;

    /// How slowly the difficulty adjusts, as a fraction of 2⁶⁴ − 1.
    #[pallet::storage]
    pub type AdjustmentAlpha<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// Whether a neuron may ask for its bonds to be reset.
    #[pallet::storage]
    pub type BondsResetOn<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;
}
