# The only door to this project: `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Where benchmarks and data tests look for data sets; see benchmarks/README.md.
export DOWSER_DATASETS ?= $(CURDIR)/datasets

.DEFAULT_GOAL := help
.PHONY: help setup proto lint types test bench demo clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv with everything pinned (CPU builds)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

proto: $(STAMP) ## Generate the stubs from proto/
	$(BIN)/python proto/generate.py

lint: $(STAMP) types ## Check style, types, arrows, stubs and what deploy/ holds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python proto/generate.py --check
	$(BIN)/python deploy/validate.py

types: $(STAMP) ## Check types (mypy strict)
	$(BIN)/mypy

test: $(STAMP) ## Run the tests, two at a time
	$(BIN)/python -m pytest -q --numprocesses 2 --dist worksteal --durations 15

bench: $(STAMP) ## Run the latency benchmark (see benchmarks/README.md for the others)
	$(BIN)/python -m benchmarks latency

demo: $(STAMP) ## Watch an active-learning loop on real digits; writes out/demo/report.html
	$(BIN)/python -m benchmarks demo

clean: ## Remove what was made here, but for .venv and results
	rm -rf out build dist .mypy_cache .ruff_cache .pytest_cache
