# Plain make (3.81 is enough), `python -m venv` and pip. Paths stay relative, so a checkout below a
# directory with a space in its name works.

PYTHON ?= python3
VENV ?= .venv
GROUP ?= dev
SECONDS ?= 600
RUN = $(VENV)/bin/python -m
TYPES = PATH="$$PWD/$(VENV)/bin:$$PATH" $(RUN) pyright --verifytypes responses_adapters --ignoreexternal
READY = $(VENV)/ready
BENCH = .venv-bench
AIMOCK = $(BENCH)/node_modules/@copilotkit/aimock
SERVERS = $(if $(SKIP_OGX),,ogx) litellm azure

.PHONY: help demo test cookbook check coverage verify-types audit test-deep campaign soak figures test-langchain test-extras test-lowest test-matrix test-servers bench bench-gates peers clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## a room-booking agent in both frameworks, against a local fake server
	@$(RUN) responses_adapters demo

test: $(READY) ## run the tests
	@$(RUN) pytest

cookbook: $(READY) ## run every recipe against the fake server and compare what it prints
	@$(RUN) pytest tests/test_cookbook.py tests/test_handbook.py

check: $(READY) ## lint, format, types, import rules, declared dependencies
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports --no-logo
	$(RUN) deptry .
	$(TYPES) >$(VENV)/types.log || { cat $(VENV)/types.log; exit 1; }

coverage: $(READY) ## run the tests and list the lines and branches they miss
	@$(RUN) coverage erase
	@$(RUN) coverage run -m pytest
	@$(RUN) coverage combine --quiet
	@$(RUN) coverage report

verify-types: $(READY) ## list the public names whose types are not fully known
	@$(TYPES)

audit: $(READY) ## look the installed packages up in the index's list of known vulnerabilities
	@test -d .venv-audit || "$(PYTHON)" -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet pip-audit
	@$(RUN) pip freeze --exclude-editable >.venv-audit/installed.txt
	@.venv-audit/bin/python tests/audit.py .venv-audit/installed.txt

test-deep: $(READY) ## play made-up threads on a real graph, every fault over a socket, and kill workers (a quarter of an hour)
	@$(RUN) pytest tests/test_langgraph_context.py tests/test_fault_campaign.py -m deep -s -o faulthandler_timeout=3600
	@$(MAKE) --no-print-directory campaign

campaign: $(READY) ## kill workers on PostgreSQL and DBOS, at any moment and in the worst (minutes)
	@$(RUN) pytest tests/test_campaigns.py -m deep -s -o faulthandler_timeout=3600

soak: $(READY) ## 1,000 threads in each framework on a server that goes wrong, for SECONDS=600 each
	@for room in langgraph pydantic_ai; do \
	    $(VENV)/bin/python tests/campaigns/soak.py $$room --seconds $(SECONDS) --json build/soak_$$room.json || exit 1; \
	done

figures: $(READY) ## put what make campaign and make soak have measured into the handbook
	@mkdir -p tests/figures
	@$(VENV)/bin/python tests/campaigns/publish.py build
	@$(VENV)/bin/python tests/test_cookbook.py

test-langchain: ## run LangChain's own suites for chat models, in a virtualenv of their own
	@$(MAKE) --no-print-directory VENV=.venv-langchain GROUP=langchain .venv-langchain/ready
	@.venv-langchain/bin/python -m pytest tests/standard_suites.py --benchmark-disable

test-extras: $(READY) ## install the wheel with each extra alone, in new virtualenvs (minutes)
	@$(RUN) pytest tests/test_packaging.py -m fresh_virtualenv

test-lowest: $(READY) ## run the tests on the oldest dependencies that the package allows (minutes)
	@$(VENV)/bin/python tests/matrix.py lowest

test-matrix: $(READY) ## run them on every version there may be: Pythons, dependencies, openai 2, one extra (an hour; JOBS=2 for two at a time)
	@$(VENV)/bin/python tests/matrix.py

test-servers: $(READY) $(SERVERS:%=.venv-%/ready) ## both rooms and the doctor on real servers: OGX, LiteLLM, Azure's (minutes; 1 GB of virtualenvs)
	@SERVERS="$(SERVERS)" $(RUN) pytest tests/real_servers.py -s

bench: peers ## how fast the package and the fake are beside their peers, in a virtualenv of their own (minutes)
	@mkdir -p build
	@$(BENCH)/bin/python tests/benchmarks/speed.py --json build/speed.json
	@$(BENCH)/bin/python tests/benchmarks/fake_backend.py --json build/fake_backend.json

bench-gates: $(READY) ## hold bytecodes, bytes, threads, clients and memory to their limits
	@$(RUN) pytest tests/test_benchmark_gates.py

peers: $(BENCH)/ready
	@if command -v npm >/dev/null && ! test -d $(AIMOCK); then \
	    npm install --silent --no-audit --no-fund --prefix $(BENCH) @copilotkit/aimock@1.43.0; \
	fi

clean: ## remove the virtualenv, caches and build output
	rm -rf .venv .venv-* build dist .coverage .coverage.* .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python_version = $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else "ok")' 2>/dev/null)
need_python = $(error Python 3.11 or newer is needed, but $(PYTHON) is $(or $(python_version),missing): try  make PYTHON=python3.12)

$(READY): pyproject.toml
	$(if $(filter ok,$(python_version)),,$(need_python))
	@printf 'Setting up $(VENV) (about a minute the first time) ... '
	@mkdir -p $(VENV)
	@{ "$(PYTHON)" -m venv $(VENV) \
	    && $(RUN) pip install --quiet --upgrade 'pip>=25.1' \
	    && $(RUN) pip install --quiet --editable '.[all]' --group $(GROUP); \
	  } >$(VENV)/setup.log 2>&1 || { echo failed; cat $(VENV)/setup.log; exit 1; }
	@touch $@
	@echo done

$(BENCH)/ready: pyproject.toml
	$(if $(filter ok,$(python_version)),,$(need_python))
	@printf 'Setting up $(BENCH) (about a minute the first time) ... '
	@mkdir -p $(BENCH)
	@{ "$(PYTHON)" -m venv $(BENCH) \
	    && $(BENCH)/bin/pip install --quiet --editable '.[aiohttp,langgraph,pydantic-ai,testing]' pytest pytest-httpx2==1.0.0; \
	  } >$(BENCH)/setup.log 2>&1 || { echo failed; cat $(BENCH)/setup.log; exit 1; }
	@touch $@
	@echo done

.venv-%/ready: tests/servers/%.txt
	$(if $(INTERPRETER),,$(need_python312))
	@printf 'Setting up .venv-$* (minutes the first time) ... '
	@mkdir -p .venv-$*
	@{ "$(INTERPRETER)" -m venv .venv-$* \
	    && .venv-$*/bin/pip install --quiet --requirement $<; \
	  } >.venv-$*/setup.log 2>&1 || { echo failed; cat .venv-$*/setup.log; exit 1; }
	@touch $@
	@echo done

.venv-azure/ready .venv-litellm/ready: INTERPRETER = $(PYTHON)
.venv-ogx/ready: INTERPRETER = $(PYTHON312)

PYTHON312 ?= $(shell for each in "$(PYTHON)" python3.12 python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.12.*/bin/python; do \
    "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { command -v "$$each"; break; }; done)
need_python312 = $(error OGX needs Python 3.12 or newer, and none was found: try  make test-servers PYTHON312=/path/to/python3.12  or leave it out:  make test-servers SKIP_OGX=1)
