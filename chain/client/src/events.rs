//! Events of a block, by name.

use keys::AccountId;
use subxt::events::Phase;
use subxt::ext::scale_value::Composite;

use crate::calls::SUBTENSOR;
use crate::error::{ChainError, DispatchError};
use crate::shape::Shape;
use crate::snapshot::Snapshot;
use crate::types::{Netuid, Rao, Uid};
use crate::value::{self, Fields};

/// Most events of one block that are read; a full block holds far fewer.
const MAX_EVENTS: usize = 65_536;

/// An event and the extrinsic that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Index of the extrinsic in its block; `None` for events of the block itself, such as an epoch.
    pub extrinsic: Option<u32>,
    /// The event.
    pub event: Event,
}

/// What happened, for the events that we act on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A subnet was created.
    NetworkAdded {
        /// The new subnet.
        netuid: Netuid,
    },
    /// A hotkey took a uid, perhaps from a pruned neuron.
    NeuronRegistered {
        /// The subnet.
        netuid: Netuid,
        /// The uid.
        uid: Uid,
        /// Who holds it now.
        hotkey: AccountId,
    },
    /// A neuron published where it is reached.
    AxonServed {
        /// The subnet.
        netuid: Netuid,
        /// The neuron.
        hotkey: AccountId,
    },
    /// Stake was added.
    StakeAdded {
        /// Who paid.
        coldkey: AccountId,
        /// Staked on whom.
        hotkey: AccountId,
        /// TAO paid.
        tao: Rao,
        /// Alpha received.
        alpha: Rao,
        /// The subnet.
        netuid: Netuid,
    },
    /// Stake was taken back.
    StakeRemoved {
        /// Who is paid.
        coldkey: AccountId,
        /// Staked on whom.
        hotkey: AccountId,
        /// TAO received.
        tao: Rao,
        /// Alpha given.
        alpha: Rao,
        /// The subnet.
        netuid: Netuid,
    },
    /// A validator's weights are in force.
    WeightsSet {
        /// Subnet and mechanism, see [`Netuid::storage_index`].
        index: u16,
        /// The validator.
        uid: Uid,
    },
    /// A validator committed to weights.
    WeightsCommitted {
        /// The validator.
        hotkey: AccountId,
        /// Subnet and mechanism, see [`Netuid::storage_index`].
        index: u16,
        /// The commit hash.
        hash: [u8; 32],
    },
    /// A validator revealed its weights.
    WeightsRevealed {
        /// The validator.
        hotkey: AccountId,
        /// Subnet and mechanism, see [`Netuid::storage_index`].
        index: u16,
        /// The commit hash.
        hash: [u8; 32],
    },
    /// A hotkey posted a commitment.
    CommitmentSet {
        /// The subnet.
        netuid: Netuid,
        /// Who posted.
        hotkey: AccountId,
    },
    /// TAO changed hands.
    Transfer {
        /// From whom.
        from: AccountId,
        /// To whom.
        to: AccountId,
        /// How much.
        amount: Rao,
    },
    /// A call made as root ended.
    Sudid {
        /// How.
        result: Result<(), DispatchError>,
    },
    /// An extrinsic took effect.
    ExtrinsicSuccess,
    /// An extrinsic had no effect but its fee.
    ExtrinsicFailed {
        /// Why.
        error: DispatchError,
    },
    /// Any other event, and those above where their fields are not as expected.
    Other {
        /// The pallet's name.
        pallet: String,
        /// The event's name.
        name: String,
    },
}

impl Snapshot {
    /// The events of this block, in order.
    pub async fn events(&self) -> Result<Vec<EventRecord>, ChainError> {
        let key = self.shape().storage_key("System", "Events", &[])?;
        let bytes = self.read_one(&key).await?.unwrap_or_default();
        decode_events(self.shape(), bytes)
    }
}

fn decode_events(shape: &Shape, bytes: Vec<u8>) -> Result<Vec<EventRecord>, ChainError> {
    let events = shape.offline().events().from_bytes(bytes);
    if events.len() as usize > MAX_EVENTS {
        return Err(ChainError::TooLarge { what: "the events of a block".to_owned(), limit: MAX_EVENTS });
    }
    let records = events.iter().map(|event| {
        let event = event.map_err(|e| ChainError::decode("an event", e))?;
        let extrinsic = match event.phase() {
            Phase::ApplyExtrinsic(index) => Some(index),
            Phase::Finalization | Phase::Initialization => None,
        };
        let fields = event.decode_fields_unchecked_as::<Composite<()>>();
        let fields = fields.map_err(|e| ChainError::decode("an event's fields", e))?;
        let (pallet, name) = (event.pallet_name(), event.event_name());
        let known = recognise(pallet, name, Fields(&fields), shape);
        let event = known.unwrap_or_else(|| Event::Other { pallet: pallet.to_owned(), name: name.to_owned() });
        Ok(EventRecord { extrinsic, event })
    });
    records.collect()
}

/// An event that we know by name and whose fields are what we expect.
fn recognise(pallet: &str, name: &str, fields: Fields<'_>, shape: &Shape) -> Option<Event> {
    match pallet {
        SUBTENSOR => recognise_subtensor(name, fields),
        "Commitments" if name == "Commitment" => Some(Event::CommitmentSet {
            netuid: fields.number("netuid", 0).map(Netuid)?,
            hotkey: fields.account("who", 1)?,
        }),
        "Balances" if name == "Transfer" => Some(Event::Transfer {
            from: fields.account("from", 0)?,
            to: fields.account("to", 1)?,
            amount: fields.number("amount", 2).map(Rao)?,
        }),
        "Sudo" if matches!(name, "Sudid" | "SudoAsDone") => {
            let (outcome, inner) = value::variant(fields.get("sudo_result", 0)?)?;
            let result = match outcome {
                "Ok" => Ok(()),
                _ => Err(value::dispatch_error(inner.get("", 0)?, shape.metadata())),
            };
            Some(Event::Sudid { result })
        }
        "System" if name == "ExtrinsicSuccess" => Some(Event::ExtrinsicSuccess),
        "System" if name == "ExtrinsicFailed" => {
            let error = value::dispatch_error(fields.get("dispatch_error", 0)?, shape.metadata());
            Some(Event::ExtrinsicFailed { error })
        }
        _ => None,
    }
}

fn recognise_subtensor(name: &str, fields: Fields<'_>) -> Option<Event> {
    let netuid = |position| fields.number("netuid", position).map(Netuid);
    let committed = || Some((fields.account("hotkey", 0)?, fields.number("netuid_index", 1)?, fields.hash("hash", 2)?));
    let staked = || {
        let (tao, alpha) = (fields.number("tao", 2).map(Rao)?, fields.number("alpha", 3).map(Rao)?);
        Some((fields.account("coldkey", 0)?, fields.account("hotkey", 1)?, tao, alpha, netuid(4)?))
    };
    Some(match name {
        "NetworkAdded" => Event::NetworkAdded { netuid: netuid(0)? },
        "NeuronRegistered" => Event::NeuronRegistered {
            netuid: netuid(0)?,
            uid: fields.number("uid", 1).map(Uid)?,
            hotkey: fields.account("hotkey", 2)?,
        },
        "AxonServed" => Event::AxonServed { netuid: netuid(0)?, hotkey: fields.account("hotkey", 1)? },
        "WeightsSet" => {
            Event::WeightsSet { index: fields.number("netuid_index", 0)?, uid: fields.number("uid", 1).map(Uid)? }
        }
        "StakeAdded" => {
            let (coldkey, hotkey, tao, alpha, netuid) = staked()?;
            Event::StakeAdded { coldkey, hotkey, tao, alpha, netuid }
        }
        "StakeRemoved" => {
            let (coldkey, hotkey, tao, alpha, netuid) = staked()?;
            Event::StakeRemoved { coldkey, hotkey, tao, alpha, netuid }
        }
        "WeightsCommitted" => {
            let (hotkey, index, hash) = committed()?;
            Event::WeightsCommitted { hotkey, index, hash }
        }
        "WeightsRevealed" => {
            let (hotkey, index, hash) = committed()?;
            Event::WeightsRevealed { hotkey, index, hash }
        }
        _ => return None,
    })
}
