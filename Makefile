# Everything is installed into .venv; a fresh machine needs Python 3.11+ and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGES := hetvs export edge_bench studies

# The emoji come from npm packages. Where npm is missing, a wheel brings it.
comma := ,
EXTRAS := dev$(if $(shell command -v npm 2>/dev/null),,$(comma)npm)

.DEFAULT_GOAL := help
.PHONY: help setup demo reproduce reproduce-lqf reproduce-updates reproduce-refresh reproduce-congruent reproduce-search reproduce-product bench arm-parity test test-slow lint type check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## create .venv and install hetvs into it

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "make: $(PYTHON) is missing or older than 3.11; install Python 3.11+ or give PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "installing into $(VENV) (a download of some GB on the first run)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	@touch $@

demo: $(INSTALLED) ## the whole pipeline on real images: data, cloud model, edge model, report
	$(BIN)/python examples/demo.py

reproduce: $(INSTALLED) ## the study behind docs/results.md: hours, a row at a time; a killed one goes on
	$(BIN)/python -m studies.compatibility

reproduce-updates: $(INSTALLED) ## the study behind docs/results-updates.md: new models in old galleries, about five hours
	$(BIN)/python -m studies.updates

reproduce-refresh: $(INSTALLED) ## the study behind docs/results-refresh.md: galleries refreshed bit by bit; after reproduce-updates an hour
	$(BIN)/python -m studies.refresh

reproduce-congruent: $(INSTALLED) ## the study behind docs/results-congruent.md: updates that keep right answers right, about three hours
	$(BIN)/python -m studies.congruent

reproduce-search: $(INSTALLED) ## the study behind docs/results-search.md: searched architectures, about three hours
	$(BIN)/python -m studies.search

reproduce-product: $(INSTALLED) ## the study behind docs/results-product.md: what a product needs; after reproduce one to two hours
	$(BIN)/python -m studies.product

reproduce-lqf: $(INSTALLED) ## the study behind docs/results-lqf.md: linear-quadratic fine-tuning, about three hours
	$(BIN)/python -m studies.lqf

# What `make bench` measures: every bundle of the demo, in the runtimes that `make setup` installs; RUNTIMES=all for more.
BUNDLES ?= $(sort $(wildcard runs/demo/bundles/*))
RUNTIMES ?= onnxruntime openvino ncnn mnn
ACCURACY ?= $(wildcard runs/demo/report/report.json)

bench: $(INSTALLED) ## one page of accuracy, size, latency and verdicts: bench/report.html
	@test -f runs/demo/bundles/edge/model.onnx \
		|| { echo "make: runs/demo/bundles is missing; run 'make demo' first" >&2; exit 1; }
	$(BIN)/hetvs bench $(BUNDLES) $(addprefix --runtime ,$(RUNTIMES)) $(addprefix --accuracy ,$(ACCURACY)) \
		--page -o bench --overwrite

arm-parity: $(INSTALLED) ## the golden vectors of BUNDLES on an emulated ARM64 core
	$(BIN)/python -m edge_bench.arm $(BUNDLES)

test: $(INSTALLED) ## the fast tests
	$(BIN)/python -m pytest -m "not slow" -n 2

test-slow: $(INSTALLED) ## the slow tests: real training, the README's commands
	$(BIN)/python -m pytest -m slow

lint: $(INSTALLED) ## ruff: style, imports, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(INSTALLED) ## mypy, strict
	$(BIN)/mypy $(PACKAGES)

check: lint type test ## lint, type and test

clean: ## remove .venv and every cache, but no data, run or bundle
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(PACKAGES) tests examples -name __pycache__ -type d -exec rm -rf {} +
