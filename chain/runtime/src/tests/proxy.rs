//! What proxies may do in another's name, and what not.

use codec::{Decode, Encode};
use frame_support::dispatch::GetDispatchInfo;
use frame_support::traits::fungible::Inspect;
use frame_support::traits::{GetCallMetadata, InstanceFilter};
use frame_support::{assert_noop, assert_ok};
use pallet_subtensor::NetUid;
use sp_runtime::traits::Dispatchable;
use sp_runtime::{BuildStorage, DispatchError, DispatchResult};

use crate::proxy::{Group, Permission, ProxyType};
use crate::{
    AccountId, Balance, Balances, Proxy, Runtime, RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, RuntimeOrigin,
    SubtensorModule, System,
};

const TAO: Balance = 1_000_000_000;
const NET: NetUid = NetUid(1);

/// The names of all kinds, in Bittensor's order.
const KINDS: [&str; 18] = [
    "Any",
    "Owner",
    "NonCritical",
    "NonTransfer",
    "Senate",
    "NonFungible",
    "Triumvirate",
    "Governance",
    "Staking",
    "Registration",
    "Transfer",
    "SmallTransfer",
    "RootWeights",
    "ChildKeys",
    "SudoUncheckedSetCode",
    "SwapHotkey",
    "SubnetLeaseBeneficiary",
    "RootClaim",
];

fn real() -> AccountId {
    AccountId::new([1; 32])
}

fn hotkey() -> AccountId {
    AccountId::new([2; 32])
}

fn delegate() -> AccountId {
    AccountId::new([3; 32])
}

/// Runs a test on a chain where `real` owns a started subnet.
fn on_chain(test: impl FnOnce()) {
    let mut config = RuntimeGenesisConfig::default();
    config.balances.balances = vec![(real(), 5_000 * TAO), (delegate(), 10 * TAO)];
    config.subtensor_module.stable_subnets = true;
    sp_io::TestExternalities::new(config.build_storage().expect("genesis builds")).execute_with(|| {
        System::set_block_number(1);
        assert_ok!(SubtensorModule::register_network(RuntimeOrigin::signed(real()), hotkey()));
        assert_ok!(SubtensorModule::start_call(RuntimeOrigin::signed(real()), NET));
        test();
    });
}

fn name_proxy(kind: ProxyType) {
    assert_ok!(Proxy::add_proxy(RuntimeOrigin::signed(real()), delegate().into(), kind, 0));
}

/// What became of a call that the delegate made in the other's name.
#[track_caller]
fn by_proxy(call: impl Into<RuntimeCall>) -> DispatchResult {
    System::reset_events();
    let call = Box::new(call.into());
    let outer: RuntimeCall = pallet_proxy::Call::proxy { real: real().into(), force_proxy_type: None, call }.into();
    assert!(outer.get_dispatch_info().call_weight.ref_time() > 0, "a proxied call is not free");
    assert_ok!(outer.dispatch(RuntimeOrigin::signed(delegate())));
    let executed = System::events().into_iter().find_map(|record| match record.event {
        RuntimeEvent::Proxy(pallet_proxy::Event::ProxyExecuted { result }) => Some(result),
        _ => None,
    });
    executed.expect("the call was tried")
}

fn filtered() -> DispatchResult {
    Err(DispatchError::from(frame_system::Error::<Runtime>::CallFiltered))
}

fn add_stake() -> RuntimeCall {
    pallet_subtensor::Call::add_stake { hotkey: hotkey(), netuid: NET, amount_staked: 10 * TAO }.into()
}

fn transfer(value: Balance) -> RuntimeCall {
    pallet_balances::Call::transfer_keep_alive { dest: delegate().into(), value }.into()
}

#[test]
fn a_staking_proxy_stakes_and_does_not_transfer_until_it_is_removed() {
    on_chain(|| {
        let (free, held) = (Balances::balance(&real()), || Balances::reserved_balance(real()));
        name_proxy(ProxyType::Staking);
        assert_eq!(held(), 60_000_000 + 33_000_000, "an entry, and one proxy in it");

        assert_ok!(by_proxy(add_stake()));
        assert_eq!(SubtensorModule::stake_of(&hotkey(), &real(), NET), 10 * TAO);
        assert_eq!(by_proxy(transfer(TAO)), filtered());
        let give = pallet_subtensor::Call::transfer_stake {
            destination_coldkey: delegate(),
            hotkey: hotkey(),
            origin_netuid: NET,
            destination_netuid: NET,
            alpha_amount: TAO,
        };
        assert_eq!(by_proxy(give), filtered());
        assert_eq!(SubtensorModule::stake_of(&hotkey(), &real(), NET), 10 * TAO);

        assert_ok!(Proxy::remove_proxy(RuntimeOrigin::signed(real()), delegate().into(), ProxyType::Staking, 0));
        assert_eq!((held(), Balances::balance(&real())), (0, free - 10 * TAO));
        let again = Proxy::proxy(RuntimeOrigin::signed(delegate()), real().into(), None, Box::new(add_stake()));
        assert_eq!(again, Err(pallet_proxy::Error::<Runtime>::NotProxy.into()));
    });
}

#[test]
fn a_batch_gets_around_no_filter() {
    on_chain(|| {
        name_proxy(ProxyType::NonTransfer);
        let before = Balances::balance(&delegate());
        let batch = pallet_utility::Call::batch_all { calls: vec![add_stake(), transfer(TAO)] };
        assert_eq!(by_proxy(batch), filtered());
        assert_eq!(Balances::balance(&delegate()), before);
        assert_eq!(SubtensorModule::stake_of(&hotkey(), &real(), NET), 0, "all or none");
        assert_ok!(by_proxy(pallet_utility::Call::batch_all { calls: vec![add_stake()] }));
    });
}

#[test]
fn a_proxy_cannot_name_one_that_may_do_more() {
    on_chain(|| {
        name_proxy(ProxyType::NonTransfer);
        let name = |proxy_type| {
            let delegate = AccountId::new([4; 32]).into();
            by_proxy(pallet_proxy::Call::add_proxy { delegate, proxy_type, delay: 0 })
        };
        for more in [ProxyType::Any, ProxyType::Transfer, ProxyType::SmallTransfer, ProxyType::NonCritical] {
            assert_eq!(name(more), filtered(), "{more:?}");
        }
        assert_ok!(name(ProxyType::Staking));
    });
}

#[test]
fn a_small_transfer_is_one_below_half_a_tao() {
    on_chain(|| {
        name_proxy(ProxyType::SmallTransfer);
        assert_ok!(by_proxy(transfer(TAO / 2 - 1)));
        assert_eq!(by_proxy(transfer(TAO / 2)), filtered());
    });
}

#[test]
fn an_owners_proxy_sets_hyperparameters_and_not_who_the_owner_is() {
    on_chain(|| {
        name_proxy(ProxyType::Owner);
        assert_ok!(by_proxy(pallet_subtensor::admin::Call::sudo_set_rho { netuid: NET, rho: 7 }));
        let hotkey = pallet_subtensor::admin::Call::sudo_set_sn_owner_hotkey { netuid: NET, hotkey: delegate() };
        assert_eq!(by_proxy(hotkey), filtered());
    });
}

#[test]
fn a_stranger_is_nobodys_proxy() {
    on_chain(|| {
        let call = Box::new(transfer(TAO));
        assert_noop!(
            Proxy::proxy(RuntimeOrigin::signed(delegate()), real().into(), None, call),
            pallet_proxy::Error::<Runtime>::NotProxy
        );
    });
}

#[test]
fn kinds_have_bittensors_numbers() {
    for (number, name) in (0u8..).zip(KINDS) {
        let kind = ProxyType::decode(&mut &[number][..]).expect("there is one");
        assert_eq!(format!("{kind:?}"), name);
        assert_eq!(kind.encode(), [number]);
    }
    assert!(ProxyType::decode(&mut &[KINDS.len() as u8][..]).is_err());
    assert_eq!(ProxyType::default(), ProxyType::Any, "the pallet takes the default for the most permissive");
}

#[test]
fn who_may_name_a_kind_may_do_all_that_it_does() {
    let kinds: Vec<ProxyType> =
        (0..KINDS.len() as u8).map(|n| ProxyType::decode(&mut &[n][..]).expect("one")).collect();
    let permits = |kind: ProxyType, group: Group| match kind.permission() {
        Permission::All => true,
        Permission::Groups(groups) => groups.contains(&group),
        Permission::SmallTransfers | Permission::SudoSetCode => false,
    };
    for (more, less) in kinds.iter().flat_map(|more| kinds.iter().map(move |less| (*more, *less))) {
        if more == less || !more.is_superset(&less) {
            continue;
        }
        match less.permission() {
            Permission::All => panic!("{more:?} may not name a kind that may do everything"),
            Permission::Groups(groups) => {
                assert!(groups.iter().all(|group| permits(more, *group)), "{more:?} is no superset of {less:?}");
            }
            Permission::SmallTransfers => assert!(permits(more, Group::BalanceTransfer), "{more:?}"),
            Permission::SudoSetCode => assert!(permits(more, Group::Sudo), "{more:?}"),
        }
    }
}

#[test]
fn no_kind_but_any_may_call_what_is_in_no_group() {
    assert_eq!(Group::of_name("SubtensorModule", "no_such_call"), None);
    let metadata = transfer(1).get_call_metadata();
    assert_eq!((metadata.pallet_name, metadata.function_name), ("Balances", "transfer_keep_alive"));
    assert_eq!(Group::of(&transfer(1)), Some(Group::BalanceTransfer));
}
