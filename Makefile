# Everything that a newcomer, a developer and CI need; each target installs what it uses into .venv.

PYTHON ?= python3
BIN := .venv/bin
DEMO ?= runs/demo
WORKERS ?= auto

.PHONY: install demo test check bench bench-quick bench-scaling bench-peers docs help clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("ganforge needs Python 3.11 or newer; set PYTHON=python3.x") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install  ## train the default recipe, judge it, make a picture
	if [ -e $(DEMO) ]; then $(BIN)/ganforge resume $(DEMO); else $(BIN)/ganforge train --out $(DEMO); fi
	$(BIN)/ganforge sample $(DEMO) --seeds 0-99 --out $(DEMO)/samples.png
	@echo "look at $(DEMO)/samples.png and $(DEMO)/report.html"

check: install  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check  ## style, types, the rules of the house, and all tests, on every core (WORKERS=0: one after the other)
	$(BIN)/pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal

bench: install  ## our training step against the classic loops, by size, and against torchgan's; about 45 minutes on two quiet cores
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/peers.py

bench-scaling: install  ## both by batch, width and size of images; ten minutes, goes on where it stopped
	$(BIN)/python benchmarks/scaling.py

bench-peers: install  ## ours against torchgan's, which is installed into a folder of its own; two minutes and the download
	$(BIN)/python benchmarks/peers.py

bench-quick: install  ## the same on tiny networks, a quarter of a minute: does it run, is it the same update?
	$(BIN)/python benchmarks/step.py --quick --out runs/bench-quick

docs: install  ## every figure and table of the documentation, made anew; about ten minutes on two cores
	$(BIN)/python scripts/docs_figures.py

help:  ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
