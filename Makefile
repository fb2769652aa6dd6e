# Each command sets up what it needs on a fresh machine, in its own virtual environment: a system Python refuses
# installs. PYTHON sets another interpreter. CONTRIBUTING.md lists the commands.
PYTHON ?= python3
# More workers than cores: many tests wait for processes, and for time to pass.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(3 * os.cpu_count(), 16))")
# Tests run in a random order, which is the same wherever a commit is tested: an order of one machine does not fail later
# on another. Other orders: make test SEED=7.
SEED ?= $(shell git log -1 --format=%ct 2> /dev/null || echo 1)
PYTEST = -m pytest -q -n $(WORKERS) --dist worksteal --randomly-seed=$(SEED)
AXE = 4.14.1
CONSTRAINTS = -c constraints.txt
# Print errors only: a build warns in 40 lines about folders that are not packages.
PIP = -m pip install -qq --disable-pip-version-check
# The pip of a new environment is as old as its Python. A newer one chooses the same versions in a third of the time.
# If none can be downloaded, the old one works too.
NEW_PIP = $(PIP) --no-compile --upgrade pip || true
# Compile what the tests import on all cores, and skip the rest: of 4,600 modules of protobufs they need only a few.
COMPILE = -m compileall -q -j 0 -x '/(yandex|grpc_tools|mypy|mypyc|pip|setuptools|pygments/lexers)/'
# Keep bytecode, whatever this machine's setting: the tests start the program hundreds of times.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo demo-rollback test long long-share browser draws lint dist docs pages floors clean

demo: .venv-demo/installed
	.venv-demo/bin/orchestrator deploy --sandbox --yes

# A release that fails in its second wave: exit code 0 for the first release, 5 for the second, which is rolled back.
demo-rollback: .venv-demo/installed
	rm -rf examples/rollback/.orchestrator
	cd examples/rollback && RELEASE=first ../../.venv-demo/bin/orchestrator deploy --sandbox --yes
	cd examples/rollback && { RELEASE=second ../../.venv-demo/bin/orchestrator deploy --sandbox --yes; test $$? = 5; }

test: .venv-test/installed
	.venv-test/bin/python $(PYTEST)

# Further seeds and cases of the suites that `make test` begins: everything marked `long`, and nothing else.
long: .venv-test/installed
	.venv-test/bin/python $(PYTEST) -m long

# The same with every second seed, but all mutants, steps and rows: as much as there is time for on each push.
long-share: .venv-test/installed
	@echo "every second long seed; make long runs all of them"
	SEEDS_EVERY=2 .venv-test/bin/python $(PYTEST) -m long

# In a real browser: Debian's chromium, or the one in BROWSER. Fails without one. The accessibility checker, axe-core,
# comes from npm.
browser: .venv-test/installed .venv-test/axe.min.js
	.venv-test/bin/python -m pytest -q -m browser tests/browser

# All property tests with new random examples, which find unexpected cases. Can run for hours.
draws: .venv-test/installed
	.venv-test/bin/python -m pytest -q -n $(WORKERS) --dist worksteal -m hypothesis --hypothesis-profile fresh

lint: .venv-test/installed .venv-dist/installed
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy
	.venv-dist/bin/python .ci/recipes

# Build and check the wheel and source distribution of the commit, in dist/. The wheel is reproducible: its time stamps
# are those of the commit.
dist: .venv-dist/installed
	rm -rf dist build/tree
	mkdir -p build/tree
	git archive HEAD | tar -x -C build/tree
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .venv-dist/bin/python -m build --outdir dist build/tree > build/log 2>&1 \
		|| { cat build/log; exit 1; }
	.venv-dist/bin/twine check --strict dist/*
	.venv-dist/bin/check-wheel-contents dist/*.whl
	.venv-dist/bin/python .ci/contents dist

# The documentation as a site, in build/site. A warning, such as a broken link, is an error.
docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --clean

# Write the generated pages and tables of docs/ again.
pages: .venv-test/installed
	.venv-test/bin/python -m tests.pages

# With exactly the lowest versions that pyproject.toml declares, which people may have installed.
floors: .venv-floors/installed
	.venv-floors/bin/python $(PYTEST) --ignore tests/speed --ignore tests/simulation

.venv-demo/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python $(NEW_PIP)
	.venv-demo/bin/python $(PIP) $(CONSTRAINTS) -e .
	touch $@

.venv-test/installed: pyproject.toml constraints.txt orchestrator/__init__.py
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/python $(NEW_PIP)
	.venv-test/bin/python $(PIP) --no-compile $(CONSTRAINTS) -e '.[test]'
	.venv-test/bin/python $(COMPILE) .venv-test/lib
	touch $@

.venv-docs/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(NEW_PIP)
	.venv-docs/bin/python $(PIP) $(CONSTRAINTS) 'mkdocs-material>=9.6'
	touch $@

.venv-test/axe.min.js: .venv-test/installed
	cd .venv-test && npm pack --silent axe-core@$(AXE) && tar -xzOf axe-core-$(AXE).tgz package/axe.min.js > axe.part
	mv .venv-test/axe.part $@

.venv-dist/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python $(NEW_PIP)
	.venv-dist/bin/python .ci/extra dist > .venv-dist/requirements.txt
	.venv-dist/bin/python $(PIP) --no-compile $(CONSTRAINTS) -r .venv-dist/requirements.txt
	touch $@

.venv-floors/installed: pyproject.toml .ci/floors
	$(PYTHON) -m venv .venv-floors
	.venv-floors/bin/python $(NEW_PIP)
	.venv-floors/bin/python .ci/floors > .venv-floors/constraints.txt
	.venv-floors/bin/python $(PIP) -c .venv-floors/constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv-demo .venv-test .venv-dist .venv-docs .venv-floors .orchestrator build dist *.egg-info
