#!/usr/bin/env bash
# Installs what the build needs and the machine lacks, through the system's package manager, saying what it does.
# Without the right to install it prints the exact line to run and exits 2.
set -euo pipefail

say() { printf 'setup: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

if ! have cargo; then
  say "cargo is missing: install rustup (your package manager has it, or see the Rust project's web site), then run this again"
  exit 2
fi

# What is missing, by purpose: a C++ compiler (libp2p's and the node's C parts), pkg-config and OpenSSL's headers (the
# node's RPC), protoc (the node's network messages).
missing=()
have c++ || have g++ || have clang++ || missing+=(cxx)
have pkg-config || missing+=(pkg-config)
{ have pkg-config && pkg-config --exists openssl; } || missing+=(openssl)
have protoc || missing+=(protoc)
[ ${#missing[@]} -eq 0 ] && exit 0

# One line per package manager: its name for each of the four.
if have apt-get; then
  declare -A name=([cxx]=g++ [pkg-config]=pkg-config [openssl]=libssl-dev [protoc]=protobuf-compiler)
  install='apt-get update && apt-get install -y'
elif have dnf; then
  declare -A name=([cxx]=gcc-c++ [pkg-config]=pkgconf-pkg-config [openssl]=openssl-devel [protoc]=protobuf-compiler)
  install='dnf install -y'
elif have pacman; then
  declare -A name=([cxx]=gcc [pkg-config]=pkgconf [openssl]=openssl [protoc]=protobuf)
  install='pacman -S --needed --noconfirm'
elif have brew; then
  say "missing: ${missing[*]}; run:  xcode-select --install; brew install pkg-config openssl protobuf"
  exit 2
else
  say "missing: ${missing[*]}; install them with your package manager (no apt-get, dnf, pacman or brew found), then run this again"
  exit 2
fi

packages=()
for item in "${missing[@]}"; do packages+=("${name[$item]}"); done
line="$install ${packages[*]}"

if [ "$(id -u)" -eq 0 ]; then
  say "installing ${packages[*]}:  $line"
  sh -c "$line" >&2
elif have sudo && sudo -n true 2>/dev/null; then
  say "installing ${packages[*]}:  sudo sh -c '$line'"
  sudo sh -c "$line" >&2
else
  say "missing: ${packages[*]}; this account may not install packages. Run:"
  printf "  sudo sh -c '%s'\n" "$line"
  exit 2
fi
