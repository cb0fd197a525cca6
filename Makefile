# `make` lists the targets. Each installs what it needs; nothing has to be prepared by hand but Rust, and
# Go, Python and Node.js for the real programs and the policy in TypeScript that the tests run.

# The component is built for this target by host/component/build.rs.
WASM := wasm32-wasip2
POLICIES := kit lineage-guard version-pin deletion-guard freeze require-lock encrypted-only

# A policy module that is not written in Rust, for the tests.
EXAMPLE := target/policy-example/owners.wasm

.DEFAULT_GOAL := help
.PHONY: help setup peers run test quick build lint lint-guests bench explore fuzz \
	chart-test chart-package static image image-check version release-notes sbom

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Adds the WebAssembly target to the Rust toolchain if it is missing
	@test -d "$$(rustc --print target-libdir --target $(WASM))" || rustup target add $(WASM)

peers: ## Fetches bao, tofu, terraform, an OCI registry, S3 storage and prometheus for the tests where they are not on PATH
	@tools/fetch-peers

run: setup ## Serves on the embedded store, with a token made for you, and prints a backend block to paste
	cargo run -p tofu-state -- serve --store embedded --make-token

test: setup peers policy-example ## Sets up and runs all tests
	CGO_ENABLED=0 go -C tools/historycheck test ./... # what the tests' checker of histories finds, it finds rightly
	cargo test --workspace

.PHONY: policy-example
policy-example: $(EXAMPLE) ## Builds the policy module in TypeScript, from npm's packages
$(EXAMPLE): tools/build-policy-example $(wildcard guest/policies/examples/typescript/*.* guest/policies/examples/typescript/src/* wit/deps/policy/*)
	@tools/build-policy-example guest/policies/examples/typescript $@ >&2

quick: setup ## Runs the native tests of the protocol and the stores: seconds
	cargo test -p tofu-state-protocol -p tofu-state-store --lib --test memory

build: setup ## Builds the release binary, target/release/tofu-state
	cargo build --release -p tofu-state

chart-test: setup ## Tests the chart with the real helm, the schemas of Kubernetes, and the server itself (UPDATE_GOLDEN=1 rewrites golden output)
	@tools/fetch-peers helm
	cargo test --workspace --no-run --quiet # the same build as `make test` makes, which has the program in it
	TOFU_STATE_PROGRAM="$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/tofu-state" \
		"$$(tools/python-env)/bin/python" -m unittest discover --start-directory chart/tests

lint: setup ## Format, clippy (host and guest), licences and sources of dependencies, Containerfile, workflows
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@$(MAKE) --no-print-directory lint-guests
	tools/cargo-deny --log-level error check --hide-inclusion-graph licenses bans sources
	"$$(tools/python-env)/bin/hadolint" Containerfile
	tools/run actionlint

lint-guests: setup ## Clippy on what becomes a component
	cargo clippy -p tofu-state-protocol -p tofu-state-mutants -p tofu-state-faulty -p tofu-state-faulty-policy $(POLICIES:%=-p tofu-state-policy-%) --target $(WASM) -- -D warnings

.PHONY: mutants
mutants: setup ## Builds the deliberately broken protocols, for `tofu-state sandbox --component`: target/mutants/*.wasm
	cargo build --package tofu-state-mutants --profile guest --target $(WASM) --target-dir target/guest
	cargo run --quiet --package tofu-state-mutants --example mutants -- target/guest/$(WASM)/guest/tofu_state_mutants.wasm target/mutants

bench: setup peers ## Measures each layer against its floor, release build; writes bench/results (BENCH=--quick: a minute)
	cargo build --release -p tofu-state -p tofu-state-bench
	target/release/tofu-state-bench $(BENCH)

explore: setup ## Explores every schedule of the shipped scenarios to its end, release build: minutes (EXPLORE=--faults=2 for more)
	cargo build --release -p tofu-state
	target/release/tofu-state sandbox explore --all --out target/explore $(EXPLORE) scenarios

fuzz: setup ## Runs the protocol's property tests with many cases (PROPTEST_CASES, 20000)
	PROPTEST_CASES=$${PROPTEST_CASES:-20000} cargo test --lib -p tofu-state-protocol

# What follows is for releases: docs/RELEASE.md.

VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
IMAGE ?= tofu-state
ARTIFACTS := target/release-artifacts
# Times in what is built are the commit's, not the clock's.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

static: ## Builds the static release binary as the image holds it (musl)
	tools/build-static

image: ## Builds the image with podman or docker: IMAGE:VERSION
	@engine=$$(command -v podman || command -v docker) || { echo "make image needs podman or docker on PATH; make image-check takes the same steps without either" >&2; exit 1; }; \
	"$$engine" info >/dev/null 2>&1 || { echo "make image: $$engine is there, but no engine answers it; make image-check takes the same steps without one" >&2; exit 1; }; \
	set -- --file Containerfile --tag "$(IMAGE):$(VERSION)" --build-arg "VERSION=$(VERSION)" \
		--build-arg "REVISION=$(REVISION)" --build-arg "SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH)"; \
	case $$engine in *podman) set -- "$$@" --format docker --timestamp "$(SOURCE_DATE_EPOCH)" ;; esac; \
	"$$engine" build "$$@" .

image-check: ## Takes the Containerfile's steps without a container engine, and runs the result in a root of its own (15 minutes)
	tools/image-root target/image
	tools/image-check target/image

version: ## Prints the next version, reckoned from the commits
	@tools/release version

release-notes: ## Prints the release notes of the next version
	@tools/release notes

sbom: ## Writes the bills of materials (CycloneDX) of the release binary and of the component in it
	@mkdir -p $(ARTIFACTS)
	tools/cargo-cyclonedx --format json --no-build-deps --spec-version 1.5 --override-filename bill-of-materials
	@# It writes one for each crate, with this folder's path in it.
	@sed 's#$(CURDIR)#/src#g' host/server/bill-of-materials.json >$(ARTIFACTS)/tofu-state.cdx.json
	@sed 's#$(CURDIR)#/src#g' guest/protocol/bill-of-materials.json >$(ARTIFACTS)/tofu-state-protocol.cdx.json
	@find . -path ./target -prune -o -name bill-of-materials.json -exec rm {} +

chart-package: ## Packages the chart
	@mkdir -p $(ARTIFACTS)
	tools/run helm package chart/tofu-state --destination $(ARTIFACTS)
