"""The catalogue against what the SDK's client and server really emit, in both eras, over HTTP."""

import asyncio
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import SpanKind

from tests.telemetry.conversations import calling
from tests.telemetry.loopback import Recorder
from tracing.mcp import names
from tracing.mcp.catalogue import catalogue

PAGE = Path(__file__).parents[2] / "tracing" / "mcp" / "CATALOGUE.md"


async def one_of_everything(client: Client) -> None:
    """A tool that answers, one that fails, one that refuses; a prompt; a resource."""
    await client.call_tool("forecast", {"city": "Oslo"})
    await client.call_tool("broken", {})
    with pytest.raises(MCPError):
        await client.call_tool("refused", {})
    await client.get_prompt("packing", {"city": "Oslo"})
    await client.read_resource("weather://stations")


@pytest.fixture(scope="module")
def emitted() -> Recorder:
    """All that both eras emit."""
    return asyncio.run(all_that_is_emitted())


async def all_that_is_emitted() -> Recorder:
    """Two conversations, one in each era."""
    recorder = Recorder()
    async with calling(recorder, "2026-07-28") as client:
        await one_of_everything(client)
        async with client.listen(tools_list_changed=True):
            pass
    async with calling(recorder, "legacy") as client:
        await one_of_everything(client)
    return recorder


def test_the_page_is_what_the_names_say():
    assert PAGE.read_text() == catalogue(), "write it anew: python -m tracing.mcp.catalogue > tracing/mcp/CATALOGUE.md"


def test_every_metric_of_the_catalogue_is_emitted_and_no_other(emitted):
    assert set(emitted.metrics()) == {metric.name for metric in names.METRICS}


def test_each_metric_has_the_unit_the_kind_and_the_boundaries_of_the_catalogue(emitted):
    for metric in names.METRICS:
        found = emitted.metrics()[metric.name]
        assert found.unit == metric.unit
        if metric.kind == "histogram":
            assert {point.explicit_bounds for point in found.data.data_points} == {metric.boundaries}
        else:
            assert not found.data.is_monotonic


def test_each_metric_has_the_attributes_of_the_catalogue_and_no_other(emitted):
    for metric in names.METRICS:
        keys = {key for point in emitted.points(metric.name) for key in point.attributes}
        assert keys == {attribute.key for attribute in metric.attributes}, metric.name


def test_spans_carry_every_attribute_of_the_catalogue_with_its_type_and_no_other(emitted):
    for kind, attributes in ((SpanKind.SERVER, names.SERVER_SPAN), (SpanKind.CLIENT, names.CLIENT_SPAN)):
        found = {key: value for span in emitted.spans(kind) for key, value in span.attributes.items()}
        assert found.keys() == {attribute.key for attribute in attributes}
        for attribute in attributes:
            assert type(found[attribute.key]).__name__ == {"string": "str", "int": "int"}[attribute.type]


def test_the_schema_version_is_that_of_the_scope(emitted):
    spans = emitted.spans_out.get_finished_spans()
    scopes = {(span.instrumentation_scope.name, span.instrumentation_scope.version) for span in spans}
    assert scopes == {(names.SCOPE, names.SCHEMA_VERSION)}
