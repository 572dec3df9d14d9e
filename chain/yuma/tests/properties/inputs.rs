//! Inputs for the properties: consistent ones of every kind, and ones that may contradict themselves.

use proptest::prelude::*;
use yuma::{EpochParams, Fixed64, LiquidAlpha, Row, YumaVersion};

use crate::owned::Owned;

fn params() -> impl Strategy<Value = EpochParams> {
    let proportion = || prop_oneof![Just(0), Just(u16::MAX), Just(32_767), any::<u16>()];
    let liquid = (any::<u16>(), any::<u16>(), any::<i16>()).prop_map(|(low, high, steepness)| LiquidAlpha {
        low,
        high,
        steepness,
    });
    let liquid = prop_oneof![Just(None), Just(Some(LiquidAlpha::default())), liquid.prop_map(Some)];
    let yuma = prop_oneof![Just(YumaVersion::Yuma1), Just(YumaVersion::Yuma3)];
    (proportion(), proportion(), 0_u64..=1_000_000, yuma, liquid, 0_u16..12, 0_u16..100, 0_u64..60, 0_u64..4).prop_map(
        |(kappa, bonds_penalty, ppm, yuma, liquid_alpha, validators, tempo, cutoff, threshold)| EpochParams {
            kappa,
            tempo,
            activity_cutoff_blocks: cutoff,
            max_allowed_validators: validators,
            stake_threshold: threshold,
            bonds_moving_average_ppm: ppm,
            bonds_penalty,
            yuma,
            liquid_alpha,
        },
    )
}

/// Rows of a few distinct targets in any order, zeros among their values.
fn rows(uids: usize) -> impl Strategy<Value = Vec<Row>> {
    let value = || prop_oneof![1 => Just(0), 2 => Just(u16::MAX), 4 => any::<u16>()];
    let row = (Just((0..uids).collect::<Vec<_>>()).prop_shuffle(), prop::collection::vec(value(), 0..=uids)).prop_map(
        |(targets, values)| targets.into_iter().map(|target| u16::try_from(target).unwrap()).zip(values).collect(),
    );
    prop::collection::vec(row, uids)
}

fn stake() -> impl Strategy<Value = Fixed64> {
    prop_oneof![
        1 => Just(Fixed64::ZERO),
        3 => (0_u64..6).prop_map(Fixed64::from_num),
        3 => (0_i128..1 << 123).prop_map(Fixed64::from_bits),
        // Nine of these just fit together.
        1 => Just(Fixed64::from_bits(i128::MAX / 9)),
    ]
}

/// Blocks lie close together, so that every order of registrations, updates, commits and epochs comes up.
pub(crate) fn consistent_input() -> impl Strategy<Value = Owned> {
    (1_usize..10).prop_flat_map(|uids| {
        let blocks = || prop::collection::vec(0_u64..100, uids);
        let early = || prop::collection::vec(prop_oneof![3 => 0_u64..5, 1 => 0_u64..100], uids);
        let commits = prop::option::of(prop::collection::vec(prop::option::of(0_u64..100), uids));
        let owner = prop::option::of(0..u16::try_from(uids).unwrap());
        let emission = prop_oneof![Just(0), Just(1_000_000_000), any::<u64>()];
        let permits = prop::collection::vec(prop::bool::weighted(0.7), uids);
        let scalars = (params(), 0_u64..120, prop_oneof![Just(0), 0_u64..100], emission, owner);
        let rows = (rows(uids), rows(uids));
        let per_uid = (prop::collection::vec(stake(), uids), blocks(), early(), permits, commits);
        (scalars, per_uid, rows).prop_map(|(scalars, per_uid, (weights, bonds))| {
            let (params, current_block, last_step_block, emission, owner_uid) = scalars;
            let (stake, last_update, block_at_registration, validator_permit, earliest_live_commit) = per_uid;
            Owned {
                params,
                current_block,
                last_step_block,
                emission,
                owner_uid,
                stake,
                last_update,
                block_at_registration,
                validator_permit,
                weights,
                bonds,
                earliest_live_commit,
            }
        })
    })
}

/// Anything that the types allow: half of it consistent but extreme, half with one slice that does not belong.
pub(crate) fn arbitrary_input() -> impl Strategy<Value = Owned> {
    let wild = (any::<(u16, u64, u16, u64, u64)>(), any::<(u64, u64)>(), any::<[u64; 3]>(), 0_u8..12, any::<u16>());
    (consistent_input(), wild).prop_map(|(mut owned, wild)| {
        let ((tempo, cutoff, validators, threshold, ppm), (block, step), updates, fault, any) = wild;
        owned.params.tempo = tempo;
        owned.params.activity_cutoff_blocks = cutoff;
        owned.params.max_allowed_validators = validators;
        owned.params.stake_threshold = threshold;
        owned.current_block = block;
        owned.last_step_block = step;
        owned.last_update.iter_mut().zip(updates).for_each(|(updated, block)| *updated = block);
        match fault {
            0 => owned.params.bonds_moving_average_ppm = ppm,
            1 => owned.owner_uid = Some(any),
            2 => owned.weights[0].push((any, any)),
            3 => owned.bonds[0].insert(0, (any % 10, any)),
            4 => owned.stake.push(Fixed64::MIN),
            5 => owned.stake[0] = Fixed64::MIN,
            6 => owned.stake.clear(),
            7 => owned.stake.iter_mut().take(2).for_each(|stake| *stake = Fixed64::MAX),
            _ => (),
        }
        owned
    })
}
