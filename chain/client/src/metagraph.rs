//! A subnet's neurons, as the chain sees them after one block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use keys::AccountId;
use subxt::ext::scale_decode::DecodeAsType;

use crate::argument::Argument;
use crate::calls::SUBTENSOR;
use crate::error::ChainError;
use crate::snapshot::Snapshot;
use crate::types::{BlockHash, BlockNumber, Netuid, Rao, Uid};

/// Most neurons of a subnet that are read: 16 times what a subnet can have today.
const MAX_NEURONS: u16 = 4096;

/// A subnet's neurons after one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metagraph {
    /// The subnet.
    pub netuid: Netuid,
    /// The block it was read at.
    pub block: BlockNumber,
    /// That block's hash.
    pub block_hash: BlockHash,
    /// Blocks between epochs.
    pub tempo: u16,
    /// The coldkey that owns the subnet.
    pub owner: AccountId,
    /// The hotkey that acts for the owner.
    pub owner_hotkey: AccountId,
    /// By uid, without gaps.
    pub neurons: Vec<Neuron>,
}

/// One neuron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neuron {
    /// Its uid.
    pub uid: Uid,
    /// The key it acts with.
    pub hotkey: AccountId,
    /// The key it belongs to.
    pub coldkey: AccountId,
    /// Whether it acted within the activity cutoff, as of the last epoch.
    pub active: bool,
    /// Alpha staked on it in this subnet.
    pub alpha_stake: Rao,
    /// TAO staked on it on the root network.
    pub root_stake: Rao,
    /// What counts in consensus: alpha, and root TAO at the chain's TAO weight. Stake inherited through child keys is not
    /// included.
    pub stake: Rao,
    /// Where it is reached, if it said so.
    pub axon: Option<Axon>,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// The block in which it last set or committed weights.
    pub last_update: BlockNumber,
    /// Share of miners' emission, of 65535.
    pub incentive: u16,
    /// Share of validators' emission, of 65535.
    pub dividends: u16,
    /// The weight that the stake majority agrees on, of 65535.
    pub consensus: u16,
    /// How far its weights agree with consensus, of 65535.
    pub validator_trust: u16,
    /// Alpha it earned in the last epoch.
    pub emission: Rao,
    /// When it took this uid: together with the uid, the name of this neuron.
    pub block_at_registration: BlockNumber,
}

/// Where a neuron says that it is reached. Nothing of it is verified by the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axon {
    /// IP address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
    /// Protocol number, in the subnet's own numbering.
    pub protocol: u8,
    /// Software version, in the subnet's own numbering.
    pub version: u32,
    /// The block in which it was published.
    pub served_at: BlockNumber,
}

impl Axon {
    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

impl Metagraph {
    /// The number of neurons.
    #[must_use]
    pub fn n(&self) -> usize {
        self.neurons.len()
    }

    /// The neuron with this uid.
    #[must_use]
    pub fn neuron(&self, uid: Uid) -> Option<&Neuron> {
        self.neurons.get(usize::from(uid.0))
    }

    /// The neuron that acts with this hotkey.
    #[must_use]
    pub fn by_hotkey(&self, hotkey: &AccountId) -> Option<&Neuron> {
        self.neurons.iter().find(|neuron| neuron.hotkey == *hotkey)
    }

    /// The neurons whose weights count.
    pub fn validators(&self) -> impl Iterator<Item = &Neuron> {
        self.neurons.iter().filter(|neuron| neuron.validator_permit)
    }
}

/// The columns of the metagraph: vectors by uid.
#[derive(Default)]
struct Columns {
    active: Vec<bool>,
    validator_permit: Vec<bool>,
    last_update: Vec<u64>,
    incentive: Vec<u16>,
    dividends: Vec<u16>,
    consensus: Vec<u16>,
    validator_trust: Vec<u16>,
    emission: Vec<u64>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct AxonInfo {
    block: u64,
    version: u32,
    ip: u128,
    port: u16,
    ip_type: u8,
    protocol: u8,
}

impl Snapshot {
    /// A subnet's neurons. Three rounds of requests, whatever their number.
    pub async fn metagraph(&self, netuid: Netuid) -> Result<Metagraph, ChainError> {
        let of_subnet: &[Argument] = &[netuid.into()];
        let items = [
            "SubnetworkN",
            "Tempo",
            "SubnetOwner",
            "SubnetOwnerHotkey",
            "Active",
            "ValidatorPermit",
            "LastUpdate",
            "Incentive",
            "Dividends",
            "Consensus",
            "ValidatorTrust",
            "Emission",
        ];
        let mut wanted: Vec<(&'static str, &[Argument])> = items.into_iter().map(|item| (item, of_subnet)).collect();
        wanted.push(("TaoWeight", &[]));
        let items = self.items(SUBTENSOR, &wanted).await?;
        let n: u16 = items.value("SubnetworkN")?;
        if n > MAX_NEURONS {
            return Err(ChainError::TooLarge { what: format!("subnet {netuid}"), limit: usize::from(MAX_NEURONS) });
        }
        let columns = Columns {
            active: items.value("Active")?,
            validator_permit: items.value("ValidatorPermit")?,
            last_update: items.value("LastUpdate")?,
            incentive: items.value("Incentive")?,
            dividends: items.value("Dividends")?,
            consensus: items.value("Consensus")?,
            validator_trust: items.value("ValidatorTrust")?,
            emission: items.value("Emission")?,
        };
        let tao_weight: u64 = items.value_or("TaoWeight", 0)?;
        let hotkeys = self.hotkeys(netuid, n).await?;
        let neurons = self.neurons(netuid, &hotkeys, &columns, tao_weight).await?;
        Ok(Metagraph {
            netuid,
            block: self.number(),
            block_hash: self.hash(),
            tempo: items.value("Tempo")?,
            owner: items.value::<[u8; 32]>("SubnetOwner")?.into(),
            owner_hotkey: items.value_or::<[u8; 32]>("SubnetOwnerHotkey", [0; 32])?.into(),
            neurons,
        })
    }

    /// Hotkeys and blocks of registration, by uid.
    async fn hotkeys(&self, netuid: Netuid, n: u16) -> Result<Vec<(AccountId, u64)>, ChainError> {
        let read = Table::new(self, &["Keys", "BlockAtRegistration"]);
        let rows = read.rows((0..n).map(|uid| vec![vec![netuid.into(), uid.into()]; 2])).await?;
        let row = |row: Vec<Option<Vec<u8>>>| {
            let hotkey: [u8; 32] = read.cell(0, row.first())?;
            Ok((hotkey.into(), read.cell(1, row.get(1))?))
        };
        rows.into_iter().map(row).collect()
    }

    async fn neurons(
        &self,
        netuid: Netuid,
        hotkeys: &[(AccountId, u64)],
        columns: &Columns,
        tao_weight: u64,
    ) -> Result<Vec<Neuron>, ChainError> {
        let read = Table::new(self, &["Owner", "TotalHotkeyAlpha", "TotalHotkeyAlpha", "Axons"]);
        let rows = read.rows(hotkeys.iter().map(|(hotkey, _)| {
            let hotkey: Argument = (*hotkey).into();
            vec![
                vec![hotkey.clone()],
                vec![hotkey.clone(), netuid.into()],
                vec![hotkey.clone(), Netuid::ROOT.into()],
                vec![netuid.into(), hotkey],
            ]
        }));
        let rows = rows.await?;
        let mut neurons = Vec::with_capacity(hotkeys.len());
        for (uid, ((hotkey, registered), row)) in hotkeys.iter().zip(rows).enumerate() {
            let coldkey: [u8; 32] = read.cell(0, row.first())?;
            let alpha_stake = Rao(read.cell(1, row.get(1))?);
            let root_stake = Rao(read.cell(2, row.get(2))?);
            let axon = match row.get(3).and_then(Option::as_ref) {
                Some(bytes) => axon(self.shape().decode_storage(SUBTENSOR, "Axons", bytes)?),
                None => None,
            };
            neurons.push(Neuron {
                uid: Uid(u16::try_from(uid).unwrap_or(u16::MAX)),
                hotkey: *hotkey,
                coldkey: coldkey.into(),
                active: at(&columns.active, uid),
                alpha_stake,
                root_stake,
                stake: weighted_stake(alpha_stake, root_stake, tao_weight),
                axon,
                validator_permit: at(&columns.validator_permit, uid),
                last_update: BlockNumber(at(&columns.last_update, uid)),
                incentive: at(&columns.incentive, uid),
                dividends: at(&columns.dividends, uid),
                consensus: at(&columns.consensus, uid),
                validator_trust: at(&columns.validator_trust, uid),
                emission: Rao(at(&columns.emission, uid)),
                block_at_registration: BlockNumber(*registered),
            });
        }
        Ok(neurons)
    }
}

/// Several items of the pallet, read for many keys in one go.
struct Table<'a> {
    snapshot: &'a Snapshot,
    items: &'a [&'static str],
}

impl<'a> Table<'a> {
    fn new(snapshot: &'a Snapshot, items: &'a [&'static str]) -> Self {
        Self { snapshot, items }
    }

    /// One row per element of `keys`, which holds the keys of each item.
    async fn rows(
        &self,
        keys: impl Iterator<Item = Vec<Vec<Argument>>>,
    ) -> Result<Vec<Vec<Option<Vec<u8>>>>, ChainError> {
        let mut flat = Vec::new();
        for row in keys {
            for (item, keys) in self.items.iter().zip(row) {
                flat.push(self.snapshot.shape().storage_key(SUBTENSOR, item, &keys)?);
            }
        }
        let values = self.snapshot.read_many(&flat).await?;
        Ok(values.chunks(self.items.len()).map(<[_]>::to_vec).collect())
    }

    /// A cell's value, or what its absence means.
    fn cell<T: DecodeAsType>(&self, item: usize, bytes: Option<&Option<Vec<u8>>>) -> Result<T, ChainError> {
        let item = self.items.get(item).copied().unwrap_or_default();
        let shape = self.snapshot.shape();
        let bytes = match bytes.and_then(Option::as_ref) {
            Some(bytes) => Some(bytes.clone()),
            None => shape.storage_default(SUBTENSOR, item)?,
        };
        let bytes = bytes.ok_or_else(|| ChainError::decode(format!("{SUBTENSOR}.{item}"), "there is no such entry"))?;
        shape.decode_storage(SUBTENSOR, item, &bytes)
    }
}

/// A column's entry. Columns are written by epochs, so those of neurons registered since are missing: zero.
fn at<T: Copy + Default>(column: &[T], uid: usize) -> T {
    column.get(uid).copied().unwrap_or_default()
}

/// Alpha plus root TAO times the TAO weight, which is a fraction of 2⁶⁴.
fn weighted_stake(alpha: Rao, root: Rao, tao_weight: u64) -> Rao {
    let root = (u128::from(root.0) * u128::from(tao_weight)) >> 64;
    alpha.saturating_add(Rao(u64::try_from(root).unwrap_or(u64::MAX)))
}

fn axon(info: AxonInfo) -> Option<Axon> {
    let ip = match info.ip_type {
        4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(info.ip).ok()?)),
        6 => IpAddr::V6(Ipv6Addr::from(info.ip)),
        _ => return None,
    };
    let served_at = BlockNumber(info.block);
    let axon = Axon { ip, port: info.port, protocol: info.protocol, version: info.version, served_at };
    // Who has taken an axon back serves nowhere.
    (axon.port != 0 && !ip.is_unspecified()).then_some(axon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axon_that_cannot_be_dialled_is_none() {
        let info = |ip, ip_type, port| AxonInfo { block: 5, version: 1, ip, port, ip_type, protocol: 4 };
        let address = |info| axon(info).map(|axon| axon.address().to_string());
        assert_eq!(address(info(0x7f00_0001, 4, 8091)), Some("127.0.0.1:8091".to_owned()));
        assert_eq!(address(info(1, 6, 8091)), Some("[::1]:8091".to_owned()));
        assert_eq!(address(info(1 << 32, 4, 8091)), None, "an IPv4 address has 32 bits");
        assert_eq!(address(info(1, 5, 8091)), None);
        assert_eq!(address(info(1, 4, 0)), None);
        assert_eq!(address(info(0, 4, 1)), None);
    }

    #[test]
    fn root_stake_counts_at_the_tao_weight() {
        let half = 1_u64 << 63;
        assert_eq!(weighted_stake(Rao(10), Rao(100), half), Rao(60));
        assert_eq!(weighted_stake(Rao(10), Rao(100), 0), Rao(10));
        assert_eq!(weighted_stake(Rao(u64::MAX), Rao(u64::MAX), u64::MAX), Rao(u64::MAX));
    }

    #[test]
    fn a_neuron_newer_than_the_last_epoch_has_zeros() {
        assert_eq!(at(&[1_u16, 2], 1), 2);
        assert_eq!(at(&[1_u16, 2], 2), 0);
    }
}
