"""A real Prometheus scrapes all of it: what the catalogue promises has data, and callers cannot multiply the series."""

import random
import re
from itertools import islice
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.harness import shipped
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.samples import Samples
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain
from tracing.mcp import names

ROOT = Path(__file__).parents[3]
INVENTED = 10_000
WITH_THE_FIRST_LOSS = {"otelcol_exporter_enqueue_failed_spans"}
"""Counters that a collector has from their first event on."""
_SUFFIX = {"histogram": "_seconds_count", "updowncounter": ""}


def prometheus_name(metric: names.Metric) -> str:
    """Under which Prometheus' exporter shows it."""
    return metric.name.replace(".", "_") + _SUFFIX[metric.kind]


@pytest.fixture(scope="module")
def traffic(samples: Samples, prometheus: Prometheus) -> Samples:
    """Calls of both eras, some of which fail, by the sample's load generator and its agents."""
    for url, calls in (
        (samples.catalog.url, ['search={"words": "M6"}', 'lookup={"sku": "nothing"}']),
        (samples.workshop.url, ['make={"part": "bolt", "seconds": 0.05, "steps": 1}']),
    ):
        options = [word for call in calls for word in ("--call", call)]
        (report,) = samples.run_once(
            "examples.mcp.load", url, *options, "--era", "mixed", "--rate", "40", "--seconds", "3", "--clients", "4"
        )
        assert report
    for agent in samples.agents.values():
        assert httpx.post(f"{agent.url}/tasks", json={"task": "convert an inch"}, timeout=60).is_success
    return samples


@pytest.mark.parametrize("metric", names.METRICS, ids=lambda metric: metric.name)
def test_every_metric_of_the_catalogue_has_data(traffic: Samples, prometheus: Prometheus, metric: names.Metric) -> None:
    query = f'count({{__name__="{prometheus_name(metric)}"}})'
    wait_until(lambda: prometheus.value(query) > 0, seconds=30, what=f"{query} has data")


def asked_by_alerts() -> set[str]:
    """Metrics in the shipped rules."""
    shipped_rules = yaml.safe_load((ROOT / "k8s" / "monitoring" / "rules" / "tracing.yaml").read_text())
    rules = [one for group in shipped_rules["groups"] for one in group["rules"]]
    return {name for one in rules for name in re.findall(r"otelcol_\w+", one["expr"])} - WITH_THE_FIRST_LOSS


@pytest.mark.parametrize("name", sorted(asked_by_alerts()))
def test_every_metric_that_an_alert_asks_for_has_data(traffic: Samples, prometheus: Prometheus, name: str) -> None:
    query = f'count({name}{{job="collectors"}})'
    wait_until(lambda: prometheus.value(query) > 0, seconds=30, what=f"{query} has data")


def test_a_client_that_invents_tool_names_adds_one_tool(traffic: Samples, prometheus: Prometheus) -> None:
    instance = traffic.catalog.metrics_url.split("/")[2]
    series = f'count({{instance="{instance}",__name__=~"mcp_.*|forescale_mcp_.*"}})'
    tools = f'count(count by (gen_ai_tool_name) (mcp_server_operation_duration_seconds_count{{instance="{instance}"}}))'
    before_series, before_tools = prometheus.value(series), prometheus.value(tools)
    traffic.run_once("tests.e2e.harness.callers", "invent", traffic.catalog.url, str(INVENTED))
    counted = f'sum(mcp_server_operation_duration_seconds_count{{instance="{instance}",gen_ai_tool_name="_OTHER"}})'
    wait_until(lambda: prometheus.value(counted) >= INVENTED, seconds=30, what=f"{counted} is {INVENTED}")
    after_series, after_tools = prometheus.value(series), prometheus.value(tools)
    print(f"\n{INVENTED} invented names: {before_series:.0f} -> {after_series:.0f} series,", end=" ")
    print(f"{before_tools:.0f} -> {after_tools:.0f} tools")
    assert after_tools <= before_tools + 1
    assert after_series < before_series + 100


def test_spans_of_a_server_that_does_not_bound_its_names_are_bounded_by_the_gateway(
    chain: Chain, prometheus: Prometheus
) -> None:
    server = "careless-server"
    calls = [Call(one, tool=f"invented-{n}") for n, one in enumerate(islice(trace_ids(random.Random(41)), INVENTED))]
    Sender(chain.agent.http_port, server=server).send(calls)
    total = f'sum(traces_span_metrics_calls_total{{service_name="{server}"}}) or vector(0)'
    limit = shipped.configs("collector/base", "StatefulSet", "gateway")["span-metrics.yaml"]["connectors"][
        "span_metrics"
    ]
    most = limit["aggregation_cardinality_limit"]
    overflow = 'sum(traces_span_metrics_calls_total{otel_metric_overflow="true"})'
    wait_until(lambda: prometheus.value(overflow) > 0, seconds=60, what="what is beyond the limit is counted together")
    assert prometheus.value(f'count(traces_span_metrics_calls_total{{service_name="{server}"}})') <= most + 1
    print(f"\n{prometheus.value(total):.0f} under their own names, {prometheus.value(overflow):.0f} calls together")


def test_jaegers_monitoring_page_reads_the_span_metrics(traffic: Samples, chain: Chain, prometheus: Prometheus) -> None:
    def calls() -> bool:
        answer = chain.jaeger.get(
            "/api/metrics/calls", service="mcp-catalog", spanKind="server", lookback=600_000, step=5_000, ratePer=60_000
        )
        return any(
            point["gaugeValue"]["doubleValue"] > 0
            for one in answer["metrics"]
            for point in one["metricPoints"]
            if isinstance(point["gaugeValue"]["doubleValue"], float | int)
        )

    wait_until(calls, seconds=30, what="Jaeger shows the rate of mcp-catalog")
