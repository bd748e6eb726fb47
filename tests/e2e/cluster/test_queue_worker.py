"""A worker on a queue under the real HPA with minReplicas 0: at zero, up before the jobs come, at zero again after."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.cluster.conftest import BATCH_SECONDS, Scenario
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.workers import DIGEST, NAMESPACE, QUEUES, Look

AFTER_SECONDS = 45  # for the end of the batch to be seen, the drop to be judged and the HPA to act
LEAST_ASLEEP_SECONDS = 20


@pytest.fixture(scope="module")
def looks(scenario: Scenario) -> Iterator[list[Look]]:
    """Of the worker, until a while after the batch. Then it goes: each replica that is started later would fit it."""
    end_s = scenario.watcher.batch.at_s + BATCH_SECONDS
    seen = scenario.watcher.looks
    wait_until(
        lambda: (bool(seen) and seen[-1].time_s > end_s and not seen[-1].asked) or time.time() > end_s + AFTER_SECONDS,
        seconds=max(end_s - time.time(), 0) + AFTER_SECONDS + 10,
        what="the batch is over",
    )
    yield scenario.watcher.looks
    scenario.watcher.stop()
    scenario.plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_the_worker_has_a_pod_when_the_jobs_come_and_none_before_and_after(
    scenario: Scenario, looks: list[Look], capsys: pytest.CaptureFixture[str]
) -> None:
    at_s = scenario.watcher.batch.at_s
    asleep = [look for look in looks if look.time_s < at_s and look.asked == 0]
    assert asleep, "never scaled to zero before the batch"
    assert asleep[-1].time_s - asleep[0].time_s >= LEAST_ASLEEP_SECONDS
    assert asleep[-1].scaled_to_zero == "True"
    ready = next(look for look in looks if look.time_s > asleep[-1].time_s and look.ready > 0)
    with capsys.disabled():
        print(f"\nwoken {at_s - asleep[-1].time_s:.0f} s and Ready {at_s - ready.time_s:.0f} s before the jobs", end="")
    assert ready.time_s < at_s
    busy = [look for look in looks if look.jobs > 0]
    assert all(look.ready > 0 for look in busy)
    last = looks[-1]
    with capsys.disabled():
        print(f"; at zero {last.time_s - at_s - BATCH_SECONDS:.0f} s after the last one")
    assert (last.jobs, last.asked, last.scaled_to_zero) == (0, 0, "True")


def test_zero_is_said_to_be_zero_for_a_reason(scenario: Scenario, looks: list[Look]) -> None:
    answer = scenario.service.value(NAMESPACE, DIGEST, client=scenario.proxy)
    assert answer.json()["items"][0]["value"] == "0"

    def acting() -> tuple[str, str]:
        status = scenario.plane.get("loadforecast", DIGEST, "-n", NAMESPACE)["status"]
        (found,) = [one for one in status["conditions"] if one["type"] == "Acting"]
        return found["status"], found["reason"]

    wait_until(lambda: acting() == ("True", "NothingExpected"), seconds=30, what="the condition says so")


def test_jobs_are_told_apart_by_their_queue_and_add_up(scenario: Scenario, looks: list[Look]) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/loadforecasts/{DIGEST}/parts?horizon=600"
    headers = {"X-Remote-User": "administrator", "X-Remote-Group": "system:masters"}
    found = scenario.service.get(path, client=scenario.proxy, headers=headers).json()
    queues = [one["labels"]["queue"] for one in found["parts"]]
    assert sorted(queues[:2]) == sorted(QUEUES), found[
        "note"
    ]  # a batch of a minute may lie between two columns of five
    assert queues[2:] == ["_OTHER"]
    assert found["whole"]
    for place, whole in enumerate(found["whole"]):
        assert sum(one["values"][place] for one in found["parts"]) == whole
