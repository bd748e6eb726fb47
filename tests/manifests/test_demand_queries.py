"""Demand queries ready to copy: of metrics that the instrumentation emits, and those that the samples use."""

import re
from pathlib import Path

import promql_parser
import pytest

from app.workloads.optional import split_query
from app.workloads.spec import LoadForecast
from tests.manifests.test_samples import SAMPLES, find
from tools.reference.metrics import prometheus_name
from tracing.mcp import names

ROOT = Path(__file__).parents[2]
TABLE = re.compile(r"<!-- queries:.*?-->\n(.*?)<!-- /queries -->", re.DOTALL)
OF_THE_SCRAPE = {"namespace", "service", "pod"}
CATALOGUE = {prometheus_name(one): one for one in names.METRICS}
SIGNALS = {"operations in flight", "tool calls at a time", "sessions", "streams", "queue depth", "sessions per pod"}


def rows() -> list[tuple[str, str, str, list[str]]]:
    """Signal, query, unit, and the labels to tell parts apart by."""
    found = TABLE.search((SAMPLES / "README.md").read_text())
    assert found is not None
    cells = [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in found[1].splitlines()[2:]]
    return [(one[0], one[1].strip("`"), one[2], re.findall(r"`(\w+)`", one[3])) for one in cells]


QUERIES = {signal: query for signal, query, _, _ in rows()}


def selected(query: str) -> tuple[names.Metric, set[str]]:
    """The metric of the catalogue that a query reads, and the labels that it names."""
    (name,) = re.findall(r"(?:forescale_)?mcp_(?:server|client)_\w+", query)
    metric = CATALOGUE[name.removesuffix("_sum")]
    assert name.endswith("_sum") == (metric.kind == "histogram"), "of a histogram its sum, of a gauge itself"
    grouped = [label.strip() for label in re.findall(r"by \(([^)]*)\)", query)[0].split(",")]
    matched = re.findall(r"(\w+)=~?\"", query)
    return metric, {*grouped, *matched}


def attributes(metric: names.Metric) -> set[str]:
    return {one.key.replace(".", "_") for one in metric.attributes}


def test_there_is_one_for_each_signal() -> None:
    assert QUERIES.keys() == SIGNALS


@pytest.mark.parametrize("signal", sorted(SIGNALS))
def test_each_reads_a_metric_of_the_catalogue_by_labels_that_it_has(signal: str) -> None:
    promql_parser.parse(QUERIES[signal])
    metric, labels = selected(QUERIES[signal])
    assert labels <= attributes(metric) | OF_THE_SCRAPE


@pytest.mark.parametrize(("signal", "query", "unit", "parts"), [row for row in rows() if row[3]])
def test_each_can_be_told_apart_by_the_labels_beside_it(signal: str, query: str, unit: str, parts: list[str]) -> None:
    metric, _ = selected(query)
    assert set(parts) <= attributes(metric)
    promql_parser.parse(split_query(query, parts))


def test_values_that_a_query_asks_for_are_values_of_the_protocol() -> None:
    assert re.findall(r'mcp_method_name="([^"]*)"', QUERIES["tool calls at a time"]) == ["tools/call"]


@pytest.mark.parametrize("workload", ["mcp-catalog", "mcp-workshop"])
def test_the_samples_are_scaled_on_what_the_table_says(workload: str) -> None:
    spec = LoadForecast.from_object(find("base", "LoadForecast", workload)).spec
    by_query = {query: (unit, parts) for _, query, unit, parts in rows()}
    unit, parts = by_query[spec.demand.query]
    assert spec.demand.unit == unit
    if spec.parts is not None:
        assert set(spec.parts.labels) <= set(parts)
    if spec.drain is not None:
        assert spec.drain.query == QUERIES["sessions per pod"]


def test_each_block_is_used_by_an_example() -> None:
    used = [find("base", "LoadForecast", name)["spec"].keys() for name in ("mcp-catalog", "mcp-workshop")]
    assert "parts" in used[0]
    assert "drain" in used[1]
    assert "scaleToZero:" in (ROOT / "k8s" / "examples" / "queue-worker" / "loadforecast.yaml").read_text()
