//! Records the metadata of a chain that is like ours and is not ours: pallets renumbered, reordered and partly gone, calls
//! and errors under other indices, transaction extensions that nobody here knows. The client's tests read it.
//!
//! ```sh
//! cargo run -p chain --example foreign_metadata > chain/client/tests/vectors/foreign_metadata.scale
//! ```

use std::io::Write;

use codec::{Decode, Encode};
use frame_metadata::v15::{RuntimeMetadataV15, SignedExtensionMetadata};
use frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed};
use scale_info::form::PortableForm;
use scale_info::{Type, TypeDef, TypeDefTuple};

/// Pallets that the foreign chain does without.
const DROPPED: [&str; 3] = ["Sudo", "AdminUtils", "Drand"];

/// How far its pallets' numbers are from ours.
const PALLET_OFFSET: u8 = 100;

/// How far its calls', errors' and events' numbers are from ours.
const VARIANT_OFFSET: u8 = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ours = narrows_node::metadata(15).ok_or("the runtime has no metadata 15")?;
    let RuntimeMetadataPrefixed(magic, RuntimeMetadata::V15(mut metadata)) =
        RuntimeMetadataPrefixed::decode(&mut &ours[..])?
    else {
        return Err("asked for metadata 15, got another".into());
    };
    make_foreign(&mut metadata);
    let bytes = RuntimeMetadataPrefixed(magic, RuntimeMetadata::V15(metadata)).encode();
    std::io::stdout().lock().write_all(&bytes)?;
    Ok(())
}

fn make_foreign(metadata: &mut RuntimeMetadataV15) {
    metadata.pallets.retain(|pallet| !DROPPED.contains(&pallet.name.as_str()));
    metadata.pallets.reverse();
    let inner = metadata.pallets.iter_mut().flat_map(|pallet| {
        pallet.index = pallet.index.wrapping_add(PALLET_OFFSET);
        let calls = pallet.calls.as_ref().map(|calls| calls.ty.id);
        let errors = pallet.error.as_ref().map(|errors| errors.ty.id);
        let events = pallet.event.as_ref().map(|events| events.ty.id);
        [calls, errors, events].into_iter().flatten()
    });
    let inner: Vec<u32> = inner.collect();
    for id in inner {
        renumber(metadata, id, VARIANT_OFFSET, &[]);
    }
    let outer = &metadata.outer_enums;
    for id in [outer.call_enum_ty.id, outer.event_enum_ty.id, outer.error_enum_ty.id] {
        renumber(metadata, id, PALLET_OFFSET, &DROPPED);
    }
    metadata.apis.reverse();
    metadata.extrinsic.signed_extensions.insert(0, extension(metadata, "CheckTheWeather"));
    metadata.extrinsic.signed_extensions.push(extension(metadata, "PraiseTheAuthor"));
}

/// Shifts the variants of an enum and lists them backwards; leaves out those named in `dropped`.
fn renumber(metadata: &mut RuntimeMetadataV15, id: u32, by: u8, dropped: &[&str]) {
    let Some(found) = metadata.types.types.iter_mut().find(|ty| ty.id == id) else { return };
    let TypeDef::Variant(variants) = &mut found.ty.type_def else { return };
    variants.variants.retain(|variant| !dropped.contains(&variant.name.as_str()));
    variants.variants.reverse();
    for variant in &mut variants.variants {
        variant.index = variant.index.wrapping_add(by);
    }
}

/// A transaction extension that carries no data.
fn extension(metadata: &RuntimeMetadataV15, name: &str) -> SignedExtensionMetadata<PortableForm> {
    let is_unit = |ty: &Type<PortableForm>| ty.type_def == TypeDef::Tuple(TypeDefTuple { fields: Vec::new() });
    let unit = metadata.types.types.iter().find(|ty| is_unit(&ty.ty)).map_or(0, |ty| ty.id);
    SignedExtensionMetadata { identifier: name.into(), ty: unit.into(), additional_signed: unit.into() }
}
