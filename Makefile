# Everything sets itself up: a Python >= 3.11, make and git are enough.
# demo: a small testbed to look at   test: all checks   bench: speed, side by side with others
# torture: every promise of docs/reliability.md, for minutes each   docs: the pages made from the program   clean: away

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check
# Two processes for each core, as tests wait for half of their time: for a deadline, an sshd, a minute of
# cron. They are handed out by file, long ones first (tests/conftest.py); those that stand in each other's way carry a
# group and stay in one process.
WORKERS := $(shell expr "$$(nproc)" '*' 2)
PYTEST_FLAGS ?= -q -n $(WORKERS) --dist loadgroup --no-loadscope-reorder --durations=10

SOURCES := $(shell find plabctl -name '*.py')
TEST_SOURCES := $(shell find tests -name '*.py')
# Environments beside the main one, a pair for each Python: with the lowest versions that pyproject.toml allows of what
# it names, and with the newest there are.
VERSION := $(if $(PYTHON),$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))
LOWEST := $(VENV)/lowest/$(VERSION)
NEWEST := $(VENV)/newest/$(VERSION)

.PHONY: help demo test ready test-lowest test-newest smoke-lowest bench torture surroundings check format docs packages clean

help:
	@echo 'make demo    a testbed of a dozen embedded SSH nodes on loopback, some faulty; ends by itself'
	@echo 'make test    lint, types and all tests; as root on Debian it installs what the tests need'
	@echo 'make test-lowest, make test-newest'
	@echo '             all tests with the lowest, or the newest, dependencies that pyproject.toml allows;'
	@echo '             PYTHON=python3.13 chooses the interpreter'
	@echo 'make bench   speed and size as ratios, measured side by side'
	@echo 'make torture every promise of docs/reliability.md put to the test, for minutes each'
	@echo 'make surroundings'
	@echo '             all tests on a machine just booted, as an ordinary user, without HOME and so on; as root'
	@echo 'make check   lint and types only'
	@echo 'make format  put the source into its form'
	@echo 'make docs    write docs/causes.md, docs/cli.md, docs/config.md, docs/man/, docs/completion/ and docs/pictures/ anew'
	@echo 'make clean   remove what the others made'

demo: $(VENV)/.stamp-compiled
	@$(RUN) -m plabctl demo $(DEMO_FLAGS)

test:
	@$(MAKE) --no-print-directory -j4 ready
	@$(RUN) -m pytest $(PYTEST_FLAGS) $(TESTS)

# What comes before the tests. mypy and pip work with one core each, and pip waits for what it loads.
ready: packages check $(VENV)/.stamp-compiled smoke-lowest $(VENV)/.stamp-rewritten

test-lowest: packages $(LOWEST)/.stamp-dev
	@$(LOWEST)/bin/python -m pytest $(PYTEST_FLAGS) $(TESTS)

# Newest means newest now, so nothing is kept from the last time.
test-newest: packages $(NEWEST)/.stamp-venv
	@$(NEWEST)/bin/python -m pip install -qq --upgrade 'pip>=25.1'
	@$(NEWEST)/bin/python -m pip install -qq --upgrade --upgrade-strategy eager -e . --group dev
	@$(NEWEST)/bin/python -m compileall -q plabctl
	@$(NEWEST)/bin/python -m pytest $(PYTEST_FLAGS) $(TESTS)

# Every module imported, every command used once, in some seconds: what is missing in the lowest versions shows here.
smoke-lowest: $(LOWEST)/.stamp-run
	@$(LOWEST)/bin/python -m tests.compat.smoke

bench: $(VENV)/.stamp-bench
	@sh tests/lab/packages pdsh
	@$(RUN) -m tests.benchmarks $(BENCH_FLAGS)

torture: packages $(VENV)/.stamp-dev $(VENV)/.stamp-compiled
	@$(RUN) -m tests.torture $(TORTURE_FLAGS)

surroundings: packages $(VENV)/.stamp-dev $(VENV)/.stamp-compiled
	@$(RUN) -m tests.lab.surroundings $(SURROUNDINGS)

check: $(VENV)/.stamp-dev
	@$(RUN) -m ruff check -q plabctl tests
	@$(RUN) -m ruff format -q --check plabctl tests || { echo 'run: make format' >&2; exit 1; }
	@$(RUN) -m mypy --no-error-summary

format: $(VENV)/.stamp-dev
	@$(RUN) -m ruff format plabctl tests
	@$(RUN) -m ruff check -q --fix plabctl tests

docs: $(VENV)/.stamp-dev
	@$(RUN) -m tests.docs.pages

packages:
	@sh tests/lab/packages

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find plabctl tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are made last: what was interrupted is done again. Dependency groups are known to pip from 25.1 on; the one
# that comes with Python 3.11 is older.
$(VENV)/.stamp-venv:
	@test -n '$(PYTHON)' || { echo 'plabctl needs Python 3.11 or later; name it with: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'setting up $(VENV) with '"$$($(PYTHON) --version)"' (once)' >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install -qq --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-venv pyproject.toml
	@echo 'installing plabctl into $(VENV)' >&2
	@$(PIP) install -qq -e .
	@touch $@

# Where Python is told to write no bytecode, every start would compile the whole package.
$(VENV)/.stamp-compiled: $(VENV)/.stamp-run $(SOURCES)
	@$(RUN) -m compileall -q plabctl
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-run
	@echo 'installing what the tests need into $(VENV)' >&2
	@$(PIP) install -qq --group dev
	@touch $@

# pytest rewrites the assertions of the tests before it compiles them, and each of its processes would do that for itself:
# all begin at once, and where Python is told to write no bytecode none finds it done. Errors are reported by `test`.
$(VENV)/.stamp-rewritten: $(VENV)/.stamp-dev $(VENV)/.stamp-compiled $(TEST_SOURCES)
	@PYTHONDONTWRITEBYTECODE= $(RUN) -m pytest -qq --collect-only -p no:cacheprovider tests >/dev/null || true
	@touch $@

# Inside $(VENV), which goes with all that is in it when it is made anew.
$(NEWEST)/.stamp-venv: $(VENV)/.stamp-venv
	@echo 'setting up $(@D) with '"$$($(PYTHON) --version)"' (once)' >&2
	@$(PYTHON) -m venv --clear $(@D)
	@touch $@

# Without a pip of its own, as that of the main one fills it.
$(LOWEST)/.stamp-venv: $(VENV)/.stamp-venv
	@echo 'setting up $(@D) with '"$$($(PYTHON) --version)"' (once)' >&2
	@$(PYTHON) -m venv --clear --without-pip $(@D)
	@touch $@

# Without plabctl itself, which `make smoke-lowest` runs from the checkout.
$(LOWEST)/.stamp-run: $(LOWEST)/.stamp-venv pyproject.toml tests/compat/bounds.py
	@echo 'installing the lowest dependencies of plabctl into $(LOWEST)' >&2
	@$(LOWEST)/bin/python tests/compat/bounds.py >$(LOWEST)/constraints.txt
	@$(PIP) --python $(LOWEST)/bin/python install -qq -r $(LOWEST)/constraints.txt
	@touch $@

$(LOWEST)/.stamp-dev: $(LOWEST)/.stamp-run $(VENV)/.stamp-dev
	@echo 'installing what the tests need into $(LOWEST)' >&2
	@$(PIP) --python $(LOWEST)/bin/python install -qq -c $(LOWEST)/constraints.txt -e . --group dev
	@$(LOWEST)/bin/python -m compileall -q plabctl
	@touch $@

$(VENV)/.stamp-bench: $(VENV)/.stamp-dev
	@echo 'installing what we measure ourselves against into $(VENV)/peers' >&2
	@$(PYTHON) -m venv --clear $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install -qq --upgrade 'pip>=25.1'
	@$(VENV)/peers/bin/python -m pip install -qq --group bench
	@touch $@
