//! The front of a safetensors file: looked at before it is parsed.

use safetensors::SafeTensors;

use super::CheckpointError;

/// The length of the list of tensors, before it.
const LENGTH_BYTES: usize = 8;
/// Most bytes that the list may spend on a tensor beside its name: type, shape, two offsets of at most 20 digits, blanks.
const ENTRY_BYTES: u64 = 256;
/// Most bytes that the list may spend on what is not a tensor.
const METADATA_BYTES: u64 = 64 * 1024;

/// Bytes of the list of tensors.
fn header_bytes(bytes: &[u8]) -> Result<u64, CheckpointError> {
    let cut_off = CheckpointError::CutOff { found: bytes.len() };
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Err(cut_off) };
    let length = u64::from_le_bytes(*length);
    if length > rest.len() as u64 { Err(cut_off) } else { Ok(length) }
}

/// Bytes of all values.
pub(super) fn value_bytes(bytes: &[u8]) -> Result<u64, CheckpointError> {
    let header = header_bytes(bytes)?;
    Ok((bytes.len() - LENGTH_BYTES) as u64 - header)
}

/// Parses the list of tensors, if it is no longer than one of tensors with names of such lengths can be. What parsing takes
/// of memory is a small multiple of its length.
pub(super) fn open(bytes: &[u8], names: impl Iterator<Item = usize>) -> Result<SafeTensors<'_>, CheckpointError> {
    let found = header_bytes(bytes)?;
    let limit = names.fold(METADATA_BYTES, |limit, name| limit.saturating_add(ENTRY_BYTES + name as u64));
    if found > limit {
        return Err(CheckpointError::HeaderTooLong { found, limit });
    }
    Ok(SafeTensors::deserialize(bytes)?)
}
