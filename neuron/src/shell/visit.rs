//! A visit to the subnet: connected to whom it asks, and to nobody else.
//!
//! For whoever wants something of a run's neurons and offers nothing. The chain is told no axon, the ports are open on
//! loopback only, requests are turned down. Peers must still be shown a registered hotkey, and of two peers with one hotkey
//! they keep the newer: a visit under the hotkey of a neuron that runs would cut that neuron off. So a visit first looks
//! whether somebody answers for its hotkey where the chain says, and does not go on then.
//!
//! Known limit: a neuron that cannot be reached at its axon from here is not noticed; its peers drop it, and it connects
//! to them again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use chain::{ChainError, Client, Netuid};
use futures::{StreamExt, stream};
use keys::{AccountId, Keypair};
use rand::TryRngCore;
use rand::rngs::OsRng;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::follow::{ChainUpdate, follow};
use super::presence::{axon_of, axons_of, members_of};
use crate::message::signed::Network;
use crate::net::{self, AxonAddr, DialError, Members, NetConfig, NetEvent, NetHandle, Refusal, StartError};

/// Dials under way at once.
pub(super) const MAX_DIALS: usize = 16;
/// Chain news that wait.
const MAX_WAITING_UPDATES: usize = 16;
/// Blocks between two readings of the metagraph.
const REFRESH_BLOCKS: u64 = 5;

/// Why a visit is not possible, or is over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VisitError {
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The network layer does not start.
    #[error(transparent)]
    Net(#[from] StartError),
    /// The system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
    /// Not registered.
    #[error(
        "hotkey {hotkey} is not registered on subnet {netuid}, and peers answer registered ones only: choose another with \
         --wallet-hotkey, or run `neuron register --netuid {netuid}`"
    )]
    NotRegistered {
        /// The hotkey.
        hotkey: AccountId,
        /// The subnet.
        netuid: Netuid,
    },
    /// A neuron runs under this hotkey.
    #[error(
        "a neuron runs with hotkey {0}, and its peers would drop it for this connection: choose a hotkey with \
         --wallet-hotkey that no neuron runs with (the subnet owner's often is), or stop the neuron first"
    )]
    InUse(AccountId),
}

/// See the module.
pub(super) struct Visit {
    hotkey: AccountId,
    net: NetHandle,
    axons: BTreeMap<AccountId, AxonAddr>,
    dialed: BTreeSet<AccountId>,
    tasks: JoinSet<()>,
}

impl Visit {
    /// Starts the network layer, and makes sure that nobody is disturbed.
    pub(super) async fn start(
        client: &Client,
        netuid: Netuid,
        hotkey: Keypair,
        allow_loopback: bool,
    ) -> Result<Self, VisitError> {
        let own = hotkey.account_id();
        let metagraph = client.latest().await?.metagraph(netuid).await?;
        let Some(neuron) = metagraph.by_hotkey(&own) else {
            return Err(VisitError::NotRegistered { hotkey: own, netuid });
        };
        // A peer of its own: as the neuron's it would pass for that neuron, restarted.
        let mut identity = [0; 32];
        OsRng.try_fill_bytes(&mut identity).map_err(|error| VisitError::Randomness(error.to_string()))?;
        let network = Network { genesis: client.genesis_hash().0, netuid: netuid.0 };
        let config = NetConfig {
            listen_ip: Ipv4Addr::LOCALHOST.into(),
            allow_loopback,
            ..NetConfig::new(identity, hotkey, network)
        };
        let (members, members_receiver) = watch::channel(members_of(&metagraph));
        let (block, block_receiver) = watch::channel(metagraph.block.0);
        let (net, events) = net::start(config, members_receiver, block_receiver).await?;
        let (update_sender, updates) = mpsc::channel(MAX_WAITING_UPDATES);
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(client.clone(), netuid, REFRESH_BLOCKS, update_sender));
        tasks.spawn(keep_up(updates, events, members, block));
        let visit = Self { hotkey: own, net, axons: axons_of(&metagraph, &own), dialed: BTreeSet::new(), tasks };
        if let Some(address) = axon_of(neuron) {
            match visit.net.dial(address, own).await {
                Ok(_) => {
                    visit.shutdown().await;
                    return Err(VisitError::InUse(own));
                }
                Err(error) => tracing::debug!(%address, %error, "nobody answers for this hotkey"),
            }
        }
        Ok(visit)
    }

    /// The network layer.
    pub(super) fn net(&self) -> &NetHandle {
        &self.net
    }

    /// Everybody who can be dialed.
    pub(super) fn everybody(&self) -> Vec<AccountId> {
        self.axons.keys().copied().collect()
    }

    /// Connects to those that have not been dialed yet, and returns when each has answered or failed to.
    pub(super) async fn reach(&mut self, hotkeys: impl IntoIterator<Item = AccountId>) -> Result<(), VisitError> {
        let mut targets = Vec::new();
        for hotkey in hotkeys {
            if let Some(address) = self.axons.get(&hotkey)
                && self.dialed.insert(hotkey)
            {
                targets.push((hotkey, *address));
            }
        }
        let net = &self.net;
        let mut dials = stream::iter(targets)
            .map(|(hotkey, address)| async move { (hotkey, net.dial(address, hotkey).await) })
            .buffer_unordered(MAX_DIALS);
        while let Some((hotkey, dialed)) = dials.next().await {
            match dialed {
                Ok(_) => {}
                // It knows of somebody who began to speak for this hotkey after us.
                Err(DialError::RefusedByPeer { refusal: Refusal::Superseded, .. }) => {
                    return Err(VisitError::InUse(self.hotkey));
                }
                Err(error) => tracing::info!(%hotkey, %error, "a neuron is not reached"),
            }
        }
        Ok(())
    }

    /// Says goodbye.
    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.net.shutdown().await;
    }
}

/// Tells the network layer what the chain says, and turns down whatever peers want.
async fn keep_up(
    mut updates: mpsc::Receiver<ChainUpdate>,
    mut events: mpsc::Receiver<NetEvent>,
    members: watch::Sender<Members>,
    block: watch::Sender<u64>,
) {
    loop {
        tokio::select! {
            Some(update) = updates.recv() => match update {
                ChainUpdate::Block(news, metagraph) => {
                    block.send_replace(news.number.0);
                    if let Some(metagraph) = metagraph {
                        members.send_replace(members_of(&metagraph));
                    }
                }
                // Whoever visits reads the chain too, and hears of it there.
                ChainUpdate::Lost(error) | ChainUpdate::Broken(error) => {
                    tracing::debug!(%error, "the chain cannot be followed");
                }
            },
            // Dropped, a request is answered with that.
            event = events.recv() => if event.is_none() { return },
        }
    }
}
