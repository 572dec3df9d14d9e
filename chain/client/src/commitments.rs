//! What hotkeys post on chain: the latest post of each, and every post of a block.

use std::collections::BTreeMap;

use keys::AccountId;
use subxt::ext::scale_value::{Composite, Value};

use crate::argument::Argument;
use crate::error::ChainError;
use crate::events::Event;
use crate::shape::MAX_CALL_DEPTH;
use crate::snapshot::Snapshot;
use crate::types::{BlockNumber, Netuid};
use crate::value::{self, Fields};

/// One field of a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitmentData {
    /// Bytes: up to [`CommitmentData::MAX_RAW_BYTES`] in the usual form, longer ones in the chain's form for big data.
    Raw(Vec<u8>),
    /// A form that we do not use, by the chain's name for it.
    Other(String),
}

impl CommitmentData {
    /// Most bytes of a field in the usual form.
    pub const MAX_RAW_BYTES: usize = 128;

    /// The bytes, if it is bytes.
    #[must_use]
    pub fn raw(&self) -> Option<&[u8]> {
        match self {
            Self::Raw(bytes) => Some(bytes),
            Self::Other(_) => None,
        }
    }

    /// The chain names one variant per length (`Raw0` to `Raw128`), so the name depends on the bytes. Nothing at all goes
    /// as big data: chains differ in whether `Raw0` has a field.
    pub(crate) fn argument(&self) -> Argument {
        match self {
            Self::Raw(bytes) if (1..=Self::MAX_RAW_BYTES).contains(&bytes.len()) => {
                Argument::Variant(format!("Raw{}", bytes.len()), vec![Argument::Bytes(bytes.clone())])
            }
            Self::Raw(bytes) => Argument::Variant("BigRaw".to_owned(), vec![Argument::Bytes(bytes.clone())]),
            Self::Other(name) => Argument::Variant(name.clone(), Vec::new()),
        }
    }

    fn read(data: &Value) -> Option<Self> {
        let (name, fields) = value::variant(data)?;
        let is_raw =
            name == "BigRaw" || name.strip_prefix("Raw").is_some_and(|n| n.bytes().all(|c| c.is_ascii_digit()));
        if !is_raw {
            return Some(Self::Other(name.to_owned()));
        }
        match fields.get("", 0) {
            Some(bytes) => value::bytes(bytes).map(Self::Raw),
            None => Some(Self::Raw(Vec::new())),
        }
    }
}

/// The latest post of a hotkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// The block it was posted in.
    pub block: BlockNumber,
    /// What was posted.
    pub fields: Vec<CommitmentData>,
}

/// A post, as found in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedCommitment {
    /// Who posted.
    pub hotkey: AccountId,
    /// In which subnet.
    pub netuid: Netuid,
    /// What was posted.
    pub fields: Vec<CommitmentData>,
}

impl Snapshot {
    /// The latest post of a hotkey in a subnet.
    pub async fn commitment(&self, netuid: Netuid, hotkey: AccountId) -> Result<Option<Commitment>, ChainError> {
        let stored: Option<Value> =
            self.optional("Commitments", "CommitmentOf", &[netuid.into(), hotkey.into()]).await?;
        stored.as_ref().map(read_stored).transpose()
    }

    /// The latest posts of all hotkeys in a subnet.
    pub async fn commitments(&self, netuid: Netuid) -> Result<BTreeMap<AccountId, Commitment>, ChainError> {
        let stored: BTreeMap<[u8; 32], Value> = self.map("Commitments", "CommitmentOf", &[netuid.into()]).await?;
        let read = |(hotkey, stored): ([u8; 32], Value)| Ok((hotkey.into(), read_stored(&stored)?));
        stored.into_iter().map(read).collect()
    }

    /// Every post that took effect in this block, in order.
    ///
    /// The chain keeps only the latest post of a hotkey, so a reader that must miss none follows the blocks. Whether a post
    /// took effect, and whose it is, is taken from the block's events; what it says, from the extrinsic that caused them,
    /// also from inside a batch or a proxy's call. An extrinsic of which only some of several posts took effect is skipped:
    /// which of them did cannot be told.
    pub async fn posted_commitments(&self) -> Result<Vec<PostedCommitment>, ChainError> {
        let mut effective: BTreeMap<u32, Vec<(Netuid, AccountId)>> = BTreeMap::new();
        for record in self.events().await? {
            if let (Some(extrinsic), Event::CommitmentSet { netuid, hotkey }) = (record.extrinsic, record.event) {
                effective.entry(extrinsic).or_default().push((netuid, hotkey));
            }
        }
        if effective.is_empty() {
            return Ok(Vec::new());
        }
        let body = self.client().body(self.hash()).await?;
        let mut posted = Vec::new();
        for (index, effects) in effective {
            let calls = self.commitment_calls(&body, index).await?;
            let same =
                calls.len() == effects.len() && calls.iter().zip(&effects).all(|(call, effect)| call.0 == effect.0);
            if !same {
                tracing::warn!(block = %self.number(), index, "posts and their effects do not match; skipping the extrinsic");
                continue;
            }
            let posts = calls.into_iter().zip(effects);
            posted.extend(posts.map(|((_, fields), (netuid, hotkey))| PostedCommitment { hotkey, netuid, fields }));
        }
        Ok(posted)
    }

    /// The posts that an extrinsic asks for, in order.
    async fn commitment_calls(
        &self,
        body: &[Vec<u8>],
        index: u32,
    ) -> Result<Vec<(Netuid, Vec<CommitmentData>)>, ChainError> {
        let Some(bytes) = usize::try_from(index).ok().and_then(|index| body.get(index)) else { return Ok(Vec::new()) };
        let extrinsics = self.shape().offline().extrinsics().from_bytes(vec![bytes.clone()]).await;
        let mut found = Vec::new();
        for extrinsic in extrinsics.iter() {
            let extrinsic = extrinsic.map_err(|e| ChainError::decode("an extrinsic", e))?;
            let arguments = extrinsic.decode_call_data_fields_unchecked_as::<Composite<()>>();
            let arguments = arguments.map_err(|e| ChainError::decode("an extrinsic's call", e))?;
            collect_posts(extrinsic.pallet_name(), extrinsic.call_name(), Fields(&arguments), 0, &mut found);
        }
        Ok(found)
    }
}

/// Walk a call and the calls inside it.
fn collect_posts(
    pallet: &str,
    call: &str,
    arguments: Fields<'_>,
    depth: usize,
    found: &mut Vec<(Netuid, Vec<CommitmentData>)>,
) {
    if depth > MAX_CALL_DEPTH {
        return;
    }
    if pallet == "Commitments" && call == "set_commitment" {
        let info = arguments.get("info", 1);
        if let (Some(netuid), Some(fields)) = (arguments.number("netuid", 0), info.and_then(read_info)) {
            found.push((Netuid(netuid), fields));
        }
        return;
    }
    for argument in arguments.0.values() {
        collect_inner_posts(argument, depth + 1, found);
    }
}

fn collect_inner_posts(argument: &Value, depth: usize, found: &mut Vec<(Netuid, Vec<CommitmentData>)>) {
    if depth > 2 * MAX_CALL_DEPTH {
        return;
    }
    // A call is an enum of pallets whose only field is an enum of that pallet's calls.
    if let Some((pallet, inner)) = value::variant(argument) {
        if let Some((call, arguments)) = inner.get("", 0).and_then(value::variant) {
            collect_posts(pallet, call, arguments, depth, found);
        }
    } else if let Some(items) = value::items(argument) {
        items.into_iter().for_each(|item| collect_inner_posts(item, depth + 1, found));
    }
}

fn read_stored(stored: &Value) -> Result<Commitment, ChainError> {
    let fields = Fields::of(stored);
    let read = fields.and_then(|fields| {
        let block = fields.number("block", 1).map(BlockNumber)?;
        Some(Commitment { block, fields: read_info(fields.get("info", 2)?)? })
    });
    read.ok_or_else(|| ChainError::decode("Commitments.CommitmentOf", "its fields are not (deposit, block, info)"))
}

fn read_info(info: &Value) -> Option<Vec<CommitmentData>> {
    let info = Fields::of(info)?.get("fields", 0)?;
    value::items(info)?.into_iter().map(CommitmentData::read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(fields: impl IntoIterator<Item = Value>) -> Value {
        // `BoundedVec` is a structure with one field.
        let bounded = Value::unnamed_composite([Value::unnamed_composite(fields)]);
        Value::named_composite([("fields", bounded)])
    }

    #[test]
    fn each_length_has_its_own_name_on_chain() {
        let name = |length| match CommitmentData::Raw(vec![7; length]).argument() {
            Argument::Variant(name, _) => name,
            other => format!("{other:?}"),
        };
        assert_eq!(name(0), "BigRaw");
        assert_eq!(name(1), "Raw1");
        assert_eq!(name(100), "Raw100");
        assert_eq!(name(128), "Raw128");
        assert_eq!(name(129), "BigRaw");
    }

    #[test]
    fn a_stored_post_is_read_back() {
        let raw = Value::unnamed_variant("Raw2", [Value::from_bytes([1, 2])]);
        let one = Value::unnamed_variant("Raw1", [Value::from_bytes([9])]);
        let reset = Value::unnamed_variant("ResetBondsFlag", []);
        let empty = Value::unnamed_variant("Raw0", []);
        let stored = |fields: Vec<Value>| {
            Value::named_composite([("deposit", Value::u128(0)), ("block", Value::u128(12)), ("info", info(fields))])
        };
        let read = read_stored(&stored(vec![raw, one.clone(), reset])).expect("a post");
        assert_eq!(read.block, BlockNumber(12));
        let expected = [
            CommitmentData::Raw(vec![1, 2]),
            CommitmentData::Raw(vec![9]),
            CommitmentData::Other("ResetBondsFlag".into()),
        ];
        assert_eq!(read.fields, expected);
        assert_eq!(read_stored(&stored(vec![one])).expect("a post").fields, [CommitmentData::Raw(vec![9])]);
        assert_eq!(read_stored(&stored(vec![])).expect("a post").fields, []);
        assert_eq!(read_stored(&stored(vec![empty])).expect("a post").fields, [CommitmentData::Raw(vec![])]);
        assert!(read_stored(&Value::u128(1)).is_err());
    }

    #[test]
    fn posts_are_found_inside_batches() {
        let set = |netuid, byte| {
            let fields = info([Value::unnamed_variant("Raw1", [Value::from_bytes([byte])])]);
            let call = Value::named_variant("set_commitment", [("netuid", Value::u128(netuid)), ("info", fields)]);
            Value::unnamed_variant("Commitments", [call])
        };
        let remark =
            Value::unnamed_variant("System", [Value::named_variant("remark", [("remark", Value::from_bytes([1]))])]);
        let batch = Composite::named([("calls", Value::unnamed_composite([set(1, 7), remark, set(2, 8)]))]);
        let mut found = Vec::new();
        collect_posts("Utility", "batch_all", Fields(&batch), 0, &mut found);
        let post = |netuid, byte| (Netuid(netuid), vec![CommitmentData::Raw(vec![byte])]);
        assert_eq!(found, [post(1, 7), post(2, 8)]);
    }

    #[test]
    fn a_batch_with_a_single_post_is_found_too() {
        let fields = info([Value::unnamed_variant("Raw1", [Value::from_bytes([5])])]);
        let call = Value::named_variant("set_commitment", [("netuid", Value::u128(3)), ("info", fields)]);
        let only = Value::unnamed_composite([Value::unnamed_variant("Commitments", [call])]);
        let mut found = Vec::new();
        collect_posts("Utility", "batch_all", Fields(&Composite::named([("calls", only)])), 0, &mut found);
        assert_eq!(found, [(Netuid(3), vec![CommitmentData::Raw(vec![5])])]);
    }
}
