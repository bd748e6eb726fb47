"""What a policy cost on a past; on recorded loads it equals an independent scorer's figures."""

import os
from pathlib import Path

import numpy as np
import pytest

from app.planning.score import Setting, compare, score
from benchmarks.agreement import of_reacting

SCORER = os.environ.get("SCORER", "")
TRACES = sorted(Path(os.environ["TRACES"]).glob("*.csv*")) if "TRACES" in os.environ else []
AGREED = 1e-6


def a_setting(demand: list[float]) -> Setting:
    return Setting(np.asarray(demand), capacity_per_pod=10.0, lead_minutes=3, price=20.0)


def test_a_perfect_forecast_of_a_flat_load_costs_one() -> None:
    flat = a_setting([50.0] * 200)
    assert score(flat.demand, flat).cost == 1.0


def test_a_missing_pod_minute_costs_the_price() -> None:
    flat = a_setting([50.0] * 200)
    found = score(np.full(200, 40.0), flat)
    assert (found.pods, found.minutes_short, found.short_pod_minutes) == (0.8, 200, 200.0)
    assert found.cost == pytest.approx(0.8 + 20 * 0.2)
    assert found.overload == pytest.approx(0.2)


def test_the_gap_is_closed_by_a_perfect_forecast_and_not_by_the_best_reactive_one() -> None:
    rng = np.random.default_rng(0)
    demand = 100 + 60 * np.sin(np.arange(3_000) / 90) + rng.normal(0, 3, 3_000)
    setting = a_setting(demand.tolist())
    ahead = np.asarray([demand[j : j + 4].max() for j in range(demand.size)])
    found = compare(ahead, setting, before=demand[:5])
    assert found.gap_closed == pytest.approx(1.0)
    assert found.reactive.cost <= found.hpa.cost
    assert compare(np.full(demand.size, 500.0), setting, before=demand[:5]).gap_closed < 0


@pytest.mark.skipif(
    not SCORER or not TRACES,
    reason="SCORER (an independent scorer, see benchmarks/agreement.py) and TRACES (a folder of loads) are not set",
)
@pytest.mark.parametrize("trace", TRACES or [Path("no-trace")], ids=lambda path: path.name.split(".")[0])
def test_an_independent_scorer_finds_the_same(trace: Path) -> None:
    assert of_reacting(Path(SCORER), trace, 5) < AGREED
