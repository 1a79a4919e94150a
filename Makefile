# Two commands need no preparation: `make demo` and `make test`.
PYTHON ?= python3
WORKERS ?= logical
PORT ?= 9092
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := leadflow projections/leadflow_projections commands/leadflow_commands
# The constraints pin what builds the package, too.
PIP_INSTALL := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install-dev demo kafka test torture bench lint lint-ruff lint-mypy \
	lint-pyright lint-imports lint-licences format constraints clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUN_STAMP) ## set up .venv with leadflow and all its extras

install-dev: $(DEV_STAMP)

demo: install ## a believable history, its funnel and its queue, written into demo/
	$(BIN)/leadflow demo

kafka: install-dev ## a Kafka broker for trials on 127.0.0.1:9092 (PORT=…), until Ctrl-C
	@$(BIN)/python -m tests.broker --port $(PORT)

test: install-dev ## every test but torture and benchmarks
	$(BIN)/pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal \
		-m "not torture and not bench" $(ARGS)

torture: install-dev ## long runs of faults and kills
	HYPOTHESIS_PROFILE=torture $(BIN)/pytest -m torture --timeout 0 $(ARGS)

bench: install-dev ## measure; prints tables and writes build/bench.json
	$(BIN)/python -m tests.benchmarks $(ARGS)

lint: lint-ruff lint-mypy lint-pyright lint-imports lint-licences ## every check that runs nothing

lint-ruff: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-mypy: install-dev
	$(BIN)/mypy

lint-pyright: install-dev
	$(BIN)/pyright

lint-imports: install-dev
	$(BIN)/lint-imports

lint-licences: install-dev
	$(BIN)/pip-licenses --summary

format: install-dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: ## pin the newest versions that fit together
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --editable '.[all,dev]'
	build/constraints/bin/python -m pip freeze --exclude-editable > constraints.txt

clean: ## remove what builds, tests and the demo wrote; .venv stays
	rm -rf build dist demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "leadflow needs Python 3.11 or newer; say where one is: make PYTHON=python3.11 …" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing leadflow with all its extras into $(VENV) …"
	@$(PIP_INSTALL) --editable '.[all]'
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing leadflow with all its extras and the tools of its checks into $(VENV) …"
	@$(PIP_INSTALL) --editable '.[all,dev]'
	@touch $(RUN_STAMP) $@
