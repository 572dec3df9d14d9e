//! A chain in one file: everything its database holds, so that another node goes on from its last block.
//!
//! Layout: [`MAGIC`] ‖ SCALE([`Contents`]) ‖ BLAKE2b-256 of all before it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use codec::{DecodeAll, Encode};
use sp_io::hashing::blake2_256;

use crate::memory::Memory;
use crate::store::{Contents, Store};

/// What a dump begins with: its name and the version of its layout.
const MAGIC: &[u8] = b"narrows chain 1\n";

/// The largest file that is read: far more than a development chain grows to, and less than what machines swap at.
const MAX_BYTES: u64 = 4 << 30;

/// Bytes of the checksum.
const CHECKSUM_BYTES: usize = 32;

/// Why a chain was not written to a file, or not read from one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The chain's own database cannot be read.
    #[error("cannot read the chain from its database: {0}")]
    Database(String),
    /// The file cannot be written. One that was there before is as it was.
    #[error("cannot write the chain to {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read a chain from {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a dump, or not all of one.
    #[error("{} is no dump of a chain: {fault}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// Write what `store` holds to `path`, whole or not at all.
pub(crate) fn write(store: &dyn Store, path: &Path) -> Result<(), DumpError> {
    let contents = store.contents().map_err(|error| DumpError::Database(error.to_string()))?;
    let mut bytes = MAGIC.to_vec();
    contents.encode_to(&mut bytes);
    bytes.extend_from_slice(&blake2_256(&bytes));
    replace(path, &bytes).map_err(|source| DumpError::Write { path: path.to_owned(), source })
}

/// Write a file beside `path` and put it in its place once it is on disk.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(dir)?.sync_all()
}

/// Read what [`write`] wrote.
pub(crate) fn read(path: &Path) -> Result<Memory, DumpError> {
    let bytes = bounded(path).map_err(|source| DumpError::Read { path: path.to_owned(), source })?;
    let malformed = |fault| DumpError::Malformed { path: path.to_owned(), fault };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed("it is larger than 4 GiB"));
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| malformed("it begins with something else"))?;
    let (body, checksum) =
        rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(|| malformed("it ends before its checksum"))?;
    if blake2_256(&bytes[..MAGIC.len() + body.len()]) != *checksum {
        return Err(malformed("its checksum does not hold, so it is truncated or changed"));
    }
    let contents = Contents::decode_all(&mut &*body).map_err(|_| malformed("its contents cannot be read"))?;
    Ok(contents.into())
}

/// At most one byte more than is taken.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(MAX_BYTES)).unwrap_or_default());
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_core::H256;
    use sp_database::{Change, Database, Transaction};

    fn memory() -> Memory {
        let memory = Memory::default();
        memory.commit(Transaction::<H256>(vec![Change::Set(1, b"key".to_vec(), vec![9; 100])])).expect("commits");
        memory
    }

    #[test]
    fn a_dump_reads_back_and_replaces_the_one_before() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("chain");
        write(&Memory::default(), &path).expect("writes");
        write(&memory(), &path).expect("replaces");
        let contents = |memory: Memory| memory.contents().expect("reads");
        assert_eq!(contents(read(&path).expect("reads")), contents(memory()));
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_broken_dump_is_refused_with_its_fault() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("chain");
        write(&memory(), &path).expect("writes");
        let whole = fs::read(&path).expect("reads");
        let fault = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("writes");
            read(&path).err().expect("refused").to_string()
        };
        assert!(fault(b"").contains("begins with something else"));
        assert!(fault(b"narrows chain 2\n and so on, for longer than a checksum is").contains("begins with"));
        assert!(fault(MAGIC).contains("ends before its checksum"));
        for length in MAGIC.len() + CHECKSUM_BYTES..whole.len() {
            assert!(fault(&whole[..length]).contains("checksum does not hold"), "cut at {length}");
        }
        let mut changed = whole.clone();
        changed[MAGIC.len() + 5] ^= 1;
        assert!(fault(&changed).contains("checksum does not hold"));
        // A checksum that holds over contents that do not.
        let mut lying = [MAGIC, &[0xff; 40]].concat();
        lying.extend_from_slice(&blake2_256(&lying));
        assert!(fault(&lying).contains("contents cannot be read"));
        fs::remove_file(&path).expect("removes");
        assert!(matches!(read(&path), Err(DumpError::Read { .. })));
    }

    #[test]
    fn a_dump_that_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("missing").join("chain");
        assert!(matches!(write(&memory(), &path), Err(DumpError::Write { .. })));
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
    }
}
