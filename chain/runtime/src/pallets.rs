//! Which pallets there are, and how each is set up.

use alloc::vec::Vec;
use frame_support::derive_impl;
use frame_support::dispatch::DispatchClass;
use frame_support::parameter_types;
use frame_support::traits::{ConstU8, ConstU16, ConstU32, ConstU64, VariantCountOf};
use frame_support::weights::constants::WEIGHT_REF_TIME_PER_SECOND;
use frame_support::weights::{
    IdentityFee, Weight, WeightToFeeCoefficient, WeightToFeeCoefficients, WeightToFeePolynomial,
};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_subtensor::NetUid;
use pallet_transaction_payment::FungibleAdapter;
use sp_inherents::{CheckInherentsResult, InherentData};
use sp_runtime::Perbill;
use sp_runtime::traits::{BlakeTwo256, Block as BlockT};

use crate::{AccountId, Balance, Block, Hash, Nonce, UncheckedExtrinsic, VERSION, aura, proxy};

/// The least an account may hold: below it, the account is removed. Bittensor's value.
pub const EXISTENTIAL_DEPOSIT_RAO: Balance = 500;

/// Blocks whose hashes are kept; a mortal transaction cannot live longer.
const BLOCK_HASH_COUNT: u32 = 4_096;

/// The part of a block that ordinary transactions may fill; the rest is for operational and mandatory ones.
const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);

/// Computation in one block. Blocks come faster than this; it bounds a flood, not the pace.
const MAX_BLOCK_WEIGHT: Weight = Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX);

/// Bytes of extrinsics in one block.
const MAX_BLOCK_BYTES: u32 = 5 * 1024 * 1024;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    // The indices are Bittensor's; the order decides which inherent comes first: the clock before what reads it.
    #[runtime::pallet_index(0)]
    pub type System = frame_system::Pallet<Runtime>;
    #[runtime::pallet_index(2)]
    pub type Timestamp = pallet_timestamp::Pallet<Runtime>;
    #[runtime::pallet_index(3)]
    pub type Aura = crate::aura::Pallet<Runtime>;
    #[runtime::pallet_index(5)]
    pub type Balances = pallet_balances::Pallet<Runtime>;
    #[runtime::pallet_index(6)]
    pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;
    // After Balances, whose issuance its genesis counts.
    #[runtime::pallet_index(7)]
    pub type SubtensorModule = pallet_subtensor::Pallet<Runtime>;
    #[runtime::pallet_index(11)]
    pub type Utility = pallet_utility::Pallet<Runtime>;
    #[runtime::pallet_index(12)]
    pub type Sudo = pallet_sudo::Pallet<Runtime>;
    #[runtime::pallet_index(16)]
    pub type Proxy = pallet_proxy::Pallet<Runtime>;
    #[runtime::pallet_index(18)]
    pub type Commitments = pallet_commitments::Pallet<Runtime>;
    #[runtime::pallet_index(19)]
    pub type AdminUtils = pallet_subtensor::admin::Pallet<Runtime>;
    #[runtime::pallet_index(26)]
    pub type Drand = pallet_drand::Pallet<Runtime>;
    #[runtime::pallet_index(28)]
    pub type Swap = pallet_subtensor::swap::Pallet<Runtime>;
    #[runtime::pallet_index(30)]
    pub type MevShield = pallet_shield::Pallet<Runtime>;
}

parameter_types! {
    /// Read by `frame_system`.
    pub const BlockHashCount: u32 = BLOCK_HASH_COUNT;
    /// Read by `frame_system`.
    pub Version: sp_version::RuntimeVersion = VERSION;
    /// Read by `frame_system`.
    pub RuntimeBlockWeights: BlockWeights =
        BlockWeights::with_sensible_defaults(MAX_BLOCK_WEIGHT, NORMAL_DISPATCH_RATIO);
    /// Read by `frame_system`.
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(MAX_BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |bytes| *bytes = NORMAL_DISPATCH_RATIO * MAX_BLOCK_BYTES)
        .build();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type AccountId = AccountId;
    type Nonce = Nonce;
    type Hash = Hash;
    type BlockHashCount = BlockHashCount;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SS58Prefix = ConstU16<42>;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = ();
    // Time must move; how far per block is the node's setting.
    type MinimumPeriod = ConstU64<1>;
    type WeightInfo = ();
}

impl aura::Config for Runtime {
    type SlotDuration = aura::StoredSlotDuration<Runtime>;
}

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    type DustRemoval = ();
    type ExistentialDeposit = ConstU64<EXISTENTIAL_DEPOSIT_RAO>;
    type AccountStore = System;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}

/// Turns weight into rao: 50,000 parts in a billion, as Bittensor does. A transfer costs some ten thousand rao.
pub struct LinearWeightToFee;

impl WeightToFeePolynomial for LinearWeightToFee {
    type Balance = Balance;

    fn polynomial() -> WeightToFeeCoefficients<Balance> {
        core::iter::once(WeightToFeeCoefficient {
            coeff_integer: 0,
            coeff_frac: Perbill::from_parts(50_000),
            negative: false,
            degree: 1,
        })
        .collect()
    }
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    // Fees are burnt: a development chain has no author to pay.
    type OnChargeTransaction = FungibleAdapter<Balances, ()>;
    type WeightToFee = LinearWeightToFee;
    type LengthToFee = IdentityFee<Balance>;
    type FeeMultiplierUpdate = ();
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = ();
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = ();
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = ();
}

impl pallet_proxy::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type ProxyType = proxy::ProxyType;
    type ProxyDepositBase = proxy::ProxyDepositBase;
    type ProxyDepositFactor = proxy::ProxyDepositFactor;
    type MaxProxies = proxy::MaxProxies;
    type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
    type MaxPending = proxy::MaxPending;
    type CallHasher = BlakeTwo256;
    type AnnouncementDepositBase = proxy::AnnouncementDepositBase;
    type AnnouncementDepositFactor = proxy::AnnouncementDepositFactor;
    type BlockNumberProvider = System;
}

impl pallet_subtensor::Config for Runtime {
    type Currency = Balances;
    type Beacon = Runtime;
    type FeeRates = Swap;
    type OnDissolved = Runtime;
}

impl pallet_subtensor::OnDissolved for Runtime {
    fn dissolved(netuid: NetUid) {
        Commitments::purge(netuid.0);
    }
}

impl pallet_subtensor::BeaconSignatures for Runtime {
    fn signature(round: u64) -> Option<Vec<u8>> {
        pallet_drand::Pulses::<Runtime>::get(round).map(|pulse| pulse.signature.into_inner())
    }
}

impl pallet_subtensor::admin::Config for Runtime {}

impl pallet_subtensor::swap::Config for Runtime {}

impl pallet_commitments::Config for Runtime {
    type MaxFields = ConstU32<{ pallet_commitments::MAX_FIELDS }>;
    type Subnets = Runtime;
    type Beacon = Runtime;
}

impl pallet_commitments::SubnetInfo<AccountId> for Runtime {
    fn is_registered(netuid: u16, who: &AccountId) -> bool {
        pallet_subtensor::Uids::<Runtime>::contains_key(NetUid(netuid), who)
    }

    fn epoch_index(netuid: u16) -> u64 {
        pallet_subtensor::SubnetEpochIndex::<Runtime>::get(NetUid(netuid))
    }

    fn reset_bonds(netuid: u16, who: &AccountId) {
        crate::SubtensorModule::reset_bonds(NetUid(netuid), who);
    }
}

impl pallet_shield::Config for Runtime {}

impl pallet_drand::Config for Runtime {
    type Time = Timestamp;
}

/// The inherents that every pallet makes from the author's data. Here, because the trait that FRAME derives for it is
/// visible in this module only.
pub(crate) fn inherent_extrinsics(data: &InherentData) -> Vec<UncheckedExtrinsic> {
    data.create_extrinsics()
}

/// Ask every pallet whether a block's inherents agree with `data`.
pub(crate) fn check_inherents(block: &<Block as BlockT>::LazyBlock, data: &InherentData) -> CheckInherentsResult {
    data.check_extrinsics(block)
}
