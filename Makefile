# Every target works on a fresh clone: it makes .venv and installs the project with all its extras first.
PYTHON ?= python3
BIN := .venv/bin
# How many processes share the suite: each has a mongod of its own, and holds up to 1.5 GB.
TESTERS ?= 2

.PHONY: install serve test check bench format
install: .venv/installed

.venv/installed: pyproject.toml build_definitions.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	touch $@

serve: install
	$(BIN)/fhir-dmp serve --demo

test: install
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile

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
