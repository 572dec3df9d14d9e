//! A toy engine and a toy chain: small, exact, and strict about what they are asked.

use std::collections::{BTreeMap, BTreeSet};

use keys::AccountId;
use neuron::machine::{Job, JobKind, Member, MergeOrder, Post};
use neuron::message::commit::{StageState, Upload};
use neuron::message::names::{BlockNumber, Hash, StageId};

/// Bytes of every toy tensor.
pub(crate) const TENSOR_BYTES: usize = 32;

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().as_bytes().to_vec()
}

/// The blobs of one neuron. They outlive a kill, as files do.
pub(crate) type Store = BTreeMap<Hash, Vec<u8>>;

pub(crate) fn put(store: &mut Store, bytes: Vec<u8>) -> Hash {
    let name = Hash::of(&bytes);
    store.insert(name, bytes);
    name
}

/// "Weights" are bytes, a pass is a hash of everything it depends on, a gradient sum is an exclusive or.
#[derive(Default)]
pub(crate) struct Engine {
    pub(crate) weights: Option<(StageId, Vec<u8>)>,
    inputs: BTreeMap<(u32, u8), Vec<u8>>,
    sum: [u8; 32],
    pub(crate) passes: u64,
    pub(crate) summed: BTreeSet<u32>,
    pub(crate) twice: u64,
    /// Grows with each computation and goes into its result when set: an engine whose arithmetic does not repeat itself.
    pub(crate) drift: Option<u64>,
}

pub(crate) fn state_of(bytes: &[u8]) -> StageState {
    StageState { theta: Hash::in_domain("narrows toy theta 1", bytes), blob: Hash::of(bytes) }
}

impl Engine {
    pub(crate) fn initialise(&mut self, seed: &Hash, stage: StageId, store: &mut Store) -> StageState {
        let bytes = hash(&[b"init", &seed.0, &stage.0.to_le_bytes()]);
        put(store, bytes.clone());
        let state = state_of(&bytes);
        self.weights = Some((stage, bytes));
        state
    }

    pub(crate) fn load(&mut self, stage: StageId, state: &StageState, store: &Store) -> bool {
        let Some(bytes) = store.get(&state.blob).filter(|bytes| state_of(bytes) == *state) else { return false };
        self.weights = Some((stage, bytes.clone()));
        true
    }

    /// The tensor that goes out; `None` when the input is no tensor.
    pub(crate) fn compute(&mut self, job: &Job, store: &Store) -> Option<Vec<u8>> {
        let (stage, weights) = self.weights.clone().expect("work is only asked for with weights");
        assert_eq!(stage, job.stage, "work for another stage than the weights'");
        let drift = self.drift.as_mut().map_or([0; 8], |drift| {
            *drift += 1;
            drift.to_le_bytes()
        });
        let (index, key) = (job.pass.microbatch.to_le_bytes(), (job.pass.microbatch, job.pass.attempt));
        let tensor = |hash: &Hash| Some(store[hash].clone()).filter(|bytes| bytes.len() == TENSOR_BYTES);
        match job.kind {
            JobKind::Forward { input } | JobKind::Loss { input } => {
                let tokens = hash(&[b"tokens", &job.window.0.to_le_bytes(), &index]);
                let input = input.map_or(Some(tokens), |input| tensor(&input.hash))?;
                if matches!(job.kind, JobKind::Forward { .. }) {
                    let output = hash(&[b"forward", &weights, &index, &input, &drift]);
                    self.inputs.insert(key, input);
                    return Some(output);
                }
                self.accumulate(job, &weights, &input, b"loss");
                Some(hash(&[b"loss", &weights, &index, &input, &drift]))
            }
            JobKind::Backward { gradient } => {
                let gradient = tensor(&gradient.hash)?;
                let input = self.inputs.remove(&key).expect("backward follows forward");
                self.accumulate(job, &weights, &input, &gradient);
                Some(hash(&[b"backward", &weights, &index, &input, &gradient, &drift]))
            }
        }
    }

    fn accumulate(&mut self, job: &Job, weights: &[u8], input: &[u8], gradient: &[u8]) {
        let term = hash(&[b"gradient", weights, &job.pass.microbatch.to_le_bytes(), input, gradient]);
        self.sum.iter_mut().zip(term).for_each(|(sum, byte)| *sum ^= byte);
        self.passes += 1;
        self.twice += u64::from(!self.summed.insert(job.pass.microbatch));
    }

    pub(crate) fn seal(&mut self, tokens_per_pass: u64, store: &mut Store) -> Option<Upload> {
        self.inputs.clear();
        self.summed.clear();
        let (passes, sum) = (std::mem::take(&mut self.passes), std::mem::take(&mut self.sum));
        let gradient = put(store, [sum.as_slice(), &passes.to_le_bytes()].concat());
        (passes > 0).then_some(Upload { gradient, segments: gradient, tokens: passes * tokens_per_pass })
    }

    pub(crate) fn merge(&mut self, order: &MergeOrder, store: &mut Store) -> StageState {
        let (stage, weights) = self.weights.clone().expect("a merge needs weights");
        assert_eq!((stage, state_of(&weights)), (order.stage, order.state), "merged into another state");
        assert!(!order.contributions.is_empty() && order.contributions.is_sorted_by_key(|c| c.uid));
        let mut bytes = weights;
        for contribution in &order.contributions {
            let gradient = store.get(&contribution.gradient).expect("merged a gradient that is not stored");
            bytes = hash(&[b"merge", &bytes, gradient, &contribution.tokens.to_le_bytes()]);
        }
        put(store, bytes.clone());
        let state = state_of(&bytes);
        self.weights = Some((stage, bytes));
        state
    }
}

/// Blocks with posts, and who was a member when.
#[derive(Default)]
pub(crate) struct Chain {
    pub(crate) head: u64,
    pub(crate) members: Vec<Member>,
    history: BTreeMap<u64, Vec<Member>>,
    pub(crate) posts: Vec<Post>,
    pub(crate) pool: Vec<(AccountId, Vec<u8>)>,
}

impl Chain {
    /// Seals a block with the pool's posts for which `include` says so; the others stay.
    pub(crate) fn seal(&mut self, head: u64, mut include: impl FnMut() -> bool) {
        self.head = head;
        let pool = std::mem::take(&mut self.pool);
        for (hotkey, payload) in pool {
            assert!(payload.len() <= 100, "a post of {} bytes is charged as two", payload.len());
            if include() {
                self.posts.push(Post { hotkey, block: BlockNumber(head), payload });
            } else {
                self.pool.push((hotkey, payload));
            }
        }
        self.history.insert(head, self.members.clone());
    }

    pub(crate) fn members_at(&self, block: u64) -> Vec<Member> {
        self.history[&block].clone()
    }

    pub(crate) fn posts_in(&self, from: u64, through: u64) -> Vec<Post> {
        assert!(through <= self.head, "asked for blocks that are not finalized");
        self.posts.iter().filter(|post| (from..=through).contains(&post.block.0)).cloned().collect()
    }
}
