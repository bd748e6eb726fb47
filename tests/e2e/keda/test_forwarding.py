"""The API taken over from KEDA: its metrics are passed on over TLS, each to who may read it, and scaling goes on."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import ACCOUNT, Service
from tests.e2e.harness.service import NAMESPACE as FORESCALE
from tests.e2e.harness.twins import NAMESPACE
from tests.e2e.keda.conftest import BY_GRPC, BY_REST, Scenario
from tests.e2e.keda.test_scaled_objects import HIGH, HIGH_REPLICAS, scales_to

OWN = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/{BY_GRPC}"
READERS = "forescale-passes-on"


def binding(name: str) -> dict[str, object]:
    """What the examples' README tells to bind: the service may read the other server's metrics."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "forescale-external-metrics-reader",
        },
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": FORESCALE}],
    }


def forwarding(scenario: Scenario, name: str, *, ca: Path) -> Service:
    """A replica that passes on to KEDA's metrics server."""
    token = scenario.plane.folder / f"{name}.token"
    token.write_text(scenario.plane.token(FORESCALE, ACCOUNT))
    settings = {key: value for key, value in scenario.settings.items() if "KEDA" not in key}
    settings |= {
        "FORESCALE_FORWARD_URL": f"https://localhost:{scenario.keda.port}",
        "FORESCALE_FORWARD_CA_FILE": str(ca),
        "FORESCALE_FORWARD_TOKEN_FILE": str(token),
    }
    service = Service(scenario.plane, name, scenario.serving, settings).start()
    scenario.others.append(service)
    return service.wait_until_ready()


@pytest.fixture(scope="module")
def owner(scenario: Scenario) -> Iterator[Service]:
    """The service owns the API; afterwards KEDA does again."""
    scenario.plane.apply(binding(READERS))
    service = forwarding(scenario, "forescale-1", ca=scenario.plane.cluster.file)
    ours = {"name": "forescale", "namespace": FORESCALE, "port": service.port}
    scenario.plane.apply(scenario.keda.api | {"spec": scenario.keda.api["spec"] | {"service": ours}})
    wait_until(lambda: read(scenario, OWN), seconds=60, what="our own metric is served under the API's name")
    yield service
    service.stop()
    scenario.plane.apply(scenario.keda.api)


def read(scenario: Scenario, path: str) -> str:
    """The value that kubectl gets through kube-apiserver."""
    (item,) = json.loads(scenario.plane.kubectl("get", "--raw", path))["items"]
    return str(item["value"])


def test_metrics_of_keda_are_passed_on_beside_our_own(scenario: Scenario, owner: Service) -> None:
    for name in (BY_GRPC, BY_REST):
        wait_until(lambda name=name: read(scenario, scenario.metric(name)), seconds=30, what=f"{name} through us")  # type: ignore[misc]
    assert read(scenario, OWN).removesuffix("m").isdigit()


def test_deployments_are_scaled_on_metrics_that_are_passed_on(scenario: Scenario, owner: Service) -> None:
    scenario.load.value = HIGH
    for name in (BY_GRPC, BY_REST):
        scales_to(scenario, name, HIGH_REPLICAS)
        assert scenario.scaling_active(name)["status"] == "True"


def test_who_may_not_read_a_metric_is_refused_before_it_is_passed_on(scenario: Scenario, owner: Service) -> None:
    stranger = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stranger", "namespace": "default"}}
    scenario.plane.apply(stranger)
    kubeconfig = scenario.plane.kubeconfig("stranger", scenario.plane.token("default", "stranger"))
    done = scenario.plane.try_kubectl("get", "--raw", scenario.metric(BY_GRPC), kubeconfig=kubeconfig)
    assert done.returncode
    assert 'User "system:serviceaccount:default:stranger" cannot list resource' in done.stderr


def test_the_other_server_reviews_the_service_s_own_right_too(scenario: Scenario, owner: Service) -> None:
    """Its refusal is passed on as it is: the service cannot read there more than it was given."""
    scenario.plane.kubectl("delete", "clusterrolebinding", READERS)
    try:

        def refused() -> bool:
            done = scenario.plane.try_kubectl("get", "--raw", scenario.metric(BY_GRPC))
            return f'User "system:serviceaccount:{FORESCALE}:{ACCOUNT}" cannot' in done.stderr

        wait_until(refused, seconds=60, what="KEDA refuses")  # it remembers an allowed access for some seconds
    finally:
        scenario.plane.apply(binding(READERS))
    wait_until(lambda: read(scenario, scenario.metric(BY_GRPC)), seconds=60, what="KEDA answers again")


def test_a_server_with_a_certificate_of_another_ca_gets_no_token(scenario: Scenario, owner: Service) -> None:
    service = forwarding(scenario, "forescale-2", ca=scenario.plane.front_proxy.file)
    try:
        root = scenario.plane.cluster.issue("root", organizations=("system:masters",))
        answer = service.get(scenario.metric(BY_GRPC), client=root)
        assert answer.status_code == 503
        assert "forwarded to does not answer" in answer.json()["message"]
    finally:
        service.stop()
