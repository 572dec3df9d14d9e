//! The transport's key on disk: made once, so that peers recognise a neuron that restarts.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;
use tempfile::NamedTempFile;

const FILE_NAME: &str = "transport.seed";

/// Why there is no transport key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file system failed.
    #[error("the transport key {} cannot be read or written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not 32 bytes.
    #[error("the transport key {} has {bytes} bytes instead of 32; remove it, a new one is made", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// What it has.
        bytes: usize,
    },
    /// The system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
}

/// The seed of the transport's key in a state directory; made from the system's randomness if there is none.
pub fn load_or_create(state: &Path) -> Result<[u8; 32], IdentityError> {
    let path = state.join(FILE_NAME);
    let at = |source| IdentityError::Io { path: path.clone(), source };
    match fs::read(&path) {
        Ok(bytes) => bytes.as_slice().try_into().map_err(|_| IdentityError::Length { path, bytes: bytes.len() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = [0; 32];
            OsRng.try_fill_bytes(&mut seed).map_err(|error| IdentityError::Randomness(error.to_string()))?;
            fs::create_dir_all(state).map_err(at)?;
            let mut file = NamedTempFile::new_in(state).map_err(at)?;
            file.as_file().set_permissions(Permissions::from_mode(0o600)).map_err(at)?;
            file.write_all(&seed).and_then(|()| file.as_file().sync_all()).map_err(at)?;
            file.persist(&path).map_err(|error| at(error.error))?;
            File::open(state).and_then(|folder| folder.sync_all()).map_err(at)?;
            Ok(seed)
        }
        Err(error) => Err(at(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("new");
        let seed = load_or_create(&state).unwrap();
        assert_eq!(load_or_create(&state).unwrap(), seed);
        assert_eq!(fs::metadata(state.join(FILE_NAME)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(state.join(FILE_NAME), b"short").unwrap();
        assert!(matches!(load_or_create(&state), Err(IdentityError::Length { bytes: 5, .. })));
    }
}
