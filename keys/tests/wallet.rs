//! Wallets on disk: Bittensor's trees read, ours written alike, and everything that can go wrong with a file.

#![expect(clippy::unwrap_used, reason = "set-up outside of test functions may fail loudly too")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use keys::keyfile::encryption::Encryption;
use keys::keyfile::{Content, KeyfileError, PublicKey, StoredKey, parse};
use keys::{Backup, CryptoType, Existing, Keypair, Mnemonic, Protection, Wallet, WalletError, read_keyfile};
use serde_json::Value;
use tempfile::TempDir;

const PASSWORD: &str = "Throwaway-Passw0rd!42";

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wallets")
}

/// A copy of the recorded wallets with the modes they had, which version control does not keep.
fn copied() -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&target).unwrap();
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), &target).unwrap();
                chmod(&target, 0o600);
            }
        }
    }
    let directory = TempDir::new().unwrap();
    copy(&recorded(), directory.path());
    directory
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn key(byte: u8) -> StoredKey {
    StoredKey::from_mnemonic(Mnemonic::from_entropy(&[byte; 16]).unwrap(), CryptoType::Sr25519)
}

/// A fresh directory with wallet `w`, hotkey `h` in it.
fn with_hotkey() -> (TempDir, Wallet) {
    let directory = TempDir::new().unwrap();
    let wallet = Wallet::new(directory.path(), "w").unwrap();
    wallet.create_hotkey("h", &key(1), Protection::Plain, Existing::Keep).unwrap();
    (directory, wallet)
}

#[test]
fn reads_every_wallet_that_bittensor_wrote() {
    let directory = copied();
    let names: Vec<_> = Wallet::list(directory.path()).unwrap().iter().map(|wallet| wallet.name().to_owned()).collect();
    assert_eq!(names, ["ed", "enc", "fromseed", "plain", "pubonly", "uri"]);
    for wallet in Wallet::list(directory.path()).unwrap() {
        let stated = json(wallet.coldkeypub_path());
        let public = wallet.coldkeypub().unwrap();
        assert_eq!(public.account_id.to_string(), stated["ss58Address"].as_str().unwrap());
        assert_eq!(u64::from(public.crypto_type.number()), stated["cryptoType"].as_u64().unwrap());
        if wallet.has_coldkey() && !wallet.coldkey_is_encrypted().unwrap() {
            let coldkey = wallet.coldkey(None).unwrap();
            assert_eq!(coldkey.account_id(), public.account_id, "{}", wallet.name());
            assert!(coldkey.sign(b"m").verifies(&public.account_id, b"m"));
        }
        for name in wallet.hotkeys().unwrap() {
            assert_eq!(name, "hk1");
            let hotkey = wallet.hotkey(&name, None).unwrap();
            assert_eq!(hotkey.account_id(), wallet.hotkeypub(&name).unwrap().account_id);
        }
    }
    let uri = Wallet::new(directory.path(), "uri").unwrap();
    let alice = Keypair::from_uri("//Alice").unwrap();
    assert_eq!(uri.coldkey(None).unwrap().account_id(), alice.account_id());
    let lone = Wallet::new(directory.path(), "pubonly").unwrap();
    assert!(matches!(lone.coldkey(None), Err(WalletError::Missing { .. })));
}

#[test]
fn writes_the_fields_that_bittensor_writes() {
    let theirs = copied();
    let ours = TempDir::new().unwrap();
    let bob = Keypair::from_uri("//Bob").unwrap();
    let ed = read_keyfile(&theirs.path().join("ed/coldkey"), None).unwrap();
    let plain = read_keyfile(&theirs.path().join("plain/coldkey"), None).unwrap();
    let hotkey = read_keyfile(&theirs.path().join("plain/hotkeys/hk1"), None).unwrap();
    for (name, coldkey, hotkey) in [
        ("ed", ed, None),
        ("plain", plain, Some(hotkey)),
        ("uri", StoredKey::from_keypair(Keypair::from_uri("//Alice").unwrap()), Some(StoredKey::from_keypair(bob))),
    ] {
        let wallet = Wallet::new(ours.path(), name).unwrap();
        wallet.create_coldkey(&coldkey, Protection::Plain, Existing::Keep).unwrap();
        let mut files = vec!["coldkey", "coldkeypub.txt"];
        if let Some(hotkey) = hotkey {
            wallet.create_hotkey("hk1", &hotkey, Protection::Plain, Existing::Keep).unwrap();
            files.extend(["hotkeys/hk1", "hotkeys/hk1pub.txt"]);
        }
        for file in files {
            let (our, their) = (ours.path().join(name).join(file), theirs.path().join(name).join(file));
            assert_eq!(json(&our), json(&their), "{name}/{file}");
            // Field order is free in Bittensor's files; nothing else may differ, so the lengths agree.
            assert_eq!(fs::metadata(&our).unwrap().len(), fs::metadata(&their).unwrap().len(), "{name}/{file}");
        }
    }
}

#[test]
fn a_seed_is_written_so_that_it_reads_back() {
    // What version 4.1 of Bittensor's wallet gets wrong for this same seed.
    let seeded = StoredKey::from_seed([0x11; 32], CryptoType::Sr25519);
    let stated = json(recorded().join("fromseed/coldkeypub.txt"));
    assert_eq!(seeded.public().account_id.to_string(), stated["ss58Address"].as_str().unwrap());
    let written: Value = serde_json::from_slice(&seeded.to_plain()).unwrap();
    assert_eq!(written["secretSeed"], format!("0x{}", "11".repeat(32)));
    assert_eq!(written["privateKey"], json(recorded().join("fromseed/coldkey"))["privateKey"]);
}

/// Pays the real price of a password once (512 MiB, seconds); tests/cli.rs does for what is written here.
#[test]
fn an_encrypted_coldkey_of_bittensor_opens() {
    let directory = copied();
    let wallet = Wallet::new(directory.path(), "enc").unwrap();
    assert!(wallet.coldkey_is_encrypted().unwrap());
    let needs = wallet.coldkey(None).unwrap_err();
    assert!(matches!(needs, WalletError::Keyfile { source: KeyfileError::PasswordNeeded, .. }), "{needs}");
    let opened = wallet.coldkey(Some(PASSWORD)).unwrap();
    assert_eq!(opened.account_id().to_string(), "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV");
}

/// Each at its real price, once more for the wrong password.
#[test]
fn encryptions_of_old_versions_open_and_are_renewed() {
    let directory = TempDir::new().unwrap();
    let wallet = Wallet::new(directory.path(), "old").unwrap();
    fs::create_dir(wallet.directory()).unwrap();
    for (file, encryption) in
        [("legacy_vault_coldkey", Encryption::Vault), ("legacy_fernet_coldkey", Encryption::Fernet)]
    {
        fs::copy(recorded().with_file_name(file), wallet.coldkey_path()).unwrap();
        assert_eq!(wallet.coldkey_encryption().unwrap(), Some(encryption));
        let opened = wallet.coldkey(Some(PASSWORD)).unwrap();
        assert_eq!(opened.account_id().to_string(), "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV");
        let wrong = wallet.coldkey(Some("wrong")).unwrap_err();
        assert!(matches!(wrong, WalletError::Keyfile { source: KeyfileError::WrongPassword, .. }), "{wrong}");
    }
    wallet.protect_coldkey(Some(PASSWORD), Protection::Plain).unwrap();
    assert_eq!(wallet.coldkey_encryption().unwrap(), None);
    let renewed = json(wallet.coldkey_path());
    assert_eq!(renewed["secretPhrase"], "bottom drive obey lake curtain smoke basket hold race lonely fit walk");
    // The public half, which early versions did not write, is there now.
    assert_eq!(json(wallet.coldkeypub_path())["ss58Address"], renewed["ss58Address"]);
}

/// Pays the real price of a password five times.
#[test]
fn another_password_takes_the_place_of_the_old_one() {
    let (_directory, wallet) = with_hotkey();
    let before = fs::read(wallet.hotkey_path("h").unwrap()).unwrap();
    wallet.protect_hotkey("h", None, Protection::Password("first")).unwrap();
    let sealed = fs::read(wallet.hotkey_path("h").unwrap()).unwrap();
    assert!(sealed.starts_with(b"$NACL"));
    let wrong = wallet.protect_hotkey("h", Some("other"), Protection::Plain).unwrap_err();
    assert!(matches!(wrong, WalletError::Keyfile { source: KeyfileError::WrongPassword, .. }), "{wrong}");
    let unasked = wallet.protect_hotkey("h", None, Protection::Plain).unwrap_err();
    assert!(matches!(unasked, WalletError::Keyfile { source: KeyfileError::PasswordNeeded, .. }), "{unasked}");
    let empty = wallet.protect_hotkey("h", Some("first"), Protection::Password("")).unwrap_err();
    assert!(matches!(empty, WalletError::Keyfile { source: KeyfileError::EmptyPassword, .. }), "{empty}");
    assert_eq!(fs::read(wallet.hotkey_path("h").unwrap()).unwrap(), sealed, "what failed changed nothing");
    wallet.protect_hotkey("h", Some("first"), Protection::Plain).unwrap();
    assert_eq!(fs::read(wallet.hotkey_path("h").unwrap()).unwrap(), before);
    assert_eq!(mode(&wallet.hotkey_path("h").unwrap()), 0o600);
}

#[test]
fn files_and_directories_are_private() {
    let (directory, wallet) = with_hotkey();
    wallet.create_coldkey(&key(2), Protection::Plain, Existing::Keep).unwrap();
    for directory in [wallet.directory(), wallet.directory().join("hotkeys")] {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
    }
    for file in [
        wallet.coldkey_path(),
        wallet.coldkeypub_path(),
        wallet.hotkey_path("h").unwrap(),
        wallet.hotkeypub_path("h").unwrap(),
    ] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let left: BTreeSet<_> = walk(directory.path());
    assert_eq!(left.len(), 4, "no unfinished file may stay behind: {left:?}");
}

#[test]
fn folders_that_are_links_are_refused() {
    let (directory, wallet) = with_hotkey();
    let refused = |wallet: &Wallet, link: &Path| {
        for result in [
            wallet.hotkey("h", None).map(drop),
            wallet.hotkeypub("h").map(drop),
            wallet.hotkeys().map(drop),
            wallet.create_hotkey("new", &key(2), Protection::Plain, Existing::Replace),
            wallet.create_coldkey(&key(2), Protection::Plain, Existing::Replace),
            wallet.protect_hotkey("h", None, Protection::Plain),
            Backup::of(wallet).map(drop),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(&error, WalletError::Symlink { path } if path == link), "{error}");
        }
    };
    let (hotkeys, elsewhere) = (wallet.directory().join("hotkeys"), directory.path().join("elsewhere"));
    fs::rename(&hotkeys, &elsewhere).unwrap();
    symlink(&elsewhere, &hotkeys).unwrap();
    refused(&wallet, &hotkeys);
    fs::remove_file(&hotkeys).unwrap();
    fs::rename(&elsewhere, &hotkeys).unwrap();
    let linked = directory.path().join("linked");
    symlink(wallet.directory(), &linked).unwrap();
    refused(&Wallet::new(directory.path(), "linked").unwrap(), &linked);
    // The wallet directory itself may be one: people keep it on another disk.
    let root = directory.path().join("root");
    symlink(directory.path(), &root).unwrap();
    Wallet::new(&root, "w").unwrap().hotkey("h", None).unwrap();
}

#[test]
fn a_public_file_with_a_secret_in_it_is_refused() {
    let (_directory, wallet) = with_hotkey();
    // A bare public key would read as a seed, and its account be one that everybody has the key of.
    let bare = format!("0x{}", hex::encode(key(1).public().account_id.as_bytes()));
    for content in [key(1).to_plain().to_vec(), bare.into_bytes()] {
        fs::write(wallet.hotkeypub_path("h").unwrap(), content).unwrap();
        let error = wallet.hotkeypub("h").unwrap_err();
        assert!(matches!(error, WalletError::Keyfile { source: KeyfileError::SecretInPublic, .. }), "{error}");
        assert!(wallet.hotkey("h", None).is_err());
    }
}

fn walk(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { BTreeSet::from([path]) }).collect()
}

#[test]
fn nothing_is_overwritten_unasked() {
    let (_directory, wallet) = with_hotkey();
    wallet.create_coldkey(&key(1), Protection::Plain, Existing::Keep).unwrap();
    for error in [
        wallet.create_hotkey("h", &key(2), Protection::Plain, Existing::Keep).unwrap_err(),
        wallet.create_coldkey(&key(2), Protection::Plain, Existing::Keep).unwrap_err(),
    ] {
        assert!(matches!(error, WalletError::AlreadyExists { .. }), "{error}");
    }
    assert_eq!(wallet.hotkey("h", None).unwrap().account_id(), key(1).public().account_id);
    assert_eq!(wallet.coldkey(None).unwrap().account_id(), key(1).public().account_id);

    wallet.create_hotkey("h", &key(2), Protection::Plain, Existing::Replace).unwrap();
    assert_eq!(wallet.hotkey("h", None).unwrap().account_id(), key(2).public().account_id);
    assert_eq!(wallet.hotkeypub("h").unwrap(), key(2).public());
}

#[test]
fn a_lone_public_file_is_joined_by_its_own_key_only() {
    let directory = copied();
    let wallet = Wallet::new(directory.path(), "pubonly").unwrap();
    let error = wallet.create_coldkey(&key(1), Protection::Plain, Existing::Keep).unwrap_err();
    assert!(matches!(error, WalletError::AlreadyExists { path } if path.ends_with("coldkeypub.txt")));
    assert!(!wallet.has_coldkey());
    let alice = StoredKey::from_keypair(Keypair::from_uri("//Alice").unwrap());
    wallet.create_coldkey(&alice, Protection::Plain, Existing::Keep).unwrap();
    assert_eq!(wallet.coldkey(None).unwrap().account_id(), alice.public().account_id);
}

#[test]
fn of_many_creators_at_once_one_wins_and_its_key_is_whole() {
    let directory = TempDir::new().unwrap();
    let wallet = Wallet::new(directory.path(), "w").unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let create = |byte| wallet.create_hotkey("h", &key(byte), Protection::Plain, Existing::Keep);
        let threads: Vec<_> = (0..8).map(|byte| scope.spawn(move || (byte, create(byte)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).map(|(byte, _)| *byte).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(wallet.hotkey("h", None).unwrap().account_id(), key(winners[0]).public().account_id);
    assert_eq!(wallet.hotkeypub("h").unwrap(), key(winners[0]).public());
}

#[test]
fn missing_files_say_so() {
    let directory = TempDir::new().unwrap();
    let wallet = Wallet::new(directory.path(), "w").unwrap();
    for error in [
        wallet.coldkey(None).unwrap_err(),
        wallet.hotkey("h", None).unwrap_err(),
        wallet.coldkeypub().unwrap_err(),
        wallet.hotkeypub("h").unwrap_err(),
    ] {
        assert!(matches!(error, WalletError::Missing { .. }), "{error}");
    }
    assert!(Wallet::list(directory.path().join("none")).unwrap().is_empty());
    assert!(wallet.hotkeys().unwrap().is_empty());
}

#[test]
fn damaged_and_foreign_files_are_told_apart() {
    let (_directory, wallet) = with_hotkey();
    let path = wallet.hotkey_path("h").unwrap();
    let good = fs::read(&path).unwrap();
    let check = |bytes: &[u8], wanted: fn(&KeyfileError) -> bool| {
        fs::write(&path, bytes).unwrap();
        match wallet.hotkey("h", None).unwrap_err() {
            WalletError::Keyfile { path: named, source } => {
                assert_eq!(named, path);
                assert!(wanted(&source), "{source}");
            }
            other => panic!("{other}"),
        }
    };
    check(b"", |error| *error == KeyfileError::Empty);
    check(&good[..good.len() / 2], |error| matches!(error, KeyfileError::Truncated { .. }));
    check(b"$NACLabc", |error| matches!(error, KeyfileError::Truncated { .. }));
    check(b"ssh-ed25519 AAAA", |error| matches!(error, KeyfileError::Foreign { .. }));
    check(&vec![b' '; 1 << 20], |error| *error == KeyfileError::TooLarge);
    check(&key(1).public().to_bytes(), |error| *error == KeyfileError::PublicOnly);
    check(b"$ANSIBLE_VAULT;9;ROT13\n61", |error| matches!(error, KeyfileError::Legacy { .. }));
    check(b"gAAAAA", |error| matches!(error, KeyfileError::Truncated { .. }));
    fs::write(&path, &good).unwrap();
    wallet.hotkey("h", None).unwrap();
}

#[test]
fn links_pipes_and_directories_are_no_key_files() {
    let (directory, wallet) = with_hotkey();
    let (path, moved) = (wallet.hotkey_path("h").unwrap(), directory.path().join("moved"));
    fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    let error = wallet.hotkey("h", None).unwrap_err();
    assert!(matches!(error, WalletError::Symlink { .. }), "{error}");
    // Nor is one written through, and replacing replaces the link itself.
    let error = wallet.create_hotkey("h", &key(2), Protection::Plain, Existing::Keep).unwrap_err();
    assert!(matches!(error, WalletError::AlreadyExists { .. }), "{error}");
    wallet.create_hotkey("h", &key(2), Protection::Plain, Existing::Replace).unwrap();
    assert_eq!(read_keyfile(&moved, None).unwrap().public(), key(1).public());
    assert_eq!(wallet.hotkey("h", None).unwrap().account_id(), key(2).public().account_id);

    let dangling = wallet.hotkey_path("dangling").unwrap();
    symlink("/nowhere", &dangling).unwrap();
    assert!(matches!(wallet.hotkey("dangling", None), Err(WalletError::Symlink { .. })));
    assert!(matches!(
        wallet.create_hotkey("dangling", &key(3), Protection::Plain, Existing::Keep),
        Err(WalletError::AlreadyExists { .. })
    ));
    let pipe = wallet.hotkey_path("pipe").unwrap();
    assert!(std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    assert!(matches!(wallet.hotkey("pipe", None), Err(WalletError::NotAFile { .. })));
    fs::create_dir(wallet.hotkey_path("folder").unwrap()).unwrap();
    assert!(matches!(wallet.hotkey("folder", None), Err(WalletError::NotAFile { .. })));
    assert_eq!(wallet.hotkeys().unwrap(), ["dangling", "h", "pipe"]);
}

#[test]
fn what_others_can_get_at_is_told_and_still_read() {
    let (_directory, wallet) = with_hotkey();
    let path = wallet.hotkey_path("h").unwrap();
    assert_eq!(wallet.exposed_hotkey("h").unwrap(), []);
    for open in [0o640, 0o604, 0o620] {
        chmod(&path, open);
        let exposed = wallet.exposed_hotkey("h").unwrap();
        assert_eq!(
            exposed.iter().map(|it| (&it.path, it.mode, it.is_directory)).collect::<Vec<_>>(),
            [(&path, open, false)]
        );
        assert!(exposed[0].is_serious() && exposed[0].to_string().contains("chmod 600"), "{}", exposed[0]);
        wallet.hotkey("h", None).unwrap();
    }
    chmod(&path, 0o400);
    // As version 4.1 of Bittensor's wallet leaves folders; writable they let others exchange what is in them.
    for (open, serious) in [(0o755, false), (0o777, true)] {
        chmod(path.parent().unwrap(), open);
        let exposed = wallet.exposed_hotkey("h").unwrap();
        assert_eq!(exposed.iter().map(|it| (it.mode, it.is_directory)).collect::<Vec<_>>(), [(open, true)]);
        assert_eq!(exposed[0].is_serious(), serious);
        assert!(exposed[0].to_string().contains("chmod 700"), "{}", exposed[0]);
    }
    chmod(path.parent().unwrap(), 0o700);
    // Public halves may be open: they are public.
    chmod(&wallet.hotkeypub_path("h").unwrap(), 0o644);
    assert_eq!(wallet.exposed_hotkey("h").unwrap(), []);
}

#[test]
fn denied_access_is_named() {
    let (_directory, wallet) = with_hotkey();
    let path = wallet.hotkey_path("h").unwrap();
    chmod(&path, 0o000);
    match wallet.hotkey("h", None) {
        Err(WalletError::PermissionDenied { path: named, .. }) => assert_eq!(named, path),
        // Root may read everything: then there is no denial to name, and the key must still load.
        Ok(_) => assert!(fs::File::open(&path).is_ok()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_exchanged_public_file_is_noticed() {
    let (_directory, wallet) = with_hotkey();
    fs::write(wallet.hotkeypub_path("h").unwrap(), key(2).public().to_bytes()).unwrap();
    match wallet.hotkey("h", None).unwrap_err() {
        WalletError::PublicMismatch { stated, actual, .. } => {
            assert_eq!((stated, actual), (key(2).public().account_id, key(1).public().account_id));
        }
        other => panic!("{other}"),
    }
    // Without the public file, as early versions left it, the key speaks for itself.
    fs::remove_file(wallet.hotkeypub_path("h").unwrap()).unwrap();
    wallet.hotkey("h", None).unwrap();
    assert_eq!(wallet.hotkeypub("h").unwrap(), key(1).public());
}

#[test]
fn unfinished_files_of_a_killed_process_are_not_listed_and_go_with_the_next_write() {
    let (directory, wallet) = with_hotkey();
    let left = wallet.directory().join("hotkeys/.unfinished-a1B2c3");
    fs::write(&left, b"{").unwrap();
    assert_eq!(wallet.hotkeys().unwrap(), ["h"]);
    wallet.create_hotkey("i", &key(2), Protection::Plain, Existing::Keep).unwrap();
    assert!(!left.exists());
    assert_eq!(walk(directory.path()).len(), 4);
}

#[test]
fn public_files_parse_as_public() {
    let bytes = fs::read(recorded().join("ed/coldkeypub.txt")).unwrap();
    let Content::Public(PublicKey { crypto_type, .. }) = parse(&bytes).unwrap() else { panic!("must be public") };
    assert_eq!(crypto_type, CryptoType::Ed25519);
}
