//! The methods `dev_*` by which a development node lets its clients steer the chain. No other chain has them.

use serde::Deserialize;
use subxt::rpcs::client::RpcParams;
use subxt::rpcs::rpc_params;

use crate::client::Client;
use crate::error::{ChainError, Missing, MissingKind};
use crate::types::{BlockNumber, Netuid};

/// JSON-RPC's code for a method that is not there.
const METHOD_NOT_FOUND: i32 = -32_601;

/// Steers the development chain behind a client. Every command ends when it holds.
///
/// Errors of all: [`ChainError::Missing`] where the node offers no such method; [`ChainError::Rpc`] with the node's words
/// where it would not.
#[derive(Clone, Copy, Debug)]
pub struct Developer<'a>(&'a Client);

impl Client {
    /// The powers of a developer, where the node grants them.
    #[must_use]
    pub fn developer(&self) -> Developer<'_> {
        Developer(self)
    }
}

#[derive(Deserialize)]
struct Tip {
    number: u64,
}

impl Developer<'_> {
    /// Seal so many blocks now; the height after them.
    pub async fn advance(self, blocks: u32) -> Result<BlockNumber, ChainError> {
        self.to_tip("dev_advance", rpc_params![blocks]).await
    }

    /// Seal blocks until a subnet's next epoch has run; the block in which it ran.
    pub async fn advance_to_epoch(self, netuid: Netuid) -> Result<BlockNumber, ChainError> {
        self.to_tip("dev_advanceToEpoch", rpc_params![netuid.0]).await
    }

    /// Name the present state, to come back to it; its number.
    pub async fn snapshot(self) -> Result<u32, ChainError> {
        self.request("dev_snapshot", rpc_params![]).await
    }

    /// Go back to a snapshot; the height there.
    pub async fn revert(self, snapshot: u32) -> Result<BlockNumber, ChainError> {
        self.to_tip("dev_revert", rpc_params![snapshot]).await
    }

    /// Write the chain to a file of this name in the node's folder for dumps; the last block in it.
    pub async fn dump(self, name: &str) -> Result<BlockNumber, ChainError> {
        self.to_tip("dev_dump", rpc_params![name]).await
    }

    /// Change the time between blocks.
    pub async fn set_block_time_ms(self, millis: u64) -> Result<(), ChainError> {
        self.request("dev_setBlockTime", rpc_params![millis]).await
    }

    /// Change when blocks are sealed: `interval`, `instant` or `manual`.
    pub async fn set_sealing(self, sealing: &str) -> Result<(), ChainError> {
        self.request("dev_setSealing", rpc_params![sealing]).await
    }

    async fn to_tip(self, method: &'static str, params: RpcParams) -> Result<BlockNumber, ChainError> {
        let tip: Tip = self.request(method, params).await?;
        Ok(BlockNumber(tip.number))
    }

    /// Never repeated: a chain that advanced twice cannot be told from one that advanced once. Sealing many blocks takes
    /// as long as it takes, so there is no time limit either.
    async fn request<T: serde::de::DeserializeOwned>(
        self,
        method: &'static str,
        params: RpcParams,
    ) -> Result<T, ChainError> {
        let connection = self.0.connection();
        let link = connection.link().await?;
        match connection.unbounded(&link, method, link.rpc.request(method, params)).await {
            Err(ChainError::Rpc { code: METHOD_NOT_FOUND, .. }) => {
                let spec_version = self.0.spec_version().await?;
                Err(Missing { kind: MissingKind::RpcMethod, name: method.to_owned(), spec_version }.into())
            }
            other => other,
        }
    }
}
