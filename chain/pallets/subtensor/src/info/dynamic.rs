//! A subnet's market and emission.

use crate::{
    AlphaBalance, BlocksSinceLastStep, Config, I96F32, LastMechansimStepBlock, NetUid, NetworkRegisteredAt, Pallet,
    PendingServerEmission, PendingValidatorEmission, SubnetAlphaIn, SubnetAlphaInEmission, SubnetAlphaOut,
    SubnetAlphaOutEmission, SubnetIdentitiesV3, SubnetIdentityV3, SubnetMovingPrice, SubnetOwner, SubnetOwnerHotkey,
    SubnetTAO, SubnetTaoInEmission, SubnetVolume, TaoBalance, Tempo, TokenSymbol, info::compacts,
};
use alloc::{format, vec::Vec};
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// What a subnet's alpha is traded against, and what it was last given.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct DynamicInfo<AccountId> {
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// The hotkey of its owner.
    pub owner_hotkey: AccountId,
    /// The coldkey of its owner.
    pub owner_coldkey: AccountId,
    /// Its name, in UTF-8: its identity's, or its number.
    pub subnet_name: Vec<Compact<u8>>,
    /// The symbol of its token, in UTF-8.
    pub token_symbol: Vec<Compact<u8>>,
    /// Blocks between two epochs.
    pub tempo: Compact<u16>,
    /// The block of the last epoch that paid.
    pub last_step: Compact<u64>,
    /// Blocks since the last epoch.
    pub blocks_since_last_step: Compact<u64>,
    /// TAO that the last block put into the subnet, in rao.
    pub emission: Compact<u64>,
    /// Alpha in the pool.
    pub alpha_in: Compact<AlphaBalance>,
    /// Alpha outside it.
    pub alpha_out: Compact<AlphaBalance>,
    /// TAO in the pool.
    pub tao_in: Compact<TaoBalance>,
    /// Alpha that the last block issued to owner, miners and validators.
    pub alpha_out_emission: Compact<AlphaBalance>,
    /// Alpha that the last block put into the pool.
    pub alpha_in_emission: Compact<AlphaBalance>,
    /// TAO that the last block put into the pool.
    pub tao_in_emission: Compact<TaoBalance>,
    /// What waits for miners and validators until the epoch.
    pub pending_alpha_emission: Compact<AlphaBalance>,
    /// 0: what waits for root waits as alpha.
    pub pending_root_emission: Compact<TaoBalance>,
    /// All that was ever traded, in rao.
    pub subnet_volume: Compact<u128>,
    /// The block in which the subnet was created.
    pub network_registered_at: Compact<u64>,
    /// What its owner says about it.
    pub subnet_identity: Option<SubnetIdentityV3>,
    /// The average price that emission goes by.
    pub moving_price: I96F32,
}

impl<T: Config> Pallet<T> {
    /// What a subnet is called: by its identity, or else by its number.
    pub(super) fn subnet_name(netuid: NetUid) -> Vec<u8> {
        if netuid.is_root() {
            return b"root".to_vec();
        }
        let named = SubnetIdentitiesV3::<T>::get(netuid).map(|identity| identity.subnet_name);
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("subnet {}", netuid.0).into_bytes())
    }

    /// What waits for miners and validators until a subnet's epoch.
    pub(super) fn pending_emission(netuid: NetUid) -> AlphaBalance {
        PendingServerEmission::<T>::get(netuid).saturating_add(PendingValidatorEmission::<T>::get(netuid))
    }

    /// A subnet's market; `None` if there is no such subnet. The root network has one.
    pub fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo<T::AccountId>> {
        (netuid.is_root() || Self::subnet_exists(netuid)).then(|| DynamicInfo {
            netuid: Compact(netuid),
            owner_hotkey: SubnetOwnerHotkey::<T>::get(netuid),
            owner_coldkey: SubnetOwner::<T>::get(netuid),
            subnet_name: compacts(&Self::subnet_name(netuid)),
            token_symbol: compacts(&TokenSymbol::<T>::get(netuid)),
            tempo: Compact(Tempo::<T>::get(netuid)),
            last_step: Compact(LastMechansimStepBlock::<T>::get(netuid)),
            blocks_since_last_step: Compact(BlocksSinceLastStep::<T>::get(netuid)),
            emission: Compact(SubnetTaoInEmission::<T>::get(netuid)),
            alpha_in: Compact(SubnetAlphaIn::<T>::get(netuid)),
            alpha_out: Compact(SubnetAlphaOut::<T>::get(netuid)),
            tao_in: Compact(SubnetTAO::<T>::get(netuid)),
            alpha_out_emission: Compact(SubnetAlphaOutEmission::<T>::get(netuid)),
            alpha_in_emission: Compact(SubnetAlphaInEmission::<T>::get(netuid)),
            tao_in_emission: Compact(SubnetTaoInEmission::<T>::get(netuid)),
            pending_alpha_emission: Compact(Self::pending_emission(netuid)),
            pending_root_emission: Compact(0),
            subnet_volume: Compact(SubnetVolume::<T>::get(netuid)),
            network_registered_at: Compact(NetworkRegisteredAt::<T>::get(netuid)),
            subnet_identity: SubnetIdentitiesV3::<T>::get(netuid),
            moving_price: SubnetMovingPrice::<T>::get(netuid),
        })
    }

    /// Every market, the root network's first.
    pub fn get_all_dynamic_info() -> Vec<Option<DynamicInfo<T::AccountId>>> {
        Self::markets().map(Self::get_dynamic_info).collect()
    }

    /// The root network and all subnets, in ascending order.
    pub(crate) fn markets() -> impl Iterator<Item = NetUid> {
        core::iter::once(NetUid::ROOT).chain(Self::subnets())
    }
}
