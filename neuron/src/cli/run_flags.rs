//! The flags of whatever computes or judges a run: which one, and on which text.

use std::path::PathBuf;
use std::sync::Arc;

use eyre::Result;

use crate::corpus;
use crate::shell::RunSource;

/// Which run, and its corpus.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunFlags {
    /// The run's text: a file, or a folder of text files
    #[arg(long, value_name = "PATH")]
    pub corpus: Option<PathBuf>,

    /// The run's manifest [default: of the run that the subnet's owner posted, from peers]
    #[arg(long, value_name = "FILE", requires = "corpus")]
    pub manifest: Option<PathBuf>,
}

impl RunFlags {
    /// Where the run comes from; `None` without a corpus.
    pub fn source(&self) -> Result<Option<RunSource>> {
        let Some(path) = &self.corpus else { return Ok(None) };
        let corpus = Arc::new(corpus::load(path, corpus::MAX_CORPUS_BYTES)?);
        Ok(Some(RunSource::Corpus { manifest: self.manifest.clone(), corpus }))
    }
}
