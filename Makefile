# `make demo`, `make test` and others; each sets up .venv first (x86_64, Python 3.10 to 3.13).
# PYTHON chooses the interpreter, e.g. make test PYTHON=/usr/bin/python3; BAG is for `make demo`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
SOURCES := setup.py setup.cfg pyproject.toml package.xml requirements/runtime.txt \
  $(wildcard launch/* config/* rviz/* foxglove/*) $(shell find msg -type f)

# .venv holds its own ROS: paths of a sourced installation would mix two of them.
unexport PYTHONPATH LD_LIBRARY_PATH CMAKE_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
export AMENT_PREFIX_PATH := $(CURDIR)/$(VENV)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export FASTRTPS_DEFAULT_PROFILES_FILE := $(CURDIR)/config/fastdds.xml
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
# A home that cannot be written would make every node fail on its log file.
export ROS_LOG_DIR ?= $(CURDIR)/$(VENV)/log

# One line before each step of `make demo`, whose set-up would be silent for minutes.
STEP = $(if $(filter demo,$(MAKECMDGOALS)),echo '$(1)',:)

.PHONY: help demo test lint style types docs docs-commands pictures photographs few-shot steady states trust reliability mutants speed audit lock trt-check trt-bindings colcon-check dist clean

help:
	@echo 'make demo [BAG=path] [MODEL=name] | test | lint | docs | docs-commands | pictures | photographs | few-shot | steady | states | trust | reliability | mutants | speed | audit | lock | trt-check | trt-bindings | colcon-check | dist | clean   [PYTHON=python3]'

demo: $(VENV)/package.stamp
	@$(call STEP,Starting the node and playing a drive into it: about half a minute.)
	$(VENV)/bin/python -m mtscene_ros.cli demo $(if $(BAG),--bag '$(BAG)') $(if $(MODEL),--model '$(MODEL)')

# mypy beside the tests, which come in processes of their own: with a ROS domain each, and one thread.
# Not as `$(MAKE) types`: `make -n` runs such a line, and a test reads the plan of `make test`.
# Three on two cores, because some of them wait.
JOBS ?= 3
TYPES := $(VENV)/bin/mypy --strict mtscene_ros training setup.py
test: style
	$(TYPES) & types=$$!; status=0; \
	  OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) --dist worksteal || status=$$?; \
	  wait $$types; exit $$status

# Hostile input, faults and long runs at full size: up to 30 minutes.
trust: $(VENV)/test.stamp
	$(PIP) install -r requirements/trust.txt
	TRUST_SCALE=1 $(VENV)/bin/python -m pytest -m trust

# The same and the short ones, with their outcome in benchmarks/results and docs/reliability.md.
reliability: $(VENV)/test.stamp
	$(PIP) install -r requirements/trust.txt
	TRUST_SCALE=1 TRUST_RESULTS=benchmarks/results/faults.json \
	  TRUST_FUZZING=benchmarks/results/fuzzing.json \
	  TRUST_DIFFERENCES=benchmarks/results/fuzzing_differences.json \
	  $(VENV)/bin/python -m pytest -m 'trust or not trust' test/trust \
	  --ignore test/trust/test_reliability_page.py
	$(VENV)/bin/python -m benchmarks.reliability

# Small changes of core modules, one at a time: do their own tests notice? About an hour on two cores.
mutants: $(VENV)/test.stamp
	$(PIP) install -r requirements/mutants.txt
	nice -n 10 $(VENV)/bin/python -m benchmarks.mutants

lint: style types

style: $(VENV)/test.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache >/dev/null || { $(VENV)/bin/lint-imports --no-cache; exit 1; }

types: $(VENV)/test.stamp
	$(TYPES)

# Pages of docs/ and of the reference, dead links refused.
docs: $(VENV)/test.stamp
	$(VENV)/bin/python -m docs.assemble build/pages
	$(VENV)/bin/python -m sphinx -W --keep-going -q -c docs build/pages build/site
	@echo build/site/index.html

# Every command of README and docs/ but those that say why not; `make test` leaves out the slow ones.
docs-commands: $(VENV)/test.stamp
	MTSCENE_DOCS_COMMANDS=1 $(VENV)/bin/python -m pytest test/docs

# README's pictures, from the bundled model; screenshots need chromium.
pictures: $(VENV)/test.stamp
	$(VENV)/bin/python -m mtscene_ros.cli demo --out build/pictures
	$(VENV)/bin/python docs/make_picture.py build/pictures/out.mcap
	$(VENV)/bin/python docs/make_worlds.py
	$(VENV)/bin/python docs/make_animation.py
	$(VENV)/bin/python -m docs.make_screens build/pictures

# Every bundled model on CamVid and KITTI, in DATA.
DATA ?= ../shared/data
photographs: $(VENV)/package.stamp
	$(VENV)/bin/python -m benchmarks.photograph_table --data '$(DATA)'

# Camera health, novelty and flicker against their bounds; exit code 1 where one is broken.
steady: $(VENV)/package.stamp
	$(VENV)/bin/python -m benchmarks.steady --data '$(DATA)'

# Runtimes, number formats and threads on this processor: about five minutes on two busy cores.
speed: $(VENV)/test.stamp
	$(VENV)/bin/python -m benchmarks.speed

# A dense task from 1 and 3 labelled frames, matched and adapted, in a few minutes; the table of
# docs/vtm.md is `python -m benchmarks.few_shot`.
few-shot: $(VENV)/test.stamp
	$(VENV)/bin/python -m benchmarks.few_shot --data $(DATA) --json build/few_shot.json \
		--tasks camvid kitchen_depth --ways teach adapt --frames 1 3 --steps 20

# Known vulnerabilities of the locked versions; fails where their database is not reached.
audit: $(VENV)-audit/bin/pip-audit
	$(VENV)-audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements/lock.txt

lock: $(VENV)-audit/bin/pip-audit
	$(VENV)-audit/bin/python requirements/lock.py $(VENV)-audit/bin/uv

$(VENV)-audit/bin/pip-audit:
	'$(PYTHON)' -m venv --clear $(VENV)-audit
	$(VENV)-audit/bin/python -m pip --quiet install 'pip-audit>=2.9,<3' 'uv>=0.8,<1'

trt-check: $(VENV)/test.stamp
	$(VENV)/bin/python -m training.trt_check

# The parts of TensorRT's Python API that we call, as three releases have them.
trt-bindings: $(VENV)/test.stamp
	$(VENV)/bin/python test/backends/tensorrt_api.py 10.3.0 10.16.0.72 11.4.0.106

# SIGINT and SIGTERM in every state of the node.
states: $(VENV)/test.stamp
	MTSCENE_STATES=1 $(VENV)/bin/python -m pytest test/ros/test_states.py

colcon-check:
	PYTHON='$(PYTHON)' .ci/colcon_check

# Wheel and sdist, ready for an index; installed into an empty environment and tried there.
dist:
	PYTHON='$(PYTHON)' .ci/dist_check

clean:
	rm -rf .venv .venv-audit .venv-colcon .venv-dist build dist install log *.egg-info .*_cache

$(VENV)/requirements.stamp: requirements/ros.txt requirements/runtime.txt
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo '$(PYTHON) is no Python 3.10 or newer: choose one with make PYTHON=...'; exit 1; }
	@$(call STEP,Making the Python environment $(VENV): about 10 seconds.)
	@test -x $(VENV)/bin/pip || '$(PYTHON)' -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo '$(PYTHON) cannot make virtual environments: run apt-get install python3-venv.'; exit 1; }
	@$(call STEP,Downloading and installing ROS and ONNX Runtime: 1 to 3 minutes.)
	$(PIP) install -r requirements/ros.txt -r requirements/runtime.txt
	@touch $@

$(VENV)/package.stamp: $(VENV)/requirements.stamp $(SOURCES)
	@$(call STEP,Building the messages and installing mtscene_ros: about half a minute.)
	$(PIP) install --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/package.stamp requirements/test.txt requirements/docs.txt requirements/no_deps.txt
	$(PIP) install -r requirements/test.txt
	$(PIP) install --no-deps -r requirements/no_deps.txt
	@touch $@
