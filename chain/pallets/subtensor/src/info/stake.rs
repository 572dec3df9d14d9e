//! What coldkeys have staked.

use crate::{
    AlphaBalance, Config, IsNetworkMember, LastHotkeyEmissionOnNetuid, NetUid, Pallet, StakingHotkeys, TaoBalance,
};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// What a coldkey has staked to a hotkey in a subnet.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct StakeInfo<AccountId> {
    /// Whom it is staked to.
    pub hotkey: AccountId,
    /// Whose it is.
    pub coldkey: AccountId,
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// How much: alpha, or TAO on the root network.
    pub stake: Compact<AlphaBalance>,
    /// 0: stake is never locked.
    pub locked: Compact<u64>,
    /// What the hotkey earned in its last epoch there.
    pub emission: Compact<AlphaBalance>,
    /// 0: emission is alpha.
    pub tao_emission: Compact<TaoBalance>,
    /// 0: nothing drains.
    pub drain: Compact<u64>,
    /// Whether the hotkey has a uid there.
    pub is_registered: bool,
}

/// How much of a coldkey's stake in a subnet it may take out. All of it: stake is never locked.
#[derive(Encode, Decode, TypeInfo, Clone, Copy, PartialEq, Eq, Debug)]
pub struct StakeAvailability {
    /// All of it.
    pub total: Compact<AlphaBalance>,
    /// 0.
    pub locked: Compact<AlphaBalance>,
    /// All of it.
    pub available: Compact<AlphaBalance>,
}

/// A coldkey and all that it has staked.
pub type StakesOf<AccountId> = (AccountId, Vec<StakeInfo<AccountId>>);

impl<T: Config> Pallet<T> {
    /// What a coldkey has staked, everywhere.
    pub fn get_stake_info_for_coldkey(coldkey: &T::AccountId) -> Vec<StakeInfo<T::AccountId>> {
        let markets: Vec<NetUid> = Self::markets().collect();
        StakingHotkeys::<T>::get(coldkey)
            .iter()
            .flat_map(|hotkey| markets.iter().map(move |netuid| (hotkey, *netuid)))
            .map(|(hotkey, netuid)| Self::stake_info(hotkey, coldkey, netuid))
            .filter(|info| info.stake.0 > 0)
            .collect()
    }

    /// What each of some coldkeys has staked.
    pub fn get_stake_info_for_coldkeys(coldkeys: Vec<T::AccountId>) -> Vec<StakesOf<T::AccountId>> {
        coldkeys
            .into_iter()
            .map(|coldkey| {
                let stakes = Self::get_stake_info_for_coldkey(&coldkey);
                (coldkey, stakes)
            })
            .collect()
    }

    /// What a coldkey has staked to a hotkey in a subnet; `None` if there is no such subnet.
    pub fn get_stake_info_for_hotkey_coldkey_netuid(
        hotkey: &T::AccountId,
        coldkey: &T::AccountId,
        netuid: NetUid,
    ) -> Option<StakeInfo<T::AccountId>> {
        (netuid.is_root() || Self::subnet_exists(netuid)).then(|| Self::stake_info(hotkey, coldkey, netuid))
    }

    /// What each of some coldkeys may take out, in some subnets or in all, where it has anything.
    pub fn get_stake_availability_for_coldkeys(
        coldkeys: Vec<T::AccountId>,
        netuids: Option<Vec<NetUid>>,
    ) -> BTreeMap<T::AccountId, BTreeMap<NetUid, StakeAvailability>> {
        let wanted = |netuid: &NetUid| netuids.as_ref().is_none_or(|netuids| netuids.contains(netuid));
        coldkeys
            .into_iter()
            .map(|coldkey| {
                let mut totals: BTreeMap<NetUid, AlphaBalance> = BTreeMap::new();
                let stakes = Self::get_stake_info_for_coldkey(&coldkey);
                for info in stakes.iter().filter(|info| wanted(&info.netuid.0)) {
                    let total = totals.entry(info.netuid.0).or_default();
                    *total = total.saturating_add(info.stake.0);
                }
                let by_subnet = totals.into_iter().map(|(netuid, total)| (netuid, all_available(total))).collect();
                (coldkey, by_subnet)
            })
            .collect()
    }

    /// What moving stake costs: the fee of the pool it leaves, in its alpha, or of the one it enters where it comes from
    /// free TAO or where alpha is TAO one to one, in rao. Where the pool that it leaves takes less than the one it enters,
    /// both take theirs; this is the first.
    pub fn get_stake_fee(
        origin: Option<(T::AccountId, NetUid)>,
        destination: Option<(T::AccountId, NetUid)>,
        amount: u64,
    ) -> u64 {
        match (origin, destination) {
            (Some((_, from)), Some((_, to))) if from == to => 0,
            (Some((_, from)), Some((_, to))) if !Self::is_dynamic(from) => {
                Self::sim_swap_tao_for_alpha(to, amount).tao_fee
            }
            (Some((_, from)), _) => Self::sim_swap_alpha_for_tao(from, amount).alpha_fee,
            (None, Some((_, to))) => Self::sim_swap_tao_for_alpha(to, amount).tao_fee,
            (None, None) => 0,
        }
    }

    fn stake_info(hotkey: &T::AccountId, coldkey: &T::AccountId, netuid: NetUid) -> StakeInfo<T::AccountId> {
        StakeInfo {
            hotkey: hotkey.clone(),
            coldkey: coldkey.clone(),
            netuid: Compact(netuid),
            stake: Compact(Self::stake_of(hotkey, coldkey, netuid)),
            locked: Compact(0),
            emission: Compact(LastHotkeyEmissionOnNetuid::<T>::get(hotkey, netuid)),
            tao_emission: Compact(0),
            drain: Compact(0),
            is_registered: IsNetworkMember::<T>::get(hotkey, netuid),
        }
    }
}

fn all_available(total: AlphaBalance) -> StakeAvailability {
    StakeAvailability { total: Compact(total), locked: Compact(0), available: Compact(total) }
}
