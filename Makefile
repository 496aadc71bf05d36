# Confide. What a newcomer needs is `make demo` and `make test`; both set up everything they use.
#
# Assumed on the machine: make, git and Python 3.11 or newer with venv. `make PYTHON=python3.13 demo` takes another one.

PYTHON ?= python3
DEMO_PATIENTS ?= 200
DEMO_FLAGS ?=
PYTEST ?=
# Two cores, two halves; a file stays together, because its tests share what is slow to set up.
SHARED_OUT := --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Programs are started by the hundred: none is compiled anew each time.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
WHEELS := --only-binary :all: --no-binary pyspark --no-binary pyffx
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TESTED := src tests tools benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo test drill faults lint format bench bench-large attack docs lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/demo.stamp ## a synthetic practice to look at; DEMO_PATIENTS=2000 for a larger one
	@$(BIN)/confide demo --patients $(DEMO_PATIENTS) $(DEMO_FLAGS)

# SQLite first, then whatever touches a database once more on a throw-away PostgreSQL cluster; the leak tests on a
# cluster of their own, for they read every byte that it wrote.
test: .venv/dev.stamp ## all tests, on SQLite and on PostgreSQL; PYTEST="-k name" narrows them
	$(BIN)/python -m pytest $(SHARED_OUT) $(PYTEST)
	$(BIN)/python -m tools.postgres --optional $(BIN)/python -m pytest $(SHARED_OUT) -m database --ignore tests/leaks $(PYTEST)
	$(BIN)/python -m tools.postgres --optional --told $(BIN)/python -m pytest tests/leaks $(PYTEST)

# tests/scale.py: the same tests, with as many tries, kills and rows as were promised.
drill: export CONFIDE_WHOLE_DRILLS = 1
drill: .venv/dev.stamp ## the long drills whole: ten thousand stolen passwords, five hundred kills, ten thousand tamperings, a quarter million rows on Spark; every attack of `confide drill`
	$(BIN)/python -m pytest -v -s tests/server/test_stuffing.py tests/faults/test_killed_imports.py \
		tests/faults/test_killed_server.py tests/faults/test_killed_mailings.py tests/files/test_killed.py tests/files/test_memory.py \
		tests/audit/test_verdict.py tests/audit/test_standalone.py tests/protect/test_tokens.py tests/records/test_roundtrip.py \
		tests/access/test_days.py tests/access/test_budget.py tests/drill/test_clinic.py tests/journeys/test_export.py \
		tests/spark $(PYTEST)
	$(BIN)/confide drill all

faults: .venv/dev.stamp ## only the tests that kill, fill and break things, with their output
	$(BIN)/python -m pytest -v -s tests/faults tests/leaks $(PYTEST)

lint: .venv/dev.stamp ## style, types and the layers
	$(BIN)/ruff check $(TESTED)
	$(BIN)/ruff format --check $(TESTED)
	$(BIN)/python -m tools.installation $(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev.stamp ## write the code as `make lint` wants to see it
	$(BIN)/ruff check --fix $(TESTED)
	$(BIN)/ruff format $(TESTED)

bench: .venv/bench.stamp ## measure; prints a table and writes build/bench.json
	$(BIN)/python -m benchmarks

bench-large: .venv/bench.stamp ## the same for ten million rows, a journal of JOURNAL_ENTRIES=1000000, and the incident of ANCHOR_PERSONS=1049375: an hour, gigabytes of disk
	$(BIN)/python -m benchmarks --large
	$(BIN)/python -m tools.postgres --optional --hasty $(BIN)/python -m benchmarks --large history
	$(BIN)/python -m tools.postgres --optional --hasty $(BIN)/python -m benchmarks --large theft
	$(BIN)/python -m tools.postgres --optional $(BIN)/python -m benchmarks --large anchor

attack: .venv/dev.stamp build/attackers/schemathesis.stamp build/attackers/wapiti.stamp ## schemathesis and wapiti against a real server: minutes; ATTACK_EXAMPLES, ATTACK_SECONDS
	$(BIN)/python -m tools.attack build/attackers

docs: .venv/dev.stamp ## the documentation as pages in build/docs; fails on a broken link
	$(BIN)/python -m tools.docs

# The locks hold on Python 3.11 to 3.13. Every package comes as a wheel, but for the few that have none.
# uv works out all of them at once.
UV = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(WHEELS) \
	--no-emit-find-links --no-annotate --custom-compile-command "make lock"
LOCK = $(UV) --extra server --extra postgres

lock: ## newest versions into requirements/*.txt
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --upgrade pyproject.toml requirements/build.in --output-file requirements/demo.txt
	$(LOCK) --upgrade --constraint requirements/demo.txt --extra columns --extra spark --extra dev \
		pyproject.toml requirements/build.in --output-file requirements/dev.txt
	$(LOCK) --upgrade --constraint requirements/dev.txt --extra columns --extra bench \
		pyproject.toml requirements/build.in --output-file requirements/bench.txt
	$(UV) --upgrade requirements/schemathesis.in --output-file requirements/schemathesis.txt
	$(UV) --upgrade requirements/wapiti.in --output-file requirements/wapiti.txt

# Each attacker has an environment of its own: its packages must decide neither about ours nor the other's.
build/attackers/%.stamp: requirements/%.txt
	@echo "installing $* into build/attackers (once)"
	@$(PYTHON) -m venv build/attackers/$*
	@build/attackers/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

clean: ## forget the environment and what was built; the demo's data stays
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "confide: Python 3.11 or newer is needed (make PYTHON=python3.12 ...)")'
	@$(PYTHON) -m venv .venv

# A stamp is newer than the lock that it stands for: then there is nothing to install.
.venv/demo.stamp: requirements/demo.txt pyproject.toml | .venv/bin/python
	@echo "installing what Confide needs into .venv (once)"
	@$(INSTALL) --require-hashes --no-build-isolation $(WHEELS) --requirement requirements/demo.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/demo.stamp
	@echo "installing what the tests need into .venv (once)"
	@$(INSTALL) --require-hashes --no-build-isolation $(WHEELS) --requirement requirements/dev.txt
	@touch $@

.venv/bench.stamp: requirements/bench.txt .venv/dev.stamp
	@echo "installing the peers to measure beside into .venv (once)"
	@$(INSTALL) --require-hashes --no-build-isolation $(WHEELS) --requirement requirements/bench.txt
	@touch $@
