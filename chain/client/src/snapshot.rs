//! The state of the chain after one block.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use keys::AccountId;
use subxt::config::substrate::H256;
use subxt::ext::scale_decode::DecodeAsType;

use crate::argument::Argument;
use crate::calls::SUBTENSOR;
use crate::client::Client;
use crate::connection::state_error;
use crate::error::ChainError;
use crate::shape::Shape;
use crate::types::{BlockHash, BlockNumber, Netuid, Rao, Uid};

/// Keys asked for in one request.
const KEYS_PER_REQUEST: usize = 512;
/// Requests for values under way at once.
const REQUESTS_AT_ONCE: usize = 4;
/// Most entries of a map that are read: 16 times the most neurons that a subnet can have today.
const MAX_MAP_ENTRIES: usize = 4096;

/// The state after one block. All reads of one snapshot agree with each other, whatever the chain does meanwhile.
#[derive(Clone, Debug)]
pub struct Snapshot {
    client: Client,
    shape: Arc<Shape>,
    hash: BlockHash,
    number: BlockNumber,
}

impl Snapshot {
    pub(crate) fn new(client: Client, shape: Arc<Shape>, hash: BlockHash, number: BlockNumber) -> Self {
        Self { client, shape, hash, number }
    }

    /// The block's hash.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// The block's number.
    #[must_use]
    pub fn number(&self) -> BlockNumber {
        self.number
    }

    /// What the chain has at this block.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// When the block was made, in milliseconds since 1970.
    pub async fn timestamp_ms(&self) -> Result<u64, ChainError> {
        self.value("Timestamp", "Now", &[]).await
    }

    /// TAO that an account may spend.
    pub async fn balance(&self, account: AccountId) -> Result<Rao, ChainError> {
        Ok(Rao(self.account(account).await?.data.free))
    }

    /// How many extrinsics of an account were included.
    pub(crate) async fn nonce(&self, account: AccountId) -> Result<u64, ChainError> {
        Ok(self.account(account).await?.nonce)
    }

    async fn account(&self, account: AccountId) -> Result<AccountInfo, ChainError> {
        self.value("System", "Account", &[account.into()]).await
    }

    /// Alpha that all coldkeys together stake on a hotkey in a subnet.
    pub async fn hotkey_stake(&self, hotkey: AccountId, netuid: Netuid) -> Result<Rao, ChainError> {
        self.value(SUBTENSOR, "TotalHotkeyAlpha", &[hotkey.into(), netuid.into()]).await.map(Rao)
    }

    /// Alpha that one coldkey stakes on a hotkey in a subnet.
    pub async fn stake(&self, hotkey: AccountId, coldkey: AccountId, netuid: Netuid) -> Result<Rao, ChainError> {
        let keys = [hotkey.into(), coldkey.into(), netuid.into()];
        let info: Option<StakeInfo> =
            self.ask("StakeInfoRuntimeApi", "get_stake_info_for_hotkey_coldkey_netuid", &keys).await?;
        Ok(Rao(info.map_or(0, |info| info.stake)))
    }

    /// What one alpha of a subnet costs.
    pub async fn alpha_price(&self, netuid: Netuid) -> Result<Rao, ChainError> {
        self.ask("SwapRuntimeApi", "current_alpha_price", &[netuid.into()]).await.map(Rao)
    }

    /// Whether a subnet was started, so that stake may be moved.
    pub async fn is_started(&self, netuid: Netuid) -> Result<bool, ChainError> {
        self.value(SUBTENSOR, "SubtokenEnabled", &[netuid.into()]).await
    }

    /// What a hotkey keeps of the dividends of those who staked to it, as a fraction of 65535.
    pub async fn take(&self, hotkey: AccountId) -> Result<u16, ChainError> {
        self.value(SUBTENSOR, "Delegates", &[hotkey.into()]).await
    }

    /// The name that a coldkey gave itself, if it did.
    pub async fn name_of(&self, coldkey: AccountId) -> Result<Option<String>, ChainError> {
        let identity: Option<Identity> = self.optional(SUBTENSOR, "IdentitiesV2", &[coldkey.into()]).await?;
        Ok(identity.map(|identity| String::from_utf8_lossy(&identity.name).into_owned()))
    }

    /// The children that a hotkey has named in a subnet and that are not taken on yet: (part of 2⁶⁴ − 1, hotkey).
    pub async fn pending_children(
        &self,
        hotkey: AccountId,
        netuid: Netuid,
    ) -> Result<Vec<(u64, AccountId)>, ChainError> {
        type Pending = (Vec<(u64, [u8; 32])>, u64);
        let pending: Option<Pending> =
            self.optional(SUBTENSOR, "PendingChildKeys", &[netuid.into(), hotkey.into()]).await?;
        let children = pending.map(|(children, _)| children).unwrap_or_default();
        Ok(children.into_iter().map(|(part, child)| (part, child.into())).collect())
    }

    /// The coldkey that owns a hotkey; `None` if the chain has not seen the hotkey.
    pub async fn owner(&self, hotkey: AccountId) -> Result<Option<AccountId>, ChainError> {
        let owner: [u8; 32] = self.value(SUBTENSOR, "Owner", &[hotkey.into()]).await?;
        Ok((owner != [0; 32]).then(|| owner.into()))
    }

    /// A hotkey's uid in a subnet, if it is registered there.
    pub async fn uid(&self, netuid: Netuid, hotkey: AccountId) -> Result<Option<Uid>, ChainError> {
        let uid: Option<u16> = self.optional(SUBTENSOR, "Uids", &[netuid.into(), hotkey.into()]).await?;
        Ok(uid.map(Uid))
    }

    /// What registering on a subnet costs in this block.
    pub async fn burn_price(&self, netuid: Netuid) -> Result<Rao, ChainError> {
        self.value(SUBTENSOR, "Burn", &[netuid.into()]).await.map(Rao)
    }

    /// A constant of a pallet that is a number, such as `Aura.SlotDuration`.
    pub fn number_constant(&self, pallet: &str, constant: &str) -> Result<u128, ChainError> {
        self.shape.constant(pallet, constant)
    }

    /// One value, or what its absence means on this chain. Where absence means that there is none, it is an error.
    pub async fn value<T: DecodeAsType>(&self, pallet: &str, item: &str, keys: &[Argument]) -> Result<T, ChainError> {
        let bytes = self.raw(pallet, item, keys).await?;
        let bytes = match bytes {
            Some(bytes) => Some(bytes),
            None => self.shape.storage_default(pallet, item)?,
        };
        let bytes = bytes.ok_or_else(|| ChainError::decode(format!("{pallet}.{item}"), "there is no such entry"))?;
        self.shape.decode_storage(pallet, item, &bytes)
    }

    /// One value, if it is there.
    pub async fn optional<T: DecodeAsType>(
        &self,
        pallet: &str,
        item: &str,
        keys: &[Argument],
    ) -> Result<Option<T>, ChainError> {
        let bytes = self.raw(pallet, item, keys).await?;
        bytes.map(|bytes| self.shape.decode_storage(pallet, item, &bytes)).transpose()
    }

    async fn raw(&self, pallet: &str, item: &str, keys: &[Argument]) -> Result<Option<Vec<u8>>, ChainError> {
        let key = self.shape.storage_key(pallet, item, keys)?;
        self.read_one(&key).await
    }

    /// What a runtime API method answers in this state.
    pub async fn ask<T: DecodeAsType>(&self, api: &str, method: &str, arguments: &[Argument]) -> Result<T, ChainError> {
        let (function, arguments, output) = self.shape.runtime_call(api, method, arguments)?;
        let at = Some(H256(self.hash.0));
        let (function, arguments) = (function.as_str(), arguments.as_slice());
        let read = self
            .client
            .connection()
            .read("a runtime API", |link| async move { link.methods.state_call(function, Some(arguments), at).await });
        let bytes = read.await.map_err(|error| state_error(error, self.hash))?;
        self.shape.decode(output, &bytes, || format!("the answer of {api}.{method}"))
    }

    /// The bytes under one storage key.
    pub(crate) async fn read_one(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ChainError> {
        let at = Some(H256(self.hash.0));
        let read = self
            .client
            .connection()
            .read("a storage value", |link| async move { link.methods.state_get_storage(key, at).await });
        read.await.map_err(|error| state_error(error, self.hash))
    }

    /// The bytes under many storage keys, in the order of the keys.
    pub(crate) async fn read_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, ChainError> {
        // Owned chunks: futures over borrowed ones could not be sent between threads (the compiler wants any lifetime).
        let chunks: Vec<Vec<Vec<u8>>> = keys.chunks(KEYS_PER_REQUEST).map(<[_]>::to_vec).collect();
        let reads = stream::iter(chunks.into_iter().map(|chunk| async move { self.read_chunk(&chunk).await }));
        let chunks: Vec<_> = reads.buffered(REQUESTS_AT_ONCE).try_collect().await?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn read_chunk(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, ChainError> {
        let at = Some(H256(self.hash.0));
        let read = self.client.connection().read("storage values", |link| async move {
            link.methods.state_query_storage_at(keys.iter().map(Vec::as_slice), at).await
        });
        let sets = read.await.map_err(|error| state_error(error, self.hash))?;
        let mut values: HashMap<Vec<u8>, Vec<u8>> = HashMap::with_capacity(keys.len());
        for (key, value) in sets.into_iter().flat_map(|set| set.changes) {
            if let Some(value) = value {
                values.insert(key.0, value.0);
            }
        }
        Ok(keys.iter().map(|key| values.remove(key)).collect())
    }

    /// All entries of a map under the first few of its keys, by the last key.
    pub async fn map<K: DecodeAsType + Ord, V: DecodeAsType>(
        &self,
        pallet: &str,
        item: &str,
        keys: &[Argument],
    ) -> Result<BTreeMap<K, V>, ChainError> {
        let prefix = self.shape.storage_prefix(pallet, item, keys)?;
        let found = self.keys_under(pallet, item, &prefix).await?;
        let values = self.read_many(&found).await?;
        let mut map = BTreeMap::new();
        for (key, value) in found.iter().zip(values) {
            let Some(value) = value else { continue };
            let last = self.shape.decode_last_key(pallet, item, key)?;
            map.insert(last, self.shape.decode_storage(pallet, item, &value)?);
        }
        Ok(map)
    }

    async fn keys_under(&self, pallet: &str, item: &str, prefix: &[u8]) -> Result<Vec<Vec<u8>>, ChainError> {
        let at = Some(H256(self.hash.0));
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let start = keys.last().map(Vec::as_slice);
            let count = u32::try_from(KEYS_PER_REQUEST).unwrap_or(u32::MAX);
            let read = self.client.connection().read("storage keys", |link| async move {
                link.methods.state_get_keys_paged(prefix, count, start, at).await
            });
            let page = read.await.map_err(|error| state_error(error, self.hash))?;
            // A node that repeats keys, or gives foreign ones, would make this loop endless.
            let sane = page.iter().all(|key| key.starts_with(prefix)) && page.is_sorted();
            if !sane || page.first().is_some_and(|first| keys.last().is_some_and(|last| first <= last)) {
                return Err(ChainError::decode(format!("the keys of {pallet}.{item}"), "the node's pages overlap"));
            }
            let last_page = page.len() < KEYS_PER_REQUEST;
            keys.extend(page);
            if keys.len() > MAX_MAP_ENTRIES {
                return Err(ChainError::TooLarge { what: format!("{pallet}.{item}"), limit: MAX_MAP_ENTRIES });
            }
            if last_page {
                return Ok(keys);
            }
        }
    }

    /// Several items of one pallet in one request. What the chain lacks becomes an error only when it is asked for.
    pub(crate) async fn items(
        &self,
        pallet: &'static str,
        wanted: &[(&'static str, &[Argument])],
    ) -> Result<Items, ChainError> {
        let mut keys = Vec::with_capacity(wanted.len());
        let mut found = Vec::with_capacity(wanted.len());
        for (item, arguments) in wanted {
            if self.shape.has_storage(pallet, item) {
                keys.push(self.shape.storage_key(pallet, item, arguments)?);
                found.push(*item);
            }
        }
        let values = self.read_many(&keys).await?;
        Ok(Items { shape: self.shape.clone(), pallet, values: found.into_iter().zip(values).collect() })
    }
}

/// Values that were read together.
pub(crate) struct Items {
    shape: Arc<Shape>,
    pallet: &'static str,
    values: HashMap<&'static str, Option<Vec<u8>>>,
}

impl Items {
    /// A value, or what its absence means; an error where the chain has no such item.
    pub(crate) fn value<T: DecodeAsType>(&self, item: &'static str) -> Result<T, ChainError> {
        let default = self.shape.storage_default(self.pallet, item)?;
        let bytes = self.values.get(item).cloned().flatten().or(default);
        let bytes =
            bytes.ok_or_else(|| ChainError::decode(format!("{}.{item}", self.pallet), "there is no such entry"))?;
        self.shape.decode_storage(self.pallet, item, &bytes)
    }

    /// A value, or `fallback` where the chain has no such item.
    pub(crate) fn value_or<T: DecodeAsType>(&self, item: &'static str, fallback: T) -> Result<T, ChainError> {
        match self.value(item) {
            Err(error) if error.is_missing() => Ok(fallback),
            other => other,
        }
    }
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct AccountInfo {
    nonce: u64,
    data: AccountData,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct AccountData {
    free: u64,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct StakeInfo {
    stake: u64,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Identity {
    name: Vec<u8>,
}
