//! How each pallet is set up.

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
use sp_runtime::Perbill;
use sp_runtime::traits::BlakeTwo256;

use crate::{
    AccountId, Balance, Balances, Block, Commitments, Hash, Nonce, OriginCaller, PalletInfo, Runtime, RuntimeCall,
    RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, RuntimeOrigin, RuntimeTask, SubtensorModule, Swap, System,
    Timestamp, VERSION, aura, proxy,
};

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

/// What storing something costs, held while it is stored: rao for each entry and for each byte. Bittensor's values.
pub(crate) const fn deposit(entries: u64, bytes: u64) -> Balance {
    const RAO_PER_ENTRY: u64 = 20_000_000;
    const RAO_PER_BYTE: u64 = 1_000_000;
    entries.saturating_mul(RAO_PER_ENTRY).saturating_add(bytes.saturating_mul(RAO_PER_BYTE))
}

parameter_types! {
    /// For an operation that waits for approvals: an entry with a key of 64 bytes, the block, the deposit, the depositor.
    pub const MultisigDepositBase: Balance = deposit(1, 112);
    /// For each approval that it needs.
    pub const MultisigDepositFactor: Balance = deposit(0, 32);
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

impl pallet_multisig::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type DepositBase = MultisigDepositBase;
    type DepositFactor = MultisigDepositFactor;
    type MaxSignatories = ConstU32<100>;
    type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
    type BlockNumberProvider = System;
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
        SubtensorModule::reset_bonds(NetUid(netuid), who);
    }
}

impl pallet_shield::Config for Runtime {}

impl pallet_drand::Config for Runtime {
    type Time = Timestamp;
}
