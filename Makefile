# Python 3.11, 3.12 or 3.13: `make PYTHON=/path/to/python3.12 run` picks another than `python3`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DATA   ?= ./data
PORT   ?= 8080
GO     ?= $(shell command -v go || echo /usr/local/go/bin/go)
IMAGE  ?= nps-connector
COMPOSE = docker compose -f deploy/compose.yaml

.DEFAULT_GOAL := help

##@ Start here

.PHONY: run
run: $(READY) ## Start everything in one process on 127.0.0.1:8080 (PORT=…); Ctrl-C stops it
	@exec $(BIN)/python -m services --data $(DATA) --port $(PORT)

.PHONY: demo
demo: $(READY) ## Feed it a few hundred invented answers and show what became of each
	@exec $(BIN)/python -m services demo --port $(PORT) --data $(DATA)

.PHONY: test
test: $(READY) ## Run the whole suite on real PostgreSQL and a real Apache Kafka
	$(BIN)/python -m pytest -n auto $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure every bar beside its bare limit (ARGS="--scale 0.1"); see docs/bench.md
	$(BIN)/python -m tests.bench every $(ARGS)

##@ In containers

.PHONY: up
up: engine ## Start Kafka, PostgreSQL, all services and the sandbox by compose; print where they are
	@$(PYTHON) deploy/tools/env_file.py deploy/compose.yaml
	$(COMPOSE) up --build --detach --wait
	@$(PYTHON) deploy/tools/env_file.py deploy/compose.yaml --places

.PHONY: down
down: engine ## Stop what `make up` started, in order; its volumes stay
	$(COMPOSE) down

.PHONY: image
image: engine ## Build the image (IMAGE=name:tag, SOURCE=the repository's address)
	docker build -f deploy/Dockerfile -t $(IMAGE) \
	  --build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
	  --build-arg REVISION=$$(git rev-parse HEAD)$$(git diff --quiet HEAD || echo -dirty) \
	  --build-arg CREATED=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd) \
	  --build-arg SOURCE=$(SOURCE) .

image-replay: $(READY) ## Do the Dockerfile's steps without an engine, start what they made
	$(BIN)/python -m pytest tests/unit/deploy/test_image_replay.py $(ARGS)

.PHONY: sbom
sbom: ## Say what is in the image, with licences: dist/nps-connector.cdx.json (CycloneDX)
	@$(PYTHON) -m deploy.tools.sbom dist/nps-connector.cdx.json

.PHONY: engine image-replay
engine:
	@docker info >/dev/null 2>&1 || { echo "No container engine answers (docker info): start one;" \
	  "the image's steps can be tried without by make image-replay"; exit 1; }

##@ Work on it

.PHONY: check
check: $(READY) ## Format, lint, types, import contracts: what CI runs before the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## Rewrite the files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: ## Resolve pyproject.toml anew into requirements.lock (needs uv on the PATH)
	uv pip compile pyproject.toml --extra embedded --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
	  --custom-compile-command "make lock" -o requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
	  --custom-compile-command "make lock" -o deploy/requirements.lock
	for name in lint sbom; do \
	  uv pip compile deploy/tools/$$name.in --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
	    --custom-compile-command "make lock" -o deploy/tools/$$name.lock || exit 1; done

.PHONY: tools
tools: .tools/bin/helm .tools/bin/kube-score ## Build Helm and kube-score, as pinned, into .tools (needs Go 1.26)

.tools/bin/%: deploy/tools/%/go.mod deploy/tools/%/go.sum
	@mkdir -p $(@D)
	@echo "Building $* from deploy/tools/$*: some minutes, this once"
	@$(GO) build -C deploy/tools/$* -buildvcs=false $(FLAGS) -o $(CURDIR)/$@ tool
	@touch $@

# Else the server says that it is of version 0.0.0, and the chart refuses it.
.tools/bin/kube-apiserver: FLAGS = -ldflags "-X k8s.io/component-base/version.gitVersion=$$(sed -n \
	  's|^\tk8s.io/kubernetes \(v[0-9.]*\) .*|\1|p' deploy/tools/kube-apiserver/go.mod)"

.PHONY: chart
chart: $(READY) tools ## Lint, render and score the Helm chart for its three profiles
	$(BIN)/python -m pytest tests/chart $(ARGS)

.PHONY: apiserver
apiserver: $(READY) tools .tools/bin/etcd .tools/bin/kube-apiserver ## Have a real kube-apiserver admit the chart (built once: ten minutes)
	$(BIN)/python -m pytest tests/apiserver $(ARGS)

.PHONY: setup
setup: $(READY) ## Make .venv from requirements.lock and nothing else

.PHONY: clean
clean: ## Remove .venv and caches (never the data folder)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .kafka .tools dist

.PHONY: help
help: ## This text
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "Python %d.%d is not supported: use 3.11, 3.12 or 3.13, e.g. make PYTHON=python3.12 run" % v)'
	@mkdir $(VENV).lock 2>/dev/null || { echo "Another make is setting up $(VENV): wait for it" \
	  "(if none is, remove the folder $(VENV).lock)"; exit 1; }
	@trap 'rmdir $(VENV).lock' EXIT; trap 'exit 130' INT TERM; set -e; \
	echo "Setting up $(VENV) from requirements.lock: about a minute, this once"; \
	$(PYTHON) -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	touch $(READY)
