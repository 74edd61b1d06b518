# `make course` and `make test` are all a newcomer needs; both create .venv themselves.
.DEFAULT_GOAL := help
PYTHON  ?= python3
PROFILE ?= demo
SEED    ?= 0
# CPU-only torch: the address of PyTorch's own CPU package index (pytorch.org, "Get started").
TORCH_INDEX ?=
VENV    := .venv
RUN     := $(VENV)/bin/python
STAMP   := $(VENV)/.installed
# Compiled at once: where Python writes no bytecode, each process would do it again (10 s each).
UV_INSTALL = $(RUN) -m uv pip install --quiet --python $(RUN) --compile-bytecode
NBVAL    = DAFORMER_PROFILE=smoke DAFORMER_BATCH=1 OMP_NUM_THREADS=1 $(RUN) -m pytest --nbval-lax \
	   --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout 600 \
	   -n 2 --dist loadscope -p no:cacheprovider

.PHONY: help course site lab test check test-slow test-cpus soak study claims bench pretrain house lock clean

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet uv
	$(if $(TORCH_INDEX),grep -vE '^(torch|torchvision|nvidia-|cuda-|triton)' requirements.lock > $(VENV)/cpu.lock && \
	  $(UV_INSTALL) --index-url $(TORCH_INDEX) torch torchvision && \
	  $(UV_INSTALL) -r $(VENV)/cpu.lock,$(UV_INSTALL) -r requirements.lock)
	$(UV_INSTALL) --no-deps --editable .
	@touch $@

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

course: $(STAMP)  ## data, notebooks 00-06, runs/course/report.html
	$(RUN) -m daformer_lib course --profile $(PROFILE) --seed $(SEED)

site: $(STAMP)  ## notebooks and docs as web pages: build/site/index.html (nothing is executed or fetched)
	$(RUN) -m sphinx -q -E -a -W --keep-going -c docs -d build/doctrees . build/site
	@echo "the pages: build/site/index.html"

lab: $(STAMP)  ## the notebooks in JupyterLab, on this machine only
	$(VENV)/bin/jupyter lab --ServerApp.ip=127.0.0.1 notebooks

test: check  ## what must pass: check, every notebook by nbval, two by papermill, what trains
	$(NBVAL) notebooks
	$(RUN) -m pytest tests -m "notebook and not slow and not soak" -n 2 --dist loadscope --durations 10

check: $(STAMP)  ## before a commit: lint, layers, fast tests
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check --quiet .
	$(VENV)/bin/lint-imports --no-cache > $(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }
	$(RUN) -m pytest tests -m "not slow and not notebook and not soak" -n 2 --dist loadscope

test-slow: $(STAMP)  ## browser, kills, the whole course at smoke, every notebook solved
	$(RUN) -m pytest tests -m "slow and not notebook and not soak"
	$(RUN) -m pytest tests -m "slow and notebook and not soak" -n 2 --dist loadscope

test-cpus: $(STAMP)  ## what rounding can touch, with the kernels of older processors: LEVELS="default avx2/1"
	$(RUN) -m tests.kernel_levels $(LEVELS)

soak: $(STAMP)  ## the killed course, then half an hour of training: memory, open files, disk use
	$(RUN) -m pytest tests -m soak
	$(RUN) -m benchmarks.soak --output results/soak.json

study: $(STAMP)  ## the main story and Table 5 again, and the course's rows (seven hours on two cores)
	$(RUN) -m daformer_lib study main --seeds 0 1 2 3 4 --results results/mini_study.json
	$(RUN) -m daformer_lib study table5 --seeds 0 1 2 3 4 --results results/mini_study.json
	$(RUN) -m daformer_lib study --profile demo --output-dir runs/course \
	  --rows source_only self_training rcs fd daformer oracle --results results/demo_study.json

claims: $(STAMP)  ## results/CLAIMS.md: what the paper claims, and what the committed results show
	$(RUN) -m daformer_lib claims

bench: $(STAMP)  ## speed and memory, as ratios: benchmarks/results
	$(RUN) -m benchmarks

pretrain: $(STAMP)  ## the shipped weights of the tiny encoders again (an hour and a half)
	for strength in weak strong; do for encoder in tiny_mit tiny_resnet tiny_vit; do \
	  $(RUN) -m daformer_lib pretrain-mini --encoder $$encoder --strength $$strength || exit 1; done; done

house: $(STAMP)  ## docs/extend: picture and tables of the packages, from their imports
	$(RUN) -m tests.house

lock: $(STAMP)  ## after a change of pyproject.toml
	$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --no-header \
	  --no-emit-index-url --no-annotate --extra test --extra site pyproject.toml -o requirements.lock

clean:  ## the environment, drawn data, runs and pages
	rm -rf $(VENV) build data/mini* data/fields/summer data/fields/autumn data/smoke data/real_layouts* runs
