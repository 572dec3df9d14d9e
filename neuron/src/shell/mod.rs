//! A neuron in a tokio runtime: events from the network and the chain in, actions out.

mod answers;
mod assemble;
mod dialer;
pub mod fetch;
mod follow;
mod identity;
mod keeping;
mod opening;
mod presence;
mod reads;
mod room;
mod source;
mod visit;
mod windows;

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use engine::tolerance::Accelerator;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use answers::answer;
pub use identity::{IdentityError, load_or_create as load_or_create_identity};
pub use presence::{Presence, PresenceConfig, PresenceError, PresenceEvent};
pub use reads::{PostBook, ReadError, beacon, members, members_at};
pub use source::{RunSource, SourceError, find as find_run, posted_run};

pub use self::assemble::{Agreement, AssembleConfig, AssembleError, Assembled, Lack, Lacks, assemble};
pub use self::visit::VisitError;

use self::windows::{LeafPage, Windows};
use crate::events::{Event, EventSink};
use crate::machine::MachineError;
use crate::message::control::ControlRequest;
use crate::net::NetEvent;
use crate::prover::Prover;
use crate::store::{BlobLimits, Store, StoreError};
use crate::wire::WireError;
use crate::worker::{ComputeFactory, DoesNotFit, RunPlan, WorkerError, honest};

/// Memory for the tensors of a window's transfers, unless told otherwise.
pub const DEFAULT_TENSOR_CACHE_BYTES: usize = 512 * 1024 * 1024;

/// What a miner needs.
pub struct NeuronConfig {
    /// Its place in the subnet.
    pub presence: PresenceConfig,
    /// Where it keeps its state.
    pub state: PathBuf,
    /// How much it keeps.
    pub blobs: BlobLimits,
    /// What it trains; without it, it is merely there.
    pub work: Option<WorkConfig>,
}

/// What a miner trains, and how.
#[derive(Clone)]
pub struct WorkConfig {
    /// The run.
    pub source: RunSource,
    /// What computes.
    pub compute: ComputeFactory,
    /// A device that computes in its place, in a run with a tolerance; others are refused.
    pub device: Option<Accelerator>,
    /// Memory for tensors under way.
    pub tensor_cache_bytes: usize,
    /// Most memory for the stage, in bytes; without it, as much as it takes.
    pub stage_cap_bytes: Option<u64>,
}

impl WorkConfig {
    /// Honest work on a run.
    pub fn honest(source: RunSource) -> Self {
        let tensor_cache_bytes = DEFAULT_TENSOR_CACHE_BYTES;
        Self { source, compute: honest(), device: None, tensor_cache_bytes, stage_cap_bytes: None }
    }
}

/// Why a neuron stopped, other than being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Chain or network.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run cannot be trained here.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The run, or what this neuron did in it before, does not fit.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// What this neuron did before cannot be read.
    #[error("the state of this run on disk cannot be read: {0}; without it this neuron could contradict itself")]
    State(WireError),
    /// Another machine's bits would be wrong, however honest.
    #[error("the run is exact: every bit is the processor's. Leave --device {0} away, or train a run with a tolerance")]
    ExactRun(Accelerator),
    /// The stage is more than this neuron may take memory for.
    #[error(transparent)]
    Memory(#[from] DoesNotFit),
    /// The engine.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// Runs a miner until `stop`. Returns early only when going on makes no sense.
pub async fn run(config: NeuronConfig, stop: CancellationToken) -> Result<(), RunError> {
    let events = config.presence.events.clone();
    let store = Arc::new(Store::open(&config.state, config.blobs)?);
    let Some(presence) = stop.run_until_cancelled(Presence::start(config.presence)).await else { return Ok(()) };
    let mut neuron = Neuron {
        presence: presence?,
        store,
        events: events.clone(),
        work: config.work,
        finding: JoinSet::new(),
        windows: None,
        prover: None,
    };
    let result = neuron.serve(&stop).await;
    neuron.finding.shutdown().await;
    if let Some(windows) = neuron.windows.take() {
        windows.shutdown().await;
    }
    if let Some(prover) = neuron.prover.take() {
        prover.shutdown().await;
    }
    events.emit(Event::Counted(neuron.presence.net().counts()));
    neuron.presence.shutdown().await;
    events.emit(Event::Stopped);
    result
}

struct Neuron {
    presence: Presence,
    store: Arc<Store>,
    events: EventSink,
    /// What is to be trained, until it is found.
    work: Option<WorkConfig>,
    finding: JoinSet<Result<Option<Arc<RunPlan>>, SourceError>>,
    windows: Option<Windows>,
    /// From when the run is known: its rules say what is to be proved.
    prover: Option<Prover>,
}

impl Neuron {
    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), RunError> {
        loop {
            let windows = self.windows.as_mut();
            let next = async {
                match windows {
                    Some(windows) => windows.next().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                news = self.presence.next() => self.on_news(news?).await?,
                Some(found) = self.finding.join_next() => match found {
                    Ok(Ok(Some(plan))) => self.join(plan).await?,
                    Ok(Ok(None)) => tracing::info!("the run to train is not known yet"),
                    Ok(Err(SourceError::Chain(error))) => tracing::warn!(%error, "looking for the run again"),
                    Ok(Err(error)) => return Err(error.into()),
                    Err(error) => tracing::warn!(%error, "looking for the run again"),
                },
                input = next => {
                    let input = input?;
                    if let Some(windows) = &mut self.windows {
                        windows.on(input).await?;
                    }
                }
            }
        }
    }

    async fn join(&mut self, plan: Arc<RunPlan>) -> Result<(), RunError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let (store, events) = (self.store.clone(), self.events.clone());
        let rules = plan.manifest().judging.hardware;
        let windows = Windows::start(&self.presence, plan, store, work, events).await?;
        self.windows = Some(windows);
        self.prover = Some(Prover::start(self.presence.hotkey().account_id(), &rules));
        Ok(())
    }

    /// Looks for the run, with each block until it is found.
    fn look_for_work(&mut self) {
        if let Some(work) = self.work.as_ref().filter(|_| self.finding.is_empty()) {
            let (client, netuid, net) =
                (self.presence.client().clone(), self.presence.netuid(), self.presence.net().clone());
            self.finding.spawn(source::find(work.source.clone(), client, netuid, net, self.store.clone()));
        }
    }

    async fn on_news(&mut self, news: PresenceEvent) -> Result<(), RunError> {
        match (news, &mut self.windows) {
            (PresenceEvent::Block(block), Some(windows)) => windows.on_block(&block).await?,
            (PresenceEvent::Block(_), None) => self.look_for_work(),
            (PresenceEvent::Net(NetEvent::Tensor { from, header, bytes, responder }), Some(windows)) => {
                windows.on_tensor(from, header, bytes, responder).await?;
            }
            (PresenceEvent::Net(NetEvent::Request { from, request, responder }), windows) => match (request, windows) {
                (ControlRequest::Reply(reply), Some(windows)) => windows.on_reply(from, reply, responder).await?,
                (ControlRequest::Progress(progress), Some(windows)) => {
                    windows.on_progress(from, progress, responder).await?;
                }
                (ControlRequest::GetLeaves { run, window, hotkey, first }, Some(windows)) => {
                    windows.give_leaves(LeafPage { run, window, hotkey, first }, responder);
                }
                (request @ (ControlRequest::ProveCompute(_) | ControlRequest::OpenTiles { .. }), _) => {
                    if let Some(prover) = &self.prover {
                        prover.on_request(self.presence.metagraph(), from, request, responder).await;
                    }
                }
                (request, _) => answer(&self.store, request, responder),
            },
            // Without a run nobody takes tensors: dropped, their sender is told so.
            _ => {}
        }
        Ok(())
    }
}
