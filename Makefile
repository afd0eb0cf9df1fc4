# `make demo` and `make test` set up everything they need; both can be run again at any time.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-corpus lint types format bench docs notebooks setup clean

demo: setup
	mkdir -p out
	$(BIN)/hfdask render examples/title -o out/title.mp4

# Three at a time on two cores: tests wait for browsers and time limits for about half of their time.
test: setup lint types
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-all: setup lint types
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not corpus" --cov --cov-report=term

# The rest of two tables of cases, of which `make test-all` takes a sample: about an hour.
test-corpus: setup
	$(BIN)/python -m pytest -n 3 --dist worksteal -m corpus

bench: setup
	$(BIN)/python benchmarks/render.py examples/title

lint: node_modules/.package-lock.json
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/check_english.py
	node_modules/.bin/biome ci --error-on-warnings
	for scope in tsconfig.json tools/javascript/*.tsconfig.json; do node_modules/.bin/tsc --project $$scope || exit 1; done

# Linters of the page runtime, with the versions and digests of the lock file.
node_modules/.package-lock.json: package-lock.json
	command -v npm >/dev/null || { echo "npm is needed for the linters of JavaScript (Debian: apt-get install npm)"; exit 1; }
	npm ci --silent --no-audit --no-fund
	touch $@

types:
	$(BIN)/mypy

format: node_modules/.package-lock.json
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	node_modules/.bin/biome format --write

# NO_MKDOCS_2_WARNING: Material's own news, which is not a fault of a page.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Executed anew, in place: look at the plots before you commit them.
notebooks: setup
	$(BIN)/python tools/execute_notebooks.py

setup: $(VENV)/.installed $(VENV)/.browser $(VENV)/.libraries $(VENV)/.film

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "hfdask needs Python 3.11 or newer: make PYTHON=python3.11"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || (apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

# The browser and fonts: as root from Debian's packages, else whatever `hfdask install-browser` can get.
$(VENV)/.browser: $(VENV)/.installed tools/setup-system.sh
	sh tools/setup-system.sh
	$(BIN)/hfdask install-browser
	$(BIN)/hfdask install-fonts
	$(BIN)/hfdask doctor
	touch $@

# Third-party JavaScript of examples and tests: taken from the npm registry, never kept here.
$(VENV)/.libraries: tools/fetch_npm.py | $(VENV)/.browser
	$(PYTHON) tools/fetch_npm.py
	touch $@

# The films of examples/film: drawn here, never kept here.
$(VENV)/.film: tools/make_film.py | $(VENV)/.installed
	$(BIN)/python tools/make_film.py
	touch $@

clean:
	rm -rf $(VENV) out site .pytest_cache .mypy_cache .ruff_cache .coverage* examples/*/vendor examples/*/media tests/compositions/*/vendor
