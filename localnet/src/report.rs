//! What a run came to: one object for machines, one table for people.

use std::fmt::{self, Display};

use chain::Rao;
use serde::Serialize;

use crate::accounts::Role;
use crate::invariants;
use crate::persona::Persona;
use crate::tally::{self, NeuronTally, Tally};
use crate::training::Trained;
use crate::view::{share, short};

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed that repeats it.
    pub seed: u64,
    /// Height of the chain.
    pub blocks: u64,
    /// Epochs that ran.
    pub epochs: u64,
    /// Epochs that paid a miner by its incentive.
    pub paid_epochs: u64,
    /// Windows that every stage has merged.
    pub windows: u32,
    /// Bytes trained on.
    pub tokens: u64,
    /// What crossed the boundaries between stages.
    pub bytes: Bytes,
    /// What training came to; absent when the run ended before the first window.
    pub loss: Option<Trained>,
    /// Held-out loss on the way, as validators measured it.
    pub held_out: Vec<HeldOut>,
    /// Every neuron, by uid.
    pub neurons: Vec<NeuronReport>,
    /// What must hold, and whether it does.
    pub invariants: Vec<Invariant>,
}

/// Bytes by kind of traffic.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Bytes {
    /// Activations and their gradients, from stage to stage.
    pub activations: Traffic,
    /// Gradients that miners fetched from the other replicas of their stage.
    pub gradients: Traffic,
    /// Weights and optimizer states that miners fetched, to join or to catch up.
    pub weights: Traffic,
}

/// Bytes of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Traffic {
    /// As f32, uncompressed.
    pub raw: u64,
    /// As sent over the network, without framing.
    pub wire: u64,
}

impl From<tally::Bytes> for Traffic {
    fn from(bytes: tally::Bytes) -> Self {
        Self { raw: bytes.raw, wire: bytes.wire }
    }
}

/// What the audits of a miner came to, over all validators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audits {
    /// Microbatches in which its leaf was computed again and found true.
    pub passed: u64,
    /// Those in which it was found false, and contradictions.
    pub failed: u64,
}

/// One neuron's part.
#[derive(Clone, Debug, Serialize)]
pub struct NeuronReport {
    /// Its uid.
    pub uid: u16,
    /// Its account's name.
    pub name: String,
    /// Its hotkey.
    pub hotkey: String,
    /// Validator or miner.
    pub role: Role,
    /// What it plays.
    pub persona: Persona,
    /// Whether it was killed on purpose.
    pub killed: bool,
    /// The stage it hosted last.
    pub stage: Option<u16>,
    /// Passes that came back to it.
    pub passes: u64,
    /// Passes that are paid, by the median of the validators.
    pub verified_passes: u64,
    /// What its audits came to.
    pub audits: Audits,
    /// Validators that have a proof of its hardware.
    pub admitted_by: usize,
    /// Whether validators with most of the stake convicted it.
    pub convicted: bool,
    /// The block in which that was so.
    pub convicted_block: Option<u64>,
    /// Of 65,535, in the last epoch.
    pub incentive: u16,
    /// Of 65,535, in the last epoch.
    pub dividends: u16,
    /// All it was paid, in rao of alpha.
    pub emission_rao: u64,
    /// What it was paid in epochs whose weights were all revealed after its conviction.
    pub emission_after_conviction_rao: u64,
    /// Weight commits on chain.
    pub commits: u64,
    /// Weight reveals on chain.
    pub reveals: u64,
}

/// The model of one window, measured by a validator.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HeldOut {
    /// The window at whose start the model stood so.
    pub window: u32,
    /// Nats per byte.
    pub nats: f64,
}

/// Something that must hold of every run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// Its short name.
    pub name: &'static str,
    /// Whether it holds.
    pub held: bool,
    /// What was found.
    pub detail: String,
}

impl Report {
    /// Sums up a tally, and the model that came out.
    /// `uncompressed_bytes` is what one microbatch would weigh at a boundary without the bottleneck.
    pub fn new(seed: u64, tally: &Tally, uncompressed_bytes: u64, loss: Option<Trained>) -> Self {
        let neurons = tally.by_uid().into_iter().map(|n| NeuronReport::new(tally, n)).collect();
        Self {
            seed,
            blocks: tally.block,
            epochs: tally.epochs,
            paid_epochs: tally.paid_epochs,
            windows: loss.as_ref().map_or(0, |trained| trained.windows),
            bytes: Bytes {
                activations: Traffic { raw: tally.sent.0.saturating_mul(uncompressed_bytes), wire: tally.sent.1 },
                gradients: tally.gradients.into(),
                weights: tally.weights.into(),
            },
            tokens: tally.tokens,
            held_out: tally.held_out.iter().map(|(window, nats)| HeldOut { window: *window, nats: *nats }).collect(),
            neurons,
            invariants: invariants::all(tally, loss.as_ref()),
            loss,
        }
    }

    /// Whether every invariant holds.
    pub fn held(&self) -> bool {
        self.invariants.iter().all(|i| i.held)
    }
}

impl NeuronReport {
    fn new(tally: &Tally, n: &NeuronTally) -> Self {
        Self {
            uid: n.uid,
            name: n.name.clone(),
            hotkey: n.hotkey.to_string(),
            role: n.role,
            persona: n.persona,
            killed: n.killed,
            stage: n.place.map(|(_, stage)| stage),
            passes: n.passes,
            verified_passes: tally.verified_passes(n),
            audits: Audits { passed: n.audits.0, failed: n.audits.1 },
            admitted_by: n.admitted_by.len(),
            convicted: n.convicted.is_some(),
            convicted_block: n.convicted,
            incentive: n.incentive,
            dividends: n.dividends,
            emission_rao: n.emission_rao,
            emission_after_conviction_rao: n.emission_after_rao,
            commits: n.commits,
            reveals: n.reveals,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} blocks, {} epochs, {} of them paid miners (seed {})",
            self.blocks, self.epochs, self.paid_epochs, self.seed
        )?;
        if let Some(t) = &self.loss {
            let unit = if t.is_of_bytes() { "byte" } else { "token" };
            writeln!(
                f,
                "{} windows, {} {unit}s trained on: held-out loss {:.3} → {:.3} nats per {unit} (best unigram {:.3}, bigram {:.3})",
                t.windows, self.tokens, t.first, t.last, t.unigram, t.bigram
            )?;
            if !t.is_of_bytes() {
                let per_byte = |loss: f64| loss / t.bytes_per_token;
                let (first, last) = (per_byte(t.first), per_byte(t.last));
                writeln!(f, "per byte {first:.3} → {last:.3}, at the corpus's {:.2} bytes a token", t.bytes_per_token)?;
            }
            if let (Some(uncut), Some(cut)) = (t.uncut, t.cut) {
                writeln!(
                    f,
                    "the same trained uncut in one process {uncut:.3}, so the swarm is {:+.2} % off; with token ids alone between stages {cut:.3}",
                    100.0 * (t.last / uncut - 1.0)
                )?;
            }
        }
        let Bytes { activations, gradients, weights } = self.bytes;
        for (what, Traffic { raw, wire }) in [
            ("activations and their gradients between stages", activations),
            ("weight gradients between replicas", gradients),
            ("weights and optimizer states to those who lacked them", weights),
        ] {
            if wire > 0 {
                let ratio = raw as f64 / wire as f64;
                writeln!(f, "{:>9.3} MB of {what}, {ratio:.1} times fewer than in whole f32", wire as f64 / 1e6)?;
            }
        }
        writeln!(
            f,
            "{:>4}  {:<13} {:<8} {:>5} {:>6} {:>8} {:>7} {:>9} {:>9} {:>9} {:>13}",
            "uid",
            "name",
            "persona",
            "stage",
            "passes",
            "verified",
            "audits",
            "convicted",
            "incentive",
            "dividends",
            "earned"
        )?;
        let or_dash = |what: Option<String>| what.unwrap_or_else(|| "-".to_owned());
        for n in &self.neurons {
            let is_miner = n.role == Role::Miner;
            writeln!(
                f,
                "{:>4}  {:<13} {:<8} {:>5} {:>6} {:>8} {:>7} {:>9} {:>9} {:>9} {:>13}",
                n.uid,
                n.name,
                or_dash(n.killed.then(|| "killed".to_owned()).or(is_miner.then(|| n.persona.word().to_owned()))),
                or_dash(n.stage.map(|stage| stage.to_string())),
                or_dash(is_miner.then(|| n.passes.to_string())),
                or_dash(is_miner.then(|| n.verified_passes.to_string())),
                or_dash(is_miner.then(|| format!("{}/{}", n.audits.passed, n.audits.failed))),
                or_dash(n.convicted_block.map(|block| format!("at {block}"))),
                share(n.incentive),
                share(n.dividends),
                short(Rao(n.emission_rao))
            )?;
        }
        for i in &self.invariants {
            writeln!(f, "{}  {}: {}", if i.held { "held  " } else { "BROKEN" }, i.name, i.detail)?;
        }
        Ok(())
    }
}
