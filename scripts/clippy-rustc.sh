#!/usr/bin/env bash
# Cargo's RUSTC_WORKSPACE_WRAPPER: compiles the workspace's crates with clippy, warnings denied, instead of plain rustc.
# Clippy is rustc with more lints and generates the same code, so one build both lints and tests, and the hundreds of
# dependencies are not checked a second time for the lints alone.
exec clippy-driver "$@" -D warnings
