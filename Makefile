# Every wish is one word. Each sets up what it needs, on a machine with Python 3.11 or later and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests wait more than they compute, so three of them share two cores.
WORKERS ?= $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))

.PHONY: help demo up test chaos bench check format generate lock clean

help:            ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

demo: $(VENV)/runtime   ## the main job on embedded defaults: batches, progress, a contact sheet, the promises checked
	@$(BIN)/darkroom demo

up: $(VENV)/runtime     ## serve the whole system in one process
	@$(BIN)/darkroom up

test: $(VENV)/dev       ## every test, on a real broker and a real database
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

chaos: $(VENV)/dev      ## the fault runs at their full length, with the table that each prints
	@$(BIN)/python -m pytest -q -s --whole tests/chaos

bench: $(VENV)/bench    ## every benchmark beside its rival, within 45 minutes; QUICK=1 within 10
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

check: $(VENV)/dev      ## style, strict types, import arrows, stale generated files
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/python -m contracts.documents --check

format: $(VENV)/dev     ## put the code into its one form
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

generate: $(VENV)/dev   ## write the JSON Schemas and the AsyncAPI document again
	@$(BIN)/python -m contracts.documents

lock: $(VENV)/dev       ## compile the locks again from pyproject.toml
	@for pair in "build requirements.lock" "dev requirements-dev.lock" \
	  "bench requirements-bench.lock --constraint requirements-dev.lock"; do set -- $$pair; group=$$1 lock=$$2; shift 2; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --group $$group pyproject.toml -o $$lock "$$@" || exit 1; done

clean:           ## forget the environment and everything that was made
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Darkroom needs Python 3.11 or later; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null; } || \
	  { echo "Python has no ensurepip here; install it first (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Setting up $(VENV) (once)" && $(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements.lock pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/runtime
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/bench: requirements-bench.lock $(VENV)/dev
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@
