"""`forescale doctor` on the real control plane: each trouble is made, found, and told with how to mend it."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.cluster.connection import KubernetesApi, connect
from app.cluster.doctor import Patient, diagnose
from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import ACCOUNT, NAMESPACE, ROOT
from tests.e2e.harness.twins import Sample

API = "v1beta1.external.metrics.k8s.io"
READER = "forescale-authentication-reader"


def doctor(scenario: Scenario, *words: str) -> tuple[int, list[dict[str, str]]]:
    command = [sys.executable, "-m", "app.cli", "doctor", "--kubeconfig", str(scenario.plane.admin), "--output", "json"]
    command += ["--prometheus-url", scenario.prometheus.url, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def errors(scenario: Scenario) -> dict[str, dict[str, str]]:
    """Subject -> finding, of what the doctor calls an error."""
    return {one["subject"]: one for one in doctor(scenario)[1] if one["level"] == "error"}


@contextmanager
def patched(scenario: Scenario, spec: dict[str, object]) -> Iterator[None]:
    """The APIService with something else in its spec."""
    before = scenario.plane.get("apiservice", API)["spec"]
    patch(scenario, spec)
    try:
        yield
    finally:
        patch(scenario, {key: before[key] for key in spec})
        wait_until(lambda: not errors(scenario), seconds=60, what="the doctor is content again")


def patch(scenario: Scenario, spec: dict[str, object]) -> None:
    scenario.plane.kubectl("patch", "apiservice", API, "--type=merge", "-p", json.dumps({"spec": spec}))


@pytest.fixture(autouse=True)
def after_the_surge(surge: list[Sample]) -> None:
    """Nothing is broken while the twins are compared."""


def test_a_sound_installation_has_nothing_to_mend(scenario: Scenario) -> None:
    code, findings = doctor(scenario)
    assert [one for one in findings if one["level"] == "error"] == []
    assert code == 0
    assert {"APIService", "RBAC", "LoadForecast", "Prometheus", "clock"} <= {one["subject"] for one in findings}


def test_a_ca_bundle_that_is_not_ours(scenario: Scenario) -> None:
    other = base64.b64encode(scenario.plane.front_proxy.file.read_bytes()).decode()
    with patched(scenario, {"caBundle": other}):
        found = wait_until(lambda: errors(scenario).get("APIService"), seconds=60, what="the doctor sees it")
        assert "x509" in found["text"]
        assert "caBundle" in found["remedy"]


def test_an_apiservice_that_belongs_to_somebody_else(scenario: Scenario) -> None:
    with patched(scenario, {"service": {"namespace": "keda", "name": "keda-operator-metrics-apiserver", "port": 443}}):
        code, findings = doctor(scenario)
        (found,) = [one for one in findings if one["subject"] == "APIService"]
        assert code == 1
        assert "keda/keda-operator-metrics-apiserver" in found["text"]
        assert "REST API" in found["remedy"]


def test_a_missing_binding_to_read_how_callers_are_told(scenario: Scenario) -> None:
    kept = scenario.plane.get("rolebinding", READER, "-n", "kube-system")
    scenario.plane.kubectl("delete", "rolebinding", READER, "-n", "kube-system")
    try:
        found = errors(scenario)["RBAC"]
        assert "extension-apiserver-authentication" in found["text"]
        assert "rolebinding-authentication-reader.yaml" in found["remedy"]
    finally:
        metadata = {key: kept["metadata"][key] for key in ("name", "namespace")}
        scenario.plane.apply({**kept, "metadata": metadata})
    assert "RBAC" not in errors(scenario)


def test_a_prometheus_that_is_down(scenario: Scenario) -> None:
    scenario.prometheus.stop()
    try:
        found = errors(scenario)["Prometheus"]
        assert scenario.prometheus.url in found["text"]
        assert "is it up" in found["remedy"]
    finally:
        scenario.prometheus.start()


@pytest.mark.parametrize(("skew", "word"), [(120.0, "behind"), (-120.0, "ahead of")])
def test_a_clock_that_is_wrong(scenario: Scenario, skew: float, word: str) -> None:
    patient = Patient(
        api=KubernetesApi(connect(scenario.plane.admin)),
        namespace=NAMESPACE,
        account=ACCOUNT,
        store=None,
        store_url="",
        now=lambda: time.time() + skew,
    )
    (found,) = [one for one in diagnose(patient) if one.subject == "clock"]
    assert found.level == "error"
    assert f"{word} this machine" in found.text
    assert "NTP" in found.remedy
