# Thin names over real commands; `make help` lists them.

# The environment's own Python, or the first one here that runs and is new enough (a name on the path may be a shim).
ifndef PYTHON
PYTHON := $(shell for name in .venv/bin/python python3.12 python3.11 python3 python3.13; do \
    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo "$$name" && break; done)
endif
RUN := .venv/bin/python
MODEL ?= $(lastword $(sort $(wildcard ml/pretrained/*)))
DATA ?= $(CTPORTAL_DATA_DIR)/sars-cov-2-ct
# The weights that lie beside the data, else those that Keras downloads.
WEIGHTS ?= $(firstword $(wildcard $(CTPORTAL_DATA_DIR)/../weights/resnet50_imagenet_conv1-4.npz) imagenet)
SHIPPED ?= ml/pretrained/resnet50-s3
OUT ?= runs/trained
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help run demo-data loop-demo test chaos memory lint train model card bench texts pictures lock clean portal-environment dev-environment

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: portal-environment ## Start the portal (PORT=8000, HOST=127.0.0.1, DEMO_PASSWORD=...); Ctrl-C stops it
	@exec $(RUN) -m ctportal.standalone.launch

demo-data: portal-environment ## Load real scans from CTPORTAL_DATA_DIR beside the demonstration cases
	@exec $(RUN) -m ctportal.standalone.embedded exec -- $(RUN) manage.py load_demo_data

loop-demo: portal-environment ## Go through the learning loop on CTPORTAL_DATA_DIR: train, read, retrain, compare, promote, roll back
	@rm -rf var/loop-demo
	@CTPORTAL_HOME=var/loop-demo $(RUN) -m ctportal.standalone.embedded exec -- \
	    sh -c '$(RUN) manage.py migrate --verbosity 0 && exec $(RUN) manage.py loop_demo'

test: dev-environment ## Run the tests (TESTS=tests/cases for some of them)
	@sh tests/chromium.sh
	@exec sh tests/run.sh $(TESTS)

chaos: dev-environment ## Break a portal at random for ten minutes while scans come in, and count what became of them
	@exec $(RUN) -m tests.chaos.campaign

memory: dev-environment ## Send 10,000 scans in 1,000 mixed uploads, and compare what programs keep with the first hundred
	@exec $(RUN) -m tests.chaos.memory

lint: dev-environment ## Check format, style, types, templates, imports, migrations, settings, containers
	@exec sh .ci/lint

train: portal-environment ## Train a model (DATA=folder with manifest.csv, WEIGHTS=file or imagenet, OUT=runs/trained)
	@exec $(RUN) -m ml train --data "$(DATA)" --weights "$(WEIGHTS)" --out "$(OUT)"

model: portal-environment ## Build the shipped model again from CTPORTAL_DATA_DIR, tables and all; goes on after a kill
	@test -d "$(CTPORTAL_DATA_DIR)/sars-cov-2-ct" || { \
	    echo "CTPORTAL_DATA_DIR must name the folder that holds sars-cov-2-ct and covid-ct." >&2; exit 1; }
	@exec $(RUN) -m ml model --data "$(CTPORTAL_DATA_DIR)/sars-cov-2-ct" --data "$(CTPORTAL_DATA_DIR)/covid-ct" \
	    --weights "$(WEIGHTS)" --out "$(SHIPPED)" --work runs/model

card: portal-environment ## Say what the shipped model is and how well it does
	@exec $(RUN) -m ml card $(MODEL)

bench: portal-environment ## Measure the shipped model's speed on this machine
	@exec $(RUN) -m ml bench $(MODEL)

texts: dev-environment ## Bring the catalogues of translations in step with the code
	@exec $(RUN) -m ctportal.locale

pictures: dev-environment ## Make the pictures of docs/ again, from the demonstration cases
	@exec $(RUN) -m docs.pictures

lock: dev-environment ## Pin the dependencies again
	@exec sh requirements/lock.sh

clean: ## Remove the environment, caches and built files; data in var/ stay
	@rm -rf .venv build staticfiles .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

portal-environment: python
	@exec $(PYTHON) requirements/environment.py portal

dev-environment: python
	@exec $(PYTHON) requirements/environment.py dev

.PHONY: python
python:
	@command -v "$(PYTHON)" > /dev/null || { \
	    echo "Python 3.11 or newer is needed, and none was found. Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	    exit 1; }
