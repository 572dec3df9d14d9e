//! The state of a localnet, folded from its events.

use std::collections::{BTreeMap, BTreeSet};

use keys::AccountId;
use neuron::message::names::Hash;

use crate::accounts::{Account, Role};
use crate::events::Event;
use crate::persona::Persona;

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
    /// Blocks of its weight commits.
    pub commits: Vec<u64>,
    /// Blocks of its weight reveals.
    pub reveals: Vec<u64>,
    /// Whether its axon is on chain.
    pub serving: bool,
    /// The newest window it stood in, and the stage that it hosted there.
    pub place: Option<(u32, u16)>,
    /// Passes that came back.
    pub passes: u64,
}

/// Windows whose states are remembered.
const MAX_WINDOWS: usize = 8;

/// What replicas said they stand on: weights and the blob that holds them, by hotkey.
pub type States = BTreeMap<AccountId, (Hash, Hash)>;

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
    /// Every neuron, by hotkey.
    pub neurons: BTreeMap<AccountId, NeuronTally>,
    /// States at the start of the newest windows, by window and stage.
    pub states: BTreeMap<u32, BTreeMap<u16, States>>,
    /// Windows in which replicas of a stage stood on different weights.
    pub split: BTreeSet<u32>,
    /// Tensors that went from stage to stage, and their bytes on the wire.
    pub sent: (u64, u64),
    /// Loss sum and bytes of each window.
    pub losses: BTreeMap<u32, (f64, u64)>,
}

impl Tally {
    /// A localnet of these neurons, with their uids, before anything happened.
    pub fn new<'a>(neurons: impl IntoIterator<Item = (&'a Account, u16)>) -> Self {
        let neurons = neurons.into_iter().map(|(account, uid)| {
            let hotkey = account.hotkey_id();
            let tally = NeuronTally {
                name: account.name.clone(),
                role: account.role,
                persona: account.persona,
                hotkey,
                uid,
                validator_permit: false,
                stake_rao: 0,
                incentive: 0,
                dividends: 0,
                emission_rao: 0,
                peers: BTreeSet::new(),
                commits: Vec::new(),
                reveals: Vec::new(),
                serving: false,
                place: None,
                passes: 0,
            };
            (hotkey, tally)
        });
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
            Event::Epoch { standing, .. } => {
                self.epochs += 1;
                self.paid_epochs += u64::from(standing.iter().any(|s| s.incentive > 0 && s.emission_rao > 0));
                for s in standing {
                    if let Some(neuron) = self.neurons.get_mut(&s.hotkey) {
                        neuron.uid = s.uid;
                        neuron.serving = s.serving;
                        neuron.validator_permit = s.validator_permit;
                        neuron.stake_rao = s.stake_rao;
                        neuron.incentive = s.incentive;
                        neuron.dividends = s.dividends;
                        neuron.emission_rao = neuron.emission_rao.saturating_add(s.emission_rao);
                    }
                }
            }
            Event::WeightsCommitted { block, hotkey } => self.at(hotkey, |n| n.commits.push(*block)),
            Event::WeightsRevealed { block, hotkey } => self.at(hotkey, |n| n.reveals.push(*block)),
            Event::PeerProven { by, peer } => self.at(by, |n| {
                n.peers.insert(*peer);
            }),
            Event::PeerLost { by, peer } => self.at(by, |n| {
                n.peers.remove(peer);
            }),
            Event::Standing { by, window, stage, theta, blob } => {
                self.at(by, |n| n.place = n.place.max(Some((*window, *stage))));
                let states = self.states.entry(*window).or_default().entry(*stage).or_default();
                states.insert(*by, (*theta, *blob));
                if states.values().any(|(other, _)| other != theta) {
                    self.split.insert(*window);
                }
                while self.states.len() > MAX_WINDOWS {
                    self.states.pop_first();
                }
            }
            Event::PassSettled { by } => self.at(by, |n| n.passes += 1),
            Event::Sent { tensors, bytes } => {
                self.sent = (self.sent.0.saturating_add(*tensors), self.sent.1.saturating_add(*bytes));
            }
            Event::Loss { window, nats, tokens } => {
                let (sum, bytes) = self.losses.entry(*window).or_default();
                *sum += nats * *tokens as f64;
                *bytes += tokens;
            }
        }
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
