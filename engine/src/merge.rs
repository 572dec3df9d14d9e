//! From one window's weights to the next: a function of the weights, the optimizer's state, and the agreed contributions.
//!
//! Whoever has these computes the same bits, in whatever order the contributions arrived.

use thiserror::Error;

use crate::{
    buffer::Buffer,
    cpu::Cpu,
    model::{Gradients, Parameter, StageIndex, Weights},
    ops::lanes::{add_scaled, scaled, square_sum},
    optimizer::{MeanGradient, OptimizerConfig, OptimizerState},
};

/// Most contributions to one merge.
pub const MAX_CONTRIBUTIONS: usize = 4096;

/// The committed gradients of one replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Whose.
    pub uid: u16,
    /// What it summed, and over how many tokens; the tokens are its weight in the average.
    pub gradients: Gradients,
}

/// Why a merge was refused. The weights stand.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Too many.
    #[error("{found} contributions exceed {MAX_CONTRIBUTIONS}")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// Two under one uid.
    #[error("uid {uid} contributes twice")]
    Twice {
        /// Whose.
        uid: u16,
    },
    /// Gradients of another stage or model.
    #[error("uid {uid} contributes gradients of stage {found}, which do not fit the weights of stage {stage}")]
    Foreign {
        /// Whose.
        uid: u16,
        /// The stage merged.
        stage: StageIndex,
        /// The stage contributed to.
        found: StageIndex,
    },
    /// A gradient over nothing.
    #[error("uid {uid} contributes gradients of no tokens")]
    NoTokens {
        /// Whose.
        uid: u16,
    },
    /// One such value would spread to all weights of all replicas.
    #[error("uid {uid} contributes values that are not finite in {parameter}")]
    NotFinite {
        /// Whose.
        uid: u16,
        /// Where.
        parameter: String,
    },
    /// A state of another stage, or one that other rules moved.
    #[error("the optimizer's state does not belong to stage {stage} under this run's rules")]
    ForeignState {
        /// The stage merged.
        stage: StageIndex,
    },
    /// The step itself left the range of f32.
    #[error("the merged weights of stage {stage} are not finite: lower the learning rate")]
    Diverged {
        /// The stage.
        stage: StageIndex,
    },
}

/// The next window's weights and state. Per parameter, each contribution's mean gradient is clipped to the median norm
/// of all (of an even number, the lower middle); then the average weighted by tokens, in the order of uids; then one
/// optimizer step. No contributions leave everything standing.
pub fn merge(
    config: &OptimizerConfig,
    weights: &Weights,
    state: &OptimizerState,
    contributions: &[Contribution],
) -> Result<(Weights, OptimizerState), MergeError> {
    merge_on(&Cpu::default(), config, weights, state, contributions)
}

/// [`merge`] with chosen instructions and threads; the bits are the same.
pub fn merge_on(
    cpu: &Cpu,
    config: &OptimizerConfig,
    weights: &Weights,
    state: &OptimizerState,
    contributions: &[Contribution],
) -> Result<(Weights, OptimizerState), MergeError> {
    let (mut weights, mut state) = (weights.clone(), state.clone());
    merge_in_place(cpu, config, &mut weights, &mut state, contributions)?;
    Ok((weights, state))
}

/// [`merge_on`] with weights and a state that are moved where they lie, the weights if nobody else holds them. After
/// [`MergeError::Diverged`] both are of no further use.
pub(crate) fn merge_in_place(
    cpu: &Cpu,
    config: &OptimizerConfig,
    weights: &mut Weights,
    state: &mut OptimizerState,
    contributions: &[Contribution],
) -> Result<(), MergeError> {
    cpu.enter(|| {
        let mut ordered: Vec<&Contribution> = contributions.iter().collect();
        ordered.sort_by_key(|contribution| contribution.uid);
        if !state.fits(weights.layout(), config) {
            return Err(MergeError::ForeignState { stage: weights.stage() });
        }
        let norms = check(cpu, weights, &ordered)?;
        if ordered.is_empty() {
            return Ok(());
        }
        let stage = weights.stage();
        let mean;
        let gradient = match ordered.as_slice() {
            // One alone is the median and the average: its mean and the norm of that take no other pass.
            [alone] => MeanGradient {
                values: alone.gradients.values(),
                factor: (1.0 / alone.gradients.tokens() as f64) as f32,
                norm: norms[0].iter().map(|norm| norm * norm).sum::<f64>().sqrt(),
            },
            _ => {
                mean = average(cpu, weights, &ordered, &norms);
                MeanGradient { values: &mean, factor: 1.0, norm: square_sum(cpu, &mean).sqrt() }
            }
        };
        let (layout, values) = weights.parts_mut();
        let finite = state.apply(cpu, config, layout, values, &gradient);
        if finite { Ok(()) } else { Err(MergeError::Diverged { stage }) }
    })
}

/// Refuses what must not enter. Of each contribution, the norm of each parameter's mean gradient.
fn check(cpu: &Cpu, weights: &Weights, ordered: &[&Contribution]) -> Result<Vec<Vec<f64>>, MergeError> {
    if ordered.len() > MAX_CONTRIBUTIONS {
        return Err(MergeError::TooMany { found: ordered.len() });
    }
    if let Some(pair) = ordered.windows(2).find(|pair| pair[0].uid == pair[1].uid) {
        return Err(MergeError::Twice { uid: pair[0].uid });
    }
    let norms = ordered.iter().map(|contribution| norms(cpu, weights, contribution));
    norms.collect()
}

fn norms(cpu: &Cpu, weights: &Weights, contribution: &Contribution) -> Result<Vec<f64>, MergeError> {
    let Contribution { uid, gradients } = contribution;
    let uid = *uid;
    if gradients.stage() != weights.stage() || gradients.layout() != weights.layout() {
        return Err(MergeError::Foreign { uid, stage: weights.stage(), found: gradients.stage() });
    }
    if gradients.tokens() == 0 {
        return Err(MergeError::NoTokens { uid });
    }
    let of = |parameter: &Parameter| {
        let squares = square_sum(cpu, &gradients.values()[parameter.range.clone()]);
        // In f64 the squares of all f32s there could be add up to something finite.
        match squares.is_finite() {
            true => Ok(squares.sqrt() / gradients.tokens() as f64),
            false => Err(MergeError::NotFinite { uid, parameter: parameter.name.clone() }),
        }
    };
    gradients.layout().parameters().iter().map(of).collect()
}

/// The clipped, token-weighted mean gradient.
fn average(cpu: &Cpu, weights: &Weights, ordered: &[&Contribution], norms: &[Vec<f64>]) -> Buffer {
    // Parameters lie one after the other: nothing between them is left as it was.
    let mut mean = cpu.buffer(weights.layout().len());
    let all_tokens: f64 = ordered.iter().map(|contribution| contribution.gradients.tokens() as f64).sum();
    for (i, parameter) in weights.layout().parameters().iter().enumerate() {
        let mut sorted: Vec<f64> = norms.iter().map(|norms| norms[i]).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[(sorted.len() - 1) / 2];
        let mean = &mut mean[parameter.range.clone()];
        for (at, (contribution, norms)) in ordered.iter().zip(norms).enumerate() {
            let clip = if norms[i] > median { median / norms[i] } else { 1.0 };
            // (sum / tokens) · (tokens / all tokens) · clip
            let factor = (clip / all_tokens) as f32;
            let sum = &contribution.gradients.values()[parameter.range.clone()];
            let share = cpu.share(sum.len());
            cpu.each(mean.chunks_mut(share).zip(sum.chunks(share)), |(mean, sum)| match at {
                0 => scaled(cpu, mean, sum, factor),
                _ => add_scaled(cpu, mean, sum, factor),
            });
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::Instructions, model::ModelConfig, ops::oracle::pseudo_random, optimizer::MatrixRule};

    const STAGE: StageIndex = StageIndex(2);

    fn contribution(uid: u16, tokens: u64, scale: f32) -> Contribution {
        let config = ModelConfig::small();
        let length = config.layout(STAGE).unwrap().len();
        let values = pseudo_random(u64::from(uid), length).iter().map(|v| v * scale).collect();
        Contribution { uid, gradients: Gradients::from_values(&config, STAGE, tokens, values).unwrap() }
    }

    fn start() -> (Weights, OptimizerState) {
        let weights = Weights::initial(&ModelConfig::small(), STAGE, &[1; 32]).unwrap();
        let state = OptimizerState::new(weights.layout(), &OptimizerConfig::default());
        (weights, state)
    }

    fn mean(weights: &Weights, ordered: &[&Contribution]) -> Buffer {
        let cpu = Cpu::default();
        average(&cpu, weights, ordered, &check(&cpu, weights, ordered).unwrap())
    }

    #[test]
    fn order_of_arrival_does_not_matter_and_nothing_changes_nothing() {
        let (weights, state) = start();
        let config = OptimizerConfig::default();
        let mut list = vec![contribution(3, 100, 1.0), contribution(9, 70, 2.0), contribution(4, 130, 0.5)];
        let (theta, moved) = merge(&config, &weights, &state, &list).unwrap();
        list.rotate_left(1);
        let (again, moved_again) = merge(&config, &weights, &state, &list).unwrap();
        assert_eq!((theta.hash(), moved.hash()), (again.hash(), moved_again.hash()));
        assert_ne!(theta.hash(), weights.hash());
        let (still, state_still) = merge(&config, &weights, &state, &[]).unwrap();
        assert_eq!((still.hash(), state_still.hash()), (weights.hash(), state.hash()));
    }

    #[test]
    fn an_inflated_contribution_weighs_no_more_than_the_median() {
        let (weights, _) = start();
        let honest = [contribution(1, 100, 100.0), contribution(2, 100, 110.0), contribution(3, 100, 120.0)];
        let inflated = [honest[0].clone(), honest[1].clone(), contribution(3, 100, 1e9)];
        let mean = |list: &[Contribution]| mean(&weights, &list.iter().collect::<Vec<_>>());
        let (plain, attacked) = (mean(&honest), mean(&inflated));
        let ratio = square_sum(&Cpu::default(), &attacked).sqrt() / square_sum(&Cpu::default(), &plain).sqrt();
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn equal_parts_average_to_the_whole() {
        let (weights, _) = start();
        let one = contribution(1, 60, 3.0);
        let same = Contribution { uid: 2, ..one.clone() };
        let (alone, both) = (mean(&weights, &[&one]), mean(&weights, &[&one, &same]));
        assert!(alone.iter().zip(both.iter()).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs()));
    }

    #[test]
    fn one_alone_is_merged_as_two_equal_ones_would_be_by_any_instructions_and_threads() {
        let (weights, _) = start();
        let one = contribution(1, 60, 3.0);
        let (alone, pair) = (std::slice::from_ref(&one), [one.clone(), Contribution { uid: 2, ..one.clone() }]);
        for matrices in [MatrixRule::AdamW, MatrixRule::Muon { momentum: 0.9 }] {
            // Short enough that it clips.
            let config = OptimizerConfig { matrices, clip_norm: 0.1, ..OptimizerConfig::default() };
            let state = OptimizerState::new(weights.layout(), &config);
            let merged = |cpu: &Cpu, all: &[Contribution]| merge_on(cpu, &config, &weights, &state, all).unwrap().0;
            let baseline = merged(&Cpu::default().with_instructions(Instructions::available()[0]), alone);
            let pool = std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());
            for instructions in Instructions::available() {
                let cpu = Cpu::default().with_instructions(instructions);
                assert_eq!(merged(&cpu, alone), baseline, "{}", instructions.name());
                assert_eq!(merged(&cpu.with_pool(pool.clone()), alone), baseline, "threads");
            }
            let both = merged(&Cpu::default(), &pair);
            let pairs = baseline.values().iter().zip(both.values()).zip(weights.values());
            let apart = pairs.map(|((a, b), before)| (a - b).abs() / (a - before).abs().max(1e-4));
            assert!(apart.fold(0.0, f32::max) < 1e-2, "{matrices:?}");
            assert_ne!(baseline, weights);
        }
    }

    #[test]
    fn what_must_not_enter_is_named() {
        let (weights, state) = start();
        let refuse = |list: &[Contribution]| merge(&OptimizerConfig::default(), &weights, &state, list).unwrap_err();
        let one = contribution(5, 10, 1.0);
        assert_eq!(refuse(&[one.clone(), one.clone()]), MergeError::Twice { uid: 5 });
        let mut spoiled = one.clone();
        spoiled.gradients.values_mut()[0] = f32::NAN;
        assert!(matches!(refuse(&[spoiled]), MergeError::NotFinite { uid: 5, .. }));
        assert_eq!(refuse(&[contribution(5, 0, 1.0)]), MergeError::NoTokens { uid: 5 });
        let foreign =
            Contribution { uid: 5, gradients: Gradients::zero(&ModelConfig::small(), StageIndex(0)).unwrap() };
        assert!(matches!(refuse(&[foreign]), MergeError::Foreign { uid: 5, found: StageIndex(0), .. }));
        let muon = OptimizerConfig { matrices: MatrixRule::Muon { momentum: 0.9 }, ..OptimizerConfig::default() };
        assert_eq!(merge(&muon, &weights, &state, &[one]), Err(MergeError::ForeignState { stage: STAGE }));
    }
}
