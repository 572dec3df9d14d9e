//! What clients are told agrees with what is stored.

use super::*;
use crate::{
    Keys, MechId, SubnetAlphaOut, TotalHotkeyAlpha, ValidatorPermit,
    info::{HyperparamValue, Metagraph},
};
use codec::{Compact, Encode};

fn metagraph() -> Metagraph<AccountId32> {
    SubtensorModule::get_metagraph(NET).unwrap()
}

/// A subnet with a validator, a miner, and two paid epochs.
fn with_paid_subnet(test: impl FnOnce()) {
    with_subnet(|| {
        register(1);
        register(2);
        ok(SubtensorModule::add_stake(signed(cold(1)), hot(1), NET, 100 * RAO_PER_TAO));
        pass(3 * u32::from(TEMPO));
        test();
    });
}

#[test]
fn a_metagraph_says_what_is_stored() {
    with_paid_subnet(|| {
        let graph = metagraph();
        assert_eq!(graph.netuid, Compact(NET));
        assert_eq!(graph.num_uids, Compact(3));
        assert_eq!(graph.hotkeys, (0..3).map(|uid| Keys::<Test>::get(NET, uid)).collect::<Vec<_>>());
        assert_eq!(graph.coldkeys, [cold(OWNER), cold(1), cold(2)]);
        assert_eq!(graph.validator_permit, ValidatorPermit::<Test>::get(NET));
        assert_eq!(graph.alpha_stake[1].0, TotalHotkeyAlpha::<Test>::get(hot(1), NET));
        assert_eq!(graph.total_stake[1], graph.alpha_stake[1], "nothing is staked on root");
        assert_eq!(graph.alpha_out.0, SubnetAlphaOut::<Test>::get(NET));
        assert_eq!(graph.tempo, Compact(TEMPO));
        assert_eq!(graph.name, b"subnet 1".iter().copied().map(Compact).collect::<Vec<_>>());
        assert!(graph.last_step.0 > 0 && graph.blocks_since_last_step.0 < u64::from(TEMPO));
        assert_eq!(SubtensorModule::get_metagraph(NetUid(9)), None);
        assert_eq!(SubtensorModule::get_mechagraph(NET, MechId(1)), None, "it has one mechanism");
        assert_eq!(SubtensorModule::get_all_metagraphs(), [Some(graph)]);
    });
}

#[test]
fn a_selection_holds_what_was_asked_for_by_number() {
    with_paid_subnet(|| {
        let graph = metagraph();
        // Hotkeys are field 52, permits 57, the uids of validators 72; 500 is none.
        let selected = graph.clone().select(&[1, 52, 57, 72, 73, 500]);
        assert_eq!(selected.name, Some(graph.name));
        assert_eq!(selected.hotkeys, Some(graph.hotkeys));
        assert_eq!(selected.validator_permit, Some(graph.validator_permit.clone()));
        let validators = (0u16..).zip(graph.validator_permit).filter(|(_, permit)| *permit);
        assert_eq!(selected.validators, Some(validators.map(|(uid, _)| Compact(uid)).collect()));
        assert_eq!(selected.commitments, Some(Vec::new()));
        assert_eq!((selected.symbol, selected.rho, selected.coldkeys, selected.axons), (None, None, None, None));
    });
}

#[test]
fn hyperparameters_have_one_value_in_all_forms() {
    with_subnet(|| {
        let second = SubtensorModule::get_subnet_hyperparams_v2(NET).unwrap();
        // The second form begins with the first.
        assert!(second.encode().starts_with(&SubtensorModule::get_subnet_hyperparams(NET).unwrap().encode()));
        let named = SubtensorModule::get_subnet_hyperparams_v3(NET).unwrap();
        let value = |name: &str| &named.iter().find(|entry| entry.name == name.as_bytes()).unwrap().value;
        assert_eq!(value("tempo"), &HyperparamValue::U16(Compact(TEMPO)));
        assert_eq!(value("kappa"), &HyperparamValue::U16(second.kappa));
        assert_eq!(value("max_burn"), &HyperparamValue::TaoBalance(second.max_burn));
        assert_eq!(value("alpha_sigmoid_steepness"), &HyperparamValue::I32F32(second.alpha_sigmoid_steepness));
        assert_eq!(second.alpha_sigmoid_steepness.bits, 1000 << 32);
        let mut names: Vec<_> = named.iter().map(|entry| &entry.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), named.len(), "every name once");
        assert_eq!(SubtensorModule::get_subnet_hyperparams_v3(NetUid(9)), None);
    });
}

#[test]
fn neurons_are_told_with_and_without_their_weights() {
    with_paid_subnet(|| {
        let neurons = SubtensorModule::get_neurons(NET);
        assert_eq!(neurons.len(), 3);
        assert_eq!(SubtensorModule::get_neuron(NET, 1).as_ref(), neurons.get(1));
        let lite = SubtensorModule::get_neurons_lite(NET);
        assert_eq!(lite, neurons.into_iter().map(Into::into).collect::<Vec<_>>());
        assert_eq!(SubtensorModule::get_neuron_lite(NET, 2).as_ref(), lite.get(2));
        assert_eq!(SubtensorModule::get_neuron(NET, 3), None);
        assert_eq!((&lite[1].hotkey, &lite[1].coldkey), (&hot(1), &cold(1)));
    });
}

#[test]
fn stake_is_told_by_coldkey_and_by_subnet() {
    with_paid_subnet(|| {
        let stakes = SubtensorModule::get_stake_info_for_coldkey(&cold(1));
        assert_eq!(stakes.len(), 1);
        assert_eq!((&stakes[0].hotkey, stakes[0].netuid, stakes[0].is_registered), (&hot(1), Compact(NET), true));
        let stake = SubtensorModule::stake_of(&hot(1), &cold(1), NET);
        assert_eq!(stakes[0].stake, Compact(stake));
        assert_eq!(
            SubtensorModule::get_stake_info_for_hotkey_coldkey_netuid(&hot(1), &cold(1), NET).as_ref(),
            stakes.first()
        );
        assert_eq!(
            SubtensorModule::get_stake_info_for_coldkeys(vec![cold(1), cold(50)]),
            [(cold(1), stakes), (cold(50), Vec::new())]
        );
        let free = SubtensorModule::get_stake_availability_for_coldkeys(vec![cold(1)], None);
        assert_eq!(free[&cold(1)][&NET].available, Compact(stake));
        let elsewhere = SubtensorModule::get_stake_availability_for_coldkeys(vec![cold(1)], Some(vec![NetUid::ROOT]));
        assert!(elsewhere[&cold(1)].is_empty());
    });
}

#[test]
fn delegates_are_told_with_their_nominators() {
    with_paid_subnet(|| {
        ok(SubtensorModule::add_stake(signed(cold(5)), hot(1), NET, 10 * RAO_PER_TAO));
        let delegate = SubtensorModule::get_delegate(hot(1)).unwrap();
        assert_eq!(delegate.owner_ss58, cold(1));
        assert_eq!(delegate.registrations, [Compact(NET)]);
        let nominators: Vec<_> = delegate.nominators.iter().map(|(coldkey, _)| coldkey.clone()).collect();
        assert_eq!(nominators.len(), 2);
        assert!(nominators.contains(&cold(1)) && nominators.contains(&cold(5)));
        assert!(SubtensorModule::get_delegates().contains(&delegate));
        let delegated = SubtensorModule::get_delegated(cold(5));
        assert_eq!(delegated.len(), 1);
        assert_eq!(delegated[0].1.0, Compact(NET));
        assert_eq!(SubtensorModule::get_delegate(hot(90)), None);
    });
}

#[test]
fn markets_are_told_with_their_prices() {
    with_pool(|| {
        let info = SubtensorModule::get_dynamic_info(NET).unwrap();
        assert_eq!((info.tao_in, info.alpha_in), (Compact(POOL_RAO), Compact(POOL_RAO)));
        let all = SubtensorModule::get_all_dynamic_info();
        assert_eq!(all.len(), 2, "root and the subnet");
        assert_eq!(all[1].as_ref(), Some(&info));
        // The fee of 33/65535 is what moving 1 TAO into the pool costs.
        assert_eq!(SubtensorModule::get_stake_fee(None, Some((hot(1), NET)), RAO_PER_TAO), 503_547);
        assert_eq!(SubtensorModule::get_stake_fee(Some((hot(1), NET)), Some((hot(2), NET)), RAO_PER_TAO), 0);
        // From root it is the pool's, too; from the pool it is in alpha.
        let root = Some((hot(1), NetUid::ROOT));
        assert_eq!(SubtensorModule::get_stake_fee(root.clone(), Some((hot(1), NET)), RAO_PER_TAO), 503_547);
        assert_eq!(SubtensorModule::get_stake_fee(Some((hot(1), NET)), root, RAO_PER_TAO), 503_547);
    });
}
