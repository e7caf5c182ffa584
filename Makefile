# Every target installs what it needs into .venv the first time, and again only when requirements change.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install -qq --no-deps
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run stack doctor key up down ps logs scale-workers restart backup restore test-containers test lint \
	bench chaos screenshots lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## everything in one process, no servers: API, UI, workers, scheduler
	@exec $(VENV)/bin/callboard run $(ARGS)

stack: $(VENV)/.dashboard ## the real thing without containers: own RabbitMQ and Redis, web, workers, scheduler, dashboard
	@exec $(VENV)/bin/callboard stack $(ARGS)

doctor: $(VENV)/.run ## examine the stack of .run, or the installation of CALLBOARD_*: what is wrong, what to do
	@exec $(VENV)/bin/callboard doctor $(if $(wildcard .run/env),--env .run/env --rabbitmq-conf .run/rabbitmq/rabbitmq.conf) $(ARGS)

# Containers: needs a container engine and any Python from 3.11 on; COMPOSE="podman-compose" chooses the program.
CONTAINED = env PYTHONPATH=. COMPOSE="$(COMPOSE)" "$(or $(PYTHON),python3)" -m deploy.containers
CONTAINERS = @exec $(CONTAINED)

up: ## everything in containers; the first time with new secrets in .env; COMPOSE=… chooses the compose program
	$(CONTAINERS) up

down: ## stop and remove the containers; the data stays
	$(CONTAINERS) down

ps: ## the containers
	$(CONTAINERS) ps

logs: ## follow the containers' logs; SERVICE=web narrows
	$(CONTAINERS) logs $(SERVICE)

scale-workers: ## N=4 worker containers; SERVICE=worker-email, worker-data, worker-files: of that kind
	$(CONTAINERS) scale "$(N)" "$(or $(SERVICE),worker)"

# Of the containers if they run, else of the stack of .run or of CALLBOARD_*.
key: ## a new API key, shown once: NAME=billing ROLE=submit
	@test -n "$(NAME)" -a -n "$(ROLE)" || { echo "usage: make key NAME=billing ROLE=submit|read|operate|admin" >&2; exit 2; }
	@if test -f .env && $(CONTAINED) running 2>/dev/null; then \
		exec $(CONTAINED) key create "$(NAME)" --role "$(ROLE)" $(ARGS); fi; \
	$(MAKE) -s --no-print-directory $(VENV)/.run >&2 && exec $(VENV)/bin/callboard keys create "$(NAME)" --role "$(ROLE)" \
		$(if $(wildcard .run/env),--env .run/env) $(ARGS)

restart: ## restart Callboard's containers one by one, nothing lost; SERVICE=worker narrows
	$(CONTAINERS) restart $(SERVICE)

backup: ## Redis's data and RabbitMQ's definitions into backups/; TO=folder
	$(CONTAINERS) backup $(TO)

restore: ## FROM=backups/…: put a backup in the place of what is there
	$(CONTAINERS) restore "$(FROM)"

test-containers: $(VENV)/.dev ## the tests that need a container engine
	@exec $(PY) -m pytest -m containers $(ARGS)

test: $(VENV)/.dev ## every test, with real RabbitMQ, Redis and browser; ARGS="-k name" narrows, JOBS=0: one after the other
	@scripts/install-system.sh servers browser axe
	@exec $(PY) -m pytest -n $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy --strict, shellcheck, hadolint, the compose files against their specification
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy --strict
	@$(VENV)/bin/shellcheck scripts/*.sh .ci/*
	@$(VENV)/bin/hadolint Dockerfile
	@$(VENV)/bin/check-jsonschema -q --builtin-schema vendor.compose-spec docker-compose.yml docker-compose.private.yml

bench: $(VENV)/.dev ## benchmarks against peers
	@scripts/install-system.sh servers bench
	@exec $(PY) -m benchmarks $(ARGS)

screenshots: $(VENV)/.dev ## docs/images/*.png, every page wide and narrow, light and dark; ARGS="home tasks" narrows
	@scripts/install-system.sh servers browser
	@exec $(PY) -m tests.browser.screenshots $(ARGS)

chaos: $(VENV)/.dev ## break everything for MINUTES (20) and write docs/reliability.md; SEED repeats a run
	@scripts/install-system.sh servers
	@exec $(PY) -m tests.chaos --minutes $(or $(MINUTES),20) $(if $(SEED),--seed $(SEED))

lock: $(VENV)/.dev ## recompile requirements/*.txt; UPGRADE=1 takes newer releases
	@scripts/lock.sh $(VENV)/bin/uv $(if $(UPGRADE),--upgrade)

clean: ## remove .venv, caches and build output; the data in .run stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './node_modules/*' -prune -exec rm -rf {} +

# One stamp per locked set; each ends with this checkout itself, editable.

# Also made again when its interpreter is gone, as after an upgrade of Python; its being newer redoes the others.
.PHONY: again
$(VENV)/.python: $(if $(shell test -x $(PY) || echo gone),again)
	@"$(or $(PYTHON),none)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "Callboard needs Python 3.11 or later, and found $(or $(PYTHON),none)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@PYTHON="$(PYTHON)" scripts/install-system.sh venv
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: requirements/run.txt requirements/fast.txt pyproject.toml $(VENV)/.python
	@echo "installing requirements/run.txt into $(VENV)"
	@$(PIP) --require-hashes -r requirements/run.txt
	@if ! $(PIP) --require-hashes --no-build-isolation -r requirements/fast.txt >$(VENV)/fast.log 2>&1; then \
		echo "no C compiler or Python headers: going on with the HTTP parser in Python ($(VENV)/fast.log)"; fi
	@$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.dashboard: requirements/dashboard.txt $(VENV)/.run
	@echo "installing requirements/dashboard.txt into $(VENV)"
	@$(PIP) --require-hashes -r requirements/dashboard.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.dashboard
	@echo "installing requirements/dev.txt into $(VENV)"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
