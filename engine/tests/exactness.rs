//! The same bits from every instruction set that this machine has, every number of threads, every way of dividing
//! sequences into microbatches, every number of microbatches in flight, and however much is computed again instead of kept:
//! over a hundred optimizer steps, merge included.
//! All in one binary, chosen at run time. Other machines must come to the same: what a hundred steps end in is written down.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::sync::{Arc, LazyLock};

use engine::{
    Bottleneck, Contribution, Cpu, Gradients, Instructions, MatrixRule, MicrobatchId, ModelConfig, OptimizerConfig,
    OptimizerState, Recompute, Schedule, Slope, Stage, StageOutput, TokenBatch, Weights, hash::bytes_hash, merge_on,
};

const SEED: [u8; 32] = [23; 32];
/// Sequences that each optimizer step learns from.
const SEQUENCES: usize = 3;

/// A hidden dimension beyond one inner piece, more than one block of queries, grouped queries, both kinds of ends.
fn config() -> ModelConfig {
    ModelConfig {
        d_model: 16,
        heads: 4,
        kv_heads: Some(2),
        ffn: 520,
        context: 67,
        layers_per_stage: vec![1, 1],
        bottleneck: Bottleneck::AnchorRes { r: 6, hidden: 20 },
        ..ModelConfig::small()
    }
}

/// Bytes in patterns that a model can learn from, the same for ever: the goldens below depend on them.
static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..20_000u32).map(|i| (i * i / 7 % 90 + 33) as u8).collect());

/// How a step is computed.
#[derive(Clone)]
struct Way {
    cpu: Cpu,
    sequences_per_microbatch: usize,
    in_flight: usize,
    recompute: Recompute,
}

impl Way {
    fn new(instructions: Instructions) -> Self {
        let cpu = Cpu::default().with_instructions(instructions);
        Self { cpu, sequences_per_microbatch: SEQUENCES, in_flight: 1, recompute: Recompute::Nothing }
    }

    fn threads(self, threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        Self { cpu: self.cpu.with_pool(Arc::new(pool)), ..self }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, threads) = (self.cpu.instructions().name(), self.cpu.threads());
        write!(
            f,
            "{name}, {threads} threads, {} sequences, {} in flight, {:?} computed again",
            self.sequences_per_microbatch, self.in_flight, self.recompute
        )
    }
}

fn microbatches(config: &ModelConfig, step: usize, sequences: usize) -> Vec<TokenBatch> {
    let length = config.context + 1;
    let starts = (0..SEQUENCES).map(|i| (step * SEQUENCES + i) * 131 % (TEXT.len() - length));
    let rows: Vec<&[u8]> = starts.map(|start| &TEXT[start..start + length]).collect();
    rows.chunks(sequences).map(|rows| TokenBatch::new(rows.len(), config.context, rows.concat()).unwrap()).collect()
}

/// Forward and backward of one step's microbatches, the oldest leaving when more would be in flight than allowed.
fn gradients(stages: &mut [Stage], batches: &[TokenBatch], in_flight: usize) -> Vec<Gradients> {
    let back = |stages: &mut [Stage], id: usize| {
        let mut gradient = None;
        for stage in stages.iter_mut().rev() {
            gradient = stage.backward(MicrobatchId(id as u64), gradient.as_ref()).unwrap();
        }
    };
    for (id, tokens) in batches.iter().enumerate() {
        if let Some(oldest) = id.checked_sub(in_flight) {
            back(stages, oldest);
        }
        let mut z = None;
        for stage in stages.iter_mut() {
            z = match stage.forward(MicrobatchId(id as u64), tokens, z.as_ref()).unwrap() {
                StageOutput::Boundary(z) => Some(z),
                StageOutput::Loss { .. } => None,
            };
        }
    }
    (batches.len().saturating_sub(in_flight)..batches.len()).for_each(|id| back(stages, id));
    stages.iter_mut().map(Stage::take_gradients).collect()
}

/// Names of all weights and optimizer states after each of `marks` steps.
fn train(way: &Way, optimizer: &OptimizerConfig, marks: &[usize]) -> Vec<String> {
    let config = config();
    let mut weights: Vec<Weights> =
        config.stage_indices().map(|stage| Weights::initial(&config, stage, &SEED).unwrap()).collect();
    let mut states: Vec<_> = weights.iter().map(|weights| OptimizerState::new(weights.layout(), optimizer)).collect();
    let mut stages: Vec<Stage> =
        weights.iter().map(|weights| Stage::new(&config, weights.stage(), weights, way.in_flight).unwrap()).collect();
    for stage in &mut stages {
        stage.set_cpu(way.cpu.clone());
        stage.set_recompute(way.recompute);
    }
    let mut names = Vec::new();
    for step in 1..=marks[marks.len() - 1] {
        let batches = microbatches(&config, step, way.sequences_per_microbatch);
        let gradients = gradients(&mut stages, &batches, way.in_flight);
        for (((stage, weights), state), gradients) in
            stages.iter_mut().zip(&mut weights).zip(&mut states).zip(gradients)
        {
            // Two contributors, so that clipping to the median and averaging take part.
            let half: Vec<f32> = gradients.values().iter().map(|value| value * 0.5).collect();
            let half = Gradients::from_values(&config, stage.index(), gradients.tokens(), half).unwrap();
            let both = [Contribution { uid: 3, gradients }, Contribution { uid: 8, gradients: half }];
            (*weights, *state) = merge_on(&way.cpu, optimizer, weights, state, &both).unwrap();
            stage.set_weights(weights).unwrap();
        }
        if marks.contains(&step) {
            let of = |(weights, state): (&Weights, &OptimizerState)| format!("{} {}", weights.hash(), state.hash());
            names.push(weights.iter().zip(&states).map(of).collect::<Vec<_>>().join(" "));
        }
    }
    names
}

fn optimizer() -> OptimizerConfig {
    let schedule = Schedule::Cosine { total_steps: 100, final_factor: 0.1 };
    OptimizerConfig { schedule, ..OptimizerConfig::default() }
}

fn muon() -> OptimizerConfig {
    let schedule = Schedule::WarmupStableDecay {
        total_steps: STEPS as u64,
        decay_steps: STEPS as u64 / 4,
        slope: Slope::OneMinusSqrt,
        final_factor: 0.1,
    };
    OptimizerConfig { schedule, matrices: MatrixRule::Muon { momentum: 0.9 }, ..OptimizerConfig::default() }
}

/// Where the weights are compared besides at the end.
const EARLY_STEPS: usize = 20;
const STEPS: usize = 100;

/// What the names of weights and states after all steps hash to, by AdamW and by Muon, on any processor. Found with AVX-512,
/// AVX2 and scalar instructions on x86-64, and with NEON on aarch64. Who changes them on purpose raises the manifest's version.
const ENDS: [&str; 2] = [
    "a6822de9c7379ade34c1421596f21396131462212d136639274db8bf35775601",
    "aef44aa0d3394601569181ad7ec15184825556f092bf38e380165feaa9d863c1",
];

#[test]
fn every_machine_ends_in_the_same_bits() {
    let ends = [optimizer(), muon()].map(|optimizer| {
        let names = train(&Way::new(Instructions::best()), &optimizer, &[STEPS]);
        bytes_hash(names[0].as_bytes()).to_string()
    });
    assert_eq!(ends, ENDS, "another machine came to other bits, or the model, the optimizer or this test changed");
}

#[test]
fn instruction_sets_and_threads_do_not_change_a_bit() {
    let marks = [1, EARLY_STEPS, STEPS];
    for optimizer in [optimizer(), muon()] {
        let exact = train(&Way::new(Instructions::best()), &optimizer, &marks);
        assert!(exact[0] != exact[1] && exact[1] != exact[2], "training moves the weights");
        for instructions in Instructions::available() {
            let way = Way::new(instructions);
            assert_eq!(train(&way, &optimizer, &marks), exact, "{way}, {:?}", optimizer.matrices);
        }
        for threads in [2, 3, 8] {
            let way = Way::new(Instructions::best()).threads(threads);
            assert_eq!(train(&way, &optimizer, &marks), exact, "{way}, {:?}", optimizer.matrices);
        }
    }
}

#[test]
fn microbatches_and_their_number_in_flight_do_not_change_a_bit() {
    let exact = train(&Way::new(Instructions::best()), &optimizer(), &[STEPS]);
    for (sequences_per_microbatch, in_flight) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)] {
        let way = Way { sequences_per_microbatch, in_flight, ..Way::new(Instructions::best()) };
        assert_eq!(train(&way, &optimizer(), &[STEPS]), exact, "{way}");
    }
    // All at once: other instructions, threads, division and depth, and the least kept.
    let recompute = Recompute::StageByLayers;
    let way = Way { sequences_per_microbatch: 1, in_flight: 3, recompute, ..Way::new(Instructions::available()[0]) };
    let way = way.threads(2);
    let exact = train(&Way::new(Instructions::best()), &optimizer(), &[EARLY_STEPS]);
    assert_eq!(train(&way, &optimizer(), &[EARLY_STEPS]), exact, "{way}");
}

#[test]
fn computing_again_does_not_change_a_bit() {
    let exact = train(&Way::new(Instructions::best()), &optimizer(), &[EARLY_STEPS]);
    for recompute in Recompute::ALL {
        let way = Way { recompute, sequences_per_microbatch: 1, in_flight: 2, ..Way::new(Instructions::best()) };
        assert_eq!(train(&way, &optimizer(), &[EARLY_STEPS]), exact, "{way}");
    }
}
