//! Answers to requests that every neuron gives, whatever its work.

use std::sync::Arc;

use keys::AccountId;

use super::presence::Presence;
use crate::events::{Event, EventSink};
use crate::message::control::{ControlRefusal, ControlRequest, ControlResponse, MAX_BLOB_PIECE_BYTES, Pong};
use crate::net::Responder;
use crate::store::Store;

/// Answers one request.
pub(super) async fn answer(
    presence: &Presence,
    store: &Arc<Store>,
    events: &EventSink,
    from: AccountId,
    request: ControlRequest,
    responder: Responder,
) {
    match request {
        ControlRequest::Ping { nonce } => {
            match Pong::answer(presence.hotkey(), &presence.network(), from, nonce, presence.block()) {
                Ok(pong) => {
                    responder.respond(ControlResponse::Pong(pong)).await;
                    events.emit(Event::PingAnswered { asker: from });
                }
                Err(error) => tracing::error!(%error, "a sign of life does not fit its limit"),
            }
        }
        // Only who takes part in a run takes these; dropped, the asker is told so.
        ControlRequest::Reply(_) | ControlRequest::Progress(_) => {}
        ControlRequest::GetBlob { hash, offset_bytes, len_bytes } => {
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
    }
}
