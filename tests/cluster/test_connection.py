"""How kube-apiserver is spoken to, and what comes out when it does not answer as hoped."""

import contextlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app import __version__
from app.cluster.connection import FIELD_MANAGER, ApiFailure, KubernetesApi, api_client, connect
from app.cluster.permissions import (
    CERTIFICATES,
    GET_LEASE,
    LIST_PODS,
    PATCH_APISERVICE,
    PATCH_STATUS,
    SERVICE,
    UPDATE_LEASE,
    WATCH_PODS,
    Permission,
)
from app.errors import ClusterError
from app.settings import Settings


def test_calls_carry_the_token_and_say_who_calls(fake: Any, api: KubernetesApi) -> None:
    api.call(LIST_PODS)
    headers = fake.requests[-1][3]
    assert headers["user-agent"] == f"forescale/{__version__}"
    assert headers["authorization"] == "Bearer of-the-replica"
    assert headers["accept"] == "application/json"


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


@pytest.mark.parametrize(
    ("permission", "names", "path"),
    [
        (LIST_PODS, {}, "/api/v1/pods"),
        (LIST_PODS, {"namespace": "mcp"}, "/api/v1/namespaces/mcp/pods"),
        (
            PATCH_STATUS,
            {"namespace": "mcp", "name": "web"},
            "/apis/forescale.dev/v1alpha1/namespaces/mcp/loadforecasts/web/status",
        ),
        (
            PATCH_APISERVICE,
            {"name": PATCH_APISERVICE.name},
            "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io",
        ),
    ],
)
def test_a_permission_knows_its_path(permission: Any, names: dict[str, str], path: str) -> None:
    assert permission.path(**names) == path


def test_only_verbs_of_the_list_are_ever_sent(fake: Any, api: KubernetesApi) -> None:
    methods = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
    for permission in sorted(SERVICE | CERTIFICATES, key=str):
        if permission.verb == "watch":
            continue
        body = {"metadata": {"name": "x"}} if permission.verb in ("create", "update", "patch") else None
        namespace = None if permission.scope == "cluster" else "forescale"
        with contextlib.suppress(ApiFailure):  # nothing is there to be read or changed
            api.call(permission, namespace=namespace, name=None if permission.verb == "list" else "x", body=body)
        assert fake.requests[-1][0] == methods[permission.verb], permission


def test_a_patch_is_a_merge_patch_and_keeps_its_nulls(fake: Any, api: KubernetesApi) -> None:
    fake.put("loadforecasts", {"metadata": {"name": "web", "namespace": "mcp"}, "status": {"skill": "1"}})
    answer = api.call(PATCH_STATUS, namespace="mcp", name="web", body={"status": {"skill": None, "coverage": "0.9"}})
    assert fake.requests[-1][3]["content-type"] == "application/merge-patch+json"
    assert fake.requests[-1][4] == {"status": {"skill": None, "coverage": "0.9"}}
    assert answer["status"] == {"coverage": "0.9"}


def test_an_apply_owns_its_fields_and_creates_what_is_not_there(fake: Any, api: KubernetesApi) -> None:
    body = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "web", "namespace": "mcp"}, "spec": {"size": 3}}
    for _ in range(2):
        answer = api.apply(Permission("patch", "", "v1", "things", "all"), body, namespace="mcp")
        method, path, query, headers, sent = fake.requests[-1]
        assert (method, path) == ("PATCH", "/api/v1/namespaces/mcp/things/web")
        assert headers["content-type"] == "application/apply-patch+yaml"
        assert query == {"fieldManager": FIELD_MANAGER, "force": "true"}
        assert (sent, answer["spec"]) == (body, {"size": 3})


def test_a_refusal_carries_its_status_and_the_servers_message(fake: Any, api: KubernetesApi) -> None:
    fake.fail_next("GET", "/leases/", 403)
    with pytest.raises(ApiFailure, match=r"get /apis/coordination\.k8s\.io.*: 403 scripted 403") as caught:
        api.call(GET_LEASE, namespace="forescale")
    assert caught.value.status == 403
    assert isinstance(caught.value, ClusterError)


def test_a_write_that_was_refused_is_not_repeated(fake: Any, api: KubernetesApi) -> None:
    fake.fail_next("PUT", "/leases/", 503)
    with pytest.raises(ApiFailure):
        api.call(UPDATE_LEASE, namespace="forescale", body={})
    assert [method for method, *_ in fake.requests] == ["PUT"]


def test_an_overloaded_api_is_not_waited_for_inside_a_call(fake: Any, api: KubernetesApi) -> None:
    """The caller decides when to come back; a call that sleeps would outlast the lease."""
    fake.fail_next("GET", "/pods", 429)
    with pytest.raises(ApiFailure) as caught:
        api.call(LIST_PODS)
    assert caught.value.status == 429
    assert len(fake.requests) == 1


def test_an_api_that_is_gone_is_a_cluster_error(fake: Any, api: KubernetesApi) -> None:
    fake.close()
    with pytest.raises(ApiFailure) as caught:
        api.call(LIST_PODS)
    assert caught.value.status == 0
    with pytest.raises(ApiFailure):
        api.stream(WATCH_PODS, namespace=None, query={}, read_seconds=1)


def test_without_credentials_the_text_says_what_is_missing(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(ClusterError, match=r"no credentials .* kubeconfig"):
        connect(None)
    with pytest.raises(ClusterError, match=r"nowhere\.yaml"):
        api_client(settings.model_copy(update={"kubeconfig": tmp_path / "nowhere.yaml"}))
