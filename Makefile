# Needs Python 3.11 with pip, and make. Everything else is installed into .venv from the lock file.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
# Named after the lock file's content: another lock, another stamp, another install.
STAMP := .venv/installed-$(shell cksum < requirements-dev.txt | tr ' ' '-')

# Hundreds of processes import the same modules: they must not compile them each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-servers reset backup restore check bench faults format install lock screenshots

run: $(STAMP)
	@$(PY) -m config.local.stack run

# One file: make test PYTEST_ARGS="tests/billing -k ledger"
test: $(STAMP)
	@$(PY) -m config.local.stack test $(PYTEST_ARGS)

# What depends on the database and the broker, which CI repeats on servers of the machine. Not: what
# reads files, speaks with Stripe or is arithmetic, pages, and what starts servers of its own.
SERVER_TESTS := tests/api tests/billing tests/calls tests/dashboard/mail tests/faults \
	tests/config/test_platform.py tests/config/test_compose.py \
	$(addprefix --ignore=tests/calls/,notations sources management) \
	$(addprefix --ignore-glob=*/test_,stripe*.py detecting.py rating.py cycles.py periods.py)
test-servers: export EXAMPLES ?= 0.2
test-servers: $(STAMP)
	@$(PY) -m config.local.stack test -n 2 --dist loadgroup --no-loadscope-reorder -m "not browser and not own_servers" \
		$(SERVER_TESTS)

reset: $(STAMP)
	@$(PY) -m config.local.stack reset

# All that the database holds, without files of imports: make backup INTO=monday.backup
backup: $(STAMP)
	@$(PY) -m config.local.stack backup $(or $(INTO),$(error Name the file: make backup INTO=FILE))

# Into an empty database; REPLACE=yes restores in place of what a database holds.
restore: $(STAMP)
	@$(PY) -m config.local.stack restore \
		$(or $(FROM),$(error Name the file: make restore FROM=FILE)) $(if $(REPLACE),--replace)

# What CI checks before the tests. DEBUG stands for development values.
check: export DEBUG = true
check: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .
	$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint(['--no-logo'])"
	$(PY) -m config.local.stack exec -- $(PY) manage.py makemigrations --check --dry-run

install: $(STAMP)

# The README's pictures. Every page: make screenshots INTO=var/screenshots
screenshots: $(STAMP)
	@$(PY) -m config.local.stack exec -- $(PY) -m tests.screenshots $(INTO)

# How fast calls are recorded: make bench BENCH_ARGS="--repeats 3"
# Other benchmarks: make bench BENCH=pages, BENCH=read_pages, BENCH=audit_ledger, BENCH=doors
BENCH ?= record_calls
bench: $(STAMP)
	@DEBUG=true $(PY) -m config.local.stack exec -- $(PY) -m tests.benchmarks.$(BENCH) $(BENCH_ARGS)

# Whether money survives everything: make faults FAULTS_ARGS="--top-ups 1000 --seed 7"
# Whether an import does, whatever is killed in whichever step: make faults FAULTS=import_run
# Whether calls do that come by API, webhook and list meanwhile: make faults FAULTS=call_run
FAULTS ?= run
faults: $(STAMP)
	@$(PY) -m tests.faults.$(FAULTS) $(FAULTS_ARGS)

format: $(STAMP)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The lock files hold hashes and no addresses, so that any mirror will do.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

$(STAMP): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; PYTHON=/path/to/python names one." >&2; exit 1; }
	@echo "Installing the locked dependencies into .venv …"
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@rm -f .venv/installed-*
	@touch $@
