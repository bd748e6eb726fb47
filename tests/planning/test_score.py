"""What a policy cost on a past; on the real traces it equals the independent tool's figures."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.planning.score import Setting, compare, score
from app.sources.history_file import read_history

SHARED = Path(__file__).parents[3] / "shared"
TOOL = SHARED / "tools" / "closed_loop.py"
TRACES = sorted((SHARED / "traces" / "minute").glob("*.csv.gz"))
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
    assert found.reactive.cost <= found.reactive_70.cost
    assert compare(np.full(demand.size, 500.0), setting, before=demand[:5]).gap_closed < 0


@pytest.mark.skipif(not TRACES, reason="the development traces are not beside the project")
@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.name.removesuffix(".csv.gz"))
def test_the_independent_tool_finds_the_same(trace: Path, tmp_path: Path) -> None:
    file = read_history(trace)
    half = file.demand.size // 2
    demand = file.demand[half:]
    setting = Setting(demand, float(demand.mean()) / 20, lead_minutes=5, price=20.0)
    wanted = 1.2 * np.concatenate([file.demand[:1], file.demand[:-1]])
    policy = tmp_path / "policy.csv"
    times = pd.to_datetime(file.known.times_s, unit="s", utc=True)
    pd.DataFrame({"timestamp": times, "capacity": wanted}).to_csv(policy, index=False)
    ours = compare(wanted[half:], setting, before=file.demand[:half])
    command = [sys.executable, str(TOOL), str(trace), "--policy", f"ours={policy}", "--lead", "5", "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert ours.forecast.cost == pytest.approx(told["ours (tolerance 0)"]["J"], abs=AGREED)
    assert ours.forecast.overload == pytest.approx(told["ours (tolerance 0)"]["overload"], abs=AGREED)
    assert ours.perfect.cost == pytest.approx(told["perfect forecast"]["J"], abs=AGREED)
    reactive = min(told["reactive"]["J"], told["reactive rate[5m]"]["J"])
    assert ours.reactive.cost == pytest.approx(reactive, abs=AGREED)
