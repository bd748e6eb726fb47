"""The ConfigMap of the priority expander: what is in it, when it changes, and that it never empties."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client

from app.cluster.expander import DWELL_SECONDS, PriorityExpander, content_of, ordered_groups
from app.cluster.nodes import NodeLister
from app.cluster.permissions import PRIORITIES_NAME
from app.pricing.choice import PoolCost, pool_costs
from app.pricing.prices import Pool, PoolPrice, Price
from tests.cluster.lease_and_clock import Seat

SYSTEM = "kube-system"
OF_NODES = {"spot": 0.1, "on-demand": 0.3, "large": 0.8}


def costs(**hourly: float | None) -> tuple[PoolCost, ...]:
    """Of pools whose nodes take ten pods each."""
    pools = [
        PoolPrice(
            Pool(name, f"^{name}$", pods_per_node=10), None if price is None else Price(price, "EUR", "File", 0.0)
        )
        for name, price in hourly.items()
    ]
    return pool_costs(pools, needed=np.full(60, 10.0), step_hours=1 / 60)


class Expander:
    """A PriorityExpander whose thread is the test; each look is 20 s after the one before."""

    def __init__(self, api: client.ApiClient) -> None:
        self.now_s, self.seat = 0.0, Seat()
        self.it = PriorityExpander(api, namespace=SYSTEM, lease=self.seat, monotonic=lambda: self.now_s)

    def look(self, found: tuple[PoolCost, ...], *, seconds: float = 20.0) -> bool:
        self.now_s += seconds
        self.it._costs = found
        return self.it.write_if_due()


@pytest.fixture
def expander(connected: client.ApiClient) -> Expander:
    return Expander(connected)


@pytest.fixture
def priorities(fake: Any) -> Callable[[], dict[int, list[str]]]:
    def read() -> dict[int, list[str]]:
        table: dict[int, list[str]] = yaml.safe_load(
            fake.objects["configmaps", SYSTEM, PRIORITIES_NAME]["data"]["priorities"]
        )
        return table

    return read


def test_the_cheapest_pool_has_the_highest_priority_and_everything_else_the_least(
    expander: Expander, priorities: Any
) -> None:
    assert expander.look(costs(**OF_NODES))
    assert priorities() == {31: ["^spot$"], 21: ["^on-demand$"], 11: ["^large$"], 1: [".*"]}


def test_it_is_written_when_prices_change_places_and_not_otherwise(expander: Expander, priorities: Any) -> None:
    expander.look(costs(**OF_NODES))
    assert not expander.look(costs(**OF_NODES), seconds=DWELL_SECONDS)
    assert not expander.look(costs(spot=0.12, **{"on-demand": 0.28, "large": 0.7}), seconds=DWELL_SECONDS)
    assert expander.look(costs(spot=0.5, **{"on-demand": 0.3, "large": 0.8}), seconds=DWELL_SECONDS)
    assert ordered_groups(yaml.safe_dump(priorities())) == ["^on-demand$", "^spot$", "^large$"]


def test_prices_that_flap_around_each_other_do_not_turn_the_order(expander: Expander) -> None:
    expander.look(costs(a=0.100, b=0.102))
    written = [expander.look(costs(a=0.1, b=price), seconds=DWELL_SECONDS) for price in (0.097, 0.103, 0.096, 0.104)]
    assert written == [False] * 4
    assert expander.look(costs(a=0.1, b=0.094), seconds=DWELL_SECONDS)


def test_a_new_order_waits_until_the_last_one_has_lasted(expander: Expander) -> None:
    expander.look(costs(a=0.1, b=0.2))
    assert not expander.look(costs(a=0.3, b=0.2), seconds=DWELL_SECONDS - 1)
    assert expander.look(costs(a=0.3, b=0.2), seconds=20)


def test_a_pool_that_is_new_or_gone_does_not_wait(expander: Expander, priorities: Any) -> None:
    expander.look(costs(a=0.1))
    assert expander.look(costs(a=0.1, b=0.05))
    assert priorities() == {21: ["^b$"], 11: ["^a$"], 1: [".*"]}
    assert expander.look(costs(a=0.1))
    assert priorities() == {11: ["^a$"], 1: [".*"]}


def test_a_pool_that_lost_its_price_keeps_its_place_and_nothing_is_emptied(expander: Expander, priorities: Any) -> None:
    expander.look(costs(a=0.1, b=0.2, c=0.3))
    assert not expander.look(costs(a=None, b=0.2, c=0.3), seconds=DWELL_SECONDS)
    assert not expander.look(costs(a=None, b=None, c=None), seconds=DWELL_SECONDS)
    assert not expander.look((), seconds=DWELL_SECONDS)
    assert priorities() == {31: ["^a$"], 21: ["^b$"], 11: ["^c$"], 1: [".*"]}


@pytest.mark.parametrize("there", ["", "- a list", "{", "x: [y]", "10: [^a$]"])
def test_what_would_choose_nothing_is_repaired_at_once(
    expander: Expander, fake: Any, priorities: Any, there: str
) -> None:
    fake.put("configmaps", {"metadata": {"name": PRIORITIES_NAME, "namespace": SYSTEM}, "data": {"priorities": there}})
    assert expander.look(costs(a=0.1))
    assert priorities() == {11: ["^a$"], 1: [".*"]}


def test_an_everything_that_somebody_took_out_comes_back_at_once(
    expander: Expander, fake: Any, priorities: Any
) -> None:
    expander.look(costs(a=0.1))
    table = yaml.safe_dump({11: ["^a$"]})
    fake.put("configmaps", {"metadata": {"name": PRIORITIES_NAME, "namespace": SYSTEM}, "data": {"priorities": table}})
    assert expander.look(costs(a=0.1))
    assert priorities() == {11: ["^a$"], 1: [".*"]}


def test_pools_at_the_same_price_are_left_to_the_next_expander(expander: Expander, priorities: Any) -> None:
    expander.look(costs(a=0.1, b=0.1, c=0.3))
    assert priorities() == {21: ["^a$", "^b$"], 11: ["^c$"], 1: [".*"]}


def test_another_replica_goes_on_from_what_is_there(connected: client.ApiClient, expander: Expander) -> None:
    expander.look(costs(a=0.100, b=0.102))
    other = Expander(connected)
    assert not other.look(costs(a=0.1, b=0.097)), "within the margin the order that is there stands"


def test_only_the_replica_with_the_lease_writes(expander: Expander, fake: Any) -> None:
    expander.seat.taken = False
    assert not expander.look(costs(a=0.1))
    assert fake.requests == []


def test_a_refusal_is_told_and_tried_again(
    expander: Expander, fake: Any, priorities: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake.fail_next("POST", "configmaps", 403)
    with caplog.at_level(logging.WARNING), pytest.raises(Exception, match="403"):
        expander.look(costs(a=0.1))
    assert expander.look(costs(a=0.1))
    assert priorities() == {11: ["^a$"], 1: [".*"]}


@given(st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.floats(0.01, 9)), min_size=1), st.text())
def test_whatever_was_there_the_last_entry_is_everything_and_no_pool_is_missing(
    hourly: dict[str, float | None], there: str
) -> None:
    found = costs(**hourly)
    text = content_of(found, there)
    table = yaml.safe_load(text)
    assert table[min(table)] == [".*"]
    assert sorted(ordered_groups(text)) == sorted(f"^{name}$" for name in hourly)
    assert content_of(found, text) == text, "a text that is there already is not written again"


def test_nodes_are_listed_as_metadata_and_seldom(api: Any, fake: Any) -> None:
    fake.put("nodes", {"metadata": {"name": "n1", "labels": {"pool": "spot"}}})
    now_s = [0.0]
    lister = NodeLister(api, monotonic=lambda: now_s[0])
    assert [(one.name, one.labels) for one in lister()] == [("n1", {"pool": "spot"})]
    now_s[0] = 299
    lister()
    assert len(fake.requests) == 1
    assert fake.requests[0][3]["accept"].startswith("application/json;as=PartialObjectMetadataList")
    now_s[0] = 301
    lister()
    assert len(fake.requests) == 2
