//! A file mapped into memory, so that it is read where it lies and takes no memory that the system could not have back.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// A file of this neuron's data folder, mapped.
#[derive(Debug)]
pub(super) struct Map(Mmap);

impl Map {
    /// Maps a file.
    ///
    /// # Errors
    /// When the system does not map it; an empty file cannot be.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: a mapping is sound while nobody changes or shortens the file. Callers give files of the cache alone:
        // this program makes them under a passing name, renames them when they are whole, and from then on never writes
        // to them again; to make one anew it renames another over it, which leaves mappings of the old one as they are.
        // The user's own files, which an editor may change at any time, are copied and never mapped.
        #[expect(unsafe_code, reason = "mapping a file is a promise about who writes to it; it is kept above")]
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(map))
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
