//! One connection at a time, out of a list of endpoints, replaced when it breaks.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use codec::Decode;
use subxt::config::RpcConfigFor;
use subxt::config::substrate::{H256, SubstrateConfig};
use subxt::rpcs::methods::legacy::LegacyRpcMethods;
use subxt::rpcs::{Error as RpcError, RpcClient};
use tokio::time::{sleep, timeout};

use crate::client::ConnectConfig;
use crate::endpoint::Endpoint;
use crate::error::ChainError;
use crate::shape::Shape;
use crate::types::BlockHash;

pub(crate) type Methods = LegacyRpcMethods<RpcConfigFor<SubstrateConfig>>;

/// Shortest and longest pause between two rounds over the list of endpoints.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);
/// How often a read is tried on fresh connections before its error is handed back.
const MAX_READ_ATTEMPTS: u32 = 5;
/// Runtime versions remembered per connection; a client seldom reads across more than one upgrade.
const MAX_SHAPES: usize = 4;
/// Newest metadata format that subxt reads.
const NEWEST_METADATA: u32 = 16;

/// A live connection to one endpoint.
pub(crate) struct Link {
    pub(crate) methods: Methods,
    /// For methods that only some nodes have.
    pub(crate) rpc: RpcClient,
    endpoint: Endpoint,
    serial: u64,
    /// Interfaces by runtime version. Tied to the link: after a restart the same version may mean other metadata.
    shapes: Mutex<HashMap<u32, Arc<Shape>>>,
}

/// The connection that a client's clones share.
pub(crate) struct Connection {
    config: ConnectConfig,
    genesis: OnceLock<BlockHash>,
    slot: tokio::sync::Mutex<Slot>,
    /// Outages that ended in giving up. Whoever waited for the slot meanwhile shares that outcome instead of
    /// waiting through an outage of its own.
    given_up: AtomicU64,
}

#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    next_endpoint: usize,
    next_serial: u64,
    last_error: Option<ChainError>,
}

impl Connection {
    pub(crate) fn new(config: ConnectConfig) -> Self {
        Self { config, genesis: OnceLock::new(), slot: tokio::sync::Mutex::default(), given_up: AtomicU64::new(0) }
    }

    pub(crate) fn config(&self) -> &ConnectConfig {
        &self.config
    }

    /// The genesis of the chain that the first connection reached.
    pub(crate) fn genesis(&self) -> Option<BlockHash> {
        self.genesis.get().copied()
    }

    /// The live connection, or a new one.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, ChainError> {
        let seen = self.given_up.load(Ordering::Acquire);
        let mut slot = self.slot.lock().await;
        if let Some(link) = &slot.link {
            return Ok(link.clone());
        }
        if self.given_up.load(Ordering::Acquire) != seen
            && let Some(error) = &slot.last_error
        {
            return Err(error.clone());
        }
        match self.dial_any(&mut slot).await {
            Ok(link) => {
                slot.link = Some(link.clone());
                Ok(link)
            }
            Err(error) => {
                slot.last_error = Some(error.clone());
                self.given_up.fetch_add(1, Ordering::AcqRel);
                Err(error)
            }
        }
    }

    /// Give up a connection that failed, unless somebody already replaced it.
    pub(crate) async fn discard(&self, broken: &Link) {
        let mut slot = self.slot.lock().await;
        if slot.link.as_ref().is_some_and(|link| link.serial == broken.serial) {
            tracing::info!(endpoint = %broken.endpoint, "lost the chain connection; reconnecting");
            slot.link = None;
            slot.next_endpoint = slot.next_endpoint.wrapping_add(1);
        }
    }

    async fn dial_any(&self, slot: &mut Slot) -> Result<Arc<Link>, ChainError> {
        slot.next_serial += 1;
        let mut last = "no endpoint is configured".to_owned();
        let dialled = timeout(self.config.give_up_after, self.dial_rounds(slot, &mut last)).await;
        dialled.unwrap_or_else(|_| {
            let endpoints: Vec<_> = self.config.endpoints.iter().map(Endpoint::url).collect();
            let (endpoints, seconds) = (endpoints.join(", "), self.config.give_up_after.as_secs());
            Err(ChainError::Unreachable { endpoints, seconds, last })
        })
    }

    /// Go round the endpoints, with growing pauses, until one answers.
    async fn dial_rounds(&self, slot: &mut Slot, last: &mut String) -> Result<Arc<Link>, ChainError> {
        let mut pause = BACKOFF_FIRST;
        loop {
            for _ in &self.config.endpoints {
                let endpoint = &self.config.endpoints[slot.next_endpoint % self.config.endpoints.len()];
                match self.dial(endpoint, slot.next_serial).await {
                    Ok(link) => return Ok(Arc::new(link)),
                    // Another chain behind one endpoint must not be papered over by the next endpoint.
                    Err(error @ ChainError::DifferentChain { .. }) => return Err(error),
                    Err(error) => {
                        tracing::debug!(%endpoint, %error, "cannot connect");
                        *last = error.to_string();
                    }
                }
                slot.next_endpoint = slot.next_endpoint.wrapping_add(1);
            }
            sleep(pause).await;
            pause = (pause * 2).min(BACKOFF_LAST);
        }
    }

    async fn dial(&self, endpoint: &Endpoint, serial: u64) -> Result<Link, ChainError> {
        let dialled = async {
            // Plain ws:// is allowed: a node on the same machine is the usual case, and nothing secret is ever sent.
            let rpc = RpcClient::from_insecure_url(endpoint.url()).await?;
            let methods = Methods::new(rpc.clone());
            let genesis = methods.genesis_hash().await?;
            Ok::<_, RpcError>((rpc, methods, genesis))
        };
        let (rpc, methods, genesis) = match timeout(self.config.dial_timeout, dialled).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(rpc_error("the connection", error)),
            Err(_) => return Err(no_answer("the connection", self.config.dial_timeout)),
        };
        let got = BlockHash(genesis.0);
        let expected = *self.genesis.get_or_init(|| self.config.expected_genesis.unwrap_or(got));
        if got != expected {
            return Err(ChainError::DifferentChain { endpoint: endpoint.to_string(), expected, got });
        }
        tracing::debug!(%endpoint, genesis = %got, "connected to the chain");
        Ok(Link { methods, rpc, endpoint: endpoint.clone(), serial, shapes: Mutex::default() })
    }

    /// One request, repeated on a fresh connection when the connection failed. Only for requests that may be repeated.
    pub(crate) async fn read<T, F, Fut>(&self, what: &str, request: F) -> Result<T, ChainError>
    where
        F: Fn(Arc<Link>) -> Fut,
        Fut: Future<Output = Result<T, RpcError>>,
    {
        let mut attempt = 1;
        loop {
            let link = self.link().await?;
            match self.once(&link, what, request(link.clone())).await {
                Ok(value) => return Ok(value),
                Err(RequestError::Answered(error)) => return Err(error),
                Err(RequestError::Broken(error)) if attempt >= MAX_READ_ATTEMPTS => return Err(error),
                Err(RequestError::Broken(error)) => tracing::debug!(what, attempt, %error, "asking again"),
            }
            attempt += 1;
        }
    }

    /// One request, once, however long the node takes to answer.
    pub(crate) async fn unbounded<T>(
        &self,
        link: &Link,
        what: &str,
        request: impl Future<Output = Result<T, RpcError>>,
    ) -> Result<T, ChainError> {
        let error = match request.await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !is_answer(&error) {
            self.discard(link).await;
        }
        Err(rpc_error(what, error))
    }

    /// One request, once; a broken connection is discarded.
    pub(crate) async fn once<T>(
        &self,
        link: &Link,
        what: &str,
        request: impl Future<Output = Result<T, RpcError>>,
    ) -> Result<T, RequestError> {
        let error = match timeout(self.config.request_timeout, request).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_answer(&error) => return Err(RequestError::Answered(rpc_error(what, error))),
            Ok(Err(error)) => rpc_error(what, error),
            Err(_) => no_answer(what, self.config.request_timeout),
        };
        self.discard(link).await;
        Err(RequestError::Broken(error))
    }

    /// The interface of the runtime in force at a block.
    pub(crate) async fn shape(&self, block: BlockHash) -> Result<Arc<Shape>, ChainError> {
        let at = Some(H256(block.0));
        let (link, version) = self
            .read("the runtime version", |link| async move {
                let version = link.methods.state_get_runtime_version(at).await?;
                Ok((link, version))
            })
            .await
            .map_err(|error| state_error(error, block))?;
        if let Some(shape) = link.known_shape(version.spec_version) {
            return Ok(shape);
        }
        let metadata = self.read("the metadata", |link| async move { fetch_metadata(&link.methods, at).await }).await?;
        let genesis = self.genesis().unwrap_or(BlockHash([0; 32]));
        let shape = Shape::new(genesis.0, version.spec_version, version.transaction_version, &metadata)?;
        let shape = Arc::new(shape);
        link.remember_shape(shape.clone());
        Ok(shape)
    }
}

impl Link {
    fn known_shape(&self, spec_version: u32) -> Option<Arc<Shape>> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).get(&spec_version).cloned()
    }

    fn remember_shape(&self, shape: Arc<Shape>) {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if shapes.len() >= MAX_SHAPES {
            shapes.clear();
        }
        shapes.insert(shape.spec_version(), shape);
    }
}

/// How one request ended, if not well.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The node answered, with an error: asking again gives the same.
    Answered(ChainError),
    /// The connection failed: it is not known whether the node saw the request.
    Broken(ChainError),
}

impl RequestError {
    pub(crate) fn into_inner(self) -> ChainError {
        match self {
            Self::Answered(error) | Self::Broken(error) => error,
        }
    }
}

/// Metadata in the newest format that both sides know, else in the format every node has.
async fn fetch_metadata(methods: &Methods, at: Option<H256>) -> Result<Vec<u8>, RpcError> {
    let versions = methods.state_call("Metadata_metadata_versions", None, at).await.unwrap_or_default();
    let versions = Vec::<u32>::decode(&mut &*versions).unwrap_or_default();
    let Some(version) = versions.into_iter().filter(|version| *version <= NEWEST_METADATA).max() else {
        let opaque = methods.state_call("Metadata_metadata", None, at).await?;
        return Vec::<u8>::decode(&mut &*opaque).map_err(RpcError::Decode);
    };
    let opaque = methods.state_call("Metadata_metadata_at_version", Some(&version.to_le_bytes()), at).await?;
    let metadata = Option::<Vec<u8>>::decode(&mut &*opaque).map_err(RpcError::Decode)?;
    metadata.ok_or_else(|| RpcError::Decode("the node lists a metadata version that it does not serve".into()))
}

/// Whether the node itself produced this error, so that another connection would change nothing.
fn is_answer(error: &RpcError) -> bool {
    !matches!(error, RpcError::Client(_) | RpcError::DisconnectedWillReconnect(_))
}

fn rpc_error(what: &str, error: RpcError) -> ChainError {
    match error {
        RpcError::User(answer) => {
            let details = answer.data.as_ref().map(|data| format!(": {}", data.get().trim_matches('"')));
            let message = format!("{}{}", answer.message, details.unwrap_or_default());
            ChainError::Rpc { method: what.to_owned(), code: answer.code, message }
        }
        other => ChainError::Rpc { method: what.to_owned(), code: 0, message: other.to_string() },
    }
}

/// A node that pruned a block's state says so in words only.
pub(crate) fn state_error(error: ChainError, block: BlockHash) -> ChainError {
    match error {
        ChainError::Rpc { message, .. } if message.contains("State already discarded") => {
            ChainError::StateDiscarded { block }
        }
        ChainError::Rpc { message, .. }
            if message.contains("UnknownBlock") || message.contains("Header was not found") =>
        {
            ChainError::BlockNotFound { block: block.to_string() }
        }
        other => other,
    }
}

fn no_answer(what: &str, limit: Duration) -> ChainError {
    let message = format!("no answer within {} s", limit.as_secs_f32());
    ChainError::Rpc { method: what.to_owned(), code: 0, message }
}
