# make demo    install the package into .venv and run the quickstart campaign to its report
# make test    install the test dependencies (and GPAW where it compiles) and run all tests; PROCESSES=N sets the number
#              of test processes
# make test-without-torch PYTHON=python3.13  run the tests that do not need torch, in .venv-without-torch-python3.13
# make lint    check style, types, import rules and language
# make format  fix style
# make bench   run the benchmarks; results are printed as ratios
# make chaos FAULTS=50  inject faults into campaigns on a private Slurm (Debian, as root)
# make docs    regenerate the generated pages, build the site in docs/_build/html and run every code block of the docs
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
GPAW_STAMP := $(VENV)/.installed-gpaw
GPAW_LOG := $(VENV)/gpaw-install.log
FAULTS ?= 50
# two more than cores, since tests of workers, of Slurm and of kills often wait
PROCESSES ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 2)))
CAMPAIGN := workflows/li_li7p3s11_quickstart.yaml
# tests and campaigns start hundreds of processes; without bytecode each of them compiles the package again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo install test test-unit test-without-torch lint format bench chaos docs clean

demo: $(STAMP)
	$(BIN)/interphase run $(CAMPAIGN)

install: $(STAMP)

# Install the pinned torch first: otherwise the resolver picks a GPU build of several gigabytes.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,docs]"
	touch $@

# Files are distributed in the order of tests/conftest.py, longest first, not by their number of tests.
test: $(DEV_STAMP)
	bash tests/system_packages.sh
	@$(MAKE) --no-print-directory $(GPAW_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations 25

# Compiled in about a minute if its libraries and a compiler are installed; otherwise its tests are skipped.
$(GPAW_STAMP): $(DEV_STAMP)
	@if $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable ".[gpaw]" \
		>$(GPAW_LOG) 2>&1; then touch $@; \
	else tail -n 3 $(GPAW_LOG); echo "GPAW could not be installed (log of pip: $(GPAW_LOG)); its tests are skipped"; fi

test-unit: $(DEV_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/unit --numprocesses $(PROCESSES) --dist loadfile

# For versions of Python for which no torch for CPUs is at hand; see CONTRIBUTING.md.
WITHOUT_TORCH := .venv-without-torch-$(notdir $(PYTHON))
NEED_TORCH := torch|nequip|chgnet|lightning|hydra
test-without-torch:
	test -x $(WITHOUT_TORCH)/bin/python || $(PYTHON) -m venv $(WITHOUT_TORCH)
	sed -nE '/^(dependencies|dev) = /,/^\]/ s/^ +"([^"]+)".*/\1/p' pyproject.toml | grep -vE '^($(NEED_TORCH))' \
		>$(WITHOUT_TORCH)/requirements.txt
	$(WITHOUT_TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--requirement $(WITHOUT_TORCH)/requirements.txt
	$(WITHOUT_TORCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	OMP_NUM_THREADS=1 $(WITHOUT_TORCH)/bin/python -m pytest --numprocesses $(PROCESSES) --dist loadfile \
		tests/unit tests/properties tests/inputs

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/check_language.py

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP)
	$(BIN)/python benchmarks/md_overhead.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/compiled_md.py
	$(BIN)/python benchmarks/trajectory_io.py
	$(BIN)/python benchmarks/profiles.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/onsager.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/phases.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/full_analysis.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/import_labels.py
	$(BIN)/python benchmarks/local_workers.py
	$(BIN)/python benchmarks/gpaw_label.py
	$(BIN)/python benchmarks/fireworks_overhead.py
	$(BIN)/python benchmarks/campaign_replay.py --labels 500 --iterations 5 --sizes 100 1000
	OMP_NUM_THREADS=1 INTERPHASE_COMPILE_EXPORTS=1 $(BIN)/python -m pytest tests/physics/test_exported_models.py

chaos: $(DEV_STAMP)
	bash tests/system_packages.sh
	OMP_NUM_THREADS=1 $(BIN)/python tests/chaos.py --faults $(FAULTS) --seed 1

docs: $(DEV_STAMP)
	$(BIN)/python docs/generate_campaign_reference.py
	$(BIN)/python docs/generate_command_line.py
	$(BIN)/python docs/generate_launchers.py
	$(BIN)/python -m sphinx --fail-on-warning --keep-going docs docs/_build/html
	$(BIN)/python -m pytest tests/docs

clean:
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
