//! Inputs for the properties: consistent ones of every kind, and ones that may contradict themselves.

use proptest::prelude::*;
use yuma::{EpochInput, EpochParams, Fixed64, LiquidAlpha, Row, YumaVersion};

/// An input with its slices.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) params: EpochParams,
    pub(crate) current_block: u64,
    pub(crate) last_step_block: u64,
    pub(crate) emission: u64,
    pub(crate) owner_uid: Option<u16>,
    pub(crate) stake: Vec<Fixed64>,
    pub(crate) last_update: Vec<u64>,
    pub(crate) block_at_registration: Vec<u64>,
    pub(crate) validator_permit: Vec<bool>,
    pub(crate) weights: Vec<Row>,
    pub(crate) bonds: Vec<Row>,
    pub(crate) earliest_live_commit: Option<Vec<Option<u64>>>,
}

impl Owned {
    pub(crate) fn borrowed(&self) -> EpochInput<'_> {
        EpochInput {
            params: self.params,
            current_block: self.current_block,
            last_step_block: self.last_step_block,
            emission: self.emission,
            owner_uid: self.owner_uid,
            stake: &self.stake,
            last_update: &self.last_update,
            block_at_registration: &self.block_at_registration,
            validator_permit: &self.validator_permit,
            weights: &self.weights,
            bonds: &self.bonds,
            earliest_live_commit: self.earliest_live_commit.as_deref(),
        }
    }

    /// The definition, written differently from the crate's.
    pub(crate) fn is_consistent(&self) -> bool {
        let uids = self.stake.len();
        let rows_are = |rows: &[Row]| {
            rows.len() == uids
                && rows.iter().all(|row| {
                    let mut targets: Vec<u16> = row.iter().map(|&(target, _)| target).collect();
                    targets.sort_unstable();
                    targets.windows(2).all(|two| two[0] != two[1])
                        && targets.last().is_none_or(|&last| usize::from(last) < uids)
                })
        };
        self.last_update.len() == uids
            && self.block_at_registration.len() == uids
            && self.validator_permit.len() == uids
            && self.earliest_live_commit.as_ref().is_none_or(|commits| commits.len() == uids)
            && self.owner_uid.is_none_or(|uid| usize::from(uid) < uids)
            && self.stake.iter().all(|stake| *stake >= 0)
            && self.stake.iter().try_fold(0_i128, |total, stake| total.checked_add(stake.to_bits())).is_some()
            && self.params.bonds_moving_average_ppm <= 1_000_000
            && rows_are(&self.weights)
            && rows_are(&self.bonds)
    }

    pub(crate) fn sort_rows(&mut self) {
        self.weights.iter_mut().chain(&mut self.bonds).for_each(|row| row.sort_unstable());
    }

    /// The same neurons, where what was uid `i` is now `names[i]`.
    pub(crate) fn renamed(&self, names: &[usize]) -> Self {
        Self {
            owner_uid: self.owner_uid.map(|uid| name(uid, names)),
            stake: rename(&self.stake, names),
            last_update: rename(&self.last_update, names),
            block_at_registration: rename(&self.block_at_registration, names),
            validator_permit: rename(&self.validator_permit, names),
            weights: rename_rows(&self.weights, names),
            bonds: rename_rows(&self.bonds, names),
            earliest_live_commit: self.earliest_live_commit.as_ref().map(|commits| rename(commits, names)),
            ..self.clone()
        }
    }
}

fn name(uid: u16, names: &[usize]) -> u16 {
    u16::try_from(names[usize::from(uid)]).unwrap()
}

pub(crate) fn rename<T: Clone>(values: &[T], names: &[usize]) -> Vec<T> {
    let mut renamed = values.to_vec();
    values.iter().zip(names).for_each(|(value, &name)| renamed[name] = value.clone());
    renamed
}

/// Rows come out sorted.
pub(crate) fn rename_rows(rows: &[Row], names: &[usize]) -> Vec<Row> {
    let mut renamed = rename(rows, names);
    for row in &mut renamed {
        row.iter_mut().for_each(|(target, _)| *target = name(*target, names));
        row.sort_unstable();
    }
    renamed
}

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
