//! The client: what everything else is reached through.

use std::sync::Arc;
use std::time::Duration;

use keys::AccountId;
use subxt::config::substrate::{AccountId32, H256, SubstrateHeader};
use subxt::rpcs::methods::legacy::NumberOrHex;

use crate::blocks::Blocks;
use crate::connection::{Connection, state_error};
use crate::endpoint::{Endpoint, EndpointError};
use crate::error::ChainError;
use crate::nonce::Nonces;
use crate::recent::Recent;
use crate::shape::Shape;
use crate::snapshot::Snapshot;
use crate::types::{BlockHash, BlockNumber};

/// How to reach a chain, and how patient to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectConfig {
    /// Tried in this order; after a failure the next one is tried, and after the last the first.
    pub endpoints: Vec<Endpoint>,
    /// Connect to no other chain than the one with this genesis. Without it, the first connection decides.
    pub expected_genesis: Option<BlockHash>,
    /// For opening a connection to one endpoint.
    pub dial_timeout: Duration,
    /// For one request. A node that was stopped keeps its sockets open: only this notices.
    pub request_timeout: Duration,
    /// How long an outage may last before requests fail.
    pub give_up_after: Duration,
    /// How long a submission may stay undecided before it is handed back as such.
    pub submission_timeout: Duration,
}

impl ConnectConfig {
    /// These endpoints, by network name or URL, with the usual patience.
    pub fn new<S: AsRef<str>>(endpoints: impl IntoIterator<Item = S>) -> Result<Self, EndpointError> {
        let endpoints: Result<Vec<Endpoint>, _> = endpoints.into_iter().map(|text| text.as_ref().parse()).collect();
        Ok(Self {
            endpoints: endpoints?,
            expected_genesis: None,
            dial_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            give_up_after: Duration::from_secs(120),
            submission_timeout: Duration::from_secs(600),
        })
    }
}

/// The head of the finalized chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalizedHead {
    /// Its hash.
    pub hash: BlockHash,
    /// Its number.
    pub number: BlockNumber,
}

/// A connection to one chain. Cheap to clone; clones share the connection and the accounts' nonces.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    nonces: Nonces,
    recent: Recent,
    genesis: BlockHash,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("genesis", &self.inner.genesis).finish_non_exhaustive()
    }
}

impl Client {
    /// Connect to the first endpoint that answers.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`] if none does in time, [`ChainError::DifferentChain`] if one serves another genesis than
    /// expected.
    pub async fn connect(config: ConnectConfig) -> Result<Self, ChainError> {
        let connection = Connection::new(config);
        connection.link().await?;
        let genesis = connection.genesis().unwrap_or(BlockHash([0; 32]));
        Ok(Self {
            inner: Arc::new(Inner { connection, nonces: Nonces::default(), recent: Recent::default(), genesis }),
        })
    }

    /// The hash of the chain's first block: its identity.
    #[must_use]
    pub fn genesis_hash(&self) -> BlockHash {
        self.inner.genesis
    }

    /// The version of the runtime in force at the finalized head.
    pub async fn spec_version(&self) -> Result<u32, ChainError> {
        Ok(self.shape().await?.spec_version())
    }

    /// What the chain has, at the finalized head.
    pub async fn shape(&self) -> Result<Arc<Shape>, ChainError> {
        let head = self.finalized_hash().await?;
        self.connection().shape(head).await
    }

    /// The head of the finalized chain.
    pub async fn finalized_head(&self) -> Result<FinalizedHead, ChainError> {
        let hash = self.finalized_hash().await?;
        let header = self.header(hash).await?;
        Ok(FinalizedHead { hash, number: BlockNumber(header.number) })
    }

    /// The state at the finalized head.
    pub async fn latest(&self) -> Result<Snapshot, ChainError> {
        self.at(self.finalized_hash().await?).await
    }

    /// The state after a block.
    pub async fn at(&self, block: BlockHash) -> Result<Snapshot, ChainError> {
        if let Some((number, shape)) = self.recent().facts(&block) {
            return Ok(Snapshot::new(self.clone(), shape, block, number));
        }
        let (header, shape) = tokio::try_join!(self.header(block), self.connection().shape(block))?;
        let number = BlockNumber(header.number);
        self.recent().remember(block, number, shape.clone());
        Ok(Snapshot::new(self.clone(), shape, block, number))
    }

    /// The state after the block with this number on the node's best chain.
    pub async fn at_number(&self, number: BlockNumber) -> Result<Snapshot, ChainError> {
        match self.recent().finalized(number) {
            Some(block) => self.at(block).await,
            None => self.at(self.block_hash(number).await?).await,
        }
    }

    /// Finalized blocks from the next one on.
    pub async fn blocks(&self) -> Result<Blocks, ChainError> {
        let head = self.finalized_head().await?;
        Ok(Blocks::after(self.clone(), head.number, Some(head.hash)))
    }

    /// Finalized blocks from this number on, past ones first. A reader that keeps the number of the last block that it
    /// handled misses none across restarts.
    #[must_use]
    pub fn blocks_from(&self, number: BlockNumber) -> Blocks {
        match number.0.checked_sub(1) {
            Some(before) => Blocks::after(self.clone(), BlockNumber(before), None),
            None => Blocks::from_genesis(self.clone()),
        }
    }

    /// The hash of the block with this number on the node's best chain; final if the number is at or below the finalized
    /// head's.
    pub async fn block_hash(&self, number: BlockNumber) -> Result<BlockHash, ChainError> {
        let hash = self
            .connection()
            .read("a block's hash", |link| async move {
                link.methods.chain_get_block_hash(Some(NumberOrHex::Number(number.0))).await
            })
            .await?;
        hash.map(|hash| BlockHash(hash.0)).ok_or_else(|| ChainError::BlockNotFound { block: number.to_string() })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(crate) fn recent(&self) -> &Recent {
        &self.inner.recent
    }

    pub(crate) fn nonces(&self) -> &Nonces {
        &self.inner.nonces
    }

    pub(crate) async fn finalized_hash(&self) -> Result<BlockHash, ChainError> {
        let read = self
            .connection()
            .read("the finalized head", |link| async move { link.methods.chain_get_finalized_head().await });
        Ok(BlockHash(read.await?.0))
    }

    pub(crate) async fn header(&self, block: BlockHash) -> Result<SubstrateHeader<H256>, ChainError> {
        let header = self
            .connection()
            .read("a block's header", |link| async move { link.methods.chain_get_header(Some(H256(block.0))).await })
            .await
            .map_err(|error| state_error(error, block))?;
        header.ok_or_else(|| ChainError::BlockNotFound { block: block.to_string() })
    }

    /// The extrinsics of a block, as they were submitted.
    pub(crate) async fn body(&self, block: BlockHash) -> Result<Vec<Vec<u8>>, ChainError> {
        let body = self
            .connection()
            .read("a block's body", |link| async move { link.methods.chain_get_block(Some(H256(block.0))).await })
            .await?;
        let body = body.ok_or_else(|| ChainError::BlockNotFound { block: block.to_string() })?;
        Ok(body.block.extrinsics.into_iter().map(|extrinsic| extrinsic.0).collect())
    }

    /// The nonce that the node expects next, counting what waits in its pool.
    pub(crate) async fn next_nonce(&self, account: AccountId) -> Result<u64, ChainError> {
        let account = AccountId32(*account.as_bytes());
        let account = &account;
        let read = self
            .connection()
            .read("an account's nonce", |link| async move { link.methods.system_account_next_index(account).await });
        read.await
    }
}
