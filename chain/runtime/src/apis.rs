//! What the node and clients can ask the runtime.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use codec::{Compact, Encode};
use frame_support::genesis_builder_helper::{build_state, get_preset};
use pallet_subtensor::info::{
    DelegateInfo, Delegation, DynamicInfo, Metagraph, NeuronInfo, NeuronInfoLite, SelectiveMetagraph,
    StakeAvailability, StakeInfo, StakesOf, SubnetHyperparams, SubnetHyperparamsV2, SubnetHyperparamsV3, SubnetInfo,
    SubnetInfov2, SubnetState,
};
use pallet_subtensor::{AlphaBalance, LockState, MechId, NetUid, SimSwapResult, SubnetPrice, TaoBalance, U64F64};
use pallet_transaction_payment::{FeeDetails, RuntimeDispatchInfo};
use sp_api::impl_runtime_apis;
use sp_core::OpaqueMetadata;
use sp_core::crypto::KeyTypeId;
use sp_inherents::{CheckInherentsResult, InherentData};
use sp_runtime::traits::Block as BlockT;
use sp_runtime::transaction_validity::{TransactionSource, TransactionValidity};
use sp_runtime::{ApplyExtrinsicResult, ExtrinsicInclusionMode};
use sp_session::OpaqueGeneratedSessionKeys;
use sp_version::RuntimeVersion;

use crate::{
    AccountId, Balance, Block, Executive, InherentDataExt, Nonce, Runtime, RuntimeCall, RuntimeGenesisConfig,
    SubtensorModule, System, TransactionPayment, VERSION, client_apis,
};

impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block);
        }

        fn initialize_block(header: &<Block as BlockT>::Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(data: InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(block: <Block as BlockT>::LazyBlock, data: InherentData) -> CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    // There are no session keys; the node's RPC asks for the API all the same.
    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(_owner: Vec<u8>, _seed: Option<Vec<u8>>) -> OpaqueGeneratedSessionKeys {
            OpaqueGeneratedSessionKeys { keys: Vec::new(), proof: Vec::new() }
        }

        fn decode_session_keys(_encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
            Some(Vec::new())
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance> for Runtime {
        fn query_info(uxt: <Block as BlockT>::Extrinsic, len: u32) -> RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_info(uxt, len)
        }

        fn query_fee_details(uxt: <Block as BlockT>::Extrinsic, len: u32) -> FeeDetails<Balance> {
            TransactionPayment::query_fee_details(uxt, len)
        }

        fn query_weight_to_fee(weight: frame_support::weights::Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentCallApi<Block, Balance, RuntimeCall> for Runtime {
        fn query_call_info(call: RuntimeCall, len: u32) -> RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_call_info(call, len)
        }

        fn query_call_fee_details(call: RuntimeCall, len: u32) -> FeeDetails<Balance> {
            TransactionPayment::query_call_fee_details(call, len)
        }

        fn query_weight_to_fee(weight: frame_support::weights::Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl client_apis::DelegateInfoRuntimeApi<Block> for Runtime {
        fn get_delegates() -> Vec<DelegateInfo<AccountId>> {
            SubtensorModule::get_delegates()
        }

        fn get_delegate(delegate_account: AccountId) -> Option<DelegateInfo<AccountId>> {
            SubtensorModule::get_delegate(delegate_account)
        }

        fn get_delegated(delegatee_account: AccountId) -> Vec<Delegation<AccountId>> {
            SubtensorModule::get_delegated(delegatee_account)
        }
    }

    impl client_apis::NeuronInfoRuntimeApi<Block> for Runtime {
        fn get_neurons(netuid: NetUid) -> Vec<NeuronInfo<AccountId>> {
            SubtensorModule::get_neurons(netuid)
        }

        fn get_neuron(netuid: NetUid, uid: u16) -> Option<NeuronInfo<AccountId>> {
            SubtensorModule::get_neuron(netuid, uid)
        }

        fn get_neurons_lite(netuid: NetUid) -> Vec<NeuronInfoLite<AccountId>> {
            SubtensorModule::get_neurons_lite(netuid)
        }

        fn get_neuron_lite(netuid: NetUid, uid: u16) -> Option<NeuronInfoLite<AccountId>> {
            SubtensorModule::get_neuron_lite(netuid, uid)
        }
    }

    impl client_apis::SubnetInfoRuntimeApi<Block> for Runtime {
        fn get_subnet_info(netuid: NetUid) -> Option<SubnetInfo<AccountId>> {
            SubtensorModule::get_subnet_info(netuid)
        }

        fn get_subnets_info() -> Vec<Option<SubnetInfo<AccountId>>> {
            SubtensorModule::get_subnets_info()
        }

        fn get_subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2<AccountId>> {
            SubtensorModule::get_subnet_info_v2(netuid)
        }

        fn get_subnets_info_v2() -> Vec<Option<SubnetInfov2<AccountId>>> {
            SubtensorModule::get_subnets_info_v2()
        }

        fn get_subnet_hyperparams(netuid: NetUid) -> Option<SubnetHyperparams> {
            SubtensorModule::get_subnet_hyperparams(netuid)
        }

        fn get_subnet_hyperparams_v2(netuid: NetUid) -> Option<SubnetHyperparamsV2> {
            SubtensorModule::get_subnet_hyperparams_v2(netuid)
        }

        fn get_subnet_hyperparams_v3(netuid: NetUid) -> Option<SubnetHyperparamsV3> {
            SubtensorModule::get_subnet_hyperparams_v3(netuid)
        }

        fn get_all_dynamic_info() -> Vec<Option<DynamicInfo<AccountId>>> {
            SubtensorModule::get_all_dynamic_info()
        }

        fn get_all_metagraphs() -> Vec<Option<Metagraph<AccountId>>> {
            SubtensorModule::get_all_metagraphs()
        }

        fn get_metagraph(netuid: NetUid) -> Option<Metagraph<AccountId>> {
            SubtensorModule::get_metagraph(netuid)
        }

        fn get_all_mechagraphs() -> Vec<Option<Metagraph<AccountId>>> {
            SubtensorModule::get_all_mechagraphs()
        }

        fn get_mechagraph(netuid: NetUid, mecid: MechId) -> Option<Metagraph<AccountId>> {
            SubtensorModule::get_mechagraph(netuid, mecid)
        }

        fn get_dynamic_info(netuid: NetUid) -> Option<DynamicInfo<AccountId>> {
            SubtensorModule::get_dynamic_info(netuid)
        }

        fn get_subnet_state(netuid: NetUid) -> Option<SubnetState<AccountId>> {
            SubtensorModule::get_subnet_state(netuid)
        }

        fn get_selective_metagraph(netuid: NetUid, metagraph_indexes: Vec<u16>) -> Option<SelectiveMetagraph<AccountId>> {
            selective_mechagraph(netuid, MechId::MAIN, &metagraph_indexes)
        }

        fn get_coldkey_auto_stake_hotkey(coldkey: AccountId, netuid: NetUid) -> Option<AccountId> {
            pallet_subtensor::AutoStakeDestination::<Runtime>::get(coldkey, netuid)
        }

        fn get_selective_mechagraph(
            netuid: NetUid,
            subid: MechId,
            metagraph_indexes: Vec<u16>,
        ) -> Option<SelectiveMetagraph<AccountId>> {
            selective_mechagraph(netuid, subid, &metagraph_indexes)
        }

        fn get_subnet_to_prune() -> Option<NetUid> {
            SubtensorModule::get_subnet_to_prune()
        }

        fn get_subnet_account_id(_netuid: NetUid) -> Option<AccountId> {
            None
        }

        fn get_next_epoch_start_block(netuid: NetUid) -> Option<u64> {
            SubtensorModule::next_epoch_start_block(netuid)
        }
    }

    impl client_apis::StakeInfoRuntimeApi<Block> for Runtime {
        fn get_stake_info_for_coldkey(coldkey_account: AccountId) -> Vec<StakeInfo<AccountId>> {
            SubtensorModule::get_stake_info_for_coldkey(&coldkey_account)
        }

        fn get_stake_info_for_coldkeys(coldkey_accounts: Vec<AccountId>) -> Vec<StakesOf<AccountId>> {
            SubtensorModule::get_stake_info_for_coldkeys(coldkey_accounts)
        }

        fn get_stake_info_for_hotkey_coldkey_netuid(
            hotkey_account: AccountId,
            coldkey_account: AccountId,
            netuid: NetUid,
        ) -> Option<StakeInfo<AccountId>> {
            SubtensorModule::get_stake_info_for_hotkey_coldkey_netuid(&hotkey_account, &coldkey_account, netuid)
        }

        fn get_stake_availability_for_coldkeys(
            coldkey_accounts: Vec<AccountId>,
            netuids: Option<Vec<NetUid>>,
        ) -> BTreeMap<AccountId, BTreeMap<NetUid, StakeAvailability>> {
            SubtensorModule::get_stake_availability_for_coldkeys(coldkey_accounts, netuids)
        }

        fn get_stake_fee(
            origin: Option<(AccountId, NetUid)>,
            _origin_coldkey_account: AccountId,
            destination: Option<(AccountId, NetUid)>,
            _destination_coldkey_account: AccountId,
            amount: u64,
        ) -> u64 {
            SubtensorModule::get_stake_fee(origin, destination, amount)
        }

        fn get_coldkey_lock(_coldkey: AccountId, _netuid: NetUid) -> Option<LockState> {
            None
        }

        fn get_hotkey_conviction(_hotkey: AccountId, _netuid: NetUid) -> U64F64 {
            U64F64::default()
        }

        fn get_most_convicted_hotkey_on_subnet(_netuid: NetUid) -> Option<AccountId> {
            None
        }
    }

    impl client_apis::SubnetRegistrationRuntimeApi<Block> for Runtime {
        fn get_network_registration_cost() -> TaoBalance {
            SubtensorModule::network_lock_cost()
        }
    }

    impl client_apis::SwapRuntimeApi<Block> for Runtime {
        fn current_alpha_price(netuid: NetUid) -> u64 {
            SubtensorModule::current_alpha_price(netuid)
        }

        fn current_alpha_price_all() -> Vec<SubnetPrice> {
            SubtensorModule::current_alpha_price_all()
        }

        fn sim_swap_tao_for_alpha(netuid: NetUid, tao: TaoBalance) -> SimSwapResult {
            SubtensorModule::sim_swap_tao_for_alpha(netuid, tao)
        }

        fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: AlphaBalance) -> SimSwapResult {
            SubtensorModule::sim_swap_alpha_for_tao(netuid, alpha)
        }
    }

    impl client_apis::BetaBasketRuntimeApi<Block> for Runtime {
        fn get_root_basket_owed(_coldkey: AccountId) -> u64 {
            0
        }

        fn get_root_basket_positions(_coldkey: AccountId) -> Vec<(AccountId, u64, u64)> {
            Vec::new()
        }
    }

    impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
        fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
            build_state::<RuntimeGenesisConfig>(config)
        }

        fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
            get_preset::<RuntimeGenesisConfig>(id, |_| None)
        }

        fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
            Vec::new()
        }
    }
}

/// What was asked for about a mechanism, with what the pallet for commitments knows of it.
fn selective_mechagraph(netuid: NetUid, mecid: MechId, wanted: &[u16]) -> Option<SelectiveMetagraph<AccountId>> {
    let mut selected = SubtensorModule::get_mechagraph(netuid, mecid)?.select(wanted);
    if let Some(commitments) = &mut selected.commitments {
        *commitments = pallet_commitments::CommitmentOf::<Runtime>::iter_prefix(netuid.0)
            .map(|(hotkey, posted)| (hotkey, posted.info.encode().into_iter().map(Compact).collect()))
            .collect();
    }
    Some(selected)
}
