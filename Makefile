# `make help` lists the verbs. Building, running and testing share one cargo profile and one set of features
# (always --workspace), so that nothing is built twice.
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
ARGS ?=

.PHONY: help setup build up train ratio test fuzz-keys test-wallets lint fmt fmt-check deny

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install what the build needs, or say how
	@scripts/setup.sh

build: setup ## build everything
	@$(CARGO) build --workspace --bins --tests

up: build ## bring the subnet up (ARGS="--miners 4 --ci" adds flags)
	@$(TARGET)/debug/localnet up $(ARGS)

train: setup ## train the small model in one process, without chain or network
	@$(CARGO) run --quiet -p localnet --example train

ratio: setup ## measure how much dearer a proof of compute is to make than to check
	@$(CARGO) build --quiet --workspace --examples
	@$(TARGET)/debug/examples/work_proof_ratio

test: setup ## run all tests
	@$(CARGO) test --workspace

test-wallets: setup ## wallets back and forth with Bittensor's Python packages, from PyPI
	@$(CARGO) build --quiet --workspace --bin keys
	@python3 keys/tests/python/wallets.py $(TARGET)/debug/keys $(TARGET)/wallets

fuzz-keys: ## fuzz every parser of key files, FUZZ_SECONDS (30) each
	@keys/fuzz/run.sh

lint: setup fmt-check ## formatting and clippy, warnings denied
	@$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## format the code
	@$(CARGO) fmt --all

fmt-check: ## is the code formatted?
	@$(CARGO) fmt --all --check

deny: ## licences, bans and sources of dependencies
	@scripts/deny.sh
