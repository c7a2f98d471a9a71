# Every target works on a fresh clone: it makes .venv and installs the project with all its extras first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install serve test check bench format
install: .venv/installed

.venv/installed: pyproject.toml build_definitions.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	touch $@

serve: install
	$(BIN)/fhir-dmp serve --demo

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs tests/test_architecture.py

bench: install
	$(BIN)/python -m bench

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
