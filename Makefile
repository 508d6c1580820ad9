# Two commands are enough on a fresh machine: `make crawl` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A fixed port, so that the same command finds the same job again.
DEMO_PORT := 8273
URL ?=

.PHONY: crawl test crash docs fuzz soak bench bench-profile bench-small lint clean
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

# Parsers of what strangers send, with new seeds until the time is over; a round takes about a minute.
MINUTES ?= 10
fuzz: $(VENV)/installed-dev
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

$(VENV)/installed-docs: $(VENV)/installed
	@echo "installing what builds the docs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

# The site, without the network; a warning is an error, in pages that have not changed as well.
docs: $(VENV)/installed-docs
	@$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going --builder html --doctree-dir build/doctrees docs build/docs
	@echo "the docs are in build/docs/index.html"

# About an hour on a quiet machine with two cores; benchmarks/speed/README.md says how to run parts of it.
BENCH := .bench
ROUNDS ?= 5
WORKLOADS ?= a1,a10,b,c1,c,d,e
CONTENDERS ?= all
$(BENCH)/installed: pyproject.toml benchmarks/speed/requirements.txt
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@echo "installing what skitter is compared with into $(BENCH) ..."
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/speed/requirements.txt
	@touch $@

# As its users have it, so not as a working copy.
bench: $(BENCH)/installed
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade .
	$(BENCH)/bin/python benchmarks/speed/run.py --out $(BENCH)/results --rounds $(ROUNDS) --workloads $(WORKLOADS) --contenders '$(CONTENDERS)'

bench-profile: $(BENCH)/installed
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade .
	$(BENCH)/bin/python benchmarks/speed/run.py --out $(BENCH)/results --workloads a1,a10 --profile

bench-small: $(VENV)/installed-dev
	$(BIN)/python benchmarks/speed/small.py

# Does anything grow in a long crawl of bad servers? `make soak MINUTES=5` for a look.
MINUTES ?= 30
soak: $(VENV)/installed-dev
	$(BIN)/python benchmarks/soak/run.py --minutes $(MINUTES) --out $(BENCH)/soak

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(BENCH) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
