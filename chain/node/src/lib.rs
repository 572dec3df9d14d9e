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
//! | `shield` | opens what clients encrypt to the block's author |
//! | `sealing`, `due` | seals blocks; what each brings with it |
//! | `control`, `dev` | steering a running chain, from this process and over RPC |
//! | `store`, `memory`, `disk`, `dump` | what a chain is kept in: memory, a file of its own, a dump |
//! | `history` | what a chain forgets of old blocks |
//! | `rpc`, `methods` | the endpoint, and what it answers |

mod beacon;
mod config;
mod control;
mod dev;
mod disk;
mod due;
mod dump;
mod executor;
mod genesis;
mod history;
mod memory;
mod methods;
mod rpc;
mod sealing;
mod service;
mod shield;
mod store;

pub use beacon::{Beacon, PUBLIC_KEY_BYTES, PulseError, verify as verify_pulse};
pub use config::{
    BlockTimeError, DEFAULT_GENESIS_TIME_SECS, DEFAULT_PORT, DevNodeConfig, MAX_BLOCK_TIME, MIN_BLOCK_TIME, StartError,
};
pub use control::{Control, ControlError, MAX_ADVANCE_BLOCKS, Sealing, SnapshotId};
pub use dump::DumpError;
pub use sealing::SealedBlock;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sc_client_api::HeaderBackend;
use sc_rpc_server::Server;
use sc_service::TaskManager;
use tokio::sync::{mpsc, watch};

use control::{COMMANDS_WAITING, Command, Pace};
use due::ChainTime;
use sealing::Sealer;
use service::{Backend, Parts};
use shield::Shield;

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
    control: Control,
    // The only strong sender: when it goes, sealing ends.
    commands: mpsc::Sender<Command>,
    sealed: watch::Receiver<SealedBlock>,
}

impl DevNode {
    /// Start a chain, or go on with the one in `state_dir`. The endpoint answers when this returns.
    pub async fn start(config: DevNodeConfig) -> Result<Self, StartError> {
        config.check()?;
        let runtime = tokio::runtime::Handle::try_current()?;
        let beacon = Beacon::from_seed(&config.beacon_seed);
        let shield = Shield::from_seed(&config.beacon_seed);
        let genesis = genesis::storage(&config, &beacon, &shield)?;
        let parts = service::assemble(&config, genesis, runtime)?;
        let round_millis = config::check_block_time(config.block_time)?;
        let pace = Pace { block_time: config.block_time, sealing: config.sealing, paused: false };
        let (pace, paces) = watch::channel(pace);
        let (commands, commanded) = mpsc::channel(COMMANDS_WAITING);
        let control = Control::new(&commands, paces, round_millis);
        let server = rpc::listen(&config, &parts, &control).await?;
        let Some(address) = server.listen_addrs().first().copied() else {
            return Err(StartError::Rpc("the server listens nowhere".into()));
        };

        let Parts { client, backend, pool, tasks, keeping, keystore: _ } = parts;
        let info = client.info();
        let tip = SealedBlock { number: info.best_number, hash: info.best_hash.0 };
        let (sealed, tips) = watch::channel(tip);
        let proposer =
            sc_basic_authorship::ProposerFactory::new(tasks.spawn_handle(), client.clone(), pool.clone(), None, None);
        let genesis_hash = info.genesis_hash.0;
        let node =
            Self { server, backend: backend.clone(), address, genesis_hash, control, commands, sealed: tips, tasks };
        let sealer = Sealer {
            client,
            backend,
            pool,
            proposer,
            beacon,
            shield,
            time: ChainTime { genesis_secs: config.genesis_time_secs, round_millis },
            keeping,
            commands: commanded,
            pace,
            sealed,
            failed: None,
            snapshots: Vec::new(),
        };
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

    /// What steers the chain: pace, sealing, advancing, snapshots, dumps.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stop, and wait until the port and the database are free.
    pub async fn shutdown(self) -> Result<(), ShutdownError> {
        let Self { server, tasks, backend, address, commands, sealed, .. } = self;
        let stopped = server.handle().clone();
        let registry = tasks.into_task_registry();
        drop((commands, sealed, server));
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
