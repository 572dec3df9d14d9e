//! Stages on every device that this machine has and the program was built for, against the exact engine.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use engine::{
    Bottleneck, BoundaryTensor, MicrobatchId, ModelConfig, Stage, StageError, StageIndex, StageOutput, TokenBatch,
    Weights,
    data::Corpus,
    recompute_hop,
    tolerance::{Accelerator, Claim, DeviceStage, HopErrors, compare_hop, relative_error},
};

const SEED: [u8; 32] = [23; 32];
/// Of one hop in f32 on whatever device. Measured: some 10⁻⁶ at most on processors.
const ROUNDINGS: f64 = 2e-5;

fn config(layers_per_stage: &[usize], bottleneck: Bottleneck, kv_heads: Option<usize>) -> ModelConfig {
    ModelConfig {
        vocab: 256,
        d_model: 48,
        heads: 6,
        kv_heads,
        ffn: 100,
        context: 40,
        layers_per_stage: layers_per_stage.to_vec(),
        bottleneck,
        rope_base: 10_000,
    }
}

fn configs() -> Vec<ModelConfig> {
    let anchor = Bottleneck::AnchorRes { r: 10, hidden: 24 };
    vec![
        config(&[1, 2, 1], anchor, None),
        config(&[1, 1, 1], anchor, Some(2)),
        config(&[1, 1], Bottleneck::Cut, Some(1)),
        config(&[1, 1], Bottleneck::None, Some(3)),
        config(&[2], Bottleneck::None, None),
    ]
}

fn tokens(config: &ModelConfig, index: u64, context: usize) -> TokenBatch {
    let text = [include_str!("../src/stage.rs"), include_str!("../src/data.rs")];
    let corpus = Corpus::new(text.concat().repeat(4).as_bytes()).unwrap();
    corpus.slice(&SEED, 0, MicrobatchId(index), 3, context.min(config.context)).unwrap()
}

fn weights(config: &ModelConfig) -> Vec<Weights> {
    config.stage_indices().map(|stage| Weights::initial(config, stage, &SEED).unwrap()).collect()
}

/// Some gradient of the size of a real one.
fn gradient(rows: usize, width: usize) -> BoundaryTensor {
    let values = (0..rows * width).map(|i| ((i * 2_654_435_761) % 1009) as f32 / 1009.0 - 0.5).collect();
    BoundaryTensor::new(rows, width, values).unwrap()
}

/// A hop of every stage, each from what the exact stage before hands over.
fn hops(config: &ModelConfig, tokens: &TokenBatch) -> Vec<(Weights, Option<BoundaryTensor>, Option<BoundaryTensor>)> {
    let mut incoming = None;
    weights(config)
        .into_iter()
        .map(|weights| {
            let back = (!config.is_last(weights.stage()))
                .then(|| gradient(tokens.tokens(), config.outgoing_width(weights.stage())));
            let output = recompute_hop(config, &weights, tokens, incoming.as_ref(), back.as_ref()).unwrap().output;
            let outgoing = match output {
                StageOutput::Boundary(z) => Some(z),
                StageOutput::Loss { .. } => None,
            };
            (weights, std::mem::replace(&mut incoming, outgoing), back)
        })
        .collect()
}

fn errors_of(config: &ModelConfig, tokens: &TokenBatch, make: impl Fn(&Weights) -> DeviceStage) -> Vec<HopErrors> {
    let hop = |(weights, incoming, back): (Weights, Option<BoundaryTensor>, Option<BoundaryTensor>)| {
        let mut stage = make(&weights);
        let output = stage.forward(MicrobatchId(7), tokens, incoming.as_ref()).unwrap();
        let passed_back = stage.backward(MicrobatchId(7), back.as_ref()).unwrap();
        assert_eq!(passed_back.is_some(), !config.is_first(weights.stage()));
        let gradients = stage.take_gradients().unwrap();
        assert_eq!(gradients.tokens(), tokens.tokens() as u64);
        let claim = Claim {
            incoming: incoming.as_ref(),
            outgoing_gradient: back.as_ref(),
            output: Some(&output),
            incoming_gradient: passed_back.as_ref(),
            gradients: Some(&gradients),
        };
        compare_hop(config, &weights, tokens, &claim).unwrap()
    };
    hops(config, tokens).into_iter().map(hop).collect()
}

#[test]
fn every_device_computes_the_hop_that_the_exact_engine_computes() {
    for accelerator in Accelerator::present() {
        for config in configs() {
            for context in [40, 17] {
                let tokens = tokens(&config, 0, context);
                let errors =
                    errors_of(&config, &tokens, |weights| DeviceStage::new(&config, weights, 1, accelerator).unwrap());
                for (stage, errors) in errors.iter().enumerate() {
                    assert!(errors.worst() < ROUNDINGS, "{accelerator}, {config:?}, stage {stage}: {errors:?}");
                }
            }
        }
    }
}

/// In f64 what is left is the exact engine's own rounding.
#[test]
fn the_reference_says_how_far_exact_bits_are_from_the_formula() {
    for config in configs() {
        let tokens = tokens(&config, 1, 40);
        let errors = errors_of(&config, &tokens, |weights| DeviceStage::reference(&config, weights, 1).unwrap());
        for errors in errors {
            assert!(errors.worst() < ROUNDINGS, "{config:?}: {errors:?}");
        }
    }
}

#[test]
fn gradients_of_several_microbatches_in_flight_add_up() {
    let config = config(&[1, 1], Bottleneck::AnchorRes { r: 10, hidden: 24 }, None);
    let weights = weights(&config);
    let batches: Vec<_> = (0..3).map(|index| tokens(&config, index, 40)).collect();
    let (z, back) = (gradient(120, 10), None);
    let mut exact = Stage::new(&config, StageIndex(1), &weights[1], 3).unwrap();
    for (id, tokens) in (0..).zip(&batches) {
        exact.forward(MicrobatchId(id), tokens, Some(&z)).unwrap();
        exact.backward(MicrobatchId(id), back).unwrap();
    }
    let exact = exact.take_gradients();
    for accelerator in Accelerator::present() {
        let mut stage = DeviceStage::new(&config, &weights[1], 3, accelerator).unwrap();
        for (id, tokens) in (0..).zip(&batches) {
            stage.forward(MicrobatchId(id), tokens, Some(&z)).unwrap();
        }
        let full = stage.forward(MicrobatchId(9), &batches[0], Some(&z));
        assert!(matches!(full, Err(StageError::Full { limit: 3, .. })));
        for id in [2, 0, 1] {
            stage.backward(MicrobatchId(id), back).unwrap();
        }
        let found = stage.take_gradients().unwrap();
        assert_eq!(found.tokens(), exact.tokens());
        assert!(relative_error(found.values(), exact.values()) < ROUNDINGS);
        let empty = stage.take_gradients().unwrap();
        assert!(empty.tokens() == 0 && empty.values().iter().all(|&value| value == 0.0), "the sum starts anew");
    }
}

#[test]
fn wrong_input_is_refused_and_costs_no_microbatch() {
    let config = config(&[1, 1], Bottleneck::AnchorRes { r: 10, hidden: 24 }, None);
    let weights = weights(&config);
    let tokens = tokens(&config, 0, 40);
    let id = MicrobatchId(1);
    let mut stage = DeviceStage::new(&config, &weights[0], 1, Accelerator::Cpu).unwrap();
    assert!(matches!(stage.forward(id, &tokens, Some(&gradient(120, 10))), Err(StageError::WrongShape { .. })));
    assert!(matches!(stage.backward(id, None), Err(StageError::NotInFlight { .. })));
    stage.forward(id, &tokens, None).unwrap();
    assert!(matches!(stage.forward(id, &tokens, None), Err(StageError::AlreadyInFlight { .. })));
    assert!(matches!(stage.backward(id, None), Err(StageError::WrongShape { .. })));
    assert!(matches!(stage.backward(id, Some(&gradient(120, 9))), Err(StageError::WrongShape { .. })));
    assert_eq!(stage.backward(id, Some(&gradient(120, 10))).unwrap(), None, "it was still there");
    stage.forward(id, &tokens, None).unwrap();
    assert!(stage.drop_microbatch(id) && !stage.drop_microbatch(id));
    stage.forward(id, &tokens, None).unwrap();
    assert_eq!((stage.drop_all(), stage.drop_all()), (1, 0));
    let foreign = ModelConfig { ffn: 99, ..config };
    assert!(matches!(
        DeviceStage::new(&foreign, &weights[0], 1, Accelerator::Cpu),
        Err(StageError::ForeignWeights { .. })
    ));
}

/// What is no rounding is far beyond every rounding.
#[test]
fn saved_work_shows() {
    let config = config(&[1, 2], Bottleneck::AnchorRes { r: 10, hidden: 24 }, None);
    let weights = weights(&config);
    let tokens = tokens(&config, 0, 40);
    let z = gradient(120, 10);
    let compare = |stage: &mut Stage| {
        let output = stage.forward(MicrobatchId(0), &tokens, Some(&z)).unwrap();
        let back = stage.backward(MicrobatchId(0), None).unwrap();
        let gradients = stage.take_gradients();
        let claim = Claim {
            incoming: Some(&z),
            outgoing_gradient: None,
            output: Some(&output),
            incoming_gradient: back.as_ref(),
            gradients: Some(&gradients),
        };
        compare_hop(&config, &weights[1], &tokens, &claim).unwrap()
    };
    let mut honest = Stage::new(&config, StageIndex(1), &weights[1], 1).unwrap();
    assert_eq!(compare(&mut honest).worst(), 0.0, "the exact engine against itself");
    let mut lazy = Stage::new(&config, StageIndex(1), &weights[1], 1).unwrap();
    lazy.skip_layers_after(1);
    assert!(compare(&mut lazy).incoming_gradient.unwrap() > 100.0 * ROUNDINGS);
    // Weights in half the bits: the smallest saving there is.
    let rounded: Vec<f32> = weights[1].values().iter().map(|w| f32::from_bits(w.to_bits() & 0xffff_0000)).collect();
    let rounded = Weights::from_values(&config, StageIndex(1), rounded).unwrap();
    let mut cheap = Stage::new(&config, StageIndex(1), &rounded, 1).unwrap();
    assert!(compare(&mut cheap).worst() > 10.0 * ROUNDINGS);
}
