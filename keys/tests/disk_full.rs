//! A disk without room, for real: a small file system in memory, mounted in a name space of its own.

use std::process::Command;

use tempfile::TempDir;

/// Fills the disk, then has `keys` ($1) write in it; what fails must say so and leave everything as it was.
const SCRIPT: &str = r#"
set -u
mount -t tmpfs -o size=64k tmpfs "$2" 2>/dev/null || exit 77
cd "$2"
export BT_WALLET_PATH="$2/wallets"
regen="regen hotkey --from uri --secret-fd 0 -q"
echo //Alice | "$1" $regen -H h || exit 10
cp wallets/default/hotkeys/h before
head -c 1000000 /dev/zero > fill 2>/dev/null

error=$(echo //Bob | "$1" $regen -H h --force --yes 2>&1) && exit 11
case $error in *"no room left on the disk"*) ;; *) echo "$error" >&2; exit 12 ;; esac
cmp wallets/default/hotkeys/h before || exit 13
"$1" show -w default | grep -q 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY || exit 14

error=$(echo //Bob | "$1" $regen -H another 2>&1) && exit 15
case $error in *"no room left on the disk"*) ;; *) echo "$error" >&2; exit 16 ;; esac
[ "$(ls -A wallets/default/hotkeys | tr '\n' ' ')" = "h hpub.txt " ] || { ls -A wallets/default/hotkeys >&2; exit 17; }

rm fill
echo //Bob | "$1" $regen -H h --force --yes || exit 18
"$1" show -w default | grep -q 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty || exit 19
"#;

#[test]
fn nothing_is_lost_on_a_full_disk() {
    let mount = TempDir::new().unwrap();
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", env!("CARGO_BIN_EXE_keys")])
        .arg(mount.path())
        .output();
    match run {
        Ok(output) if output.status.code() == Some(0) => {}
        Ok(output) if output.status.code() == Some(77) => eprintln!("skipped: this system mounts nothing for us"),
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("unshare:") => {
            eprintln!("skipped: this system gives no name space of our own");
        }
        Ok(output) => panic!("step {:?}: {}", output.status.code(), String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("skipped: no `unshare` here ({error})"),
    }
}
