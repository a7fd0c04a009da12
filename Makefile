PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
ARTICLES ?= 40

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format docs fuzz clean

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done  ## Make .venv with everything that tests need (about 8 GB, torch included)

$(VENV)/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup  ## Sample corpus to a verified dataset with images, captions and embeddings, in ./demo
	$(BIN)/biomedica sample $(DEMO)/sample --articles $(ARTICLES)
	$(BIN)/biomedica build --source $(DEMO)/sample --out $(DEMO)/dataset --model $(DEMO)/sample/models/untrained-vit-tiny
	$(BIN)/biomedica verify $(DEMO)/dataset --source $(DEMO)/sample
	$(BIN)/biomedica stats $(DEMO)/dataset

test: setup  ## Run all tests
	$(BIN)/python -m pytest

check: setup  ## Lint, format, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: setup  ## 20,000 mutated articles and 5,000 images; CORPUS=DIR mutates real ones
	$(BIN)/python -m tests.fuzz.articles --count 20000 $(if $(CORPUS),--corpus $(CORPUS))
	$(BIN)/python -m tests.fuzz.images --count 5000 $(if $(CORPUS),--corpus $(CORPUS))

docs: setup  ## Write docs/dataset.md from the schema
	$(BIN)/python -m biomedica.reporting.dictionary > docs/dataset.md

clean:  ## Remove .venv and ./demo
	rm -rf $(VENV) $(DEMO)
