# Two commands do everything on a fresh machine: `make demo` and `make test`.
# They need Rust, Python 3.11 or later with pip, and a C compiler; the rest they install into .venv.

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
LOOPBACK := $(TARGET)/release/loopback
CARGO := cargo

export CARGO_TARGET_DIR = $(TARGET)
export RUSTFITS_LOOPBACK = $(LOOPBACK)

.PHONY: fpack help setup python test test-rust test-python lint demo bench fuzz docs clean

help:
	@echo "make demo   set up, then fetch hundreds of FITS files from loopback servers and show what came"
	@echo "make test   set up, then check and test everything"
	@echo "make bench  measure against other packages"
	@echo "make fuzz   let the fuzzer loose on every target, SECONDS of each (needs cargo-fuzz and a C++ compiler)"
	@echo "make docs   the documentation of the Rust API"
	@echo "make lint, test-rust, test-python, setup, python, clean: parts of the above"

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV) || ($(PYTHON) -m pip install --quiet virtualenv && $(PYTHON) -m virtualenv $(VENV))

# The tools and the packages that tests compare with.
$(VENV)/.tools: $(BIN)/pip python/requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r python/requirements-dev.txt
	touch $@

setup: $(VENV)/.tools

# The Python package, built in release and installed in place.
python: setup
	cd python && VIRTUAL_ENV=$(VENV) PATH=$(BIN):$$PATH $(BIN)/maturin develop --release --quiet

lint: setup
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --release --workspace --all-targets --quiet -- -D warnings
	$(CARGO) clippy --release -p rustfits --quiet -- -D warnings
	$(BIN)/ruff check python
	$(BIN)/ruff format --check python
	cd python && $(BIN)/mypy
	if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo deny is not installed: advisories and licences not checked"; fi

test-rust:
	$(CARGO) test --release --workspace --exclude rustfits-python --features rustfits/arrow --quiet

$(LOOPBACK): $(wildcard tests/support/src/*.rs tests/support/src/*/*.rs)
	$(CARGO) build --release --quiet -p rustfits-loopback

# The programs that tests read compressed images with; without them, and where they can't be installed, those tests are skipped.
fpack:
	command -v fpack >/dev/null || \
		(test "$$(id -u)" = 0 && timeout 120 sh -c 'apt-get update -qq && apt-get install -y -qq libcfitsio-bin' >/dev/null 2>&1) || \
		echo "fpack and funpack are not installed: what they make of compressed images is not tested"

test-python: python fpack $(LOOPBACK)
	$(BIN)/python -m pytest -q python/tests

test: lint test-rust test-python

demo: python $(LOOPBACK)
	$(BIN)/pip install --quiet --disable-pip-version-check -r examples/demo/requirements.txt
	$(BIN)/python examples/demo/demo.py

bench: python $(LOOPBACK)
	$(BIN)/pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
	$(BIN)/python benches/peers/run.py
	$(BIN)/python benches/peers/remote.py

# On a stable toolchain: no sanitizer, but overflow checks and debug assertions are on.
SECONDS ?= 60
FUZZ := RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none

fuzz:
	for target in open_read cards tiles table tiled_table rice gzip plio hcompress quantize; do \
		mkdir -p fuzz/corpus/$$target && \
		(cd fuzz && $(FUZZ) $$target -- -max_total_time=$(SECONDS) -rss_limit_mb=2048 -timeout=10 -max_len=65536) || exit 1; \
	done

docs:
	$(CARGO) doc --no-deps -p rustfits --features arrow

clean:
	rm -rf $(VENV) target $(TARGET) demo-output fuzz/target
