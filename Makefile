# Everything runs in .venv, which these rules make from the pinned, hashed files in requirements/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# Tests and benchmarks start the program hundreds of times: it is compiled once, as an installed one is.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench soak fuzz format lock clean
.DEFAULT_GOAL := test

demo: $(VENV)/.run
	$(BIN)/vaulytica demo

# Most tests of processes and sockets wait: four at a time keep two cores busy.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 4 --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 tests/docs

bench: $(VENV)/.bench
	$(BIN)/python -m bench

# All faults at once, for so many seconds.
soak: $(VENV)/.dev
	$(BIN)/python tests/soak/run.py --seconds $(or $(SECONDS),600)

# Each target for so many seconds; TARGETS="urls configs" for some of them only.
fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(or $(SECONDS),60) $(TARGETS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .

# After a change to requirements/*.in. uv resolves for every platform and Python at once.
lock: $(VENV)/.dev
	$(PIP) install uv==0.13.9
	cd requirements && for set in run dev bench fuzz; do \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header $$set.in -o $$set.txt || exit 1; done

$(VENV)/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one by: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(PIP) install --require-hashes -r requirements/dev.txt
	touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	$(PIP) install --require-hashes -r requirements/bench.txt
	touch $@

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	$(PIP) install --require-hashes -r requirements/fuzz.txt
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .fuzz
