"""Prices of node pools: what the file may say, where a price comes from, and what becomes of one that is missing."""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ClusterError, ConfigurationError, SourceUnavailable
from app.pricing.file import PriceFile, read_price_file
from app.pricing.keeper import PriceKeeper
from app.pricing.nodes import NODE_HOURLY, Node, capacity_type, priced
from app.pricing.prices import Pool, PoolPrice, Price, PriceList, kept, settled_price
from app.sources.base import Answer, LabelledHistory
from app.workloads.spec import Costs
from models.series import RawHistory
from tests.serving.rest_doubles import FixedClock

NOW = 1_700_000_000.0
GOOD = """
currency: EUR
openCost: true
pools:
  - {name: system, nodeHourly: "0.2", podsPerNode: 10}
  - {name: spot, nodeLabels: {pool: spot}, spot: true, podsPerNode: 8}
instances:
  - {instanceType: m6i.large, hourly: "0.107"}
  - {instanceType: m6i.large, region: eu-central-1, hourly: "0.115"}
  - {instanceType: m6i.large, capacityType: spot, hourly: "0.04"}
"""


def node(name: str, **labels: str) -> Node:
    names = {"kind": "node.kubernetes.io/instance-type", "region": "topology.kubernetes.io/region"}
    return Node(name, {names.get(key, key): value for key, value in labels.items()})


class Store:
    """A store that holds OpenCost's prices by node, or fails."""

    def __init__(self, prices: dict[str, float]) -> None:
        self.prices = prices
        self.failing = False
        self.whole = True

    def instant(self, query: str, *, at_s: float) -> Answer:
        if self.failing:
            raise SourceUnavailable("no answer")
        assert query == NODE_HOURLY
        return Answer(
            tuple(
                LabelledHistory({"node": name}, RawHistory(np.asarray([at_s]), np.asarray([price])))
                for name, price in self.prices.items()
            ),
            complete=self.whole,
        )

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        raise NotImplementedError

    def close(self) -> None: ...


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text)
    return path


def keeper(
    folder: Path, store: Store | None = None, nodes: Sequence[Node] = (), *, clock: FixedClock | None = None
) -> PriceKeeper:
    return PriceKeeper(written(folder), clock=clock or FixedClock(NOW), store=store, list_nodes=lambda: nodes)


def hourly(prices: PriceList, pool: str) -> tuple[float, str] | None:
    found = prices.find(pool)
    assert found is not None
    return None if found.price is None else (found.price.node_hourly, found.price.source)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("currency: EUR", "currency: euro", "currency: String should match pattern '^[A-Z]{3}$', not 'euro'"),
        ('nodeHourly: "0.2"', 'nodeHourly: "-1"', "pools[0].nodeHourly: Input should be greater than 0"),
        ('nodeHourly: "0.2"', "nodeHourly: .nan", "pools[0].nodeHourly: 'nan' is not a quantity"),
        ("name: spot", "name: system", "pools: system is there twice; keep one"),
        ('nodeHourly: "0.2", ', "", "pools: system has neither nodeHourly nor nodeLabels"),
        ("spot: true", 'nodeGroups: "(spot"', "pools[1].nodeGroups: '(spot' is not a regular expression"),
        ("podsPerNode: 8", "podsPerNode: 0", "pools[1].podsPerNode: Input should be greater than or equal to 1"),
        ("podsPerNode: 8", "podPerNode: 8", "pools[1].podPerNode: Extra inputs are not permitted"),
        ("currency: EUR", "currency: [", "is not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_field(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        read_price_file(written(tmp_path, GOOD.replace(old, new)))
    assert expected in str(caught.value)


def test_a_pool_that_nothing_could_price_is_refused(tmp_path: Path) -> None:
    text = "currency: EUR\npools: [{name: spot, nodeLabels: {pool: spot}}]\n"
    with pytest.raises(ConfigurationError, match="set openCost: true, or list instances"):
        read_price_file(written(tmp_path, text))


def test_opencost_goes_before_the_table_and_a_fixed_price_before_both(tmp_path: Path) -> None:
    nodes = [node(f"n{place}", pool="spot", kind="m6i.large") for place in range(3)]
    looking = keeper(tmp_path, Store({"n0": 0.05, "n1": 0.09, "n2": 0.06, "elsewhere": 9.0}), nodes)
    looking.look()
    assert hourly(looking.current(), "spot") == (0.06, "OpenCost")
    assert hourly(looking.current(), "system") == (0.2, "File")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"kind": "m6i.large"}, 0.107),
        ({"kind": "m6i.large", "region": "eu-central-1"}, 0.115),
        ({"kind": "m6i.large", "region": "eu-central-1", "karpenter.sh/capacity-type": "spot"}, 0.04),
        ({"kind": "m6i.large", "eks.amazonaws.com/capacityType": "SPOT"}, 0.04),
        ({"kind": "c7g.large"}, None),
    ],
)
def test_labels_find_the_row_of_the_table(labels: dict[str, str], expected: float | None) -> None:
    file = PriceFile.model_validate(yaml.safe_load(GOOD))
    (_, found) = priced(file, [node("n", pool="spot", **labels)], {}, now=NOW)
    assert (found.price.node_hourly if found.price else None) == expected
    assert bool(found.trouble) is (expected is None)


@pytest.mark.parametrize("bad", [float("nan"), 0.0, -1.0, float("inf")])
def test_a_number_that_is_no_price_is_not_taken_for_a_cheap_one(bad: float) -> None:
    file = PriceFile.model_validate(yaml.safe_load(GOOD))
    nodes = [node("a", pool="spot"), node("b", pool="spot")]
    assert priced(file, nodes, {"a": bad, "b": 0.05}, now=NOW)[1].price == Price(0.05, "EUR", "OpenCost", NOW, nodes=1)
    alone = priced(file, nodes[:1], {"a": bad}, now=NOW)[1]
    assert alone.price is None
    assert "1 prices of its 1 nodes are no numbers above zero" in alone.trouble


def test_the_last_good_price_stays_and_its_age_and_the_trouble_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, nodes = Store({"n": 0.05}), [node("n", pool="spot")]
    looking = keeper(tmp_path, store, nodes)
    looking.look()
    store.failing = True
    with caplog.at_level(logging.WARNING):
        looking.look()
        looking.look()
    found = looking.current().find("spot")
    assert found is not None
    assert found.price == Price(0.05, "EUR", "OpenCost", NOW, nodes=1)
    assert found.trouble == "no answer"
    assert len(caplog.messages) == 1, "told once, not at every look"
    assert "no answer; the last one, 0.05, stays" in caplog.text
    assert not looking.current().stale(found.price, NOW + 86_400)
    assert looking.current().stale(found.price, NOW + 86_401)


def test_a_store_that_lacks_parts_does_not_change_a_price(tmp_path: Path) -> None:
    store, nodes = Store({"a": 0.05, "b": 0.15}), [node("a", pool="spot"), node("b", pool="spot")]
    looking = keeper(tmp_path, store, nodes)
    looking.look()
    before = looking.current().find("spot")
    store.prices, store.whole = {"a": 0.05}, False
    looking.look()
    found = looking.current().find("spot")
    assert before is not None
    assert found is not None
    assert found.price == before.price
    assert found.trouble is not None
    assert "may lack parts" in found.trouble


def test_nodes_that_cannot_be_listed_are_a_trouble_and_not_a_price(tmp_path: Path) -> None:
    def refused() -> Sequence[Node]:
        raise ClusterError("list /api/v1/nodes: 403 forbidden")

    looking = PriceKeeper(written(tmp_path), clock=FixedClock(NOW), store=Store({"n": 1.0}), list_nodes=refused)
    looking.look()
    found = looking.current().find("spot")
    assert found is not None
    assert (found.price, found.trouble) == (None, "list /api/v1/nodes: 403 forbidden")
    assert hourly(looking.current(), "system") == (0.2, "File")


def test_prices_are_there_when_it_has_started_and_again_from_time_to_time(tmp_path: Path) -> None:
    store, nodes = Store({"n": 0.05}), [node("n", pool="spot")]
    looking = PriceKeeper(
        written(tmp_path), clock=FixedClock(NOW), store=store, list_nodes=lambda: nodes, look_seconds=0.01
    )
    looking.start()
    try:
        assert hourly(looking.current(), "spot") == (0.05, "OpenCost")
        store.prices = {"n": 0.07}
        deadline = time.monotonic() + 10
        while hourly(looking.current(), "spot") == (0.05, "OpenCost") and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert hourly(looking.current(), "spot") == (0.07, "OpenCost")
    finally:
        looking.close()


def test_a_changed_file_counts_and_a_broken_one_leaves_the_last_good_in_use(tmp_path: Path) -> None:
    looking = keeper(tmp_path)
    looking.look()
    written(tmp_path, GOOD.replace('"0.2"', '"0.25"'))
    looking.look()
    assert hourly(looking.current(), "system") == (0.25, "File")
    path = written(tmp_path, "currency: EUR\n")
    looking.look()
    looking.look()
    assert hourly(looking.current(), "system") == (0.25, "File")
    assert looking.current().trouble.startswith(f"{path} cannot be used: pools: Field required")
    written(tmp_path)
    looking.look()
    assert (hourly(looking.current(), "system"), looking.current().trouble) == ((0.2, "File"), "")


def test_aks_and_gke_say_spot_in_their_own_words() -> None:
    assert capacity_type({"kubernetes.azure.com/scalesetpriority": "spot"}) == "spot"
    assert capacity_type({"cloud.google.com/gke-spot": "true"}) == "spot"
    assert capacity_type({"karpenter.sh/capacity-type": "on-demand"}) == "on-demand"


def prices(hourly: float | None, *, pods: int | None = 10) -> PriceList:
    price = None if hourly is None else Price(hourly, "EUR", "File", NOW)
    return PriceList((PoolPrice(Pool("spot", "spot", pods_per_node=pods), price),))


def costs(**fields: object) -> Costs:
    return Costs.model_validate(fields)


def test_a_pod_minute_of_a_pool_is_its_share_of_the_nodes_hour() -> None:
    assert prices(0.6).pod_minute(costs(pool="spot")) == (0.001, "EUR")
    assert prices(0.6).pod_minute(costs(pool="spot", podsPerNode=5)) == (0.002, "EUR")
    assert prices(0.6).missing_pod_price(costs(pool="spot", missedPodMinute="0.05")) == 50


@pytest.mark.parametrize(
    ("found", "of"),
    [
        (prices(None), costs(pool="spot")),
        (prices(0.6), costs(pool="other")),
        (prices(0.6), costs(pool="spot", currency="USD")),
        (prices(0.6, pods=None), costs(pool="spot")),
        (prices(0.6), costs()),
    ],
)
def test_without_a_price_a_pod_costs_nothing_known_instead_of_nothing(found: PriceList, of: Costs) -> None:
    assert found.pod_minute(of) is None
    assert found.missing_pod_price(of.model_copy(update={"missed_pod_minute": 1.0})) is None


@given(st.floats(0.1, 1e4), st.lists(st.floats(-0.09, 0.09), min_size=1))
def test_a_price_that_wavers_by_less_than_a_tenth_is_planned_with_unchanged(price: float, changes: list[float]) -> None:
    settled: float | None = price
    for change in changes:
        settled = settled_price(settled, price * (1 + change))
    assert settled == price
    assert settled_price(settled, price * 1.2) == price * 1.2
    assert settled_price(settled, None) == price


def test_a_pool_that_left_the_file_leaves_the_list() -> None:
    assert kept(prices(0.5), (), stale_after_seconds=60).pools == ()
