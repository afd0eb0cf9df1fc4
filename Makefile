# `make demo` and `make test` set up everything they need; both can be run again at any time.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
GSAP := examples/gsap/vendor/gsap.min.js
GSAP_VERSION := 3.15.0

.PHONY: demo test test-all lint types format bench setup clean

demo: setup
	mkdir -p out
	$(BIN)/hfdask render examples/title -o out/title.mp4

test: setup lint types
	$(BIN)/python -m pytest

test-all: setup lint types
	$(BIN)/python -m pytest -m ""

bench: setup
	$(BIN)/python benchmarks/render.py examples/title

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.installed $(VENV)/.browser $(GSAP)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "hfdask needs Python 3.11 or newer: make PYTHON=python3.11"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || (apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

# The browser and fonts: as root from Debian's packages, else whatever `hfdask install-browser` can get.
$(VENV)/.browser: $(VENV)/.installed tools/setup-system.sh
	sh tools/setup-system.sh
	$(BIN)/hfdask install-browser
	$(BIN)/hfdask doctor
	touch $@

# GSAP's licence does not allow us to carry it: examples and tests take it from the npm registry.
$(GSAP): tools/fetch_npm.py | $(VENV)/.browser
	$(PYTHON) tools/fetch_npm.py gsap $(GSAP_VERSION) dist/gsap.min.js $@

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache examples/gsap/vendor
