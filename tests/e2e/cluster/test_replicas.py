"""Replicas hold no state: started apart, killed, started again, they serve the same bytes for the same cut."""

import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.e2e.cluster.conftest import REFRESH_SECONDS, Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import Service
from tests.e2e.harness.twins import Sample

CUTS = 5


def body_by_cut(service: Service, scenario: Scenario, name: str) -> tuple[str, bytes]:
    """The cut that a replica serves now, and its answer."""
    answer = service.value(twins.NAMESPACE, name, client=scenario.proxy)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][0]["timestamp"], answer.content


def same_cuts(first: Service, second: Service, scenario: Scenario, name: str, *, cuts: int) -> dict[str, set[bytes]]:
    """Answers of both, by cut, until `cuts` cuts were seen from both."""
    seen: dict[Service | str, dict[str, bytes]] = {"first": {}, "second": {}}

    def enough() -> bool:
        for place, service in (("first", first), ("second", second)):
            cut, body = body_by_cut(service, scenario, name)
            seen[place][cut] = body
        return len(seen["first"].keys() & seen["second"].keys()) >= cuts

    wait_until(enough, seconds=40, what=f"{cuts} cuts seen from both replicas")
    common = seen["first"].keys() & seen["second"].keys()
    return {cut: {seen["first"][cut], seen["second"][cut]} for cut in common}


@pytest.fixture(scope="module")
def second(scenario: Scenario) -> Iterator[Service]:
    service = scenario.replica("forescale-1").start()
    try:
        yield service.wait_until_ready()
    finally:
        service.stop()


@pytest.mark.parametrize("name", [twins.AHEAD, twins.REACTIVE])
def test_two_replicas_started_apart_serve_equal_bytes_for_the_same_cut(
    scenario: Scenario, second: Service, name: str
) -> None:
    answers = same_cuts(scenario.service, second, scenario, name, cuts=CUTS)
    assert [len(bodies) for bodies in answers.values()] == [1] * len(answers), answers


@pytest.mark.parametrize("end", [Service.kill, Service.stop])
def test_a_service_that_ended_leaves_no_process_and_serves_the_same_number_again(
    scenario: Scenario, second: Service, surge: list[Sample], end: Callable[[Service], None]
) -> None:
    assert scenario.service.server is not None
    children = psutil.Process(scenario.service.server.process.pid).children(recursive=True)
    assert children
    end(scenario.service)
    wait_until(lambda: not any(child.is_running() for child in children), seconds=20, what="its processes have ended")
    scenario.service.start().wait_until_ready()
    ready_at = time.monotonic()
    answers = same_cuts(scenario.service, second, scenario, twins.AHEAD, cuts=1)
    assert time.monotonic() - ready_at < 3 * REFRESH_SECONDS, "two cuts, of which one may have just begun"
    assert [len(bodies) for bodies in answers.values()] == [1] * len(answers), answers
