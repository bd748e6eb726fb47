"""ScaledObjects with both triggers: KEDA asks the service, the real HPA asks KEDA, and Deployments follow the load."""

import json
import subprocess
import sys
import time
from decimal import Decimal

import pytest
from kubernetes.utils.quantity import parse_quantity

from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import ROOT
from tests.e2e.harness.twins import NAMESPACE, deployment
from tests.e2e.keda.conftest import BY_GRPC, BY_REST, LOW, STALENESS_SECONDS, Scenario, scaled_object

HIGH, HIGH_REPLICAS, LOW_REPLICAS = 58.0, 6, 2
HELD_SECONDS = 20  # longer than the service's staleness limit, and many of the HPA's and KEDA's rounds

BOTH = pytest.mark.parametrize("name", [BY_GRPC, BY_REST])


def cli(scenario: Scenario, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app.cli", *words, "--kubeconfig", str(scenario.plane.admin)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def scales_to(scenario: Scenario, name: str, replicas: int) -> None:
    wait_until(lambda: scenario.replicas(name) == replicas, seconds=90, what=f"{name} has {replicas} replicas")


@BOTH
def test_a_deployment_follows_the_load_through_keda(scenario: Scenario, name: str) -> None:
    scales_to(scenario, name, LOW_REPLICAS)
    scenario.load.value = HIGH
    scales_to(scenario, name, HIGH_REPLICAS)
    scenario.load.value = LOW
    scales_to(scenario, name, LOW_REPLICAS)


@BOTH
def test_what_the_hpa_gets_from_keda_is_what_the_service_serves(scenario: Scenario, name: str) -> None:
    scenario.load.value = 37.5

    def settled() -> bool:
        found = json.loads(scenario.plane.kubectl("get", "--raw", scenario.metric(name)))
        (item,) = found["items"]
        assert parse_quantity(item["value"]) == Decimal("37.5"), item
        return True

    wait_until(settled, seconds=60, what="KEDA gives the served value")
    current = scenario.hpa(name)["spec"]["metrics"][0]["external"]["target"]
    assert current == {"type": "AverageValue", "averageValue": "10"}


def test_without_a_number_keda_keeps_what_runs_and_counts_an_error(scenario: Scenario) -> None:
    scenario.load.value = HIGH
    for name in (BY_GRPC, BY_REST):
        scales_to(scenario, name, HIGH_REPLICAS)
    scenario.prometheus.stop()
    scenario.load.value = LOW
    try:
        for name in (BY_GRPC, BY_REST):
            wait_until(
                lambda name=name: scenario.scaling_active(name)["status"] == "False",  # type: ignore[misc]
                seconds=STALENESS_SECONDS + 60,
                what=f"the HPA of {name} errs",
            )
        until = time.monotonic() + HELD_SECONDS
        seen: set[tuple[int, int]] = set()

        def watched() -> bool:
            seen.add((scenario.replicas(BY_GRPC), scenario.replicas(BY_REST)))
            return time.monotonic() > until

        wait_until(watched, seconds=HELD_SECONDS + 30, what="the time of holding")
        assert seen == {(HIGH_REPLICAS, HIGH_REPLICAS)}
    finally:
        scenario.prometheus.start()
    for name in (BY_GRPC, BY_REST):
        scales_to(scenario, name, LOW_REPLICAS)


def test_a_trigger_that_names_no_loadforecast_is_told_by_keda(scenario: Scenario) -> None:
    trigger = {"scalerAddress": f"localhost:{scenario.grpc_port}", "loadForecast": "no-such"}
    wrong = scaled_object(BY_GRPC, "external", trigger)
    wrong["metadata"]["name"] = wrong["spec"]["scaleTargetRef"]["name"] = "astray"
    scenario.plane.apply(deployment("astray"), wrong)
    try:

        def told() -> bool:
            conditions = scenario.plane.get("scaledobject", "astray", "-n", NAMESPACE)["status"]["conditions"]
            return any(one["type"] == "Ready" and one["status"] == "False" for one in conditions)

        wait_until(told, seconds=60, what="KEDA says that it is not ready")
    finally:
        scenario.plane.kubectl("delete", "scaledobject,deployment", "astray", "-n", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("words", [("certificates", "--check"), ("doctor", "--output", "json")])
def test_the_installation_s_check_refuses_and_names_the_owner(scenario: Scenario, words: tuple[str, ...]) -> None:
    done = cli(scenario, *words)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "belongs to keda/keda-metrics-apiserver" in told
    assert "FORESCALE_FORWARD_URL" in told
