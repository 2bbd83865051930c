# make run        serve uploads on http://127.0.0.1:1080/files/, kept in ./uploads
#                 (options: make run ARGS="--port 8080")
# make test       all that must pass: lint, types, docs, trial
# make lint       ruff: rules and formatting        make types   mypy, strict
# make docs       pydoctor and Sphinx, into docs/_build/html
# make config-docs  write docs/settings.rst, docs/tus.toml and docs/metrics.rst anew,
#                 from the code
# make trial      the tests alone (some of them: make trial TESTS=tests.protocol)
# make test-clients  other people's clients against the daemon, none of them left out;
#                 needs node, npm and curl too (make trial runs those that are there)
# make test-install  the wheel and the sdist, each installed in an empty environment
#                 with what the package index gives, and an upload to it
# make test-image the steps of the Dockerfile, with what the package index gives; and
#                 the image, where a Docker engine answers
# make fuzz       40,000 hostile requests to the real daemon, two seeds, about a minute
#                 (one more: .venv/bin/python -m tests.fuzz --requests 20000 --seed 3;
#                 a finding says how to play it again; make test sends 2,000)
# make campaign   twelve minutes of what make trial does a part of: every story of a
#                 take-over in the store against every other one, frozen at each call;
#                 stores that die or lose power at each call; and clients that upload
#                 while workers, daemons and Redis are killed and frozen
# make events-campaign  ten minutes: a daemon is killed 120 times, then one with two
#                 workers, and all events must reach a hook that often fails, in order
#                 (others: .venv/bin/python -m tests.events --kills 100 --seed 3)
# make bench      measure the daemon; beside other servers, which are fetched as their
#                 users do: make bench PEERS="tusd node python" (docs/performance.rst)
# make coverage   the tests with line and branch coverage
# make lock       pin the newest allowed dependencies in requirements/
# make clean      remove what make made; uploads/ stays
#
# Needs Python 3.11 or later (another one: make PYTHON=python3.13 ...) and a package
# index.  Everything goes into .venv, and what npm installs into tests/clients/js; the
# dot files in there say which step is done.

PYTHON ?= python3
TESTS ?= tests
BIN := .venv/bin
JS := tests/clients/js
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := .venv/lock/bin/uv --no-config pip compile --quiet --upgrade --universal \
	--python-version 3.11 --fork-strategy fewest --generate-hashes --strip-extras \
	--no-annotate \
	--custom-compile-command "make lock: Python 3.11 and later, every platform"

# The tests start the daemon hundreds of times: each start would compile the package
# anew, 0.3 s of processor time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test lint types docs config-docs trial test-clients test-install bench \
	test-image fuzz campaign events-campaign coverage lock clean

# No pid file: one left by a killed server could name a living process by chance.
run: .venv/.run
	$(BIN)/twistd -n --pidfile= tus $(ARGS)

# At once: the tests wait for others half of the time, and the others need two minutes
# of processor time.
test: .venv/.dev
	$(MAKE) --jobs=4 lint types docs trial

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

# The reference of the settings, the sample file and the table of metrics.
config-docs: .venv/.run
	$(BIN)/python docs/write_settings.py

docs: .venv/.dev
	$(BIN)/towncrier build --draft --version next >/dev/null
	$(BIN)/python -m pydoctor --quiet
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# Two processes: most tests wait for others half of the time.
trial: .venv/.dev
	PYTHONWARNINGS=default $(BIN)/python -m twisted.trial -j 2 $(TESTS)

test-clients: .venv/.dev $(JS)/node_modules/.made
	TUSTWISTED_CLIENTS=all $(BIN)/python -W default -m twisted.trial tests.clients

test-install: .venv/.dev
	PYTHON=$(PYTHON) $(BIN)/python -W default -m twisted.trial tests.packaging.fetched

test-image: .venv/.dev
	$(BIN)/python -W default -m twisted.trial tests.packaging.fetched_image

fuzz: .venv/.dev
	$(BIN)/python -m tests.fuzz --requests 20000 --seed 1
	$(BIN)/python -m tests.fuzz --requests 20000 --seed 2

campaign: .venv/.dev
	TUSTWISTED_CAMPAIGN=1 $(BIN)/python -W default -m twisted.trial \
		tests.store.test_takeover tests.store.test_power \
		tests.store.test_placing_crashes tests.store.test_chosen_path \
		tests.store.test_replacement tests.store.test_concatenation \
		tests.integration.test_concatenation_killed tests.web.test_machine \
		tests.contracts.test_lockers
	$(BIN)/python -m tests.chaos --locker file --seconds 60 --seed 1
	$(BIN)/python -m tests.chaos --locker redis --seconds 90 --seed 2

events-campaign: .venv/.dev
	$(BIN)/python -m tests.events --kills 120 --seed 1
	$(BIN)/python -m tests.events --kills 120 --seed 2 --workers 2

bench: .venv/.run
	$(BIN)/python -m bench $(PEERS) $(ARGS)

coverage: .venv/.dev
	$(BIN)/python -W default -m coverage run -m twisted.trial $(TESTS)
	$(BIN)/coverage report

# One lock for every Python from 3.11 on and every platform: names, versions, hashes.
lock: .venv/.made
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip --quiet install "uv >= 0.9, < 1"
	$(COMPILE) pyproject.toml --group build -o requirements/run.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt

clean:
	rm -rf .venv build dist *.egg-info docs/_build _trial_temp* .coverage
	rm -rf $(JS)/node_modules bench/peers/node/node_modules
	rm -rf .hypothesis .mypy_cache .ruff_cache twisted/plugins/dropin.cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(\
	"tustwisted needs Python 3.11 or later, and $(PYTHON) is %d.%d: " \
	"say which one to use with make PYTHON=..." % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	@touch $@

# Build requirements are pinned in run.txt as well, so nothing comes in without a hash.
.venv/.run: .venv/.made requirements/run.txt pyproject.toml setup.py
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(JS)/node_modules/.made: $(JS)/package-lock.json
	cd $(JS) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
