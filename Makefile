# A thin front for Meson; `make help` lists what there is. The build folder is $(BUILD).
BUILD        ?= build
PREFIX       ?= /usr/local
NINJA        ?= ninja
FUZZ_SECONDS ?= 20
MAKEFLAGS    += --no-print-directory

# What a sanitizer build tests: all that runs without a guest operating system.
ASAN_SUITES = --suite unit --suite isa --suite guest --suite state --suite fuzz

.DEFAULT_GOAL := build
# Packages come before the build, and that before its use, also under make -j; ninja has jobs of its own.
.NOTPARALLEL:
.PHONY: build setup run guest guest-riscv64 guest-all test check-quick check-long bench asan fuzz install format clean help

build: setup $(BUILD)/build.ninja ## build build/doppel (installs missing packages first)
	@$(NINJA) -C $(BUILD)

setup:
	@tools/setup build

%/build.ninja:
	@meson setup $* $(MESON_FLAGS)

# The program alone, not the tests; progress is shown the first time only.
run: NINJA += $(if $(wildcard $(BUILD)/doppel),--quiet)
run: setup $(BUILD)/build.ninja guest ## boot the default guest to a shell; ARGS="--cpus 2" are passed on
	@$(NINJA) -C $(BUILD) doppel
	@$(BUILD)/doppel run $(ARGS)

guest: ## fetch the default guest's files into the cache
	@tools/guest-fetch --quiet cloud busybox
	@for kind in shell debian; do tools/guest-initramfs --quiet $$kind || exit; done

guest-riscv64: ## fetch the default RISC-V guest's files into the cache
	@tools/guest-fetch --quiet riscv64 riscv64-busybox
	@for kind in shell debian; do tools/guest-initramfs --quiet $$kind --kernel riscv64 || exit; done

# The generic kernel serves tests only. Without network the tests that need a kernel are skipped.
guest-all:
	@tools/guest-fetch --quiet || echo "make: no guest files; tests that need them are skipped."
	@tools/guest-rootfs --quiet --tree || echo "make: no Debian image; the load tests are skipped."
	@for kernel in cloud generic riscv64; do for kind in shell test; do \
		tools/guest-initramfs --quiet $$kind --kernel $$kernel || exit 0; done; done

test: test-setup build guest-all ## all tests but the long ones
	@tools/test-report $(BUILD) --no-suite long --no-suite bench

.PHONY: test-setup
test-setup:
	@tools/setup build test

check-quick: test-setup build ## unit tests and checkers, about a minute
	@tools/test-report $(BUILD) --suite unit --suite check --no-suite long

check-long: test-setup build guest-all ## every test, the long ones too
	@tools/test-report $(BUILD) --no-suite bench

bench: bench-setup build guest guest-riscv64 ## side by side with qemu and bochs; writes JSON into the build folder
	@bench/run $(BUILD)

# Before the build: the workloads are compiled for RISC-V, too.
.PHONY: bench-setup
bench-setup:
	@tools/setup build bench

asan: MESON_FLAGS = -Db_sanitize=address,undefined
# A vCPU's thread has a signal stack of its own, which the sanitizer would free as if it were its.
asan: export ASAN_OPTIONS = use_sigaltstack=0
asan: test-setup build-asan/build.ninja ## the tests under address and undefined-behaviour sanitizers
	@$(NINJA) -C build-asan
	@tools/test-report build-asan $(ASAN_SUITES) --no-suite long

fuzz: export CC = clang
fuzz: MESON_FLAGS = -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
fuzz: test-setup build-fuzz/build.ninja ## each fuzz target for FUZZ_SECONDS (20)
	@$(NINJA) -C build-fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz build-fuzz

install: build ## install below PREFIX (/usr/local), or DESTDIR and PREFIX
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD)

format: ## format the C sources
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean: ## remove the build folders
	rm -rf $(BUILD) build-asan build-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
