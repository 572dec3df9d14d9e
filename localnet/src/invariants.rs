//! What must hold of every run, judged on the tally and the model that came out. What has no subject in a run (an adversary
//! where none plays) is left out.

use crate::accounts::Role;
use crate::report::Invariant;
use crate::tally::{NeuronTally, Tally};
use crate::training::Trained;

/// Bytes after which a model of bytes must have passed the best bigram model, and the best unigram model. In shorter runs
/// still, and with a tokenizer's tokens, whose bigrams know far more than those of bytes, it must be better than it began.
const BYTES_TO_PASS_BIGRAM: u64 = 200_000;
const BYTES_TO_PASS_UNIGRAM: u64 = 100_000;

/// How much worse than the uncut model the swarm's may be.
const MOST_ABOVE_UNCUT: f64 = 0.02;

/// How far from their median, as a factor, the pay of a pass may lie among honest miners.
const PAY_FACTOR: f64 = 2.0;

/// Paid epochs from which on the pay of a pass is compared: before, a window more or less decides.
const EPOCHS_TO_COMPARE_PAY: u64 = 3;

/// Windows that placement may take to hear of a conviction.
const WINDOWS_TO_REPLACE: u32 = 4;

/// All invariants that have a subject.
pub fn all(tally: &Tally, loss: Option<&Trained>) -> Vec<Invariant> {
    let neurons = tally.by_uid();
    let alive: Vec<_> = neurons.iter().copied().filter(|n| !n.killed).collect();
    let validators: Vec<_> = alive.iter().copied().filter(|n| n.role == Role::Validator).collect();
    let miners: Vec<_> = neurons.iter().copied().filter(|n| n.role == Role::Miner).collect();
    let honest: Vec<_> = miners.iter().copied().filter(|n| !n.is_adversary()).collect();
    let working: Vec<_> = honest.iter().copied().filter(|n| !n.killed).collect();
    let adversaries: Vec<_> = miners.iter().copied().filter(|n| n.is_adversary()).collect();
    let admitted = |n: &NeuronTally| 2 * validators.iter().filter(|v| n.admitted_by.contains(&v.hotkey)).count();

    let mut all = vec![
        each("every neuron serves an axon", &alive, |n| n.serving, "do not"),
        each("every validator holds a permit", &validators, |n| n.validator_permit, "do not"),
        each("no miner holds a permit", &miners, |n| !n.validator_permit, "do"),
        each("every validator committed and revealed weights", &validators, |n| n.reveals > 0, "did not"),
        each("every honest miner proved its hardware", &working, |n| admitted(n) > validators.len(), "did not"),
        each("every honest miner trained", &working, |n| n.passes > 0, "did not"),
        each("every honest miner was paid", &working, |n| n.emission_rao > 0, "were not"),
        each("every validator was paid", &validators, |n| n.emission_rao > 0, "were not"),
        each("no honest neuron was convicted", &honest, |n| n.convicted_by.is_empty(), "were, by a validator at least"),
        same_weights(tally),
        learned(tally, loss),
    ];
    // Early on, at full learning rate, two equally good runs can lie further apart.
    all.extend(loss.filter(|_| tally.tokens >= BYTES_TO_PASS_BIGRAM).and_then(near_uncut));
    if tally.paid_epochs >= EPOCHS_TO_COMPARE_PAY {
        all.push(even_pay(tally, &working));
    }
    if !adversaries.is_empty() {
        all.push(each("every adversary was convicted", &adversaries, |n| n.convicted.is_some(), "were not"));
        all.extend(replaced(tally, &adversaries));
        all.push(unpaid(&adversaries));
        all.push(out_earned(&adversaries, &working));
    }
    all
}

/// The neurons for which `holds` is false, in an invariant. One about nobody does not hold.
fn each(
    name: &'static str,
    neurons: &[&NeuronTally],
    holds: impl Fn(&NeuronTally) -> bool,
    otherwise: &str,
) -> Invariant {
    let failing: Vec<_> = neurons.iter().filter(|n| !holds(n)).map(|n| n.name.as_str()).collect();
    let detail = match failing.as_slice() {
        [] => format!("all {}", neurons.len()),
        names => format!("{} of {} {otherwise}: {}", names.len(), neurons.len(), names.join(", ")),
    };
    Invariant { name, held: failing.is_empty() && !neurons.is_empty(), detail }
}

/// Rao of alpha for a verified pass.
fn pay(tally: &Tally, miner: &NeuronTally) -> f64 {
    miner.emission_rao as f64 / tally.verified_passes(miner) as f64
}

fn even_pay(tally: &Tally, working: &[&NeuronTally]) -> Invariant {
    let name = "honest miners earn alike for a verified pass";
    let mut pays: Vec<_> = working.iter().map(|n| (pay(tally, n), n.name.as_str())).collect();
    pays.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(least, poorest), .., (most, richest)] = pays.as_slice() else {
        return Invariant { name, held: !pays.is_empty(), detail: format!("{} to compare", pays.len()) };
    };
    let median = pays[pays.len() / 2].0;
    let held = *least > 0.0 && most.is_finite() && *least * PAY_FACTOR >= median && *most <= median * PAY_FACTOR;
    let detail = format!(
        "from {:.2} ({poorest}) to {:.2} ({richest}) of the median, {:.3} τ",
        least / median,
        most / median,
        median / 1e9
    );
    Invariant { name, held, detail }
}

fn same_weights(tally: &Tally) -> Invariant {
    Invariant {
        name: "honest replicas of a stage stand on the same weights",
        held: tally.split.is_empty() && !tally.states.is_empty(),
        detail: match (tally.states.is_empty(), tally.split.first()) {
            (true, _) => "no window began".to_owned(),
            (false, None) => "in every window".to_owned(),
            (false, Some(window)) => format!("not in {} windows, first in {window}", tally.split.len()),
        },
    }
}

fn learned(tally: &Tally, loss: Option<&Trained>) -> Invariant {
    let bytes = if loss.is_none_or(Trained::is_of_bytes) { tally.tokens } else { 0 };
    let (name, rival) = match bytes {
        BYTES_TO_PASS_BIGRAM.. => ("the swarm's model is better than the best bigram model", "best bigram model"),
        BYTES_TO_PASS_UNIGRAM.. => ("the swarm's model is better than the best unigram model", "best unigram model"),
        _ => ("the swarm's model is better than it began", "at first"),
    };
    match loss {
        Some(t) => {
            let bar = match bytes {
                BYTES_TO_PASS_BIGRAM.. => t.bigram,
                BYTES_TO_PASS_UNIGRAM.. => t.unigram,
                _ => t.first,
            };
            Invariant { name, held: t.last < bar, detail: format!("held-out loss {:.3}, {rival} {bar:.3}", t.last) }
        }
        None => Invariant { name, held: false, detail: "there is no model to measure".to_owned() },
    }
}

fn near_uncut(t: &Trained) -> Option<Invariant> {
    let uncut = t.uncut?;
    let above = t.last / uncut - 1.0;
    Some(Invariant {
        name: "the swarm's model is as good as one trained in one process",
        held: above <= MOST_ABOVE_UNCUT,
        detail: format!("held-out loss {:.3}, uncut {uncut:.3}: {:+.2} %", t.last, 100.0 * above),
    })
}

/// No subject until placement has had time to hear of the last conviction.
fn replaced(tally: &Tally, adversaries: &[&NeuronTally]) -> Option<Invariant> {
    let newest = tally.states.keys().next_back().copied()?;
    let last = |n: &NeuronTally| n.convicted_window.map(|window| window + WINDOWS_TO_REPLACE);
    let due: Vec<_> = adversaries.iter().copied().filter(|n| last(n).is_some_and(|last| newest > last)).collect();
    let is_gone = |n: &NeuronTally| n.place.is_none_or(|(window, _)| last(n).is_some_and(|last| window <= last));
    (!due.is_empty()).then(|| each("no convict holds a place in a stage", &due, is_gone, "do"))
}

fn unpaid(adversaries: &[&NeuronTally]) -> Invariant {
    each(
        "no convict is paid by weights revealed after its conviction",
        adversaries,
        |n| n.epochs_after > 0 && n.emission_after_rao == 0,
        "are, or saw no epoch with such weights alone",
    )
}

fn out_earned(adversaries: &[&NeuronTally], working: &[&NeuronTally]) -> Invariant {
    let least = working.iter().map(|n| n.emission_rao).min().unwrap_or(0);
    each("no adversary out-earned an honest miner", adversaries, |n| n.emission_rao < least, "did")
}

#[cfg(test)]
mod tests;
