//! Measures how far honest hops on other arithmetic than the engine's are from the exact bits, and how far those that save
//! work: the distributions that a tolerance is chosen by.
//!
//!     cargo run -p engine --release --example tolerance [-- [--json] [--wide] [--honest] [MICROBATCHES [STEPS [PROGRAM...]]]]
//!
//! A model is trained for STEPS steps on this crate's own source, then every stage of MICROBATCHES microbatches is
//! computed from the exact engine's inputs: on every device there is, in f64 (which says how far the exact engine is from the
//! formula), by each PROGRAM (a command line), and by those who skip a layer, use weights in fewer bits or of the step before,
//! or hand on what they were handed. Printed is a table of relative errors, a line for each of the three things that a hop
//! hands out and one for the larger of the two that a miner's leaf names, which is what an audit sees.
//!
//! `--json` prints the same as JSON. `--wide` takes a model of width 512 and context 256 in place of 64 and 128, whose sums are
//! longer. `--honest` leaves out those who save work.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod program;

use std::error::Error;

use engine::{
    Bottleneck, BoundaryTensor, MicrobatchId, ModelConfig, OptimizerConfig, Stage, StageOutput, TokenBatch,
    UncutTrainer, Weights,
    data::Corpus,
    recompute_hop,
    tolerance::{Accelerator, Claim, DeviceStage, DriftRules, HopErrors, compare_hop},
};
use program::Program;
use serde::Serialize;

const SEED: [u8; 32] = [5; 32];
const BATCH: usize = 4;

type Failure = Box<dyn Error>;

/// What a stage hands out for a microbatch.
struct Handed {
    output: StageOutput,
    back: Option<BoundaryTensor>,
    gradients: engine::Gradients,
}

/// Who computes, and how.
enum Who {
    Device(Accelerator),
    Program(Program),
    Reference,
    SkipsLayer,
    Bits(u32),
    StepBefore,
    Echo,
}

impl Who {
    fn name(&self) -> String {
        match self {
            Self::Device(accelerator) => format!("honest, Candle's operations on {accelerator}"),
            Self::Program(program) => format!("honest, {}", program.name),
            Self::Reference => "the formula in f64".into(),
            Self::SkipsLayer => "skips the last of its layers".into(),
            Self::Bits(bits) => format!("weights of {bits} bits of mantissa"),
            Self::StepBefore => "weights of the step before".into(),
            Self::Echo => "hands on what it was handed".into(),
        }
    }
}

/// One hop's inputs.
struct Hop<'a> {
    config: &'a ModelConfig,
    weights: &'a Weights,
    before: &'a Weights,
    tokens: &'a TokenBatch,
    incoming: Option<&'a BoundaryTensor>,
    outgoing_gradient: Option<&'a BoundaryTensor>,
}

impl Hop<'_> {
    fn on_device(&self, mut stage: DeviceStage) -> Result<Handed, Failure> {
        let id = MicrobatchId(0);
        let output = stage.forward(id, self.tokens, self.incoming)?;
        let back = stage.backward(id, self.outgoing_gradient)?;
        Ok(Handed { output, back, gradients: stage.take_gradients()? })
    }

    fn exactly(&self, weights: &Weights, layers: Option<usize>) -> Result<Handed, Failure> {
        let (id, mut stage) = (MicrobatchId(0), Stage::new(self.config, weights.stage(), weights, 1)?);
        if let Some(layers) = layers {
            stage.skip_layers_after(layers);
        }
        let output = stage.forward(id, self.tokens, self.incoming)?;
        let back = stage.backward(id, self.outgoing_gradient)?;
        Ok(Handed { output, back, gradients: stage.take_gradients() })
    }

    /// `None`: that cannot be done in this stage.
    fn computed_by(&self, who: &mut Who) -> Result<Option<Handed>, Failure> {
        let stage = self.weights.stage();
        Ok(Some(match who {
            Who::Device(accelerator) => {
                self.on_device(DeviceStage::new(self.config, self.weights, 1, *accelerator)?)?
            }
            Who::Program(program) => program.compute(self)?,
            Who::Reference => self.on_device(DeviceStage::reference(self.config, self.weights, 1)?)?,
            Who::SkipsLayer => self.exactly(self.weights, Some(self.config.layers_per_stage[stage.as_usize()] - 1))?,
            Who::Bits(bits) => {
                let mask = u32::MAX << (23 - *bits);
                let cut = self.weights.values().iter().map(|w| f32::from_bits(w.to_bits() & mask)).collect();
                self.exactly(&Weights::from_values(self.config, stage, cut)?, None)?
            }
            Who::StepBefore => self.exactly(self.before, None)?,
            Who::Echo => match (self.incoming, self.outgoing_gradient) {
                (Some(incoming), Some(gradient)) => Handed {
                    output: StageOutput::Boundary(incoming.clone()),
                    back: Some(gradient.clone()),
                    gradients: engine::Gradients::zero(self.config, stage)?,
                },
                _ => return Ok(None),
            },
        }))
    }

    fn errors_of(&self, handed: &Handed) -> Result<HopErrors, Failure> {
        let claim = Claim {
            incoming: self.incoming,
            outgoing_gradient: self.outgoing_gradient,
            output: Some(&handed.output),
            incoming_gradient: handed.back.as_ref(),
            gradients: Some(&handed.gradients),
        };
        Ok(compare_hop(self.config, self.weights, self.tokens, &claim)?)
    }
}

/// Quantiles of errors, by nearest rank.
#[derive(Serialize)]
struct Row {
    who: String,
    what: &'static str,
    hops: usize,
    least: f64,
    median: f64,
    p99: f64,
    most: f64,
}

impl Row {
    fn new(who: String, what: &'static str, mut errors: Vec<f64>) -> Option<Self> {
        errors.sort_by(f64::total_cmp);
        let at = |quantile: f64| errors.get(((errors.len() - 1) as f64 * quantile).round() as usize).copied();
        let hops = errors.len();
        if hops == 0 {
            return None;
        }
        Some(Self { who, what, hops, least: at(0.0)?, median: at(0.5)?, p99: at(0.99)?, most: at(1.0)? })
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name);
        place.map(|place| arguments.remove(place)).is_some()
    };
    let (json, wide, honest) = (flag("--json"), flag("--wide"), flag("--honest"));
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (microbatches, steps) = (number(0, 100)?.max(1), number(1, 60)?.max(1));

    let narrow = ModelConfig {
        layers_per_stage: vec![2, 2, 2],
        bottleneck: Bottleneck::AnchorRes { r: 16, hidden: 64 },
        ..ModelConfig::small()
    };
    let config = if wide {
        let bottleneck = Bottleneck::AnchorRes { r: 64, hidden: 256 };
        ModelConfig { d_model: 512, heads: 8, ffn: 1376, context: 256, bottleneck, ..narrow }
    } else {
        narrow
    };
    let text = [
        include_str!("../../src/stage.rs"),
        include_str!("../../src/data.rs"),
        include_str!("../../src/ops/attention.rs"),
    ];
    let corpus = Corpus::new(text.concat().repeat(4).as_bytes())?;
    let slice = |window, index| corpus.slice(&SEED, window, MicrobatchId(index), BATCH, config.context);

    let mut trainer = UncutTrainer::new(&config, OptimizerConfig::default(), &SEED)?;
    let mut before = trainer.weights();
    for step in 0..steps {
        before = trainer.weights();
        trainer.accumulate(&slice(step, 0)?)?;
        trainer.step()?;
    }
    let weights = trainer.weights();

    let mut all: Vec<Who> = Accelerator::present().into_iter().map(Who::Device).collect();
    all.push(Who::Reference);
    for command in arguments.get(2..).unwrap_or_default() {
        all.push(Who::Program(Program::start(command)?));
    }
    let saving = [Who::Bits(15), Who::Bits(10), Who::Bits(7), Who::StepBefore, Who::SkipsLayer, Who::Echo];
    if !honest {
        all.extend(saving);
    }
    let mut errors: Vec<[Vec<f64>; 4]> = all.iter().map(|_| Default::default()).collect();
    for index in 0..microbatches {
        eprint!("\rmicrobatch {} of {microbatches} ", index + 1);
        let tokens = slice(steps, index)?;
        // The inputs are the exact engine's, so that every hop is judged by itself.
        let (mut incoming, mut outgoing_gradient) = (vec![None], vec![None]);
        for weights in &weights {
            let hop = recompute_hop(&config, weights, &tokens, incoming[incoming.len() - 1].as_ref(), None)?;
            incoming.push(match hop.output {
                StageOutput::Boundary(z) => Some(z),
                StageOutput::Loss { .. } => None,
            });
        }
        for (place, weights) in weights.iter().enumerate().rev() {
            let gradient = outgoing_gradient[0].as_ref();
            let hop = recompute_hop(&config, weights, &tokens, incoming[place].as_ref(), gradient)?;
            outgoing_gradient.insert(0, hop.incoming_gradient);
        }
        for (place, (weights, before)) in weights.iter().zip(&before).enumerate() {
            let hop = Hop {
                config: &config,
                weights,
                before,
                tokens: &tokens,
                incoming: incoming[place].as_ref(),
                outgoing_gradient: outgoing_gradient[place + 1].as_ref(),
            };
            for (who, [outputs, backs, gradients, shown]) in all.iter_mut().zip(&mut errors) {
                let Some(handed) = hop.computed_by(who)? else { continue };
                let found = hop.errors_of(&handed)?;
                // A loss is in nobody's leaf: a single number may be right by chance.
                let named = HopErrors {
                    output: found.output.filter(|_| !config.is_last(weights.stage())),
                    gradients: None,
                    ..found
                };
                outputs.extend(named.output);
                backs.extend(found.incoming_gradient);
                gradients.extend(found.gradients);
                shown.push(named.worst());
            }
        }
    }
    eprintln!();
    let rows: Vec<Row> = all
        .iter()
        .zip(errors)
        .flat_map(|(who, [outputs, backs, gradients, shown])| {
            let row = |what, errors| Row::new(who.name(), what, errors);
            [
                row("z", outputs),
                row("gradient of z", backs),
                row("gradients of θ", gradients),
                row("what a leaf names", shown),
            ]
        })
        .flatten()
        .collect();
    if json {
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    println!(
        "{:<40} {:<15} {:>5} {:>9} {:>9} {:>9} {:>9}",
        "who", "relative error of", "hops", "least", "median", "99 %", "most"
    );
    for Row { who, what, hops, least, median, p99, most } in &rows {
        println!("{who:<40} {what:<17} {hops:>5} {least:>9.1e} {median:>9.1e} {p99:>9.1e} {most:>9.1e}");
    }
    println!("\nhops until the test convicts, by how often a hop exceeds the bound:");
    for (rise, limit) in [(100, 101), (100, 201), (20, 41)] {
        let rules = DriftRules::new(rise, limit)?;
        let lengths: Vec<_> = [1e-6, 1e-5, 1e-4, 1e-3, 0.1, 0.5, 1.0]
            .map(|rate| format!("{rate}: {:.3e}", rules.run_length(rate)))
            .into();
        println!("  rise {rise}, limit {limit}: {}", lengths.join(", "));
    }
    Ok(())
}
