# Every target sets itself up on a fresh machine: it creates .venv, installs the pinned versions, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Waiting threads that spin take the second core from those that work.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-all lint bench clean

demo: $(VENV)/installed
	$(BIN)/synth2real demo --overwrite --out demo $(ARGS)

test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto $(ARGS)

test-all: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "slow or not slow" $(ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed
	for script in render_speed randomize_speed refine_speed step_speed msda_speed fonts digits usps sentiment eyes pupils refiners label_shift several gaze_between gaze_order gaze_mpiigaze calibration; do $(BIN)/python benchmarks/$$script.py || exit 1; done

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo .mypy_cache .pytest_cache .ruff_cache
