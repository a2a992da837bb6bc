# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make run    a demo on http://localhost:8080 (PORT=… changes it), data in ./var
#   make test   everything this machine can test; says what it skipped and why
#   make test-long  after it: what breaks on purpose and takes minutes

PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-long bench wheel lock clean
.DEFAULT_GOAL := run

run: $(VENV)/.installed
	$(BIN)/idp demo --data var --port $(PORT)

test: $(VENV)/.installed-test
	$(BIN)/python tools/check.py

# what breaks on purpose and takes minutes: databases that fail over, full disks, killed processes
test-long: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m long -rs tests/long

bench: $(VENV)/.installed-test
	$(BIN)/python bench/bench.py
	$(BIN)/python bench/classroom.py burst
	$(BIN)/python bench/classroom.py timing --rounds 100
	$(BIN)/python bench/wholeschool.py
	$(BIN)/python bench/schoollist.py

wheel: $(VENV)/.installed
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .

# after changing dependencies in setup.cfg: pin them again, with hashes
lock: $(VENV)/.installed-test
	$(BIN)/python tools/lock.py

$(VENV)/.installed: $(VENV)/.venv-made requirements/run.txt setup.cfg pyproject.toml package-lock.json requirements/argon2.txt tools/build_assets.py tools/npm.py tools/argon2_served.py tools/quick_argon2.py
$(VENV)/.installed-test: $(VENV)/.installed requirements/test.txt tests/oidc/clients/package-lock.json

# Two at once in one environment: one installs, the other waits and finds it done. Where there is no flock (util-linux), each installs.
FLOCK := $(shell flock -s $(firstword $(MAKEFILE_LIST)) true 2>/dev/null && echo flock)

ifeq ($(FLOCK)$(ALONE),flock)

$(VENV)/.venv-made $(VENV)/.installed $(VENV)/.installed-test:
	@mkdir -p $(VENV)
	@flock -n $(VENV)/.lock true || echo "another make installs in $(VENV): waiting for it"
	@flock $(VENV)/.lock $(MAKE) --no-print-directory ALONE=yes $@

else

$(VENV)/.venv-made:
	$(PYTHON) -c 'import sys; sys.exit("Leersleutel needs Python 3.11 or newer: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed:
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python tools/quick_argon2.py
	$(BIN)/python tools/build_assets.py
	touch $@

$(VENV)/.installed-test:
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/test.txt
	$(BIN)/python tools/npm.py tests/oidc/clients
	touch $@

endif

clean:
	rm -rf build dist *.egg-info idp/static/built node_modules
