"""Builders that several folders share: a LoadForecast, and a whole Snapshot of n workloads with plausible numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.pricing.choice import pool_costs
from app.pricing.economics import Economics
from app.pricing.prices import Pool, PoolPrice, Price, PriceList
from app.snapshot import Snapshot, Voices
from app.workloads.spec import API_VERSION, KIND, LoadForecast

CUT_S = 1_700_000_010  # a multiple of the 15 s between cuts


def _forecast(
    name: str = "gateway", *, namespace: str = "mcp", labels: dict[str, str] | None = None, **spec: Any
) -> LoadForecast:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}, "uid": f"uid-{name}"},
        "spec": {
            "targetRef": {"name": name},
            "demand": {"query": f'sum(rate(mcp_requests_total{{deployment="{name}"}}[1m]))'},
            "capacityPerPod": 10,
            **spec,
        },
    }
    return LoadForecast.from_object(manifest)


def _snapshot(workloads: int = 3, *, forecasts: tuple[LoadForecast, ...] | None = None, **columns: Any) -> Snapshot:
    """Row r: demand 10 + r, required and served 20 + r, acting; sampled 10 s before the cut; an hour of history."""
    if forecasts is None:
        forecasts = tuple(_forecast(f"workload-{row:05d}") for row in range(workloads))
    n, history_steps, horizon = len(forecasts), 60, 30
    row = np.arange(n, dtype=np.float64)
    values: dict[str, Any] = {
        "cut_s": CUT_S,
        "refresh_seconds": 15,
        "staleness_seconds": 180.0,
        "forecasts": forecasts,
        "served": 20 + row,
        "demand": 10 + row,
        "required": 20 + row,
        "data_s": np.full(n, columns.get("cut_s", CUT_S) - 10.0),
        "acting": np.ones(n, dtype=np.bool_),
        "reason": ("ForecastActs",) * n,
        "lead_seconds": np.full(n, 120, dtype=np.int64),
        "lead_origin": ("Measured",) * n,
        "level": np.full(n, 0.95),
        "coverage": np.full(n, 0.94),
        "skill": np.full(n, 0.25),
        "reactive_cost": np.full(n, 400.0),
        "forecast_cost": np.full(n, 300.0),
        "history_start_s": CUT_S - 30 - 60 * (history_steps - 1),
        "history_step_seconds": 60,
        "history": (10 + np.tile(row[:, None], (1, history_steps))).astype(np.float32),
        "horizon_step_seconds": 60,
        "levels": (0.1, 0.5, 0.9),
        "quantiles": (8 + row[:, None, None] + np.asarray([0.0, 4.0, 8.0]) + np.zeros((n, horizon, 3))).astype(
            np.float32
        ),
        "calendar": np.ones(n),
        "judged_s": np.full(n, CUT_S - 600.0),
        "voices": _voices(n),
        "quality": _quality(n),
        "past_served": np.full((n, history_steps), 21, dtype=np.float32),
        "past_required": np.full((n, history_steps), 19, dtype=np.float32),
        "past_quantiles": np.full((n, history_steps, 3), 11, dtype=np.float32),
        "fitted_s": CUT_S - 600.0,
        "economics": economics_of(forecasts),
    }
    return Snapshot(**{**values, **columns})


def _voices(n: int) -> Voices:
    """The second candidate has three quarters of the say, the first one the rest."""
    voices = Voices.silent(n, labels=("newest number", "season"), shown=2)
    said = np.tile(np.float32([10, 24]), (n, 1))
    voices.tell(np.arange(n), shares=np.tile(np.float32([0.25, 0.75]), (n, 1)), said=said)
    return voices


def _quality(n: int) -> np.ndarray:
    """Three days, each at 1,000 idle pod-minutes reacting and 800 acting, short for 5 and 2, covered to 96 %."""
    day = np.float32([1000, 800, 5, 2, 86_400, 0.96])
    return np.tile(day[None, :, None], (n, 1, 3))


POOLS = (
    PoolPrice(Pool("spot", "spot", spot=True, pods_per_node=8), Price(0.08, "EUR", "OpenCost", CUT_S - 30.0, nodes=3)),
    PoolPrice(Pool("large", "large", pods_per_node=40), Price(0.6, "EUR", "File", CUT_S - 30.0)),
    PoolPrice(Pool("unpriced", "unpriced", pods_per_node=8), None, "no node has the labels pool=unpriced"),
)


def economics_of(forecasts: tuple[LoadForecast, ...], *, pools: tuple[PoolPrice, ...] = POOLS) -> Economics:
    """A pod-minute costs 0.001 EUR, a missing one 19 of them; one pod on demand, one on spot; three days as _quality:
    of the first the forecast did not act, on the others it asked for 760 pod-minutes where the HPA alone did for 900.
    """
    n = len(forecasts)
    day = np.float32([760, 500, 700, 900, 2, 5, 86_400, 1])
    reacting = np.float32([900, 500, 700, 900, 5, 5, 86_400, 0])
    return Economics(
        prices=PriceList(pools, stale_after_seconds=3_600),
        costs=pool_costs(pools, needed=np.full(30, 4.0), step_hours=1 / 60),
        price=np.full(n, 19.0),
        measured_price=np.full(n, np.nan),
        pod_minute=np.full(n, 0.001),
        currency=("EUR",) * n,
        on_demand=np.ones(n),
        spot=np.ones(n),
        spot_reason=("One of two pods is sure.",) * n,
        ledger=np.tile(np.stack([reacting, day, day], axis=1)[None], (n, 1, 1)),
    )


@pytest.fixture
def make_forecast() -> Callable[..., LoadForecast]:
    """make_forecast(name, namespace=, labels=, **spec fields in camelCase) -> LoadForecast."""
    return _forecast


@pytest.fixture
def make_snapshot() -> Callable[..., Snapshot]:
    """make_snapshot(workloads, forecasts=, **columns of Snapshot) -> Snapshot with its cut at 1700000010."""
    return _snapshot
