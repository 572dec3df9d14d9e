//! The calls we make, by name.

use std::net::{IpAddr, SocketAddr};

use keys::AccountId;

use crate::argument::Argument;
use crate::commitments::CommitmentData;
use crate::timelocked::{SEALED_WEIGHTS_VERSION, SealedWeights};
use crate::types::{Netuid, Rao, Uid};

/// The pallet that holds subnets, stake and weights on every Bittensor-like chain.
pub(crate) const SUBTENSOR: &str = "SubtensorModule";

/// A call by name, with named arguments. Nothing is resolved until it meets a chain's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pallet: String,
    name: String,
    arguments: Vec<(String, Argument)>,
}

/// What a neuron tells the chain about where it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxonEndpoint {
    /// Address and port that other peers dial.
    pub address: SocketAddr,
    /// Software version, in the subnet's own numbering.
    pub version: u32,
    /// Protocol number, in the subnet's own numbering.
    pub protocol: u8,
}

impl Call {
    /// Any call of any pallet. Its arguments' names and order must be those of the chain's metadata.
    pub fn new<N: Into<String>>(
        pallet: impl Into<String>,
        name: impl Into<String>,
        arguments: impl IntoIterator<Item = (N, Argument)>,
    ) -> Self {
        let arguments = arguments.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self { pallet: pallet.into(), name: name.into(), arguments }
    }

    /// The pallet's name.
    #[must_use]
    pub fn pallet(&self) -> &str {
        &self.pallet
    }

    /// The call's name within its pallet.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `Pallet.name`, for messages.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.pallet, self.name)
    }

    /// The arguments in order.
    #[must_use]
    pub fn arguments(&self) -> &[(String, Argument)] {
        &self.arguments
    }

    fn subtensor<const N: usize>(name: &str, arguments: [(&str, Argument); N]) -> Self {
        Self::new(SUBTENSOR, name, arguments)
    }

    /// Create a subnet, owned by the signer, with `hotkey` as its first neuron.
    #[must_use]
    pub fn register_network(hotkey: AccountId) -> Self {
        Self::subtensor("register_network", [("hotkey", hotkey.into())])
    }

    /// Start a subnet's emissions and its token.
    #[must_use]
    pub fn start_call(netuid: Netuid) -> Self {
        Self::subtensor("start_call", [("netuid", netuid.into())])
    }

    /// Register `hotkey` on a subnet, paying its burn.
    #[must_use]
    pub fn burned_register(netuid: Netuid, hotkey: AccountId) -> Self {
        Self::subtensor("burned_register", [("netuid", netuid.into()), ("hotkey", hotkey.into())])
    }

    /// Put `to` in the place of `from`, both hotkeys of the signing coldkey, on one subnet or on all of them.
    #[must_use]
    pub fn swap_hotkey(from: AccountId, to: AccountId, netuid: Option<Netuid>) -> Self {
        Self::subtensor(
            "swap_hotkey",
            [
                ("hotkey", from.into()),
                ("new_hotkey", to.into()),
                ("netuid", Argument::option(netuid.map(Argument::from))),
            ],
        )
    }

    /// Publish where the signing hotkey's neuron is reached.
    #[must_use]
    pub fn serve_axon(netuid: Netuid, axon: AxonEndpoint) -> Self {
        let (ip, ip_type) = match axon.address.ip() {
            IpAddr::V4(ip) => (u128::from(u32::from(ip)), 4_u8),
            IpAddr::V6(ip) => (u128::from(ip), 6_u8),
        };
        Self::subtensor(
            "serve_axon",
            [
                ("netuid", netuid.into()),
                ("version", axon.version.into()),
                ("ip", ip.into()),
                ("port", axon.address.port().into()),
                ("ip_type", ip_type.into()),
                ("protocol", axon.protocol.into()),
                ("placeholder1", 0_u8.into()),
                ("placeholder2", 0_u8.into()),
            ],
        )
    }

    /// Move TAO from the signing coldkey into stake on `hotkey`.
    #[must_use]
    pub fn add_stake(hotkey: AccountId, netuid: Netuid, amount: Rao) -> Self {
        Self::subtensor(
            "add_stake",
            [("hotkey", hotkey.into()), ("netuid", netuid.into()), ("amount_staked", amount.into())],
        )
    }

    /// Take stake back; the amount is in the subnet's alpha.
    #[must_use]
    pub fn remove_stake(hotkey: AccountId, netuid: Netuid, amount: Rao) -> Self {
        Self::subtensor(
            "remove_stake",
            [("hotkey", hotkey.into()), ("netuid", netuid.into()), ("amount_unstaked", amount.into())],
        )
    }

    /// Set weights in the open; only where commit-reveal is off.
    #[must_use]
    pub fn set_weights(netuid: Netuid, uids: &[Uid], values: &[u16], version_key: u64) -> Self {
        Self::subtensor(
            "set_weights",
            [
                ("netuid", netuid.into()),
                ("dests", Argument::list(uids.iter().copied())),
                ("weights", Argument::list(values.iter().copied())),
                ("version_key", version_key.into()),
            ],
        )
    }

    /// Commit to weights by hash, see [`crate::weights::commit_hash`].
    #[must_use]
    pub fn commit_weights(netuid: Netuid, commit_hash: [u8; 32]) -> Self {
        Self::subtensor("commit_weights", [("netuid", netuid.into()), ("commit_hash", commit_hash.into())])
    }

    /// Reveal committed weights, in the reveal epoch.
    #[must_use]
    pub fn reveal_weights(netuid: Netuid, uids: &[Uid], values: &[u16], salt: &[u16], version_key: u64) -> Self {
        Self::subtensor(
            "reveal_weights",
            [
                ("netuid", netuid.into()),
                ("uids", Argument::list(uids.iter().copied())),
                ("values", Argument::list(values.iter().copied())),
                ("salt", Argument::list(salt.iter().copied())),
                ("version_key", version_key.into()),
            ],
        )
    }

    /// Commit to weights under a time lock, see [`crate::timelocked`]; nobody has to reveal them.
    #[must_use]
    pub fn commit_timelocked_weights(netuid: Netuid, sealed: &SealedWeights) -> Self {
        Self::subtensor(
            "commit_timelocked_weights",
            [
                ("netuid", netuid.into()),
                ("commit", sealed.bytes.clone().into()),
                ("reveal_round", sealed.round.into()),
                ("commit_reveal_version", SEALED_WEIGHTS_VERSION.into()),
            ],
        )
    }

    /// Post up to three data fields under the signing hotkey; the chain keeps the latest post only.
    #[must_use]
    pub fn set_commitment(netuid: Netuid, fields: &[CommitmentData]) -> Self {
        let fields = Argument::list(fields.iter().map(CommitmentData::argument));
        let info = Argument::Record(vec![("fields".to_owned(), fields)]);
        Self::new("Commitments", "set_commitment", [("netuid", netuid.into()), ("info", info)])
    }

    /// Transfer TAO, refusing to empty the sender's account.
    #[must_use]
    pub fn transfer_keep_alive(to: AccountId, amount: Rao) -> Self {
        Self::new("Balances", "transfer_keep_alive", [("dest", to.into()), ("value", amount.into())])
    }

    /// Transfer TAO, even all of it.
    #[must_use]
    pub fn transfer_allow_death(to: AccountId, amount: Rao) -> Self {
        Self::new("Balances", "transfer_allow_death", [("dest", to.into()), ("value", amount.into())])
    }

    /// Several calls in one extrinsic: all of them take effect, or none.
    #[must_use]
    pub fn batch_all(calls: impl IntoIterator<Item = Call>) -> Self {
        Self::new("Utility", "batch_all", [("calls", Argument::list(calls))])
    }

    /// Make a call as root; the signer must hold the sudo key.
    #[must_use]
    pub fn sudo(call: Call) -> Self {
        Self::new("Sudo", "sudo", [("call", call.into())])
    }

    /// Set a hyperparameter by the name of its `AdminUtils` call, such as `sudo_set_tempo`. Some are open to the subnet's
    /// owner, the others must be wrapped in [`Call::sudo`].
    pub fn admin<N: Into<String>>(name: impl Into<String>, arguments: impl IntoIterator<Item = (N, Argument)>) -> Self {
        Self::new("AdminUtils", name, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers_with_their_kind() {
        let axon = |address: &str| {
            let address = address.parse().expect("an address");
            let call = Call::serve_axon(Netuid(1), AxonEndpoint { address, version: 1, protocol: 4 });
            (call.arguments()[2].1.clone(), call.arguments()[4].1.clone())
        };
        assert_eq!(axon("127.0.0.1:80"), (Argument::Number(0x7f00_0001), Argument::Number(4)));
        assert_eq!(axon("[::1]:80"), (Argument::Number(1), Argument::Number(6)));
    }
}
