//! A sealed message as bytes: `U ‖ V ‖ W ‖ body ‖ suite`, everything but U with its length before it (eight bytes, little
//! endian), where `body` is in turn `ciphertext ‖ nonce` with their lengths.

use alloc::vec::Vec;

use crate::identity::Header;
use crate::{Error, NONCE_BYTES, PUBLIC_KEY_BYTES};

/// The longest sealed message that is made or read: what Bittensor's chain takes as a commit of weights.
pub const MAX_SEALED_BYTES: usize = 5_000;

/// The name of the one way in which messages are encrypted.
const SUITE: &[u8] = b"AES_GCM_";

/// A message that is sealed.
pub(crate) struct Sealed {
    pub(crate) header: Header,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) nonce: [u8; NONCE_BYTES],
}

impl Sealed {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put(&mut body, &self.ciphertext);
        put(&mut body, &self.nonce);
        let mut bytes = self.header.u.to_vec();
        put(&mut bytes, &self.header.v);
        put(&mut bytes, &self.header.w);
        put(&mut bytes, &body);
        put(&mut bytes, SUITE);
        bytes
    }

    /// # Errors
    ///
    /// [`Error::Malformed`]: too long, too short, of another suite, or followed by something.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_SEALED_BYTES {
            return Err(Error::Malformed);
        }
        let (u, mut rest) = bytes.split_first_chunk::<PUBLIC_KEY_BYTES>().ok_or(Error::Malformed)?;
        let v = fixed(take(&mut rest)?)?;
        let w = fixed(take(&mut rest)?)?;
        let mut body = take(&mut rest)?;
        let suite = take(&mut rest)?;
        let ciphertext = take(&mut body)?.to_vec();
        let nonce = fixed(take(&mut body)?)?;
        if suite != SUITE || !rest.is_empty() || !body.is_empty() {
            return Err(Error::Malformed);
        }
        Ok(Self { header: Header { u: *u, v, w }, ciphertext, nonce })
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let (length, after) = rest.split_first_chunk::<8>().ok_or(Error::Malformed)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| Error::Malformed)?;
    let (part, after) = after.split_at_checked(length).ok_or(Error::Malformed)?;
    *rest = after;
    Ok(part)
}

fn fixed<const N: usize>(part: &[u8]) -> Result<[u8; N], Error> {
    part.try_into().map_err(|_| Error::Malformed)
}
