//! The built binary, as a person or a script runs it.

#![expect(clippy::unwrap_used, reason = "set-up outside of test functions may fail loudly too")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
const PHRASE_SS58: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

/// Runs `keys` on a wallet directory, with `input` on standard input and nothing of this environment.
fn keys_fed(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keys"))
        .args(arguments)
        .env_clear()
        .env("BT_WALLET_PATH", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed unread where the command fails before it asks; that is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn keys(directory: &Path, arguments: &[&str]) -> Output {
    keys_fed(directory, arguments, "")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn done(output: Output) -> String {
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output)
}

fn json(output: Output) -> Value {
    serde_json::from_str(&done(output)).unwrap()
}

/// The variable in which Bittensor's clients keep the password of a key file.
fn variable_of(path: &Path) -> String {
    format!("BT_PW_{}", path.to_str().unwrap().replace(['/', '.'], "_").to_uppercase())
}

/// A password as `save_password_to_env` of Bittensor's wallet puts it into that variable.
fn hidden(name: &str, password: &str) -> String {
    use base64::Engine;
    let hidden: Vec<_> = password.bytes().zip(name.bytes().cycle()).map(|(byte, key)| byte ^ key).collect();
    base64::engine::general_purpose::STANDARD.encode(hidden)
}

/// A directory with wallet `alice` (from //Alice, plain) and its hotkey `miner` (from the phrase).
fn prepared() -> TempDir {
    let directory = TempDir::new().unwrap();
    let coldkey = ["regen", "coldkey", "--from", "uri", "--secret-fd", "0", "--no-password", "-w", "alice"];
    done(keys_fed(directory.path(), &coldkey, "//Alice\n"));
    let hotkey = ["regen", "hotkey", "--from", "mnemonic", "--secret-fd", "0", "-w", "alice", "-H", "miner"];
    done(keys_fed(directory.path(), &hotkey, PHRASE));
    directory
}

#[test]
fn help_opens_with_an_example_and_fits_a_screen() {
    let directory = TempDir::new().unwrap();
    let help = done(keys(directory.path(), &["--help"]));
    insta::assert_snapshot!("help", help);
    assert!(help.starts_with("Example:\n  keys new"));
    assert!(help.lines().count() <= 40, "{} lines", help.lines().count());
    for verb in ["new", "regen", "list", "show", "sign", "verify", "passwd", "backup", "restore"] {
        let help = done(keys(directory.path(), &[verb, "--help"]));
        assert!(help.lines().count() <= 40, "{verb}: {} lines", help.lines().count());
    }
}

#[test]
fn new_makes_both_keys_and_shows_the_phrases_once() {
    let directory = TempDir::new().unwrap();
    let made = keys(directory.path(), &["new", "-w", "bob", "-H", "miner", "--no-password", "--json"]);
    assert!(stderr(&made).contains("not shown again"));
    let made = json(made);
    assert_eq!(made["wallet"], "bob");
    let made = made["made"].as_array().unwrap().clone();
    assert_eq!(made.iter().map(|key| key["role"].as_str().unwrap()).collect::<Vec<_>>(), ["coldkey", "hotkey"]);
    for key in &made {
        assert_eq!(key["storage"], "plain");
        let phrase = key["mnemonic"].as_str().unwrap();
        let made_again = keys::Keypair::from_mnemonic(phrase).unwrap();
        assert_eq!(key["ss58"], made_again.account_id().to_string());
        let mode = fs::metadata(key["path"].as_str().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    for later in ["list", "show"] {
        let shown = done(keys(directory.path(), &[later, "-w", "bob"]));
        assert!(shown.contains(made[0]["ss58"].as_str().unwrap()));
        assert!(!shown.contains(made[0]["mnemonic"].as_str().unwrap()));
    }
}

#[test]
fn new_adds_a_hotkey_and_never_overwrites() {
    let directory = prepared();
    let before = fs::read(directory.path().join("alice/coldkey")).unwrap();
    let text = done(keys(directory.path(), &["new", "-w", "alice", "-H", "second", "--words", "24"]));
    assert!(text.starts_with("hotkey second"), "{text}");
    let phrase = text.lines().find_map(|line| line.trim().strip_prefix("phrase")).unwrap();
    assert_eq!(phrase.split_whitespace().count(), 24);
    let again = keys(directory.path(), &["new", "-w", "alice", "-H", "second", "--no-password"]);
    assert_eq!(code(&again), 1);
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
    assert_eq!(fs::read(directory.path().join("alice/coldkey")).unwrap(), before);
}

#[test]
fn list_and_show_agree_with_the_files() {
    let directory = prepared();
    let list = json(keys(directory.path(), &["list", "--json"]));
    assert_eq!(list["wallet_path"], directory.path().to_str().unwrap());
    let wallet = &list["wallets"][0];
    assert_eq!((&wallet["name"], &wallet["coldkey"]["ss58"]), (&"alice".into(), &ALICE.into()));
    assert_eq!(wallet["hotkeys"][0]["ss58"], PHRASE_SS58);

    let show = json(keys(directory.path(), &["show", "-w", "alice", "--json"]));
    assert_eq!(show["coldkey"], wallet["coldkey"]);
    assert_eq!(show["hotkeys"], wallet["hotkeys"]);
    assert_eq!(show["hotkeys"][0]["crypto_type"], "sr25519");

    let empty = keys(&directory.path().join("none"), &["list"]);
    assert!(stderr(&empty).contains("keys new"));
    assert_eq!(done(empty), "");
    let absent = keys(directory.path(), &["show", "-w", "nobody"]);
    assert_eq!(code(&absent), 1);
    assert!(stderr(&absent).contains("nobody does not exist"), "{}", stderr(&absent));
}

#[test]
fn list_goes_on_past_what_it_cannot_read() {
    let directory = prepared();
    fs::write(directory.path().join("note"), b"no wallet").unwrap();
    std::os::unix::fs::symlink(directory.path().join("note"), directory.path().join("astray")).unwrap();
    fs::create_dir_all(directory.path().join("half/hotkeys")).unwrap();
    fs::write(directory.path().join("half/hotkeys/cut"), b"{\"acc").unwrap();
    fs::set_permissions(directory.path().join("half/hotkeys/cut"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = done(keys(directory.path(), &["list"]));
    assert!(text.contains(ALICE) && text.contains(PHRASE_SS58), "{text}");
    assert!(text.contains("cut short") && text.contains("astray"), "{text}");
}

#[test]
fn show_fails_on_an_exchanged_public_file() {
    let directory = prepared();
    let hotkeys = directory.path().join("alice/hotkeys");
    fs::copy(directory.path().join("alice/coldkeypub.txt"), hotkeys.join("minerpub.txt")).unwrap();
    let shown = keys(directory.path(), &["show", "-w", "alice"]);
    assert_eq!(code(&shown), 1);
    assert!(stdout(&shown).contains("exchanged"), "{}", stdout(&shown));
}

#[test]
fn sign_and_verify_close_the_circle() {
    let directory = prepared();
    let sign = |extra: &[&str]| {
        let arguments = [&["sign", "hello", "-w", "alice", "-H", "miner", "--json"], extra].concat();
        json(keys(directory.path(), &arguments))
    };
    for (extra, account) in [(&[][..], ALICE), (&["--use-hotkey"], PHRASE_SS58)] {
        let signed = sign(extra);
        assert_eq!(signed["ss58"], account);
        let signature = signed["signature"].as_str().unwrap();
        let verify = |message: &str, signature: &str, account: &str| {
            keys(directory.path(), &["verify", message, "--signature", signature, "--ss58", account])
        };
        assert!(done(verify("hello", signature, account)).starts_with("valid"));
        assert!(done(verify("hello", &format!("sr25519:{signature}"), account)).starts_with("valid"));
        for bad in [
            verify("hullo", signature, account),
            verify("hello", signature, "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"),
            verify("hello", &format!("ed25519:{signature}"), account),
        ] {
            assert_eq!(code(&bad), 3);
            assert!(stdout(&bad).starts_with("NOT valid"));
        }
        let spelled = keys(
            directory.path(),
            &["verify", "0x68656c6c6f", "--hex", "--signature", signature, "--ss58", account, "--json"],
        );
        assert_eq!(json(spelled)["valid"], true);
    }
}

#[test]
fn regen_takes_each_source() {
    let directory = TempDir::new().unwrap();
    let seed = "0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e";
    for (source, secret) in [("mnemonic", PHRASE), ("seed", seed), ("uri", PHRASE)] {
        let arguments = ["regen", "hotkey", "--from", source, "--secret-fd", "0", "-H", source, "--json"];
        assert_eq!(json(keys_fed(directory.path(), &arguments, secret))["ss58"], PHRASE_SS58, "{source}");
    }
    let file = directory.path().join("default/hotkeys/seed");
    let arguments = ["regen", "hotkey", "--from", "file", "--file", file.to_str().unwrap(), "-H", "copy", "--json"];
    assert_eq!(json(keys(directory.path(), &arguments))["ss58"], PHRASE_SS58);

    // There already: kept, unless told twice.
    let overwrite = ["regen", "hotkey", "--from", "uri", "--secret-fd", "0", "-H", "copy", "--overwrite", "--yes"];
    let kept = keys_fed(directory.path(), &overwrite[..8], "//Alice");
    assert_eq!((code(&kept), stderr(&kept).contains("exists already")), (1, true), "{}", stderr(&kept));
    let unconfirmed = keys_fed(directory.path(), &overwrite[..9], "//Alice");
    assert_eq!((code(&unconfirmed), stderr(&unconfirmed).contains("--yes")), (2, true));
    let replaced = done(keys_fed(directory.path(), &overwrite, "//Alice"));
    assert!(replaced.contains(ALICE));
}

#[test]
fn secrets_in_errors_stay_hidden() {
    let directory = TempDir::new().unwrap();
    for (source, secret) in [
        ("mnemonic", PHRASE.replace("walk", "gloomy")),
        ("seed", "0xdeadbeefdeadbeefg".to_owned()),
        ("uri", PHRASE.replace("walk", "gloomy")),
    ] {
        let arguments = ["regen", "hotkey", "--from", source, "--secret-fd", "0"];
        let failed = keys_fed(directory.path(), &arguments, &secret);
        assert_eq!(code(&failed), 1, "{source}");
        let told = stderr(&failed) + &stdout(&failed);
        assert!(told.contains("error: "), "{told}");
        for part in ["gloomy", "deadbeef", "bottom"] {
            assert!(!told.contains(part), "{told}");
        }
    }
}

#[test]
fn bad_usage_exits_with_two() {
    let directory = prepared();
    fs::write(directory.path().join("broken.toml"), "wallet = [").unwrap();
    let broken = directory.path().join("broken.toml");
    let signature = "ab".repeat(64);
    for (arguments, part) in [
        (&["frob"][..], "frob"),
        (&["new", "--words", "13"], "13"),
        (&["show", "-w", "../alice"], "../alice"),
        (&["new", "-w", "carol", "-H", "xpub.txt", "--no-password"], "xpub.txt"),
        (&["new", "-w", "carol"], "--password-fd"),
        (&["new", "-w", "carol", "--no-password", "--encrypt-hotkey"], "--hotkey-password-fd"),
        (&["regen", "coldkey", "--from", "seed", "-w", "carol", "--encrypt-hotkey"], "--encrypt-hotkey"),
        (&["regen", "hotkey", "--from", "seed", "-H", "n"], "--secret-fd"),
        (&["regen", "hotkey", "--from", "file", "-H", "n"], "--file"),
        (&["sign", "0xzz", "--hex", "-w", "alice"], "0xzz"),
        (&["verify", "m", "--signature", "0x12", "--ss58", ALICE], "0x12"),
        (
            &["verify", "m", "--signature", &signature, "--ss58", "1FRMM8PEiWXYax7rpS6X4XZX1aAAxSWx1CrKTyrVYhV24fg"],
            "prefix 0",
        ),
        (&["new", "-w", "carol", "--crypto-type", "ecdsa"], "ecdsa"),
        (&["list", "--config", broken.to_str().unwrap()], "broken.toml"),
        (&["list", "--config", "/nowhere.toml"], "/nowhere.toml"),
    ] {
        let output = keys(directory.path(), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
    assert!(!directory.path().join("carol").exists(), "bad usage leaves nothing behind");
}

#[test]
fn the_configuration_file_comes_after_flags_and_environment() {
    let directory = prepared();
    let config = directory.path().join("narrows.toml");
    fs::write(&config, "network = 'local'\nwallet = 'alice'\nwallet_path = '/elsewhere'\n").unwrap();
    let config = config.to_str().unwrap();
    // The directory is in the environment, the wallet's name only in the file.
    let shown = json(keys(directory.path(), &["show", "--config", config, "--json"]));
    assert_eq!(shown["coldkey"]["ss58"], ALICE);
    let flagged = keys(directory.path(), &["show", "-w", "other", "--config", config]);
    assert_eq!(code(&flagged), 1);
}

#[test]
fn list_is_the_tree_that_people_know() {
    let directory = prepared();
    done(keys_fed(directory.path(), &["regen", "hotkey", "--from", "uri", "--secret-fd", "0", "-w", "bob"], "//Bob"));
    let tree = format!(
        "Wallets\n\
         ├── Coldkey alice  ss58_address {ALICE}  plain\n\
         │   └── Hotkey miner  ss58_address {PHRASE_SS58}  plain\n\
         └── Coldkey bob  ss58_address ?  elsewhere\n\
         \u{20}   └── Hotkey default  ss58_address 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty  plain\n"
    );
    assert_eq!(done(keys(directory.path(), &["list"])), tree);
    // A neuron's machine need not have the coldkey.
    done(keys(directory.path(), &["show", "-w", "bob"]));
}

#[test]
fn what_will_be_written_is_said_before_secrets_are_asked_for() {
    let directory = TempDir::new().unwrap();
    let asked = keys(directory.path(), &["new", "-w", "carol"]);
    let told = stderr(&asked);
    let (plan, error) = (told.find("This writes").unwrap(), told.find("error: ").unwrap());
    assert!(plan < error, "{told}");
    for file in ["carol/coldkey ", "carol/coldkeypub.txt ", "carol/hotkeys/default ", "carol/hotkeys/defaultpub.txt "] {
        assert!(told.contains(file), "{told}");
    }
    assert!(!directory.path().join("carol").exists());
    let quiet = keys(directory.path(), &["new", "-w", "carol", "--no-password", "-q"]);
    assert!(
        !stderr(&quiet).contains("This writes") && stderr(&quiet).contains("not shown again"),
        "{}",
        stderr(&quiet)
    );
}

#[test]
fn passwords_that_are_easy_to_guess_are_refused() {
    let directory = prepared();
    for (arguments, weak) in [
        (&["new", "-w", "weak", "--password-fd", "0"][..], "password1"),
        (&["passwd", "-w", "alice", "--new-password-fd", "0"], "alicealice"),
        (&["backup", "alice.backup", "-w", "alice", "--password-fd", "0"], "alice2024"),
    ] {
        let refused = keys_fed(directory.path(), arguments, weak);
        assert_eq!(code(&refused), 2, "{arguments:?}: {}", stderr(&refused));
        assert!(
            stderr(&refused).contains("--weak-password") && !stderr(&refused).contains(weak),
            "{}",
            stderr(&refused)
        );
    }
    assert!(!directory.path().join("weak").exists());
    assert!(!Path::new("alice.backup").exists());
    assert_eq!(json(keys(directory.path(), &["show", "-w", "alice", "--json"]))["coldkey"]["storage"], "plain");
}

#[test]
fn permissions_that_are_too_wide_get_a_hint() {
    let directory = prepared();
    let path = directory.path().join("alice/hotkeys/miner");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let signed = keys(directory.path(), &["sign", "m", "--use-hotkey", "-w", "alice", "-H", "miner"]);
    assert!(stderr(&signed).contains("warning: ") && stderr(&signed).contains("chmod 600"), "{}", stderr(&signed));
    done(signed);
    let shown = json(keys(directory.path(), &["show", "-w", "alice", "--json"]));
    assert!(shown["hotkeys"][0]["hints"][0].as_str().unwrap().contains("chmod 600"), "{shown}");
    assert!(shown["coldkey"].get("hints").is_none());
}

/// Pays the price of a password five times: sealed and checked, opened by each of the variables, opened to store it plain.
#[test]
fn passwords_are_changed_and_found_where_the_clients_leave_them() {
    let directory = prepared();
    let first = "Grünkohl-42 & a gate";
    done(keys_fed(directory.path(), &["passwd", "-w", "alice", "--new-password-fd", "0"], first));
    let path = directory.path().join("alice/coldkey");
    assert!(fs::read(&path).unwrap().starts_with(b"$NACL"));

    let name = variable_of(&path);
    let hidden = hidden(&name, first);
    let with_variable = |arguments: &[&str], value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keys"));
        command.args(arguments).env_clear().env("BT_WALLET_PATH", directory.path()).env(&name, value);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let signed = json(with_variable(&["sign", "m", "-w", "alice", "--json"], &hidden));
    assert_eq!(signed["ss58"], ALICE);
    let mut bare = Command::new(env!("CARGO_BIN_EXE_keys"));
    bare.args(["sign", "m", "-w", "alice", "--json"]).env_clear().env("BT_WALLET_PATH", directory.path());
    bare.env("BT_WALLET_PASSWORD", first).stdin(Stdio::null());
    assert_eq!(json(bare.output().unwrap())["ss58"], ALICE);
    let garbled = with_variable(&["sign", "m", "-w", "alice"], "no base64!");
    assert_eq!(code(&garbled), 2);
    assert!(stderr(&garbled).contains(&name), "{}", stderr(&garbled));

    let plain = json(with_variable(&["passwd", "-w", "alice", "--no-password", "--json"], &hidden));
    assert_eq!((&plain["storage"], &plain["ss58"]), (&"plain".into(), &ALICE.into()));
}

/// Pays the price of a password three times.
#[test]
fn a_wallet_is_backed_up_and_restored() {
    let directory = prepared();
    let file = directory.path().join("alice.backup");
    let file = file.to_str().unwrap();
    let password = "Grünkohl-42 & a gate";
    let backup = ["backup", file, "-w", "alice", "--password-fd", "0", "--json"];
    let made = json(keys_fed(directory.path(), &backup, password));
    assert_eq!(
        made["files"],
        serde_json::json!(["coldkey", "coldkeypub.txt", "hotkeys/miner", "hotkeys/minerpub.txt"])
    );
    let again = keys_fed(directory.path(), &backup, password);
    assert_eq!((code(&again), stderr(&again).contains("exists already")), (1, true), "{}", stderr(&again));

    let restore = ["restore", file, "--password-fd", "0", "-w", "copy", "--json"];
    let restored = json(keys_fed(directory.path(), &restore, password));
    assert_eq!((&restored["wallet"], &restored["replaced"]), (&"copy".into(), &Value::Null));
    for path in ["coldkey", "hotkeys/miner"] {
        let (one, two) = (directory.path().join("alice").join(path), directory.path().join("copy").join(path));
        assert_eq!(fs::read(one).unwrap(), fs::read(two).unwrap());
    }
    let absent = keys(directory.path(), &["backup", "x", "-w", "nobody"]);
    assert_eq!((code(&absent), stderr(&absent).contains("nobody does not exist")), (1, true));
}

/// Pays the real price of a password (512 MiB, seconds) three times: once to seal, twice to open.
#[test]
fn a_password_protects_the_coldkey() {
    let directory = TempDir::new().unwrap();
    let new =
        keys_fed(directory.path(), &["new", "-w", "carol", "--password-fd", "0", "--json"], "Grünkohl-42 & s3crét\n");
    let made = json(new);
    assert_eq!((&made["made"][0]["storage"], &made["made"][1]["storage"]), (&"encrypted".into(), &"plain".into()));
    let file = fs::read(directory.path().join("carol/coldkey")).unwrap();
    assert!(file.starts_with(b"$NACL"));

    let sign = ["sign", "m", "-w", "carol", "--password-fd", "0", "--json"];
    let signed = json(keys_fed(directory.path(), &sign, "Grünkohl-42 & s3crét"));
    assert_eq!(signed["ss58"], made["made"][0]["ss58"]);
    let wrong = keys_fed(directory.path(), &sign, "secret");
    assert_eq!(code(&wrong), 1);
    assert!(stderr(&wrong).contains("password is wrong"), "{}", stderr(&wrong));
    let unasked = keys(directory.path(), &["sign", "m", "-w", "carol"]);
    assert_eq!(code(&unasked), 2);
    let empty = keys_fed(directory.path(), &["new", "-w", "dave", "--password-fd", "0"], "\n");
    assert_eq!(code(&empty), 2, "{}", stderr(&empty));
    assert!(!directory.path().join("dave/coldkey").exists());
}

#[test]
fn a_key_file_named_as_configuration_is_not_quoted() {
    let directory = prepared();
    let hotkey = directory.path().join("alice/hotkeys/miner");
    let secret = fs::read_to_string(&hotkey).unwrap();
    let phrase: Value = serde_json::from_str(&secret).unwrap();
    let output = keys(directory.path(), &["list", "--config", hotkey.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(said.contains("line 1"), "{said}");
    for field in ["secretPhrase", "secretSeed", "privateKey"] {
        assert!(phrase[field].as_str().is_some_and(|value| !said.contains(value)), "{field}");
    }
}

#[test]
fn whoever_hangs_up_gets_no_success_but_from_a_list() {
    let directory = prepared();
    let into_nothing = |arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keys"))
            .args(arguments)
            .env_clear()
            .env("BT_WALLET_PATH", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Before it has had time to write anything: whatever it writes meets a closed pipe.
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    };
    let signature = format!("0x{}", "00".repeat(64));
    assert_ne!(code(&into_nothing(&["verify", "m", "--signature", &signature, "--ss58", ALICE])), 0);
    let made = into_nothing(&["new", "-w", "carol", "--no-password", "--yes"]);
    assert_ne!(code(&made), 0);
    assert!(stderr(&made).contains("phrases could not be shown"), "{}", stderr(&made));
    assert!(directory.path().join("carol/coldkey").exists());
}

#[test]
fn a_descriptor_gives_one_secret_only() {
    let directory = prepared();
    for arguments in [
        &["new", "-w", "bob", "--password-fd", "0", "--hotkey-password-fd", "0"][..],
        &["regen", "coldkey", "--from", "seed", "-w", "bob", "--secret-fd", "0", "--password-fd", "0"],
        &["regen", "hotkey", "--from", "seed", "-w", "bob", "--secret-fd", "0", "--hotkey-password-fd", "0"],
        &["passwd", "-w", "alice", "--password-fd", "0", "--new-password-fd", "0"],
    ] {
        let refused = keys_fed(directory.path(), arguments, "Grünkohl-42 & a gate");
        assert_eq!(code(&refused), 2, "{arguments:?}: {}", stderr(&refused));
        let said = stderr(&refused);
        assert!(said.contains("file descriptor 0") && said.contains("give each its own"), "{said}");
        for flag in arguments.iter().filter(|argument| argument.ends_with("-fd")) {
            assert!(said.contains(flag), "{said}");
        }
    }
    assert!(!directory.path().join("bob").exists());
}

/// Runs a line of shell in which `$keys` is `keys`, so that descriptors can be opened by their numbers.
fn shell(directory: &Path, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(directory).env("keys", env!("CARGO_BIN_EXE_keys"));
    command.env("BT_WALLET_PATH", directory).stdin(Stdio::null()).output().unwrap()
}

/// Pays the price of a password six times: two sealed, one opened and sealed again, two opened.
#[test]
fn a_hotkey_is_made_under_a_password_of_its_own() {
    let directory = TempDir::new().unwrap();
    let (cold, hot) = ("Grünkohl-42 & a gate", "Wirsing-17 & 2 doors");
    fs::write(directory.path().join("cold"), cold).unwrap();
    fs::write(directory.path().join("hot"), hot).unwrap();
    let new = r#""$keys" new -w w -H h --password-fd 3 --hotkey-password-fd 4 --json 3<cold 4<hot"#;
    let made = shell(directory.path(), new);
    assert!(stderr(&made).contains("a new hotkey, under a password"), "{}", stderr(&made));
    let made = json(made);
    for (key, role) in made["made"].as_array().unwrap().iter().zip(["coldkey", "hotkey"]) {
        assert_eq!((&key["role"], &key["storage"]), (&role.into(), &"encrypted".into()));
    }
    // A copy of it, under the other's password.
    let copy = r#""$keys" regen hotkey --from file --file w/hotkeys/h -w w -H i \
        --password-fd 3 --hotkey-password-fd 4 --json 3<hot 4<cold"#;
    assert_eq!(json(shell(directory.path(), copy))["ss58"], made["made"][1]["ss58"]);
    for (hotkey, password) in [("h", hot), ("i", cold)] {
        let sign = ["sign", "m", "--use-hotkey", "-w", "w", "-H", hotkey, "--password-fd", "0", "--json"];
        assert_eq!(json(keys_fed(directory.path(), &sign, password))["ss58"], made["made"][1]["ss58"]);
    }
    // One that is there is not encrypted by the way.
    fs::remove_file(directory.path().join("w/coldkey")).unwrap();
    let refused = keys(directory.path(), &["new", "-w", "w", "-H", "h", "--no-password", "--encrypt-hotkey"]);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("keys passwd --use-hotkey"), "{}", stderr(&refused));
}

/// Pays the price of a password three times: sealed, a wrong one, opened.
#[test]
fn a_variable_that_keys_share_is_named_where_it_matters() {
    let directory = TempDir::new().unwrap();
    let password = "Grünkohl-42 & a gate";
    done(keys_fed(directory.path(), &["new", "-w", "a_b", "--password-fd", "0"], password));
    // The variable of wallet `a.b`, and of `a_b` too.
    let name = variable_of(&directory.path().join("a.b/coldkey"));
    assert_eq!(name, variable_of(&directory.path().join("a_b/coldkey")));
    let with_variable = |arguments: &[&str], value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keys"));
        command.args(arguments).env_clear().env("BT_WALLET_PATH", directory.path()).env(&name, hidden(&name, value));
        command.stdin(Stdio::null()).output().unwrap()
    };
    let wrong = with_variable(&["sign", "m", "-w", "a_b"], "the password of a.b");
    assert_eq!(code(&wrong), 1);
    for part in ["password is wrong", &name, "unset it", "--password-fd"] {
        assert!(stderr(&wrong).contains(part), "{}", stderr(&wrong));
    }
    fs::write(directory.path().join("password"), password).unwrap();
    let line = format!(r#"{name}=x "$keys" sign m -w a_b --password-fd 3 3<password"#);
    done(shell(directory.path(), &line));
    // For a new key it is said beforehand.
    let new = with_variable(&["new", "-w", "A.B"], "password1");
    let said = stderr(&new);
    assert!(said.contains(&format!("under the password in the environment variable {name}")), "{said}");
    assert_eq!(code(&new), 2, "{said}");
    assert!(!directory.path().join("A.B").exists());
}
