//! What is inside a backup file, and what is around it, without the password.

#![no_main]

use keys::Backup;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(backup) = Backup::parse(bytes) {
        // Nothing gets out of the wallet's folder.
        for path in backup.paths() {
            assert!(!path.starts_with('/') && path.split('/').all(|part| !part.is_empty() && part != ".." && part != "."));
            assert!(path.split('/').count() <= 2);
        }
    }
    // Opening what is sealed well would take seconds for the password.
    if !bytes.starts_with(b"$NACL") || bytes.len() <= 45 {
        assert!(Backup::open(bytes, "password").is_err());
    }
});
