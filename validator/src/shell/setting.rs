//! Weights on their way to the chain: the steps of the [`WeightSetter`], carried out.

use chain::weights::{WeightVector, commit_hash, max_upscale_integers};
use chain::{Block, Call, ChainError, Client, EpochSchedule, Hyperparameters, Netuid, SubmitError, Uid};
use keys::Keypair;
use neuron::store::{Shelf, StoreError};
use tokio::task::JoinSet;

use super::ValidatorError;
use crate::machine::weights::{SALT_WORDS, Schedule, Sealed, Step, WeightSetter, WeightState};

/// Most bytes of the weight setter's state: ten commits of 256 uids.
pub(super) const MAX_WEIGHT_STATE_BYTES: usize = 32 * 1024;

/// Where the state lies.
pub(super) type WeightShelf = Shelf<WeightState, MAX_WEIGHT_STATE_BYTES>;

/// How a step of the weight setter ended.
pub(super) enum StepEnd {
    Committed { epoch: u64 },
    Revealed,
    SetPlain { epoch: u64 },
    Failed { absent: bool },
    Reconciled { epoch: Option<u64> },
    Unknown,
}

/// See the module.
pub(super) struct Setting {
    client: Client,
    netuid: Netuid,
    hotkey: Keypair,
    setter: WeightSetter,
    shelf: WeightShelf,
    steps: JoinSet<StepEnd>,
    /// What the chain says about the epoch, read again when it ends or the metagraph changes.
    rules: Option<(Hyperparameters, EpochSchedule)>,
}

impl Setting {
    /// Goes on from what was persisted.
    pub(super) fn open(
        client: Client,
        netuid: Netuid,
        hotkey: Keypair,
        shelf: WeightShelf,
    ) -> Result<Self, StoreError> {
        let setter = WeightSetter::new(shelf.get(0, b"state")?.unwrap_or_default());
        Ok(Self { client, netuid, hotkey, setter, shelf, steps: JoinSet::new(), rules: None })
    }

    /// Epochs and owners change the rules; both come with a new metagraph.
    pub(super) fn on_metagraph(&mut self) {
        self.rules = None;
    }

    /// How a step ended; pends while none is under way.
    pub(super) async fn next(&mut self) -> StepEnd {
        match self.steps.join_next().await {
            Some(Ok(end)) => end,
            // A step that was cut off is reconciled with the chain like one that got lost.
            Some(Err(_)) => StepEnd::Failed { absent: false },
            None => std::future::pending().await,
        }
    }

    pub(super) async fn shutdown(&mut self) {
        self.steps.shutdown().await;
    }

    /// A block was finalized: takes the step that is due. `scores` are (uid, score), `convicts` uids that are to get
    /// nothing, also by what was committed before.
    pub(super) async fn on_block(
        &mut self,
        block: &Block,
        permitted: bool,
        scores: &[(u16, u64)],
        convicts: &[u16],
    ) -> Result<(), ValidatorError> {
        if !self.steps.is_empty() {
            return Ok(());
        }
        if self.setter.retract(convicts) {
            tracing::info!("weights that would pay a convict are not opened");
            self.persist()?;
        }
        match self.schedule(block, permitted).await {
            Ok(schedule) => self.step(schedule, scores),
            Err(error) => {
                tracing::warn!(%error, "cannot read the epoch's schedule");
                Ok(())
            }
        }
    }

    async fn schedule(&mut self, block: &Block, permitted: bool) -> Result<Schedule, ChainError> {
        let stale = self.rules.as_ref().is_none_or(|(_, epoch)| block.number >= epoch.next);
        if stale {
            let snapshot = self.client.at(block.hash).await?;
            self.rules =
                Some((snapshot.hyperparameters(self.netuid).await?, snapshot.epoch_schedule(self.netuid).await?));
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
            permitted,
        })
    }

    fn step(&mut self, schedule: Schedule, scores: &[(u16, u64)]) -> Result<(), ValidatorError> {
        if let Some(sealed) = self.setter.uncertain().cloned() {
            let hash = self.hash(&sealed);
            let (client, netuid, hotkey) = (self.client.clone(), self.netuid, self.hotkey.account_id());
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
        let values = max_upscale_integers(&scores.iter().map(|(_, score)| *score).collect::<Vec<_>>());
        // Nobody earned anything: the chain has no way to say so, and nothing is said.
        let weights: Vec<_> =
            scores.iter().zip(values).map(|((uid, _), value)| (*uid, value)).filter(|(_, value)| *value > 0).collect();
        let Some(step) = self.setter.next(schedule, &weights, salt()?) else { return Ok(()) };
        // A salt that is lost is an epoch that is lost: on disk before the commit leaves.
        self.persist()?;
        let (client, netuid) = (self.client.clone(), self.netuid);
        let (hotkey, call) = (self.hotkey.clone(), self.call(&step));
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

    /// A step ended at `block`.
    pub(super) fn on_step_end(&mut self, end: StepEnd, block: u64) -> Result<(), ValidatorError> {
        match end {
            StepEnd::Committed { epoch } => self.setter.committed(epoch),
            StepEnd::Revealed => self.setter.revealed(),
            StepEnd::SetPlain { epoch } => self.setter.set_plain(epoch),
            StepEnd::Failed { absent } => self.setter.failed(block, absent),
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
        commit_hash(self.hotkey.account_id(), self.netuid, 0, &vector, &sealed.salt, sealed.version_key)
    }

    fn call(&self, step: &Step) -> Call {
        let netuid = self.netuid;
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
