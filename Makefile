# Two commands do everything on a machine with Python 3.11 and make:  make run   and   make test
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: run test lint types benchmarks docs fuzz package clean

# The main job: a URN trained on real handwritten digits and the layers that emerged, then the atlas of architectures and two
# claims in which the data decide, at quick scale, one seed each; tables here, pictures and index.html in results/. (All claims:
# urn reproduce)
CLAIMS := atlas fields modular
run: .venv/ready
	$(BIN)/python -m experiments.digits
	$(BIN)/urn reproduce $(CLAIMS) --scale quick

# Tests that need an extra or a browser which is not there are skipped, and the last lines say why.
test: .venv/ready
	$(BIN)/python -m pytest -n 2 -rs -m "not package and not alone"
	$(BIN)/python -m pytest -rs -m alone

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

# Every claim of speed and trust, each against its yardstick in one run (about an hour on two cores).
benchmarks: .venv/ready
	for name in training planted census analysis sweeps first busy; do $(BIN)/python -m experiments.benchmarks $$name; done

# The documentation as a site, in site/.
docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .[docs]
	$(BIN)/zensical build --strict --clean

# Half an hour of command lines drawn at random, against the promise of one clear line and nothing
# lost; `make test` runs 1,500. Another SEED draws others: make fuzz SEED=12
SEED ?= 11
fuzz: .venv/ready
	$(BIN)/python -m tests.fuzz --minutes 30 --seed $(SEED)

# Wheel and source distribution: built, checked, installed into clean environments and used there.
package: .venv/ready
	$(BIN)/python -m pytest -rs -m package

# A training of one step compiles what is kept on disk from then on, so that no first command waits for it.
COMPILE := from urn import TrainConfig, train; train(TrainConfig(task='shells', n_neurons=20, steps=1))

# EXTRAS=test,ray,bench,docs is what continuous integration installs.
EXTRAS ?= test
.venv/ready: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .[$(EXTRAS)]
	$(BIN)/python -c "$(COMPILE)"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info results site
