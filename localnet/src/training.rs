//! The run that a localnet trains: its manifest, as the subnet's owner would write it, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::{Call, Client, CommitmentData, Netuid};
use engine::codec::WeightCodec;
use engine::data::{CHUNK_TOKENS, HELD_OUT_EVERY};
use engine::ngram::{bigram_entropy, unigram_entropy};
use engine::{ModelConfig, OptimizerConfig, Schedule, WholeModel};
use eyre::{Context, Result, eyre};
use neuron::corpus::Material;
use neuron::manifest::{
    Arithmetic, Corpus, JudgingRules, MANIFEST_VERSION, Manifest, ModelShape, PlacementRules, PostBudget, Tokens,
    Tolerance, WindowSchedule, WorkRules,
};
use neuron::message::names::{BlockNumber, Hash};
use neuron::message::run::RunPost;
use neuron::shell::posted_run;
use neuron::store::Store;
use neuron::worker::RunPlan;

use crate::accounts::Account;
use crate::cli::UpArgs;
use crate::comparison::{self, Comparison};
use crate::people::BLOBS;

/// Where a localnet keeps the manifest of its run.
const MANIFEST_FILE: &str = "run.manifest";

/// Blocks between the first epoch, which grants permits, and the run's first window: neurons must have read them.
const HEAD_START_BLOCKS: u64 = 8;

/// Blocks that set-up may take, without and for its neurons: one registers after the other.
const SETUP_BLOCKS: u64 = 24;
const SETUP_BLOCKS_PER_NEURON: u64 = 3;

/// Blocks from a multiple of the tempo to the first window: those until the subnet exists, and the head start.
const FIRST_WINDOW_OFFSET_BLOCKS: u64 = 20;

/// Posts of 100 bytes that the dev chain takes from a hotkey in a tempo, as Bittensor's does.
const POSTS_PER_TEMPO: u32 = 31;

/// Layers of a stage: more than one, so that a part of a stage can be left out.
const LAYERS_PER_STAGE: usize = 2;

/// Sequences in a microbatch.
const BATCH: u32 = 8;

/// Bytes of a value in an uncompressed tensor.
pub(crate) const F32_BYTES: u64 = 4;

/// Held-out tokens on which the final loss is measured.
const HELD_OUT_TOKENS: usize = 65_536;

/// How a window is divided: 20 blocks, ten seconds at the default block time, about half of it work.
const SCHEDULE: WindowSchedule =
    WindowSchedule { work_blocks: 10, commit_blocks: 3, exchange_blocks: 2, bitmap_blocks: 3, merge_blocks: 2 };

/// Blocks of a window.
pub fn window_blocks() -> u64 {
    u64::from(SCHEDULE.length_blocks())
}

/// A run and its corpus, ready to be trained.
pub struct Training {
    /// What every miner computes.
    pub plan: Arc<RunPlan>,
}

/// What a run came to: losses in nats per token, all on the same held-out tokens; per byte where tokens are bytes.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Trained {
    /// The run's name.
    pub run: String,
    /// Windows that every stage has merged.
    pub windows: u32,
    /// Bytes of the corpus for each of its tokens: losses divided by it are per byte. 1 where tokens are bytes.
    pub bytes_per_token: f64,
    /// The model the run started from.
    pub first: f64,
    /// The model assembled from the stages' last common state.
    pub last: f64,
    /// Best unigram model fitted on the training tokens.
    pub unigram: f64,
    /// Best bigram model of them.
    pub bigram: f64,
    /// The same model with the same bottlenecks, trained in one process on the same microbatches. Absent when the user
    /// ended the run, or when it was too long for that.
    pub uncut: Option<f64>,
    /// The same, with nothing but token ids between the stages.
    pub cut: Option<f64>,
}

impl Trained {
    /// Whether its tokens were bytes.
    pub fn is_of_bytes(&self) -> bool {
        self.bytes_per_token == 1.0
    }
}

impl Training {
    /// The run that this localnet's owner posted before, if its manifest is in `home`; else a new one.
    pub async fn plan(
        args: &UpArgs,
        client: &Client,
        netuid: Netuid,
        material: &Material,
        home: &Path,
    ) -> Result<Self> {
        let manifest = match posted_manifest(client, netuid, home).await? {
            Some(manifest)
                if manifest.model.stages != args.stages
                    || manifest.arithmetic != arithmetic(args)
                    || manifest.corpus.hash != material.text()
                    || manifest.corpus.tokens != material.tokens() =>
            {
                return Err(OtherRun { home: home.to_owned(), stages: manifest.model.stages }.into());
            }
            Some(manifest) => manifest,
            None => new_manifest(args, client, netuid, material).await?,
        };
        let plan = RunPlan::new(manifest, material).wrap_err("the run cannot be planned")?;
        Ok(Self { plan: Arc::new(plan) })
    }

    /// Publishes the run as the subnet's owner, once its manifest is in `home`.
    pub async fn publish(&self, client: &Client, netuid: Netuid, owner: &Account, home: &Path) -> Result<()> {
        if posted_run(client, netuid).await? == Some(self.plan.run()) {
            return Ok(());
        }
        write_manifest(home, self.plan.manifest())?;
        let payload = RunPost { run: self.plan.run() }.to_payload();
        let call = Call::set_commitment(netuid, &[CommitmentData::Raw(payload.to_vec())]);
        client.submit(&owner.hotkey, &call).await.wrap_err("the owner cannot publish the run")?;
        Ok(())
    }

    /// Bytes of one microbatch's activations if they crossed a boundary whole, in f32.
    pub fn uncompressed_bytes(&self) -> u64 {
        self.plan.manifest().model.tokens_per_microbatch() * self.plan.model().d_model as u64 * F32_BYTES
    }

    /// Assembles the model from `states` (by stage, the hash of the blob that holds its weights) out of the miners'
    /// folders, and measures it.
    /// With the microbatches `settled` by window, trains for comparison too.
    pub fn measure(
        &self,
        home: &Path,
        windows: u32,
        states: &BTreeMap<u16, Hash>,
        settled: Option<&BTreeMap<u32, BTreeSet<u32>>>,
    ) -> Result<Trained> {
        let config = self.plan.model();
        let mut weights = Vec::new();
        for stage in config.stage_indices() {
            let hash = states.get(&stage.0).ok_or_else(|| eyre!("no replica of stage {} told its state", stage.0))?;
            let bytes = find_blob(home, hash)?;
            weights.push(WeightCodec::F32.decode_snapshot_weights(config, stage, &bytes)?);
        }
        let (vocab, corpus) = (config.vocab, self.plan.corpus());
        let text = &self.plan.manifest().corpus;
        let bytes_per_token = text.bytes as f64 / text.tokens.count(text.bytes) as f64;
        let held_out = corpus.held_out();
        let loss = |model: WholeModel| model.evaluate(held_out, HELD_OUT_TOKENS).map(|e| e.loss());
        let compared = settled.map(|settled| comparison::train(&self.plan, windows, settled)).transpose()?;
        let (uncut, cut) = match compared {
            Some(Comparison { uncut, cut }) => (Some(loss(uncut)?), Some(loss(cut)?)),
            None => (None, None),
        };
        Ok(Trained {
            run: self.plan.run().to_string(),
            windows,
            bytes_per_token,
            first: loss(WholeModel::initial(config, &self.plan.manifest().seed.0)?)?,
            last: loss(WholeModel::new(config.clone(), weights)?)?,
            unigram: unigram_entropy(vocab, corpus.training(), held_out),
            bigram: bigram_entropy(vocab, corpus.training(), held_out),
            uncut,
            cut,
        })
    }
}

/// The manifest of a run that starts after the subnet's first epoch.
async fn new_manifest(args: &UpArgs, client: &Client, netuid: Netuid, material: &Material) -> Result<Manifest> {
    let head = client.latest().await?;
    let (start, is_late) = start_block(args, head.epoch_schedule(netuid).await?.next.0);
    if is_late {
        tracing::warn!(start, "set-up took more blocks than planned for: this run's draws are those of a later start");
    }
    let beacon = head.beacon_config().await?;
    let vocab = match material.tokens() {
        Tokens::Bytes => ModelConfig::small().vocab,
        Tokens::Bpe(tokens) => usize::try_from(tokens.vocab)?,
    };
    let layers_per_stage = vec![LAYERS_PER_STAGE; usize::from(args.stages)];
    let model = ModelConfig { vocab, layers_per_stage, ..ModelConfig::small() };
    Ok(Manifest {
        version: MANIFEST_VERSION,
        genesis: Hash(client.genesis_hash().0),
        netuid: netuid.0,
        model: ModelShape {
            stages: args.stages,
            boundary_width: u32::try_from(model.boundary_width())?,
            context: u32::try_from(model.context)?,
            batch: BATCH,
            engine: serde_json::to_string(&model)?,
        },
        corpus: Corpus {
            hash: material.text(),
            bytes: material.bytes(),
            tokens: material.tokens(),
            held_out_every: u32::try_from(HELD_OUT_EVERY)?,
            chunk_tokens: u32::try_from(CHUNK_TOKENS)?,
        },
        seed: Hash(blake3::derive_key("narrows localnet run seed 1", &args.seed.to_le_bytes())),
        start_block: BlockNumber(start),
        schedule: SCHEDULE,
        work: WorkRules {
            microbatches: 12,
            succession_blocks: 5,
            in_flight: 4,
            receipt_ms: 2_000,
            settle_ms_per_stage: 1_000,
            retry_ms: 200,
            queue_cost_ms: 50,
        },
        placement: PlacementRules { epoch_windows: 16, movers_per_mille: 0 },
        posts: PostBudget { tempo_blocks: u32::from(args.tempo), posts_per_tempo: POSTS_PER_TEMPO },
        beacon_key: Hash::of(&beacon.public_key),
        optimizer: serde_json::to_string(&optimizer(args, start))?,
        arithmetic: arithmetic(args),
        judging: JudgingRules::default(),
        retention_windows: 16,
    })
}

fn arithmetic(args: &UpArgs) -> Arithmetic {
    if args.tolerance { Arithmetic::Tolerance(Tolerance::default()) } else { Arithmetic::Exact }
}

/// A folder holds a run that these flags do not describe.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} holds a run of {stages} stages on another corpus, cut or judged otherwise: start with the same --stages, --corpus, \
     --tokenizer and --tolerance, or choose another --state",
    home.display()
)]
pub struct OtherRun {
    home: PathBuf,
    stages: u16,
}

/// The manifest of the run that stands on the chain, if `home` has it: a localnet that was kept goes on with its run.
async fn posted_manifest(client: &Client, netuid: Netuid, home: &Path) -> Result<Option<Manifest>> {
    let Some(run) = posted_run(client, netuid).await? else { return Ok(None) };
    let bytes = match std::fs::read(home.join(MANIFEST_FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).wrap_err("the run's manifest cannot be read"),
    };
    let manifest = Manifest::from_bytes(&bytes)?;
    Ok((manifest.run_id()? == run).then_some(manifest))
}

/// Writes the manifest whole or not at all.
fn write_manifest(home: &Path, manifest: &Manifest) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(home)?;
    file.write_all(&manifest.to_bytes()?)?;
    file.as_file().sync_all()?;
    file.persist(home.join(MANIFEST_FILE)).wrap_err("the run's manifest cannot be written")?;
    Ok(())
}

/// The run's first block, and whether set-up took longer than it may.
///
/// A run's draws hang on its first block, so that must not hang on how long set-up took: it is one of a few blocks that
/// follow from the flags alone, and every set-up within its budget arrives at the same. Epochs are counted from the block
/// that created the subnet, one of the chain's first; the run starts a while after the first of them that set-up certainly
/// precedes.
fn start_block(args: &UpArgs, next_epoch: u64) -> (u64, bool) {
    let tempo = u64::from(args.tempo);
    let budget_blocks = SETUP_BLOCKS + SETUP_BLOCKS_PER_NEURON * u64::from(args.miners + args.validators);
    let planned = budget_blocks.div_ceil(tempo);
    let needed = (next_epoch + HEAD_START_BLOCKS).saturating_sub(FIRST_WINDOW_OFFSET_BLOCKS).div_ceil(tempo);
    (planned.max(needed) * tempo + FIRST_WINDOW_OFFSET_BLOCKS, needed > planned)
}

/// The learning rate falls towards the end of a run whose end can be foreseen; should that go on, it stays low.
fn optimizer(args: &UpArgs, start: u64) -> OptimizerConfig {
    let default = OptimizerConfig::default();
    let windows = match (args.windows, args.epochs_expected()) {
        (Some(windows), _) => u64::from(windows),
        (None, Some(epochs)) => {
            // The first window is judged when its audits close; the weights that follow are committed in that epoch and
            // revealed in the next, whose end is the first to pay by them.
            let judged = start + u64::from(SCHEDULE.cut_offset() + JudgingRules::default().close_blocks);
            let tempo = u64::from(args.tempo);
            let blocks = ((judged.div_ceil(tempo) + epochs) * tempo).saturating_sub(start);
            blocks / window_blocks()
        }
        (None, None) => return default,
    };
    OptimizerConfig { schedule: Schedule::Linear { total_steps: windows.max(1), final_factor: 0.05 }, ..default }
}

/// A blob from whichever neuron's folder has it; its bytes are checked against the hash when they are read.
fn find_blob(home: &Path, hash: &Hash) -> Result<Vec<u8>> {
    for neuron in std::fs::read_dir(home.join("neurons"))? {
        // One that was killed may still hold its folder; others have the same blob.
        let Ok(store) = Store::open(&neuron?.path(), BLOBS) else { continue };
        if let Some(bytes) = store.blobs().get(&hash.0)? {
            return Ok(bytes);
        }
    }
    Err(eyre!("no neuron holds the state {hash} that it named"))
}
