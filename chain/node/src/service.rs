//! Puts the parts of a node together: database, client, pool, RPC. No peer-to-peer network: a development chain has one
//! author, and its clients come over RPC.

use std::sync::Arc;

use narrows_runtime::RuntimeApi;
use narrows_runtime::opaque::Block;
use sc_client_api::Backend as _;
use sc_client_db::{BlocksPruning, DatabaseSettings, DatabaseSource, PruningMode};
use sc_service::{
    BuildGenesisBlock, ClientConfig, GenesisBlockBuilder, KeystoreContainer, TaskManager, config::KeystoreConfig,
};
use sc_transaction_pool::{TransactionPoolHandle, TransactionPoolOptions, TransactionPoolType};
use sp_core::storage::Storage;
use sp_database::error::DatabaseError;

use crate::config::{DevNodeConfig, StartError};
use crate::disk::Disk;
use crate::dump;
use crate::executor::NativeExecutor;
use crate::memory::Memory;
use crate::store::Store;

/// The client: database and runtime behind one door.
pub(crate) type Client = sc_service::TFullClient<Block, RuntimeApi, NativeExecutor>;
/// The database.
pub(crate) type Backend = sc_service::TFullBackend<Block>;
/// The transaction pool.
pub(crate) type Pool = TransactionPoolHandle<Block, Client>;

/// Bytes of trie nodes kept decoded: about as many as the state of a full subnet has. A larger cache would go on growing
/// for thousands of blocks, with nodes of states that nobody reads any more.
const TRIE_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Transactions ready for a block; a tenth as many may wait for an earlier nonce.
const MAX_POOL_TRANSACTIONS: usize = 8_192;

/// Bytes of them.
const MAX_POOL_BYTES: usize = 20 * 1024 * 1024;

/// A node without its RPC and its timer.
pub(crate) struct Parts {
    pub(crate) client: Arc<Client>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) keystore: KeystoreContainer,
    pub(crate) tasks: TaskManager,
    pub(crate) keeping: Keeping,
}

/// What a chain is kept in, and how much of it.
pub(crate) struct Keeping {
    pub(crate) store: Arc<dyn Store>,
    /// How many blocks' state and body are kept; all where absent.
    pub(crate) kept_blocks: Option<u32>,
}

/// The file of a chain on disk, in its folder.
const CHAIN_FILE: &str = "chain.redb";

/// The folder that earlier versions kept a chain in.
const OLD_CHAIN_FOLDER: &str = "paritydb";

/// Open the database and build what stands on it.
pub(crate) fn assemble(
    config: &DevNodeConfig,
    genesis: Storage,
    runtime: tokio::runtime::Handle,
) -> Result<Parts, StartError> {
    let (backend, store) = open(config)?;
    let genesis = || {
        GenesisBlockBuilder::new_with_storage(genesis.clone(), true, backend.clone(), NativeExecutor)
            .map_err(|error| StartError::Genesis(error.to_string()))
    };
    refuse_other_genesis(config, &backend, genesis()?)?;

    let tasks = TaskManager::new(runtime, None).map_err(sc_service::Error::from)?;
    let client = sc_service::new_client(
        backend.clone(),
        NativeExecutor,
        genesis()?,
        Default::default(),
        Default::default(),
        sc_client_api::execution_extensions::ExecutionExtensions::new(None, Arc::new(NativeExecutor)),
        Box::new(tasks.spawn_handle()),
        None,
        None,
        ClientConfig::default(),
    )
    .map_err(sc_service::Error::from)?;
    let client = Arc::new(client);

    // One author and no forks, so the pool needs to know one state only; it hears of blocks from the sealer, not from a task
    // that could speak of blocks that a revert has taken away. A banned transaction may be sent again at once.
    let is_dev = true;
    let options = TransactionPoolOptions::new_with_params(
        MAX_POOL_TRANSACTIONS,
        MAX_POOL_BYTES,
        None,
        TransactionPoolType::SingleState,
        is_dev,
        false,
    );
    let pool = sc_transaction_pool::Builder::new(tasks.spawn_essential_handle(), client.clone(), true.into())
        .with_options(options)
        .build();
    let pool = Arc::new(pool);
    let keystore = KeystoreContainer::new(&KeystoreConfig::InMemory)?;
    let keeping = Keeping { store, kept_blocks: config.kept_blocks };
    Ok(Parts { client, backend, pool, keystore, tasks, keeping })
}

/// Open the chain's database, or make an empty one.
fn open(config: &DevNodeConfig) -> Result<(Arc<Backend>, Arc<dyn Store>), StartError> {
    let (store, is_empty): (Arc<dyn Store>, bool) = match (&config.state_dir, &config.load) {
        (Some(dir), _) => {
            if dir.join(OLD_CHAIN_FOLDER).exists() {
                return Err(StartError::OldChain { dir: dir.clone() });
            }
            std::fs::create_dir_all(dir).map_err(|source| StartError::StateDir { dir: dir.clone(), source })?;
            let path = dir.join(CHAIN_FILE);
            let unreadable = |error: DatabaseError| StartError::File { path: path.clone(), reason: error.to_string() };
            let disk = Disk::open(&path).map_err(unreadable)?;
            let is_empty = disk.is_empty().map_err(unreadable)?;
            (Arc::new(disk), is_empty)
        }
        (None, Some(path)) => (Arc::new(dump::read(path)?), false),
        (None, None) => (Arc::new(Memory::default()), true),
    };
    let source = DatabaseSource::Custom { db: store.clone(), require_create_flag: is_empty };
    let (state_pruning, blocks_pruning) = match config.kept_blocks {
        None => (PruningMode::ArchiveAll, BlocksPruning::KeepAll),
        Some(blocks) => (PruningMode::blocks_pruning(blocks), BlocksPruning::Some(blocks)),
    };
    let backend = sc_service::new_db_backend(DatabaseSettings {
        trie_cache_maximum_size: Some(TRIE_CACHE_BYTES),
        state_pruning: Some(state_pruning),
        source,
        blocks_pruning,
        pruning_filters: Vec::new(),
        metrics_registry: None,
    })
    .map_err(|error| StartError::Database(Box::new(error)))?;
    Ok((backend, store))
}

/// A database keeps the genesis it was made with, whatever it is opened with: going on from another chain's blocks would
/// go unnoticed until a client finds accounts or a beacon that it does not know.
fn refuse_other_genesis(
    config: &DevNodeConfig,
    backend: &Backend,
    builder: GenesisBlockBuilder<Block, Backend, NativeExecutor>,
) -> Result<(), StartError> {
    use sp_blockchain::HeaderBackend;
    let info = backend.blockchain().info();
    let kept = config.state_dir.as_ref().or(config.load.as_ref());
    let (Some(path), true) = (kept, info.finalized_state.is_some()) else { return Ok(()) };
    // The operation is dropped: only the root is wanted, nothing is written.
    let (block, _operation) = builder.build_genesis_block().map_err(sc_service::Error::from)?;
    let made = block.header.hash();
    if made == info.genesis_hash {
        return Ok(());
    }
    Err(StartError::OtherGenesis { path: path.clone(), found: info.genesis_hash, made })
}
