# `make` lists the targets. Each installs what it needs; nothing has to be prepared by hand but Rust,
# and Go and Python for the real programs that the tests run.

# The component is built for this target by host/component/build.rs.
WASM := wasm32-wasip2

.DEFAULT_GOAL := help
.PHONY: help setup peers run test quick build lint bench fuzz

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Adds the WebAssembly target to the Rust toolchain if it is missing
	@test -d "$$(rustc --print target-libdir --target $(WASM))" || rustup target add $(WASM)

peers: ## Fetches bao, tofu and terraform for the tests where they are not on PATH
	@tools/fetch-peers

run: setup ## Serves on the embedded store, with a token made for you, and prints a backend block to paste
	cargo run -p tofu-state -- serve --store embedded --make-token

test: setup peers ## Sets up and runs all tests
	cargo test --workspace

quick: setup ## Runs the native tests of the protocol and the stores: seconds
	cargo test -p tofu-state-protocol -p tofu-state-store --lib --test memory

build: setup ## Builds the release binary, target/release/tofu-state
	cargo build --release -p tofu-state

lint: setup ## Format, clippy (host and guest), licences and sources of dependencies
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy -p tofu-state-protocol -p tofu-state-faulty -p tofu-state-faulty-policy --target $(WASM) -- -D warnings
	tools/cargo-deny --log-level error check --hide-inclusion-graph licenses bans sources

bench: setup peers ## Measures each layer against its floor, release build; writes bench/results (BENCH=--quick: a minute)
	cargo build --release -p tofu-state -p tofu-state-bench
	target/release/tofu-state-bench $(BENCH)

fuzz: setup ## Runs the protocol's property tests with many cases (PROPTEST_CASES, 20000)
	PROPTEST_CASES=$${PROPTEST_CASES:-20000} cargo test --lib -p tofu-state-protocol
