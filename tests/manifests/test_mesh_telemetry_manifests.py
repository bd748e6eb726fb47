"""The mesh's telemetry: one bounded label, the same methods as the instrumentation library, no tool on a metric."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS

from tools.roles.table import Table
from tracing.mcp import names

FOLDER = Path(__file__).parents[2] / "mesh" / "istio" / "telemetry"
FILES = sorted(FOLDER.rglob("*.yaml"))
METHODS = SPEC_CLIENT_METHODS | SPEC_CLIENT_NOTIFICATION_METHODS
LABEL = names.METHOD.key.replace(".", "_")


def document(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def expressions() -> list[str]:
    """Every expression that gives the label its value."""
    metrics = document("telemetry-mcp.yaml")["spec"]["metrics"]
    overrides = [one["tagOverrides"] for entry in metrics for one in entry["overrides"] if "tagOverrides" in one]
    assert all(one.keys() == {LABEL} for one in overrides)
    (patch,) = document("by-body/envoyfilter-mcp-metrics.yaml")["spec"]["configPatches"]
    (log,) = patch["patch"]["value"]["typed_config"]["access_log"]
    stats = [one["stat"] for one in log["typed_config"]["counters"] + log["typed_config"]["histograms"]]
    tags = [tag["value_format"] for one in stats for tag in one["tags"] if tag["name"] == LABEL]
    assert len(tags) == len(stats)
    return [one[LABEL]["value"] for one in overrides] + tags


@pytest.mark.parametrize("expression", expressions())
def test_the_labels_values_are_the_protocols_methods_and_one_for_all_others(expression: str) -> None:
    lists = [json.loads(one) for one in re.findall(r"\[[^\]]+,[^\]]+\]", expression)]
    assert lists
    for one in lists:
        assert set(one) == METHODS
    assert f'"{names.OTHER}"' in expression


def test_methods_that_a_role_may_send_are_told_apart() -> None:
    table = Table.read()
    assert {method for role in table.roles for method in table.methods_of(role)} <= METHODS


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.name)
def test_no_tool_is_a_label(file: Path) -> None:
    assert "mcp-name" not in file.read_text()
    assert '"params"' not in file.read_text()


def test_spans_are_written_where_the_message_has_been_read_and_not_before() -> None:
    tracing = document("telemetry-mcp.yaml")["spec"]["tracing"]
    modes = {one["match"]["mode"]: one for one in tracing}
    assert modes["CLIENT"]["disableSpanReporting"] is True
    assert modes["SERVER"]["providers"] == [{"name": "otel-tracing"}]
    (edge,) = document("telemetry-mcp-gateway.yaml")["spec"]["tracing"]
    assert edge == {"disableSpanReporting": True}


@pytest.mark.parametrize("name", ["mcp-context", "mcp-gateway-context"])
def test_the_callers_side_copies_the_context_out_of_the_message(name: str) -> None:
    (patch,) = document(f"by-body/envoyfilter-{name}.yaml")["spec"]["configPatches"]
    typed = patch["patch"]["value"]["typed_config"]
    assert typed["propagate_trace_context"] == typed["propagate_baggage"] == {}
    assert typed["traffic_mode"] == "PASS_THROUGH"
    assert patch["match"]["context"] in ("SIDECAR_OUTBOUND", "GATEWAY")


def test_sampling_is_stated_once_a_scope_and_never_everything() -> None:
    shares = [
        entry["randomSamplingPercentage"]
        for file in FOLDER.glob("telemetry-*.yaml")
        for entry in yaml.safe_load(file.read_text())["spec"].get("tracing", [])
        if "randomSamplingPercentage" in entry
    ]
    assert sorted(shares) == [1, 10]
