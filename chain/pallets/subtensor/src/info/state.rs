//! The columns of a subnet: one element per neuron, by uid.

use crate::{
    Active, AlphaBalance, BlockAtRegistration, Config, Consensus, Dividends, Emission, Incentive, Keys, LastUpdate,
    MechId, NetUid, NetUidStorageIndex, Owner, Pallet, SubnetworkN, TaoBalance, TotalHotkeyAlpha, ValidatorPermit,
    info::compacts,
};
use alloc::vec::Vec;
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// A subnet's neurons, by column.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct SubnetState<AccountId> {
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// Who they are.
    pub hotkeys: Vec<AccountId>,
    /// Who owns them.
    pub coldkeys: Vec<AccountId>,
    /// Whether each was heard of within the activity cutoff.
    pub active: Vec<bool>,
    /// Whether each may set weights on others.
    pub validator_permit: Vec<bool>,
    /// Empty: pruning goes by emission.
    pub pruning_score: Vec<Compact<u16>>,
    /// The block in which each last set weights.
    pub last_update: Vec<Compact<u64>>,
    /// What each earned in the last epoch.
    pub emission: Vec<Compact<AlphaBalance>>,
    /// Its part of what validators earned, as a fraction of 65535.
    pub dividends: Vec<Compact<u16>>,
    /// Its part of what miners earned, as a fraction of 65535.
    pub incentives: Vec<Compact<u16>>,
    /// The weight that a majority of stake gives it, as a fraction of 65535.
    pub consensus: Vec<Compact<u16>>,
    /// Empty: no longer computed.
    pub trust: Vec<Compact<u16>>,
    /// Empty: no longer computed.
    pub rank: Vec<Compact<u16>>,
    /// The block in which each registered.
    pub block_at_registration: Vec<Compact<u64>>,
    /// The alpha that speaks for it, its parents' included.
    pub alpha_stake: Vec<Compact<AlphaBalance>>,
    /// The TAO on root that speaks for it, its parents' included, unweighted.
    pub tao_stake: Vec<Compact<TaoBalance>>,
    /// Alpha and weighted TAO together: what consensus goes by.
    pub total_stake: Vec<Compact<TaoBalance>>,
    /// What each earned in this and that subnet in its last epoch there, by subnet, the root network first.
    pub emission_history: Vec<Vec<Compact<AlphaBalance>>>,
}

impl<T: Config> Pallet<T> {
    /// The hotkeys of a subnet, by uid.
    pub(super) fn hotkeys(netuid: NetUid) -> Vec<T::AccountId> {
        (0..SubnetworkN::<T>::get(netuid)).map(|uid| Keys::<T>::get(netuid, uid)).collect()
    }

    /// The alpha that speaks for a hotkey in a subnet.
    pub(super) fn alpha_stake(hotkey: &T::AccountId, netuid: NetUid) -> AlphaBalance {
        Self::inherited(hotkey, netuid, |hotkey, netuid| TotalHotkeyAlpha::<T>::get(hotkey, netuid))
    }

    /// The TAO on root that speaks for a hotkey in a subnet, before it is weighted.
    pub(super) fn tao_stake(hotkey: &T::AccountId, netuid: NetUid) -> TaoBalance {
        Self::inherited(hotkey, netuid, |hotkey, _| TotalHotkeyAlpha::<T>::get(hotkey, NetUid::ROOT))
    }

    /// The columns of a subnet; `None` if there is no such subnet.
    pub fn get_subnet_state(netuid: NetUid) -> Option<SubnetState<T::AccountId>> {
        let mut state = Self::mechanism_state(netuid, MechId::MAIN)?;
        state.emission_history = Self::markets()
            .map(|market| {
                let earned = |hotkey| crate::LastHotkeyEmissionOnNetuid::<T>::get(hotkey, market);
                state.hotkeys.iter().map(|hotkey| Compact(earned(hotkey))).collect()
            })
            .collect();
        Some(state)
    }

    /// The columns of one of a subnet's mechanisms, without a history; `None` if there is no such mechanism.
    pub(super) fn mechanism_state(netuid: NetUid, mecid: MechId) -> Option<SubnetState<T::AccountId>> {
        Self::ensure_mechanism_exists(netuid, mecid).ok()?;
        let index = NetUidStorageIndex::new(netuid, mecid);
        let hotkeys = Self::hotkeys(netuid);
        let uids = 0..SubnetworkN::<T>::get(netuid);
        let by_hotkey = |of: fn(&T::AccountId, NetUid) -> u64| -> Vec<Compact<u64>> {
            hotkeys.iter().map(|hotkey| Compact(of(hotkey, netuid))).collect()
        };
        Some(SubnetState {
            netuid: Compact(netuid),
            coldkeys: hotkeys.iter().map(Owner::<T>::get).collect(),
            active: Active::<T>::get(netuid),
            validator_permit: ValidatorPermit::<T>::get(netuid),
            pruning_score: Vec::new(),
            last_update: compacts(&LastUpdate::<T>::get(index)),
            emission: compacts(&Emission::<T>::get(netuid)),
            dividends: compacts(&Dividends::<T>::get(netuid)),
            incentives: compacts(&Incentive::<T>::get(index)),
            consensus: compacts(&Consensus::<T>::get(netuid)),
            trust: Vec::new(),
            rank: Vec::new(),
            block_at_registration: uids.map(|uid| Compact(BlockAtRegistration::<T>::get(netuid, uid))).collect(),
            alpha_stake: by_hotkey(Self::alpha_stake),
            tao_stake: by_hotkey(Self::tao_stake),
            total_stake: by_hotkey(Self::stake_in_consensus),
            emission_history: Vec::new(),
            hotkeys,
        })
    }
}
