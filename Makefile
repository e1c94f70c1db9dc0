# The two commands of the README: `make apply` and `make test`. Both need only Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
# The programs that read what stackplan writes live apart: they need other versions of the same libraries.
VALIDATORS := .venv-validators
VALIDATORS_STAMP := $(VALIDATORS)/.installed

.PHONY: apply test test-slow lint accuracy bench lock clean

apply: $(RUN_STAMP)
	$(BIN)/stackplan apply

test: lint $(VALIDATORS_STAMP)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(DEV_STAMP) $(VALIDATORS_STAMP)
	$(BIN)/python -m pytest -m slow

lint: $(DEV_STAMP)
	$(BIN)/ruff check src tests bench scripts
	$(BIN)/ruff format --check src tests bench scripts
	$(BIN)/mypy

accuracy: $(DEV_STAMP)
	$(BIN)/python scripts/accuracy.py

bench: $(DEV_STAMP)
	$(BIN)/python bench/run.py

lock: $(DEV_STAMP)
	scripts/lock

$(RUN_STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VALIDATORS_STAMP): requirements-validators.lock
	$(PYTHON) -m venv $(VALIDATORS)
	$(VALIDATORS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-validators.lock
	@touch $@

clean:
	rm -rf $(VENV) $(VALIDATORS) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
