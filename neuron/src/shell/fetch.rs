//! Getting a blob by its name: from the own store, else from peers, piece by piece.

use std::sync::Arc;
use std::time::Duration;

use engine::codec::{GradientCodec, WeightCodec};
use engine::{ModelConfig, StageIndex, Weights};
use keys::AccountId;
use tokio::task::spawn_blocking;

use crate::machine::Blob;
use crate::message::commit::{MAX_COMMITMENT_BYTES, StageState};
use crate::message::control::{ControlRequest, ControlResponse, MAX_BLOB_PIECE_BYTES};
use crate::message::names::{Hash, StageId};
use crate::net::NetHandle;
use crate::store::Store;
use crate::worker::RunPlan;

/// How long a peer may take for one piece.
const PIECE_DEADLINE: Duration = Duration::from_secs(10);

/// Most bytes that a blob of a purpose can have: what is longer is not asked for to its end.
fn limit_bytes(model: &ModelConfig, blob: Blob) -> usize {
    let parameters = |stage: StageId| model.layout(StageIndex(stage.0)).map_or(0, |layout| layout.len());
    match blob {
        Blob::Commitment => MAX_COMMITMENT_BYTES,
        Blob::Gradient(stage) => GradientCodec::F32.max_encoded_bytes(parameters(stage)),
        // Weights, at most two moments, and the optimizer's few numbers.
        Blob::State(stage) => 3 * WeightCodec::F32.max_encoded_bytes(parameters(stage)) + 64,
    }
}

/// Whether the bytes are what they are wanted for. States are checked when they are loaded.
fn fits(model: &ModelConfig, blob: Blob, bytes: &[u8]) -> bool {
    match blob {
        Blob::Gradient(stage) => GradientCodec::F32.decode(model, StageIndex(stage.0), bytes).is_ok(),
        Blob::Commitment | Blob::State(_) => bytes.len() <= limit_bytes(model, blob),
    }
}

/// The blob, stored; `None` when nobody had it or it does not fit.
///
/// Peers are asked one after the other; `blob` bounds the length and says what the bytes have to be.
pub async fn fetch(
    net: &NetHandle,
    store: &Arc<Store>,
    plan: &Arc<RunPlan>,
    blob: Blob,
    hash: Hash,
    from: &[AccountId],
) -> Option<Vec<u8>> {
    let checked = |bytes: Vec<u8>| {
        let plan = plan.clone();
        async move {
            let checked = spawn_blocking(move || fits(plan.model(), blob, &bytes).then_some(bytes)).await;
            checked.ok().flatten()
        }
    };
    if let Some(bytes) = stored(store, hash).await {
        return checked(bytes).await;
    }
    for peer in from {
        let Some(bytes) = ask(net, peer, hash, limit_bytes(plan.model(), blob)).await else { continue };
        // Whoever gave it, under this hash it will not get better.
        let bytes = checked(bytes).await?;
        return keep(store, bytes).await;
    }
    None
}

/// The weights of a stage's state, straight from whichever peer gives them, checked against their name and not stored;
/// `None` when nobody gave them.
pub async fn weights(
    net: &NetHandle,
    model: &ModelConfig,
    stage: StageId,
    state: StageState,
    from: &[AccountId],
) -> Option<Weights> {
    for peer in from {
        let Some(bytes) = ask(net, peer, state.blob, limit_bytes(model, Blob::State(stage))).await else { continue };
        let model = model.clone();
        let decoded = spawn_blocking(move || {
            match WeightCodec::F32.decode_snapshot_weights(&model, StageIndex(stage.0), &bytes) {
                Ok(weights) => (Hash::from(weights.hash()) == state.theta).then_some(weights),
                Err(error) => {
                    tracing::warn!(stage = stage.0, %error, "a state is not what its name promises");
                    None
                }
            }
        });
        // Under this name it will not get better, whoever gives it.
        return decoded.await.ok().flatten();
    }
    None
}

/// What is in the own store.
pub(super) async fn stored(store: &Arc<Store>, hash: Hash) -> Option<Vec<u8>> {
    let store = store.clone();
    match spawn_blocking(move || store.blobs().get(&hash.0)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a blob cannot be read");
            None
        }
        Err(_) => None,
    }
}

/// Stores a blob and gives it back.
pub(super) async fn keep(store: &Arc<Store>, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let store = store.clone();
    match spawn_blocking(move || store.blobs().put(&bytes).map(|_| bytes)).await {
        Ok(Ok(bytes)) => Some(bytes),
        Ok(Err(error)) => {
            tracing::error!(%error, "a blob cannot be stored");
            None
        }
        Err(_) => None,
    }
}

/// Asks one peer for all pieces, and checks the whole against its name.
pub async fn ask(net: &NetHandle, peer: &AccountId, hash: Hash, limit_bytes: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let request = ControlRequest::GetBlob {
            hash: hash.0,
            offset_bytes: bytes.len() as u64,
            len_bytes: MAX_BLOB_PIECE_BYTES as u32,
        };
        let (total_bytes, piece) = match net.request(*peer, request, PIECE_DEADLINE).await {
            Ok(ControlResponse::Blob { total_bytes, bytes }) => (total_bytes, bytes),
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(%peer, %error, "a blob was not given");
                return None;
            }
        };
        // Whole pieces only: whoever gives a byte at a time could go on for days.
        let left_bytes = total_bytes.saturating_sub(bytes.len() as u64);
        let is_whole = piece.len() as u64 == left_bytes.min(MAX_BLOB_PIECE_BYTES as u64);
        if total_bytes > limit_bytes as u64 || piece.is_empty() || !is_whole {
            tracing::debug!(%peer, total_bytes, limit_bytes, "a blob or a piece of it has another length than it can have");
            return None;
        }
        bytes.extend(piece);
        if bytes.len() as u64 >= total_bytes {
            let is_right = Hash::of(&bytes) == hash;
            if !is_right {
                tracing::warn!(%peer, %hash, "a peer gave other bytes than asked for");
            }
            return is_right.then_some(bytes);
        }
    }
}
