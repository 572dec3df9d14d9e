//! The first two descriptions of a subnet, which older clients ask for.

use crate::{
    BlocksSinceLastStep, Burn, Config, Difficulty, ImmunityPeriod, Kappa, MaxAllowedUids, MaxAllowedValidators,
    MaxWeightsLimit, MinAllowedWeights, NetUid, Pallet, Rho, SubnetIdentitiesV3, SubnetIdentityV3, SubnetOwner,
    SubnetTaoInEmission, SubnetworkN, TaoBalance, Tempo, defaults,
};
use alloc::vec::Vec;
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

/// A subnet's parameters, size and price of registration.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct SubnetInfo<AccountId> {
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// Read by no epoch any more.
    pub rho: Compact<u16>,
    /// Consensus majority, as a fraction of 65535.
    pub kappa: Compact<u16>,
    /// Of registrations by proof of work.
    pub difficulty: Compact<u64>,
    /// Blocks during which a new neuron is not pruned.
    pub immunity_period: Compact<u16>,
    /// Neurons that may hold a validator permit.
    pub max_allowed_validators: Compact<u16>,
    /// Weights that a validator must set at least.
    pub min_allowed_weights: Compact<u16>,
    /// The largest share that one weight may have, as a fraction of 65535.
    pub max_weights_limit: Compact<u16>,
    /// Read by nothing.
    pub scaling_law_power: Compact<u16>,
    /// How many neurons there are.
    pub subnetwork_n: Compact<u16>,
    /// How many fit.
    pub max_allowed_uids: Compact<u16>,
    /// Blocks since the last epoch.
    pub blocks_since_last_step: Compact<u64>,
    /// Blocks between two epochs.
    pub tempo: Compact<u16>,
    /// 0: there is one modality.
    pub network_modality: Compact<u16>,
    /// Empty: subnets are not connected any more.
    pub network_connect: Vec<[u16; 2]>,
    /// TAO that the last block put into the subnet, in rao.
    pub emission_values: Compact<u64>,
    /// The price of a registration, in rao.
    pub burn: Compact<TaoBalance>,
    /// The coldkey that owns the subnet.
    pub owner: AccountId,
}

/// The same with what the owner says about the subnet.
#[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
pub struct SubnetInfov2<AccountId> {
    /// The subnet.
    pub netuid: Compact<NetUid>,
    /// See [`SubnetInfo`], here and below.
    pub rho: Compact<u16>,
    /// Consensus majority, as a fraction of 65535.
    pub kappa: Compact<u16>,
    /// Of registrations by proof of work.
    pub difficulty: Compact<u64>,
    /// Blocks during which a new neuron is not pruned.
    pub immunity_period: Compact<u16>,
    /// Neurons that may hold a validator permit.
    pub max_allowed_validators: Compact<u16>,
    /// Weights that a validator must set at least.
    pub min_allowed_weights: Compact<u16>,
    /// The largest share that one weight may have, as a fraction of 65535.
    pub max_weights_limit: Compact<u16>,
    /// Read by nothing.
    pub scaling_law_power: Compact<u16>,
    /// How many neurons there are.
    pub subnetwork_n: Compact<u16>,
    /// How many fit.
    pub max_allowed_uids: Compact<u16>,
    /// Blocks since the last epoch.
    pub blocks_since_last_step: Compact<u64>,
    /// Blocks between two epochs.
    pub tempo: Compact<u16>,
    /// 0: there is one modality.
    pub network_modality: Compact<u16>,
    /// Empty: subnets are not connected any more.
    pub network_connect: Vec<[u16; 2]>,
    /// TAO that the last block put into the subnet, in rao.
    pub emission_value: Compact<u64>,
    /// The price of a registration, in rao.
    pub burn: Compact<TaoBalance>,
    /// The coldkey that owns the subnet.
    pub owner: AccountId,
    /// What it says about the subnet.
    pub identity: Option<SubnetIdentityV3>,
}

impl<T: Config> Pallet<T> {
    /// The first description of a subnet; `None` if there is no such subnet.
    pub fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo<T::AccountId>> {
        Self::subnet_exists(netuid).then(|| SubnetInfo {
            netuid: Compact(netuid),
            rho: Compact(Rho::<T>::get(netuid)),
            kappa: Compact(Kappa::<T>::get(netuid)),
            difficulty: Compact(Difficulty::<T>::get(netuid)),
            immunity_period: Compact(ImmunityPeriod::<T>::get(netuid)),
            max_allowed_validators: Compact(MaxAllowedValidators::<T>::get(netuid)),
            min_allowed_weights: Compact(MinAllowedWeights::<T>::get(netuid)),
            max_weights_limit: Compact(MaxWeightsLimit::<T>::get(netuid)),
            scaling_law_power: Compact(defaults::SCALING_LAW_POWER),
            subnetwork_n: Compact(SubnetworkN::<T>::get(netuid)),
            max_allowed_uids: Compact(MaxAllowedUids::<T>::get(netuid)),
            blocks_since_last_step: Compact(BlocksSinceLastStep::<T>::get(netuid)),
            tempo: Compact(Tempo::<T>::get(netuid)),
            network_modality: Compact(0),
            network_connect: Vec::new(),
            emission_values: Compact(SubnetTaoInEmission::<T>::get(netuid)),
            burn: Compact(Burn::<T>::get(netuid)),
            owner: SubnetOwner::<T>::get(netuid),
        })
    }

    /// The second description of a subnet; `None` if there is no such subnet.
    pub fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2<T::AccountId>> {
        let info = Self::get_subnet_info(netuid)?;
        Some(SubnetInfov2 {
            netuid: info.netuid,
            rho: info.rho,
            kappa: info.kappa,
            difficulty: info.difficulty,
            immunity_period: info.immunity_period,
            max_allowed_validators: info.max_allowed_validators,
            min_allowed_weights: info.min_allowed_weights,
            max_weights_limit: info.max_weights_limit,
            scaling_law_power: info.scaling_law_power,
            subnetwork_n: info.subnetwork_n,
            max_allowed_uids: info.max_allowed_uids,
            blocks_since_last_step: info.blocks_since_last_step,
            tempo: info.tempo,
            network_modality: info.network_modality,
            network_connect: info.network_connect,
            emission_value: info.emission_values,
            burn: info.burn,
            owner: info.owner,
            identity: SubnetIdentitiesV3::<T>::get(netuid),
        })
    }

    /// The first description of every subnet.
    pub fn get_subnets_info() -> Vec<Option<SubnetInfo<T::AccountId>>> {
        Self::subnets().into_iter().map(Self::get_subnet_info).collect()
    }

    /// The second description of every subnet.
    pub fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2<T::AccountId>>> {
        Self::subnets().into_iter().map(Self::get_subnet_info_v2).collect()
    }

    /// The subnet that the next one to be created would replace where no more may exist: none while all are immune.
    pub fn get_subnet_to_prune() -> Option<NetUid> {
        Self::network_to_prune()
    }
}
