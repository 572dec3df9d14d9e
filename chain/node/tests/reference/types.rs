//! Reads metadata: calls, fields, and types as a reader would write them.

use frame_metadata::v15::{PalletMetadata, RuntimeMetadataV15};
use scale_info::form::PortableForm;
use scale_info::{Field, TypeDef, TypeDefPrimitive, Variant};

/// A call, event or error.
pub(crate) struct Item {
    /// Its name.
    pub(crate) name: String,
    /// Its number in the pallet.
    pub(crate) index: u8,
    /// Names and types of its fields.
    pub(crate) fields: Vec<(String, String)>,
    /// The first sentence of what is said about it.
    pub(crate) summary: String,
}

/// A pallet's calls, by index.
pub(crate) fn calls(metadata: &RuntimeMetadataV15, pallet: &PalletMetadata<PortableForm>) -> Vec<Item> {
    pallet.calls.as_ref().map(|calls| variants(metadata, calls.ty.id)).unwrap_or_default()
}

/// The variants of an enum, by index.
pub(crate) fn variants(metadata: &RuntimeMetadataV15, id: u32) -> Vec<Item> {
    let Some(ty) = metadata.types.resolve(id) else { return Vec::new() };
    let TypeDef::Variant(def) = &ty.type_def else { return Vec::new() };
    let mut items: Vec<Item> = def.variants.iter().map(|variant| item(metadata, variant)).collect();
    items.sort_by_key(|item| item.index);
    items
}

/// A structure's fields, or an enum's variants of one field each: `name: type`.
pub(crate) fn fields(metadata: &RuntimeMetadataV15, id: u32) -> Vec<String> {
    let named = |(name, ty): &(String, String)| format!("{name}: {ty}");
    match metadata.types.resolve(id).map(|ty| &ty.type_def) {
        Some(TypeDef::Composite(structure)) => {
            let fields = structure.fields.iter();
            fields
                .map(|field| named(&(field.name.clone().unwrap_or_default(), type_name(metadata, field.ty.id))))
                .collect()
        }
        Some(TypeDef::Variant(_)) => variants(metadata, id)
            .into_iter()
            .map(|variant| {
                let types: Vec<String> = variant.fields.into_iter().map(|(_, ty)| ty).collect();
                named(&(variant.name, types.join(", ")))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn item(metadata: &RuntimeMetadataV15, variant: &Variant<PortableForm>) -> Item {
    let field =
        |field: &Field<PortableForm>| (field.name.clone().unwrap_or_default(), type_name(metadata, field.ty.id));
    Item {
        name: variant.name.clone(),
        index: variant.index,
        fields: variant.fields.iter().map(field).collect(),
        summary: summary(&variant.docs),
    }
}

/// The first sentence of a doc comment, on one line.
pub(crate) fn summary(docs: &[String]) -> String {
    let paragraph: Vec<&str> = docs.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    let text = paragraph.join(" ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text[..end].replace('|', "\\|")
}

/// A type as a reader would write it.
pub(crate) fn type_name(metadata: &RuntimeMetadataV15, id: u32) -> String {
    let Some(ty) = metadata.types.resolve(id) else { return "?".into() };
    let of = |id: u32| type_name(metadata, id);
    match &ty.type_def {
        TypeDef::Primitive(primitive) => primitive_name(primitive).into(),
        TypeDef::Compact(compact) => format!("Compact<{}>", of(compact.type_param.id)),
        TypeDef::Sequence(sequence) => format!("Vec<{}>", of(sequence.type_param.id)),
        TypeDef::Array(array) => format!("[{}; {}]", of(array.type_param.id), array.len),
        TypeDef::Tuple(tuple) => {
            let parts: Vec<String> = tuple.fields.iter().map(|field| of(field.id)).collect();
            format!("({})", parts.join(", "))
        }
        TypeDef::BitSequence(_) => "BitVec".into(),
        TypeDef::Composite(_) | TypeDef::Variant(_) => {
            let name = ty.path.segments.last().cloned().unwrap_or_else(|| "?".into());
            // A runtime's own enum of calls, and a pallet's configuration, are themselves and no more.
            let parameters: Vec<String> = ty
                .type_params
                .iter()
                .filter(|parameter| parameter.name != "T" || !["Call", "RuntimeCall"].contains(&name.as_str()))
                .filter_map(|parameter| parameter.ty.map(|ty| of(ty.id)))
                .collect();
            match (name.as_str(), parameters.is_empty()) {
                (_, true) | ("MultiAddress" | "AccountId32" | "CommitmentInfo" | "Registration", _) => name,
                _ => format!("{name}<{}>", parameters.join(", ")),
            }
        }
    }
}

fn primitive_name(primitive: &TypeDefPrimitive) -> &'static str {
    match primitive {
        TypeDefPrimitive::Bool => "bool",
        TypeDefPrimitive::Char => "char",
        TypeDefPrimitive::Str => "String",
        TypeDefPrimitive::U8 => "u8",
        TypeDefPrimitive::U16 => "u16",
        TypeDefPrimitive::U32 => "u32",
        TypeDefPrimitive::U64 => "u64",
        TypeDefPrimitive::U128 => "u128",
        TypeDefPrimitive::U256 => "u256",
        TypeDefPrimitive::I8 => "i8",
        TypeDefPrimitive::I16 => "i16",
        TypeDefPrimitive::I32 => "i32",
        TypeDefPrimitive::I64 => "i64",
        TypeDefPrimitive::I128 => "i128",
        TypeDefPrimitive::I256 => "i256",
    }
}
