//! Text and token ids on disk, each in a file of its own that is named after what it is made from, checked when it is
//! opened, and mapped.
//!
//! ```text
//! FOLDER/3f0a….tokens       64 bytes: what it is, width of an id, their number, BLAKE3 of what follows; then the ids
//! FOLDER/unfinished-….tmp   being written, or left by a process that died
//! ```
//!
//! Invariants: a file that has its name is whole, written and on disk; one whose length or hash is wrong is never read but
//! made anew; no file is written to after it has its name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::data::IdWidth;
use tempfile::NamedTempFile;

use super::CorpusError;
use super::map::Map;
use crate::message::names::Hash;

/// What the files start with. Another layout, or another way of making what is in them, is another version.
const MAGIC: &[u8; 16] = b"narrows tokens 1";
const HEADER_BYTES: usize = 64;
const UNFINISHED: &str = "unfinished-";

/// The folder.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Ids that lie in a file of the cache.
#[derive(Debug)]
pub(super) struct Held {
    map: Map,
    width: IdWidth,
    hash: Hash,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref().get(HEADER_BYTES..).unwrap_or_default()
    }
}

impl Held {
    /// How wide an id is.
    pub(super) fn width(&self) -> IdWidth {
        self.width
    }

    /// BLAKE3 of all ids.
    pub(super) fn hash(&self) -> Hash {
        self.hash
    }
}

/// Takes ids on their way to a file.
pub(super) struct Writer<'a> {
    file: BufWriter<&'a mut File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn header(width: IdWidth, bytes: u64, hash: &Hash) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..16].copy_from_slice(MAGIC);
    header[16..24].copy_from_slice(&(width.bytes() as u64).to_le_bytes());
    header[24..32].copy_from_slice(&bytes.to_le_bytes());
    header[32..].copy_from_slice(&hash.0);
    header
}

impl Cache {
    /// The cache of a neuron that keeps its state in this directory.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn in_state(state: &Path) -> Result<Self, CorpusError> {
        Self::open(state.join("corpora"))
    }

    /// The cache in a folder, which is made if it is not there. What processes that died left unfinished is removed.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: PathBuf) -> Result<Self, CorpusError> {
        let cache = Self { folder };
        cache.prepare().map_err(|error| cache.failed(error))?;
        Ok(cache)
    }

    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> CorpusError {
        CorpusError::Cache { path: self.folder.clone(), error }
    }

    fn path(&self, name: &Hash) -> PathBuf {
        self.folder.join(format!("{name}.tokens"))
    }

    /// What lies under a name, read once and found whole; `None` when there is nothing or it is damaged.
    ///
    /// # Errors
    /// When the system fails.
    pub(super) fn get(&self, name: &Hash) -> Result<Option<Arc<Held>>, CorpusError> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let held = whole(file).map_err(|error| self.failed(error))?;
        if held.is_none() {
            tracing::warn!(path = %path.display(), "a file of the cache is damaged, and is made anew");
        }
        Ok(held.map(Arc::new))
    }

    /// Makes what lies under a name, in place of what may lie there.
    ///
    /// # Errors
    /// When the disk fails, or `write` does.
    pub(super) fn put(
        &self,
        name: &Hash,
        width: IdWidth,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), CorpusError>,
    ) -> Result<Arc<Held>, CorpusError> {
        let failed = |error| self.failed(error);
        let named = tempfile::Builder::new().prefix(UNFINISHED).suffix(".tmp").tempfile_in(&self.folder);
        let mut file = named.map_err(failed)?;
        file.write_all(&[0; HEADER_BYTES]).map_err(failed)?;
        let (hasher, bytes) = (blake3::Hasher::new(), 0);
        let mut writer = Writer { file: BufWriter::new(file.as_file_mut()), hasher, bytes };
        write(&mut writer)?;
        writer.flush().map_err(failed)?;
        let (hash, bytes) = (Hash(*writer.hasher.finalize().as_bytes()), writer.bytes);
        drop(writer);
        self.finish(file, &self.path(name), &header(width, bytes, &hash)).map_err(failed)?;
        let held = File::open(self.path(name)).and_then(whole).map_err(failed)?;
        held.map(Arc::new).ok_or_else(|| failed(io::Error::other("what was written is not what is read")))
    }

    fn finish(&self, mut file: NamedTempFile, path: &Path, header: &[u8]) -> io::Result<()> {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(header)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The name is on disk only when its folder is.
        File::open(&self.folder)?.sync_all()
    }
}

/// The file's ids, unless its header, its length or its hash is wrong.
fn whole(mut file: File) -> io::Result<Option<Held>> {
    let length = file.metadata()?.len();
    let mut read = [0; HEADER_BYTES];
    if length <= HEADER_BYTES as u64 || usize::try_from(length).is_err() {
        return Ok(None);
    }
    file.read_exact(&mut read)?;
    let Some(width) =
        [IdWidth::One, IdWidth::Two, IdWidth::Four].into_iter().find(|width| read[16] as usize == width.bytes())
    else {
        return Ok(None);
    };
    let mut hash = Hash::ZERO;
    hash.0.copy_from_slice(&read[32..]);
    let bytes = length - HEADER_BYTES as u64;
    if read != header(width, bytes, &hash) || !bytes.is_multiple_of(width.bytes() as u64) {
        return Ok(None);
    }
    let held = Held { map: Map::of(&file)?, width, hash };
    Ok((Hash::of(held.as_ref()) == hash).then_some(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Hash = Hash([7; 32]);

    fn put(cache: &Cache, text: &[u8]) -> Arc<Held> {
        let write = |writer: &mut Writer<'_>| writer.write_all(text).map_err(CorpusError::NotCopied);
        cache.put(&NAME, IdWidth::Two, write).unwrap()
    }

    #[test]
    fn what_is_put_is_found_again_and_old_mappings_stay_when_it_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("deep/er")).unwrap();
        assert!(cache.get(&NAME).unwrap().is_none());
        let first = put(&cache, b"abcd");
        let found = Cache::open(cache.folder.clone()).unwrap().get(&NAME).unwrap().unwrap();
        assert_eq!((found.as_ref().as_ref(), found.width()), (b"abcd".as_slice(), IdWidth::Two));
        assert_eq!(found.hash(), Hash::of(b"abcd"));
        let second = put(&cache, b"others");
        assert_eq!([&first, &second].map(|held| held.as_ref().as_ref()), [b"abcd".as_slice(), b"others"]);
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        drop(put(&cache, b"abcdef"));
        let path = cache.path(&NAME);
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(cache.get(&NAME).unwrap().is_none(), "cut to {length} bytes");
        }
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(cache.get(&NAME).unwrap().is_none(), "byte {place} spoiled");
        }
        fs::write(&path, [good.as_slice(), b"gh"].concat()).unwrap();
        assert!(cache.get(&NAME).unwrap().is_none(), "longer than it says");
        drop(put(&cache, b"abcdef"));
        assert_eq!(fs::read(&path).unwrap(), good, "and is made anew");
    }

    #[test]
    fn what_fails_halfway_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        let failed = cache.put(&NAME, IdWidth::One, |writer| {
            writer.write_all(b"half").unwrap();
            Err(CorpusError::NotCopied(io::Error::other("the disk is full")))
        });
        assert!(failed.is_err() && cache.get(&NAME).unwrap().is_none());
        fs::write(folder.path().join("unfinished-1.tmp"), b"of a dead process").unwrap();
        Cache::open(folder.path().to_owned()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
