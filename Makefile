# Every target installs what it needs into .venv the first time, and again only when requirements change.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install -qq --no-deps
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run stack doctor key test lint bench chaos screenshots lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run ## everything in one process, no servers: API, UI, workers, scheduler
	@exec $(VENV)/bin/callboard run $(ARGS)

stack: $(VENV)/.dashboard ## the real thing without containers: own RabbitMQ and Redis, web, workers, scheduler, dashboard
	@exec $(VENV)/bin/callboard stack $(ARGS)

doctor: $(VENV)/.run ## examine the stack of .run, or the installation of CALLBOARD_*: what is wrong, what to do
	@exec $(VENV)/bin/callboard doctor $(if $(wildcard .run/env),--env .run/env --rabbitmq-conf .run/rabbitmq/rabbitmq.conf) $(ARGS)

key: $(VENV)/.run ## a new API key of the stack of .run or of CALLBOARD_*, shown once: NAME=billing ROLE=submit
	@test -n "$(NAME)" -a -n "$(ROLE)" || { echo "usage: make key NAME=billing ROLE=submit|read|operate|admin" >&2; exit 2; }
	@exec $(VENV)/bin/callboard keys create "$(NAME)" --role "$(ROLE)" $(if $(wildcard .run/env),--env .run/env) $(ARGS)

test: $(VENV)/.dev ## every test, with real RabbitMQ, Redis and browser; ARGS="-k name" narrows
	@scripts/install-system.sh servers browser axe
	@exec $(PY) -m pytest $(ARGS)

lint: $(VENV)/.dev ## ruff (rules and format) and mypy --strict
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy --strict

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
