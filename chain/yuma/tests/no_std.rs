//! Without its default features the crate, with all it depends on, needs no standard library.
//!
//! Shown by the compiler: a program has one panic handler, and the standard library brings one. So a crate that uses
//! `yuma` and defines a handler of its own compiles only if nothing in it uses the standard library.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A program without the standard library that runs an epoch.
const PROBE: &str = r#"
    #![no_std]
    pub fn probe(input: &yuma::EpochInput<'_>) -> bool { yuma::epoch(input).is_ok() }
    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }
"#;

#[test]
fn the_crate_compiles_without_the_standard_library() {
    let compiled = compile_probe("without-std", &["--no-default-features"]);
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

/// What the test above would say otherwise.
#[test]
fn with_the_standard_library_there_are_two_panic_handlers() {
    let compiled = compile_probe("with-std", &["--no-default-features", "--features", "std"]);
    let message = String::from_utf8_lossy(&compiled.stderr);
    assert!(!compiled.status.success() && message.contains("panic_impl"), "{message}");
}

/// Compiles the crate with these features, and the probe against it, in a folder of their own.
fn compile_probe(name: &str, features: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let library = compile_crate(&folder, features);
    let source = folder.join("probe.rs");
    std::fs::write(&source, PROBE).unwrap();
    Command::new(tool("RUSTC", "rustc"))
        .current_dir(&folder)
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-Cpanic=abort", "-o", "probe.rmeta"])
        .arg("--extern")
        .arg(format!("yuma={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", library.parent().unwrap().display()))
        .arg(&source)
        .output()
        .unwrap()
}

/// The crate's metadata, which is all that a crate which uses it needs to be checked.
fn compile_crate(folder: &Path, features: &[&str]) -> PathBuf {
    let output = Command::new(tool("CARGO", "cargo"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // CI compiles through clippy, which is not this test's matter.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .args(["check", "--lib", "--package", "yuma", "--offline", "--message-format", "json"])
        .args(features)
        .arg("--target-dir")
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == "yuma")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|name| name.extension().is_some_and(|extension| extension == "rmeta"))
        .unwrap_or_else(|| panic!("cargo names no metadata of yuma"))
}

/// The tool that builds this test, where it says so.
fn tool(variable: &str, name: &str) -> std::ffi::OsString {
    std::env::var_os(variable).unwrap_or_else(|| name.into())
}
