# Everything on a fresh Debian machine with python3 (3.11 or newer), make and git:
#   make lab     a whole cluster and 40 stations on loopback addresses; options: make lab ARGS="--chaos --seconds 60"
#   make test    every test; those in containers need a Docker engine and say so when there is none
#   make prove   100,000 simulated histories of replicators, some hours; ARGS="--histories 2000"; see docs/replication.md
#   make kills   1,000 SIGKILLs of ftpnodes and replicators while clients upload, some ten minutes; ARGS="--kills 100"
#   make soak    ten minutes of random work by several writers while hosts and wires of three replicators fail; ARGS="--seed 2"
#   make fuzz    ten minutes of hostile bytes for everything that reads strangers' lines and headers; ARGS="--seconds 60"
#   make check   format, lint, contracts, types

PYTHON ?= python3
# Of the tests: most wait most of the time, for deadlines, leases and other programs, so two cores serve three.
WORKERS ?= 3
BIN := .venv/bin
REAL_FILES := $(wildcard ../shared/data/rinex)

.PHONY: lab test prove kills soak fuzz check format clean

lab: .venv/.runs
	$(BIN)/tripod lab $(if $(REAL_FILES),--real-files $(REAL_FILES)) $(ARGS)

test: .venv/.tests
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

prove: .venv/.tests
	$(BIN)/python -m tests.replicator.simulation $(ARGS)

kills: .venv/.tests
	$(BIN)/python -m tests.kills $(ARGS)

soak: .venv/.tests
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: .venv/.tests
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)

check: .venv/.tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy

format: .venv/.tests
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "installing python3-venv"; apt-get update -q && apt-get install -q -y python3-venv; }
	$(PYTHON) -m venv .venv

.venv/.runs: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.tests: pyproject.toml constraints.txt tests/needs | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	tests/needs
	@touch $@ .venv/.runs
