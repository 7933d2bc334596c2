# tidewatch: two commands do everything a newcomer needs, `make up` and `make test`.

CARGO ?= cargo
NPM ?= npm
UP_FLAGS ?=
# programs are looked for beside each other, so the folder is fixed whatever the environment says
RELEASE := target/release
export CARGO_TARGET_DIR := target

.PHONY: up build test check ui bench test-ui demo-scaling conformance rendered manifests test-postgres clean help

help: ## what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: build ## build everything and start the todo application with its monitoring
	@exec $(RELEASE)/tidewatch up $(UP_FLAGS)

build: ui/dist/index.html
	@echo "building tidewatch and the todo application (first time: a few minutes) ..."
	$(CARGO) build --release --locked -p tidewatch -p todo-backend -p todo-frontend -p todo-event-service

test: ui/dist/index.html ## every test that needs nothing installed
	$(CARGO) test --locked --workspace --quiet
	cd ui && $(NPM) run --silent test

check: ui/node_modules/.stamp ## formatting, lints, types
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	cd ui && $(NPM) run --silent check

ui: ## build the web page again
	rm -rf ui/dist
	$(MAKE) ui/dist/index.html

UI_SOURCES := $(shell find ui/src ui/public -type f 2>/dev/null) $(wildcard ui/*.html ui/*.ts ui/*.json ui/scripts/*)

ui/node_modules/.stamp: ui/package-lock.json
	@echo "fetching the web page's packages ..."
	cd ui && $(NPM) ci --no-audit --no-fund --loglevel=error
	@touch $@

ui/dist/index.html: ui/node_modules/.stamp $(UI_SOURCES)
	@echo "building the web page ..."
	cd ui && $(NPM) run --silent build
	@touch $@

test-ui: build ## drive the page in the system's Chromium (needs chromium)
	cd ui && $(NPM) run --silent test:ui

demo-scaling: build ## load the todo application until it scales, up and down again (about 12 minutes)
	node scripts/demo-scaling.mjs

test-postgres: ## the todo applications on a PostgreSQL of their own (needs its server programs)
	scripts/test-postgres.sh

bench: build ## the benchmarks; beside a real Prometheus, and in a browser, where these are installed
	$(CARGO) bench --locked --workspace
	! command -v prometheus >/dev/null || benches/peer/run.sh
	! command -v chromium >/dev/null || benches/dashboard/run.sh

conformance: build ## the same questions to tidewatch and to the real systems (uses those that are there)
	conformance/run.sh

rendered: ## render the chart again (needs helm)
	scripts/render-chart.sh

manifests: ## check chart, alerts and scripts with helm, promtool and shellcheck, where installed
	scripts/check-manifests.sh

clean: ## remove what was built
	rm -rf target ui/dist ui/node_modules
