# Two commands are enough on a fresh machine: `make crawl` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A fixed port, so that the same command finds the same job again.
DEMO_PORT := 8273
URL ?=

.PHONY: crawl test crash lint clean
.DELETE_ON_ERROR:

# Stamps are newer than pyproject.toml when what it asks for is installed.
$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "skitter needs Python 3.11 or newer; call make with PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing skitter into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "installing the development extras into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

crawl: $(VENV)/installed
ifeq ($(strip $(URL)),)
	@$(BIN)/skitter serve --quiet --port $(DEMO_PORT) --run '$(BIN)/skitter crawl http://127.0.0.1:$(DEMO_PORT)/'
else
	@$(BIN)/skitter crawl '$(URL)'
endif

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

# The long run: hundreds of kills, an hour or so; `make crash KILLS=30` for less. strace and root make it complete.
KILLS ?= 300
crash: $(VENV)/installed-dev
	$(BIN)/python -m tests.crash --kills $(KILLS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
