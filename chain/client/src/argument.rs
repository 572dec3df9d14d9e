//! Arguments of calls and keys of storage maps, before the metadata says how they are encoded.

use crate::calls::Call;
use crate::types::{BlockNumber, Netuid, Rao, Uid};
use keys::AccountId;

/// A value for a call's argument or a storage map's key. What bytes it becomes is decided by the type that the chain's
/// metadata declares at that place; a value that does not fit there is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Argument {
    /// A truth value.
    Bool(bool),
    /// Any unsigned number, compact or not, also inside a newtype.
    Number(u128),
    /// A signed number.
    Signed(i128),
    /// Bytes: a vector, a bounded vector or an array such as a hash.
    Bytes(Vec<u8>),
    /// An account, bare or as an address, whichever the chain wants there.
    Account(AccountId),
    /// A sequence or a tuple.
    List(Vec<Argument>),
    /// A structure with named fields.
    Record(Vec<(String, Argument)>),
    /// A variant of an enum with unnamed fields.
    Variant(String, Vec<Argument>),
    /// A call inside a call.
    Call(Box<Call>),
}

impl Argument {
    /// `Some(value)` or `None`.
    #[must_use]
    pub fn option(value: Option<Argument>) -> Self {
        match value {
            Some(value) => Self::Variant("Some".to_owned(), vec![value]),
            None => Self::Variant("None".to_owned(), Vec::new()),
        }
    }

    /// A sequence of anything that is an argument.
    pub fn list<T: Into<Argument>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

macro_rules! number_arguments {
    ($($number:ty),+) => {$(
        impl From<$number> for Argument {
            fn from(value: $number) -> Self {
                Self::Number(u128::from(value))
            }
        }
    )+};
}
number_arguments!(u8, u16, u32, u64, u128);

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Netuid> for Argument {
    fn from(value: Netuid) -> Self {
        value.0.into()
    }
}

impl From<Uid> for Argument {
    fn from(value: Uid) -> Self {
        value.0.into()
    }
}

impl From<Rao> for Argument {
    fn from(value: Rao) -> Self {
        value.0.into()
    }
}

impl From<BlockNumber> for Argument {
    fn from(value: BlockNumber) -> Self {
        value.0.into()
    }
}

impl From<AccountId> for Argument {
    fn from(value: AccountId) -> Self {
        Self::Account(value)
    }
}

impl From<[u8; 32]> for Argument {
    fn from(value: [u8; 32]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Argument {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<Call> for Argument {
    fn from(value: Call) -> Self {
        Self::Call(Box::new(value))
    }
}
