//! Invariant: the engine does no I/O and knows no clock; given weights, input and seed its result is a function.

#![expect(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use std::{fs, path::Path};

/// Ways out of a pure crate. (Clocks and global random numbers are also banned by the workspace's clippy.toml.)
const FORBIDDEN: [&str; 13] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::time",
    "std::thread",
    "std::io",
    "tokio",
    "rayon::join",
    "rayon::scope",
    "rayon::prelude",
    "ThreadPoolBuilder::build_global",
    "rand::rng(",
];

fn offences(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            offences(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in code {
            if let Some(word) = FORBIDDEN.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
}

#[test]
fn the_engine_reaches_for_nothing_outside() {
    let mut found = Vec::new();
    offences(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "the engine must stay a function: {found:#?}");
}
