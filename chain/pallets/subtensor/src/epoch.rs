//! An epoch: what is stored goes into [`yuma`], what comes out is stored and paid.

use crate::{
    Active, ActivityCutoffFactorMilli, AlphaBalance, AlphaSigmoidSteepness, AlphaValues, BlockAtRegistration,
    BlocksSinceLastStep, Bonds, BondsMovingAverage, BondsPenalty, CommitRevealWeightsEnabled, Config, Consensus,
    Dividends, Event, Incentive, Kappa, Keys, LastEpochBlock, LastMechansimStepBlock, LastUpdate, LiquidAlphaOn,
    MaxAllowedValidators, NetUid, NetUidStorageIndex, Pallet, PendingEpochAt, PendingServerEmission,
    PendingValidatorEmission, StakeThreshold, StakeWeight, SubnetEpochIndex, SubnetOwnerHotkey, SubnetworkN, Tempo,
    Uids, ValidatorPermit, ValidatorTrust, Weights, Yuma3On, mechanisms::combine,
};
use alloc::vec::Vec;
use frame_support::storage::with_storage_layer;
use sp_runtime::DispatchError;
use yuma::{EpochInput, EpochOutput, EpochParams, LiquidAlpha, YumaVersion};

impl<T: Config> Pallet<T> {
    /// Runs a subnet's epoch. Should its input contradict itself (which `invariants` exclude), nothing is stored or
    /// paid, what is pending waits, and the clock goes on.
    pub(crate) fn run_epoch(netuid: NetUid, now: u64) {
        let done = with_storage_layer(|| -> Result<(), DispatchError> {
            let output = Self::consensus(netuid, now).ok_or(DispatchError::Corruption)?;
            Self::store_consensus(netuid, &output);
            Self::pay_epoch(netuid, &output)?;
            // From the next epoch on.
            Self::take_on_children(netuid, now);
            Ok(())
        });
        if done.is_ok() {
            LastMechansimStepBlock::<T>::insert(netuid, now);
        } else {
            Self::deposit_event(Event::EpochSkipped { netuid, block: now });
        }
        LastEpochBlock::<T>::insert(netuid, now);
        PendingEpochAt::<T>::remove(netuid);
        BlocksSinceLastStep::<T>::insert(netuid, 0);
        SubnetEpochIndex::<T>::mutate(netuid, |index| *index = index.saturating_add(1));
    }

    /// The hyperparameters of a subnet that consensus reads.
    fn epoch_params(netuid: NetUid) -> EpochParams {
        let tempo = Tempo::<T>::get(netuid);
        let (low, high) = AlphaValues::<T>::get(netuid);
        EpochParams {
            kappa: Kappa::<T>::get(netuid),
            tempo,
            activity_cutoff_blocks: yuma::activity_cutoff_blocks(ActivityCutoffFactorMilli::<T>::get(netuid), tempo),
            max_allowed_validators: MaxAllowedValidators::<T>::get(netuid),
            stake_threshold: StakeThreshold::<T>::get(),
            bonds_moving_average_ppm: BondsMovingAverage::<T>::get(netuid),
            bonds_penalty: BondsPenalty::<T>::get(netuid),
            yuma: if Yuma3On::<T>::get(netuid) { YumaVersion::Yuma3 } else { YumaVersion::Yuma1 },
            liquid_alpha: LiquidAlphaOn::<T>::get(netuid).then(|| LiquidAlpha {
                low,
                high,
                steepness: AlphaSigmoidSteepness::<T>::get(netuid),
            }),
        }
    }

    /// The consensus of every mechanism over its part of the emission, stored by mechanism where it is kept so, and
    /// combined. `None` if what is stored contradicts itself.
    fn consensus(netuid: NetUid, now: u64) -> Option<EpochOutput> {
        let emission =
            PendingServerEmission::<T>::get(netuid).saturating_add(PendingValidatorEmission::<T>::get(netuid));
        let outputs = Self::mechanism_indices(netuid)
            .zip(Self::split_over_mechanisms(netuid, emission))
            .map(|(index, emission)| {
                let output = Self::mechanism_consensus(netuid, index, emission, now)?;
                Self::store_mechanism(index, &output);
                Some(output)
            })
            .collect::<Option<Vec<_>>>()?;
        combine(&outputs, &Self::mechanism_shares(netuid))
    }

    /// Storage → consensus of one mechanism. `None` if what is stored contradicts itself.
    fn mechanism_consensus(
        netuid: NetUid,
        index: NetUidStorageIndex,
        emission: AlphaBalance,
        now: u64,
    ) -> Option<EpochOutput> {
        let uids = 0..SubnetworkN::<T>::get(netuid);
        let hotkeys: Vec<T::AccountId> = uids.clone().map(|uid| Keys::<T>::get(netuid, uid)).collect();
        let stake: Vec<_> =
            hotkeys.iter().map(|hotkey| yuma::combined_stake(Self::stake_in_consensus(hotkey, netuid), 0, 0)).collect();
        let registered: Vec<u64> = uids.clone().map(|uid| BlockAtRegistration::<T>::get(netuid, uid)).collect();
        let weights: Vec<_> = uids.clone().map(|uid| Weights::<T>::get(index, uid)).collect();
        let bonds: Vec<_> = uids.map(|uid| Bonds::<T>::get(index, uid)).collect();
        let earliest_live_commit: Option<Vec<Option<u64>>> = CommitRevealWeightsEnabled::<T>::get(netuid).then(|| {
            let timelocked = Self::earliest_timelocked(netuid, index);
            hotkeys
                .iter()
                .map(|hotkey| {
                    let hashed = Self::live_commits(netuid, index, hotkey).iter().map(|commit| commit.2).min();
                    hashed.into_iter().chain(timelocked.get(hotkey).copied()).min()
                })
                .collect()
        });
        yuma::epoch(&EpochInput {
            params: Self::epoch_params(netuid),
            current_block: now,
            last_step_block: LastMechansimStepBlock::<T>::get(netuid),
            emission,
            owner_uid: Uids::<T>::get(netuid, SubnetOwnerHotkey::<T>::get(netuid)),
            stake: &stake,
            last_update: &LastUpdate::<T>::get(index),
            block_at_registration: &registered,
            validator_permit: &ValidatorPermit::<T>::get(netuid),
            weights: &weights,
            bonds: &bonds,
            earliest_live_commit: earliest_live_commit.as_deref(),
        })
        .ok()
    }

    /// Consensus → storage. (What each neuron earned is stored where it is paid.)
    fn store_consensus(netuid: NetUid, output: &EpochOutput) {
        StakeWeight::<T>::insert(netuid, &output.stake_weight);
        Consensus::<T>::insert(netuid, &output.consensus);
        Dividends::<T>::insert(netuid, &output.dividends);
        ValidatorTrust::<T>::insert(netuid, &output.validator_trust);
        Active::<T>::insert(netuid, &output.active);
        ValidatorPermit::<T>::insert(netuid, &output.validator_permit);
    }

    /// What is kept by mechanism.
    fn store_mechanism(index: NetUidStorageIndex, output: &EpochOutput) {
        Incentive::<T>::insert(index, &output.incentive);
        for (uid, row) in (0u16..).zip(&output.bonds) {
            if row.is_empty() {
                Bonds::<T>::remove(index, uid);
            } else {
                Bonds::<T>::insert(index, uid, row);
            }
        }
    }
}
