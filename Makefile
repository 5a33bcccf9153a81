# make demo    the whole way of a picture on this machine, in under a minute once installed
# make test    every test, the linters and the type checker among them; JOBS=1 for one at a time
# make soak    half an hour of a busy booth, and whether memory, descriptors and latency stay
# make faults  everything that can go wrong, under load, ten times each and more
# make boot-test  the units under a systemd that is PID 1 (root; apt install systemd-container)
# make fuzz    a million inputs for each family of parsers, in half an hour; Ctrl-C shows what
#              was seen, and ARGS="--family images --inputs 20000" does less
# make lint    ruff, mypy and the import rules alone
# make lock    resolve requirements.lock again (needs uv)
#
# All of it lives in .venv, made with any Python from 3.10 on; PYTHON=... picks one.

VENV   := .venv
# Many tests wait for processes that they started: two files at a time do with two cores.
JOBS   ?= 2
STAMP  := $(VENV)/.installed
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input
UV     ?= uv
EXTRAS := --extra cpu --extra demo --extra test --extra insightface --extra provenance \
          --extra dashboard

# A name on PATH may be a launcher for a version that is not there, and Debian packs
# ensurepip apart: ask each one to do what is needed of it.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.10 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& echo $$p && break; done)

.PHONY: demo test soak faults fuzz boot-test lint lock install clean
.DELETE_ON_ERROR:

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/edged demo $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

soak: $(STAMP)
	@$(BIN)/python tests/soak/run.py $(ARGS)

faults: $(STAMP)
	@$(BIN)/python tests/faults/run.py $(ARGS)

fuzz: $(STAMP)
	@$(BIN)/python tests/fuzz/run.py $(ARGS)

boot-test: $(STAMP)
	$(BIN)/python -m pytest tests/service/boot/test_boot.py tests/service/boot/more_boots.py $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "edged needs Python 3.10 or newer with venv:" \
		"apt install python3-venv, or PYTHON=/path/to/python make ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# insightface asks for the OpenCV build with Qt; its `cv2` folder is the one that our
# headless build installs, so it is kept out (see tool.uv in pyproject.toml).
lock:
	$(UV) pip compile pyproject.toml $(EXTRAS) --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-emit-package opencv-python \
		--custom-compile-command "make lock" --output-file requirements.lock $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache demo-out dist
