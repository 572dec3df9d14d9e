//! Judges one run: drives the audit, rules on what it found, keeps the ledger, and tells others.
//!
//! What takes long runs in tasks that bring their outcome back; what must be durable before the next step (evidence, the
//! ledger) is waited for, on a thread that may block.
//!
//! Invariants: evidence is on disk before a verdict names it, and the ledger before anybody is told; tasks are bounded, and
//! what does not fit is asked for again by the machine that wanted it.

mod onchain;
mod sharing;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::{Block, Client, Metagraph, Netuid};
use engine::tolerance::DriftRules;
use keys::Keypair;
use neuron::events::{Event as NeuronEvent, EventSink, MinerAudit, RulingKind};
use neuron::machine::{self, ChainView};
use neuron::message::commit::StageState;
use neuron::message::names::{BlockNumber, Hash, StageId, Uid, WindowId};
use neuron::message::signed::Network;
use neuron::net::NetHandle;
use neuron::shell::{PostBook, Presence};
use neuron::store::Store;
use neuron::worker::RunPlan;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use self::onchain::POST_RETRY_BLOCKS;
use super::offers::Offers;
use super::recompute::{self, Holders, WindowWeights};
use super::{ValidatorError, asking};
use crate::evidence::{Archive, Evidence, EvidenceError};
use crate::hardware::Hardware;
use crate::ledger::Ledger;
use crate::machine::admission::Outcome as Proved;
use crate::machine::audit::{Action, Audit, AuditRules, Event, MAX_OPEN_WINDOWS, Standing, WindowReport};
use crate::machine::draw::DrawRules;
use crate::machine::hop::ClaimedHop;
use crate::machine::identity::Identity;
use crate::machine::verdict::{Ruling, SilenceReports, Verdict};

/// Tasks under way at once.
const MAX_TASKS: usize = 1024;
/// Outcomes of tasks that wait.
const MAX_WAITING_OUTCOMES: usize = 1024;
/// Windows from one measurement on held-out bytes to the next: a validator's work is to check, and this is to show.
const MEASURED_EVERY_WINDOWS: u32 = 4;
/// Windows whose assembled weights are held in memory.
const MAX_HELD_WEIGHTS: usize = 3;

/// Something that was found out.
pub(super) enum Outcome {
    Chain(machine::Event),
    Audit(Event),
    Weights(WindowId, WindowWeights),
    HeldOut { window: WindowId, nats: f64, tokens: u64 },
    Hardware(Proved),
    Offered(Hash, Option<Box<Evidence>>),
    Checked(Hash, Box<Evidence>, Result<(), EvidenceError>),
    Posted(Option<Vec<Uid>>),
    TaskEnded,
}

/// See the module.
pub(super) struct Judging {
    plan: Arc<RunPlan>,
    hotkey: Keypair,
    client: Client,
    netuid: Netuid,
    net: NetHandle,
    network: Network,
    store: Arc<Store>,
    directory: PathBuf,
    events: EventSink,
    view: ChainView,
    book: Arc<PostBook>,
    audit: Audit,
    ledger: Ledger,
    archive: Archive,
    hardware: Hardware,
    offers: Offers,
    /// The last window for which hardware was challenged.
    challenged: Option<WindowId>,
    /// States of the windows judged last, by which evidence of others is checked.
    states: BTreeMap<WindowId, Vec<StageState>>,
    weights: BTreeMap<WindowId, WindowWeights>,
    /// What the chain was told last about convicts, and when an attempt is due.
    posted: Vec<Uid>,
    post_at: Option<u64>,
    tasks: JoinSet<()>,
    outcomes: mpsc::Sender<Outcome>,
    arrived: mpsc::Receiver<Outcome>,
}

/// Runs what blocks on a thread that may. A defect in it stays one.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Judging {
    /// Takes up a run where this validator left it, or at its present window.
    pub(super) async fn start(
        presence: &Presence,
        plan: Arc<RunPlan>,
        state: &Path,
        store: Arc<Store>,
        events: EventSink,
    ) -> Result<Self, ValidatorError> {
        let (manifest, run) = (plan.manifest(), plan.run());
        let (judging, model) = (manifest.judging, &manifest.model);
        let rules = AuditRules {
            run,
            network: presence.network(),
            me: presence.hotkey().account_id(),
            stages: model.stages,
            microbatches: manifest.work.microbatches,
            attempts: manifest.attempts(),
            tolerance: manifest.tolerance(),
            draw: DrawRules {
                share_per_mille: judging.audit_per_mille,
                floor: judging.audit_floor,
                ceiling: judging.audit_ceiling,
            },
            suspect_draws: judging.suspect_draws,
            answer_blocks: judging.answer_blocks,
            retry_blocks: (judging.answer_blocks / 4).max(1),
            close_blocks: judging.close_blocks,
        };
        let (ledger, archive) = {
            let (state, plan) = (state.to_owned(), plan.clone());
            blocking(move || -> Result<_, ValidatorError> {
                Ok((Ledger::open(&state, &plan)?, Archive::open(&state.join("evidence"))?))
            })
            .await?
        };
        let (outcomes, arrived) = mpsc::channel(MAX_WAITING_OUTCOMES);
        events.emit(NeuronEvent::RunJoined { run });
        tracing::info!(%run, "judging");
        Ok(Self {
            view: ChainView::new(manifest, run),
            book: Arc::new(PostBook::new(presence.client().clone(), presence.netuid())),
            audit: Audit::new(rules),
            hardware: Hardware::new(&judging.hardware, presence.net().clone(), ledger.proofs.clone()),
            ledger,
            archive,
            offers: Offers::default(),
            challenged: None,
            states: BTreeMap::new(),
            weights: BTreeMap::new(),
            posted: Vec::new(),
            post_at: None,
            tasks: JoinSet::new(),
            outcomes,
            arrived,
            hotkey: presence.hotkey().clone(),
            client: presence.client().clone(),
            netuid: presence.netuid(),
            net: presence.net().clone(),
            network: presence.network(),
            store,
            directory: state.to_owned(),
            events,
            plan,
        })
    }

    /// Stops all tasks. What was ruled is on disk.
    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.hardware.shutdown().await;
    }

    /// What is found out next. May be cancelled and called again without losing any.
    pub(super) async fn next(&mut self) -> Outcome {
        tokio::select! {
            Some(outcome) = self.arrived.recv() => outcome,
            Some(_) = self.tasks.join_next() => Outcome::TaskEnded,
            proof = self.hardware.next() => Outcome::Hardware(proof),
        }
    }

    /// (uid, score) of every miner, and the uids of those that were convicted.
    pub(super) fn weigh(&self, metagraph: &Metagraph, now: BlockNumber) -> (Vec<(u16, u64)>, Vec<u16>) {
        let miners = miners(metagraph);
        let convicts = self.convicts(&miners).into_iter().map(|uid| uid.0).collect();
        (self.ledger.weigh(now, &miners), convicts)
    }

    fn convicts(&self, miners: &[Identity]) -> Vec<Uid> {
        let convicted = miners.iter().filter(|miner| self.ledger.verdicts.conviction(miner).is_some());
        convicted.map(|miner| miner.uid).collect()
    }

    /// A block was finalized.
    pub(super) async fn on_block(&mut self, presence: &Presence, block: &Block) -> Result<(), ValidatorError> {
        let number = block.number.0;
        if number >= self.plan.manifest().start_block.0 {
            let book = self.book.clone();
            self.spawn(async move {
                // If it fails, it is read again when it is wanted.
                let _ = book.block(number).await;
            });
        }
        self.view.on_block(BlockNumber(number));
        self.challenge(presence);
        self.post_convictions(presence, number);
        self.feed(presence, Event::Block(BlockNumber(number))).await?;
        self.open_due(presence).await
    }

    /// Takes what [`next`](Self::next) gave.
    pub(super) async fn on(&mut self, presence: &Presence, outcome: Outcome) -> Result<(), ValidatorError> {
        match outcome {
            Outcome::Chain(event) => {
                match event {
                    machine::Event::Members { window, members } => self.view.on_members(window, members),
                    machine::Event::Beacon { slot, beacon } => self.view.on_beacon(slot, beacon),
                    machine::Event::Posts { window, kind, posts } => self.view.on_posts(window, kind, &posts),
                    _ => {}
                }
                self.challenge(presence);
                self.open_due(presence).await?;
            }
            Outcome::Audit(event) => self.feed(presence, event).await?,
            Outcome::Weights(window, weights) => self.hold(window, weights),
            Outcome::HeldOut { window, nats, tokens } => {
                self.events.emit(NeuronEvent::HeldOut { window: window.0, nats, tokens });
            }
            Outcome::Hardware(proof) => {
                let fault = proof.verdict.as_ref().err().map(ToString::to_string);
                let (miner, measured_per_second) = (proof.hotkey, proof.measured_per_second);
                self.events.emit(NeuronEvent::HardwareProved { miner, measured_per_second, fault });
                self.ledger.proofs = self.hardware.proofs();
                self.persist().await?;
            }
            Outcome::Offered(name, None) => self.offers.forget(&name),
            Outcome::Offered(name, Some(evidence)) => self.check(name, *evidence),
            Outcome::Checked(name, evidence, result) => self.on_checked(name, &evidence, result).await?,
            Outcome::Posted(Some(uids)) => self.posted = uids,
            Outcome::Posted(None) => self.post_at = Some(presence.block() + POST_RETRY_BLOCKS),
            Outcome::TaskEnded => {}
        }
        Ok(())
    }

    async fn feed(&mut self, presence: &Presence, event: Event) -> Result<(), ValidatorError> {
        for action in self.audit.on(event) {
            self.act(presence, action).await?;
        }
        Ok(())
    }

    async fn act(&mut self, presence: &Presence, action: Action) -> Result<(), ValidatorError> {
        match action {
            Action::FetchCommitment { window, hotkey, name, from } => {
                let (net, outcomes) = (self.net.clone(), self.outcomes.clone());
                self.spawn(async move {
                    if let Some(bytes) = asking::commitment(&net, name, &from).await {
                        drop(outcomes.send(Outcome::Audit(Event::Commitment { window, hotkey, bytes })).await);
                    }
                });
            }
            Action::FetchLeaves { window, hotkey, leaves, from } => {
                let (net, outcomes) = (self.net.clone(), self.outcomes.clone());
                let wanted = asking::Wanted { run: self.plan.run(), window, hotkey, leaves };
                self.spawn(async move {
                    if let Some(records) = asking::leaves(&net, wanted, &from).await {
                        drop(outcomes.send(Outcome::Audit(Event::Leaves { window, hotkey, records })).await);
                    }
                });
            }
            Action::Recompute { window, microbatch, states, .. } => self.recompute(window, microbatch, states, None),
            Action::Compare { window, microbatch, states, hops } => {
                self.recompute(window, microbatch, states, Some(hops));
            }
            Action::Keep(evidence) => {
                let name = self.archive.put(&evidence)?;
                tracing::warn!(accused = %evidence.accused(), %name, "evidence of a fault");
            }
            Action::Closed(report) => self.on_closed(presence, *report).await?,
        }
        Ok(())
    }

    /// Computes a microbatch again: the path of honest stages, or these hops from what they took in.
    fn recompute(&mut self, window: WindowId, microbatch: u32, states: Vec<StageState>, hops: Option<Vec<ClaimedHop>>) {
        let (net, plan, outcomes) = (self.net.clone(), self.plan.clone(), self.outcomes.clone());
        let (held, holders) = (self.weights.get(&window).cloned(), self.holders(window));
        let has_room = self.spawn(async move {
            let weights = match held {
                Some(weights) => Some(weights),
                None => recompute::assemble(&net, &plan, &states, &holders).await,
            };
            let event = match weights {
                Some(weights) => {
                    drop(outcomes.send(Outcome::Weights(window, weights.clone())).await);
                    match hops {
                        Some(hops) => {
                            let hops = recompute::hops(&net, plan, weights, (window, microbatch), hops).await;
                            hops.map(|hops| Event::Compared { window, microbatch, hops })
                        }
                        None => {
                            let truth = blocking(move || recompute::path(&plan, &weights, window, microbatch)).await;
                            truth.map(|truth| Event::Recomputed { window, microbatch, truth })
                        }
                    }
                }
                None => {
                    tracing::warn!(window = window.0, "a stage's weights are not to be had: nothing is computed again");
                    None
                }
            };
            let event = event.unwrap_or(Event::RecomputeFailed { window, microbatch });
            drop(outcomes.send(Outcome::Audit(event)).await);
        });
        if !has_room {
            // The window closes at its deadline without it.
            tracing::warn!(window = window.0, microbatch, "a recomputation is dropped");
        }
    }

    /// Who holds the state of each stage: its replicas in the window.
    fn holders(&mut self, window: WindowId) -> Holders {
        let plan = self.plan.clone();
        let mut holders = vec![Vec::new(); usize::from(plan.manifest().model.stages)];
        if let Some(placement) = self.view.placement(plan.manifest(), window, &mut Vec::new()) {
            for (stage, holders) in (0..).zip(&mut holders) {
                holders.extend(placement.replicas(StageId(stage)).iter().map(|replica| replica.hotkey));
            }
        }
        holders
    }

    /// Holds the weights of a window, and now and then measures the model that they make.
    fn hold(&mut self, window: WindowId, weights: WindowWeights) {
        if self.weights.insert(window, weights.clone()).is_some() {
            return;
        }
        while self.weights.len() > MAX_HELD_WEIGHTS {
            self.weights.pop_first();
        }
        if !window.0.is_multiple_of(MEASURED_EVERY_WINDOWS) {
            return;
        }
        let (plan, outcomes) = (self.plan.clone(), self.outcomes.clone());
        self.spawn(async move {
            if let Some((nats, tokens)) = recompute::held_out(plan, weights).await {
                drop(outcomes.send(Outcome::HeldOut { window, nats, tokens }).await);
            }
        });
    }

    async fn on_closed(&mut self, presence: &Presence, report: WindowReport) -> Result<(), ValidatorError> {
        let window = report.window;
        let (drawn, recomputed, settled) = (report.drawn.len(), report.audited.len(), report.settled);
        let sound = report.miners.iter().filter(|miner| miner.standing == Standing::Sound).count();
        let miners = report.miners.len();
        tracing::info!(window = window.0, drawn, recomputed, settled, sound, miners, "audited");
        self.events.emit(audited(&report));
        if let Some(states) = &report.states {
            self.states.insert(window, states.clone());
        }
        while self.states.len() > MAX_OPEN_WINDOWS {
            self.states.pop_first();
        }
        // Silence alone voids nothing here: what was not shown to this validator it does not pay, and that is all.
        let drift = self.drift();
        let ruled = self.ledger.verdicts.rule(&report, &SilenceReports::default(), drift.as_ref());
        self.ledger.scores.close(&self.ledger.rules, report);
        if let Some(oldest) = self.ledger.scores.oldest() {
            self.ledger.verdicts.forget(oldest);
        }
        self.ledger.next_window = self.ledger.next_window.max(Some(window.next()));
        self.persist().await?;
        self.tell(&ruled);
        let manifest = self.plan.manifest();
        let oldest = WindowId(window.0.saturating_sub(manifest.retention_windows));
        self.view.forget(oldest, manifest.placement.epoch_windows);
        self.announce(presence, window);
        for evidence in self.offers.due(window) {
            if let Ok(bytes) = evidence.to_bytes() {
                self.check(Hash::of(&bytes), evidence);
            }
        }
        Ok(())
    }

    /// What levels go by, in a run with a tolerance.
    fn drift(&self) -> Option<DriftRules> {
        self.plan.manifest().tolerance()?.drift().ok()
    }

    fn tell(&self, ruled: &[Verdict]) {
        for verdict in ruled {
            tracing::warn!(miner = %verdict.identity, window = verdict.window.0, ruling = ?verdict.ruling, "ruled");
            let ruling = match verdict.ruling {
                Ruling::Void(_) => RulingKind::Void,
                Ruling::Strike { .. } | Ruling::Far { .. } => RulingKind::Strike,
                Ruling::Convicted => RulingKind::Convicted,
            };
            self.events.emit(NeuronEvent::Ruled {
                miner: verdict.identity.hotkey,
                window: verdict.window.0,
                ruling,
                evidence: verdict.evidence.clone(),
            });
        }
    }

    /// Writes the ledger.
    async fn persist(&self) -> Result<(), ValidatorError> {
        let (ledger, directory) = (self.ledger.clone(), self.directory.clone());
        Ok(blocking(move || ledger.write(&directory)).await?)
    }

    /// Starts a task. `false`, and nothing happens, when there are too many.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let has_room = self.tasks.len() < MAX_TASKS;
        if has_room {
            self.tasks.spawn(task);
        } else {
            tracing::warn!("this validator does not keep up: something is dropped");
        }
        has_room
    }
}

/// Who can be paid: everybody without a validator permit.
fn miners(metagraph: &Metagraph) -> Vec<Identity> {
    let miners = metagraph.neurons.iter().filter(|neuron| !neuron.validator_permit);
    let identity = |neuron: &chain::Neuron| Identity {
        hotkey: neuron.hotkey,
        uid: Uid(neuron.uid.0),
        registered_at: BlockNumber(neuron.block_at_registration.0),
    };
    miners.map(identity).collect()
}

fn audited(report: &WindowReport) -> NeuronEvent {
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    let miners = report.miners.iter().map(|miner| MinerAudit {
        hotkey: miner.identity.hotkey,
        stage: miner.stage.0,
        passes: miner.passes,
        confirmed: miner.confirmed,
        faults: count(miner.findings.len()),
        standing: format!("{:?}", miner.standing),
    });
    NeuronEvent::Audited {
        window: report.window.0,
        drawn: count(report.drawn.len()),
        recomputed: count(report.audited.len()),
        miners: miners.collect(),
    }
}
