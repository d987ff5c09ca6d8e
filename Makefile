# Every command works on a fresh clone with Python (3.10 to 3.13) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.txt
INDEPENDENT := tests/containers/independent/requirements
EXAMPLE ?= examples/svm.py

.PHONY: help environment lock demo test test-containers test-aws test-latest test-oldest test-pythons \
	check format bench dist docs clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

# Prints an error unless pyproject.toml names this Python.
SUPPORTED := import sys; text = open("pyproject.toml").read(); \
	version = "%d.%d" % sys.version_info[:2]; \
	sys.exit(None if "Python :: %s\"" % version in text else \
	"Python %s is not supported. Name another one: make PYTHON=python3.12 ..." % version)

# One environment serves every command. Everything in it comes from the lock, also the pip that
# installs and the setuptools that builds: Covalent has no wheel, and the build environments that
# pip makes by itself take whatever setuptools is the newest.
$(VENV)/installed: pyproject.toml $(LOCK)
	@$(PYTHON) -c '$(SUPPORTED)'
	@echo "Installing the packages of $(LOCK) into $(VENV); this takes about a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@awk '/^[^ ]/ { keep = /^(pip|setuptools)==/ } keep' requirements-dev.txt > $(VENV)/builders.txt
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement $(VENV)/builders.txt
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation --requirement $(LOCK)
# setuptools warns of every editable installation.
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

environment: $(VENV)/installed  ## Make the environment of the other commands, .venv, from the lock.

# No address and no folder of this machine's package indexes gets into the file.
lock: $(VENV)/installed  ## Renew the lock, requirements-dev.txt, with the newest releases.
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --all-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements-dev.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file $(INDEPENDENT).txt $(INDEPENDENT).in

demo: $(VENV)/installed  ## Run an example (EXAMPLE=...) on a local AWS and a Covalent server of its own.
	$(BIN)/python examples/demo.py $(EXAMPLE)

test: $(VENV)/installed  ## Run all tests, save those that need a container engine.
	$(BIN)/python -m pytest --ignore=tests/containers

test-containers: $(VENV)/installed  ## Run the tests of jobs in containers.
	$(BIN)/python -m pytest tests/containers

test-aws: $(VENV)/installed  ## Walk through a real AWS account and write a report (AWS_OPTIONS="--gpu").
	$(BIN)/python -m tests.account $(AWS_OPTIONS)

test-latest: $(VENV)/installed  ## Run what newer packages can break, with the newest releases allowed.
	$(BIN)/python -m tests.versions latest

test-oldest: $(VENV)/installed  ## Run the same tests with the oldest releases allowed.
	$(BIN)/python -m tests.versions oldest

test-pythons: $(VENV)/installed  ## Run the same tests on every supported Python (PYTHONS="3.11 3.12").
	$(BIN)/python -m tests.versions pythons $(PYTHONS)

check: $(VENV)/installed  ## Check format, style, types, imports and the CloudFormation template.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint covalent_awsbatch_plugin/assets/cloudformation.yaml

format: $(VENV)/installed  ## Format the code and fix what can be fixed.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed  ## Measure against release 0.42 and write docs/benchmarks.md.
	$(BIN)/python -m benchmarks

dist: $(VENV)/installed  ## Build sdist and wheel, check them, run an example from the wheel (PYTHONS="3.11 3.12").
	$(BIN)/python -m tests.distribution $(PYTHONS)

docs: $(VENV)/installed  ## Build the documentation into docs/_build/html.
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

clean:  ## Remove what the other commands made.
	rm -rf .venv .venv-* build dist docs/_build .pytest_cache .mypy_cache .ruff_cache
