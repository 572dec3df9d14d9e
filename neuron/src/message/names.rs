//! The protocol's own small names: who, which stage, which window, which block, which bytes.
//!
//! They live below the chain client on purpose: the state machines must build and run without a chain library (the
//! digital twin drives them too), and unlike the client's types they have a pinned binary encoding.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::wire;

/// Bound on the encoding of anything that is named by its hash and is not a blob. Far above what any type here takes.
const MAX_NAMED_BYTES: usize = 1024 * 1024;

/// Slot of a neuron in its subnet. Reused after deregistration, so it never identifies a neuron by itself: pair it
/// with a hotkey or a registration block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize)]
pub struct Uid(pub u16);

/// A contiguous slice of the model's layers, counted from the input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize)]
pub struct StageId(pub u16);

/// A span of blocks in which weights stand still, counted from the run's start block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize)]
pub struct WindowId(pub u32);

impl WindowId {
    /// The window after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The window before this one; the first has none.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

/// Height of a finalized block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize)]
pub struct BlockNumber(pub u64);

/// Milliseconds on the shell's monotonic clock. Only differences mean anything; never compared between machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// This time, `ms` later.
    pub fn plus(self, ms: u32) -> Self {
        Self(self.0.saturating_add(u64::from(ms)))
    }

    /// Milliseconds from `earlier` to this time, zero if it lies ahead.
    pub fn since(self, earlier: Self) -> u32 {
        u32::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(u32::MAX)
    }
}

/// How the bytes of a tensor on the wire are to be read; ids are listed by the engine's codecs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize)]
pub struct Codec(pub u16);

/// A BLAKE3 hash: the name of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands where nothing is named: no gradient, no residual. Nobody can find bytes with this hash.
    pub const ZERO: Self = Self([0; 32]);

    /// The name of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The name of `bytes` in a domain, so that bytes of one meaning can never pass for bytes of another.
    /// Domains are constants of this crate, written `narrows <what> <version>`.
    pub fn in_domain(domain: &str, bytes: &[u8]) -> Self {
        Self(blake3::derive_key(domain, bytes))
    }

    /// The name of a value in a domain. For types of bounded size only: every type of this crate is.
    pub(crate) fn of_value<T: Encode>(domain: &str, value: &T) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a derived encoding into memory fails only at its limit, which is far above"
        )]
        let bytes = wire::encode::<T, MAX_NAMED_BYTES>(value).expect("every named type is bounded far below the limit");
        Self::in_domain(domain, &bytes)
    }
}

/// Name of a run: the hash of its manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize)]
pub struct RunId(pub Hash);

impl RunId {
    /// The part of the name that a post on chain repeats. Not a proof of anything: it keeps posts of other runs on the
    /// same subnet from being read as ours, and the full name is inside what the posted hash names.
    pub fn prefix(&self) -> [u8; 8] {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&self.0.0[..8]);
        prefix
    }
}

/// Public randomness of one beacon round, verified by whoever passes it in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Beacon(pub [u8; 32]);

/// Which round: slot 0 is fixed by the run's start block, slot w+1 by the cut block of window w. So slot w is what
/// window w's work is drawn from, and slot w+1, unknown while it is worked, draws its audits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
pub struct BeaconSlot(pub u32);

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn read_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(")?;
        write_hex(&self.0[..4], f)?;
        f.write_str("…)")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read_hex(&text).map(Self).ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits"))
    }
}

impl From<engine::Digest> for Hash {
    fn from(digest: engine::Digest) -> Self {
        Self(digest.0)
    }
}

impl From<Hash> for engine::Digest {
    fn from(hash: Hash) -> Self {
        Self(hash.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunId(")?;
        write_hex(&self.0.0[..4], f)?;
        f.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_back_and_bad_hex_is_not() {
        let hash = Hash::of(b"narrows");
        assert_eq!(read_hex(&hash.to_string()), Some(hash.0));
        assert_eq!(read_hex(&format!("0x{hash}")), Some(hash.0));
        assert_eq!(read_hex("abc"), None);
        assert_eq!(read_hex(&"zz".repeat(32)), None);
        assert_eq!(read_hex(&"é".repeat(32)), None);
    }

    #[test]
    fn a_domain_changes_the_name() {
        assert_ne!(Hash::in_domain("narrows leaf 1", b"x"), Hash::in_domain("narrows transfer 1", b"x"));
        assert_ne!(Hash::in_domain("narrows leaf 1", b"x"), Hash::of(b"x"));
    }
}
