# Two commands are enough: `make demo` shows the main job, `make test` runs all tests.  Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
HELM_VERSION := v3.22.0
SETUP := $(VENV)/.set-up
RUN_SETUP := $(VENV)/.set-up-run
ARGS ?=
PROCESSES ?= 2
SEED ?= 7
MINUTES ?= 10

# Some hundred workers are started by the tests: each would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test storm lint no-pickle types setup helm images sbom audit licences lock clean

demo: $(RUN_SETUP)
	@exec $(BIN)/musicrec demo $(ARGS)

# The processes and all that they start share the cores: a second thread of OpenMP or BLAS would have its turn late, and
# every step would wait for it.
test: export OMP_NUM_THREADS ?= 1

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

# For the tests of the chart; built by Go, whose own checksums say that it is what was published: two to three minutes.
helm: $(BIN)/helm

$(BIN)/helm:
	mkdir -p $(BIN)
	GOBIN=$(CURDIR)/$(BIN) go install -trimpath -ldflags '-s -w' helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

# Builds the images' environments by the Dockerfile's own commands, and starts every container on them; needs root, no
# container engine, and IMAGE_PYTHON, an interpreter of the base image's version.
IMAGE_PYTHON ?= $(shell command -v python3.13 || command -v python3)
images: $(SETUP) helm
	MUSICREC_TEST_IMAGES=$(IMAGE_PYTHON) $(BIN)/pytest tests/deploy/test_containers_start.py $(ARGS)

# What a release carries: CycloneDX, one file for each lock file.
sbom: $(SETUP)
	mkdir -p dist
	for lock in requirements-run.lock deploy/requirements-worker.lock deploy/requirements-embedder.lock deploy/requirements-embedder-gpu.lock; do \
	  $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --validate \
	    --output-file dist/$$(basename $$lock .lock).cdx.json $$lock || exit 1; done

# Status 2 where the advisory service cannot be reached: that is no "no known vulnerability".
audit: $(SETUP)
	$(BIN)/python deploy/release/audit.py $(ARGS)

licences: $(SETUP)
	$(BIN)/python deploy/release/licences.py >deploy/licences.md

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
	$(LOCK) $(RUN_EXTRAS) --extra aac --extra train --extra bench --extra gateway --extra traces --extra dev --extra release $(ARGS) --output-file requirements.lock
	$(LOCK) $(RUN_EXTRAS) --constraint requirements.lock --output-file requirements-run.lock
	$(LOCK) --extra cpu --extra gateway --extra traces --constraint requirements.lock --output-file deploy/requirements-worker.lock
	$(LOCK) --extra embedder --extra traces --constraint requirements.lock --output-file deploy/requirements-embedder.lock
	$(LOCK) --extra embedder --extra torch --extra traces --constraint requirements.lock --output-file deploy/requirements-embedder-gpu.lock
	printf 'uv==$(UV_VERSION)\nhatchling\n' | $(subst pyproject.toml,-,$(LOCK)) --constraint requirements.lock --output-file deploy/requirements-build.lock

clean:
	rm -rf $(VENV) .data
