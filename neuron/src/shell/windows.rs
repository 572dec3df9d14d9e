//! Drives the [`Machine`] of one run: what happens becomes its events, its actions are carried out here, in order.
//!
//! ```text
//!  Presence ──blocks, tensors, requests──▶ Windows ◀──reports── Worker (engine thread)
//!                                           │  ▲
//!                              actions      ▼  │ outcomes (bounded)
//!                        tasks: chain reads, posts, fetches, transfers, replies
//! ```
//!
//! What takes long runs in tasks that bring their outcome back as an event. Only what must be done before the next action
//! (persisting, storing a commitment) is waited for, on a thread that may block.
//!
//! Invariants: an action is begun before the next; a lost message is a lost message, never an error; the tasks and the queue
//! of their outcomes are bounded, and what does not fit is dropped as a bad network would drop it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chain::{Block, Call, Client, CommitmentData, Netuid};
use keys::{AccountId, Keypair};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::keeping::Keeping;
use super::presence::Presence;
use super::reads::{PostBook, beacon, members_at};
use super::room::Room;
use super::{RunError, WorkConfig, fetch};
use crate::events::{Event as NeuronEvent, EventSink, FetchedKind};
use crate::machine::{Action, Blob, Event, Machine, Note, Persisted};
use crate::message::control::{ControlRefusal, ControlRequest, ControlResponse, MAX_LEAVES_PER_PAGE};
use crate::message::names::{BlockNumber, Hash, Millis, RunId, StageId, WindowId};
use crate::message::signed::Network;
use crate::message::transfer::{
    MAX_REPLY_BYTES, MAX_TRANSFER_BYTES, Progress, RefusalReason, Reply, Signed, Statement, Transfer,
};
use crate::net::{NetHandle, Responder, TensorHeader, TensorResponder};
use crate::store::{Store, StoreError};
use crate::wire;
use crate::worker::{DoesNotFit, Order, PassLoss, Report, RunPlan, TensorCache, Worker, on_device};

/// Tasks under way at once.
const MAX_TASKS: usize = 2048;
/// Outcomes of tasks that wait for the machine.
const MAX_WAITING_OUTCOMES: usize = 1024;
/// How long a peer may take to note a message.
const NOTE_DEADLINE: Duration = Duration::from_secs(5);
/// Most bytes of the evidence of an equivocation: two signed transfers.
const MAX_EQUIVOCATION_BYTES: usize = 2 * MAX_TRANSFER_BYTES;

/// Something that concerns the machine of this run.
pub(super) enum Input {
    Outcome(Event),
    Report(Report),
    Wake,
    TaskEnded,
}

/// Which leaves somebody asks for.
pub(super) struct LeafPage {
    pub(super) run: RunId,
    pub(super) window: WindowId,
    pub(super) hotkey: AccountId,
    pub(super) first: u32,
}

/// The machine's transfer in the event being carried out, to be answered on the stream that brought it.
struct Asked {
    transfer: Hash,
    responder: Option<TensorResponder>,
    refused: Option<RefusalReason>,
}

/// See the module.
pub(super) struct Windows {
    machine: Machine,
    pub(super) plan: Arc<RunPlan>,
    hotkey: Keypair,
    network: Network,
    netuid: Netuid,
    net: NetHandle,
    client: Client,
    pub(super) store: Arc<Store>,
    pub(super) tensors: Arc<TensorCache>,
    room: Room,
    worker: Worker,
    book: Arc<PostBook>,
    pub(super) keeping: Arc<Keeping>,
    outcomes: mpsc::Sender<Event>,
    arrived: mpsc::Receiver<Event>,
    tasks: JoinSet<()>,
    started: Instant,
    loss: Option<PassLoss>,
    events: EventSink,
}

impl Windows {
    /// Takes up a run where this neuron left it, or from its beginning.
    pub(super) async fn start(
        presence: &Presence,
        plan: Arc<RunPlan>,
        store: Arc<Store>,
        work: WorkConfig,
        events: EventSink,
    ) -> Result<Self, RunError> {
        let (hotkey, run) = (presence.hotkey().clone(), plan.run());
        let me = hotkey.account_id();
        let opened = {
            let (store, plan) = (store.clone(), plan.clone());
            blocking(move || {
                // Whoever knows the run's name gets the manifest from here.
                if let Ok(manifest) = plan.manifest().to_bytes() {
                    store.blobs().put(&manifest)?;
                }
                let keeping = Keeping::open(store, plan.run())?;
                let state = keeping.state()?;
                Ok((keeping, state))
            })
        };
        let (keeping, state) = opened.await?;
        let persisted = match state {
            Some(bytes) => Persisted::from_bytes(&bytes).map_err(RunError::State)?,
            None => Persisted::fresh(run),
        };
        let machine = Machine::new(plan.manifest().clone(), me, persisted)?;
        let WorkConfig { compute, device, tensor_cache_bytes, stage_cap_bytes: cap_bytes, .. } = work;
        let compute = match device {
            Some(device) if plan.manifest().tolerance().is_none() => return Err(RunError::ExactRun(device)),
            Some(device) => on_device(device),
            None => compute,
        };
        let mut room = Room::new(plan.clone(), cap_bytes, events.clone());
        room.look_over(machine.standing().map(|standing| standing.stage)).map_err(DoesNotFit)?;
        let tensors = Arc::new(TensorCache::new(tensor_cache_bytes));
        let (name, own) = (me.to_string(), (plan.clone(), store.clone(), tensors.clone()));
        let worker = Worker::start(&name, own.0, own.1, own.2, compute, cap_bytes)?;
        let (outcomes, arrived) = mpsc::channel(MAX_WAITING_OUTCOMES);
        events.emit(NeuronEvent::RunJoined { run });
        tracing::info!(%run, "training");
        Ok(Self {
            machine,
            hotkey,
            network: presence.network(),
            netuid: presence.netuid(),
            net: presence.net().clone(),
            client: presence.client().clone(),
            book: Arc::new(PostBook::new(presence.client().clone(), presence.netuid())),
            plan,
            store,
            tensors,
            room,
            worker,
            keeping: Arc::new(keeping),
            outcomes,
            arrived,
            tasks: JoinSet::new(),
            started: Instant::now(),
            loss: None,
            events,
        })
    }

    /// Stops tasks and engine. Nothing is lost that was promised to anybody.
    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.worker.shutdown().await;
    }

    /// What happens next. May be cancelled and called again without losing any.
    pub(super) async fn next(&mut self) -> Result<Input, RunError> {
        let wake = self.machine.wake_at().map(|at| self.started + Duration::from_millis(at.0));
        let sleep = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = self.arrived.recv() => Ok(Input::Outcome(event)),
            report = self.worker.next() => Ok(Input::Report(report?)),
            Some(_) = self.tasks.join_next() => Ok(Input::TaskEnded),
            () = sleep => Ok(Input::Wake),
        }
    }

    /// Takes what [`next`](Self::next) gave.
    pub(super) async fn on(&mut self, input: Input) -> Result<(), RunError> {
        match input {
            Input::Outcome(event) => self.feed(event).await,
            Input::Wake => self.feed(Event::Tick).await,
            Input::TaskEnded => Ok(()),
            Input::Report(Report { event, loss }) => {
                if let Some(loss) = loss {
                    self.count(loss);
                }
                match &event {
                    Event::Sealed { upload: Some(upload), window } => self.note_blob(*window, upload.gradient).await?,
                    Event::Computed { job, output } => self.keep_opened(job, *output),
                    _ => {}
                }
                self.feed(event).await
            }
        }
    }

    /// A block was finalized.
    pub(super) async fn on_block(&mut self, block: &Block) -> Result<(), RunError> {
        if block.number.0 >= self.plan.manifest().start_block.0 {
            let (book, number) = (self.book.clone(), block.number.0);
            self.spawn(async move {
                // If it fails, it is read again when the machine asks.
                let _ = book.block(number).await;
            });
        }
        self.feed(Event::Block(BlockNumber(block.number.0))).await
    }

    /// A tensor came in whole; its bytes have the hash that its header says.
    pub(super) async fn on_tensor(
        &mut self,
        from: AccountId,
        header: TensorHeader,
        bytes: Bytes,
        responder: TensorResponder,
    ) -> Result<(), RunError> {
        // Dropped, the responder tells the sender that there will be no answer.
        let Some(signed) = self.checked_transfer(from, &header, bytes.len()) else { return Ok(()) };
        let transfer = signed.statement;
        let is_current = self.machine.position().is_some_and(|here| here.window == transfer.window);
        let was_here = self.tensors.contains(&transfer.payload);
        if is_current && let Err(error) = self.tensors.put(transfer.window, bytes) {
            tracing::warn!(%from, %error, "a tensor is turned away");
            return Ok(());
        }
        let mut asked = Asked { transfer: transfer.id(), responder: Some(responder), refused: None };
        self.feed_asked(Event::Transfer(signed), Some(&mut asked)).await?;
        if asked.refused.is_some() && is_current && !was_here {
            self.tensors.remove(&transfer.payload);
        }
        Ok(())
    }

    fn checked_transfer(&self, from: AccountId, header: &TensorHeader, bytes: usize) -> Option<Signed<Transfer>> {
        let signed = wire::decode::<Signed<Transfer>, MAX_TRANSFER_BYTES>(&header.meta).ok()?;
        let transfer = &signed.statement;
        let says_what_came = transfer.payload.0 == header.hash
            && transfer.payload_bytes as usize == bytes
            && transfer.codec.0 == header.codec
            && transfer.from == from
            && transfer.to == self.hotkey.account_id()
            && transfer.run == self.plan.run();
        let is_good = says_what_came && signed.holds(&self.network);
        if !is_good {
            tracing::warn!(%from, "a tensor came with a statement that does not hold");
        }
        is_good.then_some(signed)
    }

    /// A peer's answer to a transfer of ours, in a message of its own.
    pub(super) async fn on_reply(
        &mut self,
        from: AccountId,
        reply: Reply,
        responder: Responder,
    ) -> Result<(), RunError> {
        responder.respond(ControlResponse::Noted).await;
        match reply_event(reply, &from, &self.network) {
            Some(event) => self.feed(event).await,
            None => Ok(()),
        }
    }

    /// How far another owner is.
    pub(super) async fn on_progress(
        &mut self,
        from: AccountId,
        progress: Progress,
        responder: Responder,
    ) -> Result<(), RunError> {
        responder.respond(ControlResponse::Noted).await;
        self.feed(Event::Progress { from, progress }).await
    }

    /// Gives a page of the leaves that this neuron keeps of a window.
    pub(super) fn give_leaves(&mut self, asked: LeafPage, responder: Responder) {
        let keeping = self.keeping.clone();
        let is_ours = asked.run == self.plan.run() && asked.hotkey == self.hotkey.account_id();
        self.spawn(async move {
            let page = match is_ours {
                true => blocking(move || keeping.leaf_page(asked.window, asked.first, MAX_LEAVES_PER_PAGE)).await,
                false => Ok(None),
            };
            let response = match page {
                Ok(Some((total, records))) => ControlResponse::Leaves { total, records },
                Ok(None) => ControlResponse::Refused(ControlRefusal::NotFound),
                Err(error) => {
                    tracing::error!(%error, "leaves cannot be read");
                    ControlResponse::Refused(ControlRefusal::NotFound)
                }
            };
            responder.respond(response).await;
        });
    }

    async fn feed(&mut self, event: Event) -> Result<(), RunError> {
        self.feed_asked(event, None).await
    }

    async fn feed_asked(&mut self, event: Event, mut asked: Option<&mut Asked>) -> Result<(), RunError> {
        let now = Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        for action in self.machine.on(now, event) {
            self.act(action, asked.as_deref_mut()).await?;
        }
        Ok(())
    }

    async fn act(&mut self, action: Action, asked: Option<&mut Asked>) -> Result<(), RunError> {
        match action {
            Action::Persist(bytes) => {
                let keeping = self.keeping.clone();
                blocking(move || keeping.persist(&bytes)).await?;
            }
            Action::Post(payload) => self.post(payload),
            Action::ReadMembers { window, at } => {
                let (client, netuid, run) = (self.client.clone(), self.netuid, self.plan.run());
                self.ask("members", async move {
                    let members = members_at(&client, netuid, run, at).await?;
                    Ok(Some(Event::Members { window, members }))
                });
            }
            Action::ReadBeacon { slot, block } => {
                let (client, key) = (self.client.clone(), self.plan.manifest().beacon_key);
                self.ask("the beacon", async move {
                    Ok(beacon(&client, key, block).await?.map(|beacon| Event::Beacon { slot, beacon }))
                });
            }
            Action::ReadPosts { window, kind, from, through } => {
                let book = self.book.clone();
                self.ask("posts", async move {
                    let posts = book.read(from, through).await?;
                    Ok(Some(Event::Posts { window, kind, posts }))
                });
            }
            Action::Compute(job) => self.worker.order(Order::Compute(job)).await?,
            Action::Discard { window, pass } => self.worker.order(Order::Discard { window, pass }).await?,
            Action::Seal { window } => {
                self.tell_loss();
                self.worker.order(Order::Seal { window }).await?;
            }
            Action::Initialise { stage } => {
                let replicas = self.make_room(stage)?;
                self.worker.order(Order::Initialise { stage, replicas }).await?;
            }
            Action::Load { stage, state } => {
                let replicas = self.make_room(stage)?;
                self.worker.order(Order::Load { stage, state, replicas }).await?;
            }
            Action::Merge(order) => self.worker.order(Order::Merge(order)).await?,
            Action::SendTransfer(transfer) => self.send_transfer(transfer),
            Action::SendReceipt { to, receipt } => {
                if let Some(signed) = self.signed(receipt) {
                    self.answer(to, receipt.transfer, Reply::Receipt(signed), asked);
                }
            }
            Action::SendRefusal { to, refusal } => {
                if let Some(signed) = self.signed(refusal) {
                    self.answer(to, refusal.transfer, Reply::Refusal(signed), asked);
                }
            }
            Action::Announce { to, progress } => {
                to.into_iter().for_each(|to| self.tell(to, ControlRequest::Progress(progress)));
            }
            Action::Publish(bytes) => {
                let hash = Hash::of(&bytes);
                if fetch::keep(&self.store, bytes).await.is_some() {
                    self.note_blob(self.window(), hash).await?;
                }
            }
            Action::KeepLeaves { window, records } => {
                let keeping = self.keeping.clone();
                blocking(move || keeping.keep_leaves(window, &records)).await?;
            }
            Action::Fetch { blob, hash, from } => {
                if let Blob::State(stage) | Blob::Gradient(stage) = blob {
                    self.make_room(stage)?;
                }
                self.fetch(blob, hash, from);
            }
            Action::Accuse(evidence) => {
                let peer = evidence.first.statement.from;
                if let Ok(bytes) = wire::encode::<_, MAX_EQUIVOCATION_BYTES>(&*evidence) {
                    let name = Hash::of(&bytes);
                    fetch::keep(&self.store, bytes).await;
                    tracing::warn!(%peer, evidence = %name, "a peer contradicted its own signature");
                    self.events.emit(NeuronEvent::Accused { peer, evidence: name });
                }
            }
            Action::Blame { peer, fault } => {
                tracing::warn!(%peer, ?fault, "a peer did what no honest neuron does");
                self.events.emit(NeuronEvent::Blamed { peer, fault: format!("{fault:?}") });
            }
            Action::Forget { through } => {
                self.tensors.forget(through);
                let (keeping, standing) = (self.keeping.clone(), self.machine.standing().map(|s| s.state.blob));
                blocking(move || keeping.forget(through, standing)).await?;
            }
            Action::Note(note) => self.note(note).await?,
        }
        Ok(())
    }

    /// Plans the memory of a stage before anything of it is taken, and says for how many replicas.
    fn make_room(&mut self, stage: StageId) -> Result<usize, RunError> {
        let replicas = self.machine.replicas(stage);
        self.room.plan_for(stage, replicas).map_err(DoesNotFit)?;
        Ok(replicas)
    }

    fn window(&self) -> WindowId {
        self.machine.position().map_or(WindowId(0), |here| here.window)
    }

    fn signed<T: Statement>(&self, statement: T) -> Option<Signed<T>> {
        match Signed::sign(&self.hotkey, &self.network, statement) {
            Ok(signed) => Some(signed),
            Err(error) => {
                tracing::error!(%error, "a statement is too long to be signed");
                None
            }
        }
    }

    /// Starts a task. `false`, and nothing happens, when there are too many.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let has_room = self.tasks.len() < MAX_TASKS;
        if has_room {
            self.tasks.spawn(task);
        } else {
            tracing::warn!("this neuron does not keep up: something is dropped");
        }
        has_room
    }

    /// Asks the chain. Without an answer the machine asks again with the next block.
    fn ask(
        &mut self,
        what: &'static str,
        question: impl Future<Output = Result<Option<Event>, super::reads::ReadError>> + Send + 'static,
    ) {
        let outcomes = self.outcomes.clone();
        self.spawn(async move {
            match question.await {
                // The shell has stopped: nobody waits.
                Ok(Some(event)) => drop(outcomes.send(event).await),
                Ok(None) => tracing::debug!(what, "the chain has no answer yet"),
                Err(error) => tracing::warn!(what, %error, "the chain does not answer; asking again"),
            }
        });
    }

    fn post(&mut self, payload: Vec<u8>) {
        let (client, hotkey, outcomes, events) =
            (self.client.clone(), self.hotkey.clone(), self.outcomes.clone(), self.events.clone());
        let call = Call::set_commitment(self.netuid, &[CommitmentData::Raw(payload.clone())]);
        self.spawn(async move {
            if let Err(error) = client.submit(&hotkey, &call).await {
                tracing::warn!(%error, "a post did not get into a block");
                events.emit(NeuronEvent::PostFailed { reason: error.to_string() });
                drop(outcomes.send(Event::PostFailed { payload }).await);
            }
        });
    }

    fn send_transfer(&mut self, transfer: Transfer) {
        let Some(bytes) = self.tensors.get(&transfer.payload) else {
            return tracing::error!(window = transfer.window.0, "a tensor to be sent is not here");
        };
        let Some(signed) = self.signed(transfer) else { return };
        let Ok(meta) = wire::encode::<_, MAX_TRANSFER_BYTES>(&signed) else { return };
        // A receipt that is late for the first receiver may still settle what was not re-routed.
        let deadline = Duration::from_millis(u64::from(self.plan.manifest().work.receipt_ms).saturating_mul(2));
        let (net, network, outcomes) = (self.net.clone(), self.network, self.outcomes.clone());
        self.spawn(async move {
            let to = transfer.to;
            match net.send_tensor(to, transfer.codec.0, meta, bytes, deadline).await {
                Ok(reply) => {
                    let reply = wire::decode::<Reply, MAX_REPLY_BYTES>(&reply).ok();
                    if let Some(event) = reply.and_then(|reply| reply_event(reply, &to, &network)) {
                        drop(outcomes.send(event).await);
                    }
                }
                Err(error) => tracing::debug!(%to, %error, "a tensor was not delivered"),
            }
        });
    }

    /// Answers a transfer: on its stream, if that is still open, else in a message.
    fn answer(&mut self, to: AccountId, transfer: Hash, reply: Reply, asked: Option<&mut Asked>) {
        if let Some(asked) = asked.filter(|asked| asked.transfer == transfer)
            && let Some(responder) = asked.responder.take()
        {
            if let Reply::Refusal(refusal) = &reply {
                asked.refused = Some(refusal.statement.reason);
            }
            if let Ok(bytes) = wire::encode::<_, MAX_REPLY_BYTES>(&reply) {
                responder.accept(bytes);
            }
            return;
        }
        self.tell(to, ControlRequest::Reply(reply));
    }

    fn tell(&mut self, to: AccountId, message: ControlRequest) {
        let net = self.net.clone();
        self.spawn(async move {
            if let Err(error) = net.request(to, message, NOTE_DEADLINE).await {
                tracing::debug!(%to, %error, "a message was not delivered");
            }
        });
    }

    fn fetch(&mut self, blob: Blob, hash: Hash, from: Vec<AccountId>) {
        let (net, store, plan, outcomes) =
            (self.net.clone(), self.store.clone(), self.plan.clone(), self.outcomes.clone());
        let (keeping, window, me) = (self.keeping.clone(), self.window(), self.hotkey.account_id());
        let events = self.events.clone();
        self.spawn(async move {
            let others: Vec<_> = from.into_iter().filter(|peer| *peer != me).collect();
            let was_here = store.blobs().contains(&hash.0);
            let event = match fetch::fetch(&net, &store, &plan, blob, hash, &others).await {
                Some(bytes) => {
                    if !was_here {
                        tell_fetched(&events, blob, bytes.len());
                    }
                    if let Err(error) = blocking(move || keeping.note(window, hash)).await {
                        tracing::error!(%error, "a blob is kept, but will not be forgotten");
                    }
                    let bytes = if blob == Blob::Commitment { bytes } else { Vec::new() };
                    Event::Fetched { blob, hash, bytes }
                }
                None => Event::FetchFailed { hash },
            };
            drop(outcomes.send(event).await);
        });
    }

    async fn note_blob(&self, window: WindowId, hash: Hash) -> Result<(), RunError> {
        let keeping = self.keeping.clone();
        Ok(blocking(move || keeping.note(window, hash)).await?)
    }

    async fn note(&mut self, note: Note) -> Result<(), RunError> {
        let event = match note {
            Note::WindowOpened { window, stage } => {
                if let Some(before) = window.previous() {
                    self.tensors.forget(before);
                }
                NeuronEvent::WindowOpened { window: window.0, stage: stage.0 }
            }
            Note::Standing { window, stage, state, merged } => {
                self.note_blob(window, state.blob).await?;
                NeuronEvent::Standing { window: window.0, stage: stage.0, theta: state.theta, blob: state.blob, merged }
            }
            Note::Settled { window, pass } => {
                NeuronEvent::PassSettled { window: window.0, microbatch: pass.microbatch, attempt: pass.attempt }
            }
            Note::Committed { window, leaves } => NeuronEvent::Committed { window: window.0, leaves },
            Note::Unplaced { window }
            | Note::SittingOut { window }
            | Note::Rerouted { window, .. }
            | Note::Abandoned { window, .. }
            | Note::Diverged { window, .. } => NeuronEvent::WindowNote { window: window.0, note: format!("{note:?}") },
            Note::StageLost { .. } => NeuronEvent::WindowNote { window: self.window().0, note: format!("{note:?}") },
        };
        tracing::debug!(?event, "note");
        self.events.emit(event);
        Ok(())
    }

    fn count(&mut self, loss: PassLoss) {
        match &mut self.loss {
            Some(sum) if sum.window == loss.window => {
                sum.sum += loss.sum;
                sum.tokens += loss.tokens;
            }
            other => *other = Some(loss),
        }
    }

    fn tell_loss(&mut self) {
        if let Some(PassLoss { window, sum, tokens }) = self.loss.take() {
            self.events.emit(NeuronEvent::Loss { window: window.0, nats: sum / tokens.max(1) as f64, tokens });
        }
    }
}

/// Says what came from a peer, where it weighs something.
fn tell_fetched(events: &EventSink, blob: Blob, bytes: usize) {
    let (kind, stage) = match blob {
        Blob::Commitment => return,
        Blob::Gradient(stage) => (FetchedKind::Gradient, stage.0),
        Blob::State(stage) => (FetchedKind::State, stage.0),
    };
    events.emit(NeuronEvent::Fetched { kind, stage, bytes: bytes as u64 });
}

fn reply_event(reply: Reply, by: &AccountId, network: &Network) -> Option<Event> {
    if !reply.is_from(by, network) {
        tracing::warn!(%by, "an answer to a transfer is not signed by whom it was asked of");
        return None;
    }
    Some(match reply {
        Reply::Receipt(signed) => Event::Receipt(signed),
        Reply::Refusal(signed) => Event::Refusal(signed),
    })
}

/// Runs what blocks on a thread that may. A defect in it stays one.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
