# Each target does its own set-up: a machine needs rustup and Python 3, and reaches its package registries.
#
#   make dev     builds the chat example and runs it here (ARGS="--port 4000 --memory" adds arguments)
#   make test    unit, conformance, guest, documentation and end-to-end tests (PYTEST_ARGS="-k chat" adds arguments)
#   make lint    formatting, clippy, licences, dependency rules, what must not be committed
#   make bench   compares with a bare server and with workerd, and rewrites docs/BENCHMARKS.md
#   make setup   what the tests install, and nothing else

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: dev test test-host test-guest test-infra test-e2e lint lint-infra lint-rust lint-deny lint-rules bench setup wasm clean

WASM_TARGET := wasm32-wasip2
CARGO_DENY_VERSION := 0.20.2
# Workspaces of their own; those that are not there yet are skipped.
GUEST_WORKSPACES := $(wildcard guest/Cargo.toml tests/guests/Cargo.toml)
WASM_WORKSPACES := $(GUEST_WORKSPACES) tests/bench/app/Cargo.toml
WORKSPACES := Cargo.toml $(WASM_WORKSPACES) tests/bench/Cargo.toml

VENV := $(CURDIR)/.venv
# The virtual environment brings Node.js and npm too.
export PATH := $(VENV)/bin:$(PATH)
# nextest where it is installed, with the summary that it ends with; else what comes with cargo.
CARGO_TEST := $(if $(shell command -v cargo-nextest),cargo nextest run --no-fail-fast,cargo test --lib --bins --tests --examples)
# Where cargo builds the root workspace, which is where the tests find the command line.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

dev: wasm
	cargo run --locked -p tidegate-cli --bin tidegate -- dev guest/examples/chat $(ARGS)

setup: wasm $(VENV)/.installed tests/node_modules/.installed

wasm:
	@rustup target list --installed | grep -qx $(WASM_TARGET) || rustup target add $(WASM_TARGET)

$(VENV)/.installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

tests/node_modules/.installed: tests/package-lock.json tests/package.json $(VENV)/.installed
	cd tests && npm ci --no-progress
	touch $@

tests/bench/node_modules/.installed: tests/bench/package-lock.json tests/bench/package.json $(VENV)/.installed
	cd tests/bench && npm ci --no-progress
	touch $@

# The end-to-end tests come last: theirs are the closing lines.
test: test-host test-guest test-infra test-e2e

test-host: wasm
	$(CARGO_TEST) --locked --workspace
	cargo test --locked --workspace --doc

test-guest: wasm
	for manifest in $(GUEST_WORKSPACES); do cargo test --locked --manifest-path "$$manifest" --workspace; done

test-infra:
	$(MAKE) -C infra test

test-e2e: setup
	cargo build --locked -p tidegate-cli --bin tidegate
	TIDEGATE_BIN=$(TARGET_DIR)/debug/tidegate $(VENV)/bin/python -m pytest .ci tests/e2e $(PYTEST_ARGS)

lint: lint-rules lint-infra lint-rust lint-deny

lint-infra:
	$(MAKE) -C infra lint

lint-rust: wasm
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	for manifest in $(WORKSPACES); do cargo fmt --manifest-path "$$manifest" --all --check; done
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench --all-targets -- -D warnings
	for manifest in $(GUEST_WORKSPACES); do cargo clippy --locked --manifest-path "$$manifest" --workspace --all-targets -- -D warnings; done
	for manifest in $(WASM_WORKSPACES); do cargo clippy --locked --manifest-path "$$manifest" --workspace --target $(WASM_TARGET) -- -D warnings; done

lint-rules:
	python3 .ci/dependency_rules.py
	python3 .ci/committed.py

# Advisories need a database from elsewhere; deny.toml says more.
lint-deny: .tools/bin/cargo-deny
	for manifest in $(WORKSPACES); do \
	    .tools/bin/cargo-deny --locked --manifest-path "$$manifest" --config deny.toml --log-level error check bans licenses sources; \
	done

# Built without optimisation: it runs for seconds, and building it is what takes time.
.tools/bin/cargo-deny: Makefile
	@if [ "$$($@ --version 2>/dev/null)" = "cargo-deny $(CARGO_DENY_VERSION)" ]; then touch $@; else \
	    CARGO_TARGET_DIR=$(TARGET_DIR)/tools CARGO_PROFILE_DEV_DEBUG=0 \
	    cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION) --profile dev --root .tools --force; fi

bench: wasm tests/bench/node_modules/.installed
	cargo build --locked --release -p tidegate-cli --bin tidegate
	cargo build --locked --release --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench
	cargo bench --locked --workspace $(foreach file,$(wildcard host/*/benches/*.rs),--bench $(basename $(notdir $(file))))
	$(VENV)/bin/python tests/bench/run.py --tidegate $(TARGET_DIR)/release/tidegate --criterion $(TARGET_DIR)/criterion \
	    --load $(TARGET_DIR)/bench/release/load --floor $(TARGET_DIR)/bench/release/floor --page docs/BENCHMARKS.md $(ARGS)

clean:
	rm -rf target guest/target tests/guests/target .venv .tools tests/node_modules tests/bench/node_modules
