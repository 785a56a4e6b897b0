# `make run` starts everything, `make test` checks everything; both install what they need into .venv.
# A line of two hashes after a target is what `make help` says of it.

.DEFAULT_GOAL := help

PY := .venv/bin/python
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-package optigate-protos \
	--custom-compile-command 'make pins'

AUDITED := chassis demo gateway optics optigate orders_svc protos sessions_svc subscriptions_svc

export PATH := $(CURDIR)/.venv/bin:$(PATH)

# What a thousand processes of the tests import is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo-reset test tests beside debian bench audit fuzz chaos stubs openapi fmt dist pins

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run ## start the gateway and the services with demo data
	@exec $(PY) -m demo

demo-reset: .venv/run ## set the demo data back
	@exec $(PY) -m demo reset

test: ## run everything that must hold before a change lands
	@$(MAKE) --no-print-directory --jobs 2 .venv/dev debian
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	.venv/bin/lint-imports
	.venv/bin/buf lint
	.venv/bin/buf format --diff --exit-code
	.venv/bin/buf breaking --against protos/releases/0.2.0.binpb
	$(PY) -m check_jsonschema --builtin-schema vendor.compose-spec compose.yaml
	@$(MAKE) --no-print-directory --jobs 2 tests beside

tests:
	$(PY) -m pytest -n 2 --dist worksteal

# The tests wait for what they start for a sixth of their time: that is enough for these. Their
# output comes when they are done.
beside:
	@(set -e; nice $(PY) -m mypy --strict --num-workers 2; \
		TEST_ENCRYPTION=on nice $(PY) -m pytest -n 1 $(ENCRYPTED)) \
		>.venv/beside.log 2>&1; failed=$$?; cat .venv/beside.log; exit $$failed

# What is run a second time, with encryption at rest on: all that writes, reads, searches and erases.
ENCRYPTED := tests/orders_svc/actions tests/subscriptions_svc/notices \
	$(addprefix tests/orders_svc/rpcs/test_,$(addsuffix .py, \
		answer_cancel_request create_order create_tracking_link duplicate_order erase_person \
		get_review mark_order_ready replace_order search_orders submit_order)) \
	$(addprefix tests/sessions_svc/rpcs/test_,$(addsuffix .py, \
		approve complete_exam create_authentication erase_person get_exam replace_session)) \
	$(addprefix tests/subscriptions_svc/rpcs/test_,$(addsuffix .py, \
		cancel_subscription create_warranty_event erase_person list_subscriptions))

# What the tests use of Debian's: a Chromium for the pages (without a screen it takes a quarter of
# the time; any other will do, where nothing can be installed), PHP for the code samples, PgBouncer
# before PostgreSQL, Redis, promtool for the alerts (19 MB of download, in the package prometheus),
# faketime for jumps of the clock.
debian:
	@missing=""; \
	command -v chromium-headless-shell >/dev/null || \
		{ [ "$$(id -u)" != 0 ] && { command -v chromium || command -v chromium-browser || \
			command -v google-chrome; } >/dev/null; } || \
		missing="$$missing chromium-headless-shell fonts-dejavu-core"; \
	command -v php >/dev/null || missing="$$missing php-cli"; \
	PATH="$$PATH:/usr/sbin" command -v pgbouncer >/dev/null || missing="$$missing pgbouncer"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	command -v promtool >/dev/null || missing="$$missing prometheus"; \
	ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$$missing faketime"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq \
			--no-install-recommends $$missing >/dev/null; \
	else echo "The tests need these packages: apt-get install$$missing" >&2; exit 1; fi

# About ten minutes; BENCH=--quick for one, BENCH=everything for ramps, sizes and soaks too (45),
# BENCH=--help for what else there is.
bench: .venv/dev ## compare with monoliths under load; BENCH=--quick, BENCH=--help
	@exec $(PY) -m bench $(BENCH)

# It fails as well where a component could not be looked up. AUDIT="--vulnerability-service osv" asks
# another service.
audit: .venv/dev ## look for weak code, and for known faults of what is pinned
	$(PY) -m bandit --quiet --recursive --configfile pyproject.toml $(AUDITED)
	$(PY) -m pip_audit --strict --progress-spinner off --disable-pip --require-hashes \
		--requirement requirements/dev.txt $(AUDIT)

# About twenty minutes; FUZZ=documents for the APIs alone, FUZZ=examples for the tests' own examples.
fuzz: .venv/dev ## try the parsers for a minute each, and the APIs; FUZZ="--seconds 600 reader"
	@exec $(PY) -m tests.fuzz $(FUZZ)

# Ten minutes and more for each engine. It needs root, for a disk that fills up.
chaos: .venv/dev debian ## kill, freeze, cut and fill under load, and count; CHAOS_KILLS=100
	CHAOS=long $(PY) -m pytest tests/chaos/test_campaign.py tests/chaos/test_clients.py \
		-p no:randomly -q -s

stubs: .venv/dev ## write protos/*_pb2* anew after a change of a .proto file
	$(PY) -m protos

openapi: .venv/dev ## write gateway/openapi and docs/reference anew after a change of a route, a rule or a setting
	$(PY) -m openapi

fmt: .venv/dev ## format, and sort imports
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	.venv/bin/buf format --write

# Wheels of optigate and of optigate-protos, and the proto files with their image for other languages.
dist: .venv/dev ## build the wheels, and an archive of the proto files
	@rm -rf build dist protos/build
	@$(PY) -m pip wheel -qq --no-deps --no-build-isolation --wheel-dir dist ./protos .
	@tar -czf dist/optigate-proto-files.tar.gz protos/*.proto protos/optigate.binpb protos/README.md
	@ls dist

# Pins the newest versions that pyproject.toml allows. dev.txt holds all of run.txt, and all that the
# image needs: image.txt to run, build.txt to build the wheels. pip.txt is what installs the others.
# optigate-protos is not pinned: it is in protos/, from where it is imported.
pins: .venv/bin/python ## pin the newest versions that pyproject.toml allows
	$(PY) -m pip install -qq 'uv>=0.9'
	$(COMPILE) --upgrade --output-file requirements/run.txt pyproject.toml
	$(COMPILE) --upgrade --extra dev --constraint requirements/run.txt \
		--output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --extra otel --extra redis --constraint requirements/dev.txt \
		--output-file requirements/image.txt pyproject.toml
	echo 'setuptools>=80' | $(COMPILE) --constraint requirements/dev.txt \
		--output-file requirements/build.txt -
	echo pip | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/pip.txt -

.venv/run: requirements/run.txt requirements/pip.txt | .venv/bin/python
	@$(PY) -m pip install -qq --require-hashes -r requirements/pip.txt  # twice as fast as Python's own
	@echo "Installing into .venv what requirements/run.txt pins."
	@$(PY) -m pip install -qq --require-hashes -r $<
	@touch $@

.venv/dev: requirements/dev.txt requirements/run.txt requirements/pip.txt | .venv/bin/python
	@$(PY) -m pip install -qq --require-hashes -r requirements/pip.txt
	@echo "Installing into .venv what requirements/dev.txt pins."
	@$(PY) -m pip install -qq --no-compile --require-hashes -r $<  # most of it is never imported
	@touch $@ .venv/run

.venv/bin/python:
	@for python in python3.11 python3.12 python3.13 python3.14 python3; do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then exec $$python -m venv --clear .venv; fi; \
	done; echo "Python 3.11 or newer is needed, with its venv module." >&2; exit 1
