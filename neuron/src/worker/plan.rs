//! What a worker computes: the manifest's engine texts, parsed and checked against the rest of it, and the corpus.

use engine::data::{CHUNK_TOKENS, Corpus, CorpusError, HELD_OUT_EVERY};
use engine::optimizer::OptimizerConfigError;
use engine::tokens::TokensError;
use engine::{ConfigError, MicrobatchId, ModelConfig, OptimizerConfig, TokenBatch};
use thiserror::Error;

use crate::corpus::Material;
use crate::manifest::{BpeTokens, Manifest, ManifestError, Tokens};
use crate::message::names::{Hash, RunId, WindowId};

/// Why a manifest and a corpus are no run that can be computed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The manifest itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A text of the engine's is not what it should be.
    #[error(
        "the manifest's `{field}` is not the engine's configuration: {source}; write it with this program's engine"
    )]
    Text {
        /// Which.
        field: &'static str,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The model's shape.
    #[error(transparent)]
    Model(#[from] ConfigError),
    /// The optimizer's numbers.
    #[error(transparent)]
    Optimizer(#[from] OptimizerConfigError),
    /// The microbatch's size.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The manifest says one thing twice, differently; or something that this engine does otherwise.
    #[error("the manifest's `{field}` is {stated}, but the engine has {computed}; they must be equal")]
    Disagreement {
        /// Which.
        field: &'static str,
        /// What the manifest says.
        stated: u64,
        /// What the engine makes of it.
        computed: u64,
    },
    /// Another text.
    #[error("the corpus is {found}, the run trains on {expected}; give the run's corpus")]
    OtherCorpus {
        /// The run's.
        expected: Hash,
        /// The one given.
        found: Hash,
    },
    /// Its tokens are a tokenizer's.
    #[error("the run reads its corpus by the tokenizer {0}; give that tokenizer.json with --tokenizer")]
    NoTokenizer(Hash),
    /// Its tokens are bytes.
    #[error("the tokens of this run are the bytes of its corpus; leave --tokenizer away")]
    NeedlessTokenizer,
    /// Another file.
    #[error("the tokenizer is {found}, the run's is {expected}; give the run's tokenizer.json with --tokenizer")]
    OtherTokenizer {
        /// The run's.
        expected: Hash,
        /// The one given.
        found: Hash,
    },
    /// The same text and tokenizer gave something else.
    #[error(
        "this program makes {:?} of the run's corpus, the run has {:?}: remove `corpora` in the state directory and start \
         again; if it stays so, use the program that the run was made with",
        .0.found, .0.expected
    )]
    OtherTokens(Box<OtherTokens>),
    /// Not a corpus.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
}

/// Tokens that are not the run's.
#[derive(Debug)]
pub struct OtherTokens {
    /// The run's.
    pub expected: BpeTokens,
    /// Those made here.
    pub found: BpeTokens,
}

/// The model of a run, checked against the rest of the manifest: what those need who want its weights and train nothing.
///
/// # Errors
/// When the text is not a model's, or the manifest says otherwise elsewhere.
pub fn model_of(manifest: &Manifest) -> Result<ModelConfig, PlanError> {
    let text = |source| PlanError::Text { field: "model.engine", source };
    let model: ModelConfig = serde_json::from_str(&manifest.model.engine).map_err(text)?;
    model.validate()?;
    let shape = &manifest.model;
    agree([
        ("model.stages", u64::from(shape.stages), model.stages() as u64),
        ("model.boundary_width", u64::from(shape.boundary_width), model.boundary_width() as u64),
        ("model.context", u64::from(shape.context), model.context as u64),
    ])?;
    Ok(model)
}

/// Holds what the manifest states against what the engine makes of it.
fn agree<const N: usize>(fields: [(&'static str, u64, u64); N]) -> Result<(), PlanError> {
    match fields.into_iter().find(|(_, stated, computed)| stated != computed) {
        Some((field, stated, computed)) => Err(PlanError::Disagreement { field, stated, computed }),
        None => Ok(()),
    }
}

/// Holds the tokens that the run has against those that were made here.
fn check_tokens(run: &Tokens, here: &Tokens, model: &ModelConfig) -> Result<(), PlanError> {
    match (run, here) {
        (Tokens::Bytes, Tokens::Bytes) => Ok(()),
        (Tokens::Bytes, Tokens::Bpe(_)) => Err(PlanError::NeedlessTokenizer),
        (Tokens::Bpe(run), Tokens::Bytes) => Err(PlanError::NoTokenizer(run.tokenizer)),
        (Tokens::Bpe(run), Tokens::Bpe(here)) if run.tokenizer != here.tokenizer => {
            Err(PlanError::OtherTokenizer { expected: run.tokenizer, found: here.tokenizer })
        }
        (Tokens::Bpe(run), Tokens::Bpe(here)) if run != here => {
            Err(PlanError::OtherTokens(Box::new(OtherTokens { expected: *run, found: *here })))
        }
        (Tokens::Bpe(run), Tokens::Bpe(_)) => {
            agree([("corpus.tokens.vocab", u64::from(run.vocab), model.vocab as u64)])
        }
    }
}

/// A run, ready to be computed. Shared by all workers of a process.
#[derive(Debug)]
pub struct RunPlan {
    manifest: Manifest,
    run: RunId,
    model: ModelConfig,
    optimizer: OptimizerConfig,
    corpus: Corpus,
}

impl RunPlan {
    /// Parses and checks.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn new(manifest: Manifest, material: &Material) -> Result<Self, PlanError> {
        let run = manifest.run_id()?;
        let model = model_of(&manifest)?;
        let text = |source| PlanError::Text { field: "optimizer", source };
        let optimizer: OptimizerConfig = serde_json::from_str(&manifest.optimizer).map_err(text)?;
        optimizer.validate()?;
        let shape = &manifest.model;
        agree([
            ("corpus.held_out_every", u64::from(manifest.corpus.held_out_every), HELD_OUT_EVERY as u64),
            ("corpus.chunk_tokens", u64::from(manifest.corpus.chunk_tokens), CHUNK_TOKENS as u64),
            ("corpus.bytes", manifest.corpus.bytes, material.bytes()),
        ])?;
        TokenBatch::check_size(shape.batch as usize, shape.context as usize)?;
        let found = material.text();
        if found != manifest.corpus.hash {
            return Err(PlanError::OtherCorpus { expected: manifest.corpus.hash, found });
        }
        check_tokens(&manifest.corpus.tokens, &material.tokens(), &model)?;
        let corpus = material.corpus()?;
        let plan = Self { manifest, run, model, optimizer, corpus };
        // Later slices differ in where they start only, so a corpus too short is found here.
        plan.tokens(WindowId(0), 0)?;
        Ok(plan)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The run's name.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The model.
    pub fn model(&self) -> &ModelConfig {
        &self.model
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &OptimizerConfig {
        &self.optimizer
    }

    /// The corpus.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Rows of a boundary tensor: tokens of a microbatch.
    pub fn rows(&self) -> usize {
        self.manifest.model.batch as usize * self.manifest.model.context as usize
    }

    /// The tokens of a microbatch: what everybody who knows the run reads.
    ///
    /// # Errors
    /// Never once the plan is made.
    pub fn tokens(&self, window: WindowId, microbatch: u32) -> Result<TokenBatch, CorpusError> {
        let shape = &self.manifest.model;
        self.corpus.slice(
            &self.manifest.seed.0,
            u64::from(window.0),
            MicrobatchId(u64::from(microbatch)),
            shape.batch as usize,
            shape.context as usize,
        )
    }
}
