//! Hotkeys that others stake to.

use crate::{
    Alpha, AlphaBalance, Config, Delegates, NetUid, Owner, Pallet, StakingHotkeys, Tempo, Uids, ValidatorPermit,
    defaults::RAO_PER_TAO, numbers::mul_div,
};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// Blocks in a day at Bittensor's twelve seconds, by which clients reckon a daily return.
const BLOCKS_PER_DAY: u64 = 7_200;

/// Stake by subnet.
pub type Holdings = Vec<(Compact<NetUid>, Compact<u64>)>;

/// A hotkey that others can stake to.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct DelegateInfo<AccountId> {
    /// The hotkey.
    pub delegate_ss58: AccountId,
    /// What it keeps of others' dividends, as a fraction of 65535.
    pub take: Compact<u16>,
    /// Who staked to it, and how much in which subnet.
    pub nominators: Vec<(AccountId, Holdings)>,
    /// The coldkey that owns it.
    pub owner_ss58: AccountId,
    /// The subnets where it has a uid.
    pub registrations: Vec<Compact<NetUid>>,
    /// The subnets where it may set weights on others.
    pub validator_permits: Vec<Compact<NetUid>>,
    /// What 1,000 TAO staked to it would return in a day, in rao, as its last epochs went.
    pub return_per_1000: Compact<u64>,
    /// What all that is staked to it returns in a day, in rao, as its last epochs went.
    pub total_daily_return: Compact<u64>,
}

/// A hotkey that a coldkey staked to, and what in one subnet.
pub type Delegation<AccountId> = (DelegateInfo<AccountId>, (Compact<NetUid>, Compact<AlphaBalance>));

impl<T: Config> Pallet<T> {
    /// Every hotkey that has an owner and stake.
    pub fn get_delegates() -> Vec<DelegateInfo<T::AccountId>> {
        let mut nominators: BTreeMap<T::AccountId, BTreeMap<T::AccountId, Vec<NetUid>>> = BTreeMap::new();
        for (hotkey, coldkey, netuid) in Alpha::<T>::iter_keys() {
            nominators.entry(hotkey).or_default().entry(coldkey).or_default().push(netuid);
        }
        nominators.into_iter().map(|(hotkey, nominators)| Self::delegate(hotkey, nominators)).collect()
    }

    /// A hotkey that others can stake to; `None` if nobody owns it.
    pub fn get_delegate(hotkey: T::AccountId) -> Option<DelegateInfo<T::AccountId>> {
        if !Owner::<T>::contains_key(&hotkey) {
            return None;
        }
        let mut nominators: BTreeMap<T::AccountId, Vec<NetUid>> = BTreeMap::new();
        for ((coldkey, netuid), _) in Alpha::<T>::iter_prefix((&hotkey,)) {
            nominators.entry(coldkey).or_default().push(netuid);
        }
        Some(Self::delegate(hotkey, nominators))
    }

    /// The hotkeys that a coldkey staked to, once for every subnet.
    pub fn get_delegated(coldkey: T::AccountId) -> Vec<Delegation<T::AccountId>> {
        let markets: Vec<NetUid> = Self::markets().collect();
        StakingHotkeys::<T>::get(&coldkey)
            .into_iter()
            .filter_map(Self::get_delegate)
            .flat_map(|delegate| markets.iter().map(move |netuid| (delegate.clone(), *netuid)))
            .map(|(delegate, netuid)| {
                let stake = Self::stake_of(&delegate.delegate_ss58, &coldkey, netuid);
                (delegate, (Compact(netuid), Compact(stake)))
            })
            .filter(|(_, (_, stake))| stake.0 > 0)
            .collect()
    }

    fn delegate(hotkey: T::AccountId, nominators: BTreeMap<T::AccountId, Vec<NetUid>>) -> DelegateInfo<T::AccountId> {
        let registrations: Vec<(NetUid, u16)> = Self::subnets()
            .into_iter()
            .filter_map(|netuid| Uids::<T>::get(netuid, &hotkey).map(|uid| (netuid, uid)))
            .collect();
        let permitted = |(netuid, uid): &(NetUid, u16)| {
            ValidatorPermit::<T>::get(netuid).get(usize::from(*uid)).copied().unwrap_or_default()
        };
        let (daily, staked) = registrations.iter().fold((0u64, 0u64), |(daily, staked), (netuid, _)| {
            let (earned, stake) = Self::nominators_return(&hotkey, *netuid);
            (daily.saturating_add(earned), staked.saturating_add(stake))
        });
        DelegateInfo {
            take: Compact(Delegates::<T>::get(&hotkey)),
            nominators: nominators
                .into_iter()
                .map(|(coldkey, netuids)| {
                    let stake = |netuid| Self::stake_of(&hotkey, &coldkey, netuid);
                    let stakes = netuids.into_iter().map(|netuid| (Compact(netuid), Compact(stake(netuid)))).collect();
                    (coldkey, stakes)
                })
                .collect(),
            owner_ss58: Owner::<T>::get(&hotkey),
            registrations: registrations.iter().map(|(netuid, _)| Compact(*netuid)).collect(),
            validator_permits: registrations
                .iter()
                .filter(|place| permitted(place))
                .map(|(netuid, _)| Compact(*netuid))
                .collect(),
            return_per_1000: Compact(mul_div(daily, 1_000 * RAO_PER_TAO, staked).unwrap_or_default()),
            total_daily_return: Compact(daily),
            delegate_ss58: hotkey,
        }
    }

    /// What a hotkey's nominators get a day in a subnet, and what is staked to it there, in rao at the present price.
    fn nominators_return(hotkey: &T::AccountId, netuid: NetUid) -> (u64, u64) {
        let dividends = crate::AlphaDividendsPerSubnet::<T>::get(netuid, hotkey);
        let kept = crate::emission::part(dividends, Delegates::<T>::get(hotkey));
        let epochs_per_day = BLOCKS_PER_DAY / u64::from(Tempo::<T>::get(netuid).max(1));
        let daily = dividends.saturating_sub(kept).saturating_mul(epochs_per_day);
        let staked = crate::TotalHotkeyAlpha::<T>::get(hotkey, netuid);
        (Self::worth(netuid, daily), Self::worth(netuid, staked))
    }
}
