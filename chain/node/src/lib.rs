//! The development chain as a library: a Substrate node that starts in the caller's process and tokio runtime.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use narrows_node::{DevNode, DevNodeConfig};
//!
//! let alice = [7; 32];
//! let node = DevNode::start(DevNodeConfig::new(alice, vec![(alice, 1_000_000_000_000)], [1; 32])).await?;
//! println!("connect to {}", node.rpc_url());
//! node.shutdown().await?;
//! # Ok(()) }
//! ```
//!
//! Blocks are sealed on a timer and final at once. The runtime runs natively, so the endpoint answers within tens of
//! milliseconds and nothing but stable Rust is needed. The same configuration gives the same genesis, the same
//! timestamps and the same beacon, every time.
//!
//! | file | what |
//! |---|---|
//! | `config` | what a chain is started with, and why it may refuse |
//! | `genesis` | the first state |
//! | `executor` | runs the runtime natively |
//! | `service` | database, client, pool |
//! | `beacon` | the chain's drand beacon |
//! | `sealing` | seals a block on a timer |
//! | `rpc`, `methods` | the endpoint, and what it answers |

mod beacon;
mod config;
mod executor;
mod genesis;
mod methods;
mod rpc;
mod sealing;
mod service;

pub use beacon::{Beacon, PUBLIC_KEY_BYTES, PulseError, verify as verify_pulse};
pub use config::{
    BlockTimeError, DEFAULT_GENESIS_TIME_SECS, DEFAULT_PORT, DevNodeConfig, MAX_BLOCK_TIME, MIN_BLOCK_TIME, StartError,
};
pub use sealing::SealedBlock;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sc_client_api::HeaderBackend;
use sc_rpc_server::Server;
use sc_service::TaskManager;
use tokio::sync::watch;

use sealing::{ChainTime, Pace, Sealer};
use service::{Backend, Parts};

/// How long the parts of a node may take to let go of its database.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Between two looks at whether they have.
const SHUTDOWN_POLL: Duration = Duration::from_millis(2);

/// A running chain. Dropping it stops the chain too, but only [`DevNode::shutdown`] waits until port and database are
/// free.
pub struct DevNode {
    // Dropped in this order: no more requests, then no more tasks.
    server: Server,
    tasks: TaskManager,
    // The last to let go of the database is this handle, so that `shutdown` knows when it is closed.
    backend: Arc<Backend>,
    address: SocketAddr,
    genesis_hash: [u8; 32],
    round_millis: u64,
    pace: watch::Sender<Pace>,
    holds: watch::Receiver<u64>,
    sealed: watch::Receiver<SealedBlock>,
}

impl DevNode {
    /// Start a chain, or go on with the one in `state_dir`. The endpoint answers when this returns.
    pub async fn start(config: DevNodeConfig) -> Result<Self, StartError> {
        config.check()?;
        let runtime = tokio::runtime::Handle::try_current()?;
        let beacon = Beacon::from_seed(&config.beacon_seed);
        let genesis = genesis::storage(&config, &beacon)?;
        let parts = service::assemble(&config, genesis, runtime)?;
        let server = rpc::listen(&config, &parts).await?;
        let Some(address) = server.listen_addrs().first().copied() else {
            return Err(StartError::Rpc("the server listens nowhere".into()));
        };

        let Parts { client, backend, pool, tasks, keystore: _ } = parts;
        let info = client.info();
        let round_millis = config::check_block_time(config.block_time)?;
        let tip = SealedBlock { number: info.best_number, hash: info.best_hash.0 };
        let (pace, paces) = watch::channel(Pace { block_time: config.block_time, paused: false, change: 0 });
        let (holds_tx, holds) = watch::channel(0);
        let (sealed_tx, sealed) = watch::channel(tip);
        let proposer =
            sc_basic_authorship::ProposerFactory::new(tasks.spawn_handle(), client.clone(), pool.clone(), None, None);
        let node = Self {
            server,
            backend: backend.clone(),
            address,
            genesis_hash: info.genesis_hash.0,
            round_millis,
            pace,
            holds,
            sealed,
            tasks,
        };
        let time = ChainTime { genesis_secs: config.genesis_time_secs, round_millis };
        let sealer =
            Sealer { client, backend, pool, proposer, beacon, time, pace: paces, holds: holds_tx, sealed: sealed_tx };
        node.tasks.spawn_essential_handle().spawn_blocking("sealing", None, sealer.run());
        tracing::info!(url = node.rpc_url(), block = tip.number, "the chain runs");
        Ok(node)
    }

    /// Where clients connect, by websocket or (with `http`) plainly.
    pub fn rpc_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The port of the endpoint.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The hash of block 0, which names the chain.
    pub fn genesis_hash(&self) -> [u8; 32] {
        self.genesis_hash
    }

    /// The latest block. Sealed blocks are final.
    pub fn tip(&self) -> SealedBlock {
        *self.sealed.borrow()
    }

    /// The latest block, and each one after it that the reader is quick enough to see.
    pub fn blocks(&self) -> watch::Receiver<SealedBlock> {
        self.sealed.clone()
    }

    /// Stop sealing blocks; the endpoint still answers. When this returns, no block is being made: chain time stands
    /// still until [`DevNode::resume`].
    pub async fn pause(&self) {
        self.change_pace(|pace| pace.paused = true).await;
    }

    /// Seal blocks again, the first one after a block time.
    pub async fn resume(&self) {
        self.change_pace(|pace| pace.paused = false).await;
    }

    /// Whether [`DevNode::pause`] is in force.
    pub fn is_paused(&self) -> bool {
        self.pace.borrow().paused
    }

    /// From now on, seal at this pace. What genesis fixed stays: the length of a beacon's round, so that
    /// several blocks share a round or one brings several, and the constant `Aura.SlotDuration`.
    pub async fn set_block_time(&self, block_time: Duration) -> Result<(), BlockTimeError> {
        let millis = config::check_block_time(block_time)?;
        let round_millis = self.round_millis;
        if millis / round_millis >= u64::from(pallet_drand::MAX_PULSES_PER_BLOCK) {
            return Err(BlockTimeError::TooManyRounds { block_time, round_millis });
        }
        self.change_pace(|pace| pace.block_time = block_time).await;
        Ok(())
    }

    /// Change the pace, and wait until no block made at the old one is under way.
    async fn change_pace(&self, change: impl FnOnce(&mut Pace)) {
        let mut number = 0;
        self.pace.send_modify(|pace| {
            change(pace);
            pace.change += 1;
            number = pace.change;
        });
        // An error says that the sealer is gone, and with it every block.
        self.holds.clone().wait_for(|holds| *holds >= number).await.ok();
    }

    /// Stop, and wait until the port and the database are free.
    pub async fn shutdown(self) -> Result<(), ShutdownError> {
        let Self { server, tasks, backend, address, pace, sealed, .. } = self;
        let stopped = server.handle().clone();
        let registry = tasks.into_task_registry();
        drop((pace, sealed, server));
        let all_gone = async {
            stopped.stopped().await;
            // Requests in flight and the block being made hold the database a moment longer; and a listener is closed
            // by its own task. Neither can be awaited, so look until they are gone.
            while Arc::strong_count(&backend) > 1 || std::net::TcpListener::bind(address).is_err() {
                tokio::time::sleep(SHUTDOWN_POLL).await;
            }
            // Closing the database writes what it still holds in memory.
            if let Err(panicked) = tokio::task::spawn_blocking(move || drop(backend)).await {
                tracing::error!(%panicked, "the database did not close cleanly");
            }
        };
        tokio::time::timeout(SHUTDOWN_LIMIT, all_gone).await.map_err(|_| ShutdownError {
            tasks: registry.running_tasks().keys().map(|task| task.name).collect(),
            waited: SHUTDOWN_LIMIT,
        })
    }
}

/// The runtime's metadata in one of the versions it has (14, 15, 16), as clients would fetch it. For tools that want it
/// without a node.
pub fn metadata(version: u32) -> Option<Vec<u8>> {
    // Metadata holds constants that are read from the state (the block time), so there must be one.
    sp_io::TestExternalities::new_empty()
        .execute_with(|| narrows_runtime::Runtime::metadata_at_version(version))
        .map(|metadata| metadata.to_vec())
}

/// A node that would not let go.
#[derive(Debug, thiserror::Error)]
#[error("after {waited:?} the node still holds its port or its database; still running: {tasks:?}")]
pub struct ShutdownError {
    /// Which tasks still run.
    tasks: Vec<&'static str>,
    /// How long was waited.
    waited: Duration,
}
