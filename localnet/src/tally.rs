//! The state of a localnet, folded from its events.

use std::collections::{BTreeMap, BTreeSet};

use keys::AccountId;
use neuron::events::{FetchedKind, MinerAudit, RulingKind};
use neuron::message::names::Hash;

use crate::accounts::{Account, Role};
use crate::events::{Event, Place};
use crate::persona::Persona;

/// Windows whose states are remembered.
const MAX_WINDOWS: usize = 8;

/// Windows whose audits are kept apart by validator; what is older counts as it then stood.
const MAX_OPEN_AUDITS: usize = 32;

/// Windows whose settled microbatches are remembered; with more, nothing is trained again for comparison.
pub const MAX_COMPARED_WINDOWS: usize = 256;

/// One neuron of the localnet.
#[derive(Clone, Debug)]
pub struct NeuronTally {
    /// Its account's name.
    pub name: String,
    /// Validator or miner.
    pub role: Role,
    /// What it plays.
    pub persona: Persona,
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Its uid.
    pub uid: u16,
    /// Whether it was killed on purpose.
    pub killed: bool,
    /// Whether it may set weights.
    pub validator_permit: bool,
    /// Stake on its hotkey, in rao of alpha.
    pub stake_rao: u64,
    /// Of 65,535.
    pub incentive: u16,
    /// Of 65,535.
    pub dividends: u16,
    /// All it was paid so far, in rao of alpha.
    pub emission_rao: u64,
    /// Peers whose proof it holds.
    pub peers: BTreeSet<AccountId>,
    /// Its weight commits.
    pub commits: u64,
    /// Its weight reveals.
    pub reveals: u64,
    /// The block in which its weights in force were revealed.
    pub weights_from: Option<u64>,
    /// Whether its axon is on chain.
    pub serving: bool,
    /// The newest window it stood in, and the stage that it hosted there.
    pub place: Option<(u32, u16)>,
    /// Passes that came back.
    pub passes: u64,
    /// Verified passes in windows that are not kept apart any more.
    verified_before: u64,
    /// Microbatches in which validators found its leaf true, and false.
    pub audits: (u64, u64),
    /// Validators that have a proof of its hardware.
    pub admitted_by: BTreeSet<AccountId>,
    /// Validators that convicted it, with the block.
    pub convicted_by: BTreeMap<AccountId, u64>,
    /// The block in which validators with most of the stake had convicted it.
    pub convicted: Option<u64>,
    /// The newest window that had begun then.
    pub convicted_window: Option<u32>,
    /// Epochs in which all weights in force were revealed after its conviction.
    pub epochs_after: u64,
    /// What these epochs paid it, in rao of alpha.
    pub emission_after_rao: u64,
}

impl NeuronTally {
    fn new(account: &Account, uid: u16) -> Self {
        Self {
            name: account.name.clone(),
            role: account.role,
            persona: account.persona,
            hotkey: account.hotkey_id(),
            uid,
            killed: false,
            validator_permit: false,
            stake_rao: 0,
            incentive: 0,
            dividends: 0,
            emission_rao: 0,
            peers: BTreeSet::new(),
            commits: 0,
            reveals: 0,
            weights_from: None,
            serving: false,
            place: None,
            passes: 0,
            verified_before: 0,
            audits: (0, 0),
            admitted_by: BTreeSet::new(),
            convicted_by: BTreeMap::new(),
            convicted: None,
            convicted_window: None,
            epochs_after: 0,
            emission_after_rao: 0,
        }
    }

    /// Whether it is a miner that cheats.
    pub fn is_adversary(&self) -> bool {
        self.persona.cheats()
    }

    fn on_reveal(&mut self, block: u64) {
        self.reveals += 1;
        self.weights_from = Some(block);
    }

    fn on_epoch(&mut self, place: &Place) {
        self.uid = place.uid;
        self.serving = place.serving;
        self.validator_permit = place.validator_permit;
        self.stake_rao = place.stake_rao;
        self.incentive = place.incentive;
        self.dividends = place.dividends;
        self.emission_rao = self.emission_rao.saturating_add(place.emission_rao);
    }
}

/// What replicas said they stand on: weights and the blob that holds them, by hotkey.
pub type States = BTreeMap<AccountId, (Hash, Hash)>;

/// The passes of one window that each validator pays, by validator and miner.
type Audits = BTreeMap<AccountId, BTreeMap<AccountId, u32>>;

/// Bytes of one kind of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// As plain f32.
    pub raw: u64,
    /// As sent.
    pub wire: u64,
}

/// The localnet so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Height of the newest finalized block.
    pub block: u64,
    /// The subnet's epoch counter.
    pub epoch: u64,
    /// The block that ends the running epoch.
    pub epoch_end: u64,
    /// Epochs that ran.
    pub epochs: u64,
    /// Epochs that paid at least one miner by its incentive.
    pub paid_epochs: u64,
    /// Those of them that ran since the newest conviction.
    pub paid_since_conviction: u64,
    /// Every neuron, by hotkey.
    pub neurons: BTreeMap<AccountId, NeuronTally>,
    /// States at the start of the newest windows, by window and stage.
    pub states: BTreeMap<u32, BTreeMap<u16, States>>,
    /// Windows in which honest replicas of a stage stood on different weights.
    pub split: BTreeSet<u32>,
    /// Microbatches of each window that came back to the first stage, as long as they all can be remembered.
    pub settled: BTreeMap<u32, BTreeSet<u32>>,
    /// Tensors that went from stage to stage, and their bytes on the wire.
    pub sent: (u64, u64),
    /// Gradients that were fetched to be merged.
    pub gradients: Bytes,
    /// States that were fetched to go on from.
    pub weights: Bytes,
    /// Loss sum and bytes of each of the newest windows, as honest miners of the last stage measured them.
    pub losses: BTreeMap<u32, (f64, u64)>,
    /// Bytes trained on, in all.
    pub tokens: u64,
    /// Held-out loss at the start of the newest windows, as a validator measured it.
    pub held_out: BTreeMap<u32, f64>,
    audits: BTreeMap<u32, Audits>,
}

impl Tally {
    /// A localnet of these neurons, with their uids, before anything happened.
    pub fn new<'a>(neurons: impl IntoIterator<Item = (&'a Account, u16)>) -> Self {
        let neurons = neurons.into_iter().map(|(account, uid)| (account.hotkey_id(), NeuronTally::new(account, uid)));
        Self { neurons: neurons.collect(), ..Self::default() }
    }

    /// Neurons by uid.
    pub fn by_uid(&self) -> Vec<&NeuronTally> {
        let mut neurons: Vec<_> = self.neurons.values().collect();
        neurons.sort_by_key(|n| n.uid);
        neurons
    }

    /// Takes in one event. What concerns a hotkey that is not ours (someone joined by hand) is left aside.
    pub fn on(&mut self, event: &Event) {
        match event {
            Event::Block { number, epoch, epoch_end } => {
                (self.block, self.epoch, self.epoch_end) = (*number, *epoch, *epoch_end);
            }
            Event::Epoch { standing, .. } => self.on_epoch(standing),
            Event::WeightsCommitted { hotkey, .. } => self.at(hotkey, |n| n.commits += 1),
            Event::WeightsRevealed { block, hotkey, .. } => self.at(hotkey, |n| n.on_reveal(*block)),
            Event::PeerProven { by, peer } => self.at(by, |n| {
                n.peers.insert(*peer);
            }),
            Event::PeerLost { by, peer } => self.at(by, |n| {
                n.peers.remove(peer);
            }),
            Event::Standing { by, window, stage, theta, blob } => self.on_standing(by, *window, *stage, *theta, *blob),
            Event::PassSettled { by, window, microbatch } => self.on_settled(by, *window, *microbatch),
            Event::Sent { tensors, bytes } => {
                self.sent = (self.sent.0.saturating_add(*tensors), self.sent.1.saturating_add(*bytes));
            }
            Event::Fetched { kind, raw, wire } => {
                let traffic = match kind {
                    FetchedKind::Gradient => &mut self.gradients,
                    FetchedKind::State => &mut self.weights,
                };
                traffic.raw = traffic.raw.saturating_add(*raw);
                traffic.wire = traffic.wire.saturating_add(*wire);
            }
            Event::Loss { by, window, nats, tokens } => {
                self.tokens = self.tokens.saturating_add(*tokens);
                // What an adversary says of its loss is made up.
                if self.neurons.get(by).is_some_and(|n| !n.is_adversary()) {
                    let (sum, bytes) = self.losses.entry(*window).or_default();
                    *sum += nats * *tokens as f64;
                    *bytes += tokens;
                    keep_newest(&mut self.losses, MAX_WINDOWS);
                }
            }
            Event::HardwareProved { by, miner, fault: None } => self.at(miner, |n| {
                n.admitted_by.insert(*by);
            }),
            Event::HardwareProved { .. } => {}
            Event::Audited { by, window, miners, .. } => self.on_audited(by, *window, miners),
            Event::Ruled { by, miner, ruling: RulingKind::Convicted, .. } => self.on_convicted(by, miner),
            Event::Ruled { .. } => {}
            Event::HeldOut { window, nats, .. } => {
                self.held_out.insert(*window, *nats);
                keep_newest(&mut self.held_out, MAX_COMPARED_WINDOWS);
            }
            Event::Killed { hotkey } => self.at(hotkey, |n| n.killed = true),
        }
    }

    fn on_epoch(&mut self, standing: &[Place]) {
        self.epochs += 1;
        if standing.iter().any(|place| place.incentive > 0 && place.emission_rao > 0) {
            self.paid_epochs += 1;
            self.paid_since_conviction += 1;
        }
        for place in standing {
            self.at(&place.hotkey, |n| n.on_epoch(place));
        }
        // The oldest weights that this epoch paid by.
        let weights_from = self
            .neurons
            .values()
            .filter(|n| n.role == Role::Validator && !n.killed)
            .map(|n| n.weights_from.filter(|_| n.validator_permit))
            .min()
            .flatten();
        for place in standing {
            self.at(&place.hotkey, |n| {
                if n.convicted.is_some_and(|convicted| weights_from.is_some_and(|from| from > convicted)) {
                    n.epochs_after += 1;
                    n.emission_after_rao = n.emission_after_rao.saturating_add(place.emission_rao);
                }
            });
        }
    }

    fn on_standing(&mut self, by: &AccountId, window: u32, stage: u16, theta: Hash, blob: Hash) {
        self.at(by, |n| n.place = n.place.max(Some((window, stage))));
        let states = self.states.entry(window).or_default().entry(stage).or_default();
        states.insert(*by, (theta, blob));
        let is_honest = |hotkey: &AccountId| self.neurons.get(hotkey).is_some_and(|n| !n.is_adversary());
        let mut thetas = states.iter().filter(|(hotkey, _)| is_honest(hotkey)).map(|(_, (theta, _))| theta);
        if let Some(first) = thetas.next()
            && thetas.any(|other| other != first)
        {
            self.split.insert(window);
        }
        keep_newest(&mut self.states, MAX_WINDOWS);
    }

    fn on_settled(&mut self, by: &AccountId, window: u32, microbatch: u32) {
        let Some(neuron) = self.neurons.get_mut(by) else { return };
        neuron.passes += 1;
        if neuron.place.is_some_and(|(_, stage)| stage == 0) {
            self.settled.entry(window).or_default().insert(microbatch);
            // One more than can be compared is enough to know that they are too many.
            keep_newest(&mut self.settled, MAX_COMPARED_WINDOWS + 1);
        }
    }

    fn on_audited(&mut self, by: &AccountId, window: u32, miners: &[MinerAudit]) {
        for miner in miners {
            self.at(&miner.hotkey, |n| {
                n.audits.0 += u64::from(miner.confirmed);
                n.audits.1 += u64::from(miner.faults);
            });
        }
        let passes = miners.iter().map(|miner| (miner.hotkey, miner.passes)).collect();
        self.audits.entry(window).or_default().insert(*by, passes);
        while self.audits.len() > MAX_OPEN_AUDITS
            && let Some((_, audits)) = self.audits.pop_first()
        {
            for neuron in self.neurons.values_mut() {
                neuron.verified_before += median_passes(&audits, &neuron.hotkey);
            }
        }
    }

    fn on_convicted(&mut self, by: &AccountId, miner: &AccountId) {
        let (block, window) = (self.block, self.states.keys().next_back().copied().unwrap_or(0));
        let stakes: BTreeMap<_, _> =
            self.neurons.values().filter(|n| n.role == Role::Validator).map(|n| (n.hotkey, n.stake_rao)).collect();
        let total: u128 = stakes.values().copied().map(u128::from).sum();
        // Before the first epoch nobody's stake is known: then heads count.
        let weigh =
            |hotkey: &AccountId| if total == 0 { 1 } else { u128::from(stakes.get(hotkey).copied().unwrap_or(0)) };
        let all = if total == 0 { stakes.len() as u128 } else { total };
        let Some(neuron) = self.neurons.get_mut(miner) else { return };
        neuron.convicted_by.entry(*by).or_insert(block);
        let against: u128 = neuron.convicted_by.keys().map(weigh).sum();
        if neuron.convicted.is_none() && 2 * against > all {
            neuron.convicted = Some(block);
            neuron.convicted_window = Some(window);
            self.paid_since_conviction = 0;
        }
    }

    /// Passes of a miner that are paid: of each window, the median of what validators report.
    pub fn verified_passes(&self, miner: &NeuronTally) -> u64 {
        miner.verified_before + self.audits.values().map(|audits| median_passes(audits, &miner.hotkey)).sum::<u64>()
    }

    /// Miners that cheat.
    pub fn adversaries(&self) -> impl Iterator<Item = &NeuronTally> {
        self.neurons.values().filter(|n| n.is_adversary())
    }

    /// The newest window that every stage has begun, and for each stage a blob that holds its weights.
    pub fn last_common_state(&self, stages: u16) -> Option<(u32, BTreeMap<u16, Hash>)> {
        self.states.iter().rev().find_map(|(window, by_stage)| {
            let blobs: BTreeMap<u16, Hash> = by_stage
                .iter()
                .filter_map(|(stage, states)| states.values().next().map(|(_, blob)| (*stage, *blob)))
                .collect();
            (blobs.len() == usize::from(stages)).then_some((*window, blobs))
        })
    }

    /// Mean training loss of the newest window that is certainly over.
    pub fn training_loss(&self) -> Option<(u32, f64)> {
        let (window, (sum, bytes)) = self.losses.iter().next_back()?;
        (*bytes > 0).then(|| (*window, sum / *bytes as f64))
    }

    fn at(&mut self, hotkey: &AccountId, change: impl FnOnce(&mut NeuronTally)) {
        if let Some(neuron) = self.neurons.get_mut(hotkey) {
            change(neuron);
        }
    }
}

fn keep_newest<T>(windows: &mut BTreeMap<u32, T>, most: usize) {
    while windows.len() > most {
        windows.pop_first();
    }
}

/// Of an even number of reports, the lower of the middle two.
fn median_passes(audits: &Audits, miner: &AccountId) -> u64 {
    let mut reported: Vec<u32> = audits.values().map(|passes| passes.get(miner).copied().unwrap_or(0)).collect();
    reported.sort_unstable();
    let middle = reported.len().saturating_sub(1) / 2;
    reported.get(middle).copied().map_or(0, u64::from)
}

#[cfg(test)]
mod tests;
