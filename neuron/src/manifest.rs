//! The run manifest: every number on which neurons of one run must agree, in one place.
//!
//! Its encoding is hashed, and that hash *is* the run's name: change anything and it is another run, whose posts,
//! transfers and signatures mean nothing to this one. Whoever has the chain and the name needs nothing else.
//!
//! Invariants: a manifest that is used has passed [`Manifest::validate`]; nothing consensus-relevant is read from a
//! command line, an environment or a constant elsewhere. Each field says what breaks if neurons differed on it.

mod arithmetic;
mod judging;
mod tokens;

use bincode::{Decode, Encode};
use engine::work_proof::{MAX_SIDE, MIN_SIDE, TILE};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::arithmetic::{Arithmetic, MAX_KEPT_BYTES, MAX_OPENED_TENSOR_BYTES, Tolerance};
pub use self::judging::{HardwareRules, JudgingRules};
pub use self::tokens::{BpeTokens, Tokens};
use crate::message::merge::MAX_BITMAP_BITS;
use crate::message::names::{BlockNumber, Hash, RunId};
use crate::message::signed::Network;
use crate::wire::{self, WireError};

/// Most bytes of an encoded manifest.
pub const MAX_MANIFEST_BYTES: usize = 32 * 1024;
/// The layout that this code writes and reads, and the bits that its engine computes: it grows with either.
pub const MANIFEST_VERSION: u16 = 3;
/// Most bytes of each of the two texts that only the engine reads.
pub const MAX_ENGINE_TEXT_BYTES: usize = 8 * 1024;
/// Most stages: a stage fits a `u16` with room, and every stage needs replicas.
pub const MAX_STAGES: u16 = 256;
/// Most microbatches of a window: bounds every table that the machine keeps per window.
pub const MAX_MICROBATCHES: u32 = 4096;
/// Most attempts at one microbatch; an attempt travels as one byte.
pub const MAX_ATTEMPTS: u32 = 64;
/// Most milliseconds that a hardware proof may be allowed: requests between peers end after thirty seconds.
pub const MAX_PROOF_MS: u64 = 25_000;
/// Posts that a miner makes on chain each window: the commit at the cut and the bitmap by the set block.
pub const POSTS_PER_WINDOW: u32 = 2;

/// Everything consensus-relevant of a run.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout of this structure, and the engine's bits. A program of another version refuses instead of misreading, or of
    /// computing what its peers would convict it for.
    pub version: u16,
    /// Hash of the chain's first block. Differing: signatures and posts would count on the wrong chain.
    pub genesis: Hash,
    /// The subnet. Differing: other members, so other placement.
    pub netuid: u16,
    /// The model and how it is cut. Differing: tensors do not fit between stages.
    pub model: ModelShape,
    /// The text that is trained on. Differing: an audit recomputes another microbatch and convicts the honest.
    pub corpus: Corpus,
    /// Seeds the initial weights, the corpus slices and the slots of placement. Differing: no two replicas start alike.
    pub seed: Hash,
    /// Block in which window 0 starts. Differing: windows, cuts and beacons do not line up.
    pub start_block: BlockNumber,
    /// How a window is divided, in blocks. Differing: one neuron's cut is another's working time.
    pub schedule: WindowSchedule,
    /// Amount and pace of work. Differing: owners start microbatches that others refuse.
    pub work: WorkRules,
    /// How neurons are spread over stages. Differing: neighbours do not recognise each other.
    pub placement: PlacementRules,
    /// What the chain lets a neuron post. Differing does no harm; too high, and posts bounce in mid-window.
    pub posts: PostBudget,
    /// BLAKE3 of the beacon's public key. Differing: every draw differs.
    pub beacon_key: Hash,
    /// Optimizer and clipping, as the engine writes them. Differing: replicas part ways at the first merge.
    pub optimizer: String,
    /// How closely recomputed work must match. Differing: validators convict each other's honest neurons.
    pub arithmetic: Arithmetic,
    /// How work is checked and paid. Differing: validators weigh the same work differently, and consensus clips them.
    pub judging: JudgingRules,
    /// Windows for which transfers, gradients and states are kept, so that audits and laggards find them. Shorter than
    /// audits take: silence everywhere. Also how far back a joiner looks for a committed state of its stage.
    pub retention_windows: u32,
}

/// The model, as far as the protocol needs it; the rest is the engine's.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct ModelShape {
    /// Stages the layers are cut into.
    pub stages: u16,
    /// Width of what crosses a boundary: r of the residual bottleneck.
    pub boundary_width: u32,
    /// Tokens of a sequence.
    pub context: u32,
    /// Sequences of a microbatch.
    pub batch: u32,
    /// Everything else about the model, as the engine writes it.
    pub engine: String,
}

impl ModelShape {
    /// Tokens of one microbatch: what each pass weighs in the merge.
    pub fn tokens_per_microbatch(&self) -> u64 {
        u64::from(self.context) * u64::from(self.batch)
    }
}

/// Which text is trained on, what its tokens are, and which of them are held out.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct Corpus {
    /// BLAKE3 of the text.
    pub hash: Hash,
    /// Its length in bytes.
    pub bytes: u64,
    /// What its tokens are.
    pub tokens: Tokens,
    /// One of this many chunks is held out of training, so that validators can tell learning from memorising.
    pub held_out_every: u32,
    /// Tokens of the chunks for that purpose.
    pub chunk_tokens: u32,
}

/// How a window of blocks is divided; each part in blocks, one after the other.
///
/// ```text
/// | work | commit | exchange | bitmap | merge |
/// 0      seal     cut        ask      set     next window
/// ```
///
/// The *cut* is the last block in which a commit counts, the *set block* the last in which a bitmap does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct WindowSchedule {
    /// Forward and backward passes.
    pub work_blocks: u32,
    /// From the last pass to the cut: seal the gradient, post the commitment, see it in a block.
    pub commit_blocks: u32,
    /// Fetch the stage's gradients before the bitmap falls due.
    pub exchange_blocks: u32,
    /// From "the bitmap falls due" to the set block. A replica that has everything posts before.
    pub bitmap_blocks: u32,
    /// Merge, before the next window's work.
    pub merge_blocks: u32,
}

impl WindowSchedule {
    /// Blocks of a window.
    pub fn length_blocks(&self) -> u32 {
        [self.work_blocks, self.commit_blocks, self.exchange_blocks, self.bitmap_blocks, self.merge_blocks]
            .iter()
            .fold(0, |sum, part| u32::saturating_add(sum, *part))
    }

    /// From a window's first block to its cut.
    pub fn cut_offset(&self) -> u32 {
        self.work_blocks.saturating_add(self.commit_blocks)
    }

    /// From a window's first block to its set block.
    pub fn set_offset(&self) -> u32 {
        self.cut_offset().saturating_add(self.exchange_blocks).saturating_add(self.bitmap_blocks)
    }
}

/// Amount and pace of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct WorkRules {
    /// Microbatches of a window, M.
    pub microbatches: u32,
    /// Blocks after which the next owner of a microbatch may start it if it is not settled. Short: work is done twice.
    /// Long: a silent owner's microbatches are lost.
    pub succession_blocks: u32,
    /// Most passes a replica holds activations for. Receivers refuse beyond it, and that is the back-pressure.
    pub in_flight: u16,
    /// How long a sender waits for a receipt before it turns to the next receiver.
    pub receipt_ms: u32,
    /// How long a sender waits for the gradient to come back, *per stage below it*, before it turns to the next.
    pub settle_ms_per_stage: u32,
    /// Pause before a sender that found nobody starts again at the top of its ranking.
    pub retry_ms: u32,
    /// What one outstanding transfer adds to a peer's latency when the sender chooses between the first two.
    pub queue_cost_ms: u32,
}

/// How neurons are spread over stages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct PlacementRules {
    /// Windows between two draws of movers.
    pub epoch_windows: u32,
    /// How many of a thousand incumbents move each placement epoch. Zero lets replicas of a stage grow old together, and
    /// collude; much is θ carried about.
    pub movers_per_mille: u16,
}

/// What the chain lets one hotkey post.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
pub struct PostBudget {
    /// Blocks of the subnet's tempo, after which the budget is fresh.
    pub tempo_blocks: u32,
    /// Posts of up to 100 bytes in a tempo. Bittensor: 3,100 bytes at 100 charged a call, so 31.
    pub posts_per_tempo: u32,
}

impl PostBudget {
    /// Windows of which at least a part of the posts may fall into one tempo.
    fn windows_per_tempo(&self, length_blocks: u32) -> u32 {
        self.tempo_blocks.div_ceil(length_blocks.max(1))
    }
}

/// Why a manifest cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Another layout.
    #[error("the manifest has version {0}, this program reads {MANIFEST_VERSION}; use a program of that version")]
    Version(u16),
    /// A number out of its range.
    #[error("`{field}` is {value}, it must be {min} to {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// Evidence has to hold the tensors that are off.
    #[error(
        "with a tolerance a boundary's tensor may have {MAX_OPENED_TENSOR_BYTES} bytes, the model's has {bytes}: make batch, \
         context or boundary width smaller, or the arithmetic exact"
    )]
    TensorTooLong {
        /// Its length.
        bytes: u64,
    },
    /// Neurons have to keep the tensors of all their passes.
    #[error(
        "with a tolerance neurons would keep up to {bytes} bytes of tensors, at most {MAX_KEPT_BYTES} are allowed: lower \
         retention_windows, work.microbatches or the size of a microbatch"
    )]
    TooMuchKept {
        /// How much.
        bytes: u64,
    },
    /// Audits would go on when what they need is gone.
    #[error(
        "audits close {close_blocks} blocks after the cut, but what they need is kept for {kept_blocks} blocks; lower \
         judging.close_blocks or raise retention_windows"
    )]
    AuditsTooLong {
        /// Blocks until audits close.
        close_blocks: u32,
        /// Blocks of the retention.
        kept_blocks: u64,
    },
    /// Nobody could wait for an answer that long.
    #[error(
        "judging.hardware allows {allowed_ms} ms for a proof, but no answer is waited for longer than {MAX_PROOF_MS} ms; \
         lower its side or raise its multiplications_per_second"
    )]
    ProofTooLong {
        /// What the rules allow.
        allowed_ms: u64,
    },
    /// A side that no product has.
    #[error("`judging.hardware.side` is {0}, it must be a multiple of {TILE} from {MIN_SIDE} to {MAX_SIDE}")]
    Side(u32),
    /// A text too long.
    #[error("`{field}` has {bytes} bytes, at most {MAX_ENGINE_TEXT_BYTES} are allowed")]
    TextTooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// More posts than the chain takes.
    #[error(
        "windows of {length_blocks} blocks need {needed} posts in a tempo of {tempo_blocks} blocks, the chain takes {allowed}; \
         make windows at least {shortest_blocks} blocks long"
    )]
    TooManyPosts {
        /// Blocks of a window.
        length_blocks: u32,
        /// Blocks of a tempo.
        tempo_blocks: u32,
        /// Posts needed in the worst tempo.
        needed: u32,
        /// Posts allowed.
        allowed: u32,
        /// The shortest window that fits.
        shortest_blocks: u32,
    },
    /// Not the encoding of a manifest, or too long for one.
    #[error(transparent)]
    Encoding(#[from] WireError),
}

fn in_range(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ManifestError> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(ManifestError::Range { field, value, min, max }) }
}

impl Manifest {
    /// The encoding, whose BLAKE3 is the run's name.
    ///
    /// # Errors
    /// When the manifest is not valid.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        self.validate()?;
        Ok(wire::encode::<_, MAX_MANIFEST_BYTES>(self)?)
    }

    /// Reads and validates a manifest.
    ///
    /// # Errors
    /// When the bytes are not one, or it is not valid.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        // It comes first, so that what another version put after it is not misread.
        match bytes.first_chunk().map(|version| u16::from_le_bytes(*version)) {
            Some(version) if version != MANIFEST_VERSION => return Err(ManifestError::Version(version)),
            _ => {}
        }
        let manifest: Self = wire::decode::<_, MAX_MANIFEST_BYTES>(bytes)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The run's name: plain BLAKE3 of the encoding, so that a manifest is fetched by its run's name like any blob.
    ///
    /// # Errors
    /// When the manifest is not valid.
    pub fn run_id(&self) -> Result<RunId, ManifestError> {
        Ok(RunId(Hash::of(&self.to_bytes()?)))
    }

    /// Where this run's signatures count.
    pub fn network(&self) -> Network {
        Network { genesis: self.genesis.0, netuid: self.netuid }
    }

    /// How far off work may be; `None` when it has to match bit for bit.
    pub fn tolerance(&self) -> Option<Tolerance> {
        match self.arithmetic {
            Arithmetic::Exact => None,
            Arithmetic::Tolerance(tolerance) => Some(tolerance),
        }
    }

    /// Attempts that can be made at a microbatch: one per succession period begun within the work blocks.
    pub fn attempts(&self) -> u8 {
        let attempts = self.schedule.work_blocks.div_ceil(self.work.succession_blocks.max(1));
        u8::try_from(attempts).unwrap_or(u8::MAX)
    }

    /// Checks every number against its range and the schedule against the chain's budget.
    ///
    /// # Errors
    /// The first thing that is wrong, with its value and the range.
    pub fn validate(&self) -> Result<(), ManifestError> {
        if self.version != MANIFEST_VERSION {
            return Err(ManifestError::Version(self.version));
        }
        for (field, text) in [("model.engine", &self.model.engine), ("optimizer", &self.optimizer)] {
            if text.len() > MAX_ENGINE_TEXT_BYTES {
                return Err(ManifestError::TextTooLong { field, bytes: text.len() });
            }
        }
        let (model, corpus, schedule, work) = (&self.model, &self.corpus, &self.schedule, &self.work);
        let (judging, hardware) = (&self.judging, &self.judging.hardware);
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        for (field, value, min, max) in [
            ("model.stages", u64::from(model.stages), 1, u64::from(MAX_STAGES)),
            ("model.boundary_width", u64::from(model.boundary_width), 1, 1 << 16),
            ("model.context", u64::from(model.context), 1, 1 << 20),
            ("model.batch", u64::from(model.batch), 1, 1 << 16),
            ("corpus.bytes", corpus.bytes, 1, u64::MAX),
            ("corpus.held_out_every", u64::from(corpus.held_out_every), 2, 1 << 20),
            ("corpus.chunk_tokens", u64::from(corpus.chunk_tokens), 1, 1 << 30),
            ("start_block", self.start_block.0, 0, u64::from(u32::MAX)),
            ("schedule.work_blocks", u64::from(schedule.work_blocks), 1, 1 << 16),
            // A post made on seeing one block is in the next at the earliest, so each deadline needs two blocks' room.
            ("schedule.commit_blocks", u64::from(schedule.commit_blocks), 2, 1 << 12),
            ("schedule.exchange_blocks", u64::from(schedule.exchange_blocks), 1, 1 << 12),
            ("schedule.bitmap_blocks", u64::from(schedule.bitmap_blocks), 2, 1 << 12),
            ("schedule.merge_blocks", u64::from(schedule.merge_blocks), 1, 1 << 12),
            ("work.microbatches", u64::from(work.microbatches), 1, u64::from(MAX_MICROBATCHES)),
            ("work.succession_blocks", u64::from(work.succession_blocks), 1, u64::from(schedule.work_blocks)),
            ("work.in_flight", u64::from(work.in_flight), 1, 1024),
            ("work.receipt_ms", u64::from(work.receipt_ms), 1, DAY_MS),
            ("work.settle_ms_per_stage", u64::from(work.settle_ms_per_stage), 1, DAY_MS / u64::from(MAX_STAGES)),
            ("work.retry_ms", u64::from(work.retry_ms), 1, DAY_MS),
            ("work.queue_cost_ms", u64::from(work.queue_cost_ms), 0, DAY_MS),
            ("placement.epoch_windows", u64::from(self.placement.epoch_windows), 1, 1 << 16),
            ("placement.movers_per_mille", u64::from(self.placement.movers_per_mille), 0, 1000),
            ("posts.tempo_blocks", u64::from(self.posts.tempo_blocks), 1, 1 << 20),
            ("posts.posts_per_tempo", u64::from(self.posts.posts_per_tempo), 0, 1 << 16),
            ("retention_windows", u64::from(self.retention_windows), 2, 256),
            ("judging.audit_per_mille", u64::from(judging.audit_per_mille), 0, 1000),
            ("judging.audit_floor", u64::from(judging.audit_floor), 0, u64::from(judging.audit_ceiling)),
            ("judging.audit_ceiling", u64::from(judging.audit_ceiling), 1, u64::from(MAX_MICROBATCHES)),
            ("judging.suspect_draws", u64::from(judging.suspect_draws), 0, u64::from(MAX_MICROBATCHES)),
            ("judging.answer_blocks", u64::from(judging.answer_blocks), 1, u64::from(judging.close_blocks)),
            ("judging.close_blocks", u64::from(judging.close_blocks), 1, 1 << 20),
            ("judging.score_windows", u64::from(judging.score_windows), 1, 256),
            ("judging.ramp_blocks", u64::from(judging.ramp_blocks), 0, u64::from(u32::MAX)),
            ("judging.hardware.multiplications_per_second", hardware.multiplications_per_second, 1, u64::MAX),
            ("judging.hardware.slack_per_mille", u64::from(hardware.slack_per_mille), 0, 100_000),
            ("judging.hardware.round_trip_ms", u64::from(hardware.round_trip_ms), 0, DAY_MS),
            ("judging.hardware.open_ms", u64::from(hardware.open_ms), 1, DAY_MS),
            ("judging.hardware.fleet_per_mille", u64::from(hardware.fleet_per_mille), 0, 1000),
        ] {
            in_range(field, value, min, max)?;
        }
        self.corpus.tokens.validate()?;
        let attempts = schedule.work_blocks.div_ceil(work.succession_blocks);
        in_range("work_blocks / succession_blocks", u64::from(attempts), 1, u64::from(MAX_ATTEMPTS))?;
        self.validate_judging()?;
        self.validate_posts()
    }

    fn validate_judging(&self) -> Result<(), ManifestError> {
        if let Some(tolerance) = self.tolerance() {
            tolerance.validate(self)?;
        }
        let JudgingRules { hardware, close_blocks, .. } = self.judging;
        let kept_blocks =
            u64::from(self.retention_windows.saturating_sub(1)) * u64::from(self.schedule.length_blocks());
        if u64::from(close_blocks) > kept_blocks {
            return Err(ManifestError::AuditsTooLong { close_blocks, kept_blocks });
        }
        if !(MIN_SIDE..=MAX_SIDE).contains(&hardware.side) || !(hardware.side as usize).is_multiple_of(TILE) {
            return Err(ManifestError::Side(hardware.side));
        }
        let allowed_ms = hardware.allowed_ms();
        if allowed_ms > MAX_PROOF_MS {
            return Err(ManifestError::ProofTooLong { allowed_ms });
        }
        Ok(())
    }

    /// Two posts a window must fit the chain's budget: 31 posts in 360 blocks allow windows of 24 blocks and more.
    fn validate_posts(&self) -> Result<(), ManifestError> {
        let (length_blocks, budget) = (self.schedule.length_blocks(), self.posts);
        let needed = budget.windows_per_tempo(length_blocks).saturating_mul(POSTS_PER_WINDOW);
        if needed <= budget.posts_per_tempo {
            return Ok(());
        }
        let windows = (budget.posts_per_tempo / POSTS_PER_WINDOW).max(1);
        Err(ManifestError::TooManyPosts {
            length_blocks,
            tempo_blocks: budget.tempo_blocks,
            needed,
            allowed: budget.posts_per_tempo,
            shortest_blocks: budget.tempo_blocks.div_ceil(windows),
        })
    }
}

/// Most miners that one run places: a validator's bitmap speaks of all of them at once.
pub const MAX_MINERS: usize = if MAX_BITMAP_BITS < 512 { MAX_BITMAP_BITS } else { 512 };

#[cfg(test)]
pub(crate) mod tests {
    use engine::tolerance::MAX_LIMIT;

    use super::*;

    /// A small valid manifest: windows of 24 blocks, 2 stages.
    pub(crate) fn manifest() -> Manifest {
        Manifest {
            version: MANIFEST_VERSION,
            genesis: Hash([1; 32]),
            netuid: 2,
            model: ModelShape { stages: 2, boundary_width: 8, context: 128, batch: 4, engine: "{}".to_owned() },
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
                microbatches: 16,
                succession_blocks: 4,
                in_flight: 4,
                receipt_ms: 500,
                settle_ms_per_stage: 1500,
                retry_ms: 200,
                queue_cost_ms: 50,
            },
            placement: PlacementRules { epoch_windows: 4, movers_per_mille: 50 },
            posts: PostBudget { tempo_blocks: 360, posts_per_tempo: 31 },
            beacon_key: Hash([5; 32]),
            optimizer: "{}".to_owned(),
            arithmetic: Arithmetic::Exact,
            judging: JudgingRules { close_blocks: 48, ..JudgingRules::default() },
            retention_windows: 4,
        }
    }

    fn tokens() -> BpeTokens {
        BpeTokens { tokenizer: Hash([6; 32]), vocab: 1000, count: 300_000, ids: Hash([7; 32]) }
    }

    #[test]
    fn a_manifest_of_another_version_is_said_to_be_one() {
        let mut bytes = manifest().to_bytes().unwrap();
        bytes[0] = 1;
        assert_eq!(Manifest::from_bytes(&bytes[..bytes.len() - 1]), Err(ManifestError::Version(1)));
    }

    #[test]
    fn golden() {
        assert_eq!(
            manifest().run_id().unwrap().to_string(),
            "8638da0189b3c598998954f86d533a028c7eb8a68fc4e5e46cc3d1cbddf1a854"
        );
    }

    #[test]
    fn it_is_read_back() {
        let mut bpe = manifest();
        bpe.corpus.tokens = Tokens::Bpe(tokens());
        let mut tolerant = manifest();
        tolerant.arithmetic = Arithmetic::Tolerance(Tolerance::default());
        for manifest in [manifest(), bpe, tolerant] {
            let bytes = manifest.to_bytes().unwrap();
            assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
            for length in 0..bytes.len() {
                assert!(Manifest::from_bytes(&bytes[..length]).is_err());
            }
        }
    }

    #[test]
    fn the_chains_budget_bounds_the_window() {
        // Bittensor: 31 posts in 360 blocks, two a window.
        assert_eq!(manifest().schedule.length_blocks(), 24);
        assert_eq!(manifest().validate(), Ok(()));
        let mut short = manifest();
        short.schedule.work_blocks = 11;
        let error = short.validate().unwrap_err();
        assert!(matches!(error, ManifestError::TooManyPosts { needed: 32, allowed: 31, shortest_blocks: 24, .. }));
        assert!(error.to_string().contains("at least 24 blocks"));
        let mut none = manifest();
        none.posts.posts_per_tempo = 0;
        assert!(none.validate().is_err());
    }

    #[test]
    fn everything_that_would_stall_a_run_is_refused() {
        type Spoil = fn(&mut Manifest);
        let spoils: [(&str, Spoil); 24] = [
            ("version", |m| m.version = 0),
            ("model.stages", |m| m.model.stages = 0),
            ("model.batch", |m| m.model.batch = 0),
            ("corpus.held_out_every", |m| m.corpus.held_out_every = 1),
            ("corpus.tokens.vocab", |m| m.corpus.tokens = Tokens::Bpe(BpeTokens { vocab: (1 << 18) + 1, ..tokens() })),
            ("corpus.tokens.count", |m| m.corpus.tokens = Tokens::Bpe(BpeTokens { count: 0, ..tokens() })),
            ("schedule.work_blocks", |m| m.schedule.work_blocks = 0),
            ("schedule.commit_blocks", |m| m.schedule.commit_blocks = 1),
            ("work.microbatches", |m| m.work.microbatches = MAX_MICROBATCHES + 1),
            ("work.succession_blocks", |m| m.work.succession_blocks = 13),
            ("work.in_flight", |m| m.work.in_flight = 0),
            ("placement.movers_per_mille", |m| m.placement.movers_per_mille = 1001),
            ("retention_windows", |m| m.retention_windows = 1),
            ("judging.close_blocks", |m| m.judging.close_blocks = 24 * 4),
            ("judging.answer_blocks", |m| m.judging.answer_blocks = 0),
            ("judging.hardware.side", |m| m.judging.hardware.side = 100),
            ("judging.hardware", |m| m.judging.hardware.side = 2048),
            ("judging.hardware.multiplications_per_second", |m| m.judging.hardware.multiplications_per_second = 0),
            ("arithmetic.relative_millionths", |m| {
                m.arithmetic = Arithmetic::Tolerance(Tolerance { relative_millionths: 0, ..Tolerance::default() });
            }),
            ("arithmetic.rise", |m| {
                m.arithmetic = Arithmetic::Tolerance(Tolerance { rise: MAX_LIMIT + 1, ..Tolerance::default() });
            }),
            ("arithmetic.limit", |m| {
                m.arithmetic = Arithmetic::Tolerance(Tolerance { limit: 0, ..Tolerance::default() });
            }),
            ("retention_windows", |m| {
                m.arithmetic = Arithmetic::Tolerance(Tolerance::default());
                (m.model.boundary_width, m.work.microbatches) = (1 << 11, MAX_MICROBATCHES);
            }),
            ("boundary", |m| {
                m.arithmetic = Arithmetic::Tolerance(Tolerance::default());
                (m.model.boundary_width, m.model.context) = (1 << 16, 1 << 20);
            }),
            ("optimizer", |m| m.optimizer = "x".repeat(MAX_ENGINE_TEXT_BYTES + 1)),
        ];
        for (field, spoil) in spoils {
            let mut manifest = manifest();
            spoil(&mut manifest);
            let error = manifest.run_id().unwrap_err().to_string();
            assert!(error.contains(field), "{field}: {error}");
        }
    }

    #[test]
    fn every_field_changes_the_name() {
        let name = manifest().run_id().unwrap();
        let bytes = manifest().to_bytes().unwrap();
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            if let Ok(other) = Manifest::from_bytes(&other) {
                assert_ne!(other.run_id().unwrap(), name);
            }
        }
    }
}
