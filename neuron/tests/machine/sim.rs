//! Many machines under virtual time: a seeded scheduler, a network with delay, loss, reordering and duplication, kills at
//! any instant between two actions. What must hold at every moment is asserted as it happens.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use keys::{AccountId, Signature};
use neuron::machine::{
    Action, Blob, Event, Job, JobKind, Machine, Member, Misstep, MoverDraw, Note, Persisted, Placement, Tensor,
    contradict, place,
};
use neuron::manifest::Manifest;
use neuron::message::commit::CommitPost;
use neuron::message::leaf::LeafRecord;
use neuron::message::names::{Beacon, BeaconSlot, BlockNumber, Codec, Hash, Millis, StageId, Uid, WindowId};
use neuron::message::transfer::{PassId, Progress, Receipt, Refusal, Signed, Statement, Transfer, TransferKey};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::toy::{Chain, Engine, Store, put};

pub(crate) const BLOCK_MS: u64 = 500;
const COMPUTE_MS: u64 = 12;

/// How bad the world is, in thousandths.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
    pub(crate) jitter_ms: u64,
    pub(crate) fetch_failure: u32,
    pub(crate) post_delay: u32,
    /// Chance of a kill before any one action of a neuron that may crash.
    pub(crate) crash: u32,
}

pub(crate) const CALM: Weather =
    Weather { loss: 0, duplication: 0, jitter_ms: 5, fetch_failure: 0, post_delay: 0, crash: 0 };
pub(crate) const ROUGH: Weather =
    Weather { loss: 50, duplication: 50, jitter_ms: 120, fetch_failure: 100, post_delay: 100, crash: 0 };

#[derive(Clone, Debug)]
pub(crate) enum Message {
    Transfer(Signed<Transfer>, Vec<u8>),
    Receipt(Signed<Receipt>),
    Refusal(Signed<Refusal>),
    Progress(Progress),
}

enum What {
    Block,
    /// For one life of a node only.
    Happen {
        life: u32,
        event: Box<Event>,
    },
    Deliver {
        from: AccountId,
        message: Box<Message>,
    },
    Tick {
        at: Millis,
    },
    Start,
    Kill,
}

pub(crate) struct Node {
    pub(crate) hotkey: AccountId,
    pub(crate) machine: Option<Machine>,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    disk: Option<Vec<u8>>,
    life: u32,
    engine_free_at: u64,
    /// Added to every message that it sends or gets.
    pub(crate) slow_ms: u64,
    /// Sends tensors that are none.
    pub(crate) garbles: bool,
    /// Merges wrongly in this window.
    pub(crate) botches: Option<WindowId>,
    pub(crate) may_crash: bool,
    /// Its engine never computes the same twice: see the toy engine.
    pub(crate) drifts: bool,
    sealed_passes: BTreeMap<WindowId, u64>,
    pub(crate) leaves: BTreeMap<WindowId, Vec<LeafRecord>>,
    pub(crate) kills: u32,
}

pub(crate) struct Sim {
    pub(crate) now: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    pending: BTreeMap<u64, What>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) seed: u64,
    pub(crate) weather: Weather,
    pub(crate) manifest: Manifest,
    pub(crate) chain: Chain,
    pub(crate) nodes: Vec<Node>,
    /// What every neuron ever said, over all its lives.
    said: BTreeMap<TransferKey, Transfer>,
    pub(crate) states: BTreeMap<(StageId, WindowId), neuron::message::commit::StageState>,
    /// Who stood where: (stage, window) → nodes.
    pub(crate) stood: BTreeMap<(StageId, WindowId), BTreeSet<usize>>,
    pub(crate) merged: BTreeMap<(StageId, WindowId), u16>,
    pub(crate) settled: BTreeMap<WindowId, BTreeSet<u32>>,
    pub(crate) notes: Vec<(usize, Note)>,
    pub(crate) blames: Vec<(usize, AccountId, Misstep)>,
    pub(crate) accused: u32,
    pub(crate) most_actions: usize,
    pub(crate) trace: blake3::Hasher,
    pub(crate) transfers: u64,
}

pub(crate) fn hotkey(number: usize) -> AccountId {
    AccountId(blake3::derive_key("narrows toy hotkey 1", &number.to_le_bytes()))
}

pub(crate) fn toy_sign<T: Statement>(statement: T) -> Signed<T> {
    let mut bytes = statement.signer().0.to_vec();
    bytes.extend(T::DOMAIN.0.as_bytes());
    bytes.extend(neuron::wire::encode::<_, 4096>(&statement).unwrap());
    let mut signature = [0; 64];
    blake3::Hasher::new_derive_key("narrows toy signature 1").update(&bytes).finalize_xof().fill(&mut signature);
    Signed { statement, signature: Signature::Sr25519(signature) }
}

fn toy_holds<T: Statement + Copy + PartialEq>(signed: &Signed<T>) -> bool {
    toy_sign(signed.statement).signature == signed.signature
}

impl Sim {
    /// `miners` miners, and two validators who do nothing here. Nobody runs yet.
    pub(crate) fn new(seed: u64, manifest: Manifest, miners: usize, weather: Weather) -> Self {
        let mut sim = Self {
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            pending: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            seed,
            weather,
            manifest,
            chain: Chain::default(),
            nodes: Vec::new(),
            said: BTreeMap::new(),
            states: BTreeMap::new(),
            stood: BTreeMap::new(),
            merged: BTreeMap::new(),
            settled: BTreeMap::new(),
            notes: Vec::new(),
            blames: Vec::new(),
            accused: 0,
            most_actions: 0,
            trace: blake3::Hasher::new(),
            transfers: 0,
        };
        sim.chain.head = sim.manifest.start_block.0 - 3;
        for _ in 0..miners {
            sim.register(false);
        }
        for _ in 0..2 {
            sim.register(true);
        }
        sim.at(0, usize::MAX, What::Block);
        sim
    }

    /// Registers one more neuron; returns its number.
    pub(crate) fn register(&mut self, validator_permit: bool) -> usize {
        let number = self.nodes.len();
        let member = Member {
            uid: Uid(u16::try_from(number).unwrap()),
            hotkey: hotkey(number),
            registered_at: BlockNumber(self.chain.head),
            validator_permit,
        };
        self.chain.members.push(member);
        self.nodes.push(Node {
            hotkey: member.hotkey,
            machine: None,
            store: Store::new(),
            engine: Engine::default(),
            disk: None,
            life: 0,
            engine_free_at: 0,
            slow_ms: 0,
            garbles: false,
            botches: None,
            may_crash: false,
            drifts: false,
            sealed_passes: BTreeMap::new(),
            leaves: BTreeMap::new(),
            kills: 0,
        });
        number
    }

    pub(crate) fn start_all(&mut self) {
        let miners = (0..self.nodes.len()).filter(|n| !self.chain.members[*n].validator_permit);
        for node in miners.collect::<Vec<_>>() {
            self.at(0, node, What::Start);
        }
    }

    pub(crate) fn start_at(&mut self, at: u64, node: usize) {
        self.at(at, node, What::Start);
    }

    pub(crate) fn kill_at(&mut self, at: u64, node: usize) {
        self.at(at, node, What::Kill);
    }

    /// Virtual time at which a block is sealed.
    pub(crate) fn time_of(&self, block: u64) -> u64 {
        (block - (self.manifest.start_block.0 - 3)) * BLOCK_MS
    }

    pub(crate) fn first_block(&self, window: u32) -> u64 {
        self.manifest.start_block.0 + u64::from(window) * u64::from(self.manifest.schedule.length_blocks())
    }

    /// Runs until `windows` windows are over and the next one's first block is sealed.
    pub(crate) fn run_windows(&mut self, windows: u32) {
        let end = self.time_of(self.first_block(windows)) + BLOCK_MS - 1;
        self.run_until(end);
    }

    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some(Reverse((at, sequence, node))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            let what = self.pending.remove(&sequence).unwrap();
            self.step(node, what);
        }
        self.now = end;
    }

    fn at(&mut self, at: u64, node: usize, what: What) {
        self.sequence += 1;
        self.queue.push(Reverse((at.max(self.now), self.sequence, node)));
        self.pending.insert(self.sequence, what);
    }

    fn happen(&mut self, delay: u64, node: usize, event: Event) {
        let life = self.nodes[node].life;
        self.at(self.now + delay, node, What::Happen { life, event: Box::new(event) });
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.random_range(0..1000) < per_mille
    }

    fn step(&mut self, node: usize, what: What) {
        match what {
            What::Block => self.block(),
            What::Start => self.start(node),
            What::Kill => self.kill(node),
            What::Tick { at } => {
                if self.nodes[node].machine.as_ref().is_some_and(|machine| machine.wake_at() == Some(at)) {
                    self.feed(node, Event::Tick);
                }
            }
            What::Happen { life, event } => {
                if self.nodes[node].machine.is_some() && self.nodes[node].life == life {
                    self.feed(node, *event);
                }
            }
            What::Deliver { from, message } => self.deliver(node, from, *message),
        }
    }

    fn block(&mut self) {
        let (delay, rng) = (self.weather.post_delay, &mut self.rng);
        self.chain.seal(self.chain.head + 1, || rng.random_range(0..1000) >= delay);
        self.trace.update(&self.chain.head.to_le_bytes());
        self.at(self.now + BLOCK_MS, usize::MAX, What::Block);
        let block = BlockNumber(self.chain.head);
        for node in 0..self.nodes.len() {
            let delay = self.rng.random_range(0..40);
            self.happen(delay, node, Event::Block(block));
        }
        self.check_posts();
    }

    /// Never two commitments of one neuron for one window, whatever it went through.
    fn check_posts(&self) {
        let mut seen = BTreeMap::new();
        for post in &self.chain.posts {
            if let Some(commit) = CommitPost::from_payload(&post.payload) {
                let first = seen.entry((post.hotkey, commit.window)).or_insert(commit.commitment);
                assert_eq!(*first, commit.commitment, "seed {}: two commitments for one window", self.seed);
            }
        }
    }

    /// What is posted is what a restart at this instant would post again.
    fn check_durable(&self, node: usize, payload: &[u8]) {
        let Some(post) = CommitPost::from_payload(payload) else { return };
        let disk = self.nodes[node].disk.as_ref().expect("something is persisted before anything is posted");
        let restarted = Persisted::from_bytes(disk).unwrap();
        let machine = Machine::new(self.manifest.clone(), self.nodes[node].hotkey, restarted).unwrap();
        let durable = machine.commitment(post.window).map(|commitment| Hash::of(&commitment.to_bytes().unwrap()));
        assert_eq!(durable, Some(post.commitment), "seed {}: posted before it was durable", self.seed);
    }

    fn start(&mut self, node: usize) {
        let me = &mut self.nodes[node];
        if me.machine.is_some() {
            return;
        }
        let run = self.manifest.run_id().unwrap();
        let state = me.disk.as_ref().map_or_else(
            || Persisted::fresh(run),
            |bytes| Persisted::from_bytes(bytes).expect("what was persisted is read back"),
        );
        me.machine = Some(Machine::new(self.manifest.clone(), me.hotkey, state).unwrap());
        let drift = me.drifts.then_some(u64::from(me.life) << 32);
        me.engine = Engine::default();
        me.engine.drift = drift;
        me.engine_free_at = 0;
        let block = BlockNumber(self.chain.head);
        self.feed(node, Event::Block(block));
    }

    pub(crate) fn kill(&mut self, node: usize) {
        let me = &mut self.nodes[node];
        if me.machine.take().is_some() {
            me.life += 1;
            me.kills += 1;
            // The sum of this life is gone with it, sealed or not.
            me.sealed_passes.clear();
        }
    }

    /// Everything that a neuron had stored is gone.
    pub(crate) fn lose_disk(&mut self, node: usize) {
        self.nodes[node].disk = None;
        self.nodes[node].store.clear();
    }

    /// Gives a machine an event and carries out what it wants, up to a kill.
    pub(crate) fn feed(&mut self, node: usize, event: Event) {
        let now = Millis(self.now);
        let Some(machine) = self.nodes[node].machine.as_mut() else { return };
        let actions = machine.on(now, event);
        if let Some(at) = machine.wake_at() {
            self.at(at.0, node, What::Tick { at });
        }
        self.most_actions = self.most_actions.max(actions.len());
        for action in actions {
            if self.nodes[node].may_crash && self.chance(self.weather.crash) {
                self.kill(node);
                let back = self.now + self.rng.random_range(1..20 * BLOCK_MS);
                return self.start_at(back, node);
            }
            self.act(node, action);
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        self.trace.update(format!("{} {node} {action:?}", self.now).as_bytes());
        match action {
            Action::Persist(bytes) => self.nodes[node].disk = Some(bytes),
            Action::Post(payload) => {
                self.check_durable(node, &payload);
                if self.chance(self.weather.post_delay / 4) {
                    self.happen(BLOCK_MS, node, Event::PostFailed { payload });
                } else {
                    self.chain.pool.push((self.nodes[node].hotkey, payload));
                }
            }
            Action::ReadMembers { window, at } => {
                let members = self.chain.members_at(at.0);
                self.happen(3, node, Event::Members { window, members });
            }
            Action::ReadBeacon { slot, .. } => {
                let beacon = self.beacon(slot);
                self.happen(3, node, Event::Beacon { slot, beacon });
            }
            Action::ReadPosts { window, kind, from, through } => {
                let posts = self.chain.posts_in(from.0, through.0);
                self.happen(4, node, Event::Posts { window, kind, posts });
            }
            Action::Publish(bytes) => {
                put(&mut self.nodes[node].store, bytes);
            }
            Action::KeepLeaves { window, records } => {
                let computed = records.iter().filter(|record| record.leaf.replays.is_none()).count() as u64;
                let summed = self.nodes[node].sealed_passes.get(&window).copied().unwrap_or(0);
                assert_eq!(computed, summed, "seed {}: leaves and gradient differ", self.seed);
                self.nodes[node].leaves.insert(window, records);
            }
            Action::Fetch { blob, hash, from } => self.fetch(node, blob, hash, &from),
            Action::SendTransfer(transfer) => self.send_transfer(node, transfer),
            Action::SendReceipt { to, receipt } => self.send(node, to, Message::Receipt(toy_sign(receipt))),
            Action::SendRefusal { to, refusal } => self.send(node, to, Message::Refusal(toy_sign(refusal))),
            Action::Announce { to, progress } => {
                to.into_iter().for_each(|to| self.send(node, to, Message::Progress(progress)));
            }
            Action::Accuse(_) => self.accused += 1,
            Action::Blame { peer, fault } => self.blames.push((node, peer, fault)),
            Action::Note(note) => self.note(node, note),
            Action::Discard { .. } | Action::Forget { .. } => {}
            engine => self.engine(node, engine),
        }
    }

    fn beacon(&self, slot: BeaconSlot) -> Beacon {
        Beacon(blake3::derive_key(
            "narrows toy beacon 1",
            &[self.seed.to_le_bytes(), u64::from(slot.0).to_le_bytes()].concat(),
        ))
    }

    fn engine(&mut self, node: usize, action: Action) {
        let tokens = self.manifest.model.tokens_per_microbatch();
        let me = &mut self.nodes[node];
        let event = match action {
            Action::Initialise { stage } => {
                let state = me.engine.initialise(&self.manifest.seed, stage, &mut me.store);
                Event::Loaded { stage, state }
            }
            Action::Load { stage, state } => {
                if me.engine.load(stage, &state, &me.store) {
                    Event::Loaded { stage, state }
                } else {
                    Event::LoadFailed { stage, state }
                }
            }
            Action::Merge(order) => {
                let mut state = me.engine.merge(&order, &mut me.store);
                if me.botches == Some(order.window) {
                    state = me.engine.initialise(&Hash([99; 32]), order.stage, &mut me.store);
                }
                Event::Merged { window: order.window, stage: order.stage, state }
            }
            Action::Seal { window } => {
                let upload = me.engine.seal(tokens, &mut me.store);
                me.sealed_passes.insert(window, upload.map_or(0, |upload| upload.tokens / tokens));
                Event::Sealed { window, upload }
            }
            Action::Compute(job) => computed(me, job),
            other => panic!("not for the engine: {other:?}"),
        };
        let free = me.engine_free_at.max(self.now) + COMPUTE_MS;
        me.engine_free_at = free;
        self.happen(free - self.now, node, event);
    }

    fn fetch(&mut self, node: usize, blob: Blob, hash: Hash, from: &[AccountId]) {
        let bytes_of = |blob: Blob, bytes: &[u8]| if blob == Blob::Commitment { bytes.to_vec() } else { Vec::new() };
        if let Some(bytes) = self.nodes[node].store.get(&hash) {
            let bytes = bytes_of(blob, bytes);
            return self.happen(1, node, Event::Fetched { blob, hash, bytes });
        }
        let source = |who: &AccountId| self.nodes.iter().find(|n| n.hotkey == *who && n.machine.is_some());
        let found =
            from.iter().filter_map(source).find_map(|source| Some((source.slow_ms, source.store.get(&hash)?.clone())));
        let failed = self.chance(self.weather.fetch_failure);
        match found {
            Some((slow_ms, bytes)) if !failed => {
                let event = Event::Fetched { blob, hash, bytes: bytes_of(blob, &bytes) };
                put(&mut self.nodes[node].store, bytes);
                self.happen(60 + slow_ms, node, event);
            }
            _ => self.happen(150, node, Event::FetchFailed { hash }),
        }
    }

    fn send_transfer(&mut self, node: usize, transfer: Transfer) {
        self.transfers += 1;
        assert_eq!(transfer.from, self.nodes[node].hotkey);
        assert!(self.nodes[node].disk.is_some(), "signed before anything was persisted");
        let first = self.said.entry(transfer.key()).or_insert(transfer);
        assert!(!contradict(first, &transfer), "seed {}: {first:?} against {transfer:?}", self.seed);
        let payload = self.nodes[node].store[&transfer.payload].clone();
        self.send(node, transfer.to, Message::Transfer(toy_sign(transfer), payload));
    }

    pub(crate) fn send(&mut self, node: usize, to: AccountId, message: Message) {
        let Some(receiver) = self.nodes.iter().position(|other| other.hotkey == to) else { return };
        let from = self.nodes[node].hotkey;
        let copies = 1 + u32::from(self.chance(self.weather.duplication));
        for _ in 0..copies {
            if self.chance(self.weather.loss) {
                continue;
            }
            let slow = self.nodes[node].slow_ms + self.nodes[receiver].slow_ms;
            let delay = 15 + slow + self.rng.random_range(0..=self.weather.jitter_ms);
            self.at(self.now + delay, receiver, What::Deliver { from, message: Box::new(message.clone()) });
        }
    }

    /// What a shell does with what arrives: checks it, stores it, makes it an event.
    fn deliver(&mut self, node: usize, from: AccountId, message: Message) {
        if self.nodes[node].machine.is_none() {
            return;
        }
        let event = match message {
            Message::Transfer(signed, payload) => {
                let transfer = signed.statement;
                let right = toy_holds(&signed)
                    && Hash::of(&payload) == transfer.payload
                    && payload.len() as u64 == u64::from(transfer.payload_bytes);
                if !right {
                    return;
                }
                put(&mut self.nodes[node].store, payload);
                Event::Transfer(signed)
            }
            Message::Receipt(signed) if toy_holds(&signed) => Event::Receipt(signed),
            Message::Refusal(signed) if toy_holds(&signed) => Event::Refusal(signed),
            Message::Progress(progress) => Event::Progress { from, progress },
            _ => return,
        };
        self.feed(node, event);
    }

    fn note(&mut self, node: usize, note: Note) {
        match note {
            Note::Standing { window, stage, state, merged } => {
                self.stood.entry((stage, window)).or_default().insert(node);
                if self.nodes[node].botches.is_none() {
                    // The heart of it: whoever stands at the start of a window stands on the same weights.
                    let first = self.states.entry((stage, window)).or_insert(state);
                    assert_eq!(*first, state, "seed {}: node {node} differs at {window:?} of {stage:?}", self.seed);
                }
                if merged > 0 {
                    self.merged.insert((stage, window), merged);
                }
            }
            Note::Settled { window, pass } if self.stage_of(node, window) == Some(StageId(0)) => {
                self.settled.entry(window).or_default().insert(pass.microbatch);
            }
            _ => {}
        }
        self.notes.push((node, note));
    }

    /// Placement as anybody can compute it.
    pub(crate) fn placement(&self, window: WindowId) -> Placement {
        let clock = neuron::machine::BlockClock::new(&self.manifest);
        let epoch = neuron::machine::epoch_start(window, self.manifest.placement.epoch_windows);
        let draw =
            MoverDraw { beacon: self.beacon(neuron::machine::work_slot(epoch)), anchor: clock.anchor_block(epoch) };
        place(&self.manifest, window, &self.chain.members_at(clock.anchor_block(window).0), draw).unwrap()
    }

    pub(crate) fn stage_of(&self, node: usize, window: WindowId) -> Option<StageId> {
        self.placement(window).stage_of(&self.nodes[node].hotkey)
    }

    /// A miner that hosts a stage in a window, before the chain got there (nobody joins meanwhile).
    pub(crate) fn somebody_at(&self, stage: u16) -> usize {
        let draw = MoverDraw { beacon: self.beacon(BeaconSlot(0)), anchor: self.manifest.start_block };
        let placement = place(&self.manifest, WindowId(0), &self.chain.members, draw).unwrap();
        let hotkey = placement.replicas(StageId(stage))[0].hotkey;
        self.nodes.iter().position(|node| node.hotkey == hotkey).unwrap()
    }

    pub(crate) fn count_notes(&self, which: impl Fn(&Note) -> bool) -> usize {
        self.notes.iter().filter(|(_, note)| which(note)).count()
    }

    /// All microbatches of a window came back, in the first stage.
    pub(crate) fn settled_in(&self, window: u32) -> usize {
        self.settled.get(&WindowId(window)).map_or(0, BTreeSet::len)
    }

    /// A random pass that may exist.
    pub(crate) fn random_pass(&mut self) -> PassId {
        PassId { microbatch: self.rng.random_range(0..40), attempt: self.rng.random_range(0..6) }
    }
}

fn computed(me: &mut Node, job: Job) -> Event {
    let Some(mut bytes) = me.engine.compute(&job, &me.store) else { return Event::ComputeFailed { job } };
    let is_first = match job.kind {
        JobKind::Forward { .. } => false,
        JobKind::Loss { input } => input.is_none(),
        JobKind::Backward { .. } => job.stage == StageId(0),
    };
    if me.garbles {
        bytes.pop();
    }
    let length = u32::try_from(bytes.len()).unwrap();
    let hash = put(&mut me.store, bytes);
    let output = (!is_first).then_some(Tensor { codec: Codec(0), hash, bytes: length });
    Event::Computed { job, output }
}
