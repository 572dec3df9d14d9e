//! Neurons on loopback without a chain: what it would say about them is written down here.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::{BlockHash, BlockNumber, Metagraph, Netuid, Rao, Uid};
use engine::work_proof::{Challenge, Product};
use keys::{AccountId, Keypair};
use neuron::manifest::HardwareRules;
use neuron::message::control::{ControlRequest, ControlResponse};
use neuron::message::hardware::ComputeChallenge;
use neuron::message::names::Beacon;
use neuron::message::signed::Network;
use neuron::net::{self, AxonProtocol, Members, NetConfig, NetEvent, NetHandle};
use neuron::prover::Prover;
use tokio::sync::{mpsc, watch};

/// The smallest product: what is tested here is not its size.
pub(crate) const SIDE: u32 = 128;
pub(crate) const BEACON: Beacon = Beacon([3; 32]);
/// Only keeps a broken test from hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);

/// Rules that an honest miner meets on however slow a machine.
pub(crate) const LENIENT: HardwareRules = HardwareRules {
    side: SIDE,
    multiplications_per_second: 1_000_000,
    slack_per_mille: 0,
    round_trip_ms: 20_000,
    open_ms: 20_000,
    fleet_per_mille: 0,
};

pub(crate) fn key(name: &str) -> Keypair {
    Keypair::from_uri(&format!("//{name}")).unwrap()
}

pub(crate) fn id(name: &str) -> AccountId {
    key(name).account_id()
}

/// The product that `hotkey` is asked for.
pub(crate) fn product(challenge: &ComputeChallenge, hotkey: &AccountId) -> Product {
    let ComputeChallenge { side, nonce, beacon } = challenge;
    Product::compute(&Challenge::bind(*side, nonce, &beacon.0, &hotkey.0).unwrap())
}

/// The subnet: whose name starts with `v` has a validator permit.
pub(crate) struct World {
    members: watch::Sender<Members>,
    block: watch::Sender<u64>,
    metagraph: Arc<Metagraph>,
}

impl World {
    pub(crate) fn with(names: &[&str]) -> Self {
        let neurons: Vec<_> = (0u16..).zip(names).map(|(uid, name)| neuron(uid, name)).collect();
        let members: HashSet<_> = neurons.iter().map(|neuron| neuron.hotkey).collect();
        let metagraph = Metagraph {
            netuid: Netuid(1),
            block: BlockNumber(1000),
            block_hash: BlockHash([0; 32]),
            tempo: 360,
            owner: id("owner"),
            owner_hotkey: id("owner"),
            neurons,
        };
        Self {
            members: watch::channel(Arc::new(members)).0,
            block: watch::channel(1000).0,
            metagraph: Arc::new(metagraph),
        }
    }

    /// A neuron of that name, and what it is asked.
    pub(crate) async fn neuron(&self, name: &str) -> (NetHandle, mpsc::Receiver<NetEvent>) {
        let network = Network { genesis: [7; 32], netuid: 1 };
        let mut config = NetConfig::new(id(name).0, key(name), network);
        config.listen_ip = IpAddr::from([127, 0, 0, 1]);
        config.allow_loopback = true;
        net::start(config, self.members.subscribe(), self.block.subscribe()).await.unwrap()
    }

    /// A neuron of that name that answers each request with what `reply` says; with nothing, it lets its asker wait.
    pub(crate) async fn played(
        &self,
        name: &str,
        mut reply: impl FnMut(ControlRequest) -> Option<ControlResponse> + Send + 'static,
    ) -> NetHandle {
        let (net, mut events) = self.neuron(name).await;
        tokio::spawn(async move {
            let mut left_waiting = Vec::new();
            while let Some(event) = events.recv().await {
                if let NetEvent::Request { request, responder, .. } = event {
                    match reply(request) {
                        Some(response) => responder.respond(response).await,
                        None => left_waiting.push(responder),
                    }
                }
            }
        });
        net
    }

    /// A neuron of that name that proves what it can do, in the name of `as_whom`.
    pub(crate) async fn proving(&self, name: &str, as_whom: &str, rules: &HardwareRules) -> NetHandle {
        let (net, mut events) = self.neuron(name).await;
        let (prover, metagraph) = (Prover::start(id(as_whom), rules), self.metagraph.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let NetEvent::Request { from, request, responder } = event {
                    prover.on_request(&metagraph, from, request, responder).await;
                }
            }
        });
        net
    }
}

/// Has `from` connect to `to`, which is `name`.
pub(crate) async fn connect(from: &NetHandle, to: &NetHandle, name: &str) {
    let tcp = to.local_addresses().iter().find(|axon| axon.protocol == AxonProtocol::Tcp).unwrap();
    from.dial(*tcp, id(name)).await.unwrap();
}

fn neuron(uid: u16, name: &str) -> chain::Neuron {
    chain::Neuron {
        uid: Uid(uid),
        hotkey: id(name),
        coldkey: id("owner"),
        active: true,
        alpha_stake: Rao(0),
        root_stake: Rao(0),
        stake: Rao(0),
        axon: None,
        validator_permit: name.starts_with('v'),
        last_update: BlockNumber(0),
        incentive: 0,
        dividends: 0,
        consensus: 0,
        validator_trust: 0,
        emission: Rao(0),
        block_at_registration: BlockNumber(0),
    }
}
