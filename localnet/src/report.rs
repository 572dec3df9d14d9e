//! What a run came to: one object for machines, one table for people, and the invariants it is judged by.

use std::fmt::{self, Display};

use chain::Rao;
use serde::Serialize;

use crate::accounts::Role;
use crate::persona::Persona;
use crate::tally::{NeuronTally, Tally};
use crate::training::Trained;
use crate::view::short;

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
}

/// Bytes of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Traffic {
    /// As f32, uncompressed.
    pub raw: u64,
    /// As sent over the network, without framing.
    pub wire: u64,
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
    /// Of 65,535, in the last epoch.
    pub incentive: u16,
    /// Of 65,535, in the last epoch.
    pub dividends: u16,
    /// All it was paid, in rao of alpha.
    pub emission_rao: u64,
    /// The stage it hosted last.
    pub stage: Option<u16>,
    /// Passes that came back to it.
    pub passes: u64,
    /// Weight commits on chain.
    pub commits: usize,
    /// Weight reveals on chain.
    pub reveals: usize,
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
        let neurons = tally.by_uid().into_iter().map(NeuronReport::from).collect();
        Self {
            seed,
            blocks: tally.block,
            epochs: tally.epochs,
            paid_epochs: tally.paid_epochs,
            windows: loss.as_ref().map_or(0, |trained| trained.windows),
            bytes: Bytes {
                activations: Traffic { raw: tally.sent.0.saturating_mul(uncompressed_bytes), wire: tally.sent.1 },
            },
            tokens: tally.losses.values().map(|(_, bytes)| bytes).sum(),
            neurons,
            invariants: invariants(tally, loss.as_ref()),
            loss,
        }
    }

    /// Whether every invariant holds.
    pub fn held(&self) -> bool {
        self.invariants.iter().all(|i| i.held)
    }
}

impl From<&NeuronTally> for NeuronReport {
    fn from(n: &NeuronTally) -> Self {
        Self {
            uid: n.uid,
            name: n.name.clone(),
            hotkey: n.hotkey.to_string(),
            role: n.role,
            persona: n.persona,
            incentive: n.incentive,
            dividends: n.dividends,
            emission_rao: n.emission_rao,
            stage: n.place.map(|(_, stage)| stage),
            passes: n.passes,
            commits: n.commits.len(),
            reveals: n.reveals.len(),
        }
    }
}

/// The neurons for which `holds` is false, in an invariant.
fn each<'a>(
    name: &'static str,
    neurons: impl IntoIterator<Item = &'a NeuronTally>,
    holds: impl Fn(&NeuronTally) -> bool,
    otherwise: &str,
) -> Invariant {
    let all: Vec<_> = neurons.into_iter().collect();
    let failing: Vec<_> = all.iter().filter(|n| !holds(n)).map(|n| n.name.as_str()).collect();
    let detail = match failing.as_slice() {
        [] => format!("all {}", all.len()),
        names => format!("{} of {} {otherwise}: {}", names.len(), all.len(), names.join(", ")),
    };
    Invariant { name, held: failing.is_empty() && !all.is_empty(), detail }
}

fn invariants(tally: &Tally, loss: Option<&Trained>) -> Vec<Invariant> {
    let neurons = tally.by_uid();
    let of = |role: Role| neurons.iter().copied().filter(move |n| n.role == role);
    vec![
        each("every neuron serves an axon", neurons.iter().copied(), |n| n.serving, "do not"),
        each("every validator holds a permit", of(Role::Validator), |n| n.validator_permit, "do not"),
        each("no miner holds a permit", of(Role::Miner), |n| !n.validator_permit, "do"),
        each(
            "every validator committed and revealed weights",
            of(Role::Validator),
            |n| !n.reveals.is_empty(),
            "did not",
        ),
        each("every miner was paid", of(Role::Miner), |n| n.incentive > 0 && n.emission_rao > 0, "were not"),
        each("every validator was paid", of(Role::Validator), |n| n.emission_rao > 0, "were not"),
        each("every miner trained", of(Role::Miner), |n| n.passes > 0, "did not"),
        Invariant {
            name: "replicas of a stage stand on the same weights",
            held: tally.split.is_empty() && !tally.states.is_empty(),
            detail: match (tally.states.is_empty(), tally.split.first()) {
                (true, _) => "no window began".to_owned(),
                (false, None) => "in every window".to_owned(),
                (false, Some(window)) => format!("not in {} windows, first in {window}", tally.split.len()),
            },
        },
        Invariant {
            name: "the swarm learned",
            held: loss.is_some_and(|t| t.last < t.unigram),
            detail: loss.map_or_else(
                || "there is no model to measure".to_owned(),
                |t| format!("held-out loss {:.3}, best unigram model {:.3}", t.last, t.unigram),
            ),
        },
    ]
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} blocks, {} epochs, {} of them paid miners (seed {})",
            self.blocks, self.epochs, self.paid_epochs, self.seed
        )?;
        if let Some(t) = &self.loss {
            writeln!(
                f,
                "{} windows, {} bytes trained on: held-out loss {:.3} → {:.3} nats per byte (best unigram {:.3}, bigram {:.3})",
                t.windows, self.tokens, t.first, t.last, t.unigram, t.bigram
            )?;
        }
        let Traffic { raw, wire } = self.bytes.activations;
        if wire > 0 {
            let ratio = raw as f64 / wire as f64;
            writeln!(
                f,
                "{wire} bytes of activations and their gradients between stages, {ratio:.1} times fewer than in whole f32"
            )?;
        }
        writeln!(
            f,
            "{:>4}  {:<14} {:>5} {:>6} {:>10} {:>10} {:>8} {:>8} {:>14}",
            "uid", "name", "stage", "passes", "incentive", "dividends", "commits", "reveals", "earned"
        )?;
        for n in &self.neurons {
            writeln!(
                f,
                "{:>4}  {:<14} {:>5} {:>6} {:>10} {:>10} {:>8} {:>8} {:>14}",
                n.uid,
                n.name,
                n.stage.map_or_else(|| "-".to_owned(), |stage| stage.to_string()),
                n.passes,
                n.incentive,
                n.dividends,
                n.commits,
                n.reveals,
                short(Rao(n.emission_rao))
            )?;
        }
        for i in &self.invariants {
            writeln!(f, "{}  {}: {}", if i.held { "held  " } else { "BROKEN" }, i.name, i.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neuron::message::names::Hash;

    use crate::accounts::Accounts;
    use crate::events::{Event, Place};

    fn trained() -> Trained {
        Trained { run: "run".to_owned(), windows: 3, first: 5.5, last: 3.0, unigram: 3.5, bigram: 2.6 }
    }

    fn healthy() -> Tally {
        let accounts = Accounts::derive(1, 1, 2);
        let mut tally = Tally::new(accounts.neurons().zip(0..));
        let validator = accounts.validators[0].hotkey_id();
        for miner in &accounts.miners {
            let by = miner.hotkey_id();
            tally.on(&Event::Standing { by, window: 1, stage: 0, theta: Hash([1; 32]), blob: Hash([2; 32]) });
            tally.on(&Event::PassSettled { by });
        }
        tally.on(&Event::WeightsCommitted { block: 2, hotkey: validator });
        tally.on(&Event::WeightsRevealed { block: 3, hotkey: validator });
        let standing = accounts
            .neurons()
            .zip(0..)
            .map(|(account, uid)| Place {
                uid,
                hotkey: account.hotkey_id(),
                serving: true,
                validator_permit: account.role == Role::Validator,
                stake_rao: 1,
                incentive: if account.role == Role::Miner { 32_767 } else { 0 },
                dividends: 0,
                emission_rao: 5,
            })
            .collect();
        tally.on(&Event::Epoch { block: 4, standing });
        tally
    }

    #[test]
    fn a_healthy_run_holds_and_each_fault_breaks_its_invariant() {
        let tally = healthy();
        let report = Report::new(1, &tally, 10, Some(trained()));
        assert!(report.held(), "{report}");
        assert_eq!(report.paid_epochs, 1);

        let broken = |change: &dyn Fn(&mut NeuronTally), name: &str| {
            let mut tally = tally.clone();
            for neuron in tally.neurons.values_mut().filter(|n| n.name == name) {
                change(neuron);
            }
            let report = Report::new(1, &tally, 10, Some(trained()));
            report.invariants.into_iter().filter(|i| !i.held).map(|i| i.name).collect::<Vec<_>>()
        };
        assert_eq!(broken(&|n| n.serving = false, "miner-00"), ["every neuron serves an axon"]);
        assert_eq!(broken(&|n| n.validator_permit = true, "miner-01"), ["no miner holds a permit"]);
        assert_eq!(broken(&|n| n.incentive = 0, "miner-01"), ["every miner was paid"]);
        assert_eq!(broken(&|n| n.reveals.clear(), "validator-00"), ["every validator committed and revealed weights"]);
    }

    #[test]
    fn replicas_that_part_ways_and_a_model_that_learned_nothing_are_found() {
        let broken =
            |report: Report| -> Vec<_> { report.invariants.into_iter().filter(|i| !i.held).map(|i| i.name).collect() };
        let mut tally = healthy();
        let by = *tally.neurons.keys().next().expect("a neuron");
        tally.on(&Event::Standing { by, window: 1, stage: 0, theta: Hash([9; 32]), blob: Hash([2; 32]) });
        let split = broken(Report::new(1, &tally, 10, Some(trained())));
        assert_eq!(split, ["replicas of a stage stand on the same weights"]);
        let dull = Trained { last: 3.6, ..trained() };
        assert_eq!(broken(Report::new(1, &healthy(), 10, Some(dull))), ["the swarm learned"]);
        assert_eq!(broken(Report::new(1, &healthy(), 10, None)), ["the swarm learned"]);
    }

    #[test]
    fn a_localnet_without_neurons_holds_nothing() {
        assert!(!Report::new(1, &Tally::default(), 10, None).held());
    }
}
