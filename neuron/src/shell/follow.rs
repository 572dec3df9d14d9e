//! Following the chain: finalized blocks in order, and the metagraph every so often.

use std::sync::Arc;
use std::time::Duration;

use chain::{Block, ChainError, Client, Metagraph, Netuid};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Pause after the chain could not be read, so that a chain that fails at once is not hammered.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What following the chain brings.
pub(super) enum ChainUpdate {
    /// A finalized block; with the metagraph as of it, when it was time to read it.
    Block(Block, Option<Arc<Metagraph>>),
    /// The chain cannot be read at the moment; it is tried again.
    Lost(ChainError),
    /// The chain is not the one it was. Nothing follows.
    Broken(ChainError),
}

/// Follows the chain until nobody listens. A task of its own: reading a block must not be cut short by other news.
pub(super) async fn follow(client: Client, netuid: Netuid, refresh_blocks: u64, updates: mpsc::Sender<ChainUpdate>) {
    let mut blocks = loop {
        match client.blocks().await {
            Ok(blocks) => break blocks,
            Err(error) => {
                if updates.send(ChainUpdate::Lost(error)).await.is_err() {
                    return;
                }
                sleep(RETRY_PAUSE).await;
            }
        }
    };
    let mut last_refresh = None;
    loop {
        let read = async {
            let block = blocks.next().await?;
            let is_due = last_refresh.is_none_or(|last: u64| block.number.0 >= last.saturating_add(refresh_blocks));
            let metagraph = match is_due {
                true => Some(Arc::new(client.at(block.hash).await?.metagraph(netuid).await?)),
                false => None,
            };
            Ok((block, metagraph))
        };
        let update = match read.await {
            Ok((block, metagraph)) => {
                if metagraph.is_some() {
                    last_refresh = Some(block.number.0);
                }
                ChainUpdate::Block(block, metagraph)
            }
            Err(error @ (ChainError::DifferentChain { .. } | ChainError::FinalityBroken { .. })) => {
                // Nobody listens: then nobody needs to know.
                let _ = updates.send(ChainUpdate::Broken(error)).await;
                return;
            }
            Err(error) => {
                sleep(RETRY_PAUSE).await;
                ChainUpdate::Lost(error)
            }
        };
        if updates.send(update).await.is_err() {
            return;
        }
    }
}
