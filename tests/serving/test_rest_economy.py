"""What REST says of money: prices, spot advice, and savings that are told in words also where there are none."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.serving.rest.routes import rest_app
from app.snapshot import Snapshot, SnapshotStore
from tests.conftest import CUT_S
from tests.serving.rest_doubles import FixedClock, NoInquiries

MakeSnapshot = Callable[..., Snapshot]
ONE = "/namespaces/mcp/loadforecasts/workload-00000"


def asked(snapshot: Snapshot, path: str, *, now_s: float = CUT_S + 5.0) -> Any:
    client = TestClient(rest_app(SnapshotStore(snapshot), FixedClock(now_s), NoInquiries()))
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def with_ledger(snapshot: Snapshot, *days: tuple[float, ...]) -> Snapshot:
    assert snapshot.economics is not None
    table = np.float32(days).T[None]
    return dataclasses.replace(snapshot, economics=dataclasses.replace(snapshot.economics, ledger=table))


def test_prices_say_source_age_currency_and_why_there_is_none(make_snapshot: MakeSnapshot) -> None:
    spot, large, unpriced = asked(make_snapshot(1), "/prices")["pools"]
    assert (spot["node_hourly"], spot["currency"], spot["source"], spot["nodes"]) == (0.08, "EUR", "OpenCost", 3)
    assert (spot["pod_hour"], spot["forecast_pods"], spot["stale"]) == (0.02, 4, False)
    assert (large["pod_hour"], large["source"]) == (0.15, "File")
    assert (unpriced["node_hourly"], unpriced["trouble"]) == (None, "no node has the labels pool=unpriced")
    assert asked(make_snapshot(1), "/prices", now_s=CUT_S + 3_600)["pools"][0]["stale"] is True


def test_savings_are_told_day_by_day_in_pod_minutes_and_money(make_snapshot: MakeSnapshot) -> None:
    found = asked(make_snapshot(1), f"{ONE}/savings")
    assert [one["acted"] for one in found["days"]] == [False, True, True]
    day = found["days"][-1]
    assert (day["asked"], day["used"], day["needed"], day["hpa_only"]) == (760, 500, 700, 900)
    assert day["saved"] == 900 - 760 + 19 * (5 - 2)
    assert (day["saved_money"], day["hpa_only_money"]) == (0.197, 0.9)
    assert (found["asked"], found["hpa_only"], found["saved"], found["saved_money"]) == (2420, 2700, 394, 0.394)
    assert found["text"] == (
        "The forecast saved 13.2% of what the HPA alone would have cost: 280 pod-minutes fewer asked for, "
        "6 fewer short, on 3 days of which it acted on 2."
    )
    assert len(asked(make_snapshot(1), f"{ONE}/savings?days=1")["days"]) == 1


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ((900, 500, 700, 900, 5, 5, 86_400, 0), "Nothing was saved: on none of the 1 days the forecast acted"),
        ((1000, 500, 700, 900, 5, 5, 86_400, 1), "The forecast lost 10.1% against the HPA alone: 100 pod-minutes more"),
        ((900, 500, 700, 900, 9, 5, 86_400, 1), "The forecast lost 7.6% against the HPA alone: 0 pod-minutes fewer"),
        ((898, 500, 700, 900, 5, 5, 86_400, 1), "The forecast saved nothing to speak of against the HPA alone"),
        ((np.nan,) * 8, "Nothing has been replayed yet"),
    ],
)
def test_what_saved_nothing_or_lost_says_so(make_snapshot: MakeSnapshot, day: tuple[float, ...], text: str) -> None:
    assert asked(with_ledger(make_snapshot(1), day), f"{ONE}/savings")["text"].startswith(text)


def test_money_that_is_not_known_is_null_and_pod_minutes_stay(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(1)
    assert snapshot.economics is not None
    unpriced = dataclasses.replace(snapshot.economics, pod_minute=np.full(1, np.nan), currency=("",))
    found = asked(dataclasses.replace(snapshot, economics=unpriced), f"{ONE}/savings")
    assert (found["pod_minute_money"], found["saved_money"], found["saved"]) == (None, None, 394)


def test_spot_advice_ends_where_nothing_is_served(make_snapshot: MakeSnapshot) -> None:
    found = asked(make_snapshot(1), f"{ONE}/spot")
    assert (found["on_demand_pods"], found["spot_pods"], found["spot_share"]) == (1, 1, 0.5)
    stale = asked(make_snapshot(1, data_s=np.full(1, CUT_S - 900.0)), f"{ONE}/spot")
    assert (stale["spot_pods"], stale["text"]) == (None, "No advice: nothing is served.")


def test_a_snapshot_without_economics_has_no_numbers(make_snapshot: MakeSnapshot) -> None:
    bare = make_snapshot(1, economics=None)
    assert asked(bare, "/prices") == {"pools": [], "trouble": ""}
    assert asked(bare, f"{ONE}/savings")["days"] == []
    assert asked(bare, f"{ONE}/spot")["spot_pods"] is None
