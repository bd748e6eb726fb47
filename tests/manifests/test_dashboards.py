"""Dashboards: what is committed is what the code makes; each panel says what it shows; every query can be answered."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import promql_parser
import pytest

from app import telemetry
from app.serving.prometheus_api.expressions import parse
from app.serving.rest.problems import PREFIX
from tests.manifests.promql import CHOSEN, filled, metrics, selectors
from tools.monitoring.dashboard import COLUMNS
from tools.monitoring.exported import EXPORTERS
from tools.monitoring.rules.cost import WORKLOAD_COST
from tools.monitoring.write import ROOT, dashboards, differences, outputs, rule_files

DASHBOARDS = {one.uid: one for one in dashboards()}
OWN_API = "forescale-forecast"
OURS = {one.name for one in vars(telemetry).values() if isinstance(one, telemetry.Metric)}
OURS |= {f"{one}_bucket" for one in OURS}
RECORDED = {record.name for file in rule_files() for record in file.records}
KNOWN = OURS | RECORDED | {name for exporter in EXPORTERS for name in exporter.metrics}
UNITS = {"short", "s", "d", "ops", "reqps", "bytes", "percentunit", "currencyUSD"}
GRAFANAS = {"1", "__all", "__from", "__to", "__rate_interval", "__range", "__range_s", "__field", "__value", "__data"}
BELOW_ZERO = {"Skill", "Coverage below the level", "Pod-minutes", "Money"}
NOT_CHOSEN_AMONG = {
    "of the cluster, not of a namespace": (
        "up|ALERTS|aggregator_.*|prometheus_.*|certmanager_.*|kube_node_.*|kubecost_.*|pv_.*|kube_persistentvolume_.*"
        "|karpenter_.*|forescale_forecast_pod_hourly_cost|pilot_.*|citadel_.*|node:.*|pool:.*|cluster:.*|tenant:.*"
    ),
    "of the namespace in which tracing is installed": "otelcol_.*|kubelet_volume_.*",
    "of all, since a share of the whole is shown": f"traces_span_metrics_calls_total|{WORKLOAD_COST}",
    "of the service, for which there is another dashboard": "|".join(
        one.name for one in (telemetry.CUT, telemetry.REQUESTS, telemetry.CERTIFICATE_END)
    ),
}
"""Reason -> metrics of which a panel may ask for all, whatever the user has chosen."""


@dataclass(frozen=True)
class Shown:
    """A panel of a dashboard."""

    uid: str
    panel: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.uid.removeprefix('forescale-')}: {self.panel['title']}"


def shown() -> Iterator[Shown]:
    for uid, one in DASHBOARDS.items():
        yield from (Shown(uid, panel) for panel in one.json()["panels"] if panel["type"] != "row")


PANELS = list(shown())
every_panel = pytest.mark.parametrize("one", PANELS, ids=str)
every_dashboard = pytest.mark.parametrize("uid", DASHBOARDS)


def test_what_is_committed_is_what_the_code_makes() -> None:
    assert differences(outputs(), ROOT) == [], "run `make monitoring`"


@every_panel
def test_a_panel_says_what_it_shows_in_which_unit_and_asks_the_chosen_datasource(one: Shown) -> None:
    panel = one.panel
    assert panel["title"][0].isupper() or panel["title"] == "p99"
    assert re.search(r"\w{3}.*\.$", panel["description"], re.DOTALL)
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    assert {each["datasource"]["uid"] for each in (panel, *panel["targets"])} == {"${datasource}"}


@every_panel
def test_a_threshold_has_its_reason_in_the_description(one: Shown) -> None:
    steps = one.panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[0]["value"] is None
    for step in steps[1:]:
        assert f"{step['value']:g} is bad: " in one.panel["description"]


@every_panel
def test_the_lines_of_a_panel_can_be_told_apart(one: Shown) -> None:
    if one.panel["type"] == "timeseries":
        legends = [target["legendFormat"] for target in one.panel["targets"]]
        assert all(legends)
        assert len(set(legends)) == len(legends)


@every_panel
def test_an_axis_begins_at_zero_unless_values_may_be_negative(one: Shown) -> None:
    defaults = one.panel["fieldConfig"]["defaults"]
    if one.panel["type"] == "timeseries" and one.panel["title"] not in BELOW_ZERO:
        assert defaults["min"] == 0


@every_panel
def test_a_query_parses_and_asks_for_metrics_that_somebody_exports_or_records(one: Shown) -> None:
    for target in one.panel["targets"]:
        promql_parser.parse(filled(target["expr"]))
        asked = metrics(target["expr"])
        assert asked
        assert asked <= KNOWN


@every_panel
def test_rates_are_taken_over_what_the_scrape_interval_allows(one: Shown) -> None:
    for target in one.panel["targets"]:
        for window in re.findall(r"\brate\([^[]*\[([^]]*)\]", target["expr"]):
            assert window in ("$__rate_interval", "$__range")


@every_panel
def test_a_query_follows_what_the_user_has_chosen(one: Shown) -> None:
    for target in one.panel["targets"]:
        for name, labels in selectors(target["expr"]):
            chosen = any(value.startswith(CHOSEN) for value in labels.values())
            assert chosen or any(re.fullmatch(one, name) for one in NOT_CHOSEN_AMONG.values()), name


@pytest.mark.parametrize("one", [one for one in PANELS if one.uid == OWN_API], ids=str)
def test_the_forecast_dashboard_only_asks_what_this_services_own_api_answers(one: Shown) -> None:
    for target in one.panel["targets"]:
        parse(filled(target["expr"]))


@pytest.mark.parametrize("one", [one for one in PANELS if one.uid == "forescale-forecaster"], ids=str)
def test_queries_about_the_service_name_job_and_instance(one: Shown) -> None:
    for target in one.panel["targets"]:
        for _, labels in selectors(target["expr"]):
            assert {"job", "instance"} <= labels.keys()


@every_dashboard
def test_panels_do_not_overlap_fill_their_rows_and_have_ids_of_their_own(uid: str) -> None:
    panels = DASHBOARDS[uid].json()["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        wide, high = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in wide for y in high}
        assert not cells & taken, panel["title"]
        taken |= cells
    bottom = max(y for _, y in taken) + 1
    assert len(taken) == COLUMNS * bottom, "a hole"
    assert len({panel["id"] for panel in panels}) == len(panels)


@every_dashboard
def test_every_variable_that_is_used_can_be_chosen_and_the_other_way_round(uid: str) -> None:
    document = DASHBOARDS[uid].json()
    chosen = {one["name"] for one in document["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", unquote(repr(document)))) - GRAFANAS
    assert used <= chosen
    assert {"datasource", "namespace", "page"} <= chosen
    assert chosen - used <= {"page", "namespace"}


@every_dashboard
def test_known_events_trust_and_deploys_are_marked(uid: str) -> None:
    marks = DASHBOARDS[uid].json()["annotations"]["list"]
    assert [one["name"] for one in marks] == ["Trust", "Calendar", "Deploys"]
    for one in marks:
        assert metrics(one["expr"]) <= KNOWN


def test_traces_and_explanations_can_be_reached() -> None:
    urls = {(one.uid, link["url"]) for one in PANELS for link in one.panel["fieldConfig"]["defaults"].get("links", [])}
    traced = {uid for uid, url in urls if "${traces}" in url}
    explained = {uid for uid, url in urls if f"{PREFIX}/namespaces/" in url and "/explanation?at=" in url}
    assert traced >= {f"forescale-{one}" for one in ("agents", "mesh", "tracing", "forecaster", "forecast")}
    assert explained >= {"forescale-fleet", "forescale-forecast"}


def test_a_link_to_traces_is_what_grafanas_explore_reads() -> None:
    (url, *_) = (
        link["url"]
        for one in PANELS
        for link in one.panel["fieldConfig"]["defaults"].get("links", [])
        if link["title"] == "Traces"
    )
    panes = unquote(url.split("panes=")[1])
    assert panes.startswith('{"t":{"datasource":"${traces}","queries":[{"refId":"A","queryType":"search"')
    assert panes.count("{") == panes.count("}")


def test_the_forecast_reaches_ahead_and_nobody_edits_by_hand() -> None:
    documents = {uid: one.json() for uid, one in DASHBOARDS.items()}
    assert documents[OWN_API]["time"] == {"from": "now-24h", "to": "now+6h"}
    assert {one["time"]["to"] for uid, one in documents.items() if uid != OWN_API} == {"now"}
    assert {one["editable"] for one in documents.values()} == {False}
    assert len({one["title"] for one in documents.values()}) == len(documents)
    assert {path.name for path in Path(ROOT / "k8s/monitoring/dashboards").glob("*.json")} == {
        one.file for one in DASHBOARDS.values()
    }
