//! Files named by the hash of their content.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::NamedTempFile;

/// BLAKE3 of a blob.
pub type BlobHash = [u8; 32];

/// Where files are written before they get their name. What is left there is of processes that died.
const UNFINISHED: &str = "unfinished";

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct BlobLimits {
    /// Longest blob.
    pub max_blob_bytes: u64,
    /// All blobs together. When it is reached, writing fails: what may go is the caller's to say.
    pub max_total_bytes: u64,
}

/// Why a blob cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Too long.
    #[error("a blob of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// No room.
    #[error(
        "{bytes} more bytes do not fit beside {total_bytes} of at most {limit_bytes} bytes: free some, or raise the limit"
    )]
    Full {
        /// Length of the blob.
        bytes: u64,
        /// What is kept already.
        total_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The content does not match the name. The file has been removed, so that it can be fetched again.
    #[error("blob {hash} was damaged on disk and has been removed; fetch it again")]
    Damaged {
        /// Its name.
        hash: String,
    },
}

/// A directory of blobs.
pub struct Blobs {
    root: PathBuf,
    limits: BlobLimits,
    total_bytes: AtomicU64,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    |source| BlobError::Io { path: path.to_owned(), source }
}

impl Blobs {
    pub(super) fn open(root: PathBuf, limits: BlobLimits) -> Result<Self, BlobError> {
        let unfinished = root.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(at(&unfinished))?;
        }
        fs::create_dir_all(&unfinished).map_err(at(&unfinished))?;
        let mut total_bytes = 0;
        for folder in fs::read_dir(&root).map_err(at(&root))? {
            let folder = folder.map_err(at(&root))?.path();
            for file in fs::read_dir(&folder).map_err(at(&folder))? {
                total_bytes += file.and_then(|file| file.metadata()).map_err(at(&folder))?.len();
            }
        }
        Ok(Self { root, limits, total_bytes: AtomicU64::new(total_bytes) })
    }

    fn path(&self, hash: &BlobHash) -> PathBuf {
        let name = hex::encode(hash);
        let (folder, file) = name.split_at(2);
        self.root.join(folder).join(file)
    }

    /// Bytes of all blobs.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// Whether there is a blob of that name. It may still turn out damaged.
    pub fn contains(&self, hash: &BlobHash) -> bool {
        self.path(hash).is_file()
    }

    /// Keeps `bytes`, and returns their name. When this returns they are on disk, whole.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobHash, BlobError> {
        let hash = *blake3::hash(bytes).as_bytes();
        let path = self.path(&hash);
        if path.is_file() {
            return Ok(hash);
        }
        let len = bytes.len() as u64;
        if len > self.limits.max_blob_bytes {
            return Err(BlobError::TooLong { bytes: len, limit_bytes: self.limits.max_blob_bytes });
        }
        let reserve = |total: u64| total.checked_add(len).filter(|total| *total <= self.limits.max_total_bytes);
        self.total_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve).map_err(|total_bytes| {
            BlobError::Full { bytes: len, total_bytes, limit_bytes: self.limits.max_total_bytes }
        })?;
        self.write(&path, bytes).inspect_err(|_| {
            self.total_bytes.fetch_sub(len, Ordering::Relaxed);
        })?;
        Ok(hash)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), BlobError> {
        let unfinished = self.root.join(UNFINISHED);
        let mut file = NamedTempFile::new_in(&unfinished).map_err(at(&unfinished))?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(at(file.path()))?;
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(at(folder))?;
        file.persist(path).map_err(|error| BlobError::Io { path: path.to_owned(), source: error.error })?;
        // The name is on disk only when its folder is.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
    }

    /// Reads a whole blob and checks it against its name.
    pub fn get(&self, hash: &BlobHash) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(hash);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(self.limits.max_blob_bytes + 1).read_to_end(&mut bytes).map_err(at(&path))?;
        if blake3::hash(&bytes) != *hash {
            self.remove(hash)?;
            return Err(BlobError::Damaged { hash: hex::encode(hash) });
        }
        Ok(Some(bytes))
    }

    /// Reads a piece, with the length of the whole. Not checked: whoever puts the pieces together checks the whole.
    pub fn piece(&self, hash: &BlobHash, offset: u64, len: usize) -> Result<Option<(u64, Vec<u8>)>, BlobError> {
        let path = self.path(hash);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        let total = file.metadata().map_err(at(&path))?.len();
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset.min(total))).map_err(at(&path))?;
        file.take(len as u64).read_to_end(&mut bytes).map_err(at(&path))?;
        Ok(Some((total, bytes)))
    }

    /// Forgets a blob. True if it was there.
    pub fn remove(&self, hash: &BlobHash) -> Result<bool, BlobError> {
        let path = self.path(hash);
        let len = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(at(&path)(error)),
        };
        fs::remove_file(&path).map_err(at(&path))?;
        self.total_bytes.fetch_sub(len, Ordering::Relaxed);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(dir: &tempfile::TempDir) -> Blobs {
        Blobs::open(dir.path().to_owned(), BlobLimits { max_blob_bytes: 1000, max_total_bytes: 1500 }).unwrap()
    }

    #[test]
    fn what_is_put_is_there_under_its_hash_also_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let hash = blobs(&dir).put(b"weights").unwrap();
        assert_eq!(hash, *blake3::hash(b"weights").as_bytes());
        let blobs = blobs(&dir);
        assert_eq!(blobs.put(b"weights").unwrap(), hash);
        assert_eq!(blobs.total_bytes(), 7);
        assert_eq!(blobs.get(&hash).unwrap().as_deref(), Some(&b"weights"[..]));
        assert_eq!(blobs.piece(&hash, 2, 3).unwrap(), Some((7, b"igh".to_vec())));
        assert_eq!(blobs.piece(&hash, 5, 100).unwrap(), Some((7, b"ts".to_vec())));
        assert_eq!(blobs.piece(&hash, u64::MAX, 1).unwrap(), Some((7, Vec::new())));
        assert!(blobs.remove(&hash).unwrap());
        assert!(!blobs.remove(&hash).unwrap());
        assert_eq!((blobs.get(&hash).unwrap(), blobs.total_bytes()), (None, 0));
    }

    #[test]
    fn damage_is_found_and_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(&dir);
        let hash = blobs.put(b"weights").unwrap();
        fs::write(blobs.path(&hash), b"weighty").unwrap();
        assert!(matches!(blobs.get(&hash), Err(BlobError::Damaged { .. })));
        assert_eq!(blobs.get(&hash).unwrap(), None);
    }

    #[test]
    fn limits_hold() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = blobs(&dir);
        assert!(matches!(blobs.put(&[0; 1001]), Err(BlobError::TooLong { bytes: 1001, limit_bytes: 1000 })));
        blobs.put(&[0; 1000]).unwrap();
        assert!(matches!(blobs.put(&[1; 501]), Err(BlobError::Full { bytes: 501, total_bytes: 1000, .. })));
        blobs.put(&[1; 500]).unwrap();
    }

    #[test]
    fn what_a_dead_process_left_unfinished_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        drop(blobs(&dir));
        fs::write(dir.path().join(UNFINISHED).join("half"), b"half").unwrap();
        assert_eq!(blobs(&dir).total_bytes(), 0);
        assert!(!dir.path().join(UNFINISHED).join("half").exists());
    }
}
