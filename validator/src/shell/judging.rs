//! Judges one run: drives the audit, rules on what it found, keeps the ledger, and tells others.
//!
//! What takes long runs in tasks that bring their outcome back; what must be durable before the next step (evidence, the
//! ledger) is waited for, on a thread that may block.
//!
//! Invariants: evidence is on disk before a verdict names it, and the ledger before anybody is told; tasks are bounded, and
//! what does not fit is asked for again by the machine that wanted it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::{Block, Call, Client, CommitmentData, Metagraph, Netuid};
use keys::{AccountId, Keypair};
use neuron::events::{Event as NeuronEvent, EventSink, MinerAudit, RulingKind};
use neuron::machine::{self, ChainView, work_slot};
use neuron::message::commit::StageState;
use neuron::message::control::{ControlRefusal, ControlRequest, ControlResponse, MAX_LEAVES_PER_PAGE};
use neuron::message::conviction::ConvictionPost;
use neuron::message::names::{BlockNumber, Hash, StageId, Uid, WindowId};
use neuron::net::{NetHandle, Responder};
use neuron::shell::{PostBook, Presence, ReadError, answer, answer_piece, beacon, members_at};
use neuron::store::Store;
use neuron::worker::RunPlan;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use super::offers::{self, Known, Offers};
use super::recompute::{self, Holders, WindowWeights};
use super::{ValidatorError, asking, is_permitted};
use crate::evidence::{Archive, Evidence, EvidenceError};
use crate::hardware::Hardware;
use crate::ledger::Ledger;
use crate::machine::admission::Outcome as Proved;
use crate::machine::audit::{Action, Audit, AuditRules, Event, MAX_OPEN_WINDOWS, Opened, Standing, WindowReport};
use crate::machine::draw::DrawRules;
use crate::machine::identity::Identity;
use crate::machine::verdict::{Ruling, SilenceReports, Verdict};

/// Tasks under way at once.
const MAX_TASKS: usize = 1024;
/// Outcomes of tasks that wait.
const MAX_WAITING_OUTCOMES: usize = 1024;
/// How long a peer may take to note a message.
const NOTE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// Windows whose evidence is announced again with every window that closes: a validator that was away finds it.
const ANNOUNCED_WINDOWS: u32 = 8;
/// Most pieces of evidence announced at once.
const MAX_ANNOUNCED: usize = 64;
/// Windows whose assembled weights are held in memory.
const MAX_HELD_WEIGHTS: usize = 3;
/// Blocks between two attempts to post convictions.
const POST_RETRY_BLOCKS: u64 = 3;

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
    network: neuron::message::signed::Network,
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

    /// A peer asks something.
    pub(super) fn on_request(
        &mut self,
        presence: &Presence,
        from: AccountId,
        request: ControlRequest,
        responder: Responder,
    ) {
        let response = match request {
            ControlRequest::Evidence { name } => {
                let is_judge = is_permitted(presence.metagraph(), &from);
                if is_judge && !self.archive.contains(&name) && self.offers.take(name) {
                    let (net, outcomes) = (self.net.clone(), self.outcomes.clone());
                    self.spawn(async move {
                        let evidence = offers::fetch(&net, &from, name).await.map(Box::new);
                        drop(outcomes.send(Outcome::Offered(name, evidence)).await);
                    });
                }
                ControlResponse::Noted
            }
            ControlRequest::GetBlob { hash, offset_bytes, len_bytes } if self.archive.contains(&Hash(hash)) => {
                match self.archive.bytes(&Hash(hash)) {
                    Ok(Some(bytes)) => answer_piece(&bytes, offset_bytes, len_bytes),
                    Ok(None) => ControlResponse::Refused(ControlRefusal::NotFound),
                    Err(error) => {
                        tracing::error!(%error, "evidence cannot be read");
                        ControlResponse::Refused(ControlRefusal::NotFound)
                    }
                }
            }
            ControlRequest::GetLeaves { run, window, hotkey, first } if run == self.plan.run() => {
                match self.audit.leaves(window, &hotkey) {
                    Some(records) => ControlResponse::Leaves {
                        total: u32::try_from(records.len()).unwrap_or(u32::MAX),
                        records: records.iter().skip(first as usize).take(MAX_LEAVES_PER_PAGE).copied().collect(),
                    },
                    None => ControlResponse::Refused(ControlRefusal::NotFound),
                }
            }
            request => return answer(&self.store, request, responder),
        };
        self.spawn(async move { responder.respond(response).await });
    }

    /// Opens the audits of every window whose cut has passed and whose audit beacon is known.
    async fn open_due(&mut self, presence: &Presence) -> Result<(), ValidatorError> {
        loop {
            let Some(here) = self.view.position() else { return Ok(()) };
            let retention = self.plan.manifest().retention_windows;
            // What is older than the retention nobody can show any more.
            let oldest = WindowId(here.window.0.saturating_sub(retention.saturating_sub(1)));
            let window = self.ledger.next_window.map_or(here.window, |next| next.max(oldest));
            let window = self.audit.open_windows().last().map_or(window, |open| window.max(open.next()));
            if self.audit.open_windows().count() >= MAX_OPEN_WINDOWS {
                return Ok(());
            }
            let Some(opened) = self.opened(window) else { return Ok(()) };
            tracing::debug!(window = window.0, "auditing");
            self.feed(presence, Event::Opened(Box::new(opened))).await?;
        }
    }

    fn opened(&mut self, window: WindowId) -> Option<Opened> {
        let plan = self.plan.clone();
        if !self.view.has_passed(self.view.clock().cut_block(window)) {
            return None;
        }
        let mut reads = Vec::new();
        let view = &mut self.view;
        let commits = view.commits(window, &mut reads).map(<[_]>::to_vec);
        let placement = view.placement(plan.manifest(), window, &mut reads).cloned();
        let work_beacon = view.beacon(work_slot(window), &mut reads);
        // The slot after: fixed by the cut block, so nobody knew it who committed.
        let audit_beacon = view.beacon(work_slot(window.next()), &mut reads);
        let members = view.members(window).map(<[_]>::to_vec);
        self.read(reads);
        let members = members?;
        let suspects = self.ledger.verdicts.suspects(members.iter().map(Identity::from).collect::<Vec<_>>().iter());
        Some(Opened {
            window,
            work_beacon: work_beacon?,
            audit_beacon: audit_beacon?,
            members,
            placement: placement?,
            commits: commits?,
            thetas: vec![None; usize::from(plan.manifest().model.stages)],
            suspects,
        })
    }

    /// Asks the chain. What is not answered is asked again with the next block.
    fn read(&mut self, reads: Vec<machine::Action>) {
        for action in reads {
            let (client, netuid, run) = (self.client.clone(), self.netuid, self.plan.run());
            let (key, book, outcomes) = (self.plan.manifest().beacon_key, self.book.clone(), self.outcomes.clone());
            self.spawn(async move {
                let answer = async {
                    Ok::<_, ReadError>(match action {
                        machine::Action::ReadMembers { window, at } => {
                            let members = members_at(&client, netuid, run, at).await?;
                            Some(machine::Event::Members { window, members })
                        }
                        machine::Action::ReadBeacon { slot, block } => {
                            beacon(&client, key, block).await?.map(|beacon| machine::Event::Beacon { slot, beacon })
                        }
                        machine::Action::ReadPosts { window, kind, from, through } => {
                            let posts = book.read(from, through).await?;
                            Some(machine::Event::Posts { window, kind, posts })
                        }
                        _ => None,
                    })
                };
                match answer.await {
                    Ok(Some(event)) => drop(outcomes.send(Outcome::Chain(event)).await),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the chain does not answer; asking again"),
                }
            });
        }
    }

    /// Challenges miners' hardware when a window begins.
    fn challenge(&mut self, presence: &Presence) {
        let Some(here) = self.view.position().filter(|here| self.challenged < Some(here.window)) else { return };
        let metagraph = presence.metagraph();
        if !is_permitted(metagraph, &self.hotkey.account_id()) {
            return;
        }
        let mut reads = Vec::new();
        let beacon = self.view.beacon(work_slot(here.window), &mut reads);
        self.read(reads);
        let Some(beacon) = beacon else { return };
        self.challenged = Some(here.window);
        let serving = metagraph.neurons.iter().filter(|neuron| !neuron.validator_permit && neuron.axon.is_some());
        let miners: Vec<_> = serving.map(|neuron| neuron.hotkey).collect();
        self.hardware.on_window(here.window, beacon, &miners);
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
            Action::Recompute { window, microbatch, states, .. } => self.recompute(window, microbatch, states),
            Action::Keep(evidence) => {
                let name = self.archive.put(&evidence)?;
                tracing::warn!(accused = %evidence.accused(), %name, "evidence of a fault");
            }
            Action::Closed(report) => self.on_closed(presence, *report).await?,
        }
        Ok(())
    }

    fn recompute(&mut self, window: WindowId, microbatch: u32, states: Vec<StageState>) {
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
                    let truth = blocking(move || recompute::path(&plan, &weights, window, microbatch)).await;
                    truth.map(|(truth, loss_sum)| Event::Recomputed { window, microbatch, truth, loss_sum })
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

    /// Holds the weights of a window, and measures the model that they make, once.
    fn hold(&mut self, window: WindowId, weights: WindowWeights) {
        if self.weights.insert(window, weights.clone()).is_some() {
            return;
        }
        while self.weights.len() > MAX_HELD_WEIGHTS {
            self.weights.pop_first();
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
        let ruled = self.ledger.verdicts.rule(&report, &SilenceReports::default());
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

    /// Tells other validators what evidence there is; they fetch what they lack.
    fn announce(&mut self, presence: &Presence, window: WindowId) {
        let oldest = WindowId(window.0.saturating_sub(ANNOUNCED_WINDOWS));
        let recent = self.archive.entries().iter().rev().filter(|entry| entry.window >= oldest);
        let names: Vec<_> = recent.take(MAX_ANNOUNCED).map(|entry| entry.name).collect();
        let me = self.hotkey.account_id();
        let judges = presence.metagraph().neurons.iter().filter(|n| n.validator_permit && n.hotkey != me);
        let judges: Vec<_> = judges.map(|neuron| neuron.hotkey).filter(|judge| self.net.is_connected(judge)).collect();
        for judge in judges {
            let (net, names) = (self.net.clone(), names.clone());
            self.spawn(async move {
                for name in names {
                    if let Err(error) = net.request(judge, ControlRequest::Evidence { name }, NOTE_DEADLINE).await {
                        return tracing::debug!(%judge, %error, "a validator was not told of evidence");
                    }
                }
            });
        }
    }

    /// Checks evidence of another validator, once its window is judged here.
    fn check(&mut self, name: Hash, evidence: Evidence) {
        let Some(window) = evidence.window() else { return self.offers.forget(&name) };
        if self.archive.contains(&name) {
            return self.offers.forget(&name);
        }
        let states = self.states.get(&window).map(Vec::as_slice).or_else(|| self.audit.states(window));
        let states = match states {
            Some(states) => states.to_vec(),
            None if self.ledger.next_window > Some(window) => return self.offers.forget(&name),
            None => return self.offers.wait(evidence),
        };
        let Some(members) = self.view.members(window) else { return self.offers.forget(&name) };
        let members = members.iter().map(|member| (member.hotkey, Identity::from(member))).collect();
        let posts = self.view.commits(window, &mut Vec::new()).unwrap_or_default();
        let posts = posts.iter().map(|(hotkey, post)| (*hotkey, post.commitment)).collect();
        let (net, outcomes, holders) = (self.net.clone(), self.outcomes.clone(), self.holders(window));
        let held = self.weights.get(&window).cloned();
        let (network, plan) = (self.network, self.plan.clone());
        let has_room = self.spawn(async move {
            let weights = match (held, &evidence) {
                (Some(weights), _) => Some(weights),
                (None, Evidence::FalseLeaf { .. }) => recompute::assemble(&net, &plan, &states, &holders).await,
                (None, Evidence::Contradiction { .. }) => None,
            };
            let known = Known { network, plan, members, posts, weights };
            let (evidence, result) = blocking(move || {
                let result = offers::check(&evidence, &known);
                (evidence, result)
            })
            .await;
            drop(outcomes.send(Outcome::Checked(name, Box::new(evidence), result)).await);
        });
        if !has_room {
            self.offers.forget(&name);
        }
    }

    async fn on_checked(
        &mut self,
        name: Hash,
        evidence: &Evidence,
        result: Result<(), EvidenceError>,
    ) -> Result<(), ValidatorError> {
        self.offers.forget(&name);
        if let Err(error) = result {
            tracing::warn!(accused = %evidence.accused(), %name, %error, "evidence of another validator proves nothing");
            return Ok(());
        }
        self.archive.put(evidence)?;
        let ruled = self.ledger.verdicts.adopt(evidence, name);
        self.persist().await?;
        self.tell(&ruled);
        Ok(())
    }

    /// Posts whom this validator has convicted, when the chain does not say so yet.
    fn post_convictions(&mut self, presence: &Presence, block: u64) {
        let convicts = self.convicts(&miners(presence.metagraph()));
        if convicts == self.posted || self.post_at.is_some_and(|at| block < at) {
            return;
        }
        // Not again while this attempt is under way, however long the chain takes; its end sets another time.
        self.post_at = Some(block + 10 * POST_RETRY_BLOCKS);
        let payload = ConvictionPost { run: self.plan.run().prefix(), uids: convicts.clone() }.to_payload();
        let call = Call::set_commitment(self.netuid, &[CommitmentData::Raw(payload)]);
        let (client, hotkey, outcomes) = (self.client.clone(), self.hotkey.clone(), self.outcomes.clone());
        self.spawn(async move {
            let posted = match client.submit(&hotkey, &call).await {
                Ok(_) => Some(convicts),
                Err(error) => {
                    tracing::warn!(%error, "convictions are not posted; trying again");
                    None
                }
            };
            drop(outcomes.send(Outcome::Posted(posted)).await);
        });
    }

    fn tell(&self, ruled: &[Verdict]) {
        for verdict in ruled {
            tracing::warn!(miner = %verdict.identity, window = verdict.window.0, ruling = ?verdict.ruling, "ruled");
            let ruling = match verdict.ruling {
                Ruling::Void(_) => RulingKind::Void,
                Ruling::Strike { .. } => RulingKind::Strike,
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
