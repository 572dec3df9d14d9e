//! Answers to requests that every neuron gives, whatever its work.

use std::sync::Arc;

use crate::message::control::{ControlRefusal, ControlRequest, ControlResponse, MAX_BLOB_PIECE_BYTES};
use crate::net::Responder;
use crate::store::Store;

/// Answers one request with what every neuron has; others are left unanswered, and their asker is told so.
pub fn answer(store: &Arc<Store>, request: ControlRequest, responder: Responder) {
    let ControlRequest::GetBlob { hash, offset_bytes, len_bytes } = request else { return };
    let store = store.clone();
    // Disks are slow; the neuron goes on. How many run at once is limited by the requests that peers may have open.
    tokio::spawn(async move {
        let len = len_bytes as usize;
        if len > MAX_BLOB_PIECE_BYTES {
            return responder.respond(ControlResponse::Refused(ControlRefusal::OutOfRange)).await;
        }
        let piece = tokio::task::spawn_blocking(move || store.blobs().piece(&hash, offset_bytes, len)).await;
        let response = match piece {
            Ok(Ok(Some((total_bytes, bytes)))) => ControlResponse::Blob { total_bytes, bytes },
            Ok(Ok(None)) => ControlResponse::Refused(ControlRefusal::NotFound),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a blob cannot be read");
                ControlResponse::Refused(ControlRefusal::NotFound)
            }
            Err(_) => ControlResponse::Refused(ControlRefusal::Busy),
        };
        responder.respond(response).await;
    });
}
