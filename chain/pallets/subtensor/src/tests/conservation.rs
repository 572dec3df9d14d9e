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
