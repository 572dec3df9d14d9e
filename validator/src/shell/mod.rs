//! A validator's shell: present in its subnet like any neuron, it finds the run, judges its windows, and takes what they are
//! worth on chain.
//!
//! ```text
//!  Presence ──blocks, requests──▶ Validator ──▶ Judging   audits, verdicts, hardware; the ledger on disk
//!                                     │              │ scores, convicts
//!                                     └──────▶ Setting ──▶ commit, reveal
//! ```

mod asking;
mod judging;
mod offers;
mod recompute;
mod setting;

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use chain::{Block, Metagraph};
use neuron::events::{Event, EventSink};
use neuron::message::names::BlockNumber;
use neuron::net::NetEvent;
use neuron::shell::{Presence, PresenceConfig, PresenceError, PresenceEvent, RunSource, SourceError, answer, find_run};
use neuron::store::{BlobLimits, Store, StoreError};
use neuron::worker::RunPlan;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::judging::Judging;
use self::setting::Setting;
use crate::evidence::ArchiveError;
use crate::ledger::LedgerError;

/// The manifest, and what little else a validator stores by hash.
const BLOBS: BlobLimits = BlobLimits { max_blob_bytes: 1024 * 1024, max_total_bytes: 64 * 1024 * 1024 };

/// How a validator runs.
pub struct ValidatorConfig {
    /// Its place in the subnet.
    pub presence: PresenceConfig,
    /// Where it keeps its state.
    pub state: PathBuf,
    /// The run that it judges. Without it nothing can be computed again, so nobody is weighed.
    pub run: Option<RunSource>,
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
    /// Its ledger on disk.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its evidence on disk.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The run cannot be judged here.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The system gives no randomness, so no salt would be secret.
    #[error("the system gives no randomness for a salt: {0}")]
    Randomness(getrandom::Error),
}

struct Validator {
    presence: Presence,
    events: EventSink,
    /// What is to be judged, until it is found.
    source: Option<RunSource>,
    finding: JoinSet<Result<Option<Arc<RunPlan>>, SourceError>>,
    judging: Option<Judging>,
    setting: Setting,
    state: PathBuf,
    // Last: the shelf's database goes after everything that uses it.
    store: Arc<Store>,
}

/// Runs a validator until it is told to stop.
pub async fn run(config: ValidatorConfig, stop: CancellationToken) -> Result<(), ValidatorError> {
    let events = config.presence.events.clone();
    let store = Arc::new(Store::open(&config.state, BLOBS)?);
    let Some(presence) = stop.run_until_cancelled(Presence::start(config.presence)).await else { return Ok(()) };
    let presence = presence?;
    let setting = Setting::open(
        presence.client().clone(),
        presence.netuid(),
        presence.hotkey().clone(),
        store.shelf("weights")?,
    )?;
    let mut validator = Validator {
        presence,
        events,
        source: config.run,
        finding: JoinSet::new(),
        judging: None,
        setting,
        state: config.state,
        store,
    };
    let ended = validator.serve(&stop).await;
    validator.finding.shutdown().await;
    validator.setting.shutdown().await;
    if let Some(judging) = validator.judging.take() {
        judging.shutdown().await;
    }
    validator.presence.shutdown().await;
    validator.events.emit(Event::Stopped);
    ended
}

impl Validator {
    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), ValidatorError> {
        loop {
            let judging = self.judging.as_mut();
            let found_out = async {
                match judging {
                    Some(judging) => judging.next().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                news = self.presence.next() => match news? {
                    PresenceEvent::Block(block) => self.on_block(block).await?,
                    PresenceEvent::Metagraph => self.setting.on_metagraph(),
                    PresenceEvent::Net(NetEvent::Request { from, request, responder }) => match &mut self.judging {
                        Some(judging) => judging.on_request(&self.presence, from, request, responder),
                        None => answer(&self.store, request, responder),
                    },
                    PresenceEvent::Net(_) => {}
                },
                Some(found) = self.finding.join_next() => match found {
                    Ok(Ok(Some(plan))) => self.judge(plan).await?,
                    Ok(Ok(None)) => tracing::info!("the run to judge is not known yet"),
                    Ok(Err(SourceError::Chain(error))) => tracing::warn!(%error, "looking for the run again"),
                    Ok(Err(error)) => return Err(error.into()),
                    Err(error) => tracing::warn!(%error, "looking for the run again"),
                },
                outcome = found_out => if let Some(judging) = &mut self.judging {
                    judging.on(&self.presence, outcome).await?;
                },
                end = self.setting.next() => self.setting.on_step_end(end, self.presence.block())?,
            }
        }
    }

    async fn judge(&mut self, plan: Arc<RunPlan>) -> Result<(), ValidatorError> {
        self.source = None;
        let (state, store, events) = (&self.state, self.store.clone(), self.events.clone());
        self.judging = Some(Judging::start(&self.presence, plan, state, store, events).await?);
        Ok(())
    }

    async fn on_block(&mut self, block: Block) -> Result<(), ValidatorError> {
        if let Some(source) = self.source.as_ref().filter(|_| self.finding.is_empty()) {
            let (client, netuid, net) =
                (self.presence.client().clone(), self.presence.netuid(), self.presence.net().clone());
            self.finding.spawn(find_run(source.clone(), client, netuid, net, self.store.clone()));
        }
        let Some(judging) = &mut self.judging else { return Ok(()) };
        judging.on_block(&self.presence, &block).await?;
        let metagraph = self.presence.metagraph();
        let (scores, convicts) = judging.weigh(metagraph, BlockNumber(block.number.0));
        let permitted = is_permitted(metagraph, &self.presence.hotkey().account_id());
        self.setting.on_block(&block, permitted, &scores, &convicts).await
    }
}

/// Whether a hotkey holds a validator permit.
fn is_permitted(metagraph: &Metagraph, hotkey: &keys::AccountId) -> bool {
    metagraph.by_hotkey(hotkey).is_some_and(|neuron| neuron.validator_permit)
}
