#!/usr/bin/env bash
# Runs every fuzz target of a crate for so many seconds each: scripts/fuzz.sh CRATE_FOLDER SECONDS. Installs cargo-fuzz when
# it is missing. Inputs to start from are in CRATE_FOLDER/fuzz/seeds, where there are any. What a target found is under
# CRATE_FOLDER/fuzz/artifacts, and its message says how to run it again.
set -euo pipefail
crate=$1 seconds=$2
version=0.13.2
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
  echo "fuzz: installing cargo-fuzz $version (once)"
  # Its own target folder: the workspace's cache must not hold another project's crates.
  env -u CARGO_TARGET_DIR cargo install cargo-fuzz --version "$version" --locked --debug --quiet
fi
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz
cd "$crate"
# The compiler that rust-toolchain.toml names counts what is covered only when it is told that this is meant. No sanitizer:
# they look for misuse of memory, which the targets' crates, with hardly any unsafe code, leave to the compiler.
export RUSTC_BOOTSTRAP=1
for name in $(cargo fuzz list); do
  corpus="$target/corpus/$(basename "$crate")/$name"
  mkdir -p "$corpus"
  inputs=("$corpus")
  [ ! -d "fuzz/seeds/$name" ] || inputs+=("$PWD/fuzz/seeds/$name")
  echo "fuzz: $crate, $name, $seconds s"
  cargo fuzz run --sanitizer none --target-dir "$target" "$name" "${inputs[@]}" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -len_control=10 -print_final_stats=1 -verbosity=0
done
