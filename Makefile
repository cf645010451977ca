PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo quick test test-faults test-helm test-tutor test-contract test-browser bench scale lint format types schemas reference clean

help: ## Say what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with everything that development needs

# Decision 0013 says why the constraints are at the top.
$(VENV)/.installed: pyproject.toml hatch_build.py constraints.txt $(wildcard streams/api/html/templates/*.html streams/api/html/templates/*/*.html)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[all]' --group dev
	@touch $@

demo: install ## Show the whole way of an event on a real Kafka; with KEEP=1, or at a terminal, pages to look at
	$(BIN)/badge-streams demo $(if $(KEEP),--keep)

quick: install lint types ## Run every check that needs no broker: about three minutes
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m "not broker"

# Three on two processors: half of a broker test's time is waiting. tests/conftest.py has the order.
test: install lint types ## Run every check: lint, types, tests on a real broker for each of three processes
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-faults: install ## Do every harm to workers and brokers, 30,000 events each; a table of what went wrong
	$(BIN)/python -m tests.faults

test-helm: install ## Check chart, alerts, dashboard and image (needs Go, apt-get, Java and Maven)
	tools=$$(tests/chart/tools) && CHART_TOOLS=$$tools $(BIN)/pytest tests/chart/with_tools.py tests/chart/image_steps.py

test-tutor: install ## Check what the Tutor plugin renders, with the real Tutor (needs Go, Java and Maven)
	tests/tutor/venv 21 && tests/tutor/venv 22
	tools=$$(tests/chart/tools) && CHART_TOOLS=$$tools $(BIN)/pytest tests/tutor/with_tutor.py

test-contract: install ## Check docs/asyncapi.yaml with AsyncAPI's own parser (needs npm, or gets a Node.js by pip)
	parser=$$(tests/contract/parser) && ASYNCAPI_PARSER=$$parser $(BIN)/pytest tests/contract/with_parser.py

test-browser: install ## Look at the pages in a real browser, and have axe look (needs apt-get, npm or pip)
	tools=$$(tests/api/html/tools) && BROWSER_TOOLS=$$tools $(BIN)/pytest tests/api/html/in_browser.py tests/api/html/on_a_site.py tests/api/console/in_browser.py

bench: install ## Measure speed beside a hand-written loop, write docs/performance.md
	$(BIN)/python -m tests.bench

scale: install ## Compute what a site of any size takes, write docs/scale.md
	$(BIN)/python -m tests.bench.scale

lint: install ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: install ## Put every file into the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: install ## Check types, strictly
	$(BIN)/mypy

schemas: ## Make avro/*.avsc out of the openedx-events package
	venv=$$(tests/openedx/venv) && "$$venv/bin/python" tests/openedx/make_schemas.py avro

reference: install ## Make docs/reference.md, docs/events.md, docs/asyncapi.yaml and the plugin's events out of the code
	$(BIN)/python docs/make_reference.py docs/reference.md
	$(BIN)/python docs/make_events.py docs/events.md
	$(BIN)/python docs/make_asyncapi.py docs/asyncapi.yaml
	$(BIN)/python tutor/make_events.py tutor/tutorbadgestreams/events.py

clean: ## Remove what the other targets made
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
