//! The flags of whatever computes or judges a run: which one, and on which text.

use std::path::{Path, PathBuf};

use eyre::Result;

use crate::corpus::{Cache, Material, Source};
use crate::shell::RunSource;

/// Which run, its corpus, and how that is read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunFlags {
    /// The run's text: a file, or a folder of text files
    #[arg(long, value_name = "PATH")]
    pub corpus: Option<PathBuf>,

    /// The run's tokenizer.json, where its tokens are not bytes
    #[arg(long, value_name = "FILE", requires = "corpus")]
    pub tokenizer: Option<PathBuf>,

    /// The run's manifest [default: of the run that the subnet's owner posted, from peers]
    #[arg(long, value_name = "FILE", requires = "corpus")]
    pub manifest: Option<PathBuf>,
}

impl RunFlags {
    /// Where the run comes from; `None` without a corpus. Its text is kept in the state directory in the form that it is
    /// read in.
    pub fn source(&self, state: &Path) -> Result<Option<RunSource>> {
        let Some(path) = &self.corpus else { return Ok(None) };
        let corpus = Material::of(&Source::at(path)?, &Cache::in_state(state)?, self.tokenizer.as_deref())?;
        Ok(Some(RunSource::Corpus { manifest: self.manifest.clone(), corpus }))
    }
}
