//! A window's worth of committed work, by honest miners and by cheats.
//!
//! Tensors are toys here (a hash of what an honest stage would have computed from); statements, signatures, leaves,
//! trees, commitments and draws are the real ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use keys::{AccountId, Keypair};
use neuron::machine::{LeafTree, Member, MoverDraw, Placement, owners, place, ranking};
use neuron::manifest::{
    Arithmetic, Corpus, JudgingRules, MANIFEST_VERSION, Manifest, ModelShape, PlacementRules, PostBudget, Tokens,
    Tolerance, WindowSchedule, WorkRules,
};
use neuron::message::commit::{CommitPost, Commitment, StageState};
use neuron::message::leaf::{Leaf, LeafRecord};
use neuron::message::names::{Beacon, BlockNumber, Codec, Hash, RunId, StageId, Uid, WindowId};
use neuron::message::signed::Network;
use neuron::message::transfer::{Direction, PassId, Signed, Transfer};

use crate::evidence::{Evidence, EvidenceError, Ground};
use crate::machine::audit::{Action, Audit, AuditRules, Event, Opened, WindowReport};
use crate::machine::hop::{ClaimedHop, Compared, OpenedHop, Tensors};
use crate::machine::identity::Identity;
use crate::machine::judge::Recomputed;

pub(super) const STAGES: u16 = 3;
pub(super) const MICROBATCHES: u32 = 12;
pub(super) const MINERS: u16 = 9;
pub(super) const VALIDATORS: u16 = 2;
pub(super) const NETWORK: Network = Network { genesis: [1; 32], netuid: 2 };

/// Signing is most of what these tests cost, and keys are the same in every world.
pub(super) static KEYS: LazyLock<Vec<Keypair>> =
    LazyLock::new(|| (0..MINERS + VALIDATORS).map(|n| Keypair::from_uri(&format!("//neuron/{n}")).unwrap()).collect());

pub(super) fn hotkey(uid: u16) -> AccountId {
    KEYS[usize::from(uid)].account_id()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Persona {
    Honest,
    /// Sends noise instead of computing.
    Lazy,
    /// Sends on what it received.
    Echo,
    /// Leaves layers out.
    Partial,
    /// Computes forward, and makes its gradients up.
    LazyBackward,
    /// Works with the weights of a window ago but says the right ones.
    OldWeights,
    /// Works with other weights and says so.
    OtherWeights,
    /// Hands garbage to its neighbour and commits to the true tensor.
    TwoFaced,
    /// Posts, and answers nobody.
    Silent,
    /// Answers with only a part of its leaves.
    Withholder,
    /// Never posts.
    Absent,
    /// Shows its leaves without the signatures of those who gave it its inputs.
    Unsigned,
    /// Posts a commitment to another window.
    Confused,
    /// Opens no tensor.
    Hider,
}

pub(super) use Persona::*;

pub(super) const CHEATS: [Persona; 12] = [
    Lazy,
    Echo,
    Partial,
    LazyBackward,
    OldWeights,
    OtherWeights,
    TwoFaced,
    Silent,
    Withholder,
    Absent,
    Unsigned,
    Confused,
];

pub(super) fn theta(stage: u16) -> Hash {
    Hash::of(format!("theta {stage}").as_bytes())
}

pub(super) fn state(stage: u16) -> StageState {
    StageState { theta: theta(stage), blob: Hash::of(format!("blob {stage}").as_bytes()) }
}

/// A toy stage: a function of its weights, the microbatch and what it is given. Its tensor's bytes.
fn toy_tensor(weights: Hash, microbatch: u32, given: &[Option<Hash>]) -> Vec<u8> {
    let mut bytes = weights.0.to_vec();
    bytes.extend(microbatch.to_le_bytes());
    for hash in given {
        bytes.extend(hash.map_or([0; 32], |hash| hash.0));
    }
    bytes
}

/// The name of what a toy stage makes.
pub(super) fn toy(weights: Hash, microbatch: u32, given: &[Option<Hash>]) -> Hash {
    Hash::of(&toy_tensor(weights, microbatch, given))
}

/// What computing a toy hop again says: by inputs that honest stages hand over it is off not at all, but for a rounding, or
/// altogether.
pub(super) fn toy_compared(leaf: &Leaf) -> Compared {
    let payload = |transfer: Option<Transfer>| transfer.map(|transfer| transfer.payload);
    let (weights, microbatch, input) = (theta(leaf.stage.0), leaf.pass.microbatch, payload(leaf.forward_in));
    let (truth, stage) = (truth(microbatch), usize::from(leaf.stage.0));
    if input != stage.checked_sub(1).map(|above| truth.forward[above]) {
        return Compared::Corrupted;
    }
    let gradient = payload(leaf.backward_in);
    let forward = toy(weights, microbatch, &[input]);
    let backward = toy(weights, microbatch, &[input, gradient, Some(Hash([0xb; 32]))]);
    if payload(leaf.forward_out).is_some_and(|found| found != forward) {
        Compared::Off { error: 1.0, direction: Direction::Forward }
    } else if gradient == truth.backward.get(stage).copied()
        && payload(leaf.backward_out).is_some_and(|found| found != backward)
    {
        Compared::Off { error: 0.5, direction: Direction::Backward }
    } else {
        Compared::Off { error: 4e-7, direction: Direction::Forward }
    }
}

pub(super) fn truth(microbatch: u32) -> Recomputed {
    let mut inputs = vec![None];
    for stage in 0..STAGES - 1 {
        inputs.push(Some(toy(theta(stage), microbatch, &[inputs[usize::from(stage)]])));
    }
    let mut backward = vec![Hash::ZERO; usize::from(STAGES) - 1];
    let mut gradient = None;
    for stage in (1..STAGES).rev() {
        let back = toy(theta(stage), microbatch, &[inputs[usize::from(stage)], gradient, Some(Hash([0xb; 32]))]);
        backward[usize::from(stage) - 1] = back;
        gradient = Some(back);
    }
    Recomputed { forward: inputs.into_iter().flatten().collect(), backward }
}

pub(crate) fn manifest() -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        genesis: Hash(NETWORK.genesis),
        netuid: NETWORK.netuid,
        model: ModelShape { stages: STAGES, boundary_width: 8, context: 128, batch: 4, engine: "{}".to_owned() },
        corpus: Corpus {
            hash: Hash([3; 32]),
            bytes: 1 << 20,
            tokens: Tokens::Bytes,
            held_out_every: 16,
            chunk_tokens: 4096,
        },
        seed: Hash([4; 32]),
        start_block: BlockNumber(100),
        schedule: WindowSchedule {
            work_blocks: 12,
            commit_blocks: 3,
            exchange_blocks: 3,
            bitmap_blocks: 3,
            merge_blocks: 3,
        },
        work: WorkRules {
            microbatches: MICROBATCHES,
            succession_blocks: 4,
            in_flight: 4,
            receipt_ms: 500,
            settle_ms_per_stage: 1500,
            retry_ms: 200,
            queue_cost_ms: 50,
        },
        placement: PlacementRules { epoch_windows: 4, movers_per_mille: 0 },
        posts: PostBudget { tempo_blocks: 360, posts_per_tempo: 31 },
        beacon_key: Hash([5; 32]),
        optimizer: "{}".to_owned(),
        arithmetic: Arithmetic::Exact,
        judging: JudgingRules::default(),
        retention_windows: 4,
    }
}

/// One window's worth of committed work.
pub(super) struct World {
    pub(super) window: WindowId,
    pub(super) run: RunId,
    pub(super) work_beacon: Beacon,
    pub(super) members: Vec<Member>,
    pub(super) placement: Placement,
    pub(super) personas: BTreeMap<AccountId, Persona>,
    pub(super) trees: BTreeMap<AccountId, LeafTree>,
    pub(super) commitments: BTreeMap<AccountId, Vec<u8>>,
    /// Everything that was sent, by name.
    pub(super) tensors: RefCell<BTreeMap<Hash, Vec<u8>>>,
}

/// What each hop of a pass put on the wire.
pub(super) struct Sent {
    /// What the receiver holds, signed.
    wire: Signed<Transfer>,
    /// What the sender commits to.
    committed: Transfer,
}

impl World {
    pub(super) fn new(window: u32, personas: &[(u16, Persona)]) -> Self {
        let manifest = manifest();
        let window = WindowId(window);
        let members: Vec<_> = (0..MINERS + VALIDATORS)
            .map(|uid| Member {
                uid: Uid(uid),
                hotkey: hotkey(uid),
                registered_at: BlockNumber(10),
                validator_permit: uid >= MINERS,
            })
            .collect();
        let draw = MoverDraw { beacon: Beacon([6; 32]), anchor: BlockNumber(50) };
        let placement = place(&manifest, window, &members, draw).unwrap();
        let personas: BTreeMap<_, _> = personas.iter().map(|(uid, persona)| (hotkey(*uid), *persona)).collect();
        let mut world = Self {
            window,
            run: manifest.run_id().unwrap(),
            work_beacon: Beacon(*blake3::hash(&window.0.to_le_bytes()).as_bytes()),
            members,
            placement,
            personas,
            trees: BTreeMap::new(),
            commitments: BTreeMap::new(),
            tensors: RefCell::default(),
        };
        let mut leaves: BTreeMap<AccountId, Vec<LeafRecord>> = BTreeMap::new();
        for microbatch in 0..MICROBATCHES {
            for (owner, record) in world.work(microbatch) {
                leaves.entry(owner).or_default().push(record);
            }
        }
        for stage in 0..STAGES {
            for replica in world.placement.replicas(StageId(stage)) {
                let tree = LeafTree::new(leaves.remove(&replica.hotkey).unwrap_or_default());
                let commitment = world.commitment(replica.hotkey, stage, &tree);
                world.commitments.insert(replica.hotkey, commitment.to_bytes().unwrap());
                world.trees.insert(replica.hotkey, tree);
            }
        }
        world
    }

    pub(super) fn persona(&self, hotkey: &AccountId) -> Persona {
        self.personas.get(hotkey).copied().unwrap_or(Honest)
    }

    pub(super) fn identity(&self, uid: u16) -> Identity {
        Identity::from(&self.members[usize::from(uid)])
    }

    /// Whom the chain has under a hotkey.
    pub(super) fn member(&self, hotkey: &AccountId) -> Option<Identity> {
        self.members.iter().find(|member| member.hotkey == *hotkey).map(Identity::from)
    }

    pub(super) fn commitment(&self, hotkey: AccountId, stage: u16, tree: &LeafTree) -> Commitment {
        let persona = self.persona(&hotkey);
        let state = match persona {
            OtherWeights => StageState { theta: Hash([0x0e; 32]), ..state(stage) },
            _ => state(stage),
        };
        let window = if persona == Confused { self.window.next() } else { self.window };
        Commitment {
            run: self.run,
            window,
            stage: StageId(stage),
            hotkey,
            state,
            leaves_root: tree.root(),
            leaves: u32::try_from(tree.records().len()).unwrap(),
            upload: None,
            residual: Hash::ZERO,
        }
    }

    /// Who takes a microbatch in each stage: the owner, then the first in the ranking.
    pub(super) fn path(&self, microbatch: u32) -> Vec<AccountId> {
        (0..STAGES)
            .map(|stage| {
                let uids = self.placement.uids(StageId(stage));
                let order = match stage {
                    0 => owners(&self.work_beacon, self.window, microbatch, &uids),
                    _ => ranking(&self.work_beacon, self.window, microbatch, StageId(stage), &uids),
                };
                self.placement.hotkey_of(StageId(stage), order[0]).unwrap()
            })
            .collect()
    }

    pub(super) fn send(
        &self,
        stage: u16,
        direction: Direction,
        microbatch: u32,
        path: &[AccountId],
        said: (Hash, Hash),
    ) -> Sent {
        let place = usize::from(stage);
        let to = match direction {
            Direction::Forward => path[place + 1],
            Direction::Backward => path[place - 1],
        };
        let (wire, committed) = said;
        let transfer = |payload| Transfer {
            run: self.run,
            window: self.window,
            stage: StageId(stage),
            pass: PassId { microbatch, attempt: 0 },
            direction,
            from: path[place],
            to,
            codec: Codec(1),
            payload,
            payload_bytes: 100,
        };
        let key = KEYS.iter().find(|key| key.account_id() == path[place]).unwrap();
        Sent { wire: Signed::sign(key, &NETWORK, transfer(wire)).unwrap(), committed: transfer(committed) }
    }

    /// What a replica of a persona makes of its inputs: (on the wire, in its leaf).
    pub(super) fn output(
        &self,
        who: &AccountId,
        stage: u16,
        microbatch: u32,
        given: &[Option<Hash>],
        back: bool,
    ) -> (Hash, Hash) {
        let made = |weights, given: &[Option<Hash>]| {
            let bytes = toy_tensor(weights, microbatch, given);
            let name = Hash::of(&bytes);
            self.tensors.borrow_mut().insert(name, bytes);
            name
        };
        let honest = made(theta(stage), given);
        let noise = made(Hash([0xff; 32]), &[Some(Hash(who.0)), Some(Hash([u8::from(back); 32]))]);
        match self.persona(who) {
            Lazy => (noise, noise),
            Echo => given.iter().flatten().next().map_or((noise, noise), |input| (*input, *input)),
            Partial => {
                let less = made(Hash::of(b"half of the layers"), given);
                (less, less)
            }
            LazyBackward if back => (noise, noise),
            OldWeights | OtherWeights => {
                let old = made(Hash::of(b"old weights"), given);
                (old, old)
            }
            TwoFaced => (noise, honest),
            _ => (honest, honest),
        }
    }

    /// Runs a microbatch down its path and back, and returns everybody's leaf.
    pub(super) fn work(&self, microbatch: u32) -> Vec<(AccountId, LeafRecord)> {
        let path = self.path(microbatch);
        let mut forward: Vec<Sent> = Vec::new();
        let mut input = None;
        for stage in 0..STAGES - 1 {
            let said = self.output(&path[usize::from(stage)], stage, microbatch, &[input], false);
            forward.push(self.send(stage, Direction::Forward, microbatch, &path, said));
            input = Some(said.0);
        }
        let mut backward: BTreeMap<u16, Sent> = BTreeMap::new();
        let mut gradient = None;
        for stage in (1..STAGES).rev() {
            let received = forward[usize::from(stage) - 1].wire.statement.payload;
            let given = [Some(received), gradient, Some(Hash([0xb; 32]))];
            let said = self.output(&path[usize::from(stage)], stage, microbatch, &given, true);
            backward.insert(stage, self.send(stage, Direction::Backward, microbatch, &path, said));
            gradient = Some(said.0);
        }
        (0..STAGES)
            .map(|stage| {
                let place = usize::from(stage);
                let forward_in = place.checked_sub(1).map(|above| forward[above].wire);
                let backward_in = backward.get(&(stage + 1)).map(|sent| sent.wire);
                let leaf = Leaf {
                    window: self.window,
                    stage: StageId(stage),
                    pass: PassId { microbatch, attempt: 0 },
                    replays: None,
                    forward_in: forward_in.map(|signed| signed.statement),
                    forward_out: forward.get(place).map(|sent| sent.committed),
                    backward_in: backward_in.map(|signed| signed.statement),
                    backward_out: backward.get(&stage).map(|sent| sent.committed),
                };
                let shows = self.persona(&path[place]) != Unsigned;
                let (forward_in, backward_in) = (forward_in.filter(|_| shows), backward_in.filter(|_| shows));
                let (forward_receipt, backward_receipt) = (None, None);
                (path[place], LeafRecord { leaf, forward_in, backward_in, forward_receipt, backward_receipt })
            })
            .collect()
    }

    pub(super) fn opened(&self, suspects: Vec<AccountId>) -> Opened {
        let posts = self.commitments.iter().filter(|(hotkey, _)| self.persona(hotkey) != Absent);
        let commits = posts.map(|(hotkey, bytes)| {
            let stage = self.placement.stage_of(hotkey).unwrap();
            (*hotkey, CommitPost { run: self.run.prefix(), window: self.window, stage, commitment: Hash::of(bytes) })
        });
        Opened {
            window: self.window,
            work_beacon: self.work_beacon,
            audit_beacon: Beacon(*blake3::hash(&(self.window.0 + 1).to_le_bytes()).as_bytes()),
            members: self.members.clone(),
            placement: self.placement.clone(),
            commits: commits.collect(),
            thetas: (0..STAGES).map(|stage| Some(theta(stage))).collect(),
            suspects,
        }
    }

    pub(super) fn posted(&self, hotkey: &AccountId, window: WindowId) -> Option<Hash> {
        let posted = window == self.window && self.persona(hotkey) != Absent;
        posted.then(|| Hash::of(&self.commitments[hotkey]))
    }

    /// Has one validator audit the window, answering as the personas do, and returns evidence and report.
    pub(super) fn audit(&self, rules: AuditRules, suspects: Vec<AccountId>) -> (Vec<Evidence>, WindowReport) {
        let mut audit = Audit::new(rules);
        let mut evidence = Vec::new();
        let mut queue = audit.on(Event::Block(BlockNumber(1000)));
        queue.extend(audit.on(Event::Opened(Box::new(self.opened(suspects)))));
        let mut block = 1000;
        loop {
            let mut next = Vec::new();
            for action in std::mem::take(&mut queue) {
                let window = self.window;
                match action {
                    Action::FetchCommitment { hotkey, name, .. } if self.persona(&hotkey) != Silent => {
                        let bytes = self.commitments[&hotkey].clone();
                        assert_eq!(Hash::of(&bytes), name);
                        next.extend(audit.on(Event::Commitment { window, hotkey, bytes }));
                    }
                    Action::FetchLeaves { hotkey, .. } => {
                        let mut records = self.trees[&hotkey].records().to_vec();
                        if self.persona(&hotkey) == Withholder {
                            records.pop();
                        }
                        next.extend(audit.on(Event::Leaves { window, hotkey, records }));
                    }
                    Action::Recompute { microbatch, states, .. } => {
                        assert_eq!(states, (0..STAGES).map(state).collect::<Vec<_>>());
                        let truth = truth(microbatch);
                        next.extend(audit.on(Event::Recomputed { window, microbatch, truth }));
                    }
                    Action::Compare { microbatch, states, hops, .. } => {
                        assert_eq!(states, (0..STAGES).map(state).collect::<Vec<_>>());
                        let hops = hops.iter().map(|hop| self.compared(hop)).collect();
                        next.extend(audit.on(Event::Compared { window, microbatch, hops }));
                    }
                    Action::Keep(found) => evidence.push(*found),
                    Action::Closed(report) => {
                        assert_eq!(audit.open_windows().count(), 0);
                        return (evidence, *report);
                    }
                    _ => {}
                }
            }
            queue = next;
            if queue.is_empty() {
                block += 1;
                assert!(block < 1100, "a window always closes");
                queue = audit.on(Event::Block(BlockNumber(block)));
            }
        }
    }

    /// What a validator finds that opens a hop.
    fn compared(&self, hop: &ClaimedHop) -> Option<OpenedHop> {
        let known = self.tensors.borrow();
        let tensors = Tensors::open(&hop.leaf, |name| known.get(name).cloned())?;
        let compared = toy_compared(&hop.leaf);
        let is_far = matches!(compared, Compared::Off { error, .. } if error > Tolerance::default().bound());
        let opened = OpenedHop { compared, tensors: is_far.then_some(tensors) };
        (self.persona(&hop.hotkey) != Hider).then_some(opened)
    }

    pub(super) fn verify(&self, evidence: &Evidence) -> Result<(), EvidenceError> {
        evidence.verify(&Ground {
            network: &NETWORK,
            run: self.run,
            stages: STAGES,
            member: &|hotkey, _| self.member(hotkey),
            posted: &|hotkey, window| self.posted(hotkey, window),
            recomputed: &|_, microbatch, thetas| {
                (thetas == (0..STAGES).map(theta).collect::<Vec<_>>()).then(|| truth(microbatch))
            },
            compared: &|leaf, weights, _| (weights == theta(leaf.stage.0)).then(|| toy_compared(leaf)),
            bound: Some(Tolerance::default().bound()),
        })
    }
}
