//! Files that are text as they are.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{CorpusError, Text};

/// How much of a file is looked at to tell text from anything else.
const SNIFF_BYTES: usize = 8 * 1024;

/// How much is read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Adds a file's bytes; `false` if it is binary.
pub(super) fn read(path: &Path, text: &mut Text<'_>) -> Result<bool, CorpusError> {
    let unreadable = |error| CorpusError::Unreadable { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(unreadable)?.take(text.room());
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    for number in 0_u64.. {
        block.clear();
        file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block).map_err(unreadable)?;
        if number == 0 && block[..block.len().min(SNIFF_BYTES)].contains(&0) {
            return Ok(false);
        }
        if block.is_empty() {
            break;
        }
        text.push(&block)?;
    }
    Ok(true)
}
