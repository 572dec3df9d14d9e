//! The RPC endpoint on loopback: Substrate's methods, old and new, over websocket and HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sc_rpc_server::{BatchRequestConfig, RpcEndpoint, RpcMethods, Server};

use crate::config::{DEFAULT_PORT, DevNodeConfig, PORTS_TRIED, StartError};
use crate::control::Control;
use crate::service::Parts;
use crate::{dev, methods};

/// Clients at once: every neuron and validator of a localnet holds a few.
const MAX_CONNECTIONS: u32 = 1_024;

/// Subscriptions of one connection.
const MAX_SUBSCRIPTIONS_PER_CONNECTION: u32 = 1_024;

/// Messages waiting for a slow reader before its subscription is closed.
const MAX_BUFFERED_MESSAGES_PER_CONNECTION: u32 = 1_024;

/// Megabytes of one request.
const MAX_REQUEST_MEBIBYTES: u32 = 16;

/// Megabytes of one response.
const MAX_RESPONSE_MEBIBYTES: u32 = 16;

/// Threads for requests that block.
const MAX_BLOCKING_THREADS: usize = 256;

/// Threads that serve connections.
const WORKER_THREADS: usize = 2;

/// Stack of a thread that runs the runtime. Decoding deeply nested calls natively takes far more stack than in wasm, and
/// whoever can reach the endpoint chooses the depth.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Listen where the configuration says.
pub(crate) async fn listen(config: &DevNodeConfig, parts: &Parts, control: &Control) -> Result<Server, StartError> {
    let first = config.port.unwrap_or(DEFAULT_PORT);
    let last = if config.port.is_some() { first } else { first + PORTS_TRIED };
    for port in first..=last {
        match listen_on(port, config, parts, control).await {
            Err(StartError::Rpc(error)) if is_taken(&*error) => {}
            other => return other,
        }
    }
    Err(match config.port {
        Some(port) => StartError::PortTaken { port },
        None => StartError::NoFreePort { first, last },
    })
}

fn is_taken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

async fn listen_on(port: u16, config: &DevNodeConfig, parts: &Parts, control: &Control) -> Result<Server, StartError> {
    // A runtime of its own, so that no request can starve the sealing of blocks.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .thread_stack_size(STACK_BYTES)
        .thread_name("rpc")
        .enable_all()
        .build()
        .map_err(|error| StartError::Rpc(error.into()))?;
    let spawn_handle = Arc::new(sc_rpc_server::RpcSpawnHandle::new(runtime.handle().clone()));
    let module = methods::all(parts, config.kept_blocks.is_none(), spawn_handle).and_then(|mut module| {
        if config.dev_methods {
            module.merge(dev::methods(control.clone(), config.dumps_dir.clone())?)?;
        }
        Ok(module)
    });
    let module = match module {
        Ok(module) => module,
        Err(error) => {
            // Dropping a runtime inside another one panics; this does not.
            runtime.shutdown_background();
            return Err(StartError::Rpc(error.into()));
        }
    };
    sc_rpc_server::start_server(sc_rpc_server::Config {
        endpoints: vec![RpcEndpoint {
            listen_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            batch_config: BatchRequestConfig::Unlimited,
            max_connections: MAX_CONNECTIONS,
            max_payload_in_mb: MAX_REQUEST_MEBIBYTES,
            max_payload_out_mb: MAX_RESPONSE_MEBIBYTES,
            max_subscriptions_per_connection: MAX_SUBSCRIPTIONS_PER_CONNECTION,
            max_buffer_capacity_per_connection: MAX_BUFFERED_MESSAGES_PER_CONNECTION,
            rate_limit: None,
            rate_limit_trust_proxy_headers: false,
            rate_limit_whitelisted_ips: Vec::new(),
            cors: None,
            rpc_methods: RpcMethods::Auto,
            is_optional: false,
            retry_random_port: false,
        }],
        metrics: None,
        rpc_api: module,
        id_provider: None,
        request_logger_limit: 1_024,
        rpc_runtime: runtime,
    })
    .await
    .map_err(StartError::Rpc)
}
