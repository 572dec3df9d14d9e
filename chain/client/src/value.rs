//! Between our values and subxt's untyped ones. Everything read from a chain passes through functions that may fail.

use subxt::Metadata;
use subxt::ext::scale_value::{Composite, Primitive, Value, ValueDef, Variant};

use crate::argument::Argument;
use crate::error::DispatchError;
use keys::AccountId;

/// An argument as an untyped value. `type_id` is the metadata type at its place, where that is known: only the arguments
/// of calls need it, to tell an address from an account id.
pub(crate) fn encode(argument: &Argument, type_id: Option<u32>, metadata: &Metadata) -> Value {
    match argument {
        Argument::Bool(value) => Value::bool(*value),
        Argument::Number(value) => Value::u128(*value),
        Argument::Signed(value) => Value::i128(*value),
        Argument::Bytes(bytes) => Value::from_bytes(bytes),
        Argument::Account(account) if is_address(type_id, metadata) => {
            Value::unnamed_variant("Id", [Value::from_bytes(account.as_bytes())])
        }
        Argument::Account(account) => Value::from_bytes(account.as_bytes()),
        Argument::List(items) => Value::unnamed_composite(items.iter().map(|item| encode(item, None, metadata))),
        Argument::Record(fields) => {
            Value::named_composite(fields.iter().map(|(name, value)| (name.clone(), encode(value, None, metadata))))
        }
        Argument::Variant(name, fields) => {
            Value::unnamed_variant(name.clone(), fields.iter().map(|field| encode(field, None, metadata)))
        }
        Argument::Call(call) => {
            let types = call_argument_types(metadata, call.pallet(), call.name());
            let arguments = encode_arguments(call.arguments(), &types, metadata);
            Value::unnamed_variant(call.pallet(), [Value::variant(call.name(), arguments)])
        }
    }
}

/// A call's arguments, each under the name that the metadata declares at its position.
pub(crate) fn encode_arguments(
    arguments: &[(String, Argument)],
    declared: &[(String, u32)],
    metadata: &Metadata,
) -> Composite<()> {
    Composite::named(arguments.iter().enumerate().map(|(index, (name, value))| match declared.get(index) {
        Some((declared_name, type_id)) => (declared_name.clone(), encode(value, Some(*type_id), metadata)),
        None => (name.clone(), encode(value, None, metadata)),
    }))
}

/// Names and types of a call's arguments in the metadata; empty where there is no such call.
pub(crate) fn call_argument_types(metadata: &Metadata, pallet: &str, call: &str) -> Vec<(String, u32)> {
    let variant = metadata.pallet_by_name(pallet).and_then(|pallet| pallet.call_variant_by_name(call));
    let fields = variant.map(|variant| variant.fields.iter()).into_iter().flatten();
    fields.map(|field| (field.name.clone().unwrap_or_default(), field.ty.id)).collect()
}

fn is_address(type_id: Option<u32>, metadata: &Metadata) -> bool {
    let ty = type_id.and_then(|id| metadata.types().resolve(id));
    ty.is_some_and(|ty| ty.path.segments.last().is_some_and(|name| name == "MultiAddress"))
}

/// The fields of an event, call or structure, found by name where the chain names them and by position where not.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Composite<()>);

impl<'a> Fields<'a> {
    /// The fields of a structure value.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        match &value.value {
            ValueDef::Composite(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    pub(crate) fn get(self, name: &str, position: usize) -> Option<&'a Value> {
        match self.0 {
            Composite::Named(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            Composite::Unnamed(values) => values.get(position),
        }
    }

    pub(crate) fn number<T: TryFrom<u128>>(self, name: &str, position: usize) -> Option<T> {
        self.get(name, position).and_then(number)
    }

    pub(crate) fn account(self, name: &str, position: usize) -> Option<AccountId> {
        self.get(name, position).and_then(account)
    }

    pub(crate) fn hash(self, name: &str, position: usize) -> Option<[u8; 32]> {
        self.get(name, position).and_then(bytes)?.try_into().ok()
    }
}

/// A number, also inside newtypes.
pub(crate) fn number<T: TryFrom<u128>>(value: &Value) -> Option<T> {
    match &value.value {
        ValueDef::Primitive(Primitive::U128(number)) => T::try_from(*number).ok(),
        ValueDef::Composite(inner) if inner.len() == 1 => number(inner.values().next()?),
        _ => None,
    }
}

/// Bytes: a sequence or array of `u8`, also inside newtypes.
pub(crate) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let ValueDef::Composite(inner) = &value.value else { return None };
    let plain: Option<Vec<u8>> = inner
        .values()
        .map(|item| match &item.value {
            ValueDef::Primitive(Primitive::U128(byte)) => u8::try_from(*byte).ok(),
            _ => None,
        })
        .collect();
    match plain {
        Some(plain) => Some(plain),
        None if inner.len() == 1 => bytes(inner.values().next()?),
        None => None,
    }
}

/// An account id, or an address that is one.
pub(crate) fn account(value: &Value) -> Option<AccountId> {
    if let ValueDef::Variant(Variant { name, values }) = &value.value {
        return (name == "Id").then(|| account(values.values().next()?))?;
    }
    <[u8; 32]>::try_from(bytes(value)?).ok().map(AccountId::from)
}

/// The name and fields of an enum value.
pub(crate) fn variant(value: &Value) -> Option<(&str, Fields<'_>)> {
    match &value.value {
        ValueDef::Variant(Variant { name, values }) => Some((name, Fields(values))),
        _ => None,
    }
}

/// The items of a sequence of enums or numbers, also inside newtypes such as `BoundedVec`. A sequence of structures would
/// be ambiguous: one of a single structure looks like a newtype. Decode those into their type.
pub(crate) fn items(value: &Value) -> Option<Vec<&Value>> {
    let ValueDef::Composite(inner) = &value.value else { return None };
    if inner.len() == 1
        && let Some(only) = inner.values().next()
        && matches!(only.value, ValueDef::Composite(_))
    {
        return items(only);
    }
    Some(inner.values().collect())
}

/// A runtime's dispatch error with its pallet's and error's names.
pub(crate) fn dispatch_error(value: &Value, metadata: &Metadata) -> DispatchError {
    let Some((name, fields)) = variant(value) else { return DispatchError::Other("unreadable error".to_owned()) };
    let detail = || {
        let inner = fields.get("", 0).and_then(variant);
        inner.map_or_else(|| "unnamed".to_owned(), |(name, _)| name.to_owned())
    };
    match name {
        "BadOrigin" | "RootNotAllowed" => DispatchError::BadOrigin,
        "Token" => DispatchError::Token(detail()),
        "Arithmetic" => DispatchError::Arithmetic(detail()),
        "Module" => {
            module_error(fields, metadata).unwrap_or_else(|| DispatchError::Other("unreadable module error".to_owned()))
        }
        other => DispatchError::Other(other.to_owned()),
    }
}

fn module_error(fields: Fields<'_>, metadata: &Metadata) -> Option<DispatchError> {
    let module = fields.get("", 0).and_then(Fields::of).unwrap_or(fields);
    let index: u8 = module.number("index", 0)?;
    let error = *bytes(module.get("error", 1)?)?.first()?;
    let Some(pallet) = metadata.pallet_by_error_index(index) else {
        return Some(DispatchError::Module { pallet: format!("pallet {index}"), error: format!("error {error}") });
    };
    let error =
        pallet.error_variant_by_index(error).map_or_else(|| format!("error {error}"), |error| error.name.clone());
    Some(DispatchError::Module { pallet: pallet.name().to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_numbers_are_found_inside_newtypes() {
        let wrapped = Value::unnamed_composite([Value::from_bytes([7; 32])]);
        assert_eq!(account(&wrapped), Some(AccountId::from([7; 32])));
        assert_eq!(account(&Value::unnamed_variant("Id", [wrapped])), Some(AccountId::from([7; 32])));
        assert_eq!(bytes(&Value::unnamed_composite([Value::from_bytes([9])])), Some(vec![9]));
        assert_eq!(bytes(&Value::unnamed_composite([])), Some(vec![]));
        assert_eq!(number::<u16>(&Value::unnamed_composite([Value::u128(5)])), Some(5));
        assert_eq!(number::<u16>(&Value::u128(65_536)), None);
        assert_eq!(account(&Value::from_bytes([7; 31])), None);
        assert_eq!(account(&Value::unnamed_variant("Index", [Value::u128(1)])), None);
    }

    #[test]
    fn fields_are_found_by_name_or_by_position() {
        let named = Composite::named([("netuid", Value::u128(3)), ("who", Value::from_bytes([1; 32]))]);
        let unnamed = Composite::unnamed([Value::u128(3), Value::from_bytes([1; 32])]);
        for fields in [Fields(&named), Fields(&unnamed)] {
            assert_eq!(fields.number::<u16>("netuid", 0), Some(3));
            assert_eq!(fields.account("who", 1), Some(AccountId::from([1; 32])));
            assert_eq!(fields.account("netuid", 0), None);
        }
    }
}
