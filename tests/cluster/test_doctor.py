"""What the doctor says about replicas, certificate, namespaces and HPAs; the rest is shown on a real control plane."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.cluster.connection import KubernetesApi
from app.cluster.doctor import diagnose
from app.cluster.findings import Finding, Patient
from app.cluster.issuing import SERVING_LIFE, new_authority, new_serving, utc
from app.cluster.permissions import EXTERNAL_METRICS_API, SERVING_SECRET
from app.cluster.surroundings import asked_by_keda, certificate, deployment, namespaces
from app.cluster.users import autoscalers

NOW_S = 1_800_000_000
Object = dict[str, Any]
Look = Callable[[Patient], Any]


@pytest.fixture
def found(api: KubernetesApi) -> Callable[[Look], list[Finding]]:
    patient = Patient(api, "forescale", "forescale", None, "", lambda: NOW_S)
    return lambda look: list(look(patient))


def replicas(wanted: int, ready: int) -> Object:
    template = {"spec": {"containers": [{"image": "registry.example/forescale:1"}]}}
    metadata = {"namespace": "forescale", "name": "forescale"}
    return {
        "metadata": metadata,
        "spec": {"replicas": wanted, "template": template},
        "status": {"readyReplicas": ready},
    }


@pytest.mark.parametrize(
    ("wanted", "ready", "level"), [(2, 2, "ok"), (2, 1, "warning"), (2, 0, "error"), (0, 0, "warning")]
)
def test_replicas_are_told_by_how_many_are_ready(fake: Any, found: Any, wanted: int, ready: int, level: str) -> None:
    fake.put("deployments", replicas(wanted, ready))
    (one,) = found(deployment)
    assert one.level == level
    assert bool(one.remedy) == (level != "ok")


def test_a_deployment_that_is_gone_while_the_api_remains_is_an_error(found: Any) -> None:
    (one,) = found(deployment)
    assert one.level == "error"
    assert "delete the APIService" in one.remedy


@pytest.mark.parametrize(("ports", "asked"), [([], False), ([{"name": "https"}], False), ([{"name": "grpc"}], True)])
def test_who_is_asked_by_keda_is_known_by_its_port(
    fake: Any, api: KubernetesApi, ports: list[Object], asked: bool
) -> None:
    found = replicas(2, 2)
    found["spec"]["template"]["spec"]["containers"][0]["ports"] = ports
    fake.put("deployments", found)
    assert asked_by_keda(Patient(api, "forescale", "forescale", None, "", lambda: NOW_S)) is asked


@pytest.mark.parametrize(("days", "level"), [(89, "ok"), (21, "ok"), (19, "warning"), (9, "error"), (-1, "error")])
def test_a_certificate_is_told_by_the_days_that_it_lasts(fake: Any, found: Any, days: int, level: str) -> None:
    issued_at = utc(NOW_S) + timedelta(days=days, hours=1) - SERVING_LIFE
    issued = new_serving(new_authority(now=issued_at), dns_names=["forescale.forescale.svc"], now=issued_at)
    data = {"tls.crt": base64.b64encode(issued.certificate).decode()}
    fake.put("secrets", {"metadata": {"namespace": "forescale", "name": SERVING_SECRET}, "data": data})
    (one,) = found(certificate)
    assert one.level == level, one
    assert level == "ok" or "forescale certificates" in one.remedy


def test_no_certificate_and_a_broken_one_are_told_apart(fake: Any, found: Any) -> None:
    assert [one.level for one in found(certificate)] == ["warning"]
    data = {"tls.crt": base64.b64encode(b"junk").decode()}
    fake.put("secrets", {"metadata": {"namespace": "forescale", "name": SERVING_SECRET}, "data": data})
    assert [one.level for one in found(certificate)] == ["error"]


def test_only_namespaces_that_wait_for_this_api_are_named(fake: Any, found: Any) -> None:
    for name, message in (
        ("one", "external.metrics.k8s.io/v1beta1: stale GroupVersion"),
        ("two", "apps/v1"),
        ("x", ""),
    ):
        conditions = [{"type": "NamespaceDeletionDiscoveryFailure", "status": "True", "message": message}]
        fake.put("namespaces", {"metadata": {"name": name}, "status": {"conditions": conditions if message else []}})
    (one,) = found(namespaces)
    assert one.level == "error"
    assert one.text.startswith("one: ")
    assert "kubectl delete apiservice" in one.remedy


def loadforecast(**spec: Any) -> Object:
    whole = {"targetRef": {"name": "web"}, "demand": {"query": "up"}, "capacityPerPod": "2"} | spec
    return {"metadata": {"namespace": "mcp", "name": "web"}, "spec": whole}


def hpa(
    average: str = "2",
    *,
    held: int | None = None,
    tolerance: str | None = "0",
    named: tuple[str, ...] = ("web",),
    conditions: tuple[Object, ...] = (),
) -> Object:
    target = {"type": "AverageValue", "averageValue": average}
    metrics = [{"type": "External", "external": {"metric": {"name": name}, "target": target}} for name in named]
    behavior: Object = {} if held is None else {"scaleDown": {"stabilizationWindowSeconds": held}}
    if tolerance is not None:
        behavior["scaleUp"] = {"tolerance": tolerance}
    spec = {"maxReplicas": 9, "metrics": metrics, "behavior": behavior}
    return {"metadata": {"namespace": "mcp", "name": "front"}, "spec": spec, "status": {"conditions": [*conditions]}}


def test_an_hpa_that_fits_its_loadforecast_is_well(fake: Any, found: Any) -> None:
    fake.put("loadforecasts", loadforecast(scaleDownStabilizationSeconds=60))
    fake.put("horizontalpodautoscalers", hpa("2000m", held=60))
    assert [one.level for one in found(autoscalers)] == ["ok"]


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (hpa("3"), "wants 3 a pod"),
        (hpa(held=60), "holds pods for 60 s"),
        (hpa(tolerance=None), "no behavior.scaleUp.tolerance"),
        (hpa(conditions=({"type": "ScalingActive", "status": "False", "reason": "FailedGet"},)), "does not scale"),
        (
            hpa(conditions=({"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"},)),
            "at its maxReplicas, 9",
        ),
    ],
)
def test_an_hpa_that_does_not_fit_is_told_with_what_to_change(fake: Any, found: Any, one: Object, word: str) -> None:
    fake.put("loadforecasts", loadforecast())
    fake.put("horizontalpodautoscalers", one)
    (finding,) = found(autoscalers)
    assert finding.level == "warning"
    assert word in finding.text
    assert finding.remedy


@pytest.mark.parametrize("tolerance", ["0", "100m"])
def test_a_tolerance_that_is_kept_is_the_users_choice(fake: Any, found: Any, tolerance: str) -> None:
    fake.put("loadforecasts", loadforecast())
    fake.put("horizontalpodautoscalers", hpa(tolerance=tolerance))
    assert [one.level for one in found(autoscalers)] == ["ok"]


def test_a_tolerance_that_the_server_dropped_is_told_once_with_the_versions_that_keep_it(fake: Any, found: Any) -> None:
    for name in ("web", "web-2"):
        item = loadforecast()
        item["metadata"]["name"] = name
        fake.put("loadforecasts", item)
    fake.put("horizontalpodautoscalers", hpa(tolerance=None, named=("web", "web-2")))
    (finding,) = found(autoscalers)
    assert finding.text.startswith("HPA mcp/front has no behavior.scaleUp.tolerance")
    assert "1.35" in finding.remedy
    assert "HPAConfigurableTolerance" in finding.remedy


def test_an_hpa_on_metrics_of_others_is_left_alone(fake: Any, found: Any) -> None:
    fake.put("horizontalpodautoscalers", hpa(tolerance=None))
    assert [one.level for one in found(autoscalers)] == ["ok"]


def test_a_loadforecast_that_no_hpa_names_is_told(fake: Any, found: Any) -> None:
    fake.put("loadforecasts", loadforecast())
    (finding,) = found(autoscalers)
    assert "no HPA names mcp/web" in finding.text


def test_many_findings_are_cut_off_and_counted(fake: Any, found: Any) -> None:
    for number in range(30):
        item = loadforecast()
        item["metadata"]["name"] = f"web-{number}"
        fake.put("loadforecasts", item)
    findings = found(autoscalers)
    assert len(findings) == 21
    assert "10 more" in findings[-1].text


@pytest.mark.parametrize(("port", "level"), [("https", "error"), ("grpc", "ok")])
def test_an_api_of_somebody_else_is_an_error_unless_it_is_left_to_keda(
    fake: Any, api: KubernetesApi, port: str, level: str
) -> None:
    owner = {"namespace": "keda", "name": "keda-operator-metrics-apiserver"}
    fake.put("apiservices", {"metadata": {"name": EXTERNAL_METRICS_API}, "spec": {"service": owner}})
    installed = replicas(2, 2)
    installed["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": port}]
    fake.put("deployments", installed)
    patient = Patient(api, "forescale", "forescale", None, "", lambda: NOW_S)
    (one,) = [one for one in diagnose(patient) if one.subject == "APIService"]
    assert one.level == level
    assert "keda/keda-operator-metrics-apiserver" in one.text
