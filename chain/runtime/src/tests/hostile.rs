//! Every call of the runtime with arguments that nobody means well with. None panics, a refused one leaves the state as it
//! was to the bit of its root, and money and neurons add up after each.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use codec::DecodeAll;
use frame_support::assert_ok;
use frame_support::traits::{OnFinalize, OnIdle, OnInitialize};
use frame_support::weights::Weight;
use sp_runtime::traits::Dispatchable;
use sp_runtime::{BuildStorage, StateVersion};

use super::arguments::{Arguments, CallName, Dice};
use crate::proxy::ProxyType;
use crate::{
    AccountId, AdminUtils, AllPalletsWithSystem, Balance, Proxy, Runtime, RuntimeCall, RuntimeGenesisConfig,
    RuntimeOrigin, SubtensorModule, System,
};
use pallet_subtensor::{NetUid, NewSubnetMechanism};

const TAO: Balance = 1_000_000_000;
const POOL: NetUid = NetUid(1);
const STABLE: NetUid = NetUid(2);

/// Pairs of a coldkey and a hotkey. The first owns the subnets and holds the key of sudo; the second is its proxy.
const PAIRS: u8 = 3;

/// Fresh chains, on each of which every call is made [`TRIES`] times.
const CHAINS: u64 = 25;

/// Times in a row that a call is made with other arguments and from other origins.
const TRIES: usize = 5;

/// What this test cannot call, each with its reason.
const LEFT_OUT: [(&str, &str); 7] = [
    // Root writes into raw storage: nothing can hold after it.
    ("System", "set_storage"),
    ("System", "kill_storage"),
    ("System", "kill_prefix"),
    // Root replaces the runtime that is tested.
    ("System", "set_code"),
    ("System", "set_code_without_checks"),
    ("System", "apply_authorized_upgrade"),
    // An inherent: it stops a block that has it twice.
    ("Timestamp", "set"),
];

fn is_left_out(pallet: &str, call: &str) -> bool {
    LEFT_OUT.contains(&(pallet, call))
}

fn cold(n: u8) -> AccountId {
    AccountId::new([100 + n; 32])
}

fn hot(n: u8) -> AccountId {
    AccountId::new([1 + n; 32])
}

/// Runs a test on a chain with two started subnets, of which one has a pool and wants weights to be committed. Every pair is
/// registered and has stake everywhere.
fn on_chain(test: impl FnOnce()) {
    let mut config = RuntimeGenesisConfig::default();
    config.balances.balances = (0..PAIRS).map(|n| (cold(n), 10_000 * TAO)).collect();
    config.sudo.key = Some(cold(0));
    sp_io::TestExternalities::new(config.build_storage().expect("genesis builds")).execute_with(|| {
        begin_block(1);
        let (root, owner) = (RuntimeOrigin::root, || RuntimeOrigin::signed(cold(0)));
        assert_ok!(AdminUtils::sudo_set_admin_freeze_window(root(), 0));
        assert_ok!(AdminUtils::sudo_set_owner_hparam_rate_limit(root(), 0));
        assert_ok!(AdminUtils::sudo_set_network_rate_limit(root(), 0));
        for (netuid, mechanism) in [(POOL, 1), (STABLE, 0)] {
            NewSubnetMechanism::<Runtime>::put(mechanism);
            assert_ok!(SubtensorModule::register_network(owner(), hot(0)));
            assert_ok!(SubtensorModule::start_call(owner(), netuid));
            assert_ok!(AdminUtils::sudo_set_subnet_emission_enabled(root(), netuid, true));
            assert_ok!(AdminUtils::sudo_set_tempo(root(), netuid, 3));
            assert_ok!(AdminUtils::sudo_set_weights_set_rate_limit(root(), netuid, 0));
            assert_ok!(AdminUtils::sudo_set_liquid_alpha_enabled(owner(), netuid, true));
            for n in 0..PAIRS {
                let coldkey = || RuntimeOrigin::signed(cold(n));
                if n > 0 {
                    assert_ok!(SubtensorModule::burned_register(coldkey(), netuid, hot(n)));
                }
                assert_ok!(SubtensorModule::add_stake(coldkey(), hot(n), netuid, 20 * TAO));
            }
        }
        for n in 0..PAIRS {
            assert_ok!(SubtensorModule::add_stake(RuntimeOrigin::signed(cold(n)), hot(n), NetUid::ROOT, 20 * TAO));
        }
        assert_ok!(AdminUtils::sudo_set_commit_reveal_weights_enabled(owner(), STABLE, false));
        assert_ok!(Proxy::add_proxy(owner(), cold(1).into(), ProxyType::Any, 0));
        test();
    });
}

fn begin_block(number: u32) {
    System::initialize(&number, &Default::default(), &Default::default());
    AllPalletsWithSystem::on_initialize(number);
    let time = pallet_timestamp::Call::set { now: u64::from(number) * 12_000 };
    assert_ok!(RuntimeCall::from(time).dispatch(RuntimeOrigin::none()));
}

/// Ends the block and begins the next, as a node would.
fn next_block() {
    let number = System::block_number();
    AllPalletsWithSystem::on_idle(number, Weight::MAX);
    AllPalletsWithSystem::on_finalize(number);
    System::finalize();
    begin_block(number + 1);
}

/// Root, nobody, or one of a pair's keys; more often than anybody else the owner.
fn origin(pair: u8, dice: &mut Dice) -> RuntimeOrigin {
    match dice.below(8) {
        0 => RuntimeOrigin::none(),
        1 => RuntimeOrigin::root(),
        2 => RuntimeOrigin::signed(cold(0)),
        3..6 => RuntimeOrigin::signed(cold(pair)),
        _ => RuntimeOrigin::signed(hot(pair)),
    }
}

/// How often a call was taken and refused.
#[derive(Default)]
struct Fate {
    taken: usize,
    refused: usize,
}

/// Makes one call; says whether it was taken, and `None` if its bytes are no call (a list was longer than its bound).
fn make(arguments: &Arguments, name: &CallName, dice: &mut Dice) -> Option<bool> {
    let pair = dice.below(PAIRS.into()) as u8;
    let bytes = arguments.encode_call(name, [cold(pair), hot(pair)], dice);
    let call = RuntimeCall::decode_all(&mut &bytes[..]).ok()?;
    let (origin, shown) = (origin(pair, dice), format!("{call:?}"));
    let from = format!("{:?}", origin.caller);
    let before = sp_io::storage::root(StateVersion::V1);
    let Ok(result) = catch_unwind(AssertUnwindSafe(|| call.dispatch(origin))) else {
        panic!("{from} made the chain panic with {shown}");
    };
    if let Err(refused) = &result {
        let after = sp_io::storage::root(StateVersion::V1);
        assert_eq!(after, before, "refused with {:?}, and left a trace: {from}, {shown}", refused.error);
    }
    assert_eq!(SubtensorModule::check_invariants(), Ok(()), "after {result:?} of {from}, {shown}");
    Some(result.is_ok())
}

#[test]
fn no_call_whatever_its_arguments_panics_or_breaks_the_chain() {
    let strangers = [AccountId::new([0; 32]), AccountId::new([200; 32])];
    let accounts = (0..PAIRS).flat_map(|n| [cold(n), hot(n)]).chain(strangers).collect();
    let arguments = Arguments::new(accounts, |pallet, call| !is_left_out(pallet, call));
    let mut fates: BTreeMap<(&str, &str), Fate> = BTreeMap::new();
    for seed in 0..CHAINS {
        on_chain(|| {
            let mut dice = Dice(seed);
            let mut left: Vec<&CallName> = arguments.calls().iter().collect();
            while !left.is_empty() {
                let name = left.swap_remove(dice.below(left.len() as u64) as usize);
                let fate = fates.entry((&name.pallet, &name.call)).or_default();
                for _ in 0..TRIES {
                    match make(&arguments, name, &mut dice) {
                        Some(true) => fate.taken += 1,
                        Some(false) => fate.refused += 1,
                        None => {}
                    }
                }
                if dice.below(10) == 0 {
                    next_block();
                    assert_eq!(SubtensorModule::check_invariants(), Ok(()), "after a block");
                }
            }
        });
    }
    let made = |fate: &Fate| fate.taken + fate.refused > 0;
    let never: Vec<_> = arguments
        .calls()
        .iter()
        .filter(|name| !fates.get(&(name.pallet.as_str(), name.call.as_str())).is_some_and(made))
        .collect();
    assert!(never.is_empty(), "never made: {never:?}");
    let taken = fates.values().filter(|fate| fate.taken > 0).count();
    assert!(taken * 10 > fates.len() * 8, "only {taken} of {} calls were ever taken", fates.len());
}

#[test]
fn what_is_left_out_exists() {
    let arguments = Arguments::new(vec![cold(0)], is_left_out);
    assert_eq!(arguments.calls().len(), LEFT_OUT.len(), "a call that is left out is no more: {:?}", arguments.calls());
}
