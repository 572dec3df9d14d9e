//! Every hyperparameter of consensus, as it is set by call, is the one that the epoch reads: what the chain stores is what
//! `yuma` makes of that parameter given by hand.

use super::*;
use crate::{
    BlockAtRegistration, Bonds, Dividends, Incentive, Keys, LastMechansimStepBlock, LastUpdate, NetUidStorageIndex,
    SubnetworkN, Uids, ValidatorPermit, Weights,
};
use sp_core::H256;
use yuma::{EpochInput, EpochParams, LiquidAlpha, Row, YumaVersion};

/// Bonds, incentive and dividends.
type Outcome = (Vec<Row>, Vec<u16>, Vec<u16>);

/// What the calls of `with_judged` set.
fn params() -> EpochParams {
    EpochParams {
        kappa: 32_767,
        tempo: TEMPO,
        activity_cutoff_blocks: yuma::activity_cutoff_blocks(13_889, TEMPO),
        max_allowed_validators: 64,
        stake_threshold: 0,
        bonds_moving_average_ppm: 900_000,
        bonds_penalty: 40_000,
        yuma: YumaVersion::Yuma3,
        liquid_alpha: Some(LiquidAlpha { low: 20_000, high: 40_000, steepness: 1_000 }),
    }
}

/// A subnet whose two validators disagree about its two miners, and have bonds from an epoch ago.
fn with_judged(test: impl FnOnce()) {
    with_subnet(|| {
        commit_reveal(false);
        (1..=4).for_each(|n| {
            register(n);
        });
        stake(1, 60 * RAO_PER_TAO);
        stake(2, 40 * RAO_PER_TAO);
        let root = RuntimeOrigin::root;
        ok(AdminUtils::sudo_set_kappa(root(), NET, 32_767));
        ok(AdminUtils::sudo_set_bonds_moving_average(root(), NET, 900_000));
        ok(AdminUtils::sudo_set_bonds_penalty(root(), NET, 40_000));
        ok(AdminUtils::sudo_set_yuma3_enabled(root(), NET, true));
        ok(AdminUtils::sudo_set_liquid_alpha_enabled(root(), NET, true));
        ok(AdminUtils::sudo_set_alpha_values(root(), NET, 20_000, 40_000));
        ok(AdminUtils::sudo_set_alpha_sigmoid_steepness(root(), NET, 1_000));
        ok(AdminUtils::sudo_set_max_allowed_validators(root(), NET, 64));
        pass_epoch();
        set(1, &[1, 3]);
        set(2, &[5, 1]);
        pass_epoch();
        set(1, &[1, 1]);
        set(2, &[1, 7]);
        test();
    });
}

/// Weights on the miners, uids 3 and 4.
fn set(n: u8, weights: &[u16]) {
    ok(SubtensorModule::set_weights(signed(hot(n)), NET, vec![3, 4], weights.to_vec(), 0));
}

/// What the chain makes of the next epoch, and what `yuma` makes of the same under these parameters.
fn outcomes(params: EpochParams) -> (Outcome, Outcome) {
    let now = SubtensorModule::next_epoch_start_block(NET).unwrap();
    while u64::from(System::block_number()) + 1 < now {
        pass(1);
    }
    let (index, uids) = (NetUidStorageIndex::from(NET), 0..SubnetworkN::<Test>::get(NET));
    let hotkeys: Vec<_> = uids.clone().map(|uid| Keys::<Test>::get(NET, uid)).collect();
    let stake: Vec<_> = hotkeys
        .iter()
        .map(|hotkey| yuma::combined_stake(SubtensorModule::stake_in_consensus(hotkey, NET), 0, 0))
        .collect();
    let output = yuma::epoch(&EpochInput {
        params,
        current_block: now,
        last_step_block: LastMechansimStepBlock::<Test>::get(NET),
        emission: 0,
        owner_uid: Uids::<Test>::get(NET, hot(OWNER)),
        stake: &stake,
        last_update: &LastUpdate::<Test>::get(index),
        block_at_registration: &uids.clone().map(|uid| BlockAtRegistration::<Test>::get(NET, uid)).collect::<Vec<_>>(),
        validator_permit: &ValidatorPermit::<Test>::get(NET),
        weights: &uids.clone().map(|uid| Weights::<Test>::get(index, uid)).collect::<Vec<_>>(),
        bonds: &uids.clone().map(|uid| Bonds::<Test>::get(index, uid)).collect::<Vec<_>>(),
        earliest_live_commit: None,
    })
    .unwrap();
    pass_epoch();
    let bonds = uids.map(|uid| Bonds::<Test>::get(index, uid)).collect();
    let chain = (bonds, Incentive::<Test>::get(index), Dividends::<Test>::get(NET));
    (chain, (output.bonds, output.incentive, output.dividends))
}

#[test]
fn what_is_set_by_call_is_what_the_epoch_reads() {
    let mut base = Outcome::default();
    with_judged(|| {
        let (chain, by_hand) = outcomes(params());
        assert_eq!(chain, by_hand);
        assert!(chain.0.iter().any(|row| row.len() == 2), "there are bonds");
        base = chain;
    });

    let root = RuntimeOrigin::root;
    let liquid = |change: fn(&mut LiquidAlpha)| {
        let mut params = params();
        params.liquid_alpha.as_mut().map(change);
        params
    };
    type Set = fn() -> DispatchResult;
    let cases: [(&str, Set, EpochParams); 7] = [
        (
            "kappa",
            || AdminUtils::sudo_set_kappa(RuntimeOrigin::root(), NET, 50_000),
            EpochParams { kappa: 50_000, ..params() },
        ),
        (
            "bonds penalty",
            || AdminUtils::sudo_set_bonds_penalty(RuntimeOrigin::root(), NET, 3_000),
            EpochParams { bonds_penalty: 3_000, ..params() },
        ),
        (
            "yuma 3",
            || AdminUtils::sudo_set_yuma3_enabled(RuntimeOrigin::root(), NET, false),
            EpochParams { yuma: YumaVersion::Yuma1, ..params() },
        ),
        (
            "liquid alpha",
            || AdminUtils::sudo_set_liquid_alpha_enabled(RuntimeOrigin::root(), NET, false),
            EpochParams { liquid_alpha: None, ..params() },
        ),
        (
            "low alpha",
            || AdminUtils::sudo_set_alpha_values(RuntimeOrigin::root(), NET, 30_000, 40_000),
            liquid(|alpha| alpha.low = 30_000),
        ),
        (
            "high alpha",
            || AdminUtils::sudo_set_alpha_values(RuntimeOrigin::root(), NET, 20_000, 60_000),
            liquid(|alpha| alpha.high = 60_000),
        ),
        (
            "steepness",
            || AdminUtils::sudo_set_alpha_sigmoid_steepness(RuntimeOrigin::root(), NET, 300),
            liquid(|alpha| alpha.steepness = 300),
        ),
    ];
    for (name, set, params) in cases {
        with_judged(|| {
            ok(set());
            let (chain, by_hand) = outcomes(params);
            assert_eq!(chain, by_hand, "{name}");
            assert_ne!(chain, base, "{name} makes a difference");
        });
    }

    // Liquid alpha does without it.
    let params = EpochParams { liquid_alpha: None, ..params() };
    let before = yuma_only(params);
    with_judged(|| {
        ok(AdminUtils::sudo_set_liquid_alpha_enabled(root(), NET, false));
        ok(AdminUtils::sudo_set_bonds_moving_average(root(), NET, 500_000));
        let (chain, by_hand) = outcomes(EpochParams { bonds_moving_average_ppm: 500_000, ..params });
        assert_eq!(chain, by_hand);
        assert_ne!(chain.0, before, "it makes a difference");
    });
}

/// The bonds that the same epoch would have given under other parameters.
fn yuma_only(params: EpochParams) -> Vec<Row> {
    let mut bonds = Vec::new();
    with_judged(|| {
        ok(AdminUtils::sudo_set_liquid_alpha_enabled(RuntimeOrigin::root(), NET, false));
        bonds = outcomes(params).1.0;
    });
    bonds
}

#[test]
fn a_commit_that_waits_masks_whoever_registered_after_it() {
    type Commit = fn() -> DispatchResult;
    let commits: [(&str, Commit, bool); 3] = [
        ("no commit", || Ok(()), true),
        ("by hash", || SubtensorModule::commit_weights(signed(hot(1)), NET, H256::zero()), false),
        (
            "under a time lock",
            || {
                let sealed = vec![7; 100].try_into().unwrap();
                SubtensorModule::commit_timelocked_weights(signed(hot(1)), NET, sealed, 1_000, 4)
            },
            false,
        ),
    ];
    for (name, commit, counts) in commits {
        with_subnet(|| {
            ok(AdminUtils::sudo_set_weights_set_rate_limit(RuntimeOrigin::root(), NET, 0));
            (1..=3).for_each(|n| {
                register(n);
            });
            stake(1, 100 * RAO_PER_TAO);
            pass_epoch();
            ok(commit());
            pass(1);
            let newcomer = register(9);
            pass(1);
            commit_reveal(false);
            ok(SubtensorModule::set_weights(signed(hot(1)), NET, vec![2, newcomer], vec![1, 1], 0));
            commit_reveal(true);
            pass_epoch();
            let incentive = Incentive::<Test>::get(NetUidStorageIndex::from(NET));
            assert_eq!(incentive[usize::from(newcomer)] > 0, counts, "{name}: {incentive:?}");
            assert!(incentive[2] > 0, "{name}");
        });
    }
}
