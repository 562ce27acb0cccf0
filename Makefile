# Two commands are enough: `make demo` shows the main job, `make test` runs all tests.  Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
SETUP := $(VENV)/.set-up
RUN_SETUP := $(VENV)/.set-up-run
ARGS ?=
PROCESSES ?= 2
SEED ?= 7
MINUTES ?= 10

.PHONY: demo test storm lint no-pickle types setup lock clean

demo: $(RUN_SETUP)
	@exec $(BIN)/musicrec demo $(ARGS)

# Each process has servers of its own; the tests of a file stay together, since they may share what is slow to make.
test: $(SETUP)
	$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

# Kills, suspensions, cut connections and full disks on a real Kafka, Valkey and all workers; counts what is left.
storm: $(SETUP)
	$(BIN)/python tests/storm/run.py --seed $(SEED) --minutes $(MINUTES) $(ARGS)

lint: $(SETUP) no-pickle
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# Ruff bans the modules and functions that unpickle; it has no rule for NumPy's flag and Faust's codec.
no-pickle:
	! grep -rnE --include='*.py' 'allow_pickle *= *[^F ]|serializer *= *.[a-z|]*pickle' musicrec streams embedder index

types: $(SETUP)
	$(BIN)/mypy

setup: $(SETUP)

# Exact versions with hashes; uv keeps them in a cache that all checkouts share.  What the demo needs is set up in a
# minute: training, tests and comparisons bring torch and 5 GB of CUDA libraries along, so they are a second step.
define install
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "musicrec needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) UV_HTTP_TIMEOUT=300 $(BIN)/uv pip install --quiet --require-hashes --requirement $(1)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
endef

$(RUN_SETUP): pyproject.toml requirements-run.lock
	$(call install,requirements-run.lock)
	touch $@

$(SETUP): pyproject.toml requirements.lock
	$(call install,requirements.lock)
	touch $(RUN_SETUP) $@

# Keeps the versions that are there; ARGS=--upgrade takes the newest.
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
RUN_EXTRAS := --extra cpu --extra embedder --extra local --extra import --extra editable

lock: $(SETUP)
	$(LOCK) $(RUN_EXTRAS) --extra aac --extra train --extra bench --extra gateway --extra dev $(ARGS) --output-file requirements.lock
	$(LOCK) $(RUN_EXTRAS) --constraint requirements.lock --output-file requirements-run.lock

clean:
	rm -rf $(VENV) .data
