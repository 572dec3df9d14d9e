#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS (30). Stable Rust does it: LLVM's coverage pass needs no nightly, and safe code no
# address sanitizer. `cargo fuzz run -s none TARGET` works here too.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${FUZZ_SECONDS:-30}"
host="$(rustc -vV | sed -n 's/^host: //p')"
target_dir="${CARGO_TARGET_DIR:-../../target}/fuzz-keys"
mkdir -p "$target_dir"
target_dir="$(cd "$target_dir" && pwd)"

# `--target` keeps the flags from build scripts and macros, which link without the fuzzer.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
    CARGO_TARGET_DIR="$target_dir" cargo build --release --locked --target "$host" --bins

status=0
for target in keyfile backup mnemonic secret_uri text; do
    corpus="$target_dir/corpus/$target"
    mkdir -p "$corpus" "$target_dir/crashes"
    seeds="seeds/$target"
    [ "$target" != keyfile ] || seeds="../tests/vectors"
    log="$target_dir/$target.log"
    # The largest input is that of the parser, and no single one may take long.
    if "$target_dir/$host/release/$target" "$corpus" "$seeds" -max_total_time="$seconds" -timeout=10 -max_len=20000 \
        -rss_limit_mb=2048 -artifact_prefix="$target_dir/crashes/$target-" -print_final_stats=1 >"$log" 2>&1; then
        echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s, none broke it"
    else
        tail -30 "$log"
        echo "fuzz: $target: FAILED, the input is under $target_dir/crashes"
        status=1
    fi
done
exit "$status"
