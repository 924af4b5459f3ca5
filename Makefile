# Needs Python 3.10 or newer with pip, git and make. Everything that is installed stays in $(VENV).
#
#   make demo    the first five minutes, with the echo provider: no account, no key
#   make test    the fast suites: about five minutes of CPU. REAL_STARTS=1 starts each command, instead of forking it
#   make test-slow  starts the command many times, and sweeps: attacks in every subcommand, scaffolds, every sensitive place
#   make test-properties  every property with four times the examples of the fast suites
#   make test-docs  what the pages say: commands, links, tables, generated pages
#   make check   linter, formatter, types, the fast suites, the pages
#   make chaos   kills, full disks and lost clients          make bench   the measured claims, BEFORE=HEAD~1 beside them
#   make soak    a constant load for SOAK_MINUTES (60): nothing grows
#   make growth  how each figure grows with its load, drawn
#   make fuzz    every property with FUZZ_EXAMPLES (5000) examples: hours
#   make picture draw the README's picture again, played by the real agents
#   make wheels  every distribution as a wheel, in dist/
#   make fuzz-native  the readers, frames and settings by the branches of the code, for HOURS (1), with atheris
#   make pins    take today's versions into .ci/constraints.txt
#   make docs    the documentation as a site, in .cache/site/; every link and the width of lines are checked
#   make version TO=0.2.0  give every distribution a new version (docs/contributing/release.md)
#   make audit   look up known vulnerabilities of the pinned versions (needs the network)
#   make clean   remove what the above made
#
# The long run of the kills, half an hour: make chaos ROUNDS=10000 JOBS=6 [SEED=...], and ARGS='--page FILE' notes it.
#
# The tests wait more than they work, so more of them run at once than there are cores: make test JOBS=8
# Another interpreter: make test PYTHON=python3.13 VENV=.cache/py3.13

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
FUZZ_EXAMPLES ?= 5000
SOAK_MINUTES ?= 60
BEFORE ?= HEAD~1
HOURS ?= 1
JOBS ?= 4

UV ?= $(VENV)/uv/bin/uv
RUN := $(VENV)/bin/python
PINS := .ci/constraints.txt
READY := $(VENV)/.ready
MANIFESTS := $(wildcard pyproject.toml core/pyproject.toml providers/*/pyproject.toml stores/*/pyproject.toml plugins/*/pyproject.toml)
MEMBERS := $(filter-out ./,$(dir $(MANIFESTS)))
SOURCES := $(foreach member,$(MEMBERS),$(wildcard $(member)src))
# What is in force as soon as it is installed; its tests install it for themselves.
LEFT_OUT := plugins/policy-wall/

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_NO_PROGRESS := 1
export UV_PYTHON_DOWNLOADS := never
# Compiled once, by the first process that imports it: without, every one of a thousand processes compiles every file again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-properties test-docs check lint types chaos fuzz bench growth soak picture wheels docs docs-ready pins version audit clean setup

demo: $(READY)
	@$(VENV)/bin/llm-gateway demo $(ARGS)

test: $(READY)
	@$(RUN) -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-slow: $(READY)
	@$(RUN) -m pytest -m slow --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-properties: $(READY)
	@FUZZ_EXAMPLES=100 $(RUN) -m pytest -m hypothesis --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-docs: $(READY)
	@$(RUN) -m pytest -m docs tests/unit $(ARGS)

check: lint types test test-docs

lint: $(READY)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

types: $(READY)
	@$(RUN) -m mypy $(if $(TARGET),--python-version $(TARGET)) $(SOURCES)

chaos: $(READY)
ifdef ROUNDS
	@$(RUN) -m tests.chaos.campaign --rounds $(ROUNDS) --workers $(JOBS) $(if $(SEED),--seed $(SEED)) $(ARGS)
else
	@$(RUN) -m pytest tests/chaos $(ARGS)
endif

fuzz: $(READY)
	@FUZZ_EXAMPLES='$(FUZZ_EXAMPLES)' $(RUN) -m pytest $$(grep -rlE --include='*.py' '^from hypothesis|ProviderContract\)' tests core providers stores plugins | grep /test_) $(ARGS)

fuzz-native: $(READY)
	@UV='$(UV)' $(RUN) tests/fuzz/native.py '$(HOURS)' $(ARGS)

bench: $(READY)
	@BENCH_BEFORE='$(BEFORE)' $(RUN) -m pytest tests/bench/test_bench.py -s $(ARGS)

growth: $(READY)
	@$(RUN) -m pytest tests/bench/growth -s -o faulthandler_timeout=0 $(ARGS)

soak: $(READY)
	@SOAK_MINUTES='$(SOAK_MINUTES)' $(RUN) -m pytest tests/bench/test_soak.py -s -o faulthandler_timeout=0 $(ARGS)

picture: $(READY)
	@$(RUN) -m tests.pictures

wheels: $(READY)
	@$(UV) build --quiet --all-packages --wheel --clear --out-dir dist

setup: $(READY)

# The stamp is older than a manifest, the pins or a new member's manifest: install again (a second, when little changed).
$(READY): $(MANIFESTS) $(PINS) Makefile .ci/install
	@PYTHON='$(PYTHON)' VENV='$(VENV)' UV='$(UV)' sh .ci/install $(filter-out $(LEFT_OUT),$(MEMBERS))
	@touch $@

docs-ready: $(VENV)/.docs-ready

$(VENV)/.docs-ready: $(READY)
	@$(UV) pip install --quiet --python $(RUN) --constraints $(PINS) --group docs
	@touch $@

pins: $(READY)
	@UV='$(UV)' sh .ci/pins $(MANIFESTS)

docs: docs-ready
	@$(RUN) .ci/wrap.py
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --clean

version:
	@$(PYTHON) .ci/version.py '$(TO)'

audit: $(READY)
	@UV='$(UV)' sh .ci/audit

clean:
	rm -rf '$(VENV)' .cache dist .mypy_cache .ruff_cache .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
