# make demo: installs, runs the main job, prints the verdict.  make test: installs, runs every check and test.

# A distribution's Python is built with profile-guided optimisation, one that pyenv built as a rule is not: an arm on
# real processes then costs 1.4 times as much processor time.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)
BIN := .venv/bin

.PHONY: demo test install images lint unit processes containers bench suite ablation catalogue campaigns clean
.PHONY: soak soak-processes soak-containers campaign-seeds campaign-large

demo: install
	$(BIN)/mlchaos run late-partition

test: lint unit processes containers

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable . --group dev
	$(BIN)/python -m compileall -q chaos reference_stack
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install
	$(BIN)/pytest -m "not processes and not containers and not soak" -n 2 -q

# On real processes: one at a time, so that they have the machine to themselves.
processes: install
	$(BIN)/pytest -m "processes and not soak" -q

# In containers, where there is an engine and `make images` has been: else skipped by name (in CI they fail).
containers: install
	$(BIN)/pytest -m "containers and not soak" -q

images:
	.ci/images

bench: install
	$(BIN)/python -m benchmarks

# Every scenario in virtual time, over five seeds: a verdict for each.
suite: install
	$(BIN)/mlchaos suite --target reference-virtual --seeds 1..5

# Every defended scenario without the layers that decide it: the table, and an exit code.
ablation: install
	$(BIN)/mlchaos ablation --target reference-virtual --seeds 1..5

# The page of everything that can be named, from the code.
catalogue: install
	$(BIN)/mlchaos catalogue > docs/catalogue.md

# All three, also where one of them fails; then this fails too.
soak: install
	$(MAKE) --keep-going soak-processes soak-containers ablation

# Every scenario that real processes can run, beside its verdict in virtual time: a table.
soak-processes: install
	$(BIN)/python -m benchmarks.soak

# Two runs in containers side by side, for five minutes, and what is left of them: nothing.
soak-containers: install
	$(BIN)/pytest -m soak -q -s tests/drivers/compose

# For hours: the figures of the documentation.
campaigns: install
	$(MAKE) --keep-going campaign-large campaign-seeds

# The scenario that no suite runs: it is as large as many others.
campaign-large: install
	$(BIN)/mlchaos run slow-site-sated --target reference-virtual

campaign-seeds: install
	$(BIN)/pytest -m soak -q -s tests/soak

clean:
	rm -rf .venv runs dist build
