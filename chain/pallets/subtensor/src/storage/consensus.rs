//! What an epoch reads and writes, and when it runs.

use frame_support::pallet_macros::pallet_section;

/// Storage items, pasted into the pallet.
#[pallet_section]
mod consensus {
    // ---- The clock of epochs. ----

    /// Blocks between two epochs; 0 stops them.
    #[pallet::storage]
    pub type Tempo<T> = StorageMap<_, Identity, NetUid, u16, ValueQuery, ConstU16<{ defaults::TEMPO_BLOCKS }>>;

    /// The block of the last epoch (of the creation, before the first).
    #[pallet::storage]
    pub type LastEpochBlock<T> = StorageMap<_, Identity, NetUid, u64, ValueQuery>;

    /// The block at which an epoch runs out of turn: put off, or called for by the subnet's owner; 0 if none.
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

    /// Whether a hotkey may have its bonds reset, by a commitment.
    #[pallet::storage]
    pub type BondsResetOn<T> = StorageMap<_, Identity, NetUid, bool, ValueQuery>;

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

    /// Weights that are committed and not revealed: (hash, epoch of the commit, block of the commit, 0).
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
}
