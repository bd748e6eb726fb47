# Every task of the project. `make help` lists them. Only Python 3.11+, git and make are needed up to `test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TRACES ?= ../shared/traces/minute
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run demo test check format monitoring roles reference parts test-cluster test-browser test-grafana test-demo test-tracing test-keda test-mesh test-dashboards test-nodes test-image bench-serving bench-fit bench-savings bench-forecast bench-constants bench-ceiling bench-daylight bench-policies bench-parts bench-mesh bench-agreement bench-pictures bench-telemetry bench-tracing lock licenses clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
	touch $@

run: $(STAMP) ## the service on a bundled sample history, on a loopback address that it prints
	$(BIN)/python -m app.cli demo

demo: $(STAMP) ## load, MCP servers, Prometheus, forecast and page on this machine, for an hour; DEMO_OPTIONS="--minutes 5"
	$(BIN)/python tests/e2e/parts/build.py prometheus
	PATH="$$($(BIN)/python tests/e2e/parts/build.py --home prometheus):$$PATH" $(BIN)/python -m examples.mcp.demo $(DEMO_OPTIONS)

test: $(STAMP) ## everything that needs only Python; under 5 minutes
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

check: $(STAMP) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP) ## rewrites the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

monitoring: $(STAMP) ## dashboards, rules and alerts anew from tools/monitoring
	$(BIN)/python -m tools.monitoring

roles: $(STAMP) ## mesh policies and Kubernetes RBAC anew from mesh/roles/roles.yaml
	$(BIN)/python -m tools.roles

reference: $(STAMP) ## docs/ anew, as far as it is written from the code: settings, LoadForecast, metrics, commands
	$(BIN)/python -m tools.reference

parts: $(STAMP) ## builds all real parts from Go modules, cached by version; a suite builds only its own
	$(BIN)/python tests/e2e/parts/build.py

.PHONY: test-install
test-install: $(STAMP) ## every overlay on an empty control plane: applied, upgraded, removed with nothing left; a minute
	$(BIN)/python tests/e2e/parts/build.py kubernetes
	$(BIN)/python -m pytest -q -rA tests/e2e/installation

test-cluster: $(STAMP) ## the service on a real control plane, HPA and Prometheus; under 10 minutes
	$(BIN)/python tests/e2e/parts/build.py kubernetes kwok prometheus
	$(BIN)/python -m pytest -q -rA tests/e2e/cluster

test-browser: $(STAMP) ## the pages in a real Chromium (Debian's, installed where it is missing); pictures in build/pictures
	command -v chromium >/dev/null || (apt-get update && apt-get install -y --no-install-recommends chromium)
	$(BIN)/python -m pytest -q -rA tests/e2e/browser

test-grafana: $(STAMP) ## real Prometheus clients (promtool, client_golang, prometheus-api-client) and Grafana's requests
	$(BIN)/python tests/e2e/parts/build.py prometheus promclient
	$(BIN)/python -m pytest -q -rA tests/e2e/grafana

test-demo: $(STAMP) ## the chain of `make demo` for a minute: what is on the page is what the load does
	$(BIN)/python tests/e2e/parts/build.py prometheus
	$(BIN)/python -m pytest -q -rA tests/e2e/demo

MESH_TOOLS := iproute2 iptables nftables redis-server

test-mesh: $(STAMP) ## real istiod, pilot-agent and Envoy, pods with interception; root (namespaces); under 5 minutes
	$(BIN)/python tests/e2e/parts/build.py kubernetes istio ratelimit
	command -v redis-server nft iptables ip >/dev/null || (apt-get update && apt-get install -y --no-install-recommends $(MESH_TOOLS))
	tests/e2e/harness/inside.sh $(BIN)/python -m pytest -q -rA tests/e2e/mesh

test-nodes: $(STAMP) ## a real Karpenter on played nodes: room before a surge, batch that yields; under 4 minutes
	$(BIN)/python tests/e2e/parts/build.py kubernetes kwok prometheus karpenter
	$(BIN)/python -m pytest -q -rA tests/e2e/nodes

test-keda: $(STAMP) ## ScaledObjects of a real KEDA on a real control plane; not in CI: KEDA is built for 11 minutes, once
	$(BIN)/python tests/e2e/parts/build.py kubernetes kwok prometheus keda
	$(BIN)/python -m pytest -q -rA tests/e2e/keda

test-vpa: $(STAMP) ## the shipped vertical autoscaler on two weeks of played usage; pods resized in place; about a minute
	$(BIN)/python tests/e2e/parts/build.py kubernetes kwok prometheus vpa
	$(BIN)/python -m pytest -q -rA tests/e2e/vpa

test-tracing: $(STAMP) ## two collector tiers and a Jaeger, the sample framework and a Prometheus; about 4 minutes
	$(BIN)/python tests/e2e/parts/build.py kubernetes kwok prometheus collector jaeger
	$(BIN)/python -m pytest -q -rA tests/e2e/tracing

test-dashboards: $(STAMP) ## every query of every dashboard on a real Prometheus, every alert by promtool; pictures in build/pictures
	$(BIN)/python tests/e2e/parts/build.py prometheus collector jaeger
	$(BIN)/python -m pytest -q -rA tests/e2e/dashboards

test-image: $(STAMP) ## the Dockerfile's steps outside a container, its install included; a few minutes
	$(BIN)/python -m pytest -q -rA tests/packaging/image_install.py

bench-serving: $(STAMP) ## latency of the external metrics door over TLS with authentication
	$(BIN)/python -m benchmarks.serving

bench-fit: $(STAMP) ## seconds and memory of fitting and forecasting a fleet
	$(BIN)/python -m benchmarks.fit

bench-forecast: $(STAMP) ## what the forecast saves on recorded loads, beside reacting and other forecasters; TRACES=folder
	$(BIN)/python -m benchmarks.forecast $(TRACES) $(BENCH_OPTIONS)

bench-agreement: $(STAMP) ## whether an independent scorer, SCORER=program, finds the same costs; TRACES=folder
	$(BIN)/python -m benchmarks.agreement $(SCORER) $(TRACES)

bench-constants: $(STAMP) ## the forecast with the mixture's constants chosen on the other histories; TRACES=folder
	$(BIN)/python -m benchmarks.constants $(TRACES) $(BENCH_OPTIONS)

bench-ceiling: $(STAMP) ## how much of the gap could be closed by who knew the future but for its noise; seconds; TRACES=folder
	$(BIN)/python -m benchmarks.ceiling $(TRACES)

bench-daylight: $(STAMP) ## what a workload's timeZone is worth in the week after clocks change; minutes; TRACES=folder
	$(BIN)/python -m benchmarks.daylight $(TRACES)

bench-savings: $(STAMP) ## the ledger of recorded loads' last week, and node groups by the forecast pod-hour; TRACES=folder
	$(BIN)/python -m benchmarks.savings $(TRACES)

bench-telemetry: $(STAMP) ## what the MCP instrumentation costs an operation, beside the SDK's own spans and none
	$(BIN)/python -m benchmarks.telemetry

bench-tracing: $(STAMP) ## CPU and bytes a span costs in collectors and Jaeger
	$(BIN)/python tests/e2e/parts/build.py collector jaeger
	$(BIN)/python -m benchmarks.tracing

bench-parts: $(STAMP) ## how well parts of a load are divided, beside other ways; half a minute; TRACES=folder
	$(BIN)/python -m benchmarks.parts $(TRACES)

bench-policies: $(STAMP) ## the policy of each type of workload on three recorded loads, sessions included; TRACES=folder
	$(BIN)/python -m benchmarks.type_policies $(TRACES) $(BENCH_OPTIONS)

bench-mesh: $(STAMP) ## calls of both eras in a real mesh under restarts, scale-out and scale-in; MINUTES=10; root
	$(BIN)/python tests/e2e/parts/build.py kubernetes istio ratelimit
	tests/e2e/harness/inside.sh $(BIN)/python -m benchmarks.mesh $(or $(MINUTES),10)

bench-pictures: $(STAMP) ## benchmarks/pictures: a replay of the sample, and what KEPT=folder of bench-forecast --kept holds
	$(BIN)/python -m benchmarks.drawing benchmarks/pictures $(if $(KEPT),--kept $(KEPT))

lock: ## resolves requirements/*.txt anew from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml -o requirements/service.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml --extra mcp -o requirements/examples.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml --extra mcp --group dev -o requirements/dev.txt

licenses: $(STAMP) ## compares THIRD_PARTY.md with what is locked and installed
	$(BIN)/python -m tools.third_party

clean: ## forgets the environment and every cache inside the clone
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build
