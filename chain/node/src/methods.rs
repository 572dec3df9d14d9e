//! Every RPC method the endpoint offers: Substrate's old families and its new ones.

use std::sync::Arc;

use futures::StreamExt;
use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use narrows_runtime::opaque::Block;
use narrows_runtime::{AccountId, Hash, Nonce};
use sc_client_api::HeaderBackend;
use sc_rpc::author::AuthorApiServer;
use sc_rpc::chain::ChainApiServer;
use sc_rpc::state::{ChildStateApiServer, StateApiServer};
use sc_rpc::system::{Health, NodeRole, Request, SyncState, SystemApiServer, SystemInfo};
use sc_rpc_spec_v2::archive::{Archive, ArchiveApiServer};
use sc_rpc_spec_v2::chain_head::{ChainHead, ChainHeadApiServer, ChainHeadConfig};
use sc_rpc_spec_v2::chain_spec::{ChainSpec, ChainSpecApiServer};
use sc_rpc_spec_v2::transaction::{
    Transaction, TransactionApiServer, TransactionBroadcast, TransactionBroadcastApiServer,
};
use sc_service::ChainType;
use sc_utils::mpsc::{TracingUnboundedReceiver, TracingUnboundedSender, tracing_unbounded};
use sp_core::traits::SpawnNamed;
use substrate_frame_rpc_system::{System as AccountRpc, SystemApiServer as AccountApiServer};

use crate::genesis::{CHAIN_NAME, properties};
use crate::service::{Client, Parts};

/// Transactions that one connection may have broadcast at a time.
const MAX_BROADCASTS_PER_CONNECTION: usize = 64;

/// Unanswered questions about the network before a warning is logged.
const SYSTEM_QUEUE_WARNING: usize = 1_000;

/// All methods. The archive's are offered where all blocks are kept.
pub(crate) fn all(
    parts: &Parts,
    keeps_all_blocks: bool,
    spawn: Arc<dyn SpawnNamed>,
) -> Result<RpcModule<()>, RegisterMethodError> {
    let (client, pool, backend) = (&parts.client, &parts.pool, &parts.backend);
    let genesis_hash = client.info().genesis_hash;
    let mut module = RpcModule::new(());

    // The old families.
    module.merge(sc_rpc::chain::new_full(client.clone(), spawn.clone()).into_rpc())?;
    let (state, child_state) = sc_rpc::state::new_full(client.clone(), spawn.clone(), None);
    module.merge(state.into_rpc())?;
    module.merge(child_state.into_rpc())?;
    let keystore = parts.keystore.keystore();
    module.merge(sc_rpc::author::Author::new(client.clone(), pool.clone(), keystore, spawn.clone()).into_rpc())?;
    let system = sc_rpc::system::System::new(system_info(), answer_about_the_network(parts));
    module.merge(SystemApiServer::<Hash, u32>::into_rpc(system))?;
    let accounts = AccountRpc::<_, _, Block>::new(client.clone(), pool.clone());
    module.merge(AccountApiServer::<Hash, AccountId, Nonce>::into_rpc(accounts))?;

    // The new ones.
    module
        .merge(ChainHead::new(client.clone(), backend.clone(), spawn.clone(), ChainHeadConfig::default()).into_rpc())?;
    module.merge(ChainSpec::new(CHAIN_NAME.into(), genesis_hash, properties()).into_rpc())?;
    module.merge(Transaction::new(client.clone(), pool.clone(), spawn.clone(), None).into_rpc())?;
    module.merge(
        TransactionBroadcast::new(client.clone(), pool.clone(), spawn.clone(), MAX_BROADCASTS_PER_CONNECTION)
            .into_rpc(),
    )?;
    if keeps_all_blocks {
        module.merge(Archive::new(client.clone(), backend.clone(), genesis_hash, spawn).into_rpc())?;
    }
    Ok(module)
}

/// How the node presents itself.
fn system_info() -> SystemInfo {
    SystemInfo {
        impl_name: env!("CARGO_PKG_NAME").into(),
        impl_version: env!("CARGO_PKG_VERSION").into(),
        chain_name: CHAIN_NAME.into(),
        properties: properties(),
        chain_type: ChainType::Development,
    }
}

/// The methods `system_*` ask whoever knows the network. Here that is a task that knows there is none.
fn answer_about_the_network(parts: &Parts) -> TracingUnboundedSender<Request<Block>> {
    let (questions, answers) = tracing_unbounded("mpsc_system_rpc", SYSTEM_QUEUE_WARNING);
    parts.tasks.spawn_handle().spawn("system-rpc-handler", None, answer(parts.client.clone(), answers));
    questions
}

async fn answer(client: Arc<Client>, mut questions: TracingUnboundedReceiver<Request<Block>>) {
    let starting_block = client.info().best_number;
    let no_network = || sc_rpc::system::error::Error::MalformattedPeerArg("this node has no network".into());
    while let Some(question) = questions.next().await {
        // Whoever asked may be gone, so a reply that cannot be delivered is dropped.
        match question {
            Request::Health(reply) => {
                drop(reply.send(Health { peers: 0, is_syncing: false, should_have_peers: false }));
            }
            Request::LocalPeerId(reply) => drop(reply.send(String::new())),
            Request::LocalListenAddresses(reply) => drop(reply.send(Vec::new())),
            Request::Peers(reply) => drop(reply.send(Vec::new())),
            Request::NetworkState(reply) => drop(reply.send(serde_json::Value::Null)),
            Request::NetworkAddReservedPeer(_, reply) => drop(reply.send(Err(no_network()))),
            Request::NetworkRemoveReservedPeer(_, reply) => drop(reply.send(Err(no_network()))),
            Request::NetworkReservedPeers(reply) => drop(reply.send(Vec::new())),
            Request::NodeRoles(reply) => drop(reply.send(vec![NodeRole::Authority])),
            Request::SyncState(reply) => {
                let best = client.info().best_number;
                drop(reply.send(SyncState { starting_block, current_block: best, highest_block: best }));
            }
        }
    }
}
