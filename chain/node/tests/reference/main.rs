//! docs/chain-reference.md says what the chain has, and what of Bittensor's it lacks. It is generated from the runtime's
//! metadata, and this test holds it to that: `NARROWS_WRITE_DOCS=1 cargo test --workspace --test reference` writes it anew.
//!
//! `bittensor.json` beside this file holds the names of Bittensor's calls, storage items, events, errors and runtime APIs,
//! and the fields of what the APIs return.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's way to fail, also in what the tests share")]

mod page;
mod types;

use std::collections::BTreeMap;
use std::path::PathBuf;

use codec::Decode;
use frame_metadata::v15::RuntimeMetadataV15;
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use serde::Deserialize;

/// Bittensor's interface, by pallet or runtime API.
#[derive(Deserialize)]
struct Bittensor {
    source: String,
    /// The names of arguments, by API and method.
    apis: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// `field: type` in order, of what the APIs return.
    structures: BTreeMap<String, Vec<String>>,
    calls: BTreeMap<String, BTreeMap<String, Call>>,
    storage: BTreeMap<String, Vec<String>>,
    events: BTreeMap<String, Vec<String>>,
    errors: BTreeMap<String, Vec<String>>,
}

/// A call of Bittensor's.
#[derive(Deserialize)]
struct Call {
    index: u8,
    arguments: Vec<String>,
}

fn bittensor() -> Bittensor {
    serde_json::from_str(include_str!("bittensor.json")).expect("the recorded interface")
}

fn metadata() -> RuntimeMetadataV15 {
    let bytes = narrows_node::metadata(15).expect("the runtime has it");
    match RuntimeMetadataPrefixed::decode(&mut &bytes[..]).expect("decodes").1 {
        RuntimeMetadata::V15(metadata) => metadata,
        other => panic!("asked for version 15, got {}", other.version()),
    }
}

#[test]
fn the_reference_is_what_the_runtime_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/chain-reference.md");
    let page = page::page(&metadata(), &bittensor());
    if std::env::var_os("NARROWS_WRITE_DOCS").is_some() {
        std::fs::write(&path, page).expect("writes");
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/chain-reference.md is not what the runtime says any more; `make docs` writes it anew"
    );
}

#[test]
fn what_bears_bittensors_name_takes_its_arguments() {
    let (metadata, bittensor) = (metadata(), bittensor());
    let mut compared = 0;
    for pallet in &metadata.pallets {
        let Some(theirs) = bittensor.calls.get(&pallet.name) else { continue };
        for ours in types::calls(&metadata, pallet) {
            let Some(call) = theirs.get(&ours.name) else { continue };
            let name = format!("{}.{}", pallet.name, ours.name);
            let plain = |name: &String| name.trim_start_matches('_').to_owned();
            let arguments: Vec<String> = ours.fields.iter().map(|(name, _)| plain(name)).collect();
            assert_eq!(arguments, call.arguments.iter().map(plain).collect::<Vec<_>>(), "the arguments of {name}");
            assert_eq!(ours.index, call.index, "the index of {name}");
            compared += 1;
        }
    }
    assert!(compared > 50, "only {compared} calls bear Bittensor's names");
}

#[test]
fn runtime_apis_take_and_return_what_bittensors_do() {
    let (metadata, bittensor) = (metadata(), bittensor());
    let mut methods = 0;
    for api in &metadata.apis {
        let Some(theirs) = bittensor.apis.get(&api.name) else { continue };
        for method in &api.methods {
            let Some(arguments) = theirs.get(&method.name) else { continue };
            let ours: Vec<&String> = method.inputs.iter().map(|input| &input.name).collect();
            assert_eq!(ours, arguments.iter().collect::<Vec<_>>(), "the arguments of {}.{}", api.name, method.name);
            methods += 1;
        }
    }
    assert!(methods > 35, "only {methods} methods bear Bittensor's names");

    let mut structures = 0;
    for ty in &metadata.types.types {
        let Some(name) = ty.ty.path.segments.last() else { continue };
        let Some(theirs) = bittensor.structures.get(name) else { continue };
        assert_eq!(&types::fields(&metadata, ty.id), theirs, "the fields of {name}");
        structures += 1;
    }
    assert_eq!(structures, bittensor.structures.len(), "each structure once");
}
