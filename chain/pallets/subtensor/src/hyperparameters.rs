//! Setters of what root and subnet owners may change. Who may is decided where they are called (`admin`, `calls`); what
//! values make sense is decided here.

use crate::{
    ActivityCutoff, ActivityCutoffFactorMilli, AdjustmentAlpha, AdjustmentInterval, AdminFreezeWindow,
    AlphaSigmoidSteepness, AlphaValues, BondsMovingAverage, BondsPenalty, BondsResetOn, Burn, BurnHalfLife,
    BurnIncreaseMult, CKBurn, ColdkeySwapAnnouncementDelay, ColdkeySwapReannouncementDelay, CommitRevealWeightsEnabled,
    CommitRevealWeightsVersion, Config, Difficulty, Error, Event, ImmuneOwnerUidsLimit, ImmunityPeriod, Kappa,
    LastEpochBlock, LiquidAlphaOn, MaxAllowedUids, MaxAllowedValidators, MaxBurn, MaxChildkeyTake, MaxDelegateTake,
    MaxDifficulty, MaxEpochsPerBlock, MaxRegistrationsPerBlock, MechanismCountCurrent, MinAllowedUids,
    MinAllowedWeights, MinBurn, MinChildkeyTake, MinChildkeyTakePerSubnet, MinDelegateTake, MinDifficulty,
    MinNonImmuneUids, NetUid, NetworkImmunityPeriod, NetworkLockReductionInterval, NetworkMinLockCost,
    NetworkPowRegistrationAllowed, NetworkRateLimit, NetworkRegistrationAllowed, Owner, OwnerCutEnabled,
    OwnerHyperparamRateLimit, Pallet, PendingChildKeyCooldown, PendingEpochAt, RAORecycledForRegistration,
    RecycleOrBurn, RecycleOrBurnEnum, RevealPeriodEpochs, Rho, ServingRateLimit, StakeThreshold, StartCallDelay,
    SubnetEmissionEnabled, SubnetLimit, SubnetOwner, SubnetOwnerCut, SubnetOwnerHotkey, SubnetworkN, SubtokenEnabled,
    TaoBalance, TargetRegistrationsPerInterval, Tempo, TxChildkeyTakeRateLimit, TxDelegateTakeRateLimit, TxRateLimit,
    U64F64, WeightsSetRateLimit, WeightsVersionKey, Yuma3On, defaults,
};
use frame_support::{ensure, pallet_prelude::*};
use frame_system::{
    ensure_signed,
    pallet_prelude::{BlockNumberFor, OriginFor},
};

/// A setter that takes any value and announces it.
macro_rules! plain_setters {
    ($($(#[$doc:meta])* $name:ident: $storage:ident($value:ty) => $event:ident;)*) => {
        impl<T: Config> Pallet<T> {
            $(
                $(#[$doc])*
                pub fn $name(netuid: NetUid, value: $value) {
                    $storage::<T>::insert(netuid, value);
                    Self::deposit_event(Event::$event(netuid, value));
                }
            )*
        }
    };
}

/// A setter that takes any value; Bittensor announces none of these.
macro_rules! silent_setters {
    ($($(#[$doc:meta])* $name:ident: $storage:ident($value:ty);)*) => {
        impl<T: Config> Pallet<T> {
            $(
                $(#[$doc])*
                pub fn $name(netuid: NetUid, value: $value) {
                    $storage::<T>::insert(netuid, value);
                }
            )*
        }
    };
}

/// A setter of a value that holds for the whole chain.
macro_rules! global_setters {
    ($($(#[$doc:meta])* $name:ident: $storage:ident($value:ty) => $event:ident;)*) => {
        impl<T: Config> Pallet<T> {
            $(
                $(#[$doc])*
                pub fn $name(value: $value) {
                    $storage::<T>::put(value);
                    Self::deposit_event(Event::$event(value));
                }
            )*
        }
    };
}

plain_setters! {
    /// Sets the consensus majority.
    set_kappa: Kappa(u16) => KappaSet;
    /// Sets rho, which no epoch reads.
    set_rho: Rho(u16) => RhoSet;
    /// Sets the blocks during which a new neuron is not pruned.
    set_immunity_period: ImmunityPeriod(u16) => ImmunityPeriodSet;
    /// Sets how many neurons that are not immune must be there before one of them is pruned.
    set_min_non_immune_uids: MinNonImmuneUids(u16) => MinNonImmuneUidsSet;
    /// Sets the least number of weights.
    set_min_allowed_weights: MinAllowedWeights(u16) => MinAllowedWeightSet;
    /// Sets the blocks between two weight settings.
    set_weights_set_rate_limit: WeightsSetRateLimit(u64) => WeightsSetRateLimitSet;
    /// Sets the least version of validator software.
    set_weights_version_key: WeightsVersionKey(u64) => WeightsVersionKeySet;
    /// Switches commit-reveal.
    set_commit_reveal_weights_enabled: CommitRevealWeightsEnabled(bool) => CommitRevealEnabled;
    /// Sets the blocks between two servings.
    set_serving_rate_limit: ServingRateLimit(u64) => ServingRateLimitSet;
    /// Sets whether neurons may register.
    set_network_registration_allowed: NetworkRegistrationAllowed(bool) => RegistrationAllowed;
    /// Sets whether neurons may register by proof of work.
    set_network_pow_registration_allowed: NetworkPowRegistrationAllowed(bool) => PowRegistrationAllowed;
    /// Sets the difficulty, until the next adjustment.
    set_difficulty: Difficulty(u64) => DifficultySet;
    /// Sets the floor of the difficulty.
    set_min_difficulty: MinDifficulty(u64) => MinDifficultySet;
    /// Sets the ceiling of the difficulty.
    set_max_difficulty: MaxDifficulty(u64) => MaxDifficultySet;
    /// Sets the share of the old difficulty that an adjustment keeps, as a fraction of 2⁶⁴ − 1.
    set_adjustment_alpha: AdjustmentAlpha(u64) => AdjustmentAlphaSet;
    /// Sets whether a hotkey may have its bonds reset.
    set_bonds_reset: BondsResetOn(bool) => BondsResetOnSet;
    /// Sets registrations per block (proof of work).
    set_max_registrations_per_block: MaxRegistrationsPerBlock(u16) => MaxRegistrationsPerBlockSet;
    /// Sets registrations by proof of work in an interval at which the difficulty stays.
    set_target_registrations_per_interval: TargetRegistrationsPerInterval(u16) => RegistrationPerIntervalSet;
    /// Sets the blocks between two adjustments of the difficulty; 0 stops them.
    set_adjustment_interval: AdjustmentInterval(u16) => AdjustmentIntervalSet;
    /// Sets what counts as destroyed by registrations.
    set_rao_recycled: RAORecycledForRegistration(TaoBalance) => RAORecycledForRegistrationSet;
    /// Sets the least take of a child in a subnet.
    set_min_childkey_take_per_subnet: MinChildkeyTakePerSubnet(u16) => MinChildKeyTakePerSubnetSet;
    /// Sets how far weights above consensus are cut in bonds.
    set_bonds_penalty: BondsPenalty(u16) => BondsPenaltySet;
}

silent_setters! {
    /// Chooses Yuma 3 or Yuma 1.
    set_yuma3_enabled: Yuma3On(bool);
    /// Switches liquid alpha.
    set_liquid_alpha_enabled: LiquidAlphaOn(bool);
    /// Sets whether a subnet shares in the emission.
    set_subnet_emission_enabled: SubnetEmissionEnabled(bool);
    /// Sets whether a subnet's owner gets a share.
    set_owner_cut_enabled: OwnerCutEnabled(bool);
    /// Sets what becomes of what the owner's hotkey mines.
    set_recycle_or_burn: RecycleOrBurn(RecycleOrBurnEnum);
    /// Sets whether stake may be moved.
    set_subtoken_enabled: SubtokenEnabled(bool);
}

global_setters! {
    /// Sets the stake below which a neuron has no say.
    set_stake_threshold: StakeThreshold(u64) => StakeThresholdSet;
    /// Sets the owners' share of emission.
    set_subnet_owner_cut: SubnetOwnerCut(u16) => SubnetOwnerCutSet;
    /// Sets the blocks between two creations of subnets.
    set_network_rate_limit: NetworkRateLimit(u64) => NetworkRateLimitSet;
    /// Sets the floor of the price of a subnet.
    set_network_min_lock_cost: NetworkMinLockCost(TaoBalance) => NetworkMinLockCostSet;
    /// Sets how many subnets may exist.
    set_subnet_limit: SubnetLimit(u16) => SubnetLimitSet;
    /// Sets the blocks during which a new subnet is not taken down to make room for another.
    set_network_immunity_period: NetworkImmunityPeriod(u64) => NetworkImmunityPeriodSet;
    /// Sets the blocks before a subnet may start.
    set_start_call_delay: StartCallDelay(u64) => StartCallDelaySet;
    /// Sets the blocks before an epoch in which hyperparameters stand still.
    set_admin_freeze_window: AdminFreezeWindow(u16) => AdminFreezeWindowSet;
    /// Sets the tempos between two settings of one hyperparameter by an owner.
    set_owner_hyperparam_rate_limit: OwnerHyperparamRateLimit(u16) => OwnerHyperparamRateLimitSet;
    /// Sets the blocks between two swaps of hotkeys.
    set_tx_rate_limit: TxRateLimit(u64) => TxRateLimitSet;
    /// Sets the blocks between two raises of a delegate's take.
    set_tx_delegate_take_rate_limit: TxDelegateTakeRateLimit(u64) => TxDelegateTakeRateLimitSet;
    /// Sets the blocks between two raises of a child's take.
    set_tx_childkey_take_rate_limit: TxChildkeyTakeRateLimit(u64) => TxChildKeyTakeRateLimitSet;
    /// Sets the least take of a delegate.
    set_min_delegate_take: MinDelegateTake(u16) => MinDelegateTakeSet;
    /// Sets the largest take of a delegate.
    set_max_delegate_take: MaxDelegateTake(u16) => MaxDelegateTakeSet;
    /// Sets the least take of a child.
    set_min_childkey_take: MinChildkeyTake(u16) => MinChildKeyTakeSet;
    /// Sets the largest take of a child.
    set_max_childkey_take: MaxChildkeyTake(u16) => MaxChildKeyTakeSet;
    /// Sets the version of time-locked commits that is taken.
    set_commit_reveal_version: CommitRevealWeightsVersion(u16) => CommitRevealVersionSet;
    /// Sets the blocks between the announcement of a coldkey's swap and the swap.
    set_coldkey_swap_announcement_delay: ColdkeySwapAnnouncementDelay(BlockNumberFor<T>)
        => ColdkeySwapAnnouncementDelaySet;
    /// Sets the blocks that an announced swap may be made before it can be announced anew or taken back.
    set_coldkey_swap_reannouncement_delay: ColdkeySwapReannouncementDelay(BlockNumberFor<T>)
        => ColdkeySwapReannouncementDelaySet;
    /// Sets the blocks in which the price of a subnet falls by the last price paid.
    set_lock_reduction_interval: NetworkLockReductionInterval(u64) => NetworkLockCostReductionIntervalSet;
}

impl<T: Config> Pallet<T> {
    /// Sets the hotkey that a subnet's owner cut goes to.
    pub fn set_subnet_owner_hotkey(netuid: NetUid, hotkey: T::AccountId) -> DispatchResult {
        ensure!(Owner::<T>::contains_key(&hotkey), Error::<T>::HotKeyAccountNotExists);
        SubnetOwnerHotkey::<T>::insert(netuid, &hotkey);
        Self::deposit_event(Event::SubnetOwnerHotkeySet(netuid, hotkey));
        Ok(())
    }

    /// Sets how many of an owner's neurons are never pruned: one, or some more.
    pub fn set_owner_immune_neuron_limit(netuid: NetUid, neurons: u16) -> DispatchResult {
        ensure!((1..=defaults::MAX_IMMUNE_OWNER_UIDS).contains(&neurons), Error::<T>::InvalidValue);
        ImmuneOwnerUidsLimit::<T>::insert(netuid, neurons);
        Ok(())
    }

    /// Sets the part that is destroyed of what children earn with strangers' stake.
    pub fn set_ck_burn(burn: u64) {
        CKBurn::<T>::put(burn);
    }

    /// Sets the blocks between naming children and the epoch that takes them on.
    pub(crate) fn put_pending_childkey_cooldown(blocks: u64) {
        PendingChildKeyCooldown::<T>::put(blocks);
    }

    /// Sets a subnet's tempo as its owner: within narrower bounds than root's, and not more often than other
    /// hyperparameters.
    pub(crate) fn do_set_tempo(origin: OriginFor<T>, netuid: NetUid, tempo: u16) -> DispatchResult {
        /// The number of this call, for its rate limit.
        const CALL: u8 = 139;
        let coldkey = ensure_signed(origin)?;
        Self::ensure_subnet_exists(netuid)?;
        ensure!(SubnetOwner::<T>::get(netuid) == coldkey, DispatchError::BadOrigin);
        ensure!(tempo >= defaults::TEMPO_BLOCKS, Error::<T>::TempoOutOfBounds);
        Self::ensure_not_frozen(netuid)?;
        Self::pass_owner_rate_limit(&coldkey, netuid, CALL)?;
        Self::put_tempo(netuid, tempo)
    }

    /// Calls for an epoch as soon as hyperparameters have stood still for `AdminFreezeWindow` blocks, as the subnet's owner.
    pub(crate) fn do_trigger_epoch(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
        /// The number of this call, for its rate limit.
        const CALL: u8 = 141;
        let by = ensure_signed(origin)?;
        Self::ensure_subnet_exists(netuid)?;
        ensure!(SubnetOwner::<T>::get(netuid) == by, DispatchError::BadOrigin);
        ensure!(!CommitRevealWeightsEnabled::<T>::get(netuid), Error::<T>::DynamicTempoBlockedByCommitReveal);
        ensure!(PendingEpochAt::<T>::get(netuid) == 0, Error::<T>::EpochTriggerAlreadyPending);
        let next = Self::next_epoch_start_block(netuid).ok_or(Error::<T>::TempoOutOfBounds)?;
        // This block's epochs have run: the next block is the earliest.
        let wait = u64::from(AdminFreezeWindow::<T>::get().max(1));
        let fires_at = Self::current_block().saturating_add(wait);
        ensure!(next >= fires_at, Error::<T>::AutoEpochAlreadyImminent);
        Self::pass_owner_rate_limit(&by, netuid, CALL)?;
        PendingEpochAt::<T>::insert(netuid, fires_at);
        Self::deposit_event(Event::EpochTriggered { netuid, by, fires_at });
        Ok(())
    }

    /// Sets the blocks between two epochs; 0 stops them. The next comes a whole tempo from now, so that a shorter one does
    /// not bring it at once.
    pub(crate) fn put_tempo(netuid: NetUid, tempo: u16) -> DispatchResult {
        ensure!(tempo <= defaults::MAX_TEMPO_BLOCKS, Error::<T>::TempoOutOfBounds);
        Tempo::<T>::insert(netuid, tempo);
        LastEpochBlock::<T>::insert(netuid, Self::current_block());
        Self::deposit_event(Event::TempoSet(netuid, tempo));
        Ok(())
    }

    /// Sets how many neurons may hold a validator permit.
    pub fn set_max_allowed_validators(netuid: NetUid, validators: u16) -> DispatchResult {
        ensure!(validators <= MaxAllowedUids::<T>::get(netuid), Error::<T>::InvalidValue);
        MaxAllowedValidators::<T>::insert(netuid, validators);
        Self::deposit_event(Event::MaxAllowedValidatorsSet(netuid, validators));
        Ok(())
    }

    /// Sets how many neurons fit; never fewer than there are (see [`Self::trim_to_max_allowed_uids`]), nor more than the
    /// chain's weights are made for.
    pub fn set_max_allowed_uids(netuid: NetUid, uids: u16) -> DispatchResult {
        let bounds = SubnetworkN::<T>::get(netuid)..=defaults::MAX_ALLOWED_UIDS;
        ensure!(bounds.contains(&uids), Error::<T>::InvalidValue);
        Self::ensure_uids_fit(uids, MechanismCountCurrent::<T>::get(netuid))?;
        MaxAllowedUids::<T>::insert(netuid, uids);
        Self::deposit_event(Event::MaxAllowedUidsSet(netuid, uids));
        Ok(())
    }

    /// Sets to how many neurons an owner may trim a subnet; to none would end it.
    pub fn set_min_allowed_uids(netuid: NetUid, uids: u16) -> DispatchResult {
        ensure!((1..=MaxAllowedUids::<T>::get(netuid)).contains(&uids), Error::<T>::InvalidValue);
        MinAllowedUids::<T>::insert(netuid, uids);
        Self::deposit_event(Event::MinAllowedUidsSet(netuid, uids));
        Ok(())
    }

    /// Sets how long a silent neuron counted as active, in blocks. Epochs count it in tempos now
    /// ([`Self::set_activity_cutoff_factor_milli`]) and read this no more.
    pub fn set_activity_cutoff(netuid: NetUid, blocks: u16) -> DispatchResult {
        ensure!(blocks >= defaults::MIN_ACTIVITY_CUTOFF_BLOCKS, Error::<T>::ActivityCutoffTooLow);
        ActivityCutoff::<T>::insert(netuid, blocks);
        Self::deposit_event(Event::ActivityCutoffSet(netuid, blocks));
        Ok(())
    }

    /// Sets how long a silent neuron counts as active, in thousandths of a tempo.
    pub fn set_activity_cutoff_factor_milli(netuid: NetUid, factor_milli: u32) -> DispatchResult {
        let bounds = defaults::MIN_ACTIVITY_CUTOFF_FACTOR_MILLI..=defaults::MAX_ACTIVITY_CUTOFF_FACTOR_MILLI;
        ensure!(bounds.contains(&factor_milli), Error::<T>::ActivityCutoffFactorMilliOutOfBounds);
        ActivityCutoffFactorMilli::<T>::insert(netuid, factor_milli);
        Self::deposit_event(Event::ActivityCutoffFactorMilliSet { netuid, factor_milli });
        Ok(())
    }

    /// Sets the share of old bonds that an epoch keeps, in millionths; above one, bonds would grow without end.
    pub fn set_bonds_moving_average(netuid: NetUid, millionths: u64) -> DispatchResult {
        ensure!(millionths <= 1_000_000, Error::<T>::InvalidValue);
        BondsMovingAverage::<T>::insert(netuid, millionths);
        Self::deposit_event(Event::BondsMovingAverageSet(netuid, millionths));
        Ok(())
    }

    /// Sets the bounds of liquid alpha.
    pub fn set_alpha_values(netuid: NetUid, low: u16, high: u16) -> DispatchResult {
        /// A fortieth: below it bonds would hardly move.
        const LEAST: u16 = u16::MAX / 40;
        ensure!(LiquidAlphaOn::<T>::get(netuid), Error::<T>::LiquidAlphaDisabled);
        ensure!(high >= LEAST, Error::<T>::AlphaHighTooLow);
        ensure!(low >= LEAST && low <= high, Error::<T>::AlphaLowOutOfRange);
        AlphaValues::<T>::insert(netuid, (low, high));
        Ok(())
    }

    /// Sets the steepness of liquid alpha, in hundredths.
    pub fn set_alpha_sigmoid_steepness(netuid: NetUid, steepness: i16) {
        AlphaSigmoidSteepness::<T>::insert(netuid, steepness);
        Self::deposit_event(Event::AlphaSigmoidSteepnessSet(netuid, steepness));
    }

    /// Sets the epochs between a commit and its reveal, for those that wait already, too.
    pub fn set_reveal_period(netuid: NetUid, epochs: u64) -> DispatchResult {
        ensure!(epochs >= defaults::MIN_REVEAL_PERIOD_EPOCHS, Error::<T>::RevealPeriodTooSmall);
        ensure!(epochs <= defaults::MAX_REVEAL_PERIOD_EPOCHS, Error::<T>::RevealPeriodTooLarge);
        RevealPeriodEpochs::<T>::insert(netuid, epochs);
        Self::deposit_event(Event::CommitRevealPeriodsSet(netuid, epochs));
        Ok(())
    }

    /// Sets the floor of the registration price, and lifts the price to it.
    pub fn set_min_burn(netuid: NetUid, min_burn: TaoBalance) -> DispatchResult {
        let below = defaults::MIN_BURN_UPPER_BOUND_RAO.min(MaxBurn::<T>::get(netuid));
        ensure!(min_burn < below, Error::<T>::InvalidValue);
        MinBurn::<T>::insert(netuid, min_burn);
        Self::deposit_event(Event::MinBurnSet(netuid, min_burn));
        Self::move_burn(netuid, |burn| burn.max(min_burn));
        Ok(())
    }

    /// Sets the ceiling of the registration price, and lowers the price to it.
    pub fn set_max_burn(netuid: NetUid, max_burn: TaoBalance) -> DispatchResult {
        let above = defaults::MAX_BURN_LOWER_BOUND_RAO.max(MinBurn::<T>::get(netuid));
        ensure!(max_burn > above, Error::<T>::InvalidValue);
        MaxBurn::<T>::insert(netuid, max_burn);
        Self::deposit_event(Event::MaxBurnSet(netuid, max_burn));
        Self::move_burn(netuid, |burn| burn.min(max_burn));
        Ok(())
    }

    fn move_burn(netuid: NetUid, change: impl FnOnce(TaoBalance) -> TaoBalance) {
        let burn = Burn::<T>::get(netuid);
        let moved = change(burn);
        if moved != burn {
            Burn::<T>::insert(netuid, moved);
            Self::deposit_event(Event::BurnSet(netuid, moved));
        }
    }

    /// Sets the blocks in which the registration price halves; 0 lets it stand.
    pub fn set_burn_half_life(netuid: NetUid, burn_half_life: u16) {
        BurnHalfLife::<T>::insert(netuid, burn_half_life);
        Self::deposit_event(Event::BurnHalfLifeSet { netuid, burn_half_life });
    }

    /// Sets the factor by which a registration raises the price of the next; at least one.
    pub fn set_burn_increase_mult(netuid: NetUid, burn_increase_mult: U64F64) -> DispatchResult {
        ensure!(burn_increase_mult >= U64F64::ONE, Error::<T>::InvalidValue);
        BurnIncreaseMult::<T>::insert(netuid, burn_increase_mult);
        Self::deposit_event(Event::BurnIncreaseMultSet { netuid, burn_increase_mult });
        Ok(())
    }

    /// Sets how many epochs may run in one block; at least one, or none would ever run.
    pub fn set_max_epochs_per_block(epochs: u8) -> DispatchResult {
        ensure!(epochs > 0, Error::<T>::InvalidValue);
        MaxEpochsPerBlock::<T>::put(epochs);
        Self::deposit_event(Event::MaxEpochsPerBlockSet(epochs));
        Ok(())
    }
}
