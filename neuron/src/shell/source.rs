//! Where a neuron learns what it is to train: it is told, or it finds out from the chain and its peers.

use std::path::PathBuf;
use std::sync::Arc;

use chain::{ChainError, Client, Netuid};
use thiserror::Error;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;

use super::fetch;
use crate::corpus::Material;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestError};
use crate::message::names::{Hash, RunId};
use crate::message::run::RunPost;
use crate::net::NetHandle;
use crate::store::Store;
use crate::worker::{PlanError, RunPlan};

/// Where the run comes from.
#[derive(Clone, Debug)]
pub enum RunSource {
    /// It is given, ready: how several neurons of one process share a corpus.
    Plan(Arc<RunPlan>),
    /// Its corpus is given; the manifest is in a file, or the run is the one that the subnet's owner posted and its
    /// manifest is got from peers.
    Corpus {
        /// The manifest's file.
        manifest: Option<PathBuf>,
        /// The corpus.
        corpus: Material,
    },
}

/// Why there is no run to train.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be read.
    #[error("the manifest {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It cannot be computed here.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The chain failed. Worth another try.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A task of this neuron was stopped.
    #[error("stopped")]
    Stopped,
}

/// The run that the subnet's owner posted last, if any.
///
/// # Errors
/// When the chain does not answer.
pub async fn posted_run(client: &Client, netuid: Netuid) -> Result<Option<RunId>, ChainError> {
    let snapshot = client.latest().await?;
    let owner = snapshot.metagraph(netuid).await?.owner_hotkey;
    let Some(commitment) = snapshot.commitment(netuid, owner).await? else { return Ok(None) };
    Ok(commitment.fields.iter().filter_map(|field| RunPost::from_payload(field.raw()?)).map(|post| post.run).next())
}

/// Looks for the run once; `None` when it is not to be had yet.
///
/// # Errors
/// When the chain fails, or the run cannot be computed here.
pub async fn find(
    source: RunSource,
    client: Client,
    netuid: Netuid,
    net: NetHandle,
    store: Arc<Store>,
) -> Result<Option<Arc<RunPlan>>, SourceError> {
    let (manifest, corpus) = match source {
        RunSource::Plan(plan) => return Ok(Some(plan)),
        RunSource::Corpus { manifest: Some(path), corpus } => (manifest_file(path).await?, corpus),
        RunSource::Corpus { manifest: None, corpus } => {
            let Some(run) = posted_run(&client, netuid).await? else { return Ok(None) };
            let Some(bytes) = manifest_of(run.0, &net, &store).await else { return Ok(None) };
            (bytes, corpus)
        }
    };
    let plan = spawn_blocking(move || -> Result<_, SourceError> {
        let manifest = Manifest::from_bytes(&manifest)?;
        Ok(Arc::new(RunPlan::new(manifest, &corpus)?))
    });
    plan.await.map_err(|_| SourceError::Stopped)?.map(Some)
}

/// The bytes of a manifest's file; of one that is too long, as many as show it.
pub(super) async fn manifest_file(path: PathBuf) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let read = async {
        let file = File::open(&path).await?;
        file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut bytes).await
    };
    match read.await {
        Ok(_) => Ok(bytes),
        Err(source) => Err(SourceError::Unreadable { path, source }),
    }
}

async fn manifest_of(run: Hash, net: &NetHandle, store: &Arc<Store>) -> Option<Vec<u8>> {
    if let Some(bytes) = fetch::stored(store, run).await {
        return Some(bytes);
    }
    for peer in net.peers() {
        if let Some(bytes) = fetch::ask(net, &peer, run, MAX_MANIFEST_BYTES).await {
            return Some(bytes);
        }
    }
    None
}
