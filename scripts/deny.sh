#!/usr/bin/env bash
# Checks licences, bans and sources of every dependency against deny.toml; installs cargo-deny when it is missing.
set -euo pipefail
version=0.20.2
if ! cargo deny --version 2>/dev/null | grep -qx "cargo-deny $version"; then
  echo "deny: installing cargo-deny $version (once)"
  # Its own target folder: the workspace's cache must not hold another project's crates.
  env -u CARGO_TARGET_DIR cargo install cargo-deny --version "$version" --locked --debug --quiet
fi
cargo deny check bans licenses sources
