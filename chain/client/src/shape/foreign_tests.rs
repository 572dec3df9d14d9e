//! A chain that is like ours and is not ours: recorded by `examples/foreign_metadata.rs`.

use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use keys::{AccountId, Keypair};

use super::Shape;
use crate::argument::Argument;
use crate::calls::Call;
use crate::client::FinalizedHead;
use crate::error::{ChainError, Missing, MissingKind};
use crate::submit::sign;
use crate::types::{BlockHash, BlockNumber, Netuid, Rao};

const RECORDED: &[u8] = include_bytes!("../../tests/vectors/foreign_metadata.scale");

fn shape() -> Shape {
    Shape::new([9; 32], 400, 1, RECORDED).expect("the recorded metadata")
}

/// The recorded metadata, changed.
fn changed(change: impl FnOnce(&mut frame_metadata::v15::RuntimeMetadataV15)) -> Shape {
    use codec::{Decode, Encode};
    let RuntimeMetadataPrefixed(magic, RuntimeMetadata::V15(mut metadata)) =
        RuntimeMetadataPrefixed::decode(&mut &*RECORDED).expect("decodes")
    else {
        panic!("the recording is of version 15");
    };
    change(&mut metadata);
    let bytes = RuntimeMetadataPrefixed(magic, RuntimeMetadata::V15(metadata)).encode();
    Shape::new([9; 32], 400, 1, &bytes).expect("metadata")
}

fn call_data(shape: &Shape, call: &Call) -> Vec<u8> {
    let payload = shape.payload(call).expect("the chain has the call");
    shape.offline().tx().call_data(&payload).expect("it encodes")
}

/// Signed upon some block.
fn signed(shape: &Shape, call: &Call) -> Result<Vec<u8>, ChainError> {
    let signer = Keypair::from_uri("//Alice").expect("a development key");
    let head = FinalizedHead { hash: BlockHash([3; 32]), number: BlockNumber(1_000) };
    sign(shape, call, &signer, 5, head).map(|signed| signed.bytes)
}

#[test]
fn calls_are_found_under_the_numbers_of_the_chain_at_hand() {
    let account = AccountId::from([3; 32]);
    // Ours are Balances 5, transfer_keep_alive 3 and SubtensorModule 7, burned_register 7.
    let transfer = call_data(&shape(), &Call::transfer_keep_alive(account, Rao(5)));
    assert_eq!(transfer, [&[105, 10, 0][..], &[3; 32], &[5 << 2]].concat());
    let register = call_data(&shape(), &Call::burned_register(Netuid(1), account));
    assert_eq!(register, [&[107, 14, 1, 0][..], &[3; 32]].concat());
    let batch = call_data(&shape(), &Call::batch_all([Call::burned_register(Netuid(1), account)]));
    assert_eq!(batch, [&[111, 9, 1 << 2][..], &register].concat(), "nested calls too");
}

#[test]
fn storage_is_found_whatever_the_order_of_pallets() {
    let ours = Shape::new([9; 32], 400, 1, &narrows_node::metadata(15).expect("exists")).expect("metadata");
    for (pallet, item, keys) in [
        ("SubtensorModule", "Uids", vec![Netuid(1).into(), AccountId::from([3; 32]).into()]),
        ("System", "Account", vec![AccountId::from([3; 32]).into()]),
        ("Timestamp", "Now", vec![]),
    ] {
        let (here, there) = (ours.storage_key(pallet, item, &keys), shape().storage_key(pallet, item, &keys));
        assert_eq!(here.expect("a key"), there.expect("a key"), "{pallet}.{item}");
    }
}

#[test]
fn what_the_chain_lacks_is_a_typed_error() {
    let missing = |error: ChainError| match error {
        ChainError::Missing(Missing { kind, name, spec_version: 400 }) => (kind, name),
        other => panic!("another error: {other}"),
    };
    let inner = Call::start_call(Netuid(1));
    let error = shape().payload(&Call::sudo(inner)).expect_err("no such pallet");
    assert_eq!(missing(error), (MissingKind::Pallet, "Sudo".into()));
    let error = shape().storage_key("Drand", "LastStoredRound", &[]).expect_err("no such pallet");
    assert_eq!(missing(error), (MissingKind::Pallet, "Drand".into()));
    let weather = Call::new("Balances", "set_weather", [("to", Argument::Bool(true))]);
    let error = shape().payload(&weather).expect_err("no such call");
    assert_eq!(missing(error), (MissingKind::Call, "Balances.set_weather".into()));
    let error = shape().constant::<u64>("Balances", "Weather").expect_err("no such constant");
    assert_eq!(missing(error), (MissingKind::Constant, "Balances.Weather".into()));
    for method in ["Metadata.weather", "Weather.today"] {
        let (api, name) = method.split_once('.').expect("two parts");
        let error = shape().runtime_call(api, name, &[]).expect_err("no such method");
        assert_eq!(missing(error), (MissingKind::RuntimeApi, method.into()));
    }
}

#[test]
fn a_call_with_other_arguments_than_ours_is_not_made() {
    let changed = changed(|metadata| {
        let balances = metadata.pallets.iter().find(|pallet| pallet.name == "Balances").expect("exists");
        let calls = balances.calls.as_ref().expect("has calls").ty.id;
        let calls = metadata.types.types.iter_mut().find(|ty| ty.id == calls).expect("exists");
        let scale_info::TypeDef::Variant(calls) = &mut calls.ty.type_def else { panic!("calls are an enum") };
        let transfer = calls.variants.iter_mut().find(|call| call.name == "transfer_keep_alive").expect("exists");
        transfer.fields.swap(0, 1);
    });
    let error = changed.payload(&Call::transfer_keep_alive(AccountId::from([3; 32]), Rao(5))).expect_err("swapped");
    assert!(matches!(error, ChainError::Arguments { .. }), "{error}");
}

#[test]
fn extensions_without_data_are_signed_over_unseen() {
    let call = Call::transfer_keep_alive(AccountId::from([3; 32]), Rao(5));
    let with = signed(&shape(), &call).expect("it is signed");
    let without = changed(|metadata| {
        let known = |name: &str| name != "CheckTheWeather" && name != "PraiseTheAuthor";
        metadata.extrinsic.signed_extensions.retain(|extension| known(&extension.identifier));
        assert_eq!(metadata.extrinsic.signed_extensions.len(), 9);
    });
    let without = signed(&without, &call).expect("it is signed");
    // They add not a byte; only the signature (64 bytes after length, version, address and scheme) is drawn anew.
    assert_eq!(with.len(), without.len());
    assert_eq!(with[..37], without[..37]);
    assert_eq!(with[101..], without[101..]);
}

#[test]
fn an_extrinsic_says_until_when_it_may_be_included() {
    let call = Call::transfer_keep_alive(AccountId::from([3; 32]), Rao(5));
    let signer = Keypair::from_uri("//Alice").expect("a development key");
    let head = FinalizedHead { hash: BlockHash([3; 32]), number: BlockNumber(1_000) };
    let signed = sign(&shape(), &call, &signer, 5, head).expect("it is signed");
    assert_eq!(signed.last_valid, BlockNumber(1_127));
    // FRAME's form: the logarithm of the period of 128 blocks less one, and where in it block 1000 is, sixteenfold.
    assert_eq!(signed.bytes[101..103], (6 | (1_000_u16 % 128) << 4).to_le_bytes());
}

#[test]
fn an_extension_that_wants_data_nobody_knows_is_an_error() {
    let shape = changed(|metadata| {
        let number = metadata
            .types
            .types
            .iter()
            .find(|ty| ty.ty.type_def == scale_info::TypeDef::Primitive(scale_info::TypeDefPrimitive::U32));
        let number = number.expect("there are numbers").id;
        let weather = &mut metadata.extrinsic.signed_extensions[0];
        assert_eq!(weather.identifier, "CheckTheWeather");
        weather.ty = number.into();
    });
    let error = signed(&shape, &Call::start_call(Netuid(1))).expect_err("what should it say?").to_string();
    assert!(error.contains("CheckTheWeather"), "{error}");
}

#[test]
fn metadata_that_is_broken_anywhere_is_an_error_and_no_panic() {
    for length in (0..RECORDED.len()).step_by(997) {
        assert!(Shape::new([9; 32], 400, 1, &RECORDED[..length]).is_err(), "cut at {length}");
    }
    // Changed bytes may still be metadata; what they then say is looked up like anything else.
    let account = AccountId::from([3; 32]);
    for place in (0..RECORDED.len()).step_by(1_009) {
        let mut bytes = RECORDED.to_vec();
        bytes[place] ^= 0x55;
        if let Ok(shape) = Shape::new([9; 32], 400, 1, &bytes) {
            drop(signed(&shape, &Call::transfer_keep_alive(account, Rao(5))));
            drop(shape.storage_key("System", "Account", &[account.into()]));
            drop(shape.runtime_call("Core", "version", &[]));
        }
    }
}
