#!/usr/bin/env bash
# Runs the engine's kernels and a hundred training steps as a program for aarch64, where NEON is the instruction set, and
# holds them to the bits that are written down. Elsewhere than on such a machine the program is emulated, which changes no bit. Needs
# a compiler that has the target's standard library (RUSTC=PROGRAM chooses one), a linker and QEMU's user emulation;
# says what is missing and how to get it, and exits 2.
set -euo pipefail
target=aarch64-unknown-linux-gnu
tests() {
  "${CARGO:-cargo}" test -p engine "$@" --lib -- ops::
  "${CARGO:-cargo}" test -p engine "$@" --test exactness -- every_machine
}

if [ "$(uname -m)" = aarch64 ]; then
  tests
  exit
fi

missing=()
libraries=$("${RUSTC:-rustc}" --print target-libdir --target "$target")
compgen -G "$libraries/libstd-*.rlib" >/dev/null ||
  missing+=("the standard library for $target: rustup target add $target, or name another compiler: RUSTC=PROGRAM")
command -v aarch64-linux-gnu-gcc >/dev/null ||
  missing+=("a linker and the C library: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || missing+=("an emulator: apt-get install qemu-user")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'arm: missing %s\n' "${missing[@]}"
  exit 2
fi

# Loader and C library must be of one build: the system's own for aarch64 where it has them, else those beside the linker.
[ -e /lib/ld-linux-aarch64.so.1 ] || emulator+=" -L /usr/aarch64-linux-gnu"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$emulator
# Another compiler's work does not go between the usual one's.
tests --target "$target" --target-dir "${CARGO_TARGET_DIR:-target}/arm"
