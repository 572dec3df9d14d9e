//! What Bittensor's clients ask the runtime, under Bittensor's names: the interfaces' declarations. The answers are
//! [`pallet_subtensor::info`]'s.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use pallet_subtensor::info::{
    DelegateInfo, Delegation, DynamicInfo, Metagraph, NeuronInfo, NeuronInfoLite, SelectiveMetagraph,
    StakeAvailability, StakeInfo, StakesOf, SubnetHyperparams, SubnetHyperparamsV2, SubnetHyperparamsV3, SubnetInfo,
    SubnetInfov2, SubnetState,
};
use pallet_subtensor::{AlphaBalance, LockState, MechId, NetUid, SimSwapResult, SubnetPrice, TaoBalance, U64F64};

use crate::AccountId;

sp_api::decl_runtime_apis! {
    /// Hotkeys that others stake to.
    pub trait DelegateInfoRuntimeApi {
        /// All of them.
        fn get_delegates() -> Vec<DelegateInfo<AccountId>>;
        /// One of them.
        fn get_delegate(delegate_account: AccountId) -> Option<DelegateInfo<AccountId>>;
        /// Those that a coldkey staked to.
        fn get_delegated(delegatee_account: AccountId) -> Vec<Delegation<AccountId>>;
    }

    /// Neurons.
    pub trait NeuronInfoRuntimeApi {
        /// A subnet's.
        fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo<AccountId>>;
        /// One.
        fn get_neuron(netuid: NetUid, uid: u16) -> Option<NeuronInfo<AccountId>>;
        /// A subnet's, without weights and bonds.
        fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite<AccountId>>;
        /// One, without weights and bonds.
        fn get_neuron_lite(netuid: NetUid, uid: u16) -> Option<NeuronInfoLite<AccountId>>;
    }

    /// Subnets.
    pub trait SubnetInfoRuntimeApi {
        /// A subnet's parameters, size and price of registration.
        fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo<AccountId>>;
        /// Every subnet's.
        fn get_subnets_info() -> Vec<Option<SubnetInfo<AccountId>>>;
        /// The same with its identity.
        fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2<AccountId>>;
        /// Every subnet's.
        fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2<AccountId>>>;
        /// A subnet's hyperparameters.
        fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams>;
        /// More of them.
        fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2>;
        /// All of them, by name.
        fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<SubnetHyperparamsV3>;
        /// Every market, root's first.
        fn get_all_dynamic_info() -> Vec<Option<DynamicInfo<AccountId>>>;
        /// Everything about every subnet.
        fn get_all_metagraphs() -> Vec<Option<Metagraph<AccountId>>>;
        /// Everything about a subnet.
        fn get_metagraph(netuid: NetUid) -> Option<Metagraph<AccountId>>;
        /// Everything about every mechanism.
        fn get_all_mechagraphs() -> Vec<Option<Metagraph<AccountId>>>;
        /// Everything about a mechanism.
        fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph<AccountId>>;
        /// A subnet's market.
        fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo<AccountId>>;
        /// A subnet's neurons, by column.
        fn get_subnet_state(netuid: NetUid) -> Option<SubnetState<AccountId>>;
        /// What was asked for about a subnet.
        fn get_selective_metagraph(netuid: NetUid, metagraph_indexes: Vec<u16>) -> Option<SelectiveMetagraph<AccountId>>;
        /// Where a coldkey's mining income is staked, if it chose.
        fn get_coldkey_auto_stake_hotkey(coldkey: AccountId, netuid: NetUid) -> Option<AccountId>;
        /// What was asked for about a mechanism.
        fn get_selective_mechagraph(
            netuid: NetUid,
            subid: MechId,
            metagraph_indexes: Vec<u16>,
        ) -> Option<SelectiveMetagraph<AccountId>>;
        /// The subnet that the next one would replace where no more may exist.
        fn get_subnet_to_prune() -> Option<NetUid>;
        /// The account that holds a subnet's TAO: none does.
        fn get_subnet_account_id(netuid: NetUid) -> Option<AccountId>;
        /// The block at whose beginning a subnet's next epoch runs.
        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64>;
    }

    /// Stake.
    pub trait StakeInfoRuntimeApi {
        /// A coldkey's.
        fn get_stake_info_for_coldkey(coldkey_account: AccountId) -> Vec<StakeInfo<AccountId>>;
        /// Some coldkeys'.
        fn get_stake_info_for_coldkeys(coldkey_accounts: Vec<AccountId>) -> Vec<StakesOf<AccountId>>;
        /// A coldkey's with one hotkey in one subnet.
        fn get_stake_info_for_hotkey_coldkey_netuid(
            hotkey_account: AccountId,
            coldkey_account: AccountId,
            netuid: NetUid,
        ) -> Option<StakeInfo<AccountId>>;
        /// What some coldkeys may take out.
        fn get_stake_availability_for_coldkeys(
            coldkey_accounts: Vec<AccountId>,
            netuids: Option<Vec<NetUid>>,
        ) -> BTreeMap<AccountId, BTreeMap<NetUid, StakeAvailability>>;
        /// What moving stake costs.
        fn get_stake_fee(
            origin: Option<(AccountId, NetUid)>,
            origin_coldkey_account: AccountId,
            destination: Option<(AccountId, NetUid)>,
            destination_coldkey_account: AccountId,
            amount: u64,
        ) -> u64;
        /// What a coldkey has locked: nothing.
        fn get_coldkey_lock(coldkey: AccountId, netuid: NetUid) -> Option<LockState>;
        /// What locks say for a hotkey: nothing.
        fn get_hotkey_conviction(hotkey: AccountId, netuid: NetUid) -> U64F64;
        /// The hotkey for which locks say most: none.
        fn get_most_convicted_hotkey_on_subnet(netuid: NetUid) -> Option<AccountId>;
    }

    /// The price of a subnet.
    pub trait SubnetRegistrationRuntimeApi {
        /// In rao.
        fn get_network_registration_cost() -> TaoBalance;
    }

    /// Prices of alpha.
    pub trait SwapRuntimeApi {
        /// A subnet's, in rao.
        fn current_alpha_price(netuid: NetUid) -> u64;
        /// Every subnet's.
        fn current_alpha_price_all() -> Vec<SubnetPrice>;
        /// What TAO would buy.
        fn sim_swap_tao_for_alpha(netuid: NetUid, tao: TaoBalance) -> SimSwapResult;
        /// What alpha would sell for.
        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult;
    }

    /// Baskets of alpha for root stake. This chain pays root dividends as they fall due, so nothing is ever owed.
    pub trait BetaBasketRuntimeApi {
        /// What a coldkey is owed, in rao: nothing.
        fn get_root_basket_owed(coldkey: AccountId) -> u64;
        /// By hotkey: (hotkey, shares, rao). None.
        fn get_root_basket_positions(coldkey: AccountId) -> Vec<(AccountId, u64, u64)>;
    }
}
