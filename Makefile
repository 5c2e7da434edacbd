# The manual of this project: a bare `make` prints it. A fresh machine needs python3 (3.11 or later,
# with venv), make and git; every target sets the rest up by itself.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# uv's cache lies in the home; a home that cannot be written to is no reason to stop.
UV_CACHE = $(shell mkdir -p "$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/uv}" 2>/dev/null || echo --no-cache)
UV = VIRTUAL_ENV=.venv $(BIN)/uv $(UV_CACHE)
QYZMET_FOLDER ?= .run
export QYZMET_FOLDER

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# ---- set up ------------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) ## make .venv with everything locked (the other targets do it by themselves)

# pip is asked only for uv, with the hashes of the lock; uv installs the rest, much faster.
# The last line makes services, shared and deploy importable and puts `qyzmet` on the path of .venv.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { echo "python3 lacks venv (on Debian: apt install python3-venv)" >&2; exit 1; }
	@awk '/^uv==/ {found = 1; print; next} /^[a-z]/ {found = 0} found' requirements.lock > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r .venv/uv.txt
	@$(UV) pip sync --quiet --require-hashes requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock: $(READY) ## choose versions anew within pyproject.toml and write requirements.lock
	$(UV) pip compile pyproject.toml --quiet --upgrade --all-extras --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock
	$(UV) pip compile pyproject.toml --quiet --extra setup --constraint requirements.lock --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o deploy/image.lock
	@! grep -nE '://|--index|--find-links' requirements.lock deploy/image.lock || { echo "a host is in the lock" >&2; exit 1; }

# ---- run ---------------------------------------------------------------------------------------

.PHONY: run
run: $(READY) ## start the whole system here, without Docker, until Ctrl-C
	@exec $(BIN)/python -m deploy.local run

.PHONY: demo
demo: $(READY) ## start the system if it is not running and take cases through it, step by step
	@exec $(BIN)/python -m deploy.local demo

.PHONY: status
status: $(READY) ## say what of the system is up, and where
	@exec $(BIN)/python -m deploy.local status

.PHONY: clean
clean: $(READY) ## remove what runs have kept (refuses while one is running)
	@exec $(BIN)/python -m deploy.local clean

# ---- check -------------------------------------------------------------------------------------

.PHONY: check
check: format lint types imports shape ## everything that needs no service: under 30 s

.PHONY: format
format: $(READY) ## is every file formatted? (make fix repairs)
	@$(BIN)/ruff format --check --output-format concise .

.PHONY: lint
lint: $(READY) ## ruff's rules
	@$(BIN)/ruff check --quiet .

.PHONY: types
types: $(READY) ## mypy --strict
	@$(BIN)/mypy --no-error-summary

.PHONY: imports
imports: $(READY) ## who may import whom (.importlinter)
	@$(BIN)/lint-imports --no-logo

.PHONY: shape
shape: $(READY) ## the shape of the code: folders, sizes, names
	@$(BIN)/python -m pytest -q tests/architecture

.PHONY: fix
fix: $(READY) ## repair what format and lint can repair
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: hooks
hooks: $(READY) ## run `make check` before each commit of this clone
	@$(BIN)/pre-commit install

# ---- containers --------------------------------------------------------------------------------

# What one installation has of its own: secrets, settings of its brokers, names of its images.
SITE ?= $(abspath .site)
export QYZMET_SITE = $(SITE)
# Both spellings of the program do; PROFILES="demo observe cluster", and BROKERS=3 with the last.
COMPOSE_PROGRAM ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
PROFILES ?= demo
BROKERS ?= 1
COMPOSE = $(COMPOSE_PROGRAM) --project-name qyzmet --env-file $(SITE)/compose.env \
  -f deploy/compose.yaml $(foreach each,$(PROFILES),--profile $(each))

.PHONY: images
images: $(READY) ## build every image here, without a registry (root, Docker, debootstrap)
	@$(BIN)/python -m deploy.images

.PHONY: site
site: $(READY) ## make what an installation has of its own, where it is missing
	@$(BIN)/python -m deploy.site $(SITE) --brokers $(BROKERS)

.PHONY: up
up: site ## start the system in containers (PROFILES="demo observe", SCALE="intake=2")
	@$(COMPOSE) up --detach --remove-orphans $(foreach each,$(SCALE),--scale $(each))

.PHONY: down
down: ## stop the containers and remove them; the data stays (VOLUMES=1: it does not)
	@$(COMPOSE) down --remove-orphans $(if $(VOLUMES),--volumes)

.PHONY: roll
roll: ## replace the processes of services one by one, while they work (ROLL="intake routing")
	@$(BIN)/python -m deploy.site.rolling $(ROLL) -- $(COMPOSE)

.PHONY: renew
renew: ## give servers new certificates while they work (RENEW="edge postgres kafka")
	@$(BIN)/python -m deploy.site.renewing $(SITE) $(RENEW) -- $(COMPOSE)

.PHONY: backup
backup: ## save both databases while the system works (TO=folder)
	@$(BIN)/python -m deploy.site.backups save $(TO) -- $(COMPOSE)

.PHONY: restore
restore: ## put both databases back (FROM=folder); what they lack is read from the log
	@$(BIN)/python -m deploy.site.backups restore $(FROM) -- $(COMPOSE)

.PHONY: logs
logs: ## what the containers say (LOGS="intake routing")
	@$(COMPOSE) logs --follow --tail 100 $(LOGS)

# ---- contracts ---------------------------------------------------------------------------------

.PHONY: contracts
contracts: $(READY) ## write docs/contracts anew: OpenAPI, AsyncAPI, JSON Schemas (CONTRACTS=--release)
	@$(BIN)/python -m deploy.contracts $(CONTRACTS)

# ---- test --------------------------------------------------------------------------------------

.PHONY: test
test: $(READY) ## all tests but the long ones
	@$(BIN)/python -m pytest -m "not fault and not load and not compose"

.PHONY: fuzz
fuzz: $(READY) ## ask every operation with made-up requests, others each time (FUZZ=1000 of each)
	@QYZMET_FUZZ_EXAMPLES=$${FUZZ:-300} $(BIN)/python -m pytest tests/journeys/test_fuzzed_routes.py \
	  tests/contracts/test_arbitrary_records.py

.PHONY: test-faults
test-faults: $(READY) ## the long tests in full size: kills, freezes, cuts, restores (an hour)
	@QYZMET_FAULTS=full $(BIN)/python -m pytest -m fault

.PHONY: test-compose
test-compose: $(READY) ## the system in containers: needs root and Docker (QYZMET_FAULTS=full, ENGINE=--if-any)
	@$(BIN)/python -m deploy.images.engine $(ENGINE) $(BIN)/python -m pytest -m compose tests/compose

.PHONY: bench
bench: $(READY) ## measure under load, beside relays that do nothing else (BENCH="--cases 5000")
	@$(BIN)/python -m tests.load.bench $(BENCH)
