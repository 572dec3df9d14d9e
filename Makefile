# `make help` lists the verbs. Building, running and testing share one cargo profile and one set of features
# (always --workspace), so that nothing is built twice.
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
ARGS ?=
FUZZ_SECONDS ?= 30
# Python and its packages for benchmarks, of pinned versions, beside what cargo builds.
PYTHON ?= python3
BENCH_VENV := $(TARGET)/bench-venv
BENCH_PYTHON := $(BENCH_VENV)/bin/python

.PHONY: help setup build up train ratio test docs lint fmt fmt-check deny

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

docs: setup ## write docs/chain-reference.md anew from the runtime
	@NARROWS_WRITE_DOCS=1 $(CARGO) test --workspace --test reference

lint: setup fmt-check ## formatting and clippy, warnings denied
	@$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## format the code
	@$(CARGO) fmt --all

fmt-check: ## is the code formatted?
	@$(CARGO) fmt --all --check

deny: ## licences, bans and sources of dependencies
	@scripts/deny.sh

.PHONY: fuzz-yuma fuzz-keys fuzz-engine test-wallets test-clients bench-chain test-bench

fuzz-yuma: ## fuzz the chain's arithmetic (FUZZ_SECONDS=30 each target)
	@scripts/fuzz.sh chain/yuma $(FUZZ_SECONDS)

fuzz-keys: ## fuzz every parser of key files (FUZZ_SECONDS=30 each target)
	@scripts/fuzz.sh keys $(FUZZ_SECONDS)

fuzz-engine: ## fuzz what the engine reads from outside: models, foreign ones, tensors of peers (FUZZ_SECONDS=30 each target)
	@scripts/fuzz.sh engine $(FUZZ_SECONDS)

test-wallets: setup ## wallets back and forth with Bittensor's Python packages, from PyPI
	@$(CARGO) build --quiet --workspace --bin keys
	@command -v $(PYTHON) >/dev/null || { echo "wallets: all skipped, there is no $(PYTHON)"; exit 0; }; \
	  $(PYTHON) keys/tests/python/wallets.py $(TARGET)/debug/keys $(TARGET)/wallets

test-clients: setup ## Bittensor's own clients, from PyPI, against the chain (WRITE=yes writes docs/clients.md)
	@$(CARGO) build --quiet --workspace --bins --examples
	@command -v $(PYTHON) >/dev/null || { echo "clients: all skipped, there is no $(PYTHON)"; exit 0; }; \
	  $(PYTHON) tests/clients/run.py $(TARGET)/debug $(TARGET)/clients \
	  $(if $(WRITE),--write)

# The epoch is measured in WebAssembly too where the compiler has the target; WASM=MODULE takes one that was built otherwise.
WASM_TARGET := wasm32v1-none
WASM_BUILT := $(TARGET)/wasm/$(WASM_TARGET)/release/epoch_wasm.wasm
WASM ?= $(if $(wildcard $(shell rustc --print target-libdir --target $(WASM_TARGET))/*.rlib),$(WASM_BUILT))

bench-chain: setup $(BENCH_VENV)/installed ## measure the chain: docs/results/chain.json (NODE=no leaves the node out)
	@$(CARGO) build --quiet --release -p yuma --example bench_epoch
	@$(if $(WASM),,echo "bench: no epoch in WebAssembly (rustup target add $(WASM_TARGET), or WASM=MODULE)")
	@$(if $(filter $(WASM_BUILT),$(WASM)),CARGO_TARGET_DIR=$(TARGET)/wasm \
	  $(CARGO) build --quiet --release --target $(WASM_TARGET) --manifest-path bench/chain/wasm/Cargo.toml)
	@$(if $(filter no,$(NODE)),,$(CARGO) build --quiet --workspace --examples)
	@$(BENCH_PYTHON) bench/chain/run.py --out docs/results/chain.json \
	  --command "make bench-chain$(if $(filter-out $(WASM_BUILT),$(WASM)), WASM=MODULE)$(if $(NODE), NODE=$(NODE))" \
	  --epoch $(TARGET)/release/examples/bench_epoch \
	  $(if $(WASM),--wasm $(WASM)) \
	  $(if $(filter no,$(NODE)),,--node $(TARGET)/debug/examples/bench_node)

test-bench: $(BENCH_VENV)/installed ## test what benchmarks share, and check their results
	@$(BENCH_PYTHON) -m unittest discover --quiet --start-directory bench
	@$(BENCH_PYTHON) bench/results.py check docs/results/*.json

# Written last: a failed installation is not taken for a finished one.
$(BENCH_VENV)/installed: bench/requirements.txt
	@rm -rf $(BENCH_VENV)
	@$(PYTHON) -m venv $(BENCH_VENV) || { echo "bench: no virtual environments here; install python3-venv"; exit 2; }
	@$(BENCH_PYTHON) -m pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
	@touch $@

.PHONY: bench-engine bench-card tolerance test-card test-llama test-arm

# JAX is large, so this benchmark has an environment of its own; so has the build for this machine's processor. PyTorch is
# much larger still, so it takes part only where it is asked for.
ENGINE_VENV := $(TARGET)/bench-engine-venv
ENGINE_NATIVE := $(TARGET)/native
TORCH_VENV := $(TARGET)/bench-torch-venv
TORCH_WANTED := $(filter yes,$(TORCH))

bench-engine: setup $(ENGINE_VENV)/installed $(if $(TORCH_WANTED),$(TORCH_VENV)/installed) ## measure the engine beside JAX: docs/results/engine.json (NATIVE=no: portable build only; TORCH=yes: PyTorch too, 6 GB)
	@$(CARGO) build --quiet --release -p engine --example bench_engine --features any-order
	@cp $(TARGET)/release/examples/bench_engine $(TARGET)/release/examples/bench_engine_any_order
	@$(CARGO) build --quiet --release -p engine --example bench_engine
	@$(if $(filter no,$(NATIVE)),,CARGO_TARGET_DIR=$(ENGINE_NATIVE) RUSTFLAGS=-Ctarget-cpu=native \
	  $(CARGO) build --quiet --release -p engine --example bench_engine)
	@$(ENGINE_VENV)/bin/python bench/engine/run.py --out docs/results/engine.json \
	  --command "make bench-engine$(if $(NATIVE), NATIVE=$(NATIVE))$(if $(TORCH_WANTED), TORCH=yes)" \
	  --portable $(TARGET)/release/examples/bench_engine \
	  --any-order $(TARGET)/release/examples/bench_engine_any_order \
	  $(if $(filter no,$(NATIVE)),,--native $(ENGINE_NATIVE)/release/examples/bench_engine) \
	  $(if $(TORCH_WANTED),--torch $(TORCH_VENV)/bin/python)

# The name of a feature: `cuda`, which needs NVIDIA's compiler and driver, or `metal`.
CARD_WANTED := $(filter cuda metal,$(CARD))

bench-card: setup $(ENGINE_VENV)/installed $(TORCH_VENV)/installed ## measure stages on this machine's graphics card beside PyTorch: docs/results/card.json (CARD=metal: Apple's)
	@$(CARGO) build --quiet --release -p engine --example bench_engine --features $(or $(CARD_WANTED),cuda)
	@$(ENGINE_VENV)/bin/python bench/engine/card.py --device $(or $(CARD_WANTED),cuda) --out docs/results/card.json \
	  --command "make bench-card$(if $(CARD_WANTED), CARD=$(CARD_WANTED))" \
	  --program $(TARGET)/release/examples/bench_engine --torch $(TORCH_VENV)/bin/python

test-card: setup ## the tests of stages on devices, on this machine's graphics card (CARD=metal: Apple's)
	@$(CARGO) test --release -p engine --features $(or $(CARD_WANTED),cuda) --test tolerance

test-arm: setup ## the engine's bits on aarch64 (NEON), emulated on other machines; RUSTC=PROGRAM names a compiler for it
	@scripts/arm.sh

HOPS ?= 100
STEPS ?= 60

tolerance: setup $(ENGINE_VENV)/installed $(if $(TORCH_WANTED),$(TORCH_VENV)/installed) ## how far honest and dishonest hops are from the exact bits, in other arithmetic and in JAX's (TORCH=yes: PyTorch's too, 6 GB; CARD=cuda: on a graphics card; WIDE=yes: of a wider model)
	@$(CARGO) run --quiet --release -p engine --example tolerance $(if $(CARD_WANTED),--features $(CARD_WANTED)) -- \
	  $(if $(filter yes,$(WIDE)),--wide) $(HOPS) $(STEPS) \
	  "$(ENGINE_VENV)/bin/python bench/engine/hop.py jax" \
	  $(if $(TORCH_WANTED),"$(TORCH_VENV)/bin/python bench/engine/hop.py torch" \
	    $(if $(CARD_WANTED),"$(TORCH_VENV)/bin/python bench/engine/hop.py torch $(CARD_WANTED)" \
	      "$(TORCH_VENV)/bin/python bench/engine/hop.py torch $(CARD_WANTED) tf32"))

$(ENGINE_VENV)/installed: bench/engine/requirements.txt
	@rm -rf $(ENGINE_VENV)
	@$(PYTHON) -m venv $(ENGINE_VENV) || { echo "bench: no virtual environments here; install python3-venv"; exit 2; }
	@$(ENGINE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement bench/engine/requirements.txt
	@touch $@

$(TORCH_VENV)/installed: bench/engine/requirements-torch.txt
	@rm -rf $(TORCH_VENV)
	@$(PYTHON) -m venv $(TORCH_VENV) || { echo "bench: no virtual environments here; install python3-venv"; exit 2; }
	@$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement bench/engine/requirements-torch.txt
	@touch $@

test-llama: setup ## models back and forth with Hugging Face's transformers, from PyPI (with PyTorch: 6 GB)
	@$(CARGO) build --quiet --workspace --example llama_checkpoint
	@command -v $(PYTHON) >/dev/null || { echo "llama: all skipped, there is no $(PYTHON)"; exit 0; }; \
	  $(PYTHON) engine/tests/python/llama.py $(TARGET)/debug/examples/llama_checkpoint $(TORCH_VENV)
