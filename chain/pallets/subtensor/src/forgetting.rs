//! Forgetting a subnet: whatever any map holds of it goes, so that a later subnet of the same number begins as new.

use crate::*;
use alloc::vec::Vec;

/// Removes the values under a key.
macro_rules! remove {
    ($key:expr; $($map:ident)*) => { $($map::<T>::remove($key);)* };
}

/// Removes all values whose first key this is.
macro_rules! clear {
    ($key:expr; $($map:ident)*) => { $(let _ = $map::<T>::clear_prefix($key, u32::MAX, None);)* };
}

/// Removes all values whose second key this is.
macro_rules! clear_second {
    ($netuid:expr; $($map:ident)*) => { $(
        let of_subnet = $map::<T>::iter_keys().filter(|(_, netuid)| *netuid == $netuid);
        let keys: Vec<T::AccountId> = of_subnet.map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| $map::<T>::remove(key, $netuid));
    )* };
}

impl<T: Config> Pallet<T> {
    pub(crate) fn forget_subnet(netuid: NetUid) {
        Self::forget_members(netuid);
        Self::forget_mechanisms(netuid);
        Self::forget_hyperparameters(netuid);
        Self::forget_money(netuid);
        remove!(netuid;
            SubnetOwner SubnetOwnerHotkey SubnetLocked TokenSymbol NetworkRegisteredAt FirstEmissionBlockNumber
            SubtokenEnabled SubnetMechanism LastEpochBlock PendingEpochAt SubnetEpochIndex LastMechansimStepBlock
            BlocksSinceLastStep
        );
        if SubnetIdentitiesV3::<T>::take(netuid).is_some() {
            Self::deposit_event(Event::SubnetIdentityRemoved(netuid));
        }
    }

    fn forget_members(netuid: NetUid) {
        remove!(netuid;
            SubnetworkN Active ValidatorPermit Emission Consensus Dividends ValidatorTrust StakeWeight
            RegistrationsThisBlock POWRegistrationsThisInterval
        );
        clear!(netuid;
            Keys Uids BlockAtRegistration Axons Prometheus NeuronCertificates PendingChildKeys LastHotkeySwapOnNetuid
        );
        clear_second!(netuid;
            IsNetworkMember ChildKeys ParentKeys ChildkeyTake AutoStakeDestination AutoStakeDestinationColdkeys
        );
        let limited = TransactionKeyLastBlock::<T>::iter_keys().filter(|(_, subnet, _)| *subnet == netuid);
        let keys: Vec<_> = limited.collect();
        keys.into_iter().for_each(TransactionKeyLastBlock::<T>::remove);
    }

    fn forget_mechanisms(netuid: NetUid) {
        for index in Self::mechanism_indices(netuid) {
            remove!(index; LastUpdate Incentive);
            clear!(index; Weights Bonds WeightCommits TimelockedWeightCommits);
        }
        remove!(netuid; MechanismCountCurrent MechanismEmissionSplit);
    }

    fn forget_hyperparameters(netuid: NetUid) {
        remove!(netuid;
            Tempo Kappa Rho BondsMovingAverage BondsPenalty Yuma3On LiquidAlphaOn AlphaValues BondsResetOn
            AlphaSigmoidSteepness MaxAllowedValidators ActivityCutoff ActivityCutoffFactorMilli MinAllowedWeights
            MaxWeightsLimit WeightsVersionKey WeightsSetRateLimit CommitRevealWeightsEnabled RevealPeriodEpochs
            MinChildkeyTakePerSubnet NetworkRegistrationAllowed Burn MinBurn MaxBurn BurnHalfLife BurnIncreaseMult
            MaxRegistrationsPerBlock TargetRegistrationsPerInterval AdjustmentInterval NetworkPowRegistrationAllowed
            Difficulty MinDifficulty MaxDifficulty AdjustmentAlpha LastAdjustmentBlock MaxAllowedUids MinAllowedUids
            ImmunityPeriod ImmuneOwnerUidsLimit MinNonImmuneUids ServingRateLimit OwnerCutEnabled EMAPriceHalvingBlocks TransferToggle
            RecycleOrBurn SubnetEmissionEnabled
        );
    }

    fn forget_money(netuid: NetUid) {
        remove!(netuid;
            SubnetTaoInEmission SubnetAlphaInEmission SubnetAlphaOutEmission SubnetExcessTao PendingServerEmission
            PendingValidatorEmission PendingOwnerCut PendingRootAlphaDivs RAORecycledForRegistration SubnetAlphaIn
            SubnetAlphaOut SubnetAlphaBurned SubnetProtocolAlpha TotalAlphaStaked SubnetVolume SubnetMovingPrice RootProp MinerBurned
        );
        T::FeeRates::forget_fee_rate(netuid);
        clear!(netuid; AlphaDividendsPerSubnet RootAlphaDividendsPerSubnet);
        clear_second!(netuid; TotalHotkeyAlpha TotalHotkeyShares LastHotkeyEmissionOnNetuid);
    }
}
