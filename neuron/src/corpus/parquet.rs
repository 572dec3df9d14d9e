//! Parquet files: the column `text`.

use std::fs::File;
use std::path::Path;

use parquet::basic::Type as PhysicalType;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::ByteArrayType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use super::{CorpusError, TEXT_FIELD, Text};

/// Most bytes of text that a row group may claim: it is decoded in memory, page by page.
const MAX_GROUP_BYTES: usize = 256 * 1024 * 1024;

/// Rows that are decoded at once.
const ROWS_AT_ONCE: usize = 1_024;

/// Adds the text of every row that has one, in the order of the rows.
pub(super) fn read(path: &Path, text: &mut Text<'_>) -> Result<(), CorpusError> {
    let damaged = |error: parquet::errors::ParquetError| CorpusError::malformed(path, "as Parquet", error);
    let file = File::open(path).map_err(|error| CorpusError::Unreadable { path: path.to_owned(), error })?;
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let metadata = reader.metadata();
    let column = text_column(metadata.file_metadata().schema_descr())
        .ok_or_else(|| CorpusError::malformed(path, "its schema", format!("no column `{TEXT_FIELD}` of strings")))?;
    for index in 0..reader.num_row_groups() {
        if text.room() == 0 {
            break;
        }
        let place = || format!("row group {index}");
        let claimed = metadata.row_group(index).column(column).uncompressed_size();
        if usize::try_from(claimed).is_ok_and(|bytes| bytes <= MAX_GROUP_BYTES) {
            let group = reader.get_row_group(index).map_err(damaged)?;
            match group.get_column_reader(column).map_err(damaged)? {
                ColumnReader::ByteArrayColumnReader(strings) => push_all(path, strings, text)?,
                _ => return Err(CorpusError::malformed(path, place(), format!("`{TEXT_FIELD}` holds no strings"))),
            }
        } else {
            let reason =
                format!("it claims {claimed} bytes of text, more than the {MAX_GROUP_BYTES} that are decoded at once");
            return Err(CorpusError::malformed(path, place(), reason));
        }
    }
    Ok(())
}

/// The column of text: a string for each row, or none.
fn text_column(schema: &SchemaDescriptor) -> Option<usize> {
    schema.columns().iter().position(|column| {
        column.path().string() == TEXT_FIELD
            && column.physical_type() == PhysicalType::BYTE_ARRAY
            && column.max_rep_level() == 0
    })
}

fn push_all(path: &Path, mut strings: ColumnReaderImpl<ByteArrayType>, text: &mut Text<'_>) -> Result<(), CorpusError> {
    loop {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let read = strings.read_records(ROWS_AT_ONCE, Some(&mut levels), None, &mut values);
        let (records, _, _) = read.map_err(|error| CorpusError::malformed(path, "as Parquet", error))?;
        for value in &values {
            text.push_document(value.data())?;
        }
        if records == 0 || text.room() == 0 {
            return Ok(());
        }
    }
}
