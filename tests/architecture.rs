//! The arrows between crates, and what each crate may name: the invariants of ARCHITECTURE.md that can be read off
//! manifests and sources.

#![allow(clippy::expect_used, reason = "a test that cannot set itself up has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Normal dependencies inside the workspace. A new arrow is a decision: it is added here and in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("yuma", &[]),
    ("timelock", &[]),
    ("pallet-commitments", &["timelock"]),
    ("pallet-drand", &[]),
    ("pallet-shield", &[]),
    ("pallet-subtensor", &["timelock", "yuma"]),
    ("narrows-runtime", &["pallet-commitments", "pallet-drand", "pallet-shield", "pallet-subtensor"]),
    ("narrows-node", &["narrows-runtime", "pallet-drand", "pallet-shield", "pallet-subtensor"]),
    ("keys", &[]),
    ("chain", &["keys", "timelock"]),
    ("engine", &[]),
    ("neuron", &["chain", "engine", "keys"]),
    ("validator", &["chain", "engine", "keys", "neuron"]),
    ("localnet", &["chain", "engine", "keys", "narrows-node", "neuron", "validator"]),
    ("scenarios", &[]),
];

/// Third-party families that one crate alone may depend on, dev-dependencies included.
const SOLE_OWNERS: &[(&str, &str)] =
    &[("subxt", "chain"), ("libp2p", "neuron"), ("sc-", "narrows-node"), ("candle-", "engine")];

/// Folder (relative to the workspace) → words its code must not contain outside test modules, with the reason.
const BANNED_WORDS: &[(&str, &[&str], &str)] = &[
    (
        "engine/src",
        &["std::fs", "std::net", "tokio", "Instant", "SystemTime"],
        "the engine does no I/O and knows no clock",
    ),
    ("chain/yuma/src", &["frame_support", "std::fs", "std::net"], "consensus arithmetic knows no chain"),
    ("chain/timelock/src", &["frame_support", "std::", "rand::", "getrandom"], "cryptography is handed its randomness"),
    (
        "neuron/src/machine",
        &["tokio", "libp2p", "std::fs", "Instant", "SystemTime", "rand::"],
        "protocol logic is sans-IO",
    ),
    (
        "validator/src/machine",
        &["tokio", "libp2p", "std::fs", "Instant", "SystemTime", "rand::"],
        "protocol logic is sans-IO",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn dependencies(package: &Value, kinds: &[&str]) -> Vec<String> {
    package["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter()
        .filter(|d| kinds.contains(&d["kind"].as_str().unwrap_or("normal")))
        .map(|d| d["name"].as_str().expect("name").to_owned())
        .collect()
}

#[test]
fn arrows_between_crates_are_the_declared_ones() {
    let packages = packages();
    let declared: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let members: Vec<&str> = packages.iter().map(|p| p["name"].as_str().expect("name")).collect();
    for member in &members {
        assert!(declared.contains_key(member), "crate {member} is not declared in ARROWS");
    }
    assert_eq!(members.len(), declared.len(), "ARROWS names a crate that does not exist");
    for package in &packages {
        let name = package["name"].as_str().expect("name");
        for dependency in dependencies(package, &["normal"]) {
            if members.contains(&dependency.as_str()) {
                assert!(declared[name].contains(&dependency.as_str()), "undeclared arrow {name} -> {dependency}");
            }
        }
    }
}

#[test]
fn each_outside_world_has_one_owner() {
    for package in packages() {
        let name = package["name"].as_str().expect("name");
        for dependency in dependencies(&package, &["normal", "dev", "build"]) {
            for (family, owner) in SOLE_OWNERS {
                assert!(
                    !dependency.starts_with(family) || name == *owner,
                    "{name} depends on {dependency}; only {owner} may"
                );
            }
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return files };
    for entry in entries {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file before its test module, without comment lines.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("source is readable");
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    body.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn pure_folders_name_no_outside_world() {
    for (folder, words, reason) in BANNED_WORDS {
        let files = rust_files(&root().join(folder));
        assert!(!files.is_empty(), "{folder} holds no source: BANNED_WORDS is out of date");
        for file in files {
            let code = code(&file);
            for word in *words {
                assert!(!code.contains(word), "{} names `{word}`: {reason}", file.display());
            }
        }
    }
}

#[test]
fn only_the_net_folder_names_libp2p() {
    let source = root().join("neuron/src");
    for file in rust_files(&source) {
        if !file.starts_with(source.join("net")) {
            assert!(!code(&file).contains("libp2p"), "{} names libp2p; only neuron/src/net may", file.display());
        }
    }
}
