"""Prometheus away for longer than the staleness limit: the HPA holds, says why, and goes on by itself afterwards.

Until the next refresh the reason may be Stale: age is judged at the moment of the question, its cause by the pipeline.
"""

import time

from tests.e2e.cluster.conftest import STALENESS_SECONDS, Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.twins import Sample

HIGH, LOW = 58.0, 18.0
HIGH_REPLICAS, LOW_REPLICAS = 6, 2
ERRING_SECONDS = 15  # a Retry-After would make the HPA's client ask ten times for one metric, 20 s, before it says so
HELD_SECONDS = 35  # longer than the HPA's stabilization of 30 s: whatever holds it then is the missing metric


def replicas(scenario: Scenario) -> int:
    return int(scenario.plane.get("deployment", twins.AHEAD, "-n", twins.NAMESPACE)["spec"]["replicas"])


def scaling_active(scenario: Scenario) -> dict[str, str]:
    status = scenario.plane.get("hpa", twins.AHEAD, "-n", twins.NAMESPACE)["status"]
    return next(one for one in status["conditions"] if one["type"] == "ScalingActive")


def refused(scenario: Scenario) -> bool:
    answer = scenario.service.value(twins.NAMESPACE, twins.AHEAD, client=scenario.proxy)
    return answer.status_code == 503


def fresh(scenario: Scenario) -> dict[str, str]:
    status = scenario.plane.get("loadforecast", twins.AHEAD, "-n", twins.NAMESPACE)["status"]
    return next(one for one in status["conditions"] if one["type"] == "Fresh")


def test_the_hpa_holds_through_an_outage_of_prometheus_and_recovers(scenario: Scenario, surge: list[Sample]) -> None:
    scenario.exporter.load = lambda time_s: HIGH
    wait_until(lambda: replicas(scenario) == HIGH_REPLICAS, seconds=120, what="pods for the high load")
    scenario.prometheus.stop()
    scenario.exporter.load = lambda time_s: LOW
    try:
        wait_until(lambda: refused(scenario), seconds=STALENESS_SECONDS + 15, what="the door refuses")
        wait_until(
            lambda: "SourceUnavailable" in scaling_active(scenario)["message"],
            seconds=ERRING_SECONDS,
            what="the HPA errs",
        )
        condition = scaling_active(scenario)
        assert (condition["status"], condition["reason"]) == ("False", "FailedGetExternalMetric")
        wait_until(
            lambda: (fresh(scenario)["status"], fresh(scenario)["reason"]) == ("False", "SourceUnavailable"),
            seconds=60,
            what="Fresh is False and says why",
        )
        held_until = time.monotonic() + HELD_SECONDS
        counts = set()
        wait_until(
            lambda: counts.add(replicas(scenario)) or time.monotonic() > held_until,  # type: ignore[func-returns-value]
            seconds=HELD_SECONDS + 10,
            what="the time of holding",
        )
        assert counts == {HIGH_REPLICAS}
        assert scenario.service.get("/readyz").status_code == 200
    finally:
        scenario.prometheus.start()
    wait_until(lambda: scaling_active(scenario)["status"] == "True", seconds=60, what="the HPA has its metric again")
    wait_until(lambda: replicas(scenario) == LOW_REPLICAS, seconds=120, what="pods for the low load")
    wait_until(lambda: fresh(scenario)["status"] == "True", seconds=60, what="Fresh is True")
