//! Backups: a wallet in one file and back, byte for byte, whole or not at all.

#![expect(clippy::unwrap_used, reason = "set-up outside of test functions may fail loudly too")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keys::keyfile::{KeyfileError, StoredKey};
use keys::{Backup, BackupError, CryptoType, Existing, MAX_BACKUP_BYTES, Protection, Wallet, WalletError};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "a password for backups";

fn key(byte: u8) -> StoredKey {
    StoredKey::from_seed([byte; 32], CryptoType::Sr25519)
}

/// A wallet `w` with a plain coldkey and two hotkeys.
fn sample() -> (TempDir, Wallet) {
    let directory = TempDir::new().unwrap();
    let wallet = Wallet::new(directory.path(), "w").unwrap();
    wallet.create_coldkey(&key(1), Protection::Plain, Existing::Keep).unwrap();
    wallet.create_hotkey("one", &key(2), Protection::Plain, Existing::Keep).unwrap();
    wallet.create_hotkey("ünï two", &key(3), Protection::Plain, Existing::Keep).unwrap();
    (directory, wallet)
}

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let inside = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(contents(&path).into_iter().map(|(below, bytes)| (inside.join(below), bytes)));
        } else {
            found.insert(inside, fs::read(&path).unwrap());
        }
    }
    found
}

fn document(wallet: &Wallet) -> Value {
    use base64::Engine;
    let encode = |bytes: Vec<u8>| base64::engine::general_purpose::STANDARD.encode(bytes);
    let files = contents(&wallet.directory()).into_iter();
    let files: BTreeMap<_, _> = files.map(|(path, bytes)| (path.to_str().unwrap().to_owned(), encode(bytes))).collect();
    json!({ "format": "narrows-wallet-backup", "version": 1, "wallet": wallet.name(), "files": files })
}

fn parse(document: &Value) -> Result<Backup, BackupError> {
    Backup::parse(&serde_json::to_vec(document).unwrap())
}

/// Pays the real price of a password four times: to seal, to read back, to open, and with a wrong one.
#[test]
fn a_wallet_comes_back_byte_for_byte() {
    let (directory, wallet) = sample();
    let file = directory.path().join("w.backup");
    let backup = Backup::of(&wallet).unwrap();
    let paths =
        ["coldkey", "coldkeypub.txt", "hotkeys/one", "hotkeys/onepub.txt", "hotkeys/ünï two", "hotkeys/ünï twopub.txt"];
    assert_eq!(backup.paths().collect::<Vec<_>>(), paths);
    backup.write(&file, PASSWORD, Existing::Keep).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = backup.write(&file, PASSWORD, Existing::Keep).unwrap_err();
    assert!(matches!(again, WalletError::AlreadyExists { .. }), "{again}");
    let wrong = Backup::read(&file, "wrong").unwrap_err();
    assert!(matches!(wrong, WalletError::Backup { source: BackupError::Sealed(KeyfileError::WrongPassword), .. }));

    let read = Backup::read(&file, PASSWORD).unwrap();
    assert_eq!(read.wallet(), "w");
    let other = Wallet::new(directory.path().join("new"), "v").unwrap();
    assert_eq!(read.restore(&other, Existing::Keep).unwrap(), None);
    assert_eq!(contents(&other.directory()), contents(&wallet.directory()));
    for folder in [other.directory(), other.directory().join("hotkeys")] {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn restoring_overwrites_nothing_and_moves_aside_what_it_replaces() {
    let (directory, wallet) = sample();
    let backup = Backup::of(&wallet).unwrap();
    let saved = contents(&wallet.directory());
    wallet.create_hotkey("younger", &key(9), Protection::Plain, Existing::Keep).unwrap();
    let now = contents(&wallet.directory());
    let refused = backup.restore(&wallet, Existing::Keep).unwrap_err();
    assert!(matches!(&refused, WalletError::AlreadyExists { path } if *path == wallet.directory()), "{refused}");
    assert_eq!(contents(&wallet.directory()), now);

    let aside = backup.restore(&wallet, Existing::Replace).unwrap().unwrap();
    assert_eq!(contents(&wallet.directory()), saved);
    assert_eq!(contents(&aside), now, "the younger hotkey is not lost");
    let listed = Wallet::list(directory.path()).unwrap();
    assert_eq!(listed, std::slice::from_ref(&wallet), "what is aside is no wallet");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    // And again: each goes aside under a name of its own.
    let second = backup.restore(&wallet, Existing::Replace).unwrap().unwrap();
    assert_ne!(aside, second);

    // A file in the way is no wallet, and stays too.
    let blocked = Wallet::new(directory.path(), "blocked").unwrap();
    fs::write(blocked.directory(), b"a file").unwrap();
    assert!(matches!(backup.restore(&blocked, Existing::Keep), Err(WalletError::AlreadyExists { .. })));
    assert_eq!(fs::read(blocked.directory()).unwrap(), b"a file");
}

#[test]
fn a_wallet_with_a_damaged_file_is_not_backed_up() {
    let (_directory, wallet) = sample();
    let path = wallet.hotkey_path("one").unwrap();
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    let damaged = Backup::of(&wallet).unwrap_err();
    assert!(matches!(&damaged, WalletError::Keyfile { path: named, .. } if *named == path), "{damaged}");
    fs::write(&path, key(7).to_plain()).unwrap();
    let exchanged = Backup::of(&wallet).unwrap_err();
    assert!(matches!(exchanged, WalletError::Backup { source: BackupError::Mismatch { .. }, .. }), "{exchanged}");
    fs::remove_dir_all(wallet.directory()).unwrap();
    let nothing = Backup::of(&wallet).unwrap_err();
    assert!(matches!(nothing, WalletError::Backup { source: BackupError::Empty, .. }), "{nothing}");
}

#[test]
fn what_is_in_a_backup_is_checked_before_anything_is_written() {
    let (_directory, wallet) = sample();
    let good = document(&wallet);
    assert_eq!(parse(&good).unwrap().paths().count(), 6);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        parse(&document).map(drop).unwrap_err()
    };
    for path in [
        "../escape",
        "/etc/passwd",
        "hotkeys/../../x",
        "hotkeys/a/b",
        "hotkeys/",
        "hotkeys/pub.txt",
        "x",
        "",
        "coldkey/x",
    ] {
        let error = changed(&|document| document["files"][path] = good["files"]["coldkey"].clone());
        assert_eq!(error, BackupError::Path { path: path.to_owned() });
    }
    assert_eq!(changed(&|document| document["version"] = 2.into()), BackupError::Version { version: 2 });
    assert_eq!(changed(&|document| document["format"] = "tar".into()), BackupError::Content);
    assert_eq!(changed(&|document| document["wallet"] = "../w".into()), BackupError::Content);
    assert_eq!(changed(&|document| document["files"]["coldkey"] = "not base64".into()), BackupError::Content);
    assert_eq!(changed(&|document| document["files"] = json!({})), BackupError::Empty);
    assert_eq!(changed(&|document| document["more"] = 1.into()), BackupError::Content);
    let damaged = changed(&|document| document["files"]["coldkey"] = "e30=".into());
    assert!(matches!(damaged, BackupError::File { .. }), "{damaged}");
    let exchanged = changed(&|document| document["files"]["coldkey"] = good["files"]["hotkeys/one"].clone());
    assert_eq!(exchanged, BackupError::Mismatch { path: "coldkeypub.txt".to_owned() });
    assert_eq!(Backup::parse(b"{").unwrap_err(), BackupError::Content);
}

#[test]
fn other_files_are_no_backups() {
    assert_eq!(Backup::open(b"{}", PASSWORD).unwrap_err(), BackupError::Foreign);
    assert_eq!(Backup::open(&vec![b'$'; MAX_BACKUP_BYTES + 1], PASSWORD).unwrap_err(), BackupError::TooLarge);
    let cut = Backup::open(b"$NACLxx", PASSWORD).unwrap_err();
    assert_eq!(cut, BackupError::Sealed(KeyfileError::Truncated { bytes: 7 }));
}

/// A key file is sealed as a backup is, and is still none. Pays the price of a password twice.
#[test]
fn a_key_file_is_told_from_a_backup() {
    let sealed = key(1).to_encrypted(PASSWORD).unwrap();
    assert_eq!(Backup::open(&sealed, PASSWORD).unwrap_err(), BackupError::Content);
}

#[test]
fn a_backup_holds_every_key_and_each_in_its_place() {
    let (_directory, wallet) = sample();
    let whole = document(&wallet);
    let swapped = |into: &str, from: &str| {
        let mut other = whole.clone();
        other["files"][into] = whole["files"][from].clone();
        parse(&other).unwrap_err()
    };
    let path = |path: &str, source| BackupError::File { path: path.into(), source };
    assert_eq!(swapped("coldkey", "coldkeypub.txt"), path("coldkey", KeyfileError::PublicOnly));
    assert_eq!(swapped("coldkeypub.txt", "coldkey"), path("coldkeypub.txt", KeyfileError::SecretInPublic));
    let mut watching = whole.clone();
    watching["files"].as_object_mut().unwrap().retain(|path, _| path == "coldkeypub.txt");
    assert_eq!(parse(&watching).unwrap_err(), BackupError::Empty);

    // A hotkey that has no name, and a public half alone.
    for name in ["back\\slash", "lonepub.txt"] {
        let stray = wallet.directory().join("hotkeys").join(name);
        fs::copy(wallet.hotkey_path("one").unwrap(), &stray).unwrap();
        let error = Backup::of(&wallet).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        fs::remove_file(stray).unwrap();
    }
    assert!(Backup::of(&wallet).is_ok());
}

#[test]
fn a_backup_clears_nothing_beside_itself() {
    let (directory, wallet) = sample();
    let elsewhere = directory.path().join("elsewhere");
    let (novel, alike) = (elsewhere.join(".unfinished-novel"), elsewhere.join(".unfinished-abc123"));
    fs::create_dir_all(&novel).unwrap();
    fs::write(&alike, "mine").unwrap();
    let file = elsewhere.join("w.backup");
    Backup::of(&wallet).unwrap().write(&file, PASSWORD, Existing::Keep).unwrap();
    assert!(file.exists() && novel.exists() && alike.exists());
    // In a wallet's own folder what a killed writer left is cleared, and nothing that only sounds like it.
    let (left, kept) = (wallet.directory().join(".unfinished-abc123"), wallet.directory().join(".unfinished-novel"));
    fs::write(&left, "half a key").unwrap();
    fs::write(&kept, "mine").unwrap();
    wallet.create_coldkey(&key(4), Protection::Plain, Existing::Replace).unwrap();
    assert!(!left.exists() && kept.exists());
}

#[test]
fn restoring_over_a_wallet_waits_for_those_who_write_in_it() {
    const WRITERS: u8 = 4;
    const KEYS_EACH: u8 = 30;
    let (directory, wallet) = sample();
    let backup = Backup::of(&wallet).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let wallet = &wallet;
            scope.spawn(move || {
                for index in 0..KEYS_EACH {
                    let name = format!("made-{writer}-{index}");
                    wallet.create_hotkey(&name, &key(writer), Protection::Plain, Existing::Keep).unwrap();
                }
            });
        }
        for _ in 0..KEYS_EACH {
            backup.restore(&wallet, Existing::Replace).unwrap().unwrap();
        }
    });
    // Each key is in one wallet, the last or one aside, and whole there: its public half went with it.
    let mut found = 0;
    for folder in fs::read_dir(directory.path()).unwrap() {
        let folder = folder.unwrap().path();
        let names = contents(&folder);
        let made = names.keys().filter(|name| name.to_str().unwrap().starts_with("hotkeys/made-"));
        for path in made.filter(|name| !name.to_str().unwrap().ends_with("pub.txt")) {
            assert!(names.contains_key(Path::new(&format!("{}pub.txt", path.display()))), "{}", path.display());
            found += 1;
        }
        assert!(!names.keys().any(|name| name.to_str().unwrap().contains(".unfinished")), "{names:?}");
    }
    assert_eq!(found, usize::from(WRITERS) * usize::from(KEYS_EACH));
    assert!(Backup::of(&wallet).is_ok(), "no public half without its key");
}
