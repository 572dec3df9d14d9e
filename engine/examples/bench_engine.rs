//! Trains and times a model for a benchmark, which drives it: `bench_engine SUBJECT.json`, then on standard input
//!
//! - `export PATH`: writes the initial weights as safetensors;
//! - `train N`: runs N training steps and prints each one's loss, in nats per token, and how long it took;
//! - `window N`: takes N microbatches there and back and then their gradients, as a miner does between two merges, on the
//!   device that the subject names, else by the exact engine; prints each one's loss and how long they took together;
//! - `engines N`: runs five training steps in each of N engines at once, in this process, a thread each, and prints how long
//!   they took: an object for each engine;
//! - `floor N`: times the matrix products of N steps alone, with the crate `gemm`;
//! - `memory N`: prints what a microbatch in flight takes, found with N of them.
//!
//! One process serves all sides of an interleaved comparison: it computes only when told to.

use std::{
    error::Error,
    fs,
    io::{BufRead, Write},
    path::PathBuf,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use engine::{
    Cpu, Gradients, Instructions, MicrobatchId, ModelConfig, OptimizerConfig, Stage, StageError, StageIndex,
    StageOutput, TokenBatch, UncutTrainer, WholeModel, checkpoint, model::ParameterKind, tolerance::DeviceStage,
    uncut::UncutError,
};
use rustix::time::ClockId;
use serde::{Deserialize, Serialize};

/// What is trained, on what, and how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    model: ModelConfig,
    optimizer: OptimizerConfig,
    /// Bytes of text that sequences are cut from.
    corpus: PathBuf,
    /// Sequences of a step.
    batch: usize,
    threads: usize,
    /// A name of [`Instructions`]; `None`: the widest.
    instructions: Option<String>,
    /// A name of [`engine::tolerance::Accelerator`], for `window`; `None`: the exact engine.
    device: Option<String>,
}

/// Steps that each of several engines runs beside the others.
const STEPS_OF_EACH: u64 = 5;

/// Seconds on the wall, and of a processor clock.
#[derive(Default, Serialize)]
struct Times {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    /// `clock`: whose processor time counts, the process's or the thread's.
    fn measure<R>(&mut self, clock: ClockId, work: impl FnOnce() -> R) -> R {
        #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
        let (wall, cpu) = (Instant::now(), seconds(clock));
        let result = work();
        self.wall.push(wall.elapsed().as_secs_f64());
        self.cpu.push(seconds(clock) - cpu);
        result
    }
}

fn seconds(clock: ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[derive(Serialize)]
struct Trained {
    losses: Vec<f64>,
    times: Times,
}

/// One step, measured: nats per token before it.
fn train(
    trainer: &mut UncutTrainer,
    tokens: &TokenBatch,
    times: &mut Times,
    clock: ClockId,
) -> Result<f64, UncutError> {
    let loss_sum = times.measure(clock, || {
        let loss_sum = trainer.accumulate(tokens)?;
        trainer.step()?;
        Ok::<_, UncutError>(loss_sum)
    })?;
    Ok(loss_sum / tokens.tokens() as f64)
}

/// Engines of one thread at work in this process at the same time; all begin each step together.
fn engines(subject: &Subject, corpus: &[u8], cpu: &Cpu, count: usize) -> Result<Vec<Times>, Box<dyn Error>> {
    let batches = (0..STEPS_OF_EACH).map(|step| tokens(subject, corpus, step)).collect::<Result<Vec<_>, _>>()?;
    let trainers = (0..count).map(|_| {
        let mut trainer = UncutTrainer::new(&subject.model, subject.optimizer, &[1; 32])?;
        trainer.set_cpu(cpu.clone());
        Ok(trainer)
    });
    let trainers = trainers.collect::<Result<Vec<_>, UncutError>>()?;
    let start = Barrier::new(count);
    let run = |mut trainer: UncutTrainer| {
        let mut times = Times::default();
        let mut failed = None;
        for tokens in &batches {
            // Whoever failed goes on meeting the others, who would wait for ever.
            start.wait();
            if failed.is_none() {
                failed = train(&mut trainer, tokens, &mut times, ClockId::ThreadCPUTime).err();
            }
        }
        failed.map_or(Ok(times), Err)
    };
    thread::scope(|scope| {
        let running: Vec<_> = trainers.into_iter().map(|trainer| scope.spawn(|| run(trainer))).collect();
        let ended =
            running.into_iter().map(|thread| Ok(thread.join().map_err(|_| "an engine's thread panicked")??));
        ended.collect()
    })
}

/// The whole model in one stage, computed exactly or on a device.
trait Passes {
    fn there(&mut self, id: MicrobatchId, tokens: &TokenBatch) -> Result<StageOutput, StageError>;
    fn back(&mut self, id: MicrobatchId) -> Result<(), StageError>;
    fn gradients(&mut self) -> Result<Gradients, StageError>;
}

impl Passes for Stage {
    fn there(&mut self, id: MicrobatchId, tokens: &TokenBatch) -> Result<StageOutput, StageError> {
        self.forward(id, tokens, None)
    }
    fn back(&mut self, id: MicrobatchId) -> Result<(), StageError> {
        self.backward(id, None).map(drop)
    }
    fn gradients(&mut self) -> Result<Gradients, StageError> {
        Ok(self.take_gradients())
    }
}

impl Passes for DeviceStage {
    fn there(&mut self, id: MicrobatchId, tokens: &TokenBatch) -> Result<StageOutput, StageError> {
        self.forward(id, tokens, None)
    }
    fn back(&mut self, id: MicrobatchId) -> Result<(), StageError> {
        self.backward(id, None).map(drop)
    }
    fn gradients(&mut self) -> Result<Gradients, StageError> {
        self.take_gradients()
    }
}

impl Subject {
    fn stage(&self, cpu: &Cpu) -> Result<Box<dyn Passes>, Box<dyn Error>> {
        let model = WholeModel::initial(&self.model, &[1; 32])?;
        let [weights] = model.weights() else { return Err("a window is of models in one stage".into()) };
        Ok(match &self.device {
            Some(device) => Box::new(DeviceStage::new(&self.model, weights, 1, device.parse()?)?),
            None => {
                let mut stage = Stage::new(&self.model, weights.stage(), weights, 1)?;
                stage.set_cpu(cpu.clone());
                Box::new(stage)
            }
        })
    }
}

/// Nats per token of each microbatch. The gradients are on the processor at the end, so nothing is left to be computed.
fn window(stage: &mut dyn Passes, batches: &[TokenBatch]) -> Result<Vec<f64>, StageError> {
    let mut losses = Vec::new();
    for (id, tokens) in (0..).map(MicrobatchId).zip(batches) {
        if let StageOutput::Loss { loss_sum, tokens } = stage.there(id, tokens)? {
            losses.push(loss_sum / tokens as f64);
        }
        stage.back(id)?;
    }
    stage.gradients()?;
    Ok(losses)
}

/// Bytes of the process's memory that lie in RAM.
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).ok_or("no second number in statm")?.parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// The step's sequences: places that a multiplicative hash spreads over the corpus, the same in every language.
fn tokens(subject: &Subject, corpus: &[u8], step: u64) -> Result<TokenBatch, Box<dyn Error>> {
    let (batch, context) = (subject.batch, subject.model.context);
    let places = (corpus.len() - context - 1) as u64;
    let start = |i: usize| ((step * batch as u64 + i as u64) * 2_654_435_761 % places) as usize;
    let ids = (0..batch).flat_map(|i| &corpus[start(i)..=start(i) + context]).copied().collect();
    Ok(TokenBatch::new(batch, context, ids)?)
}

/// The products of one step's linear layers with the crate `gemm`: forward, for the input's gradient, for the weights'.
struct Floor {
    shapes: Vec<(usize, usize, usize)>,
    buffers: [Vec<f32>; 3],
    parallelism: gemm::Parallelism,
}

impl Floor {
    fn new(subject: &Subject) -> Result<Self, Box<dyn Error>> {
        let rows = subject.batch * subject.model.context;
        let mut shapes = Vec::new();
        for stage in subject.model.stage_indices() {
            for parameter in subject.model.layout(stage)?.parameters() {
                if let (ParameterKind::Matrix | ParameterKind::Head, [outputs, inputs]) =
                    (parameter.kind, parameter.shape.as_slice())
                {
                    shapes.push((rows, *outputs, *inputs));
                    shapes.push((rows, *inputs, *outputs));
                    shapes.push((*outputs, *inputs, rows));
                }
            }
        }
        let largest = shapes.iter().map(|&(m, n, k)| (m * n).max(m * k).max(k * n)).max().unwrap_or(0);
        let parallelism = match subject.threads {
            1 => gemm::Parallelism::None,
            threads => gemm::Parallelism::Rayon(threads),
        };
        Ok(Self { shapes, buffers: [0.5, 0.25, 0.0].map(|value| vec![value; largest]), parallelism })
    }

    fn run(&mut self) {
        let [a, b, dst] = &mut self.buffers;
        for (i, &(m, n, k)) in self.shapes.iter().enumerate() {
            // y = x·Wᵀ, dx = dy·W, dW = dyᵀ·x: which operand lies across.
            let (a_strides, b_strides) = match i % 3 {
                0 => ((k, 1), (1, k)),
                1 => ((k, 1), (n, 1)),
                _ => ((1, m), (n, 1)),
            };
            #[expect(unsafe_code, reason = "gemm takes pointers")]
            // SAFETY: every buffer holds the largest of all matrices, and dst is neither operand.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    dst.as_mut_ptr(),
                    1,
                    n as isize,
                    i % 3 == 2,
                    a.as_ptr(),
                    a_strides.1 as isize,
                    a_strides.0 as isize,
                    b.as_ptr(),
                    b_strides.1 as isize,
                    b_strides.0 as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    self.parallelism,
                );
            }
        }
    }
}

/// What a microbatch between forward and backward takes: found from the process's memory, and by counting.
#[derive(Serialize)]
struct Memory {
    found_bytes: u64,
    counted_bytes: u64,
}

fn memory(subject: &Subject, corpus: &[u8], count: u64) -> Result<Memory, Box<dyn Error>> {
    let stage = StageIndex(0);
    let model = WholeModel::initial(&subject.model, &[1; 32])?;
    let mut one = Stage::new(&subject.model, stage, &model.weights()[0], count as usize + 1)?;
    // The first also pays for what is allocated once.
    one.forward(MicrobatchId(0), &tokens(subject, corpus, 0)?, None)?;
    let before = resident_bytes()?;
    for id in 1..=count {
        one.forward(MicrobatchId(id), &tokens(subject, corpus, id)?, None)?;
    }
    let found_bytes = resident_bytes()?.saturating_sub(before) / count;
    Ok(Memory { found_bytes, counted_bytes: one.in_flight_bytes() / (count + 1) })
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("say which subject: bench_engine SUBJECT.json")?;
    let subject: Subject = serde_json::from_slice(&fs::read(path)?)?;
    let corpus = fs::read(&subject.corpus)?;
    if corpus.len() < subject.model.context + 2 {
        return Err("the corpus is shorter than a sequence".into());
    }
    let mut cpu = Cpu::default();
    if let Some(name) = &subject.instructions {
        let found = Instructions::available().into_iter().find(|instructions| instructions.name() == name);
        cpu = cpu.with_instructions(found.ok_or_else(|| format!("this machine has no {name}"))?);
    }
    if subject.threads > 1 {
        cpu = cpu.with_pool(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(subject.threads).build()?));
    }
    let mut trainer = UncutTrainer::new(&subject.model, subject.optimizer, &[1; 32])?;
    trainer.set_cpu(cpu.clone());
    let mut floor = Floor::new(&subject)?;
    let mut stage = None;
    let mut step = 0;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (verb, argument) = line.split_once(' ').ok_or("a command has an argument")?;
        let answer = match verb {
            "export" => {
                fs::write(argument, checkpoint::export(&trainer.model()?)?.tensors)?;
                "null".into()
            }
            "train" => {
                let mut trained = Trained { losses: Vec::new(), times: Times::default() };
                for _ in 0..argument.parse::<u64>()? {
                    let tokens = tokens(&subject, &corpus, step)?;
                    trained.losses.push(train(&mut trainer, &tokens, &mut trained.times, ClockId::ProcessCPUTime)?);
                    step += 1;
                }
                serde_json::to_string(&trained)?
            }
            "window" => {
                let count = argument.parse::<u64>()?;
                let batches =
                    (step..step + count).map(|step| tokens(&subject, &corpus, step)).collect::<Result<Vec<_>, _>>()?;
                step += count;
                let stage = match &mut stage {
                    Some(stage) => stage,
                    none => none.insert(subject.stage(&cpu)?),
                };
                let mut times = Times::default();
                let losses = times.measure(ClockId::ProcessCPUTime, || window(stage.as_mut(), &batches))?;
                serde_json::to_string(&Trained { losses, times })?
            }
            "engines" => serde_json::to_string(&engines(&subject, &corpus, &cpu, argument.parse()?)?)?,
            "floor" => {
                let mut times = Times::default();
                for _ in 0..argument.parse::<u64>()? {
                    times.measure(ClockId::ProcessCPUTime, || floor.run());
                }
                serde_json::to_string(&times)?
            }
            "memory" => serde_json::to_string(&memory(&subject, &corpus, argument.parse()?)?)?,
            _ => return Err(format!("unknown command {verb}").into()),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}
