"""What a policy cost on a past; on the real traces it equals the independent tool's figures."""

from pathlib import Path
from typing import Any

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
    assert found.reactive.cost <= found.hpa.cost
    assert compare(np.full(demand.size, 500.0), setting, before=demand[:5]).gap_closed < 0


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    """The independent tool's functions, without its command line."""
    if not TOOL.exists():
        pytest.skip("the development traces are not beside the project")
    names: dict[str, Any] = {}
    exec(compile(TOOL.read_text().removesuffix("main()\n"), str(TOOL), "exec"), names)
    return names


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.name.removesuffix(".csv.gz"))
def test_the_independent_tool_finds_the_same(trace: Path, tool: dict[str, Any]) -> None:
    lead, price = 5, 20.0
    file = read_history(trace)
    demand = tool["load"](str(trace)).to_numpy()
    half = len(demand) // 2
    test, pod = demand[half:], demand[half:].mean() / 20
    setting = Setting(file.demand[half:], float(file.demand[half:].mean()) / 20, lead, price)
    newest = np.concatenate([demand[:1], demand[:-1]])[half:]
    ours = compare(1.2 * newest, setting, before=file.demand[:half])

    def told(wanted: np.ndarray, tolerance: float) -> dict[str, float]:
        found: dict[str, float] = tool["score"](test, wanted, pod, lead, price, tolerance)
        return found

    ahead = np.lib.stride_tricks.sliding_window_view(np.pad(demand, (0, lead), mode="edge"), lead + 1).max(axis=1)[
        half:
    ]
    signal, share = ours.best_target.split(" at ")
    mean5 = pd.Series(demand).shift(1).rolling(5, min_periods=1).mean().bfill().to_numpy()[half:]
    reactive = (newest if signal == "newest number" else mean5) / (int(share.removesuffix("%")) / 100)
    for one, same in (
        (ours.forecast, told(1.2 * newest, 0.0)),
        (ours.perfect, told(ahead, 0.0)),
        (ours.reactive, told(reactive, 0.1)),
    ):
        assert one.cost == pytest.approx(same["J"], abs=AGREED)
        assert one.pods == pytest.approx(same["pods"], abs=AGREED)
        assert one.overload == pytest.approx(same["overload"], abs=AGREED)
