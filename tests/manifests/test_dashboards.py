"""Dashboards: what is committed is what the code makes, and every query is PromQL over metrics that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from app import telemetry
from app.cli.dashboards import FILES, text_of
from app.serving.prometheus_api.expressions import parse

FOLDER = Path(__file__).parents[2] / "k8s" / "monitoring" / "dashboards"
NAMES = {one.name for one in vars(telemetry).values() if isinstance(one, telemetry.Metric)}
OTHERS = {"process_resident_memory_bytes"}


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text_of(name))
    return found


def panels(name: str) -> Iterator[dict[str, Any]]:
    return (one for one in document(name)["panels"] if one["type"] != "row")


def filled(expr: str) -> str:
    return expr.replace("$__rate_interval", "5m").replace("$", "x")


@pytest.mark.parametrize("name", FILES)
def test_the_committed_file_is_what_the_code_makes(name: str) -> None:
    assert (FOLDER / name).read_text() == text_of(name), (
        "run `python -m app.cli dashboards -o k8s/monitoring/dashboards`"
    )


@pytest.mark.parametrize("name", FILES)
def test_every_panel_says_what_it_shows_in_which_unit_and_asks_the_chosen_datasource(name: str) -> None:
    for panel in panels(name):
        assert panel["title"], panel
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("name", FILES)
def test_every_query_parses_and_asks_for_metrics_that_exist(name: str) -> None:
    for panel in panels(name):
        for target in panel["targets"]:
            promql_parser.parse(filled(target["expr"]))
            asked = {one.removesuffix("_bucket") for one in re.findall(r"\b(?:forescale|process)_\w+", target["expr"])}
            assert asked, target["expr"]
            assert asked <= NAMES | OTHERS, target["expr"]
            assert "rate(" not in target["expr"] or "$__rate_interval" in target["expr"]


def test_the_forecast_dashboard_only_asks_what_this_services_own_api_answers() -> None:
    for panel in panels("forecast.json"):
        for target in panel["targets"]:
            parse(filled(target["expr"]))


def test_every_query_of_the_fleet_names_its_job_and_instance() -> None:
    for panel in panels("fleet.json"):
        for target in panel["targets"]:
            for matchers in re.findall(r"\{([^{}]*)\}", target["expr"]):
                assert 'job=~"$job",instance=~"$instance"' in matchers, target["expr"]


@pytest.mark.parametrize("name", FILES)
def test_panels_do_not_overlap_and_fill_the_grid(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in document(name)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_forecast_reaches_ahead_and_nobody_edits_by_hand() -> None:
    assert document("forecast.json")["time"] == {"from": "now-24h", "to": "now+6h"}
    assert [document(name)["editable"] for name in FILES] == [False, False]
    assert len({document(name)["uid"] for name in FILES}) == len(FILES)
