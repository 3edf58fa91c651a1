# Each target does its own set-up: a machine needs rustup and Python 3, and reaches its package registries. `make test` also
# installs two of Debian's packages on the system, qemu-user and libc6-arm64-cross, where they are missing.
#
#   make dev     builds the chat example and runs it here (ARGS="--port 4000 --memory" adds arguments)
#   make test    unit, conformance, guest, documentation and end-to-end tests (PYTEST_ARGS="-k chat" adds arguments)
#   make soak    a thousand swaps of releases under load, which `make test` has in short; takes a quarter of an hour
#   make package makes the zip of a Lambda function (APP=guest/examples/chat TARGET=aarch64; x86_64 is the other)
#   make deploy  packages, and deploys to AWS with the CDK (STAGE=dev; stage and prod are the others)
#   make destroy takes the stage STAGE down again
#   make lint    formatting, clippy, licences, dependency rules, what must not be committed
#   make bench   compares with a bare server and workerd, with functions in Rust and Python, and with how others take new
#                versions, and rewrites docs/BENCHMARKS.md
#   make setup   what the tests install, and nothing else

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: dev test test-host test-guest test-infra test-aws test-e2e soak package packages deploy destroy qemu lint lint-infra lint-rust lint-deny lint-rules bench bench-gateway bench-lambda bench-swaps bench-package setup wasm clean

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

# What `package` makes, and where `deploy` puts it.
APP := guest/examples/chat
TARGET := aarch64
STAGE := dev
PACKAGE = $(TARGET_DIR)/package/$(notdir $(abspath $(APP)))-$(TARGET).zip

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

# The cross-compiler comes with what deploys.
package: wasm
	$(MAKE) -C infra setup
	@rustup target list --installed | grep -qx $(TARGET)-unknown-linux-gnu || rustup target add $(TARGET)-unknown-linux-gnu
	PATH="$(CURDIR)/.tools/infra/bin:$$PATH" \
	    cargo run --locked -p tidegate-cli --bin tidegate -- package $(APP) --target $(TARGET) --output $(PACKAGE)

deploy: package
	$(MAKE) -C infra deploy STAGE=$(STAGE) PACKAGE=$(PACKAGE)

# The stack is known by the app in its package.
destroy: package
	$(MAKE) -C infra destroy STAGE=$(STAGE) PACKAGE=$(PACKAGE)

# For each CPU that Lambda has, within the size that a package may have.
packages:
	$(MAKE) package TARGET=x86_64
	$(MAKE) package TARGET=aarch64
	python3 .ci/package_size.py $(foreach target,x86_64 aarch64,$(TARGET_DIR)/package/$(notdir $(abspath $(APP)))-$(target).zip)

# The end-to-end tests come last: theirs are the closing lines.
test: test-host test-guest test-infra test-aws test-e2e

test-host: wasm
	$(CARGO_TEST) --locked --workspace
	cargo test --locked --workspace --doc
	cargo test --locked --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench -p tidegate-bench -p tidegate-bench-lambda

test-guest: wasm
	for manifest in $(GUEST_WORKSPACES); do cargo test --locked --manifest-path "$$manifest" --workspace; done

test-infra:
	$(MAKE) -C infra test

test-aws: packages qemu
	TIDEGATE_BIN=$(TARGET_DIR)/debug/tidegate TIDEGATE_PACKAGES=$(TARGET_DIR)/package $(MAKE) -C infra test-aws

# The other CPU's package runs in qemu's user mode, with Debian's C library for that CPU. Debian keeps only its newest
# build of each, so their versions cannot be pinned.
qemu:
	@{ command -v qemu-aarch64 && test -d /usr/aarch64-linux-gnu/lib; } >/dev/null || { \
	    { command -v apt-get >/dev/null || { \
	        echo "error: no apt-get; hint: install qemu-aarch64 (user mode), and arm64's C library in /usr/aarch64-linux-gnu"; exit 1; }; } && \
	    $(if $(filter 0,$(shell id -u)),,sudo) apt-get update --quiet && \
	    $(if $(filter 0,$(shell id -u)),,sudo) apt-get install --yes --no-install-recommends qemu-user libc6-arm64-cross; }

test-e2e: setup
	cargo build --locked -p tidegate-cli --bin tidegate -p tidegate-lambda --bin bootstrap
	TIDEGATE_BIN=$(TARGET_DIR)/debug/tidegate $(VENV)/bin/python -m pytest .ci tests/e2e $(PYTEST_ARGS)

soak: setup
	cargo build --locked -p tidegate-cli --bin tidegate -p tidegate-lambda --bin bootstrap
	TIDEGATE_SOAK=long TIDEGATE_BIN=$(TARGET_DIR)/debug/tidegate $(VENV)/bin/python -m pytest tests/e2e/test_soak.py $(PYTEST_ARGS)

lint: lint-rules lint-infra lint-rust lint-deny

lint-infra:
	$(MAKE) -C infra lint

lint-rust: wasm
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	for manifest in $(WORKSPACES); do cargo fmt --manifest-path "$$manifest" --all --check; done
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench --workspace --all-targets -- -D warnings
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

CPU := $(shell uname -m)

# Each rewrites its part of the page; all want a machine that does nothing else.
bench: bench-gateway bench-lambda bench-swaps

bench-gateway: wasm tests/bench/node_modules/.installed
	cargo build --locked --release -p tidegate-cli --bin tidegate
	cargo build --locked --release --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench -p tidegate-bench
	cargo bench --locked --workspace $(foreach file,$(wildcard host/*/benches/*.rs),--bench $(basename $(notdir $(file))))
	$(VENV)/bin/python tests/bench/run.py --tidegate $(TARGET_DIR)/release/tidegate --criterion $(TARGET_DIR)/criterion \
	    --load $(TARGET_DIR)/bench/release/load --baseline $(TARGET_DIR)/bench/release/baseline --page docs/BENCHMARKS.md $(ARGS)

# What would be deployed on this machine's CPU.
bench-package:
	$(MAKE) package TARGET=$(CPU) APP=guest/examples/chat PACKAGE=$(TARGET_DIR)/bench/chat.zip

# The native function is built with the profile of the package's host.
bench-lambda: bench-package $(VENV)/.installed .tools/bench/.installed
	cargo build --locked --profile lambda --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench -p bench-native-chat
	cargo build --locked --release --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench -p tidegate-bench-lambda
	$(VENV)/bin/python tests/bench/functions.py --driver $(TARGET_DIR)/bench/release/functions --package $(TARGET_DIR)/bench/chat.zip \
	    --tidegate $(TARGET_DIR)/debug/tidegate \
	    --native $(TARGET_DIR)/bench/lambda/native-chat --native-one-thread $(TARGET_DIR)/bench/lambda/native-chat-one-thread \
	    --python .tools/bench/bin/python --page docs/BENCHMARKS.md $(LAMBDA_ARGS)

# MiniStack is among what deploys, as the emulated AWS of its tests.
bench-swaps: bench-package tests/bench/node_modules/.installed
	cargo build --locked --release -p tidegate-cli --bin tidegate
	cargo build --locked --release --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench -p tidegate-bench
	cargo build --locked --profile lambda --manifest-path tests/bench/Cargo.toml --target-dir $(TARGET_DIR)/bench -p bench-native-version
	cargo build --locked --release --target $(WASM_TARGET) --manifest-path tests/guests/Cargo.toml --target-dir tests/guests/target -p guest-version
	.tools/infra/bin/python tests/bench/swaps.py --tidegate $(TARGET_DIR)/release/tidegate --package $(TARGET_DIR)/bench/chat.zip \
	    --probe $(TARGET_DIR)/bench/release/probe --native $(TARGET_DIR)/bench/lambda/native-version \
	    --component tests/guests/target/$(WASM_TARGET)/release/guest_version.wasm --work $(TARGET_DIR)/bench \
	    --page docs/BENCHMARKS.md $(SWAPS_ARGS)

.tools/bench/.installed: tests/bench/python/requirements.txt
	python3 -m venv .tools/bench
	.tools/bench/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

clean:
	rm -rf target guest/target tests/guests/target .venv .tools tests/node_modules tests/bench/node_modules
