# `make demo` and `make test` make .venv and install what they need, once; setup.cfg says what that is.
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test slow lint clean

demo: $(VENV)/installed
	$(BIN)/radzoo run demo

test: $(VENV)/installed-tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

slow: $(VENV)/installed-tests
	$(BIN)/python -m pytest -n 2 -m slow

lint: $(VENV)/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "radzoo needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@if command -v uv >/dev/null; then uv venv -q --seed -p $(PYTHON) $(VENV); else $(PYTHON) -m venv $(VENV); fi

$(VENV)/installed: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "installing radzoo and what it needs into $(VENV) (TensorFlow is large: one to three minutes)"
	@if command -v uv >/dev/null; then uv pip install -q -p $(VENV)/bin/python -e .; else $(BIN)/python -m pip install -q --disable-pip-version-check -e .; fi
	@touch $@

$(VENV)/installed-tests: $(VENV)/installed
	@if command -v uv >/dev/null; then uv pip install -q -p $(VENV)/bin/python -e '.[test]'; else $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'; fi
	@touch $@
