//! Everything about a subnet in one answer, and the same with only what was asked for.

use crate::{
    AlphaBalance, AlphaDividendsPerSubnet, AxonInfo, Axons, ChainIdentityV2, Config, I96F32, IdentitiesV2, MechId,
    NetUid, NetworkPowRegistrationAllowed, Pallet, RootAlphaDividendsPerSubnet, SubnetIdentityV3, TaoBalance,
    info::{dynamic::DynamicInfo, hyperparameters::SubnetHyperparams, state::SubnetState, subnet::SubnetInfo},
};
use alloc::vec::Vec;
use codec::{Compact, Decode, Encode};
use scale_info::TypeInfo;

macro_rules! metagraph {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// Everything about a subnet.
        #[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
        pub struct Metagraph<AccountId> {
            /// The subnet.
            pub netuid: Compact<NetUid>,
            $($(#[$doc])* pub $field: $type,)*
        }

        /// What was asked for about a subnet; the rest is `None`.
        #[derive(Encode, Decode, TypeInfo, Clone, PartialEq, Eq, Debug)]
        pub struct SelectiveMetagraph<AccountId> {
            /// The subnet.
            pub netuid: Compact<NetUid>,
            $($(#[$doc])* pub $field: Option<$type>,)*
            /// The uids of those that may set weights on others.
            pub validators: Option<Vec<Compact<u16>>>,
            /// What hotkeys posted last, encoded.
            pub commitments: Option<Vec<(AccountId, Vec<Compact<u8>>)>>,
        }

        impl<AccountId> Metagraph<AccountId> {
            /// The fields with these numbers: `netuid` is 0, the others follow in order. Numbers that name no field are
            /// passed over. `commitments` are not the pallet's to know: its field is `Some` and empty where asked for.
            pub fn select(self, wanted: &[u16]) -> SelectiveMetagraph<AccountId> {
                let mut numbers = 1u16..;
                let mut is_wanted = || numbers.next().is_some_and(|number| wanted.contains(&number));
                let permits = self.validator_permit.clone();
                $(let $field = is_wanted().then_some(self.$field);)*
                let validators = is_wanted().then(|| {
                    (0u16..).zip(permits).filter(|(_, permit)| *permit).map(|(uid, _)| Compact(uid)).collect()
                });
                let commitments = is_wanted().then(Vec::new);
                SelectiveMetagraph { netuid: self.netuid, $($field,)* validators, commitments }
            }
        }
    };
}

metagraph! {
    /// Its name, in UTF-8.
    name: Vec<Compact<u8>>,
    /// The symbol of its token, in UTF-8.
    symbol: Vec<Compact<u8>>,
    /// What its owner says about it.
    identity: Option<SubnetIdentityV3>,
    /// The block in which it was created.
    network_registered_at: Compact<u64>,
    /// The hotkey of its owner.
    owner_hotkey: AccountId,
    /// The coldkey of its owner.
    owner_coldkey: AccountId,
    /// The present block.
    block: Compact<u64>,
    /// Blocks between two epochs.
    tempo: Compact<u16>,
    /// The block of the last epoch that paid.
    last_step: Compact<u64>,
    /// Blocks since the last epoch.
    blocks_since_last_step: Compact<u64>,
    /// TAO that the last block put into the subnet, in rao.
    subnet_emission: Compact<u64>,
    /// Alpha in the pool.
    alpha_in: Compact<AlphaBalance>,
    /// Alpha outside it.
    alpha_out: Compact<AlphaBalance>,
    /// TAO in the pool.
    tao_in: Compact<TaoBalance>,
    /// Alpha that the last block issued to owner, miners and validators.
    alpha_out_emission: Compact<AlphaBalance>,
    /// Alpha that the last block put into the pool.
    alpha_in_emission: Compact<AlphaBalance>,
    /// TAO that the last block put into the pool.
    tao_in_emission: Compact<TaoBalance>,
    /// What waits for miners and validators until the epoch.
    pending_alpha_emission: Compact<AlphaBalance>,
    /// 0: what waits for root waits as alpha.
    pending_root_emission: Compact<TaoBalance>,
    /// All that was ever traded, in rao.
    subnet_volume: Compact<u128>,
    /// The average price that emission goes by.
    moving_price: I96F32,
    /// Read by no epoch any more.
    rho: Compact<u16>,
    /// Consensus majority, as a fraction of 65535.
    kappa: Compact<u16>,
    /// Weights that a validator must set at least.
    min_allowed_weights: Compact<u16>,
    /// The largest share that one weight may have, as a fraction of 65535.
    max_weights_limit: Compact<u16>,
    /// The oldest version of weights that is taken.
    weights_version: Compact<u64>,
    /// Blocks between two settings of weights.
    weights_rate_limit: Compact<u64>,
    /// Blocks without an update after which a neuron is inactive.
    activity_cutoff: Compact<u64>,
    /// Neurons that may hold a validator permit.
    max_validators: Compact<u16>,
    /// How many neurons there are.
    num_uids: Compact<u16>,
    /// How many fit.
    max_uids: Compact<u16>,
    /// The price of a registration, in rao.
    burn: Compact<TaoBalance>,
    /// Of registrations by proof of work.
    difficulty: Compact<u64>,
    /// Whether neurons may register.
    registration_allowed: bool,
    /// Whether they may by proof of work.
    pow_registration_allowed: bool,
    /// Blocks during which a new neuron is not pruned.
    immunity_period: Compact<u16>,
    /// Floor of the difficulty.
    min_difficulty: Compact<u64>,
    /// Ceiling of the difficulty.
    max_difficulty: Compact<u64>,
    /// Floor of the price of a registration, in rao.
    min_burn: Compact<TaoBalance>,
    /// Ceiling of the price of a registration, in rao.
    max_burn: Compact<TaoBalance>,
    /// How slowly difficulty adjusts, as a fraction of 2⁶⁴ − 1.
    adjustment_alpha: Compact<u64>,
    /// Blocks of an adjustment interval.
    adjustment_interval: Compact<u16>,
    /// Registrations per adjustment interval.
    target_regs_per_interval: Compact<u16>,
    /// Registrations by proof of work per block.
    max_regs_per_block: Compact<u16>,
    /// Blocks between two servings.
    serving_rate_limit: Compact<u64>,
    /// Whether weights are committed first.
    commit_reveal_weights_enabled: bool,
    /// Epochs between a commit and its reveal.
    commit_reveal_period: Compact<u64>,
    /// Whether bonds move with liquid alpha.
    liquid_alpha_enabled: bool,
    /// Ceiling of liquid alpha, as a fraction of 65535.
    alpha_high: Compact<u16>,
    /// Floor of liquid alpha, as a fraction of 65535.
    alpha_low: Compact<u16>,
    /// Share of the old bonds that an epoch keeps, in millionths.
    bonds_moving_avg: Compact<u64>,
    /// Who the neurons are, here and below by uid.
    hotkeys: Vec<AccountId>,
    /// Who owns them.
    coldkeys: Vec<AccountId>,
    /// What their owners say about themselves.
    identities: Vec<Option<ChainIdentityV2>>,
    /// Where they can be reached; all zero for those that do not say.
    axons: Vec<AxonInfo>,
    /// Whether each was heard of within the activity cutoff.
    active: Vec<bool>,
    /// Whether each may set weights on others.
    validator_permit: Vec<bool>,
    /// Empty: pruning goes by emission.
    pruning_score: Vec<Compact<u16>>,
    /// The block in which each last set weights.
    last_update: Vec<Compact<u64>>,
    /// What each earned in the last epoch.
    emission: Vec<Compact<AlphaBalance>>,
    /// Its part of what validators earned, as a fraction of 65535.
    dividends: Vec<Compact<u16>>,
    /// Its part of what miners earned, as a fraction of 65535.
    incentives: Vec<Compact<u16>>,
    /// The weight that a majority of stake gives it, as a fraction of 65535.
    consensus: Vec<Compact<u16>>,
    /// Empty: no longer computed.
    trust: Vec<Compact<u16>>,
    /// Empty: no longer computed.
    rank: Vec<Compact<u16>>,
    /// The block in which each registered.
    block_at_registration: Vec<Compact<u64>>,
    /// The alpha that speaks for it, its parents' included.
    alpha_stake: Vec<Compact<AlphaBalance>>,
    /// The TAO on root that speaks for it, its parents' included, unweighted.
    tao_stake: Vec<Compact<TaoBalance>>,
    /// Alpha and weighted TAO together: what consensus goes by.
    total_stake: Vec<Compact<TaoBalance>>,
    /// What root stake earned in the last epoch, by hotkey, in the alpha that was sold for it.
    tao_dividends_per_hotkey: Vec<(AccountId, Compact<TaoBalance>)>,
    /// What alpha earned in the last epoch, by hotkey, before the take.
    alpha_dividends_per_hotkey: Vec<(AccountId, Compact<AlphaBalance>)>,
}

impl<T: Config> Pallet<T> {
    /// Everything about a subnet, with its main mechanism; `None` if there is no such subnet.
    pub fn get_metagraph(netuid: NetUid) -> Option<Metagraph<T::AccountId>> {
        Self::get_mechagraph(netuid, MechId::MAIN)
    }

    /// Everything about a subnet, with one of its mechanisms; `None` if there is no such mechanism.
    pub fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph<T::AccountId>> {
        let state = Self::mechanism_state(netuid, mecid)?;
        let info = Self::get_subnet_info(netuid)?;
        let parameters = Self::get_subnet_hyperparams(netuid)?;
        let market = Self::get_dynamic_info(netuid)?;
        Some(Self::assemble(netuid, state, info, parameters, market))
    }

    /// Everything about every subnet, with its main mechanism.
    pub fn get_all_metagraphs() -> Vec<Option<Metagraph<T::AccountId>>> {
        Self::subnets().into_iter().map(Self::get_metagraph).collect()
    }

    /// Everything about every mechanism of every subnet.
    pub fn get_all_mechagraphs() -> Vec<Option<Metagraph<T::AccountId>>> {
        Self::subnets()
            .into_iter()
            .flat_map(|netuid| {
                let mechanisms = crate::MechanismCountCurrent::<T>::get(netuid).0;
                (0..mechanisms).map(move |mecid| Self::get_mechagraph(netuid, MechId(mecid)))
            })
            .collect()
    }

    fn assemble(
        netuid: NetUid,
        state: SubnetState<T::AccountId>,
        info: SubnetInfo<T::AccountId>,
        parameters: SubnetHyperparams,
        market: DynamicInfo<T::AccountId>,
    ) -> Metagraph<T::AccountId> {
        let axon = |hotkey| Axons::<T>::get(netuid, hotkey).unwrap_or_default();
        let by_hotkey = |dividend: fn(NetUid, &T::AccountId) -> u64| {
            let earned = state.hotkeys.iter().map(|hotkey| (hotkey.clone(), Compact(dividend(netuid, hotkey))));
            earned.filter(|(_, amount)| amount.0 > 0).collect()
        };
        Metagraph {
            netuid: Compact(netuid),
            name: market.subnet_name,
            symbol: market.token_symbol,
            identity: market.subnet_identity,
            network_registered_at: market.network_registered_at,
            owner_hotkey: market.owner_hotkey,
            owner_coldkey: market.owner_coldkey,
            block: Compact(Self::current_block()),
            tempo: market.tempo,
            last_step: market.last_step,
            blocks_since_last_step: market.blocks_since_last_step,
            subnet_emission: market.emission,
            alpha_in: market.alpha_in,
            alpha_out: market.alpha_out,
            tao_in: market.tao_in,
            alpha_out_emission: market.alpha_out_emission,
            alpha_in_emission: market.alpha_in_emission,
            tao_in_emission: market.tao_in_emission,
            pending_alpha_emission: market.pending_alpha_emission,
            pending_root_emission: market.pending_root_emission,
            subnet_volume: market.subnet_volume,
            moving_price: market.moving_price,
            rho: parameters.rho,
            kappa: parameters.kappa,
            min_allowed_weights: parameters.min_allowed_weights,
            max_weights_limit: parameters.max_weights_limit,
            weights_version: parameters.weights_version,
            weights_rate_limit: parameters.weights_rate_limit,
            activity_cutoff: parameters.activity_cutoff,
            max_validators: parameters.max_validators,
            num_uids: info.subnetwork_n,
            max_uids: info.max_allowed_uids,
            burn: info.burn,
            difficulty: parameters.difficulty,
            registration_allowed: parameters.registration_allowed,
            pow_registration_allowed: NetworkPowRegistrationAllowed::<T>::get(netuid),
            immunity_period: parameters.immunity_period,
            min_difficulty: parameters.min_difficulty,
            max_difficulty: parameters.max_difficulty,
            min_burn: parameters.min_burn,
            max_burn: parameters.max_burn,
            adjustment_alpha: parameters.adjustment_alpha,
            adjustment_interval: parameters.adjustment_interval,
            target_regs_per_interval: parameters.target_regs_per_interval,
            max_regs_per_block: parameters.max_regs_per_block,
            serving_rate_limit: parameters.serving_rate_limit,
            commit_reveal_weights_enabled: parameters.commit_reveal_weights_enabled,
            commit_reveal_period: parameters.commit_reveal_period,
            liquid_alpha_enabled: parameters.liquid_alpha_enabled,
            alpha_high: parameters.alpha_high,
            alpha_low: parameters.alpha_low,
            bonds_moving_avg: parameters.bonds_moving_avg,
            identities: state.coldkeys.iter().map(IdentitiesV2::<T>::get).collect(),
            axons: state.hotkeys.iter().map(axon).collect(),
            tao_dividends_per_hotkey: by_hotkey(|netuid, hotkey| RootAlphaDividendsPerSubnet::<T>::get(netuid, hotkey)),
            alpha_dividends_per_hotkey: by_hotkey(|netuid, hotkey| AlphaDividendsPerSubnet::<T>::get(netuid, hotkey)),
            hotkeys: state.hotkeys,
            coldkeys: state.coldkeys,
            active: state.active,
            validator_permit: state.validator_permit,
            pruning_score: state.pruning_score,
            last_update: state.last_update,
            emission: state.emission,
            dividends: state.dividends,
            incentives: state.incentives,
            consensus: state.consensus,
            trust: state.trust,
            rank: state.rank,
            block_at_registration: state.block_at_registration,
            alpha_stake: state.alpha_stake,
            tao_stake: state.tao_stake,
            total_stake: state.total_stake,
        }
    }
}
