//! What a block emits where alpha has a price.

use super::*;
use crate::{
    EMAPriceHalvingBlocks, Error, I96F32, MinerBurned, PendingOwnerCut, PendingServerEmission,
    PendingValidatorEmission, SubnetAlphaIn, SubnetAlphaInEmission, SubnetAlphaOut, SubnetAlphaOutEmission,
    SubnetExcessTao, SubnetMovingAlpha, SubnetMovingPrice, SubnetProtocolAlpha, SubnetTAO, SubnetTaoInEmission,
    TaoWeight, U96F32, defaults,
};
use frame_support::assert_noop;
use sp_runtime::DispatchError;

#[test]
fn without_root_the_block_buys_alpha_that_is_nobodys() {
    with_pool(|| {
        pass(1);
        assert_eq!((SubnetTaoInEmission::<Test>::get(NET), SubnetAlphaInEmission::<Test>::get(NET)), (0, 0));
        assert_eq!(SubnetExcessTao::<Test>::get(NET), RAO_PER_TAO);
        assert_eq!(SubnetTAO::<Test>::get(NET), POOL_RAO + RAO_PER_TAO);
        // 1000 · 1000 / 1001, rounded up.
        assert_eq!(SubnetAlphaIn::<Test>::get(NET), 999_000_999_001);
        assert_eq!(SubnetProtocolAlpha::<Test>::get(NET), POOL_RAO - 999_000_999_001);
        // One alpha is issued, whatever it costs, and what was bought counts as issued.
        assert_eq!(SubnetAlphaOut::<Test>::get(NET), RAO_PER_TAO + 999_000_999);
        assert_eq!(PendingOwnerCut::<Test>::get(NET), 179_995_422);
        assert_eq!(PendingServerEmission::<Test>::get(NET), 410_002_289);
        assert_eq!(PendingValidatorEmission::<Test>::get(NET), 410_002_289);
    });
}

#[test]
fn with_much_on_root_the_price_stays() {
    with_pool(|| {
        register(1);
        // 9,000 TAO against 1,000 alpha: nine tenths of an alpha may go in.
        TaoWeight::<Test>::put(u64::MAX);
        ok(SubtensorModule::add_stake(signed(cold(1)), hot(1), NetUid::ROOT, 9_000 * RAO_PER_TAO));
        // At a price of two, one TAO is worth half an alpha.
        SubnetAlphaIn::<Test>::insert(NET, POOL_RAO / 2);
        pass(1);
        assert_eq!(SubnetTaoInEmission::<Test>::get(NET), RAO_PER_TAO);
        assert_eq!(SubnetAlphaInEmission::<Test>::get(NET), RAO_PER_TAO / 2);
        assert_eq!(SubnetExcessTao::<Test>::get(NET), 0);
        assert_eq!(SubtensorModule::current_alpha_price(NET), 2 * RAO_PER_TAO);
    });
}

#[test]
fn tao_is_split_by_average_price_and_by_what_was_not_burned() {
    with_pool(|| {
        let second = another_subnet(5, defaults::DYNAMIC_MECHANISM);
        let third = another_subnet(6, defaults::DYNAMIC_MECHANISM);
        let got = || [NET, second, third].map(SubnetExcessTao::<Test>::get);
        pass(1);
        assert_eq!(got(), [333_333_333, 333_333_333, 333_333_334], "without averages, evenly");

        let prices = || {
            SubnetMovingPrice::<Test>::insert(NET, I96F32::ONE);
            SubnetMovingPrice::<Test>::insert(second, I96F32 { bits: I96F32::ONE.bits / 2 });
            SubnetMovingPrice::<Test>::insert(third, I96F32 { bits: I96F32::ONE.bits / 2 });
        };
        prices();
        pass(1);
        assert_eq!(got(), [RAO_PER_TAO / 2, RAO_PER_TAO / 4, RAO_PER_TAO / 4]);

        // Half of the first's miners burned: it counts as much as each of the others.
        prices();
        MinerBurned::<Test>::insert(NET, U96F32::from_ratio(1, 2));
        pass(1);
        assert_eq!(got(), [333_333_333, 333_333_333, 333_333_334]);

        ok(AdminUtils::sudo_set_subnet_emission_enabled(RuntimeOrigin::root(), second, false));
        let alpha = SubnetAlphaOut::<Test>::get(second);
        prices();
        pass(1);
        assert_eq!(got(), [RAO_PER_TAO / 2, 0, RAO_PER_TAO / 2]);
        assert_eq!(SubnetAlphaOut::<Test>::get(second), alpha + RAO_PER_TAO, "its own alpha it emits all the same");

        // All burned everywhere: by the prices alone.
        prices();
        for netuid in [NET, second, third] {
            MinerBurned::<Test>::insert(netuid, U96F32::from_ratio(1, 1));
        }
        pass(1);
        assert_eq!(got(), [666_666_666, 0, 333_333_334]);

        // Where nobody may register, nothing is emitted.
        ok(AdminUtils::sudo_set_network_registration_allowed(RuntimeOrigin::root(), third, false));
        let alpha = SubnetAlphaOut::<Test>::get(third);
        pass(1);
        assert_eq!(got(), [RAO_PER_TAO, 0, 0]);
        assert_eq!((SubnetAlphaOut::<Test>::get(third), SubnetAlphaOutEmission::<Test>::get(third)), (alpha, 0));
    });
}

#[test]
fn a_block_s_tao_halves_where_issuance_reaches_half_of_all_there_will_be() {
    with_subnet(|| {
        // What is missing to the first halving, less a TAO and a half: two more blocks of one.
        let missing = defaults::TOTAL_SUPPLY_RAO / 2 - SubtensorModule::issuance() - 3 * RAO_PER_TAO / 2;
        ok(Balances::force_set_balance(RuntimeOrigin::root(), cold(200), missing));
        crate::TotalIssuance::<Test>::put(SubtensorModule::issuance());
        let minted = || {
            let before = SubtensorModule::issuance();
            pass(1);
            SubtensorModule::issuance() - before
        };
        let of_each_block = [minted(), minted(), minted(), minted()];
        assert_eq!(of_each_block, [RAO_PER_TAO, RAO_PER_TAO, RAO_PER_TAO / 2, RAO_PER_TAO / 2]);
        assert_eq!(crate::BlockEmission::<Test>::get(), RAO_PER_TAO / 2);
    });
}

#[test]
fn the_owners_cut_is_what_root_sets_and_nothing_where_it_is_off() {
    with_subnet(|| {
        ok(AdminUtils::sudo_set_subnet_owner_cut(RuntimeOrigin::root(), 6_553));
        pass(1);
        let (cut, miners) = (PendingOwnerCut::<Test>::get(NET), PendingServerEmission::<Test>::get(NET));
        assert!(cut.abs_diff(RAO_PER_TAO * 6_553 / 65_535) <= 1, "{cut}");
        assert!(miners.abs_diff((RAO_PER_TAO - cut) / 2) <= 1, "{miners}");
        ok(AdminUtils::sudo_set_owner_cut_enabled(RuntimeOrigin::root(), NET, false));
        pass(1);
        assert_eq!(PendingOwnerCut::<Test>::get(NET), cut);
        assert_eq!(PendingServerEmission::<Test>::get(NET), miners + RAO_PER_TAO / 2);
    });
}

#[test]
fn alpha_halves_by_its_own_supply() {
    with_pool(|| {
        SubnetAlphaIn::<Test>::insert(NET, defaults::TOTAL_SUPPLY_RAO / 2);
        pass(1);
        assert_eq!(SubnetAlphaOutEmission::<Test>::get(NET), RAO_PER_TAO / 2);
        assert_eq!(crate::BlockEmission::<Test>::get(), RAO_PER_TAO, "TAO has not halved");
        SubnetAlphaIn::<Test>::insert(NET, defaults::TOTAL_SUPPLY_RAO);
        pass(1);
        assert_eq!(SubnetAlphaOutEmission::<Test>::get(NET), 0);
    });
}

#[test]
fn the_average_price_follows_the_price_up_to_one() {
    with_pool(|| {
        ok(AdminUtils::sudo_set_subnet_moving_alpha(RuntimeOrigin::root(), I96F32::ONE));
        ok(AdminUtils::sudo_set_ema_price_halving_period(RuntimeOrigin::root(), NET, 1));
        // Started in block 1, so that emission starts with block 2, which counts as the first.
        pass(1);
        assert_eq!(SubnetMovingPrice::<Test>::get(NET), I96F32 { bits: 1 << 31 }, "half of the way to one");
        pass(1);
        // Two thirds of what was left: five sixths of the way, rounded down twice.
        let five_sixths = I96F32::ONE.bits * 5 / 6;
        assert!((0..3).contains(&(five_sixths - SubnetMovingPrice::<Test>::get(NET).bits)));
        ok(AdminUtils::sudo_set_ema_price_halving_period(RuntimeOrigin::root(), NET, 0));
        SubnetAlphaIn::<Test>::insert(NET, 2 * POOL_RAO);
        pass(1);
        let half = SubnetMovingPrice::<Test>::get(NET).bits;
        assert!((half - (1 << 31)).abs() < 1 << 25, "at once to about a half: {half}");
    });
}

#[test]
fn by_default_the_average_moves_by_millionths() {
    with_pool(|| {
        assert_eq!(EMAPriceHalvingBlocks::<Test>::get(NET), 201_600);
        assert_eq!(SubnetMovingAlpha::<Test>::get(), I96F32 { bits: 12_885 });
        // 12,885 · b / (b + 201,600) is first a whole number at b = 16: in the sixteenth block that emits.
        pass(15);
        assert_eq!(SubnetMovingPrice::<Test>::get(NET), I96F32::default());
        pass(1);
        assert_eq!(SubnetMovingPrice::<Test>::get(NET), I96F32 { bits: 1 });
    });
}

#[test]
fn only_root_sets_averages_and_only_to_what_makes_sense() {
    with_pool(|| {
        let step = |who, bits| AdminUtils::sudo_set_subnet_moving_alpha(who, I96F32 { bits });
        assert_noop!(step(RuntimeOrigin::root(), -1), Error::<Test>::InvalidValue);
        assert_noop!(step(RuntimeOrigin::root(), I96F32::ONE.bits + 1), Error::<Test>::InvalidValue);
        assert_noop!(step(signed(cold(OWNER)), 1), DispatchError::BadOrigin);
        ok(step(RuntimeOrigin::root(), 0));
        let halving = |who, netuid| AdminUtils::sudo_set_ema_price_halving_period(who, netuid, 7);
        assert_noop!(halving(signed(cold(OWNER)), NET), DispatchError::BadOrigin);
        let error = crate::admin::Error::<Test>::SubnetDoesNotExist;
        assert_noop!(halving(RuntimeOrigin::root(), NetUid(9)), error);
    });
}

#[test]
fn a_pool_at_the_ends_of_the_numbers_stops_no_block() {
    for (tao, alpha) in [(0, 0), (0, u64::MAX), (1, 1), (u64::MAX / 4, u64::MAX), (u64::MAX / 4, 1)] {
        with_pool(|| {
            register(1);
            crate::TotalStake::<Test>::put(tao);
            SubnetTAO::<Test>::insert(NET, tao);
            SubnetAlphaIn::<Test>::insert(NET, alpha);
            TaoWeight::<Test>::put(u64::MAX);
            pass(12);
            let _ = SubtensorModule::current_alpha_price_all();
            for amount in [0, 1, RAO_PER_TAO, u64::MAX] {
                let _ = SubtensorModule::sim_swap_tao_for_alpha(NET, amount);
                let _ = SubtensorModule::sim_swap_alpha_for_tao(NET, amount);
                for limit in [0, 1, RAO_PER_TAO, u64::MAX] {
                    let add = || SubtensorModule::add_stake_limit(signed(cold(1)), hot(1), NET, amount, limit, true);
                    let _ = frame_support::storage::with_storage_layer(add);
                    check();
                }
            }
        });
    }
}
