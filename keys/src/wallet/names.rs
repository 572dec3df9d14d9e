//! Names of wallets and hotkeys, on the command line and on disk.

use std::fs::FileType;
use std::io;
use std::path::Path;

use super::{MAX_LISTED_ENTRIES, PUBLIC_SUFFIX, WalletError};

/// Longest wallet or hotkey name: file systems take 255 bytes, and the public file's name is longer than the hotkey's.
const MAX_NAME_BYTES: usize = 128;

/// Names in a directory, sorted. One that does not exist holds none.
pub(super) fn names_in(directory: &Path, wanted: impl Fn(FileType) -> bool) -> Result<Vec<String>, WalletError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => WalletError::PermissionDenied { path: directory.to_owned(), action: "list" },
        _ => WalletError::Io { path: directory.to_owned(), action: "list", source },
    };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for (index, entry) in entries.enumerate() {
        if index == MAX_LISTED_ENTRIES {
            return Err(WalletError::TooMany { path: directory.to_owned() });
        }
        let entry = entry.map_err(failed)?;
        // Names that are not UTF-8 were not made by a wallet.
        if let Ok(name) = entry.file_name().into_string()
            && wanted(entry.file_type().map_err(failed)?)
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn check_hotkey_name(name: &str) -> Result<(), WalletError> {
    check_name("hotkey", name)?;
    if name.ends_with(PUBLIC_SUFFIX) {
        let reason = "names ending in `pub.txt` are those of public halves";
        return Err(WalletError::Name { what: "hotkey", name: name.to_owned(), reason });
    }
    Ok(())
}

/// Names become file names: they must stay inside the wallet directory.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), WalletError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than 128 bytes"
    } else if name.starts_with('.') {
        "it starts with a dot"
    } else if name.chars().any(|c| matches!(c, '/' | '\\') || c.is_control()) {
        "it contains a slash or a control character"
    } else {
        return Ok(());
    };
    // Shown back to a terminal: cut, and without what could steer it.
    let name = name.chars().take(MAX_NAME_BYTES).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Err(WalletError::Name { what, name, reason })
}
