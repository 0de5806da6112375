# Every target sets itself up on a fresh machine: it creates .venv, installs the pinned versions, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Waiting threads that spin take the second core from those that work.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-all test-lowest fuzz lint docs audit extras bench tables clean

demo: $(VENV)/installed
	$(BIN)/synth2real demo --overwrite --out demo $(ARGS)

# Neighbours run in one process, so that what a module makes for its tests is made once.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal $(ARGS)

test-all: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal -m "slow or not slow" $(ARGS)

# The same with the lowest versions that pyproject.toml allows.
test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints-lowest.txt --editable ".[dev]"
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/pytest -n auto --dist worksteal $(ARGS)

# More inputs for every loader, and others each time. A seed repeats a run: make fuzz SEED=7
fuzz: SEED := $(or $(SEED),$(shell date +%s))
fuzz: $(VENV)/installed
	@echo "seed $(SEED): make fuzz SEED=$(SEED) repeats this run"
	OMP_NUM_THREADS=1 SYNTH2REAL_FUZZ=50000 $(BIN)/pytest tests/fuzz -n auto --hypothesis-seed=$(SEED) $(ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation, in docs/_build/html. Examples run once, and again only when they change.
docs: $(VENV)/docs
	OMP_NUM_THREADS=1 $(BIN)/sphinx-build -W --keep-going -n -j auto -b html docs docs/_build/html $(ARGS)

# Known vulnerabilities of the pinned versions, from PyPI. It fails if PyPI does not answer.
audit: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[audit]"
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt --progress-spinner off

# The optional dependencies, so that `make test` skips almost nothing.
extras: $(VENV)/extras

# Every benchmark in turn; about 20 minutes of it: make bench ARGS=--quick
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks.run $(ARGS)

# The tables of README and docs, from benchmarks/results.
tables: $(VENV)/installed
	$(BIN)/python -m benchmarks.lib.tables

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)/extras: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[all]"
	touch $@

$(VENV)/docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest demo docs/_build docs/gallery docs/reference/generated .mypy_cache .pytest_cache .ruff_cache
