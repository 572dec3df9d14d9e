//! Arguments that nobody means well with: a refused call leaves the state as it was, to the bit of its root.

use super::*;
use crate::{Error, MechId};
use codec::Compact;
use frame_support::assert_noop;
use sp_core::H256;
use sp_runtime::StateVersion;

/// Pseudo-random numbers that repeat themselves by their seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    /// Small numbers, and the ends of the range.
    fn number(&mut self) -> u64 {
        match self.next() % 4 {
            0 => u64::MAX - self.next() % 3,
            1 => self.next() << 20,
            _ => self.next() % 6,
        }
    }

    fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    fn short(&mut self) -> u16 {
        self.number() as u16
    }

    fn key(&mut self) -> AccountId32 {
        let n = u8::try_from(self.next() % 6).unwrap();
        if self.coin() { cold(n) } else { hot(n) }
    }

    fn net(&mut self) -> NetUid {
        if self.next().is_multiple_of(5) { NetUid(self.short()) } else { NET }
    }

    fn list<V>(&mut self, mut one: impl FnMut(&mut Self) -> V) -> Vec<V> {
        (0..self.next() % 7).map(|_| one(self)).collect()
    }

    fn origin(&mut self) -> RuntimeOrigin {
        if self.next().is_multiple_of(4) { RuntimeOrigin::root() } else { signed(self.key()) }
    }
}

fn call(d: &mut Dice) -> DispatchResult {
    type M = SubtensorModule;
    let o = d.origin();
    match d.next() % 56 {
        0 => M::set_weights(o, d.net(), d.list(Dice::short), d.list(Dice::short), d.number()),
        1 => M::set_mechanism_weights(o, d.net(), MechId(2), d.list(Dice::short), d.list(Dice::short), d.number()),
        2 => M::batch_set_weights(o, d.list(|d| Compact(d.net())), d.list(|_| vec![]), d.list(|d| Compact(d.number()))),
        3 => M::commit_weights(o, d.net(), H256::zero()),
        4 => M::batch_commit_weights(o, d.list(|d| Compact(d.net())), d.list(|_| H256::zero())),
        5 => M::reveal_weights(o, d.net(), d.list(Dice::short), d.list(Dice::short), d.list(Dice::short), d.number()),
        6 => M::batch_reveal_weights(o, d.net(), d.list(|_| vec![]), d.list(|_| vec![]), vec![], d.list(Dice::number)),
        7 => M::decrease_take(o, d.key(), d.short()),
        8 => M::increase_take(o, d.key(), d.short()),
        9 => M::add_stake(o, d.key(), d.net(), d.number()),
        10 => M::remove_stake(o, d.key(), d.net(), d.number()),
        11 => M::serve_axon(o, d.net(), 0, d.number().into(), d.short(), d.next() as u8, 0, 0, 0),
        12 => M::serve_axon_tls(o, d.net(), 0, d.number().into(), d.short(), 4, 0, 0, 0, d.list(|_| 7)),
        13 => M::serve_prometheus(o, d.net(), 0, d.number().into(), d.short(), d.next() as u8),
        14 => M::register(o, d.net(), d.number(), d.number(), vec![], d.key(), d.key()),
        15 => M::register_limit(o, d.net(), d.key(), d.number()),
        16 => M::swap_hotkey(o, d.key(), d.key(), Some(d.net())),
        17 => M::swap_hotkey_v2(o, d.key(), d.key(), None, d.next().is_multiple_of(2)),
        18 => M::set_childkey_take(o, d.key(), d.net(), d.short()),
        19 => M::set_children(o, d.key(), d.net(), d.list(|d| (d.number(), d.key()))),
        20 => M::set_identity(o, vec![0; d.short().into()], vec![], vec![], vec![], vec![], vec![], vec![]),
        21 => M::try_associate_hotkey(o, d.key()),
        22 => M::start_call(o, d.net()),
        23 => M::set_tempo(o, d.net(), d.short()),
        24 => M::set_activity_cutoff_factor(o, d.net(), d.number() as u32),
        25 => AdminUtils::sudo_set_mechanism_count(o, d.net(), MechId(d.number() as u8)),
        26 => AdminUtils::sudo_set_mechanism_emission_split(o, d.net(), Some(d.list(Dice::short))),
        27 => AdminUtils::sudo_set_max_allowed_uids(o, d.net(), d.short()),
        28 => AdminUtils::sudo_set_sn_owner_hotkey(o, d.net(), d.key()),
        29 => AdminUtils::sudo_set_bonds_moving_average(o, d.net(), d.number()),
        30 => AdminUtils::sudo_set_min_burn(o, d.net(), d.number()),
        31 => AdminUtils::sudo_set_alpha_values(o, d.net(), d.short(), d.short()),
        32 => M::register_network(o, d.key()),
        33 => M::add_stake_limit(o, d.key(), d.net(), d.number(), d.number(), d.coin()),
        34 => M::remove_stake_limit(o, d.key(), d.net(), d.number(), d.number(), d.coin()),
        35 => M::remove_stake_full_limit(o, d.key(), d.net(), Some(d.number())),
        36 => M::unstake_all(o, d.key()),
        37 => M::unstake_all_alpha(o, d.key()),
        38 => M::move_stake(o, d.key(), d.key(), d.net(), d.net(), d.number()),
        39 => M::transfer_stake(o, d.key(), d.key(), d.net(), d.net(), d.number()),
        40 => M::swap_stake(o, d.key(), d.net(), d.net(), d.number()),
        41 => M::swap_stake_limit(o, d.key(), d.net(), d.net(), d.number(), d.number(), d.coin()),
        42 => M::recycle_alpha(o, d.key(), d.number(), d.net()),
        43 => M::burn_alpha(o, d.key(), d.number(), d.net()),
        44 => Swap::set_fee_rate(o, d.net(), d.short()),
        45 => AdminUtils::sudo_set_toggle_transfer(o, d.net(), d.coin()),
        46 => AdminUtils::sudo_set_subnet_moving_alpha(o, crate::I96F32 { bits: d.number().into() }),
        47 => M::add_stake_burn(o, d.key(), d.net(), d.number(), d.coin().then(|| d.number())),
        48 => M::trigger_epoch(o, d.net()),
        49 => M::move_stake_limit(o, d.key(), d.key(), d.net(), d.net(), d.number(), d.number(), d.coin()),
        50 => M::transfer_stake_and_hotkey(o, d.key(), d.key(), d.key(), d.net(), d.net(), d.number()),
        51 => AdminUtils::sudo_trim_to_max_allowed_uids(o, d.net(), d.short()),
        52 => AdminUtils::sudo_set_min_allowed_uids(o, d.net(), d.short()),
        53 => M::update_symbol(o, d.net(), if d.coin() { "β".into() } else { d.list(|d| d.next() as u8) }),
        // Of subnets that do not exist: nothing would be left to call after one that does.
        54 => M::root_dissolve_network(o, NetUid(d.short() | 0x100)),
        _ => {
            pass(1);
            Ok(())
        }
    }
}

#[test]
fn any_call_with_any_arguments_leaves_a_sound_chain_and_a_refused_one_leaves_no_trace() {
    for seed in 0..3 {
        let on_chain = if seed % 2 == 0 { with_subnet } else { with_pool };
        on_chain(|| {
            let mut dice = Dice(seed);
            ok(AdminUtils::sudo_set_max_allowed_uids(signed(cold(OWNER)), NET, 4));
            let (mut taken, mut refused) = (0, 0);
            for step in 0..600 {
                let before = sp_io::storage::root(StateVersion::V1);
                let result = frame_support::storage::with_storage_layer(|| call(&mut dice));
                if result.is_err() {
                    refused += 1;
                    assert_eq!(sp_io::storage::root(StateVersion::V1), before, "seed {seed}, step {step}: {result:?}");
                } else {
                    taken += 1;
                }
                check();
            }
            assert!(taken > 30 && refused > 100, "{taken} taken, {refused} refused");
        });
    }
}

#[test]
fn an_administrator_waits_out_the_freeze_and_an_owner_its_rate_limit() {
    with_subnet(|| {
        let set = |origin| AdminUtils::sudo_set_rho(origin, NET, 5);
        ok(AdminUtils::sudo_set_admin_freeze_window(RuntimeOrigin::root(), 4));
        ok(AdminUtils::sudo_set_owner_hparam_rate_limit(RuntimeOrigin::root(), 2));
        // Epochs are at blocks 11, 21, ...: blocks 8 to 10 are less than 4 before the first.
        pass(6);
        ok(set(signed(cold(OWNER))));
        assert_noop!(set(signed(cold(OWNER))), Error::<Test>::TxRateLimitExceeded);
        ok(set(RuntimeOrigin::root()));
        pass(1);
        assert_noop!(set(RuntimeOrigin::root()), Error::<Test>::AdminActionProhibitedDuringWeightsWindow);
        pass(4);
        // Two tempos after block 7.
        assert_noop!(set(signed(cold(OWNER))), Error::<Test>::TxRateLimitExceeded);
        pass(15);
        assert_eq!(System::block_number(), 27);
        ok(set(signed(cold(OWNER))));
    });
}

#[test]
fn a_batch_does_what_it_can_and_says_what_it_could_not() {
    with_subnet(|| {
        commit_reveal(false);
        register(1);
        stake(1, 100 * RAO_PER_TAO);
        pass_epoch();
        let row = vec![(Compact(0u16), Compact(9u16))];
        let nets = vec![Compact(NET), Compact(NetUid(9))];
        let versions = vec![Compact(0u64); 2];
        let call = |rows, versions| SubtensorModule::batch_set_weights(signed(hot(1)), nets.clone(), rows, versions);
        assert_noop!(call(vec![row.clone()], versions.clone()), Error::<Test>::InputLengthsUnequal);
        ok(call(vec![row.clone(), row.clone()], versions.clone()));
        let failed = Event::BatchWeightItemFailed(NetUid(9), Error::<Test>::SubnetNotExists.into());
        assert!(events().contains(&failed) && events().contains(&Event::BatchCompletedWithErrors()));
        assert_eq!(crate::Weights::<Test>::get(crate::NetUidStorageIndex::from(NET), 1), [(0, 65_535)]);
        let commits = SubtensorModule::batch_commit_weights(signed(hot(1)), nets.clone(), vec![]);
        assert_eq!(commits, Err(Error::<Test>::InputLengthsUnequal.into()));
    });
}
