# What one does here. `make` alone lists it; PYTHON=python3.13 chooses another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := syncd connectors/syncd_connectors connectors/_template rules/syncd_rules
FORMS := program events result cases
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup sandbox check test verify schema new-connector bench

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/dev.stamp ## Install the daemon and the developers' tools into .venv
	@:

sandbox: $(VENV)/run.stamp ## Try everything with a simulated CRM: make sandbox ARGS="--help"
	@$(BIN)/syncd sandbox $(ARGS)

check: setup ## Format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports

test: setup ## Run every test, on SQLite and on PostgreSQL
	$(BIN)/python -m pytest -n 2 -q $(ARGS)

verify: setup ## Fail when a generated file is stale
	@$(BIN)/python -m syncd.schema | diff -u config/syncd.schema.json - \
		&& for form in $(FORMS); do $(BIN)/python -m syncd.schema $$form | diff -u rules/schemas/$$form.json - || exit 1; done \
		&& $(BIN)/python -m syncd.cli.reference | diff -u docs/commands.md - \
		|| { echo "a generated file is stale: run 'make schema' and commit what it changes"; exit 1; }

schema: setup ## Write the generated files anew: the schema of syncd.yaml, the reference of commands
	@$(BIN)/python -m syncd.schema > $(VENV)/schema && cp $(VENV)/schema config/syncd.schema.json
	@for form in $(FORMS); do \
		$(BIN)/python -m syncd.schema $$form > $(VENV)/schema && cp $(VENV)/schema rules/schemas/$$form.json; done
	@$(BIN)/python -m syncd.cli.reference > $(VENV)/reference && cp $(VENV)/reference docs/commands.md

new-connector: setup ## Begin a connector and its tests: make new-connector name=acme
	@$(BIN)/python connectors/_template '$(name)'

bench: setup ## Measure what the daemon does per second on this machine
	$(BIN)/python -m bench $(ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The stamps make a second call quick; what a project file changes is installed again.
$(VENV)/run.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the daemon into $(VENV); this takes a minute, once."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[all]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "Installing the daemon and the tools into $(VENV); this takes a minute or two, once."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/run.stamp
