//! Files that are text as they are.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{CorpusError, Text};

/// How much of a file is looked at to tell text from anything else.
const SNIFF_BYTES: usize = 8 * 1024;

/// Adds a file's bytes; `false` if it is binary.
pub(super) fn read(path: &Path, text: &mut Text) -> Result<bool, CorpusError> {
    let unreadable = |error| CorpusError::Unreadable { path: path.to_owned(), error };
    let (start, room) = (text.bytes.len(), text.room() as u64);
    File::open(path).and_then(|file| file.take(room).read_to_end(&mut text.bytes)).map_err(unreadable)?;
    let head = &text.bytes[start..text.bytes.len().min(start + SNIFF_BYTES)];
    let is_text = !head.contains(&0);
    if !is_text {
        text.bytes.truncate(start);
    }
    Ok(is_text)
}
