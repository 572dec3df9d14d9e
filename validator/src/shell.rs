//! A validator's shell: present in its subnet like any neuron, it asks miners, and carries out the steps of the weight setter.

use std::path::PathBuf;

use chain::weights::{WeightVector, commit_hash, max_upscale_integers};
use chain::{Block, Call, ChainError, EpochSchedule, Hyperparameters, Metagraph, SubmitError, Uid};
use keys::AccountId;
use neuron::events::{Event, EventSink};
use neuron::shell::{Presence, PresenceConfig, PresenceError, PresenceEvent};
use neuron::store::{BlobLimits, Shelf, Store, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::machine::weights::{SALT_WORDS, Schedule, Sealed, Step, WeightSetter, WeightState};

/// Most bytes of the weight setter's state: ten commits of 256 uids.
const MAX_WEIGHT_STATE_BYTES: usize = 32 * 1024;

/// Evidence that a validator may keep.
const BLOBS: BlobLimits = BlobLimits { max_blob_bytes: 64 * 1024 * 1024, max_total_bytes: 4 * 1024 * 1024 * 1024 };

/// How a validator runs.
pub struct ValidatorConfig {
    /// Its place in the subnet.
    pub presence: PresenceConfig,
    /// Where it keeps its state.
    pub state: PathBuf,
}

/// Why a validator stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValidatorError {
    /// Chain or network.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Its state on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no randomness, so no salt would be secret.
    #[error("the system gives no randomness for a salt: {0}")]
    Randomness(getrandom::Error),
}

/// How a step of the weight setter ended.
enum StepEnd {
    Committed { epoch: u64 },
    Revealed,
    SetPlain { epoch: u64 },
    Failed { absent: bool },
    Reconciled { epoch: Option<u64> },
    Unknown,
}

struct Validator {
    presence: Presence,
    events: EventSink,
    setter: WeightSetter,
    shelf: Shelf<WeightState, MAX_WEIGHT_STATE_BYTES>,
    steps: JoinSet<StepEnd>,
    /// What the chain says about the epoch, read again when it ends or the metagraph changes.
    rules: Option<(Hyperparameters, EpochSchedule)>,
    // Last: the shelf's database goes after everything that uses it.
    _store: Store,
}

/// Runs a validator until it is told to stop.
pub async fn run(config: ValidatorConfig, stop: CancellationToken) -> Result<(), ValidatorError> {
    let events = config.presence.events.clone();
    let store = Store::open(&config.state, BLOBS)?;
    let shelf = store.shelf("weights")?;
    let setter = WeightSetter::new(shelf.get(0, b"state")?.unwrap_or_default());
    let Some(presence) = stop.run_until_cancelled(Presence::start(config.presence)).await else { return Ok(()) };
    let mut validator =
        Validator { presence: presence?, events, setter, shelf, steps: JoinSet::new(), rules: None, _store: store };
    let ended = validator.serve(&stop).await;
    validator.steps.shutdown().await;
    validator.presence.shutdown().await;
    validator.events.emit(Event::Stopped);
    ended
}

impl Validator {
    fn hotkey(&self) -> AccountId {
        self.presence.hotkey().account_id()
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), ValidatorError> {
        loop {
            tokio::select! {
                news = self.presence.next() => match news? {
                    PresenceEvent::Block(block) => self.on_block(block).await?,
                    // Epochs and owners change the rules; both come with a new metagraph.
                    PresenceEvent::Metagraph => self.rules = None,
                    // Requests drop here unanswered: the responder then says that validators do not serve them.
                    PresenceEvent::Net(_) => {}
                },
                Some(Ok(end)) = self.steps.join_next() => self.on_step_end(end)?,
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn on_block(&mut self, block: Block) -> Result<(), ValidatorError> {
        let metagraph = self.presence.metagraph().clone();
        if !self.steps.is_empty() {
            return Ok(());
        }
        match self.schedule(&block, &metagraph).await {
            Ok(schedule) => self.step(schedule)?,
            Err(error) => tracing::warn!(%error, "cannot read the epoch's schedule"),
        }
        Ok(())
    }

    async fn schedule(&mut self, block: &Block, metagraph: &Metagraph) -> Result<Schedule, ChainError> {
        let stale = self.rules.as_ref().is_none_or(|(_, epoch)| block.number >= epoch.next);
        if stale {
            let snapshot = self.presence.client().at(block.hash).await?;
            let netuid = self.presence.netuid();
            self.rules = Some((snapshot.hyperparameters(netuid).await?, snapshot.epoch_schedule(netuid).await?));
        }
        let Some((rules, epoch)) = &self.rules else {
            return Err(ChainError::BlockNotFound { block: block.number.0.to_string() });
        };
        Ok(Schedule {
            block: block.number.0,
            epoch: epoch.index,
            epoch_start: epoch.last.0,
            tempo: epoch.next.0.saturating_sub(epoch.last.0),
            reveal_period: rules.reveal_period_epochs,
            commit_reveal: rules.commit_reveal_enabled,
            version_key: rules.weights_version_key,
            permitted: metagraph.by_hotkey(&self.hotkey()).is_some_and(|neuron| neuron.validator_permit),
        })
    }

    fn step(&mut self, schedule: Schedule) -> Result<(), ValidatorError> {
        if let Some(sealed) = self.setter.uncertain().cloned() {
            let hash = self.hash(&sealed);
            let (client, netuid, hotkey) = (self.presence.client().clone(), self.presence.netuid(), self.hotkey());
            self.steps.spawn(async move {
                let pending = async { client.latest().await?.pending_weight_commits(netuid, 0).await };
                match pending.await {
                    Ok(pending) => StepEnd::Reconciled {
                        epoch: pending.get(&hotkey).into_iter().flatten().find(|c| c.hash == hash).map(|c| c.epoch),
                    },
                    Err(_) => StepEnd::Unknown,
                }
            });
            return Ok(());
        }
        let scores: Vec<(u16, u64)> = Vec::new();
        let values = max_upscale_integers(&scores.iter().map(|(_, score)| *score).collect::<Vec<_>>());
        let weights: Vec<_> = scores.iter().zip(values).map(|((uid, _), value)| (*uid, value)).collect();
        // Nobody earned anything: the chain has no way to say so.
        let weights = if weights.iter().all(|(_, value)| *value == 0) { &[][..] } else { &weights };
        let Some(step) = self.setter.next(schedule, weights, salt()?) else { return Ok(()) };
        // A salt that is lost is an epoch that is lost: on disk before the commit leaves.
        self.persist()?;
        let (client, netuid) = (self.presence.client().clone(), self.presence.netuid());
        let (hotkey, call) = (self.presence.hotkey().clone(), self.call(&step));
        self.steps.spawn(async move {
            let submitted = match client.submit(&hotkey, &call).await {
                Ok(submitted) => submitted,
                Err(error) => {
                    tracing::warn!(hotkey = %hotkey.account_id(), call = call.full_name(), %error, "weights not set");
                    return StepEnd::Failed {
                        absent: !matches!(error, SubmitError::Undecided { .. } | SubmitError::Chain(_)),
                    };
                }
            };
            let epoch = async { client.at(submitted.block).await?.epoch_schedule(netuid).await };
            match (step, epoch.await) {
                (Step::Reveal(_), _) => StepEnd::Revealed,
                (Step::Commit(_), Ok(epoch)) => StepEnd::Committed { epoch: epoch.index },
                (Step::Plain { .. }, Ok(epoch)) => StepEnd::SetPlain { epoch: epoch.index },
                // Included, but in which epoch is not known: reconciled with the chain's own record.
                (_, Err(_)) => StepEnd::Failed { absent: false },
            }
        });
        Ok(())
    }

    fn on_step_end(&mut self, end: StepEnd) -> Result<(), ValidatorError> {
        match end {
            StepEnd::Committed { epoch } => self.setter.committed(epoch),
            StepEnd::Revealed => self.setter.revealed(),
            StepEnd::SetPlain { epoch } => self.setter.set_plain(epoch),
            StepEnd::Failed { absent } => self.setter.failed(self.presence.block(), absent),
            StepEnd::Reconciled { epoch } => self.setter.reconcile(epoch),
            StepEnd::Unknown => {}
        }
        self.persist()
    }

    fn persist(&self) -> Result<(), ValidatorError> {
        self.shelf.put(0, b"state", self.setter.state())?;
        Ok(self.shelf.flush()?)
    }

    fn hash(&self, sealed: &Sealed) -> [u8; 32] {
        let vector = WeightVector { uids: uids(&sealed.uids), values: sealed.values.clone() };
        commit_hash(self.hotkey(), self.presence.netuid(), 0, &vector, &sealed.salt, sealed.version_key)
    }

    fn call(&self, step: &Step) -> Call {
        let netuid = self.presence.netuid();
        match step {
            Step::Commit(sealed) => Call::commit_weights(netuid, self.hash(sealed)),
            Step::Reveal(s) => Call::reveal_weights(netuid, &uids(&s.uids), &s.values, &s.salt, s.version_key),
            Step::Plain { uids: to, values, version_key } => Call::set_weights(netuid, &uids(to), values, *version_key),
        }
    }
}

fn uids(uids: &[u16]) -> Vec<Uid> {
    uids.iter().copied().map(Uid).collect()
}

fn salt() -> Result<[u16; SALT_WORDS], ValidatorError> {
    let mut bytes = [0; 2 * SALT_WORDS];
    getrandom::fill(&mut bytes).map_err(ValidatorError::Randomness)?;
    let mut words = [0; SALT_WORDS];
    for (word, pair) in words.iter_mut().zip(bytes.chunks_exact(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    Ok(words)
}
