# What one does with a clone. Every target first makes .venv where it is missing.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench kafka lock wheel clean ready
MAKEFLAGS += --no-print-directory

bin := .venv/bin
worker_half := $(wildcard $(addprefix src/knockoff/,errors.py runkey.py logs.py \
	language contextfile arrays rundata filling))

# Python's own words for other installations must not reach into .venv.
unexport PYTHONPATH PYTHONHOME
export PYTHONUNBUFFERED := 1

# Where the home folder cannot be written, caches live in the checkout.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.cache/home
export XDG_CACHE_HOME := $(CURDIR)/.cache
export XDG_CONFIG_HOME := $(CURDIR)/.cache/config
export XDG_STATE_HOME := $(CURDIR)/.cache/state
export XDG_DATA_HOME := $(CURDIR)/.cache/data
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
endif

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 14

demo: ready ## Watch a simulated beamtime fill its table.
	@$(bin)/knockoff demo $(DEMO)

test: ready ## Run the tests; TEST="-k words" for some of them.
	@$(bin)/python -m pytest $(TEST)

check: ready ## Lint, types, floors, and Python 3.10 for the worker's half.
	@echo "knockoff: ruff";         $(bin)/ruff check
	@echo "knockoff: format";       $(bin)/ruff format --check
	@echo "knockoff: types";        $(bin)/mypy
	@echo "knockoff: floors";       $(bin)/lint-imports --no-cache
	@echo "knockoff: Python 3.10";  $(bin)/vermin --quiet --no-tips --target=3.10- \
		--eval-annotations --violations $(worker_half)

bench: ready ## Print every figure that the documentation claims.
	@for file in bench/*.py; do echo "knockoff: $$file"; $(bin)/python $$file || exit 1; done

kafka: ready ## Run the tests that want a real Apache Kafka (needs Java and Maven).
	@KNOCKOFF_TEST_KAFKA=required $(bin)/python -m pytest tests/events -m kafka $(TEST)

lock: ## Resolve all packages afresh and write constraints.txt.
	@scripts/lock

wheel: ready ## Build the wheel into dist/.
	@$(bin)/python -m build --wheel --no-isolation --outdir dist >/dev/null && ls dist/*.whl

clean: ## Remove what make, the tests and the tools left here.
	@rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache demo-beamtime
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

ready:
	@scripts/bootstrap
