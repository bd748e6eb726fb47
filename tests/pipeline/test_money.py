"""What a pass makes of money: the price that is planned with, what a node pool's next node costs, spot and ledger."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.clock import SystemClock
from app.pipeline.economy import growth, priced_book
from app.pipeline.plan import Plan
from app.pipeline.refresh import Refresher
from app.pricing.economics import LEDGER
from app.pricing.prices import Pool, PoolPrice, Price, PriceList
from app.settings import Settings
from app.snapshot import Snapshot
from app.workloads.book import Book, PodSizes, Recorded
from app.workloads.spec import LoadForecast
from tests.pipeline.test_refresh import CUT_S, STEP, InProcess, Store

MakeForecast = Callable[..., LoadForecast]
SCALING = {"container": "server", "resource": "cpu", "reference": 1}
OF_POOL = {"pool": "spot", "missedPodMinute": "0.05"}


def prices(hourly: float | None, *, pods: int = 10) -> PriceList:
    price = None if hourly is None else Price(hourly, "EUR", "OpenCost", 0.0)
    return PriceList((PoolPrice(Pool("spot", "spot", pods_per_node=pods), price),))


def plan(book: Book) -> Plan:
    return Plan(book, STEP, 15, 20)


@pytest.mark.parametrize(
    ("costs", "price"),
    [
        ({}, 4.0),
        ({"podMinute": "0.001"}, 4.0),
        ({"podMinute": "0.001", "missedPodMinute": "0.03"}, 30.0),
        (OF_POOL, 4.0),
    ],
)
def test_a_missing_pod_costs_what_the_costs_say_and_else_the_objective(
    make_forecast: MakeForecast, costs: dict[str, Any], price: float
) -> None:
    found = plan(Book((make_forecast(objective={"missingPodPrice": 4}, costs=costs),)))
    assert found.price.tolist() == pytest.approx([price])
    assert found.level.tolist() == pytest.approx([price / (price + 1)])


def test_the_price_of_a_pool_settles_and_only_a_tenth_is_a_change(make_forecast: MakeForecast) -> None:
    book, settled = Book((make_forecast(costs=OF_POOL),)), dict[str, float]()
    key = book.forecasts[0].key
    planned = [
        priced_book(book, prices(hourly), settled).prices.get(key) for hourly in (0.6, 0.57, 0.63, None, 0.5, 0.52)
    ]
    assert planned == [50, 50, 50, 50, 60, 60]


def test_a_new_price_is_another_fit_and_the_same_is_not(make_forecast: MakeForecast) -> None:
    book = Book((make_forecast(costs=OF_POOL),))
    key = book.forecasts[0].key
    one, same, other = (plan(priced_book(book, prices(hourly), {})).signatures[key] for hourly in (0.6, 0.6, 0.3))
    assert one == same != other


def test_in_a_cluster_only_what_is_in_the_status_is_planned_with(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(costs=OF_POOL)
    book = Book((forecast,), prices={forecast.key: 33.0}, recorded={forecast.key: Recorded("u", 1, {})})
    assert priced_book(book, prices(0.6), {}) is book
    assert plan(book).price.tolist() == [33.0]


def test_a_pool_in_another_currency_leaves_the_objective(make_forecast: MakeForecast) -> None:
    book = Book((make_forecast(costs={**OF_POOL, "currency": "USD"}),))
    assert plan(priced_book(book, prices(0.6), {})).price.tolist() == [20.0]


def refreshed(forecast: LoadForecast, found: PriceList) -> Snapshot:
    settings = Settings(
        host="127.0.0.1",
        authentication="none",
        history_days=9,
        history_step_seconds=STEP,
        refresh_seconds=STEP,
        settle_seconds=0,
        staleness_seconds=900,
    )
    with ThreadPoolExecutor(2) as executor:
        refresher = Refresher(
            settings,
            make_source=lambda *_, **__: Store(),
            clock=SystemClock(),
            executor=executor,
            start_worker=lambda **_: InProcess(),
            prices=lambda: found,
        )
        try:
            book = Book((forecast,))
            while not refresher.refresh(book, cut_s=CUT_S).settled:
                refresher.wait_for_fit(timeout_seconds=60)
            return refresher.refresh(book, cut_s=CUT_S).snapshot
        finally:
            refresher.close()


def test_a_pass_tells_prices_spot_and_the_ledger_of_each_day(make_forecast: MakeForecast) -> None:
    forecast = make_forecast(costs={**OF_POOL, "workloadType": "Stateless"})
    snapshot = refreshed(forecast, prices(0.6))
    economics = snapshot.economics
    assert economics is not None
    assert (economics.price[0], economics.measured_price[0]) == (50, 50)
    assert (economics.pod_minute[0], economics.currency) == (pytest.approx(0.001), ("EUR",))
    assert economics.on_demand[0] + economics.spot[0] == np.ceil(snapshot.served[0] / 10)
    assert economics.spot[0] >= 1, "the surge is over in half an hour, then one pod is needed"
    assert economics.spot_reason[0].startswith("2 of 6 pods")
    day = dict(zip(LEDGER, economics.ledger[0, :, -1].tolist(), strict=True))
    minutes = 24 * 60
    assert day["used"] == pytest.approx(minutes * (1 + 5 * 0.5 / 24), rel=0.01)
    assert day["used"] <= day["needed"] <= day["asked"] + 1
    assert day["seconds"] == 86_400
    (cost,) = economics.costs
    assert cost.reckoned is not None
    assert cost.reckoned.price == pytest.approx(0.6), "no pod more is foreseen than is asked for: one counts"


def test_growth_is_what_workloads_with_a_pool_will_want_more(make_forecast: MakeForecast) -> None:
    forecasts = (make_forecast("a", costs=OF_POOL, capacityScaling=SCALING), make_forecast("b"))
    path = np.zeros((2, 3, 4), dtype=np.float32)
    path[0, :, 2] = [15, 40, 5]
    path[1, :, 2] = 900
    more = growth(plan(Book(forecasts)), type("Ahead", (), {"quantiles": path})(), np.asarray([2.0, 2.0]))
    assert more.tolist() == [0, 2, -1]
    half = Book(forecasts, sizes={forecasts[0].key: PodSizes(2, 1.0, newest=0.5, largest=0.5)})
    more = growth(plan(half), type("Ahead", (), {"quantiles": path})(), np.asarray([2.0, 2.0]))
    assert more.tolist() == [1, 6, -1], "pods of half the size are twice as many"
