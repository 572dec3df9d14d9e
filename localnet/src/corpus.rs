//! The default corpus: the Rust source that cargo has already unpacked on the machine that built this program, namely
//! the sources of this workspace's own dependencies, in the order of its Cargo.lock.

use std::env;
use std::path::{Path, PathBuf};

use eyre::{Result, eyre};
use neuron::corpus::{Source, walk};

/// The lock file this program was built with.
const CARGO_LOCK: &str = include_str!("../../Cargo.lock");

/// How much of the default corpus is read.
const MAX_DEFAULT_BYTES: u64 = 16 * 1024 * 1024;

/// The text at `path`, or the default one.
pub fn source(path: Option<&Path>) -> Result<Source> {
    match path {
        Some(path) => Ok(Source::at(path)?),
        None => default_source(),
    }
}

fn default_source() -> Result<Source> {
    let sources = cargo_home()?.join("registry").join("src");
    let registries = || std::fs::read_dir(&sources).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = Vec::new();
    for package in locked_packages()? {
        for registry in registries() {
            let folder = registry.join(&package);
            if folder.is_dir() {
                let mut found = Vec::new();
                walk(&folder, &mut found)?;
                found.retain(|file| file.extension().is_some_and(|e| e == "rs"));
                found.sort();
                files.extend(found);
                break;
            }
        }
    }
    Ok(Source::of_files(files, &sources).first(MAX_DEFAULT_BYTES))
}

/// `name-version` of every package that came from a registry, in the lock file's order.
fn locked_packages() -> Result<Vec<String>> {
    let lock: toml::Table = CARGO_LOCK.parse()?;
    let packages =
        lock.get("package").and_then(toml::Value::as_array).ok_or_else(|| eyre!("Cargo.lock names no package"))?;
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    Ok(packages
        .iter()
        .filter(|package| package.get("source").is_some())
        .filter_map(|package| Some(format!("{}-{}", text(package, "name")?, text(package, "version")?)))
        .collect())
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home =
        env::home_dir().ok_or_else(|| eyre!("no home directory: set CARGO_HOME, or name a corpus with --corpus"))?;
    Ok(home.join(".cargo"))
}

#[cfg(test)]
mod tests {
    use neuron::corpus::{Cache, Material};

    use super::*;

    #[test]
    fn the_default_corpus_is_rust_source_and_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().to_owned()).unwrap();
        let read = || Material::bytes_of(&source(None).unwrap(), &cache).unwrap();
        let material = read();
        assert_eq!(material.bytes(), MAX_DEFAULT_BYTES);
        assert_eq!(material.text(), read().text());
        let corpus = material.corpus().unwrap();
        let text: Vec<u8> = corpus.training().iter().map(|id| id as u8).collect();
        assert!(String::from_utf8_lossy(&text).matches("fn ").count() > 1_000);
    }
}
