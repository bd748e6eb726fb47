"""Every query of every dashboard has data on a real Prometheus; what the service's own API is asked, it answers."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.dashboards.asking import Datasource, Line, seconds
from tests.e2e.dashboards.conftest import BLIND, World
from tests.e2e.harness.processes import wait_until
from tools.monitoring.dashboard import Dashboard
from tools.monitoring.write import dashboards, rule_files

OWN_API = "forescale-forecast"
RECENT_SECONDS = 300
FRESH_SECONDS = 60
WAIT_SECONDS = 90
DASHBOARDS = {one.uid: one for one in dashboards()}


def targets() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for uid, one in DASHBOARDS.items():
        for panel in one.json()["panels"]:
            for target in panel.get("targets", []):
                ahead = 0.0 if panel.get("timeFrom") else seconds(one.end)
                yield uid, f"{panel['title']} {target['refId']}", target | {"ahead_seconds": ahead}


TARGETS = list(targets())


def datasource(world: World, uid: str) -> Datasource:
    return (
        Datasource(f"{world.service_url}/prometheus", one=True) if uid == OWN_API else Datasource(world.prometheus.url)
    )


def asked(source: Datasource, dashboard: Dashboard, target: dict[str, Any]) -> list[Line]:
    """Over the last minutes, since most of what runs here has no longer past; the forecast's range reaches ahead."""
    now_s, whole = time.time(), seconds(dashboard.end) - seconds(dashboard.start)
    end_s = now_s + target["ahead_seconds"]
    if target["instant"]:
        return source.instant(target["expr"], at_s=end_s, range_seconds=whole)
    return source.range(target["expr"], start_s=now_s - RECENT_SECONDS, end_s=end_s, range_seconds=whole)


@pytest.mark.parametrize(("uid", "name", "target"), TARGETS, ids=[f"{uid[10:]}: {name}" for uid, name, _ in TARGETS])
def test_a_query_has_data(world: World, uid: str, name: str, target: dict[str, Any]) -> None:
    """Data of now: not what was written as the past."""
    source, dashboard = datasource(world, uid), DASHBOARDS[uid]

    def fresh() -> bool:
        now_s = time.time()
        return any(now_s - line.times_s[-1] < FRESH_SECONDS for line in asked(source, dashboard, target))

    wait_until(fresh, seconds=WAIT_SECONDS, what=source.filled(target["expr"], range_seconds=3600))


CHOICES = [
    (uid, one)
    for uid, dashboard in DASHBOARDS.items()
    for one in dashboard.json()["templating"]["list"]
    if one["type"] == "query"
]


@pytest.mark.parametrize(("uid", "variable"), CHOICES, ids=[f"{uid[10:]}: {one['name']}" for uid, one in CHOICES])
def test_a_variable_offers_something(world: World, uid: str, variable: dict[str, Any]) -> None:
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
    assert found is not None
    source = datasource(world, uid)
    wait_until(lambda: source.values(found[2], found[1]), seconds=WAIT_SECONDS, what=variable["definition"])


MARKS = [(uid, mark) for uid, one in DASHBOARDS.items() for mark in one.json()["annotations"]["list"]]


@pytest.mark.parametrize(("uid", "mark"), MARKS, ids=[f"{uid[10:]}: {mark['name']}" for uid, mark in MARKS])
def test_a_mark_is_taken_by_prometheus(world: World, uid: str, mark: dict[str, Any]) -> None:
    source = Datasource(world.prometheus.url, one=uid == OWN_API)
    source.range(mark["expr"], start_s=time.time() - 3600, end_s=time.time())


def test_every_rule_is_evaluated_without_an_error(world: World) -> None:
    def evaluated() -> bool:
        found = httpx.get(f"{world.prometheus.url}/api/v1/rules").json()["data"]["groups"]
        rules = [rule for group in found for rule in group["rules"]]
        assert len(rules) == sum(len(file.alerts) + len(file.records) for file in rule_files())
        return all(rule["health"] == "ok" for rule in rules)

    wait_until(evaluated, seconds=WAIT_SECONDS, what="every rule is well")


def test_a_workload_that_nothing_measures_raises_its_own_alert_and_no_other(world: World) -> None:
    prometheus = Datasource(world.prometheus.url)

    def pending() -> set[tuple[str, str]]:
        alerts = prometheus.instant('ALERTS{alertname=~"Forescale.*"}', at_s=time.time(), range_seconds=60)
        return {(one.labels["alertname"], one.labels.get("name", "")) for one in alerts}

    wait_until(lambda: ("ForescaleBlind", BLIND) in pending(), seconds=WAIT_SECONDS, what="ForescaleBlind is pending")
    assert not {name for name, _ in pending()} & {"ForescaleDown", "ForescaleStale", "ForescaleBlindEverywhere"}
