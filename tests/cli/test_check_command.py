"""`forescale check`: a LoadForecast against a store, here a Prometheus API of this process's own making."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.clock import PlayedClock
from app.pipeline.lint import Remark, lint, lookback
from app.settings import Settings
from app.workloads.spec import LoadForecast

DAY = 86_400
DAYS = 15
END_S = 20_000 * DAY


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        source="csv", csv_file=tmp_path / "load.csv", host="127.0.0.1", authentication="none", settle_seconds=0
    )


def remarks(settings: Settings, values: np.ndarray, forecast: LoadForecast) -> dict[str, Remark]:
    times = END_S - 60 * np.arange(values.size)[::-1]
    kept = np.isfinite(values)
    assert settings.csv_file is not None
    pd.DataFrame({"timestamp": times[kept], "gateway": values[kept]}).to_csv(settings.csv_file, index=False)
    clock = PlayedClock(start_s=END_S, epoch_s=0.0, speed=0.0)
    found = lint(forecast, settings, days=DAYS, clock=clock, on_progress=lambda share: None)
    return {one.subject: one for one in found}


def a_load() -> np.ndarray:
    """A daily rise with noise, in requests per second."""
    minute = np.arange(DAYS * 1_440)
    noise = np.random.default_rng(5).normal(0, 2, minute.size)
    return 40 + 30 * np.sin(2 * np.pi * minute / 1_440) + noise


def test_a_good_loadforecast_is_told_its_data_unit_season_and_saving(settings: Settings, make_forecast) -> None:
    forecast = make_forecast(demand={"query": "gateway", "unit": "requests/s"}, capacityPerPod=5)
    found = remarks(settings, a_load(), forecast)
    assert [one.level for one in found.values()] == ["ok"] * len(found), found
    assert list(found) == ["history", "gaps", "unit", "season", "skill"]
    assert "8.0 pods on average" in found["unit"].text
    assert "day 1.00" in found["season"].text


def test_sizes_that_change_a_pods_capacity_are_told_with_their_bounds(settings: Settings, make_forecast) -> None:
    scaling = {"container": "server", "resource": "memory", "reference": "512Mi", "idle": "128Mi", "maxFactor": 3}
    forecast = make_forecast(demand={"query": "gateway"}, capacityPerPod=5, capacityScaling=scaling)
    found = remarks(settings, a_load()[-1_440:], forecast)["sizes"]
    assert found.level == "ok"
    assert "512Mi of container server; from 320Mi to 1280Mi a pod counts by its size" in found.text
    cores = make_forecast(
        demand={"query": "gateway"}, capacityScaling={"container": "server", "resource": "cpu", "reference": "500m"}
    )
    assert "from 0.25 cores to 1 cores" in remarks(settings, a_load()[-1_440:], cores)["sizes"].text


def test_a_wrong_unit_gaps_and_a_missing_season_are_warnings(settings: Settings, make_forecast) -> None:
    values = np.abs(np.random.default_rng(6).normal(40, 2, DAYS * 1_440))
    values[5_000:8_000] = np.nan
    forecast = make_forecast(demand={"query": "gateway"}, capacityPerPod=5_000)
    found = remarks(settings, values, forecast)
    assert {found[one].level for one in ("gaps", "unit", "season")} == {"warning"}
    assert "longest gap" in found["gaps"].text
    assert "capacityPerPod" in found["unit"].text


def test_a_short_history_is_said(settings: Settings, make_forecast) -> None:
    found = remarks(settings, a_load()[-3 * 1_440 :], make_forecast(demand={"query": "gateway"}, capacityPerPod=5))
    assert found["history"].level == "warning"
    assert json.dumps(vars(found["history"]))


@pytest.mark.parametrize(
    ("query", "warned"),
    [
        ("mcp_in_flight", True),
        ('sum by (namespace) (({__name__="mcp_in_flight"}))', True),
        ("sum(last_over_time(mcp_in_flight[1m]))", False),
        ("sum(rate(mcp_requests_total[1m]))", False),
        ("service:mcp_server_operations:rate1m", False),
        ("in this store's own language", False),
    ],
)
def test_a_gauge_that_outlives_its_samples_by_the_stores_lookback_is_a_warning(
    make_forecast, query: str, warned: bool
) -> None:
    found = lookback(make_forecast(demand={"query": query}), Settings(host="127.0.0.1", authentication="none"))
    assert [one.level for one in found] == ["warning"] * warned
    assert all("last_over_time" in one.text for one in found)
