//! The run that a localnet trains: its manifest, as the subnet's owner would write it, and what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chain::{Call, Client, CommitmentData, Netuid};
use engine::codec::WeightCodec;
use engine::data::{CHUNK_BYTES, Corpus as EngineCorpus, HELD_OUT_EVERY};
use engine::ngram::{bigram_entropy, unigram_entropy};
use engine::{ModelConfig, OptimizerConfig, Schedule, WholeModel};
use eyre::{Context, Result, eyre};
use neuron::manifest::{
    Arithmetic, Corpus, JudgingRules, MANIFEST_VERSION, Manifest, ModelShape, PlacementRules, PostBudget,
    WindowSchedule, WorkRules,
};
use neuron::message::names::{BlockNumber, Hash};
use neuron::message::run::RunPost;
use neuron::store::Store;
use neuron::worker::RunPlan;

use crate::accounts::Account;
use crate::cli::UpArgs;
use crate::people::BLOBS;

/// Blocks between the first epoch, which grants permits, and the run's first window: neurons must have read them.
const HEAD_START_BLOCKS: u64 = 8;

/// Posts of 100 bytes that the dev chain takes from a hotkey in a tempo, as Bittensor's does.
const POSTS_PER_TEMPO: u32 = 31;

/// Layers of a stage: more than one, so that a part of a stage can be left out.
const LAYERS_PER_STAGE: usize = 2;

/// Sequences in a microbatch.
const BATCH: u32 = 8;

/// Bytes of a value in an uncompressed tensor.
const F32_BYTES: u64 = 4;

/// Held-out tokens on which the final loss is measured.
const HELD_OUT_TOKENS: usize = 65_536;

/// How a window is divided: 20 blocks, five seconds at the default block time, about half of it work.
const SCHEDULE: WindowSchedule =
    WindowSchedule { work_blocks: 10, commit_blocks: 3, exchange_blocks: 2, bitmap_blocks: 3, merge_blocks: 2 };

/// A run and its corpus, ready to be trained.
pub struct Training {
    /// What every miner computes.
    pub plan: Arc<RunPlan>,
    corpus: EngineCorpus,
}

/// What a run came to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Trained {
    /// The run's name.
    pub run: String,
    /// Windows that every stage has merged.
    pub windows: u32,
    /// Held-out loss of the model the run started from, in nats per byte.
    pub first: f64,
    /// Held-out loss of the model assembled from the stages' last common state.
    pub last: f64,
    /// Best unigram model fitted on the training bytes, on the same held-out bytes.
    pub unigram: f64,
    /// Best bigram model.
    pub bigram: f64,
}

impl Training {
    /// Writes the manifest of a run that starts after the subnet's first epoch.
    pub async fn plan(args: &UpArgs, client: &Client, netuid: Netuid, corpus: &[u8]) -> Result<Self> {
        let head = client.latest().await?;
        let epoch = head.epoch_schedule(netuid).await?;
        let start = epoch.next.0 + HEAD_START_BLOCKS;
        let beacon = head.beacon_config().await?;
        let model =
            ModelConfig { layers_per_stage: vec![LAYERS_PER_STAGE; usize::from(args.stages)], ..ModelConfig::small() };
        let manifest = Manifest {
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
                hash: Hash::of(corpus),
                bytes: corpus.len() as u64,
                held_out_every: u32::try_from(HELD_OUT_EVERY)?,
                chunk_bytes: u32::try_from(CHUNK_BYTES)?,
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
            arithmetic: Arithmetic::Exact,
            judging: JudgingRules::default(),
            retention_windows: 16,
        };
        let plan = RunPlan::new(manifest, corpus).wrap_err("the run cannot be planned")?;
        Ok(Self { plan: Arc::new(plan), corpus: EngineCorpus::new(corpus)? })
    }

    /// Bytes of one microbatch's activations if they crossed a boundary whole, in f32.
    pub fn uncompressed_bytes(&self) -> u64 {
        self.plan.manifest().model.tokens_per_microbatch() * self.plan.model().d_model as u64 * F32_BYTES
    }

    /// Publishes the run as the subnet's owner.
    pub async fn publish(&self, client: &Client, netuid: Netuid, owner: &Account) -> Result<()> {
        let payload = RunPost { run: self.plan.run() }.to_payload();
        let call = Call::set_commitment(netuid, &[CommitmentData::Raw(payload.to_vec())]);
        client.submit(&owner.hotkey, &call).await.wrap_err("the owner cannot publish the run")?;
        Ok(())
    }

    /// Assembles the model from `states` (by stage, the hash of the blob that holds its weights) out of the miners'
    /// folders, and measures it.
    pub fn measure(&self, home: &Path, windows: u32, states: &BTreeMap<u16, Hash>) -> Result<Trained> {
        let config = self.plan.model();
        let mut weights = Vec::new();
        for stage in config.stage_indices() {
            let hash = states.get(&stage.0).ok_or_else(|| eyre!("no replica of stage {} told its state", stage.0))?;
            let bytes = find_blob(home, hash)?;
            let (held, _) = WeightCodec::F32.decode_snapshot(config, stage, &bytes)?;
            weights.push(held);
        }
        let held_out = self.corpus.held_out();
        let loss = |model: WholeModel| model.evaluate(held_out, HELD_OUT_TOKENS).map(|e| e.loss());
        Ok(Trained {
            run: self.plan.run().to_string(),
            windows,
            first: loss(WholeModel::initial(config, &self.plan.manifest().seed.0)?)?,
            last: loss(WholeModel::new(config.clone(), weights)?)?,
            unigram: unigram_entropy(self.corpus.training(), held_out),
            bigram: bigram_entropy(self.corpus.training(), held_out),
        })
    }
}

/// The learning rate falls towards the end of a run whose end is known.
fn optimizer(args: &UpArgs, start: u64) -> OptimizerConfig {
    let default = OptimizerConfig::default();
    let Some(epochs) = args.epochs_wanted() else { return default };
    // Two epochs pass before the first that pays.
    let blocks = ((epochs + 2) * u64::from(args.tempo)).saturating_sub(start);
    let total_steps = (blocks / u64::from(SCHEDULE.length_blocks())).max(1);
    OptimizerConfig { schedule: Schedule::Linear { total_steps, final_factor: 0.05 }, ..default }
}

/// A blob from whichever neuron's folder has it; its bytes are checked against the hash when they are read.
fn find_blob(home: &Path, hash: &Hash) -> Result<Vec<u8>> {
    for neuron in std::fs::read_dir(home.join("neurons"))? {
        let store = Store::open(&neuron?.path(), BLOBS)?;
        if let Some(bytes) = store.blobs().get(&hash.0)? {
            return Ok(bytes);
        }
    }
    Err(eyre!("no neuron holds the state {hash} that it named"))
}
