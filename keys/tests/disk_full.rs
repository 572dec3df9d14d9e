//! A disk without room, for real: a small file system in memory, mounted in a name space of its own.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test, whose harness knows ignored ones at run time")]

use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

/// Makes a small file system at $1.
const MOUNT: &str = r#"mount -t tmpfs -o size=64k tmpfs "$1" || exit 77"#;

/// Fills the disk, then has `keys` ($2) write in it; what fails must say so and leave everything as it was.
const SCRIPT: &str = r#"
set -u
cd "$1"
export BT_WALLET_PATH="$1/wallets"
regen="regen hotkey --from uri --secret-fd 0 -q"
echo //Alice | "$2" $regen -H h || exit 10
cp wallets/default/hotkeys/h before
head -c 1000000 /dev/zero > fill 2>/dev/null

error=$(echo //Bob | "$2" $regen -H h --force --yes 2>&1) && exit 11
case $error in *"no room left on the disk"*) ;; *) echo "$error" >&2; exit 12 ;; esac
cmp wallets/default/hotkeys/h before || exit 13
"$2" show -w default | grep -q 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY || exit 14

error=$(echo //Bob | "$2" $regen -H another 2>&1) && exit 15
case $error in *"no room left on the disk"*) ;; *) echo "$error" >&2; exit 16 ;; esac
[ "$(ls -A wallets/default/hotkeys | tr '\n' ' ')" = "h hpub.txt " ] || { ls -A wallets/default/hotkeys >&2; exit 17; }

rm fill
echo //Bob | "$2" $regen -H h --force --yes || exit 18
"$2" show -w default | grep -q 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty || exit 19
"#;

/// Runs a script in a name space of its own with a small file system mounted, as root there or as the root that we are.
fn on_a_small_disk(script: &str, arguments: &[&Path]) -> Result<Output, String> {
    let script = format!("{MOUNT}\n{script}");
    let mut reasons = Vec::new();
    for name_space in [&["--user", "--map-root-user", "--mount"][..], &["--mount"]] {
        let mount = TempDir::new().unwrap();
        let mut command = Command::new("unshare");
        command.args(name_space).args(["sh", "-c", script.as_str(), "sh"]).arg(mount.path()).args(arguments);
        let output = command.output().map_err(|error| format!("no `unshare` here: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.code() == Some(77) || said.contains("unshare:") {
            reasons.push(said);
        } else {
            return Ok(output);
        }
    }
    Err(reasons.join("; "))
}

fn nothing_is_lost_on_a_full_disk() -> Result<(), Failed> {
    let output = on_a_small_disk(SCRIPT, &[Path::new(env!("CARGO_BIN_EXE_keys"))])?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("step {:?}: {}", output.status.code(), String::from_utf8_lossy(&output.stderr)).into())
}

fn main() {
    // A system that mounts nothing for us is told of, and the test is counted as ignored.
    let forbidden = on_a_small_disk("exit 0", &[]).err();
    if let Some(reason) = &forbidden {
        println!("disk_full: ignored, this system mounts no file system for us: {reason}");
    }
    let trial = Trial::test("nothing_is_lost_on_a_full_disk", nothing_is_lost_on_a_full_disk);
    let trials = vec![trial.with_ignored_flag(forbidden.is_some())];
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}
