//! Files with a JSON object a line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::{CorpusError, TEXT_FIELD, Text};

/// Longest line that is read.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Adds the text of every line; empty lines are passed over.
pub(super) fn read(path: &Path, text: &mut Text<'_>) -> Result<(), CorpusError> {
    let unreadable = |error| CorpusError::Unreadable { path: path.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 || text.room() == 0 {
            break;
        }
        let malformed =
            |reason: &dyn ToString| CorpusError::malformed(path, format!("line {number}"), reason.to_string());
        if read as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
            return Err(malformed(&format!("it is longer than {MAX_LINE_BYTES} bytes")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record: Record<'_> = serde_json::from_slice(&line)
            .map_err(|error| malformed(&format!("no JSON object with a string in `{TEXT_FIELD}`: {error}")))?;
        text.push_document(record.text.as_bytes())?;
    }
    Ok(())
}
