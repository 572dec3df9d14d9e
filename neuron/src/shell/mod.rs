//! A neuron in a tokio runtime: events from the network and the chain in, actions out.

mod answers;
mod dialer;
mod follow;
mod identity;
mod presence;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use identity::{IdentityError, load_or_create as load_or_create_identity};
pub use presence::{Presence, PresenceConfig, PresenceError, PresenceEvent};

use crate::events::Event;
use crate::net::NetEvent;
use crate::store::{BlobLimits, Store, StoreError};

/// What a miner needs.
pub struct NeuronConfig {
    /// Its place in the subnet.
    pub presence: PresenceConfig,
    /// Where it keeps its state.
    pub state: PathBuf,
    /// How much it keeps.
    pub blobs: BlobLimits,
}

/// Why a neuron stopped, other than being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Chain or network.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs a miner until `stop`. Returns early only when going on makes no sense.
pub async fn run(config: NeuronConfig, stop: CancellationToken) -> Result<(), RunError> {
    let events = config.presence.events.clone();
    let store = Arc::new(Store::open(&config.state, config.blobs)?);
    let Some(presence) = stop.run_until_cancelled(Presence::start(config.presence)).await else { return Ok(()) };
    let mut presence = presence?;
    let result = loop {
        let Some(event) = stop.run_until_cancelled(presence.next()).await else { break Ok(()) };
        match event {
            Err(error) => break Err(error.into()),
            Ok(PresenceEvent::Net(NetEvent::Request { from, request, responder })) => {
                answers::answer(&presence, &store, &events, from, request, responder).await;
            }
            // Tensors and announcements have no taker here yet: dropped, a tensor's sender is told so.
            Ok(_) => {}
        }
    };
    presence.shutdown().await;
    events.emit(Event::Stopped);
    result
}
