//! What the owner's own hotkey mines is destroyed: for ever, or to be emitted again.

use super::*;
use crate::{
    AlphaBalance, MinerBurned, RecycleOrBurn, RecycleOrBurnEnum, SubnetAlphaBurned, SubnetAlphaOut, SubnetTAO, U96F32,
};

/// What an epoch left, in which half of the miners' part fell to the owner's hotkey.
#[derive(Debug)]
struct Outcome {
    /// What was destroyed, as the event of the mode says.
    destroyed: AlphaBalance,
    /// Alpha that counts as issued.
    issued: AlphaBalance,
    /// Alpha that counts as burned.
    burned: AlphaBalance,
    /// TAO in the subnet.
    tao: TaoBalance,
    /// What the other miner got.
    miner: AlphaBalance,
    /// The owner's share of what miners earned.
    share: U96F32,
}

/// The chain that `chain` makes, with a validator whose weights are on the owner and on pair 2 alike, after an epoch.
fn outcome(chain: impl Fn(&mut dyn FnMut()), mode: RecycleOrBurnEnum) -> Outcome {
    let mut outcome = None;
    chain(&mut || {
        commit_reveal(false);
        (1..=2).for_each(|n| {
            register(n);
        });
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        ok(AdminUtils::sudo_set_recycle_or_burn(signed(cold(OWNER)), NET, mode));
        assert_eq!(RecycleOrBurn::<Test>::get(NET), mode);
        ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![0, 2], vec![1, 1], 0));
        pass_epoch();
        let destroyed = events().into_iter().find_map(|event| match (mode, event) {
            (RecycleOrBurnEnum::Burn, Event::AlphaBurned(coldkey, hotkey, amount, NET))
            | (RecycleOrBurnEnum::Recycle, Event::AlphaRecycled(coldkey, hotkey, amount, NET)) => {
                (coldkey == cold(OWNER) && hotkey == hot(OWNER)).then_some(amount)
            }
            _ => None,
        });
        outcome = Some(Outcome {
            destroyed: destroyed.expect("the event of this mode"),
            issued: SubnetAlphaOut::<Test>::get(NET),
            burned: SubnetAlphaBurned::<Test>::get(NET),
            tao: SubnetTAO::<Test>::get(NET),
            miner: SubtensorModule::stake_of(&hot(2), &cold(2), NET),
            share: MinerBurned::<Test>::get(NET),
        });
    });
    outcome.expect("the chain ran")
}

fn pool(test: &mut dyn FnMut()) {
    with_pool(test);
}

fn one_to_one(test: &mut dyn FnMut()) {
    with_subnet(test);
}

#[test]
fn burned_alpha_counts_as_issued_and_recycled_does_not() {
    let (burn, recycle) = (outcome(pool, RecycleOrBurnEnum::Burn), outcome(pool, RecycleOrBurnEnum::Recycle));
    assert!(burn.destroyed > RAO_PER_TAO, "{burn:?}");
    assert_eq!((burn.destroyed, burn.miner, burn.tao), (recycle.destroyed, recycle.miner, recycle.tao));
    assert_eq!(burn.issued, recycle.issued + recycle.destroyed);
    assert_eq!((burn.burned, recycle.burned), (burn.destroyed, 0));
}

#[test]
fn where_alpha_is_tao_one_to_one_both_destroy_the_tao() {
    let (burn, recycle) =
        (outcome(one_to_one, RecycleOrBurnEnum::Burn), outcome(one_to_one, RecycleOrBurnEnum::Recycle));
    assert_eq!((burn.destroyed, burn.issued, burn.tao), (recycle.destroyed, recycle.issued, recycle.tao));
    assert_eq!((burn.burned, recycle.burned, burn.tao), (0, 0, burn.issued));
}

#[test]
fn the_owners_share_of_what_miners_earned_is_kept() {
    for chain in [pool, one_to_one] {
        let Outcome { destroyed, miner, share, .. } = outcome(chain, RecycleOrBurnEnum::Burn);
        assert_eq!(share, U96F32::from_ratio(destroyed, destroyed + miner));
        assert!(share.bits.abs_diff(1 << 31) < 1 << 16, "about a half: {share:?}");
    }
}

#[test]
fn whatever_hotkey_of_the_owner_mines_is_not_paid() {
    with_subnet(|| {
        commit_reveal(false);
        (1..=2).for_each(|n| {
            register(n);
        });
        ok(SubtensorModule::burned_register(signed(cold(OWNER)), NET, hot(7)));
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![2, 3], vec![1, 1], 0));
        pass_epoch();
        assert_eq!(SubtensorModule::stake_of(&hot(7), &cold(OWNER), NET), 0);
        assert!(SubtensorModule::stake_of(&hot(2), &cold(2), NET) > 0);
        assert!(MinerBurned::<Test>::get(NET).bits.abs_diff(1 << 31) < 1 << 16);
        ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![2], vec![1], 0));
        pass_epoch();
        assert_eq!(MinerBurned::<Test>::get(NET), U96F32::default());
    });
}
