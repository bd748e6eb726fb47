"""Who is believed, on a real control plane with its real front proxy."""

import re
import time

import pytest

from app.telemetry import CERTIFICATE_END
from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness import twins

METRIC = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{twins.NAMESPACE}/{twins.REACTIVE}"
FORGED = {"X-Remote-User": "system:kube-controller-manager", "X-Remote-Group": "system:masters"}


def test_a_serviceaccount_without_the_rule_is_forbidden_in_the_usual_words(scenario: Scenario) -> None:
    scenario.plane.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stranger", "namespace": "default"}}
    )
    kubeconfig = scenario.plane.kubeconfig("stranger", scenario.plane.token("default", "stranger"))
    done = scenario.plane.try_kubectl("get", "--raw", METRIC, kubeconfig=kubeconfig)
    assert done.returncode
    assert (
        f'{twins.REACTIVE}.external.metrics.k8s.io is forbidden: User "system:serviceaccount:default:stranger" cannot '
        f'list resource "{twins.REACTIVE}" in API group "external.metrics.k8s.io" in the namespace "{twins.NAMESPACE}"'
    ) in done.stderr


def test_forged_headers_without_a_certificate_are_nobody(scenario: Scenario) -> None:
    answer = scenario.service.get(METRIC, headers=FORGED)
    assert answer.status_code == 403
    assert 'User "system:anonymous"' in answer.json()["message"]


def test_forged_headers_with_an_ordinary_client_certificate_are_that_client(scenario: Scenario) -> None:
    mallory = scenario.plane.cluster.issue("mallory")
    answer = scenario.service.get(METRIC, client=mallory, headers=FORGED)
    assert answer.status_code == 403
    assert 'User "mallory"' in answer.json()["message"]


def test_the_front_proxy_s_certificate_is_believed(scenario: Scenario) -> None:
    assert scenario.service.value(twins.NAMESPACE, twins.REACTIVE, client=scenario.proxy).status_code == 200


def test_the_front_proxy_s_ca_vouches_only_for_its_allowed_names(scenario: Scenario) -> None:
    other = scenario.plane.front_proxy.issue("somebody-else")
    assert scenario.service.get(METRIC, client=other, headers=FORGED).status_code == 401


def test_a_token_is_its_serviceaccount(scenario: Scenario) -> None:
    token = scenario.plane.token("kube-system", "horizontal-pod-autoscaler")
    answer = scenario.service.get(METRIC, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_need_no_identity(scenario: Scenario, path: str) -> None:
    assert scenario.service.get(path).status_code == 200


def test_the_scrape_of_metrics_needs_the_right_to_it(scenario: Scenario) -> None:
    assert scenario.service.get("/metrics").status_code == 403
    admin = scenario.plane.cluster.issue("root", organizations=("system:masters",))
    answer = scenario.service.get("/metrics", client=admin)
    assert "forescale_served_value{" in answer.text
    ends_s = float(re.findall(rf"^{CERTIFICATE_END.name} (\S+)$", answer.text, re.MULTILINE)[0])
    assert ends_s > time.time(), "the end of what is served, for the alert before it"
