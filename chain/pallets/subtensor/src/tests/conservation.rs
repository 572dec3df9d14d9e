//! Whatever is called in whatever order: every rao is somewhere, and calls that fail change nothing.

use super::*;
use crate::{RAORecycledForRegistration, SubnetLocked};

/// A small generator of pseudo-random numbers, so that a failing sequence repeats itself.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pair(&mut self) -> u8 {
        u8::try_from(self.roll(8)).unwrap()
    }
}

fn random_call(dice: &mut Dice) -> DispatchResult {
    let (who, whom) = (dice.pair(), dice.pair());
    match dice.roll(6) {
        0 => SubtensorModule::burned_register(signed(cold(who)), NET, hot(who)),
        1 => SubtensorModule::add_stake(signed(cold(who)), hot(whom), NET, dice.roll(50 * RAO_PER_TAO)),
        2 => SubtensorModule::remove_stake(signed(cold(who)), hot(whom), NET, dice.roll(60 * RAO_PER_TAO)),
        3 => {
            let all = SubtensorModule::stake_of(&hot(whom), &cold(who), NET);
            SubtensorModule::remove_stake(signed(cold(who)), hot(whom), NET, all)
        }
        4 => {
            let uids = (0..dice.roll(6)).map(|uid| u16::try_from(uid).unwrap()).collect::<Vec<_>>();
            let weights = uids.iter().map(|_| u16::try_from(dice.roll(65_536)).unwrap()).collect();
            SubtensorModule::set_weights(signed(hot(who)), NET, uids, weights, 0)
        }
        _ => {
            pass(u32::try_from(dice.roll(5)).unwrap());
            Ok(())
        }
    }
}

#[test]
fn no_sequence_of_calls_makes_or_loses_money() {
    for seed in 0..4 {
        with_subnet(|| {
            let mut dice = Dice(seed);
            commit_reveal(false);
            // Small and without immunity, so that neurons are pruned all the time.
            ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 5));
            ok(AdminUtils::sudo_set_immunity_period(signed(cold(OWNER)), NET, 0));
            ok(AdminUtils::sudo_set_min_non_immune_uids(RuntimeOrigin::root(), NET, 0));
            let mut accepted = 0;
            for step in 0..500 {
                let destroyed = || RAORecycledForRegistration::<Test>::get(NET) + SubnetLocked::<Test>::get(NET);
                let (issuance, burned, block) = (SubtensorModule::issuance(), destroyed(), System::block_number());
                let result = frame_support::storage::with_storage_layer(|| random_call(&mut dice));
                accepted += u32::from(result.is_ok());
                check();
                if System::block_number() == block {
                    assert_eq!(
                        SubtensorModule::issuance() + destroyed() - burned,
                        issuance,
                        "seed {seed}, step {step}: {result:?}"
                    );
                }
            }
            assert!(accepted > 200, "only {accepted} calls of 500 did anything");
        });
    }
}

/// The invariant of a pool that no state shows: its product only grows.
fn products() -> Vec<(NetUid, u128)> {
    let product = |netuid| {
        let (tao, alpha) = (crate::SubnetTAO::<Test>::get(netuid), crate::SubnetAlphaIn::<Test>::get(netuid));
        u128::from(tao) * u128::from(alpha)
    };
    SubtensorModule::subnets().into_iter().map(|netuid| (netuid, product(netuid))).collect()
}

fn random_move(dice: &mut Dice, subnets: &[NetUid]) -> DispatchResult {
    type M = SubtensorModule;
    let (who, from, to) = (dice.pair(), hot(dice.pair()), hot(dice.pair()));
    let mut net = || subnets[usize::try_from(dice.roll(subnets.len() as u64)).unwrap()];
    let (here, there) = (net(), net());
    let tao = dice.roll(80 * RAO_PER_TAO);
    let limit = RAO_PER_TAO / 2 + dice.roll(RAO_PER_TAO);
    let held = M::stake_of(&from, &cold(who), here);
    let some = if dice.roll(3) == 0 { held } else { dice.roll(held + 2) };
    let partial = dice.roll(2) == 0;
    let whose = signed(cold(who));
    match dice.roll(16) {
        0..=3 => M::add_stake(whose, from, here, tao),
        4 => M::add_stake_limit(whose, from, here, tao, limit, partial),
        5 => M::remove_stake(whose, from, here, some),
        6 => M::remove_stake_limit(whose, from, here, some, limit, partial),
        7 => M::remove_stake_full_limit(whose, from, here, partial.then_some(limit)),
        8 => M::move_stake(whose, from, to, here, there, some),
        9 => M::swap_stake(whose, from, here, there, some),
        10 => M::swap_stake_limit(whose, from, here, there, some, limit, partial),
        11 => M::transfer_stake(whose, cold(dice.pair()), from, here, there, some),
        12 => M::burn_alpha(whose, from, some / 8, here),
        13 => M::recycle_alpha(whose, from, some / 8, here),
        14 => {
            if dice.roll(8) == 0 {
                M::unstake_all(whose, from)
            } else {
                M::unstake_all_alpha(whose, from)
            }
        }
        _ => {
            pass(u32::try_from(dice.roll(5)).unwrap());
            Ok(())
        }
    }
}

#[test]
fn stake_that_moves_between_pools_makes_and_loses_nothing() {
    for seed in 0..4 {
        with_pool(|| {
            let mut dice = Dice(seed);
            commit_reveal(false);
            (1..8).for_each(|n| {
                register(n);
            });
            let pool = another_subnet(20, crate::defaults::DYNAMIC_MECHANISM);
            let stable = another_subnet(21, crate::defaults::STABLE_MECHANISM);
            // In half of the runs root sells its part.
            if seed % 2 == 0 {
                for netuid in [NET, pool] {
                    crate::SubnetMovingPrice::<Test>::insert(netuid, crate::I96F32::ONE);
                }
                crate::TaoWeight::<Test>::put(u64::MAX);
            }
            let subnets = [NET, pool, stable, NetUid::ROOT];
            let mut accepted = 0;
            for step in 0..500 {
                let (issuance, block, before) = (SubtensorModule::issuance(), System::block_number(), products());
                System::reset_events();
                let result = frame_support::storage::with_storage_layer(|| random_move(&mut dice, &subnets));
                accepted += u32::from(result.is_ok());
                check();
                if System::block_number() == block {
                    let now = SubtensorModule::issuance() + recycled();
                    assert_eq!(now, issuance, "seed {seed}, step {step}: {result:?}");
                    for ((netuid, before), (_, after)) in before.into_iter().zip(products()) {
                        assert!(after >= before, "seed {seed}, step {step}: the pool of {netuid:?} lost");
                    }
                }
            }
            assert!(accepted > 200, "only {accepted} calls of 500 did anything");
        });
    }
}

#[test]
fn everybody_can_leave_and_nothing_is_left_behind() {
    with_subnet(|| {
        commit_reveal(false);
        (1..=4).for_each(|n| {
            register(n);
        });
        for n in 1..=4 {
            for to in 1..=4 {
                let amount = u64::from(n) * 7_000_003 + u64::from(to) * 1_999_993;
                ok(SubtensorModule::add_stake(signed(cold(n)), hot(to), NET, amount));
            }
        }
        pass_epoch();
        for n in 1..=4 {
            ok(SubtensorModule::set_weights(signed(hot(n)), NET, vec![1, 2, 3, 4], vec![1, 2, 3, u16::from(n)], 0));
        }
        pass_epoch();
        pass_epoch();
        for (coldkey, hotkeys) in crate::StakingHotkeys::<Test>::iter().collect::<Vec<_>>() {
            for hotkey in hotkeys {
                let all = SubtensorModule::stake_of(&hotkey, &coldkey, NET);
                if all > 0 {
                    ok(SubtensorModule::remove_stake(signed(coldkey.clone()), hotkey, NET, all));
                }
            }
        }
        assert_eq!(crate::TotalStake::<Test>::get(), 0, "an epoch has just paid all that was pending");
        assert_eq!(crate::Alpha::<Test>::iter().count(), 0);
    });
}
