//! What the chain announces: Bittensor's names and fields.

use frame_support::pallet_macros::pallet_section;

/// Events, pasted into the pallet.
#[pallet_section]
mod events {
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A subnet was created: (netuid, mechanism).
        NetworkAdded(NetUid, u16),
        /// A subnet was dissolved: (netuid).
        NetworkRemoved(NetUid),
        /// A subnet was started: (netuid, first block that emits).
        FirstEmissionBlockNumberSet(NetUid, u64),
        /// A subnet's identity was set.
        SubnetIdentitySet(NetUid),
        /// A subnet's identity went with the subnet.
        SubnetIdentityRemoved(NetUid),
        /// A subnet's token got another symbol.
        SymbolUpdated {
            /// The subnet.
            netuid: NetUid,
            /// The symbol, UTF-8.
            symbol: Vec<u8>,
        },
        /// Stake was added: (coldkey, hotkey, TAO paid, alpha got, netuid, fee in TAO).
        StakeAdded(T::AccountId, T::AccountId, TaoBalance, AlphaBalance, NetUid, u64),
        /// Stake was removed: (coldkey, hotkey, TAO got, alpha paid, netuid, fee in alpha).
        StakeRemoved(T::AccountId, T::AccountId, TaoBalance, AlphaBalance, NetUid, u64),
        /// A neuron registered: (netuid, uid, hotkey).
        NeuronRegistered(NetUid, u16, T::AccountId),
        /// A neuron said where it can be reached: (netuid, hotkey).
        AxonServed(NetUid, T::AccountId),
        /// Weights were set: (index of the mechanism, uid).
        WeightsSet(NetUidStorageIndex, u16),
        /// Weights were committed: (hotkey, index of the mechanism, hash).
        WeightsCommitted(T::AccountId, NetUidStorageIndex, H256),
        /// Committed weights were revealed: (hotkey, index of the mechanism, hash).
        WeightsRevealed(T::AccountId, NetUidStorageIndex, H256),
        /// An epoch paid the miners, by uid.
        IncentiveAlphaEmittedToMiners {
            /// The index of the mechanism.
            netuid: NetUidStorageIndex,
            /// What each uid got.
            emissions: Vec<AlphaBalance>,
        },
        /// Alpha was destroyed: (coldkey, hotkey, amount, netuid). Here: what the subnet owner's miner would have earned.
        AlphaRecycled(T::AccountId, T::AccountId, AlphaBalance, NetUid),
        /// An epoch was due, but too many were due in that block.
        EpochDeferred {
            /// The subnet.
            netuid: NetUid,
            /// The block at which it was due.
            from_block: u64,
            /// The block to which it was put off.
            to_block: u64,
        },
        /// A subnet's owner called for an epoch.
        EpochTriggered {
            /// The subnet.
            netuid: NetUid,
            /// Its owner.
            by: T::AccountId,
            /// The block in which it runs.
            fires_at: u64,
        },
        /// Alpha was bought and destroyed at once.
        AddStakeBurn {
            /// The subnet.
            netuid: NetUid,
            /// The hotkey whose stake it was for a moment.
            hotkey: T::AccountId,
            /// TAO paid.
            amount: TaoBalance,
            /// Alpha destroyed.
            alpha: AlphaBalance,
        },
        /// To how many neurons a subnet may be trimmed was set.
        MinAllowedUidsSet(NetUid, u16),
        /// An epoch's input was inconsistent; nothing was paid, and what is pending waits for the next.
        EpochSkipped {
            /// The subnet.
            netuid: NetUid,
            /// The block.
            block: u64,
        },

        /// Blocks between epochs were set.
        TempoSet(NetUid, u16),
        /// The consensus majority was set.
        KappaSet(NetUid, u16),
        /// Rho was set.
        RhoSet(NetUid, u16),
        /// The number of validators was set.
        MaxAllowedValidatorsSet(NetUid, u16),
        /// The number of neurons was set.
        MaxAllowedUidsSet(NetUid, u16),
        /// The immunity period was set.
        ImmunityPeriodSet(NetUid, u16),
        /// The least number of weights was set.
        MinAllowedWeightSet(NetUid, u16),
        /// The activity cutoff was set, in blocks.
        ActivityCutoffSet(NetUid, u16),
        /// The activity cutoff was set, in thousandths of a tempo.
        ActivityCutoffFactorMilliSet {
            /// The subnet.
            netuid: NetUid,
            /// The factor.
            factor_milli: u32,
        },
        /// The bonds' moving average was set.
        BondsMovingAverageSet(NetUid, u64),
        /// The bonds' penalty was set.
        BondsPenaltySet(NetUid, u16),
        /// The steepness of liquid alpha was set.
        AlphaSigmoidSteepnessSet(NetUid, i16),
        /// The rate limit on weights was set.
        WeightsSetRateLimitSet(NetUid, u64),
        /// The version of validator software was set.
        WeightsVersionKeySet(NetUid, u64),
        /// Commit-reveal was switched.
        CommitRevealEnabled(NetUid, bool),
        /// The number of epochs between commit and reveal was set.
        CommitRevealPeriodsSet(NetUid, u64),
        /// A validator committed to weights under a time lock: hash of what is sealed, round that opens it.
        TimelockedWeightsCommitted(T::AccountId, NetUidStorageIndex, H256, u64),
        /// Weights under a time lock were opened and set.
        TimelockedWeightsRevealed(NetUidStorageIndex, T::AccountId),
        /// The rate limit on serving was set.
        ServingRateLimitSet(NetUid, u64),
        /// Whether neurons may register was set.
        RegistrationAllowed(NetUid, bool),
        /// The number of registrations per block was set.
        MaxRegistrationsPerBlockSet(NetUid, u16),
        /// The number of registrations per interval was set.
        RegistrationPerIntervalSet(NetUid, u16),
        /// Whether neurons may register by proof of work was set.
        PowRegistrationAllowed(NetUid, bool),
        /// The difficulty was set, or adjusted.
        DifficultySet(NetUid, u64),
        /// The floor of the difficulty was set.
        MinDifficultySet(NetUid, u64),
        /// The ceiling of the difficulty was set.
        MaxDifficultySet(NetUid, u64),
        /// The share of the old difficulty that an adjustment keeps was set.
        AdjustmentAlphaSet(NetUid, u64),
        /// Whether bonds may be reset was set.
        BondsResetOnSet(NetUid, bool),
        /// The floor of the registration price was set.
        MinBurnSet(NetUid, TaoBalance),
        /// The ceiling of the registration price was set.
        MaxBurnSet(NetUid, TaoBalance),
        /// The registration price was set.
        BurnSet(NetUid, TaoBalance),
        /// The half-life of the registration price was set.
        BurnHalfLifeSet {
            /// The subnet.
            netuid: NetUid,
            /// Blocks.
            burn_half_life: u16,
        },
        /// The factor between two registrations was set.
        BurnIncreaseMultSet {
            /// The subnet.
            netuid: NetUid,
            /// The factor.
            burn_increase_mult: U64F64,
        },
        /// The stake threshold was set.
        StakeThresholdSet(u64),
        /// The owners' share was set.
        SubnetOwnerCutSet(u16),
        /// The rate limit on creating subnets was set.
        NetworkRateLimitSet(u64),
        /// The floor of the price of a subnet was set.
        NetworkMinLockCostSet(TaoBalance),
        /// The number of subnets was set.
        SubnetLimitSet(u16),
        /// The wait before a subnet may start was set.
        StartCallDelaySet(u64),
        /// The number of epochs per block was set.
        MaxEpochsPerBlockSet(u8),

        // ---- Parents, children, takes. ----
        /// Children were named: (parent, netuid, block from which an epoch takes them on, children).
        SetChildrenScheduled(T::AccountId, NetUid, u64, Vec<(u64, T::AccountId)>),
        /// An epoch took the children on: (parent, netuid, children).
        SetChildren(T::AccountId, NetUid, Vec<(u64, T::AccountId)>),
        /// A child's take was set.
        ChildKeyTakeSet(T::AccountId, u16),
        /// A delegate's take was lowered: (coldkey, hotkey, take).
        TakeDecreased(T::AccountId, T::AccountId, u16),
        /// A delegate's take was raised: (coldkey, hotkey, take).
        TakeIncreased(T::AccountId, T::AccountId, u16),
        /// The least take of a child was set.
        MinChildKeyTakeSet(u16),
        /// The least take of a child in a subnet was set.
        MinChildKeyTakePerSubnetSet(NetUid, u16),
        /// The largest take of a child was set.
        MaxChildKeyTakeSet(u16),
        /// The rate limit on a child's take was set.
        TxChildKeyTakeRateLimitSet(u64),
        /// The rate limit on a delegate's take was set.
        TxDelegateTakeRateLimitSet(u64),
        /// The least take of a delegate was set.
        MinDelegateTakeSet(u16),
        /// The largest take of a delegate was set.
        MaxDelegateTakeSet(u16),
        /// The rate limit on swaps of hotkeys was set.
        TxRateLimitSet(u64),

        // ---- Owner's mining, swaps, what keys say about themselves. ----
        /// Alpha was destroyed for good: (coldkey, hotkey, amount, netuid).
        AlphaBurned(T::AccountId, T::AccountId, AlphaBalance, NetUid),
        /// A hotkey was swapped on every subnet.
        HotkeySwapped {
            /// Its owner.
            coldkey: T::AccountId,
            /// What it was.
            old_hotkey: T::AccountId,
            /// What it is.
            new_hotkey: T::AccountId,
        },
        /// A hotkey was swapped on one subnet.
        HotkeySwappedOnSubnet {
            /// Its owner.
            coldkey: T::AccountId,
            /// What it was.
            old_hotkey: T::AccountId,
            /// What it is.
            new_hotkey: T::AccountId,
            /// The subnet.
            netuid: NetUid,
        },
        /// A swap of a coldkey was announced.
        ColdkeySwapAnnounced {
            /// The coldkey.
            who: T::AccountId,
            /// The hash of what is to take its place.
            new_coldkey_hash: T::Hash,
        },
        /// Root made the chain forget an announcement and its dispute.
        ColdkeySwapReset {
            /// The coldkey.
            who: T::AccountId,
        },
        /// An announcement was taken back.
        ColdkeySwapCleared {
            /// The coldkey.
            who: T::AccountId,
        },
        /// An announced swap was disputed.
        ColdkeySwapDisputed {
            /// The coldkey.
            coldkey: T::AccountId,
        },
        /// A coldkey was swapped.
        ColdkeySwapped {
            /// What it was.
            old_coldkey: T::AccountId,
            /// What it is.
            new_coldkey: T::AccountId,
        },
        /// The delay of swaps of coldkeys was set.
        ColdkeySwapAnnouncementDelaySet(BlockNumberFor<T>),
        /// The wait before another announcement was set.
        ColdkeySwapReannouncementDelaySet(BlockNumberFor<T>),
        /// A coldkey chose where its mining income is staked.
        AutoStakeDestinationSet {
            /// The coldkey.
            coldkey: T::AccountId,
            /// The subnet.
            netuid: NetUid,
            /// The hotkey it is staked on.
            hotkey: T::AccountId,
        },
        /// Mining income was staked where its coldkey chose.
        AutoStakeAdded {
            /// The subnet.
            netuid: NetUid,
            /// The hotkey it was staked on.
            destination: T::AccountId,
            /// The hotkey that mined it.
            hotkey: T::AccountId,
            /// Whose it is.
            owner: T::AccountId,
            /// How much, in rao of alpha.
            incentive: AlphaBalance,
        },
        /// A neuron said where its metrics can be read.
        PrometheusServed(NetUid, T::AccountId),
        /// A coldkey said who it is.
        ChainIdentitySet(T::AccountId),

        // ---- Batches, time-locked commits, administration. ----
        /// A batch was done: (subnets, hotkey).
        BatchWeightsCompleted(Vec<codec::Compact<NetUid>>, T::AccountId),
        /// Some items of a batch failed.
        BatchCompletedWithErrors(),
        /// One item of a batch failed.
        BatchWeightItemFailed(NetUid, DispatchError),
        /// Several commits were revealed at once: (hotkey, netuid, hashes).
        WeightsBatchRevealed(T::AccountId, NetUid, Vec<H256>),
        /// The version of time-locked commits was set.
        CommitRevealVersionSet(u16),
        /// The neurons that are not immune and not pruned were set.
        MinNonImmuneUidsSet(NetUid, u16),
        /// The blocks that a new subnet is immune were set.
        NetworkImmunityPeriodSet(u64),
        /// The freeze window was set.
        AdminFreezeWindowSet(u16),
        /// The owners' rate limit was set.
        OwnerHyperparamRateLimitSet(u16),
        /// The length of an adjustment interval was set.
        AdjustmentIntervalSet(NetUid, u16),
        /// What was destroyed by registrations was set.
        RAORecycledForRegistrationSet(NetUid, TaoBalance),
        /// The wait in which the price of a subnet falls was set.
        NetworkLockCostReductionIntervalSet(u64),
        /// A subnet's owner hotkey was set.
        SubnetOwnerHotkeySet(NetUid, T::AccountId),

        /// Stake moved: (coldkey, from hotkey, from netuid, to hotkey, to netuid, worth in TAO).
        StakeMoved(T::AccountId, T::AccountId, NetUid, T::AccountId, NetUid, TaoBalance),
        /// Stake was given away: (from coldkey, to coldkey, hotkey, from netuid, to netuid, worth in TAO).
        StakeTransferred(T::AccountId, T::AccountId, T::AccountId, NetUid, NetUid, TaoBalance),
        /// Stake changed subnets: (coldkey, hotkey, from netuid, to netuid, worth in TAO).
        StakeSwapped(T::AccountId, T::AccountId, NetUid, NetUid, TaoBalance),
        /// Giving stake on a subnet to others was switched.
        TransferToggle(NetUid, bool),
    }
}
