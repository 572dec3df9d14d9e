//! One neuron: who it is, where it can be reached, what it earned.

use crate::{
    Active, AlphaBalance, AxonInfo, Axons, Bonds, Config, Consensus, Dividends, Emission, Incentive, Keys, LastUpdate,
    NetUid, NetUidStorageIndex, Owner, Pallet, Prometheus, PrometheusInfo, SubnetworkN, TotalHotkeyAlpha,
    ValidatorPermit, ValidatorTrust, Weights,
};
use alloc::{vec, vec::Vec};
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// One neuron with its weights and bonds.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct NeuronInfo<AccountId> {
    /// Who it is.
    pub hotkey: AccountId,
    /// Who owns it.
    pub coldkey: AccountId,
    /// Its place in the subnet.
    pub uid: Compact<u16>,
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// Whether it was heard of within the activity cutoff.
    pub active: bool,
    /// Where it can be reached; all zero if it does not say.
    pub axon_info: AxonInfo,
    /// Where its metrics can be read; all zero if it does not say.
    pub prometheus_info: PrometheusInfo,
    /// All that is staked to it, under its owner's name.
    pub stake: Vec<(AccountId, Compact<AlphaBalance>)>,
    /// 0: no longer computed.
    pub rank: Compact<u16>,
    /// What it earned in the last epoch.
    pub emission: Compact<AlphaBalance>,
    /// Its part of what miners earned, as a fraction of 65535.
    pub incentive: Compact<u16>,
    /// The weight that a majority of stake gives it, as a fraction of 65535.
    pub consensus: Compact<u16>,
    /// 0: no longer computed.
    pub trust: Compact<u16>,
    /// How much of its weights the majority shares, as a fraction of 65535.
    pub validator_trust: Compact<u16>,
    /// Its part of what validators earned, as a fraction of 65535.
    pub dividends: Compact<u16>,
    /// The block in which it last set weights.
    pub last_update: Compact<u64>,
    /// Whether it may set weights on others.
    pub validator_permit: bool,
    /// Its weights: (uid, weight).
    pub weights: Vec<(Compact<u16>, Compact<u16>)>,
    /// Its bonds: (uid, bond).
    pub bonds: Vec<(Compact<u16>, Compact<u16>)>,
    /// 0: pruning goes by emission.
    pub pruning_score: Compact<u16>,
}

/// One neuron without its weights and bonds.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct NeuronInfoLite<AccountId> {
    /// Who it is.
    pub hotkey: AccountId,
    /// Who owns it.
    pub coldkey: AccountId,
    /// Its place in the subnet.
    pub uid: Compact<u16>,
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// Whether it was heard of within the activity cutoff.
    pub active: bool,
    /// Where it can be reached; all zero if it does not say.
    pub axon_info: AxonInfo,
    /// Where its metrics can be read; all zero if it does not say.
    pub prometheus_info: PrometheusInfo,
    /// All that is staked to it, under its owner's name.
    pub stake: Vec<(AccountId, Compact<AlphaBalance>)>,
    /// 0: no longer computed.
    pub rank: Compact<u16>,
    /// What it earned in the last epoch.
    pub emission: Compact<AlphaBalance>,
    /// Its part of what miners earned, as a fraction of 65535.
    pub incentive: Compact<u16>,
    /// The weight that a majority of stake gives it, as a fraction of 65535.
    pub consensus: Compact<u16>,
    /// 0: no longer computed.
    pub trust: Compact<u16>,
    /// How much of its weights the majority shares, as a fraction of 65535.
    pub validator_trust: Compact<u16>,
    /// Its part of what validators earned, as a fraction of 65535.
    pub dividends: Compact<u16>,
    /// The block in which it last set weights.
    pub last_update: Compact<u64>,
    /// Whether it may set weights on others.
    pub validator_permit: bool,
    /// 0: pruning goes by emission.
    pub pruning_score: Compact<u16>,
}

impl<AccountId> From<NeuronInfo<AccountId>> for NeuronInfoLite<AccountId> {
    fn from(neuron: NeuronInfo<AccountId>) -> Self {
        Self {
            hotkey: neuron.hotkey,
            coldkey: neuron.coldkey,
            uid: neuron.uid,
            netuid: neuron.netuid,
            active: neuron.active,
            axon_info: neuron.axon_info,
            prometheus_info: neuron.prometheus_info,
            stake: neuron.stake,
            rank: neuron.rank,
            emission: neuron.emission,
            incentive: neuron.incentive,
            consensus: neuron.consensus,
            trust: neuron.trust,
            validator_trust: neuron.validator_trust,
            dividends: neuron.dividends,
            last_update: neuron.last_update,
            validator_permit: neuron.validator_permit,
            pruning_score: neuron.pruning_score,
        }
    }
}

/// A subnet's columns that neurons are read from, each read once.
struct Columns {
    active: Vec<bool>,
    validator_permit: Vec<bool>,
    emission: Vec<AlphaBalance>,
    incentive: Vec<u16>,
    consensus: Vec<u16>,
    validator_trust: Vec<u16>,
    dividends: Vec<u16>,
    last_update: Vec<u64>,
}

impl Columns {
    fn of<T: Config>(netuid: NetUid) -> Self {
        let index = NetUidStorageIndex::from(netuid);
        Self {
            active: Active::<T>::get(netuid),
            validator_permit: ValidatorPermit::<T>::get(netuid),
            emission: Emission::<T>::get(netuid),
            incentive: Incentive::<T>::get(index),
            consensus: Consensus::<T>::get(netuid),
            validator_trust: ValidatorTrust::<T>::get(netuid),
            dividends: Dividends::<T>::get(netuid),
            last_update: LastUpdate::<T>::get(index),
        }
    }
}

fn at<V: Copy + Default>(column: &[V], uid: u16) -> V {
    column.get(usize::from(uid)).copied().unwrap_or_default()
}

fn compact_row(row: Vec<(u16, u16)>) -> Vec<(Compact<u16>, Compact<u16>)> {
    row.into_iter().map(|(uid, value)| (Compact(uid), Compact(value))).collect()
}

impl<T: Config> Pallet<T> {
    /// All neurons of a subnet, by uid.
    pub fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo<T::AccountId>> {
        let columns = Columns::of::<T>(netuid);
        (0..SubnetworkN::<T>::get(netuid)).map(|uid| Self::neuron(netuid, uid, &columns)).collect()
    }

    /// One neuron; `None` if there is no such uid.
    pub fn get_neuron(netuid: NetUid, uid: u16) -> Option<NeuronInfo<T::AccountId>> {
        (uid < SubnetworkN::<T>::get(netuid)).then(|| Self::neuron(netuid, uid, &Columns::of::<T>(netuid)))
    }

    /// All neurons of a subnet without their weights and bonds, by uid.
    pub fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite<T::AccountId>> {
        let columns = Columns::of::<T>(netuid);
        (0..SubnetworkN::<T>::get(netuid)).map(|uid| Self::bare_neuron(netuid, uid, &columns).into()).collect()
    }

    /// One neuron without its weights and bonds; `None` if there is no such uid.
    pub fn get_neuron_lite(netuid: NetUid, uid: u16) -> Option<NeuronInfoLite<T::AccountId>> {
        let exists = uid < SubnetworkN::<T>::get(netuid);
        exists.then(|| Self::bare_neuron(netuid, uid, &Columns::of::<T>(netuid)).into())
    }

    fn neuron(netuid: NetUid, uid: u16, columns: &Columns) -> NeuronInfo<T::AccountId> {
        let index = NetUidStorageIndex::from(netuid);
        let mut neuron = Self::bare_neuron(netuid, uid, columns);
        neuron.weights = compact_row(Weights::<T>::get(index, uid));
        neuron.bonds = compact_row(Bonds::<T>::get(index, uid));
        neuron
    }

    /// A neuron with neither weights nor bonds.
    fn bare_neuron(netuid: NetUid, uid: u16, columns: &Columns) -> NeuronInfo<T::AccountId> {
        let hotkey = Keys::<T>::get(netuid, uid);
        let coldkey = Owner::<T>::get(&hotkey);
        NeuronInfo {
            uid: Compact(uid),
            netuid: Compact(netuid),
            active: at(&columns.active, uid),
            axon_info: Axons::<T>::get(netuid, &hotkey).unwrap_or_default(),
            prometheus_info: Prometheus::<T>::get(netuid, &hotkey).unwrap_or_default(),
            stake: vec![(coldkey.clone(), Compact(TotalHotkeyAlpha::<T>::get(&hotkey, netuid)))],
            rank: Compact(0),
            emission: Compact(at(&columns.emission, uid)),
            incentive: Compact(at(&columns.incentive, uid)),
            consensus: Compact(at(&columns.consensus, uid)),
            trust: Compact(0),
            validator_trust: Compact(at(&columns.validator_trust, uid)),
            dividends: Compact(at(&columns.dividends, uid)),
            last_update: Compact(at(&columns.last_update, uid)),
            validator_permit: at(&columns.validator_permit, uid),
            weights: Vec::new(),
            bonds: Vec::new(),
            pruning_score: Compact(0),
            hotkey,
            coldkey,
        }
    }
}
