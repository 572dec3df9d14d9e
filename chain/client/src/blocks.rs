//! Finalized blocks, one after the other.

use std::sync::Arc;
use std::time::Duration;

use subxt::config::substrate::{H256, SubstrateHeader};
use subxt::rpcs::client::RpcSubscription;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::connection::Link;
use crate::error::ChainError;
use crate::types::{BlockHash, BlockNumber};

/// Pause before subscribing again after a subscription ended, so that a node that ends each at once is not hammered.
const RESUBSCRIBE_PAUSE: Duration = Duration::from_millis(100);

/// A finalized block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: BlockHash,
    /// The hash of the block before it.
    pub parent: BlockHash,
}

/// The sequence of finalized blocks: every number once, in order, across lost connections and changed endpoints.
///
/// The reader pulls: nothing is fetched ahead, so there is no buffer to overflow. A slow reader simply falls behind and
/// walks the numbers it missed. The node's own stream of heads only says that there is something new to fetch.
pub struct Blocks {
    client: Client,
    /// The last block handed out, or before the first one; its hash where it is known.
    last: Option<(BlockNumber, Option<BlockHash>)>,
    /// The highest finalized number seen.
    head: Option<BlockNumber>,
    heads: Option<(Arc<Link>, RpcSubscription<SubstrateHeader<H256>>)>,
}

impl Blocks {
    pub(crate) fn after(client: Client, number: BlockNumber, hash: Option<BlockHash>) -> Self {
        Self { client, last: Some((number, hash)), head: None, heads: None }
    }

    pub(crate) fn from_genesis(client: Client) -> Self {
        Self { client, last: None, head: None, heads: None }
    }

    /// The number of the block that [`Self::next`] gives.
    #[must_use]
    pub fn next_number(&self) -> BlockNumber {
        self.last.map_or(BlockNumber(0), |(number, _)| number.next())
    }

    /// The next finalized block; waits until there is one. May be cancelled and called again without losing a block.
    ///
    /// # Errors
    /// When an outage outlasts the client's patience, or the chain is not the one it was: the same block is tried again by
    /// the next call.
    pub async fn next(&mut self) -> Result<Block, ChainError> {
        let number = self.next_number();
        self.wait_for(number).await?;
        let hash = self.client.block_hash(number).await?;
        let (header, shape) = tokio::try_join!(self.client.header(hash), self.client.connection().shape(hash))?;
        let parent = BlockHash(header.parent_hash.0);
        if let Some((_, Some(expected))) = self.last
            && parent != expected
        {
            return Err(ChainError::FinalityBroken { number, parent, expected });
        }
        self.last = Some((number, Some(hash)));
        self.client.recent().remember(hash, number, shape);
        self.client.recent().remember_finalized(number, hash);
        Ok(Block { number, hash, parent })
    }

    /// Wait until a block is final.
    async fn wait_for(&mut self, number: BlockNumber) -> Result<(), ChainError> {
        while self.head.is_none_or(|head| head < number) {
            if self.heads.is_none() {
                self.subscribe().await?;
                // The head may have moved past the number before the subscription began.
                self.saw(self.client.finalized_head().await?.number);
                continue;
            }
            self.next_head().await?;
        }
        Ok(())
    }

    async fn subscribe(&mut self) -> Result<(), ChainError> {
        let read = self.client.connection().read("finalized heads", |link| async move {
            let heads = link.methods.chain_subscribe_finalized_heads().await?;
            Ok((link, heads))
        });
        self.heads = Some(read.await?);
        Ok(())
    }

    async fn next_head(&mut self) -> Result<(), ChainError> {
        let patience = self.client.connection().config().request_timeout;
        let Some((_, heads)) = &mut self.heads else { return Ok(()) };
        match timeout(patience, heads.next()).await {
            Ok(Some(Ok(header))) => self.saw(BlockNumber(header.number)),
            Ok(_) => {
                self.heads = None;
                sleep(RESUBSCRIBE_PAUSE).await;
            }
            // Silence: an idle chain and a dead connection look the same, so ask. Asking replaces a dead connection.
            Err(_) => {
                self.saw(self.client.finalized_head().await?.number);
                let current = self.client.connection().link().await?;
                if self.heads.as_ref().is_some_and(|(link, _)| !Arc::ptr_eq(link, &current)) {
                    self.heads = None;
                }
            }
        }
        Ok(())
    }

    fn saw(&mut self, head: BlockNumber) {
        self.head = self.head.max(Some(head));
    }
}
