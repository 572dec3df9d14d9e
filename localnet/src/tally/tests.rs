//! Folds of a few events each.

use super::*;
use crate::accounts::Accounts;
use crate::persona::Cast;

struct World {
    accounts: Accounts,
    tally: Tally,
}

impl World {
    /// Three validators with equal stake, four miners; the last of them that the seed draws is lazy.
    fn new() -> Self {
        let cast: Cast = "lazy:1".parse().expect("a cast");
        let accounts = Accounts::derive(1, 3, 4).play(&cast, 1);
        let mut world = Self { tally: Tally::new(accounts.neurons().zip(0..)), accounts };
        world.epoch(10, &[0; 4]);
        world
    }

    fn validator(&self, place: usize) -> AccountId {
        self.accounts.validators[place].hotkey_id()
    }

    fn miner(&self, place: usize) -> AccountId {
        self.accounts.miners[place].hotkey_id()
    }

    fn adversary(&self) -> AccountId {
        self.tally.adversaries().next().expect("one plays").hotkey
    }

    fn block(&mut self, number: u64) {
        self.tally.on(&Event::Block { number, epoch: 0, epoch_end: 0 });
    }

    /// An epoch that pays the miners so much each.
    fn epoch(&mut self, block: u64, pay: &[u64]) {
        let miners: Vec<_> = self.accounts.miners.iter().map(Account::hotkey_id).collect();
        let place = |(account, uid): (&Account, u16)| {
            let emission_rao = miners.iter().position(|m| *m == account.hotkey_id()).map_or(0, |place| pay[place]);
            Place {
                uid,
                hotkey: account.hotkey_id(),
                serving: true,
                validator_permit: account.role == Role::Validator,
                stake_rao: if account.role == Role::Validator { 100 } else { 0 },
                incentive: u16::from(emission_rao > 0),
                dividends: 0,
                emission_rao,
            }
        };
        let standing = self.accounts.neurons().zip(0..).map(place).collect();
        self.tally.on(&Event::Epoch { block, standing });
    }

    fn audited(&mut self, validator: usize, window: u32, miner: usize, passes: u32) {
        let report = MinerAudit {
            hotkey: self.miner(miner),
            stage: 0,
            passes,
            confirmed: 2,
            faults: 1,
            standing: "Sound".to_owned(),
        };
        let by = self.validator(validator);
        self.tally.on(&Event::Audited { by, window, drawn: 1, recomputed: 1, miners: vec![report] });
    }

    fn convicts(&mut self, validator: usize) {
        let (by, miner) = (self.validator(validator), self.adversary());
        let ruled = |ruling| Event::Ruled { by, miner, window: 3, ruling, evidence: Vec::new() };
        self.tally.on(&ruled(RulingKind::Strike));
        self.tally.on(&ruled(RulingKind::Convicted));
    }

    fn reveals(&mut self, block: u64) {
        for validator in 0..3 {
            let (hotkey, hash) = (self.validator(validator), Hash([block as u8; 32]));
            self.tally.on(&Event::WeightsRevealed { block, hotkey, hash });
        }
    }

    fn convict(&self) -> &NeuronTally {
        &self.tally.neurons[&self.adversary()]
    }

    fn verified(&self, miner: usize) -> u64 {
        self.tally.verified_passes(&self.tally.neurons[&self.miner(miner)])
    }
}

#[test]
fn verified_passes_are_medians_and_survive_their_windows() {
    let mut world = World::new();
    for (validator, passes) in [(0, 4), (1, 0), (2, 9)] {
        world.audited(validator, 1, 0, passes);
    }
    assert_eq!(world.verified(0), 4);
    // Of two reports the lower counts; who is not in a report had nothing to be paid for.
    world.audited(0, 2, 0, 5);
    world.audited(1, 2, 1, 7);
    assert_eq!((world.verified(0), world.verified(1)), (4, 0));
    assert_eq!(world.tally.neurons[&world.miner(0)].audits, (8, 4));
    for window in 3..200 {
        world.audited(0, window, 0, 1);
    }
    assert_eq!(world.verified(0), 4 + 197);
    assert!(world.tally.audits.len() <= MAX_OPEN_AUDITS);
}

#[test]
fn most_of_the_stake_convicts_in_the_block_in_which_it_is_most() {
    let mut world = World::new();
    world.block(20);
    world.convicts(0);
    assert_eq!((world.convict().convicted, world.convict().convicted_by.len()), (None, 1));
    world.block(21);
    world.convicts(0);
    assert_eq!(world.convict().convicted, None, "one validator twice is one");
    world.block(22);
    world.convicts(1);
    world.block(23);
    world.convicts(2);
    assert_eq!(world.convict().convicted, Some(22));
    assert_eq!(world.convict().convicted_by.values().copied().collect::<BTreeSet<_>>(), BTreeSet::from([20, 22, 23]));
}

#[test]
fn what_a_convict_is_paid_counts_from_weights_that_all_follow_its_conviction() {
    let mut world = World::new();
    world.reveals(15);
    world.block(20);
    world.convicts(0);
    world.convicts(1);
    world.epoch(30, &[1; 4]);
    assert_eq!((world.convict().epochs_after, world.convict().emission_after_rao), (0, 0), "revealed before");
    assert_eq!(world.tally.paid_since_conviction, 1);
    world.reveals(35);
    world.epoch(40, &[1; 4]);
    assert_eq!((world.convict().epochs_after, world.convict().emission_after_rao), (1, 1));
    assert_eq!(world.tally.paid_since_conviction, 2);
    // A validator that was killed reveals no more, and is not waited for.
    let mut world = World::new();
    world.convicts(0);
    world.convicts(1);
    world.tally.on(&Event::Killed { hotkey: world.validator(2) });
    for validator in 0..2 {
        let (hotkey, hash) = (world.validator(validator), Hash([9; 32]));
        world.tally.on(&Event::WeightsRevealed { block: 33, hotkey, hash });
    }
    world.epoch(40, &[0; 4]);
    assert_eq!((world.convict().epochs_after, world.convict().emission_after_rao), (1, 0));
}

#[test]
fn what_an_adversary_claims_does_not_count() {
    let mut world = World::new();
    let (liar, honest) =
        (world.adversary(), world.tally.neurons.values().find(|n| !n.is_adversary() && n.role == Role::Miner));
    let honest = honest.expect("one is honest").hotkey;
    world.tally.on(&Event::Loss { by: liar, window: 1, nats: 0.1, tokens: 10 });
    world.tally.on(&Event::Loss { by: honest, window: 1, nats: 4.0, tokens: 30 });
    assert_eq!((world.tally.training_loss(), world.tally.tokens), (Some((1, 4.0)), 40));
    let standing = |by, byte| Event::Standing { by, window: 1, stage: 0, theta: Hash([byte; 32]), blob: Hash([0; 32]) };
    world.tally.on(&standing(honest, 1));
    world.tally.on(&standing(liar, 2));
    assert!(world.tally.split.is_empty(), "an adversary's weights are its own affair");
}

#[test]
fn microbatches_are_settled_where_they_began_and_once() {
    let mut world = World::new();
    let (first, second) = (world.miner(0), world.miner(1));
    for (by, stage) in [(first, 0), (second, 1)] {
        world.tally.on(&Event::Standing { by, window: 0, stage, theta: Hash([stage as u8; 32]), blob: Hash([0; 32]) });
    }
    for by in [first, second] {
        for microbatch in [3, 3, 5] {
            world.tally.on(&Event::PassSettled { by, window: 0, microbatch });
        }
    }
    world.tally.on(&Event::PassSettled { by: second, window: 0, microbatch: 9 });
    assert_eq!(world.tally.settled[&0], BTreeSet::from([3, 5]));
    for window in 1..1000 {
        world.tally.on(&Event::PassSettled { by: first, window, microbatch: 1 });
    }
    assert_eq!(world.tally.settled.len(), MAX_COMPARED_WINDOWS + 1);
}

#[test]
fn bytes_are_counted_by_kind() {
    let mut world = World::new();
    for kind in [FetchedKind::Gradient, FetchedKind::State, FetchedKind::State] {
        world.tally.on(&Event::Fetched { kind, raw: 10, wire: 8 });
    }
    assert_eq!(world.tally.gradients, Bytes { raw: 10, wire: 8 });
    assert_eq!(world.tally.weights, Bytes { raw: 20, wire: 16 });
}
