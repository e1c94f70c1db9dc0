# The two commands of the README: `make apply` and `make test`. Both need only Python >= 3.11 and make.
# The first Python of the list that is new enough; `make PYTHON=/path/to/python test` chooses another one.
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python3.14 python; do \
  $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
# The programs that read what stackplan writes live apart: they need other versions of the same libraries.
VALIDATORS := .venv-validators
VALIDATORS_STAMP := $(VALIDATORS)/.installed
DEBIAN_STAMP := $(VALIDATORS)/.debian
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: apply test test-slow engine test-exhaustive lint accuracy bench docs lock clean python

apply: $(RUN_STAMP)
	$(BIN)/stackplan apply

test: lint $(VALIDATORS_STAMP) $(DEBIAN_STAMP)
	$(BIN)/python -m pytest -m "not slow and not exhaustive" -n logical --maxprocesses 8 --dist worksteal

test-slow: $(DEV_STAMP) $(VALIDATORS_STAMP) $(DEBIAN_STAMP)
	@echo "left out: tests marked exhaustive, which take most of an hour; make test-exhaustive runs them"
	$(BIN)/python -m pytest -m slow

# Real programs for the slow tests, kept in ~/.cache/stackplan/engines; what cannot be built is named, not an error.
engine: $(DEV_STAMP)
	$(BIN)/python scripts/engine.py

test-exhaustive: $(DEV_STAMP) $(VALIDATORS_STAMP)
	$(BIN)/python -m pytest -m exhaustive

lint: $(DEV_STAMP)
	$(BIN)/ruff check src tests bench scripts
	$(BIN)/ruff format --check src tests bench scripts
	$(BIN)/mypy

accuracy: $(DEV_STAMP)
	$(BIN)/python scripts/accuracy.py

bench: $(DEV_STAMP)
	$(BIN)/python bench/run.py

docs: $(DEV_STAMP)
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python scripts/readme_example.py

lock: $(DEV_STAMP)
	scripts/lock

$(RUN_STAMP): requirements.lock pyproject.toml | python
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

$(VALIDATORS_STAMP): requirements-validators.lock | python
	$(PYTHON) -m venv $(VALIDATORS)
	$(VALIDATORS)/bin/python -m pip install --quiet --require-hashes -r requirements-validators.lock
	@touch $@

$(DEBIAN_STAMP): scripts/debian-validators $(VALIDATORS_STAMP)
	scripts/debian-validators $(VALIDATORS)/debian
	@touch $@

python:
	@test -n "$(PYTHON)" || { echo "stackplan needs Python 3.11 or newer; none was found on the PATH."; \
	  echo "hint: install one, or name it: make PYTHON=/path/to/python3.12 apply"; exit 1; } >&2
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "stackplan needs Python 3.11 or newer; $(PYTHON) is not."; \
	  echo "hint: name another one: make PYTHON=/path/to/python3.12 apply"; exit 1; } >&2

clean:
	rm -rf $(VENV) $(VALIDATORS) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
