//! A process that writes a wallet is killed at each of its system calls, one run for each: what it leaves must be the old
//! state or the new one, and the next run must find its way.
//!
//! The child is this same program, traced, so that every call is a point to kill at. It has its own `main` for that.

#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a test, with a harness of its own")]
#![expect(unsafe_code, reason = "tracing a child takes raw system calls")]

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use keys::keyfile::StoredKey;
use keys::{Backup, CryptoType, Existing, Protection, Wallet, WalletError};
use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

/// Starts the names of what is unfinished.
const HIDDEN: &str = ".";

/// What a child does that only starts and ends.
const IDLE: &str = "idle";

/// Calls that ending takes, at the most.
const EXIT_CALLS: usize = 10;

/// More calls than any of these writers makes: a loop that never ends is a failure.
const MAX_CALLS: usize = 20_000;

fn key(byte: u8) -> StoredKey {
    StoredKey::from_seed([byte; 32], CryptoType::Sr25519)
}

fn wallet(root: &Path) -> Wallet {
    Wallet::new(root, "w").unwrap()
}

/// A backup of a wallet with the hotkey `h` of this seed.
fn backup(byte: u8) -> Backup {
    let directory = TempDir::new().unwrap();
    wallet(directory.path()).create_hotkey("h", &key(byte), Protection::Plain, Existing::Keep).unwrap();
    Backup::of(&wallet(directory.path())).unwrap()
}

/// What is done while being killed, what was there before, and what may be there after.
struct Scenario {
    name: &'static str,
    /// The seed of hotkey `h` before, if it is there.
    before: Option<u8>,
    /// The seed of hotkey `h` when it is done.
    after: u8,
    run: fn(&Path) -> Result<(), WalletError>,
}

static SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "create",
        before: None,
        after: 2,
        run: |root| wallet(root).create_hotkey("h", &key(2), Protection::Plain, Existing::Keep),
    },
    Scenario {
        name: "replace",
        before: Some(1),
        after: 2,
        run: |root| wallet(root).create_hotkey("h", &key(2), Protection::Plain, Existing::Replace),
    },
    Scenario {
        name: "protect",
        before: Some(1),
        after: 1,
        run: |root| wallet(root).protect_hotkey("h", None, Protection::Plain),
    },
    Scenario {
        name: "restore",
        before: None,
        after: 2,
        run: |root| backup(2).restore(&wallet(root), Existing::Keep).map(drop),
    },
    Scenario {
        name: "restore over",
        before: Some(1),
        after: 2,
        run: |root| backup(2).restore(&wallet(root), Existing::Replace).map(drop),
    },
];

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, flag, name, root] = arguments.as_slice()
        && flag == "--child"
    {
        if name == IDLE {
            return;
        }
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap();
        return (scenario.run)(Path::new(root)).unwrap();
    }
    // A system that forbids tracing is told of, and its tests are counted as ignored.
    let forbidden = run_until(IDLE, Path::new(""), MAX_CALLS).err();
    if let Some(error) = &forbidden {
        println!("kill: ignored, this system forbids tracing: {error}");
    }
    let trial = |scenario: &'static Scenario| {
        let run = move || {
            let kills = kill_everywhere(scenario)?;
            println!("{}: killed at {kills} calls, nothing lost", scenario.name);
            Ok(())
        };
        Trial::test(scenario.name, run).with_ignored_flag(forbidden.is_some())
    };
    // A child is traced by the thread that started it, and by no other: each trial stays on its own.
    libtest_mimic::run(&Arguments::from_args(), SCENARIOS.iter().map(trial).collect()).exit()
}

/// Runs the scenario again and again, each time one call further.
fn kill_everywhere(scenario: &Scenario) -> io::Result<usize> {
    // What every program does before `main`, and this one before it touches the disk, is the same for all.
    let startup = run_until(IDLE, Path::new(""), MAX_CALLS)?.unwrap();
    for calls in startup.saturating_sub(EXIT_CALLS)..MAX_CALLS {
        let directory = TempDir::new()?;
        if let Some(before) = scenario.before {
            wallet(directory.path()).create_hotkey("h", &key(before), Protection::Plain, Existing::Keep).unwrap();
        }
        let finished = run_until(scenario.name, directory.path(), calls)?.is_some();
        check(scenario, directory.path(), calls, finished);
        if finished {
            return Ok(calls - startup + EXIT_CALLS);
        }
    }
    panic!("{} makes more than {MAX_CALLS} calls", scenario.name);
}

fn check(scenario: &Scenario, root: &Path, calls: usize, finished: bool) {
    let at = format!("{}, killed at call {calls}", scenario.name);
    let account = |byte: u8| key(byte).public().account_id;
    let (before, after) = (scenario.before.map(account), account(scenario.after));
    let wallet = wallet(root);
    // The public half may be missing; it is never that of another key, which loading would say.
    let found = match wallet.hotkey("h", None) {
        Ok(pair) => Some(pair.account_id()),
        Err(WalletError::Missing { .. }) => None,
        Err(error) => panic!("{at}: {error}"),
    };
    assert!(found == before || found == Some(after), "{at}: found {found:?}");
    assert!(!finished || found == Some(after), "{at}: done, and found {found:?}");
    let listed = wallet.hotkeys().unwrap();
    assert!(listed == ["h"] || (listed.is_empty() && before.is_none()), "{at}: {listed:?}");

    // The next run does it and clears what the killed one left unfinished, or finds it done.
    match (scenario.run)(root) {
        Ok(()) | Err(WalletError::AlreadyExists { .. }) => {}
        Err(error) => panic!("{at}: the next run: {error}"),
    }
    assert_eq!(wallet.hotkey("h", None).unwrap().account_id(), after, "{at}");
    // Restoring moves the old wallet aside, once; what a kill left of the new one under such a name is gone.
    let aside = fs::read_dir(root).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with(".replaced-")
    });
    let times = if found == before { 1 } else { 2 };
    assert!(aside.count() <= times, "{at}: more wallets aside than were replaced");
    for folder in [wallet.directory(), wallet.directory().join("hotkeys")] {
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.starts_with(HIDDEN) || found == Some(after), "{at}: {name} is left");
        }
    }
}

/// Runs a child and kills it at the start of the call with this number. If it was done before: how many calls it made.
fn run_until(name: &str, root: &Path, calls: usize) -> io::Result<Option<usize>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--child", name]).arg(root).stdin(Stdio::null());
    // SAFETY: between fork and exec nothing but one system call is made.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let mut child = command.spawn()?;
    let pid = i32::try_from(child.id()).unwrap();
    // The first stop is that of exec. Then each call stops twice, at its start and at its end.
    for stop in 0..=2 * calls {
        match wait(pid)? {
            State::Stopped => {}
            State::Exited(0) => return Ok(Some(stop / 2)),
            State::Exited(status) => panic!("{name}: the child failed with {status}"),
        }
        if stop < 2 * calls {
            // SAFETY: the child is stopped, and traced by this very thread.
            if unsafe { libc::ptrace(libc::PTRACE_SYSCALL, pid, 0, 0) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

enum State {
    Stopped,
    Exited(i32),
}

fn wait(pid: i32) -> io::Result<State> {
    let mut status = 0;
    // SAFETY: the status is a place to write to, and lives as long as the call.
    if unsafe { libc::waitpid(pid, &raw mut status, 0) } != pid {
        return Err(io::Error::last_os_error());
    }
    if libc::WIFSTOPPED(status) { Ok(State::Stopped) } else { Ok(State::Exited(status)) }
}
