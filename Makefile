# Everything that is done with a checkout. Needs Python 3.11, git and make; brings the rest into .venv and node_modules.

SYSTEM_PYTHON := $(shell command -v python3.11 || command -v python3)
PYTHON := .venv/bin/python
UV := .venv/bin/uv
# The machine's npm if there is one, else the one from a wheel.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SYSTEM_NPM := $(shell command -v npm)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help run test soak mutations lint format bench bench-quick lock shots clean

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

run: .venv/.runtime node_modules/.runtime  ## Set everything up and serve the site (PORT=8000)
	@exec $(PYTHON) manage.py serve --with-parent

test: lint  ## Check and test everything
	npm run --silent test
	@$(PYTHON) -m tests.services.browsers
	$(PYTHON) -m pytest -n 2 --dist loadfile --ignore tests/browser --ignore tests/reliability
	$(PYTHON) -m pytest -n 2 --dist loadgroup tests/reliability tests/browser

soak: .venv/.dev node_modules/.dev  ## Hurt it for longer, and print the figures (SOAK_SECONDS=600)
	SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(PYTHON) -m pytest tests/reliability -s -q

mutations: .venv/.dev node_modules/.dev  ## Take controls out of a copy, one by one, and see their tests fail
	$(PYTHON) -m tests.soak.mutations

lint: .venv/.dev node_modules/.dev  ## Check the code without running it
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	npm run --silent lint
	npm run --silent types

format: .venv/.dev  ## Format the Python code
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

bench: .venv/.dev node_modules/.runtime var/bench-venv/.installed  ## Measure it beside others, into docs/ (25 minutes; a quiet machine)
	$(PYTHON) -m benchmarks

bench-quick: .venv/.dev node_modules/.runtime var/bench-venv/.installed  ## Measure it coarsely (3 minutes)
	$(PYTHON) -m benchmarks --quick

lock: .venv/.uv  ## Resolve the dependencies anew; UPGRADE=--upgrade takes the newest
	$(COMPILE) pyproject.toml --extra uvicorn --output-file requirements.txt
	$(COMPILE) --group node --output-file requirements-node.txt
	$(COMPILE) pyproject.toml --extra uvicorn --group dev --output-file requirements-dev.txt
	$(COMPILE) benchmarks/baselines/requirements.in --constraint requirements.txt --output-file requirements-bench.txt
	$(MAKE) .venv/.npm
	npm install --package-lock-only
	$(PYTHON) -c 'import json, pathlib; path = pathlib.Path("package-lock.json"); lock = json.loads(path.read_text()); \
		[package.pop("funding", None) for package in lock["packages"].values()]; \
		path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")'

shots: .venv/.dev node_modules/.dev  ## Make the pictures in docs/img, by the application itself
	@$(PYTHON) -m tests.services.browsers
	$(PYTHON) -m pytest tests/browser/shots.py

clean:  ## Remove what was installed and built; var/ with the database and the pictures stays
	rm -rf .venv var/bench-venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Files that say what has been installed; each is as new as what it was installed from.

.venv/.uv:
	@echo "Making a virtual environment."
	@test -x $(PYTHON) || $(SYSTEM_PYTHON) -m venv .venv
	@test -x $(UV) || $(PYTHON) -m pip install --quiet --disable-pip-version-check uv
	@touch $@

.venv/.runtime: requirements.txt .venv/.uv
	@echo "Installing the Python packages."
	@$(UV) pip install --quiet --require-hashes --compile-bytecode -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.uv
	@echo "Installing the Python packages, with those for development."
	@$(UV) pip install --quiet --require-hashes --compile-bytecode -r requirements-dev.txt
	@touch $@ .venv/.npm .venv/.runtime

.venv/.npm: requirements-node.txt .venv/.uv
	@test -n "$(SYSTEM_NPM)" || { echo "Installing npm."; $(UV) pip install --quiet --require-hashes -r requirements-node.txt; }
	@touch $@

node_modules/.runtime: package.json package-lock.json .npmrc | .venv/.npm
	@echo "Installing the browser's libraries."
	@npm ci --loglevel=error --omit=dev >/dev/null
	@touch $@

node_modules/.dev: package.json package-lock.json .npmrc | .venv/.dev
	@echo "Installing the browser's libraries, with those for development."
	@npm ci --loglevel=error >/dev/null
	@touch $@ node_modules/.runtime

# The applications that the benchmark compares with; nothing of theirs comes into .venv.
var/bench-venv/.installed: requirements-bench.txt | .venv/.uv
	@echo "Installing the applications to compare with."
	@$(UV) venv --quiet --clear --python $(PYTHON) var/bench-venv
	@$(UV) pip install --quiet --python var/bench-venv/bin/python --require-hashes --compile-bytecode -r $<
	@touch $@
