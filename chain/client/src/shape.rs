//! What the connected chain has: everything that is resolved by name passes through here.

use subxt::client::{OfflineClient, OfflineClientAtBlock};
use subxt::config::substrate::{H256, SpecVersionForRange, SubstrateConfig};
use subxt::ext::frame_decode::storage::decode_storage_key;
use subxt::ext::scale_decode::DecodeAsType;
use subxt::ext::scale_value::{Composite, Value};
use subxt::metadata::{ArcMetadata, StorageEntryMetadata};
use subxt::tx::DynamicPayload;

use crate::argument::Argument;
use crate::calls::Call;
use crate::error::{ChainError, Missing, MissingKind};
use crate::value;

/// Deepest nesting of calls that is built; the chain refuses deeper ones anyway.
pub(crate) const MAX_CALL_DEPTH: usize = 8;

/// The interface of one runtime version: which calls, storage items, constants and runtime APIs it has.
#[derive(Clone, Debug)]
pub struct Shape {
    spec_version: u32,
    metadata: ArcMetadata,
    offline: OfflineClientAtBlock<SubstrateConfig>,
}

impl Shape {
    /// From a runtime's metadata, as served by the chain with that genesis.
    pub(crate) fn new(
        genesis: [u8; 32],
        spec_version: u32,
        transaction_version: u32,
        metadata: &[u8],
    ) -> Result<Self, ChainError> {
        let metadata =
            subxt::Metadata::decode_from(metadata).map_err(|e| ChainError::decode("the chain's metadata", e))?;
        let metadata = metadata.arc();
        let every_block = SpecVersionForRange { block_range: 0..u64::MAX, spec_version, transaction_version };
        let config = SubstrateConfig::builder()
            .set_genesis_hash(H256(genesis))
            .set_metadata_for_spec_versions([(spec_version, metadata.clone())])
            .set_spec_version_for_block_ranges([every_block])
            .build();
        let offline = OfflineClient::new_with_config(config).at_block(0_u64);
        let offline = offline.map_err(|e| ChainError::decode("the chain's metadata", e))?;
        Ok(Self { spec_version, metadata, offline })
    }

    /// The runtime's version. A chain that upgrades itself changes it.
    #[must_use]
    pub fn spec_version(&self) -> u32 {
        self.spec_version
    }

    /// Whether there is such a pallet.
    #[must_use]
    pub fn has_pallet(&self, pallet: &str) -> bool {
        self.metadata.pallet_by_name(pallet).is_some()
    }

    /// Whether there is such a call.
    #[must_use]
    pub fn has_call(&self, pallet: &str, call: &str) -> bool {
        self.metadata.pallet_by_name(pallet).is_some_and(|pallet| pallet.call_variant_by_name(call).is_some())
    }

    /// Whether there is such a storage item.
    #[must_use]
    pub fn has_storage(&self, pallet: &str, item: &str) -> bool {
        self.entry(pallet, item).is_ok()
    }

    /// Whether there is such a constant.
    #[must_use]
    pub fn has_constant(&self, pallet: &str, constant: &str) -> bool {
        self.metadata.pallet_by_name(pallet).is_some_and(|pallet| pallet.constant_by_name(constant).is_some())
    }

    /// Whether there is such a runtime API method.
    #[must_use]
    pub fn has_runtime_api(&self, api: &str, method: &str) -> bool {
        self.metadata.runtime_api_trait_by_name(api).is_some_and(|api| api.method_by_name(method).is_some())
    }

    /// The names of a call's arguments, in order.
    #[must_use]
    pub fn call_arguments(&self, pallet: &str, call: &str) -> Option<Vec<String>> {
        let arguments = value::call_argument_types(&self.metadata, pallet, call).into_iter().map(|(name, _)| name);
        self.has_call(pallet, call).then(|| arguments.collect())
    }

    pub(crate) fn metadata(&self) -> &ArcMetadata {
        &self.metadata
    }

    pub(crate) fn offline(&self) -> &OfflineClientAtBlock<SubstrateConfig> {
        &self.offline
    }

    pub(crate) fn missing(&self, kind: MissingKind, name: impl Into<String>) -> Missing {
        Missing { kind, name: name.into(), spec_version: self.spec_version }
    }

    /// A call ready to be signed, after checking that the chain has it, and every call inside it, with these arguments.
    pub(crate) fn payload(&self, call: &Call) -> Result<DynamicPayload<Composite<()>>, ChainError> {
        self.check_call(call, 0)?;
        let declared = value::call_argument_types(&self.metadata, call.pallet(), call.name());
        let arguments = value::encode_arguments(call.arguments(), &declared, &self.metadata);
        Ok(subxt::tx::dynamic(call.pallet(), call.name(), arguments))
    }

    fn check_call(&self, call: &Call, depth: usize) -> Result<(), ChainError> {
        if depth > MAX_CALL_DEPTH {
            return Err(ChainError::encode(call.full_name(), "calls are nested more than 8 deep"));
        }
        if !self.has_pallet(call.pallet()) {
            return Err(self.missing(MissingKind::Pallet, call.pallet()).into());
        }
        let Some(expected) = self.call_arguments(call.pallet(), call.name()) else {
            return Err(self.missing(MissingKind::Call, call.full_name()).into());
        };
        let given: Vec<&str> = call.arguments().iter().map(|(name, _)| name.as_str()).collect();
        // An argument that a runtime ignores is marked by a leading underscore; it is still the same argument.
        let same =
            |(expected, given): (&String, &&str)| expected.trim_start_matches('_') == given.trim_start_matches('_');
        if expected.len() != given.len() || !expected.iter().zip(&given).all(same) {
            return Err(ChainError::Arguments {
                call: call.full_name(),
                expected: expected.join(", "),
                given: given.join(", "),
            });
        }
        call.arguments().iter().try_for_each(|(_, argument)| self.check_inner_calls(argument, depth + 1))
    }

    fn check_inner_calls(&self, argument: &Argument, depth: usize) -> Result<(), ChainError> {
        match argument {
            Argument::Call(call) => self.check_call(call, depth),
            Argument::List(items) | Argument::Variant(_, items) => {
                items.iter().try_for_each(|item| self.check_inner_calls(item, depth))
            }
            Argument::Record(fields) => fields.iter().try_for_each(|(_, item)| self.check_inner_calls(item, depth)),
            _ => Ok(()),
        }
    }

    fn entry(&self, pallet: &str, item: &str) -> Result<&StorageEntryMetadata, ChainError> {
        let Some(found) = self.metadata.pallet_by_name(pallet) else {
            return Err(self.missing(MissingKind::Pallet, pallet).into());
        };
        let entry = found.storage().and_then(|storage| storage.entry_by_name(item));
        entry.ok_or_else(|| self.missing(MissingKind::Storage, format!("{pallet}.{item}")).into())
    }

    /// Keys of a map, or arguments of a runtime API, as untyped values.
    fn key_parts(&self, keys: &[Argument]) -> Vec<Value> {
        keys.iter().map(|key| value::encode(key, None, &self.metadata)).collect()
    }

    /// The key of one value.
    pub(crate) fn storage_key(&self, pallet: &str, item: &str, keys: &[Argument]) -> Result<Vec<u8>, ChainError> {
        self.entry(pallet, item)?;
        let storage = self.offline.storage();
        let key = storage.entry((pallet, item)).and_then(|entry| entry.fetch_key(self.key_parts(keys)));
        key.map_err(|e| ChainError::encode(format!("the key of {pallet}.{item}"), e))
    }

    /// The common beginning of the keys of a map under the first few of its keys.
    pub(crate) fn storage_prefix(&self, pallet: &str, item: &str, keys: &[Argument]) -> Result<Vec<u8>, ChainError> {
        self.entry(pallet, item)?;
        let storage = self.offline.storage();
        let key = storage.entry((pallet, item)).and_then(|entry| entry.iter_key(self.key_parts(keys)));
        key.map_err(|e| ChainError::encode(format!("the key of {pallet}.{item}"), e))
    }

    /// What a missing value of this item means on this chain; `None` where it means that there is none.
    pub(crate) fn storage_default(&self, pallet: &str, item: &str) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(self.entry(pallet, item)?.default_value().map(<[u8]>::to_vec))
    }

    pub(crate) fn decode_storage<T: DecodeAsType>(
        &self,
        pallet: &str,
        item: &str,
        bytes: &[u8],
    ) -> Result<T, ChainError> {
        let type_id = self.entry(pallet, item)?.value_ty();
        self.decode(type_id, bytes, || format!("{pallet}.{item}"))
    }

    /// The last of a map's keys, out of a full storage key.
    pub(crate) fn decode_last_key<T: DecodeAsType>(
        &self,
        pallet: &str,
        item: &str,
        key: &[u8],
    ) -> Result<T, ChainError> {
        let what = || format!("a key of {pallet}.{item}");
        let parts = decode_storage_key(pallet, item, &mut &*key, &*self.metadata, self.metadata.types());
        let parts = parts.map_err(|e| ChainError::decode(what(), e))?;
        let last = parts.parts().last().and_then(|part| part.value());
        let last = last.ok_or_else(|| ChainError::decode(what(), "its hash does not contain the key"))?;
        let bytes = key.get(last.range()).unwrap_or_default();
        self.decode(*last.ty(), bytes, what)
    }

    /// A constant of a pallet.
    pub(crate) fn constant<T: DecodeAsType>(&self, pallet: &str, constant: &str) -> Result<T, ChainError> {
        let found = self.metadata.pallet_by_name(pallet).and_then(|pallet| pallet.constant_by_name(constant));
        let name = format!("{pallet}.{constant}");
        let Some(found) = found else { return Err(self.missing(MissingKind::Constant, name).into()) };
        self.decode(found.ty(), found.value(), || name.clone())
    }

    /// A runtime API method ready to be called: its function's name, its encoded arguments, the type of its result.
    pub(crate) fn runtime_call(
        &self,
        api: &str,
        method: &str,
        arguments: &[Argument],
    ) -> Result<(String, Vec<u8>, u32), ChainError> {
        let name = format!("{api}.{method}");
        let found = self.metadata.runtime_api_trait_by_name(api).and_then(|found| found.method_by_name(method));
        let Some(found) = found else { return Err(self.missing(MissingKind::RuntimeApi, name).into()) };
        let values = self.key_parts(arguments);
        let payload = subxt::runtime_apis::dynamic::<_, Value>(api, method, values);
        let bytes = self.offline.runtime_apis().encode_args(&payload);
        let bytes = bytes.map_err(|e| ChainError::encode(format!("the arguments of {name}"), e))?;
        Ok((format!("{api}_{method}"), bytes, found.output_ty()))
    }

    /// Bytes of a metadata type; all of them must be used.
    pub(crate) fn decode<T: DecodeAsType>(
        &self,
        type_id: u32,
        bytes: &[u8],
        what: impl Fn() -> String,
    ) -> Result<T, ChainError> {
        let cursor = &mut &*bytes;
        let decoded =
            T::decode_as_type(cursor, type_id, self.metadata.types()).map_err(|e| ChainError::decode(what(), e))?;
        match cursor.len() {
            0 => Ok(decoded),
            left => Err(ChainError::decode(what(), format!("{left} bytes are left over"))),
        }
    }
}

#[cfg(test)]
mod foreign_tests;

#[cfg(test)]
mod tests {
    use keys::AccountId;

    use super::*;
    use crate::commitments::CommitmentData;
    use crate::timelocked::SealedWeights;
    use crate::types::{Netuid, Rao, Uid};

    /// The dev chain's runtime, without a node.
    fn shape(metadata_version: u32) -> Shape {
        let metadata = narrows_node::metadata(metadata_version).expect("the version exists");
        Shape::new([1; 32], 7, 1, &metadata).expect("metadata")
    }

    fn encoded(shape: &Shape, call: &Call) -> Vec<u8> {
        let payload = shape.payload(call).expect("the chain has the call");
        shape.offline().tx().call_data(&payload).expect("it encodes")
    }

    #[test]
    fn every_call_that_we_make_exists_with_these_arguments() {
        let (account, netuid) = (AccountId::from([3; 32]), Netuid(1));
        let axon = crate::AxonEndpoint { address: "10.0.0.1:80".parse().expect("an address"), version: 1, protocol: 4 };
        let transfer = Call::transfer_keep_alive(account, Rao(5));
        let calls = [
            Call::register_network(account),
            Call::start_call(netuid),
            Call::burned_register(netuid, account),
            Call::swap_hotkey(account, account, Some(netuid)),
            Call::swap_hotkey(account, account, None),
            Call::serve_axon(netuid, axon),
            Call::add_stake(account, netuid, Rao(1)),
            Call::remove_stake(account, netuid, Rao(1)),
            Call::set_weights(netuid, &[Uid(1)], &[65_535], 0),
            Call::commit_weights(netuid, [4; 32]),
            Call::reveal_weights(netuid, &[Uid(1)], &[65_535], &[1, 2], 0),
            Call::commit_timelocked_weights(netuid, &SealedWeights { bytes: vec![1; 300], round: 7 }),
            Call::set_commitment(netuid, &[CommitmentData::Raw(vec![1; 100])]),
            Call::transfer_allow_death(account, Rao(1)),
            Call::batch_all([transfer.clone(), Call::start_call(netuid)]),
            Call::sudo(transfer),
            Call::admin("sudo_set_tempo", [("netuid", netuid.into()), ("tempo", 20_u16.into())]),
        ];
        // The formats that clients meet in the wild.
        for version in [14, 15, 16] {
            let shape = shape(version);
            for call in &calls {
                assert!(encoded(&shape, call).len() > 2, "{} in metadata {version}", call.full_name());
            }
        }
    }

    #[test]
    fn arguments_become_the_bytes_that_the_chain_declares() {
        let shape = shape(15);
        let account = AccountId::from([3; 32]);
        let transfer = encoded(&shape, &Call::transfer_keep_alive(account, Rao(5)));
        // An address is a variant, and a value is compact.
        assert_eq!(transfer[2..], [&[0][..], &[3; 32], &[5 << 2]].concat());
        let registration = encoded(&shape, &Call::burned_register(Netuid(258), account));
        assert_eq!(registration[2..], [&[2, 1][..], &[3; 32]].concat());
        let weights = encoded(&shape, &Call::set_weights(Netuid(1), &[Uid(2)], &[65_535], 9));
        assert_eq!(weights[2..], [1, 0, 4, 2, 0, 4, 255, 255, 9, 0, 0, 0, 0, 0, 0, 0]);
        let inner = encoded(&shape, &Call::start_call(Netuid(1)));
        let batch = encoded(&shape, &Call::batch_all([Call::start_call(Netuid(1)), Call::start_call(Netuid(1))]));
        assert_eq!(batch[2..], [&[2 << 2][..], &inner, &inner].concat());
        let fields = [vec![7, 8], vec![], vec![9], vec![5; 129]].map(CommitmentData::Raw);
        let post = encoded(&shape, &Call::set_commitment(Netuid(1), &fields[..3]));
        assert_eq!(post[2..], [1, 0, 3 << 2, 3, 7, 8, 136, 0, 2, 9]);
        let big = encoded(&shape, &Call::set_commitment(Netuid(1), &fields[3..]));
        assert_eq!(big[2..], [&[1, 0, 1 << 2, 136, 5, 2][..], &[5; 129]].concat());
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_it() {
        let shape = shape(15);
        let deep = (0..=MAX_CALL_DEPTH).fold(Call::start_call(Netuid(1)), |call, _| Call::sudo(call));
        assert!(matches!(shape.payload(&deep), Err(ChainError::Encode { .. })));
        let inner = Call::admin("sudo_set_weather", [("netuid", 1_u16.into())]);
        let error = shape.payload(&Call::batch_all([inner])).expect_err("no such call").to_string();
        assert!(error.contains("no call AdminUtils.sudo_set_weather (runtime version 7)"), "{error}");
        let error = shape.storage_key("SubtensorModule", "Weather", &[]).expect_err("no such item").to_string();
        assert!(error.contains("no storage item SubtensorModule.Weather"), "{error}");
        assert!(shape.storage_key("SubtensorModule", "Tempo", &[]).is_err(), "a key is missing");
        assert!(Shape::new([1; 32], 7, 1, b"meta").is_err(), "this is no metadata");
    }

    #[test]
    fn storage_is_decoded_in_full_or_not_at_all() {
        let shape = shape(15);
        let tempo = |bytes: &[u8]| shape.decode_storage::<u16>("SubtensorModule", "Tempo", bytes);
        assert_eq!(tempo(&[20, 0]).expect("a tempo"), 20);
        assert!(tempo(&[20]).is_err() && tempo(&[20, 0, 0]).is_err() && tempo(&[]).is_err());
        let key = shape.storage_key("SubtensorModule", "Uids", &[Netuid(1).into(), AccountId::from([3; 32]).into()]);
        let key = key.expect("a key");
        let prefix = shape.storage_prefix("SubtensorModule", "Uids", &[Netuid(1).into()]).expect("a prefix");
        assert!(key.starts_with(&prefix) && key.len() > prefix.len());
        let last: [u8; 32] = shape.decode_last_key("SubtensorModule", "Uids", &key).expect("the last key");
        assert_eq!(last, [3; 32]);
        assert!(shape.decode_last_key::<[u8; 32]>("SubtensorModule", "Uids", &key[..40]).is_err());
    }
}
