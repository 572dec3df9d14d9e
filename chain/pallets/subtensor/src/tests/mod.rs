//! The pallet in a small runtime. Every helper that changes state checks the invariants and where money came from.

mod admin;
mod auto_stake;
mod children;
mod coldkey_swap;
mod commit_reveal;
mod consensus_parameters;
mod conservation;
mod dissolving;
mod emission;
mod epoch;
mod hostile;
mod hotkey_swap;
mod identities;
mod info;
mod limits;
mod mechanisms;
mod moving;
mod nominations;
mod owner_mining;
mod pool;
mod proof_of_work;
mod registration;
mod root;
mod root_members;
mod serving;
mod setters;
mod staking;
mod subnets;
mod symbols;
mod take;
mod timelocked;
mod triggered_epochs;
mod trimming;
mod weights;

use crate::{Event, NetUid, SubnetOwnerHotkey, TaoBalance, Uids, defaults::RAO_PER_TAO};
use frame_support::{assert_ok, derive_impl, pallet_prelude::DispatchResult, traits::Hooks};
use sp_io::TestExternalities;
use sp_runtime::{AccountId32, BuildStorage, traits::IdentityLookup};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        SubtensorModule: crate,
        AdminUtils: crate::admin,
        Swap: crate::swap,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type AccountStore = System;
    type ExistentialDeposit = frame_support::traits::ConstU64<EXISTENTIAL_DEPOSIT_RAO>;
}

impl crate::Config for Test {
    type Currency = Balances;
    type Beacon = timelocked::Beacon;
    type FeeRates = Swap;
    type OnDissolved = ();
}

impl crate::admin::Config for Test {}
impl crate::swap::Config for Test {}

pub(super) const EXISTENTIAL_DEPOSIT_RAO: u64 = 500;
/// What every coldkey starts with.
pub(super) const FUNDS_RAO: u64 = 10_000 * RAO_PER_TAO;
/// Blocks between epochs in these tests.
pub(super) const TEMPO: u16 = 10;
/// The subnet that `with_subnet` makes.
pub(super) const NET: NetUid = NetUid(1);
/// The number of the account pair that owns it; its hotkey has uid 0.
pub(super) const OWNER: u8 = 0;

/// The coldkey of pair `n`; every one is funded.
pub(super) fn cold(n: u8) -> AccountId32 {
    AccountId32::new([100u8.wrapping_add(n); 32])
}

/// The hotkey of pair `n`.
pub(super) fn hot(n: u8) -> AccountId32 {
    AccountId32::new([n.wrapping_add(1); 32])
}

pub(super) fn signed(who: AccountId32) -> RuntimeOrigin {
    RuntimeOrigin::signed(who)
}

/// Runs a test on a fresh chain, in block 1, where alpha of new subnets is worth TAO one to one.
pub(super) fn with_chain(test: impl FnOnce()) {
    on_chain(true, test);
}

fn on_chain(stable_subnets: bool, test: impl FnOnce()) {
    let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
    pallet_balances::GenesisConfig::<Test> {
        balances: (0..100).map(|n| (cold(n), FUNDS_RAO)).collect(),
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .unwrap();
    let genesis = crate::GenesisConfig::<Test> { stable_subnets, ..Default::default() };
    genesis.assimilate_storage(&mut storage).unwrap();
    let mut chain = TestExternalities::from(storage);
    chain.execute_with(|| {
        System::set_block_number(1);
        test();
        check();
    });
}

/// Runs a test on a chain with one started, emitting subnet of a short tempo, without rate limits. Its alpha is worth
/// TAO one to one.
pub(super) fn with_subnet(test: impl FnOnce()) {
    with_chain(|| with_started_subnet(test));
}

/// The same with a pool: [`POOL_RAO`] of each.
pub(super) fn with_pool(test: impl FnOnce()) {
    on_chain(false, || with_started_subnet(test));
}

/// What a new pool holds, of TAO and of alpha.
pub(super) const POOL_RAO: u64 = crate::defaults::NETWORK_MIN_LOCK_COST_RAO;

fn with_started_subnet(test: impl FnOnce()) {
    ok(SubtensorModule::register_network(signed(cold(OWNER)), hot(OWNER)));
    ok(SubtensorModule::start_call(signed(cold(OWNER)), NET));
    ok(AdminUtils::sudo_set_admin_freeze_window(RuntimeOrigin::root(), 0));
    ok(AdminUtils::sudo_set_owner_hparam_rate_limit(RuntimeOrigin::root(), 0));
    ok(AdminUtils::sudo_set_subnet_emission_enabled(RuntimeOrigin::root(), NET, true));
    ok(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), NET, TEMPO));
    ok(AdminUtils::sudo_set_weights_set_rate_limit(RuntimeOrigin::root(), NET, 0));
    assert_eq!(SubnetOwnerHotkey::<Test>::get(NET), hot(OWNER));
    test();
}

/// Another subnet, started and emitting, of the pair `n`. Its alpha is worth TAO one to one, or has a pool.
pub(super) fn another_subnet(n: u8, mechanism: u16) -> NetUid {
    ok(AdminUtils::sudo_set_network_rate_limit(RuntimeOrigin::root(), 0));
    crate::NewSubnetMechanism::<Test>::put(mechanism);
    // The price of a subnet doubles with each.
    crate::NetworkLastLockCost::<Test>::put(POOL_RAO / 2);
    ok(SubtensorModule::register_network(signed(cold(n)), hot(n)));
    let netuid = *SubtensorModule::subnets().last().unwrap();
    if SubtensorModule::is_dynamic(netuid) {
        // At a price of one, whatever the others' is.
        crate::SubnetAlphaIn::<Test>::insert(netuid, crate::SubnetTAO::<Test>::get(netuid));
    }
    ok(SubtensorModule::start_call(signed(cold(n)), netuid));
    ok(AdminUtils::sudo_set_subnet_emission_enabled(RuntimeOrigin::root(), netuid, true));
    ok(AdminUtils::sudo_set_tempo(RuntimeOrigin::root(), netuid, TEMPO));
    netuid
}

/// Asserts that a call succeeded and that the chain is sound.
#[track_caller]
pub(super) fn ok(result: DispatchResult) {
    assert_ok!(result);
    check();
}

#[track_caller]
pub(super) fn check() {
    assert_eq!(SubtensorModule::check_invariants(), Ok(()));
}

/// Lets blocks pass. Each one may emit at most what it says, and nothing else may change the issuance.
#[track_caller]
pub(super) fn pass(blocks: u32) {
    for _ in 0..blocks {
        let now = System::block_number();
        SubtensorModule::on_finalize(now);
        assert_eq!(crate::TotalIssuance::<Test>::get(), SubtensorModule::issuance());
        let before = SubtensorModule::issuance();
        System::set_block_number(now + 1);
        System::reset_events();
        SubtensorModule::on_initialize(now + 1);
        let emitted = crate::SubnetTaoInEmission::<Test>::iter_values()
            .chain(crate::SubnetExcessTao::<Test>::iter_values())
            .sum::<TaoBalance>();
        assert_eq!(SubtensorModule::issuance() + recycled(), before + emitted);
        check();
    }
}

/// The TAO that this block's events say was destroyed: alpha where it is TAO one to one.
fn recycled() -> TaoBalance {
    events()
        .into_iter()
        .filter_map(|event| match event {
            Event::AlphaRecycled(_, _, amount, netuid) | Event::AlphaBurned(_, _, amount, netuid) => {
                (!SubtensorModule::is_dynamic(netuid)).then_some(amount)
            }
            _ => None,
        })
        .sum()
}

/// This pallet's events of this block.
pub(super) fn events() -> Vec<Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|record| if let RuntimeEvent::SubtensorModule(event) = record.event { Some(event) } else { None })
        .collect()
}

/// Lets blocks pass until an epoch has just run.
#[track_caller]
pub(super) fn pass_epoch() {
    let epoch = crate::SubnetEpochIndex::<Test>::get(NET);
    while crate::SubnetEpochIndex::<Test>::get(NET) == epoch {
        pass(1);
    }
}

/// Registers pair `n` and returns its uid. What it costs buys alpha; where that has a price it costs nothing, so that
/// tests of the pool know what is in it.
#[track_caller]
pub(super) fn register(n: u8) -> u16 {
    let price = crate::Burn::<Test>::get(NET);
    if SubtensorModule::is_dynamic(NET) {
        crate::Burn::<Test>::insert(NET, 0);
    }
    ok(SubtensorModule::burned_register(signed(cold(n)), NET, hot(n)));
    if SubtensorModule::is_dynamic(NET) {
        crate::Burn::<Test>::insert(NET, price);
    }
    Uids::<Test>::get(NET, hot(n)).unwrap()
}

/// Stakes from pair `n` to its own hotkey.
#[track_caller]
pub(super) fn stake(n: u8, amount: TaoBalance) {
    ok(SubtensorModule::add_stake(signed(cold(n)), hot(n), NET, amount));
}

/// Switches commit-reveal of the subnet.
#[track_caller]
pub(super) fn commit_reveal(enabled: bool) {
    ok(AdminUtils::sudo_set_commit_reveal_weights_enabled(signed(cold(OWNER)), NET, enabled));
}
