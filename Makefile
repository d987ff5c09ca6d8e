# Every command works on a fresh clone with Python (3.10 to 3.12) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE ?= examples/svm.py

.PHONY: help demo test test-containers check format bench docs clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

# One environment serves every command. pip's own release matters: old ones take minutes to
# resolve Covalent's open requirements.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25"
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs,bench]"
	@touch $@

demo: $(VENV)/installed  ## Run an example (EXAMPLE=...) on a local AWS and a Covalent server of its own.
	$(BIN)/python examples/demo.py $(EXAMPLE)

test: $(VENV)/installed  ## Run all tests, save those that need a container engine.
	$(BIN)/python -m pytest --ignore=tests/containers

test-containers: $(VENV)/installed  ## Run the tests of jobs in containers.
	$(BIN)/python -m pytest tests/containers

check: $(VENV)/installed  ## Check format, style, types, imports and the CloudFormation template.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint covalent_awsbatch_plugin/assets/cloudformation.yaml

format: $(VENV)/installed  ## Format the code and mend what can be mended.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed  ## Measure against release 0.42 and write docs/benchmarks.md.
	$(BIN)/python -m benchmarks

docs: $(VENV)/installed  ## Build the documentation into docs/_build/html.
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

clean:  ## Remove what the other commands made.
	rm -rf $(VENV) build docs/_build .pytest_cache .mypy_cache .ruff_cache
