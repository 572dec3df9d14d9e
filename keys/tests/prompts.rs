//! What a person meets at a terminal: questions, and secrets that are typed and never shown.

#![expect(clippy::unwrap_used, clippy::panic, reason = "set-up outside of test functions may fail loudly too")]
#![expect(unsafe_code, reason = "giving a child a terminal takes raw system calls")]

mod terminal;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use keys::{Signature, Wallet, read_keyfile, verify};
use tempfile::TempDir;
use terminal::{Ended, Terminal};

const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
const PHRASE_SS58: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
const FIRST: &str = "Grünkohl-42 & a gate";
const SECOND: &str = "Wirsing-17 & 2 doors";

const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// Starts `keys` on a wallet directory, in a terminal, with nothing of this environment.
fn keys(directory: &Path, arguments: &[&str]) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keys"));
    command.args(arguments).env_clear().env("BT_WALLET_PATH", directory);
    Terminal::start(&mut command)
}

/// A program that is over, after which the terminal is as it was and shows none of these secrets.
fn ended(terminal: Terminal, code: i32, secrets: &[&str]) -> Ended {
    let ended = terminal.end();
    assert_eq!(ended.status.code(), Some(code), "{}", ended.shown);
    assert!(ended.echoes, "what is typed stays hidden: {}", ended.shown);
    for secret in secrets {
        assert!(!ended.shown.contains(secret), "{}", ended.shown);
    }
    ended
}

/// Pays the price of a password four times: two are sealed, and opened.
#[test]
fn new_asks_for_all_it_needs_and_shows_each_phrase_once() {
    let directory = TempDir::new().unwrap();
    let mut terminal = keys(directory.path(), &["new", "-w", "alice", "-H", "miner", "--encrypt-hotkey"]);
    for (file, what) in [
        ("alice/coldkey ", "a new coldkey, under a password"),
        ("alice/coldkeypub.txt ", "its public half"),
        ("alice/hotkeys/miner ", "a new hotkey, under a password"),
        ("alice/hotkeys/minerpub.txt ", "its public half"),
    ] {
        terminal.expect(file);
        terminal.expect(what);
    }
    terminal.answer("Go on? [Y/n] ", "y");
    terminal.answer("Enter a new password for the coldkey of wallet `alice`: ", FIRST);
    terminal.answer("Enter the same password again: ", FIRST);
    terminal.answer("Enter a new password for hotkey `miner` of wallet `alice`: ", SECOND);
    terminal.answer("Enter the same password again: ", SECOND);
    let ended = ended(terminal, 0, &[FIRST, SECOND]);
    assert!(ended.shown.contains("not shown again"), "{}", ended.shown);
    let wallet = Wallet::new(directory.path(), "alice").unwrap();
    for (path, password) in [(wallet.coldkey_path(), FIRST), (wallet.hotkey_path("miner").unwrap(), SECOND)] {
        let key = read_keyfile(&path, Some(password)).unwrap();
        assert_eq!(ended.shown.matches(key.mnemonic().unwrap().phrase()).count(), 1, "{}", ended.shown);
    }
}

/// Pays the price of a password seven times: sealed, a wrong one, opened, changed (opened, sealed, checked), opened.
#[test]
fn an_encrypted_key_is_regenerated_used_and_changed() {
    let directory = TempDir::new().unwrap();
    let mut terminal = keys(directory.path(), &["regen", "coldkey", "--from", "mnemonic", "-w", "alice"]);
    terminal.expect("the coldkey of wallet `alice`, under a password");
    terminal.answer("Go on? [Y/n] ", "");
    terminal.answer("Enter the recovery phrase: ", PHRASE);
    terminal.answer("Enter a new password for the coldkey of wallet `alice`: ", FIRST);
    terminal.answer("Enter the same password again: ", FIRST);
    let made = ended(terminal, 0, &[PHRASE, "curtain", FIRST]);
    assert!(made.shown.contains(PHRASE_SS58), "{}", made.shown);

    let sign = |password: &str, code| {
        let mut terminal = keys(directory.path(), &["sign", "hello", "-w", "alice"]);
        terminal.answer("Enter the password of the coldkey of wallet `alice`: ", password);
        ended(terminal, code, &[password]).shown
    };
    let refused = sign(SECOND, 1);
    assert!(refused.contains("the password is wrong"), "{refused}");
    let good = |shown: &str| {
        let signature: Signature = format!("sr25519:{}", shown.lines().last().unwrap()).parse().unwrap();
        assert!(verify(&PHRASE_SS58.parse().unwrap(), &signature, b"hello"), "{shown}");
    };
    good(&sign(FIRST, 0));

    let mut terminal = keys(directory.path(), &["passwd", "-w", "alice"]);
    terminal.expect("the coldkey of wallet `alice`, under a new password");
    terminal.answer("Go on? [Y/n] ", "yes");
    terminal.answer("Enter the password of the coldkey of wallet `alice`: ", FIRST);
    terminal.answer("Enter a new password for the coldkey of wallet `alice`: ", SECOND);
    terminal.answer("Enter the same password again: ", SECOND);
    ended(terminal, 0, &[FIRST, SECOND]);
    good(&sign(SECOND, 0));
}

#[test]
fn weak_and_mistyped_passwords_are_asked_for_again_and_given_up_on() {
    let directory = TempDir::new().unwrap();
    let question = "Enter a new password for the coldkey of wallet `alice`: ";
    let mut terminal = keys(directory.path(), &["new", "-w", "alice"]);
    terminal.answer("Go on? [Y/n] ", "y");
    terminal.answer(question, "alice2024");
    terminal.expect("10^8 are the least here");
    terminal.answer(question, FIRST);
    terminal.answer("Enter the same password again: ", SECOND);
    terminal.expect("the two passwords differ");
    for _ in 0..3 {
        terminal.answer(question, "alice2024");
    }
    let ended = ended(terminal, 2, &["alice2024", FIRST, SECOND]);
    assert!(ended.shown.contains("error: the password falls after"), "{}", ended.shown);
    assert!(!directory.path().join("alice").exists());
}

#[test]
fn whoever_breaks_off_at_a_secret_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let coldkey = "Enter a new password for the coldkey of wallet `w`: ";
    let hotkey = "Enter a new password for hotkey `h` of wallet `w`: ";
    let again = "Enter the same password again: ";
    let new = &["new", "-w", "w", "-H", "h", "--encrypt-hotkey"][..];
    let regen = &["regen", "hotkey", "--from", "mnemonic", "-w", "w", "-H", "h"];
    for (arguments, answered, last) in [
        (new, &[][..], coldkey),
        (new, &[coldkey], again),
        (new, &[coldkey, again], hotkey),
        (new, &[coldkey, again, hotkey], again),
        (regen, &[], "Enter the recovery phrase: "),
    ] {
        // Ctrl-C is heard among other letters too, the end of the input only in front.
        for (keys_pressed, code) in [(format!("begun{CTRL_C}"), 130), (CTRL_D.to_owned(), 1)] {
            let mut terminal = keys(directory.path(), arguments);
            terminal.answer("Go on? [Y/n] ", "y");
            for question in answered {
                terminal.answer(question, FIRST);
            }
            terminal.expect(last);
            assert!(!terminal.echoes());
            terminal.press(&keys_pressed);
            let ended = ended(terminal, code, &[FIRST, "begun"]);
            assert!(ended.shown.contains("error: "), "{}", ended.shown);
            assert!(!directory.path().join("w").exists(), "{}", ended.shown);
        }
    }
}

#[test]
fn nothing_is_written_without_a_yes() {
    let directory = TempDir::new().unwrap();
    let new = ["new", "-w", "w", "--no-password"];
    for refusal in ["n\r", "what\r", CTRL_D] {
        let mut terminal = keys(directory.path(), &new);
        terminal.expect("Go on? [Y/n] ");
        terminal.press(refusal);
        assert!(ended(terminal, 1, &[]).shown.contains("nothing was written"));
    }
    let mut terminal = keys(directory.path(), &new);
    terminal.expect("Go on? [Y/n] ");
    terminal.press(CTRL_C);
    assert_eq!(terminal.end().status.signal(), Some(libc::SIGINT));
    assert!(!directory.path().join("w").exists());

    // What would be lost takes a whole word.
    let mut terminal = keys(directory.path(), &[&new[..], &["--yes"]].concat());
    terminal.expect("not shown again");
    ended(terminal, 0, &[]);
    let before = std::fs::read(directory.path().join("w/hotkeys/default")).unwrap();
    let mut terminal = keys(directory.path(), &["regen", "hotkey", "--from", "uri", "-w", "w", "--force"]);
    terminal.expect("will be gone for good");
    terminal.answer("Type `yes` to replace it: ", "y");
    ended(terminal, 1, &[]);
    assert_eq!(std::fs::read(directory.path().join("w/hotkeys/default")).unwrap(), before);
}
