//! The flags of whatever listens: where, and where its state is.

use std::net::IpAddr;
use std::path::PathBuf;

use chain::{Client, Netuid};
use eyre::{Result, eyre};
use keys::{AccountId, Keypair};

use super::common::CommonArgs;
use crate::events::EventSink;
use crate::message::signed::Network;
use crate::net::{AxonProtocol, NetConfig};
use crate::shell::{PresenceConfig, load_or_create_identity};

/// The port that Bittensor's own software listens on.
const DEFAULT_AXON_PORT: u16 = 8091;
/// Blocks between two readings of the metagraph.
const REFRESH_BLOCKS: u64 = 5;

/// Where to listen, and where to keep state.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    pub axon_ip: IpAddr,

    /// Port to listen on, TCP and UDP; 0 for any
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_AXON_PORT)]
    pub axon_port: u16,

    /// Address that others reach this machine at [default: loopback if the chain is there, else --axon-ip]
    #[arg(long, value_name = "IP")]
    pub external_ip: Option<IpAddr>,

    /// State directory [default: ~/.local/share/narrows/NETUID-HOTKEY]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// The state directory of a hotkey, where none is named.
pub fn state_of(netuid: Netuid, hotkey: &AccountId) -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let data = data.ok_or_else(|| eyre!("the environment names no home directory (HOME); give --state"))?;
    Ok(data.join("narrows").join(format!("{netuid}-{hotkey}")))
}

impl ServeArgs {
    /// The state directory of a hotkey.
    pub fn state(&self, netuid: Netuid, hotkey: &AccountId) -> Result<PathBuf> {
        self.state.clone().map_or_else(|| state_of(netuid, hotkey), Ok)
    }

    /// A neuron's presence as these flags want it.
    pub fn presence(
        &self,
        common: &CommonArgs,
        client: Client,
        netuid: Netuid,
        hotkey: Keypair,
        events: EventSink,
    ) -> Result<PresenceConfig> {
        let state = self.state(netuid, &hotkey.account_id())?;
        let network = Network { genesis: client.genesis_hash().0, netuid: netuid.0 };
        let is_local_chain = common.is_chain_local();
        let external_ip = self
            .external_ip
            .or_else(|| (is_local_chain && self.axon_ip.is_unspecified()).then(|| IpAddr::from([127, 0, 0, 1])));
        let net = NetConfig {
            listen_ip: self.axon_ip,
            listen_port: self.axon_port,
            allow_loopback: is_local_chain,
            ..NetConfig::new(load_or_create_identity(&state)?, hotkey, network)
        };
        Ok(PresenceConfig {
            client,
            netuid,
            net,
            external_ip,
            served_protocol: AxonProtocol::Tcp,
            refresh_blocks: REFRESH_BLOCKS,
            events,
        })
    }
}
