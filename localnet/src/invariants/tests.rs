//! A healthy run holds; each fault breaks its invariant, and no other.

use neuron::events::{MinerAudit, RulingKind};
use neuron::message::names::Hash;

use super::*;
use crate::accounts::{Account, Accounts};
use crate::events::{Event, Place};
use crate::persona::Cast;
use crate::report::Report;

fn trained() -> Trained {
    let (run, uncut, cut) = ("run".to_owned(), Some(2.29), Some(2.6));
    Trained { run, windows: 40, bytes_per_token: 1.0, first: 5.5, last: 2.3, unigram: 3.5, bigram: 2.6, uncut, cut }
}

fn accounts(cast: &str) -> Accounts {
    let cast: Cast = cast.parse().expect("a cast");
    Accounts::derive(1, 1, 5).play(&cast, 1)
}

fn epoch(accounts: &Accounts, block: u64, pays: impl Fn(&Account) -> u64) -> Event {
    let place = |(account, uid): (&Account, u16)| Place {
        uid,
        hotkey: account.hotkey_id(),
        serving: true,
        validator_permit: account.role == Role::Validator,
        stake_rao: 1,
        incentive: u16::from(account.role == Role::Miner),
        dividends: 0,
        emission_rao: pays(account),
    };
    Event::Epoch { block, standing: accounts.neurons().zip(0..).map(place).collect() }
}

/// A run in which adversaries, if any play, are caught after two epochs that paid them as well.
fn healthy(cast: &str) -> Tally {
    let accounts = accounts(cast);
    let mut tally = Tally::new(accounts.neurons().zip(0..));
    let validator = accounts.validators[0].hotkey_id();
    let cheats = |account: &Account| account.persona.cheats();
    let mut events = vec![epoch(&accounts, 4, |_| 5), epoch(&accounts, 8, |_| 5)];
    for miner in &accounts.miners {
        let by = miner.hotkey_id();
        events.push(Event::HardwareProved { by: validator, miner: by, fault: None });
        events.push(Event::Standing { by, window: 1, stage: 0, theta: Hash([1; 32]), blob: Hash([2; 32]) });
        events.push(Event::PassSettled { by, window: 1, microbatch: 0 });
        events.push(Event::Loss { by, window: 1, nats: 2.0, tokens: BYTES_TO_PASS_BIGRAM });
    }
    events.push(Event::Block { number: 10, epoch: 1, epoch_end: 20 });
    for cheat in accounts.miners.iter().filter(|account| cheats(account)) {
        let (by, miner, ruling) = (validator, cheat.hotkey_id(), RulingKind::Convicted);
        events.push(Event::Ruled { by, miner, window: 1, ruling, evidence: Vec::new() });
    }
    events.push(Event::WeightsCommitted { block: 11, hotkey: validator, hash: Hash([3; 32]) });
    events.push(Event::WeightsRevealed { block: 12, hotkey: validator, hash: Hash([3; 32]) });
    events.push(epoch(&accounts, 20, |account| if cheats(account) { 0 } else { 5 }));
    for event in &events {
        tally.on(event);
    }
    // Reports of one validator about one miner each: a window of their own.
    for (window, miner) in (10..).zip(&accounts.miners) {
        let (hotkey, stage, standing) = (miner.hotkey_id(), 0, "Sound".to_owned());
        let audit = MinerAudit { hotkey, stage, passes: 4, confirmed: 1, faults: 0, standing };
        tally.on(&Event::Audited { by: validator, window, drawn: 1, recomputed: 1, miners: vec![audit] });
    }
    tally
}

fn broken(tally: &Tally, loss: Option<Trained>) -> Vec<&'static str> {
    all(tally, loss.as_ref()).into_iter().filter(|i| !i.held).map(|i| i.name).collect()
}

/// What a change to the neurons of that name breaks.
fn breaks(cast: &str, name: &str, change: impl Fn(&mut NeuronTally)) -> Vec<&'static str> {
    let mut tally = healthy(cast);
    tally.neurons.values_mut().filter(|n| n.name == name).for_each(change);
    broken(&tally, Some(trained()))
}

#[test]
fn a_healthy_run_holds_with_and_without_adversaries() {
    for cast in ["none", "lazy:1,partial:1"] {
        let report = Report::new(1, &healthy(cast), 10, Some(trained()));
        assert!(report.held(), "{report}");
        assert_eq!(report.paid_epochs, 3);
    }
}

#[test]
fn each_fault_breaks_its_invariant() {
    let of = |name, change: &dyn Fn(&mut NeuronTally)| breaks("none", name, change);
    assert_eq!(of("miner-00", &|n| n.serving = false), ["every neuron serves an axon"]);
    assert_eq!(of("miner-01", &|n| n.validator_permit = true), ["no miner holds a permit"]);
    assert_eq!(of("validator-00", &|n| n.reveals = 0), ["every validator committed and revealed weights"]);
    assert_eq!(of("miner-01", &|n| n.admitted_by.clear()), ["every honest miner proved its hardware"]);
    assert_eq!(of("miner-01", &|n| n.passes = 0), ["every honest miner trained"]);
    let unpaid = ["every honest miner was paid", "honest miners earn alike for a verified pass"];
    assert_eq!(of("miner-01", &|n| n.emission_rao = 0), unpaid);
    assert_eq!(of("miner-01", &|n| n.emission_rao = 31), unpaid[1..]);
    assert_eq!(of("miner-01", &|n| n.emission_rao = 7), unpaid[1..]);
    assert_eq!(of("miner-01", &|n| n.emission_rao = 16), [""; 0]);
    let convicted = of("miner-01", &|n| {
        n.convicted_by.insert(n.hotkey, 7);
    });
    assert_eq!(convicted, ["no honest neuron was convicted"]);
    // Of who was killed on purpose nothing is expected.
    let killed = of("miner-01", &|n| (n.killed, n.emission_rao, n.passes) = (true, 0, 0));
    assert_eq!(killed, [""; 0]);
}

#[test]
fn adversaries_that_are_not_caught_or_still_paid_are_found() {
    let name = healthy("lazy:1").adversaries().next().expect("one plays").name.clone();
    let of = |change: &dyn Fn(&mut NeuronTally)| breaks("lazy:1", &name, change);
    assert_eq!(of(&|n| n.convicted = None), ["every adversary was convicted"]);
    let paid = ["no convict is paid by weights revealed after its conviction"];
    assert_eq!(of(&|n| n.emission_after_rao = 1), paid);
    assert_eq!(of(&|n| n.epochs_after = 0), paid);
    assert_eq!(of(&|n| n.emission_rao = 15), ["no adversary out-earned an honest miner"]);

    let mut tally = healthy("lazy:1");
    let honest = tally.neurons.values().find(|n| !n.is_adversary()).expect("one").hotkey;
    let adversary = tally.adversaries().next().expect("one plays").hotkey;
    let standing = |by, window| Event::Standing { by, window, stage: 0, theta: Hash([1; 32]), blob: Hash([2; 32]) };
    tally.on(&standing(honest, 9));
    assert_eq!(broken(&tally, Some(trained())), [""; 0], "gone in time");
    tally.on(&standing(adversary, 9));
    assert_eq!(broken(&tally, Some(trained())), ["no convict holds a place in a stage"]);
}

#[test]
fn replicas_that_part_ways_and_models_that_learned_too_little_are_found() {
    let mut tally = healthy("none");
    let by = *tally.neurons.keys().next().expect("a neuron");
    tally.on(&Event::Standing { by, window: 1, stage: 0, theta: Hash([9; 32]), blob: Hash([2; 32]) });
    assert_eq!(broken(&tally, Some(trained())), ["honest replicas of a stage stand on the same weights"]);
    let tally = healthy("none");
    let bigram = "the swarm's model is better than the best bigram model";
    assert_eq!(broken(&tally, Some(Trained { last: 2.61, uncut: None, ..trained() })), [bigram]);
    assert_eq!(broken(&tally, None), [bigram]);
    // A tokenizer's bigrams are another measure, which nobody has said when to pass.
    let tokens = Trained { bytes_per_token: 2.5, uncut: None, ..trained() };
    assert_eq!(broken(&tally, Some(Trained { last: 2.61, ..tokens.clone() })), [""; 0]);
    assert_eq!(broken(&tally, Some(Trained { last: 5.6, ..tokens })), ["the swarm's model is better than it began"]);
    let behind = Trained { last: 2.4, ..trained() };
    assert_eq!(broken(&tally, Some(behind)), ["the swarm's model is as good as one trained in one process"]);
    let mut short = tally;
    let model = |last| Some(Trained { last, ..trained() });
    short.tokens = BYTES_TO_PASS_UNIGRAM;
    assert_eq!(broken(&short, model(3.4)), [""; 0]);
    let unigram = "the swarm's model is better than the best unigram model";
    assert_eq!(broken(&short, model(3.6)), [unigram]);
    short.tokens = 100;
    assert_eq!(broken(&short, model(5.4)), [""; 0]);
    assert_eq!(broken(&short, model(5.5)), ["the swarm's model is better than it began"]);
}

#[test]
fn a_localnet_without_neurons_holds_nothing() {
    assert!(!Report::new(1, &Tally::default(), 10, None).held());
}
