"""Parts, scale to zero and drain: off unless given, and what contradicts the rest is refused with what to change."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.workloads.documents import read_documents
from app.workloads.optional import split_query
from app.workloads.spec import LoadForecastSpec

SUM = 'sum by (namespace, service) (avg_over_time(active{path=~"/a(b|c)"}[1m]))'


def spec(**fields: Any) -> LoadForecastSpec:
    least = {"targetRef": {"name": "web"}, "demand": {"query": SUM}, "capacityPerPod": 10}
    return LoadForecastSpec.model_validate(least | fields)


def test_all_blocks_are_off_unless_given() -> None:
    plain = spec()
    assert (plain.parts, plain.scale_to_zero, plain.drain, plain.parts_query) == (None, None, None, "")


@pytest.mark.parametrize(
    ("query", "split"),
    [
        (SUM, 'sum by (namespace, service, tool) (avg_over_time(active{path=~"/a(b|c)"}[1m]))'),
        ("sum(rate(x[1m]))", "sum by (tool) (rate(x[1m]))"),
        (" SUM (x) BY (job)\n", "sum by (job, tool) (x)"),
        ("sum by (tool, job) (x)", "sum by (tool, job) (x)"),
        ('sum(x{a=")"})', 'sum by (tool) (x{a=")"})'),
        (r'sum(x{a="\")"})', r'sum by (tool) (x{a="\")"})'),
        (r"sum(x{a=`\`})", r"sum by (tool) (x{a=`\`})"),
        ("sum by () (x)", "sum by (tool) (x)"),
    ],
)
def test_a_sum_is_split_by_adding_labels(query: str, split: str) -> None:
    assert split_query(query, ["tool"]) == split


@pytest.mark.parametrize(
    "query",
    [
        "avg(x)",
        "x",
        "sum(x) / sum(y)",
        "sum(x) + 1",
        "2 * sum(x)",
        "sum without (pod) (x)",
        "sum by (a) (x) by (b)",
        "sum(x",
        "summary(x)",
        "sum(x) or vector(0)",
    ],
)
def test_what_is_not_one_sum_needs_a_query_of_its_own(query: str) -> None:
    with pytest.raises(ValueError, match=r"give parts\.query"):
        split_query(query, ["tool"])
    with pytest.raises(ValidationError, match=r"give parts\.query"):
        spec(demand={"query": query}, parts={"labels": ["tool"]})
    own = spec(demand={"query": query}, parts={"labels": ["tool"], "query": "sum by (tool) (x)"})
    assert own.parts_query == "sum by (tool) (x)"


def test_zero_contradicts_a_least_value() -> None:
    assert spec(scaleToZero={}).scale_to_zero is not None
    with pytest.raises(ValidationError, match="contradict each other"):
        spec(scaleToZero={}, bounds={"minimum": 5})


def test_drain_is_refused_where_it_has_no_effect() -> None:
    with pytest.raises(ValidationError, match="no effect on a StatefulSet"):
        spec(drain={"query": "q"}, targetRef={"kind": "StatefulSet", "name": "web"})


@pytest.mark.parametrize("name", ["", "tool-name", "1st", "größe"])
def test_labels_are_labels_of_prometheus(name: str) -> None:
    with pytest.raises(ValidationError):
        spec(parts={"labels": [name]})


def test_a_misspelt_field_of_a_block_is_named() -> None:
    text = """
apiVersion: forescale.dev/v1alpha1
kind: LoadForecast
metadata: {name: web}
spec:
  targetRef: {name: web}
  demand: {query: q}
  capacityPerPod: 1
  drain: {query: q, podlabel: pod}
"""
    (document,) = read_documents(text)
    assert [str(one) for one in document.problems] == [
        "spec.drain.podlabel: is not a field here; did you mean podLabel?"
    ]
