import pytest

from app.serving.access.attributes import Attributes, attributes_of

GROUP = "external.metrics.k8s.io"
ROOT = f"/apis/{GROUP}/v1beta1"


def metric(verb, resource, **more):
    return Attributes(verb, group=GROUP, version="v1beta1", resource=resource, **more)


def forecasts(verb, **more):
    return Attributes(verb, group="forescale.dev", version="v1alpha1", resource="loadforecasts", **more)


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", f"{ROOT}/namespaces/ns/m", b"", metric("list", "m", namespace="ns")),
        ("GET", f"{ROOT}/namespaces/ns/m/", b"", metric("list", "m", namespace="ns")),
        ("GET", f"{ROOT}/namespaces/ns/m", b"watch=true", metric("watch", "m", namespace="ns")),
        ("GET", f"{ROOT}/namespaces/ns/m", b"watch=false", metric("list", "m", namespace="ns")),
        ("GET", f"{ROOT}/namespaces/ns/m", b"labelSelector=watch", metric("list", "m", namespace="ns")),
        ("HEAD", f"{ROOT}/namespaces/ns/m", b"", metric("list", "m", namespace="ns")),
        ("POST", f"{ROOT}/namespaces/ns/m", b"", metric("create", "m", namespace="ns")),
        ("PUT", f"{ROOT}/namespaces/ns/m", b"", metric("update", "m", namespace="ns")),
        ("PATCH", f"{ROOT}/namespaces/ns/m", b"", metric("patch", "m", namespace="ns")),
        ("DELETE", f"{ROOT}/namespaces/ns/m", b"", metric("deletecollection", "m", namespace="ns")),
        ("DELETE", f"{ROOT}/namespaces/ns/m/n", b"", metric("delete", "m", namespace="ns", name="n")),
        ("GET", f"{ROOT}/namespaces/ns/m/n", b"", metric("get", "m", namespace="ns", name="n")),
        (
            "GET",
            f"{ROOT}/namespaces/ns/m/n/s",
            b"",
            metric("get", "m", namespace="ns", name="n", subresource="s"),
        ),
        ("GET", f"{ROOT}/namespaces/ns", b"", metric("get", "namespaces", namespace="ns", name="ns")),
        (
            "GET",
            f"{ROOT}/namespaces/ns/status",
            b"",
            metric("get", "namespaces", namespace="ns", name="ns", subresource="status"),
        ),
        ("GET", f"{ROOT}/namespaces", b"", metric("list", "namespaces")),
        ("GET", f"{ROOT}/m", b"", metric("list", "m")),
        ("GET", ROOT, b"", Attributes("get", path=ROOT)),
        ("GET", ROOT + "/", b"", Attributes("get", path=ROOT + "/")),
        ("GET", f"/apis/{GROUP}", b"", Attributes("get", path=f"/apis/{GROUP}")),
        ("GET", "/apis", b"", Attributes("get", path="/apis")),
        ("GET", "/openapi/v3", b"", Attributes("get", path="/openapi/v3")),
        ("GET", "/metrics", b"", Attributes("get", path="/metrics")),
        ("GET", "/", b"", Attributes("get", path="/")),
        ("GET", "", b"", Attributes("get", path="")),
        ("GET", "/static/plots.js", b"", Attributes("get", path="/static/plots.js")),
        ("POST", "/healthz", b"", Attributes("post", path="/healthz")),
        ("GET", "/api/v1/workloads", b"", forecasts("list")),
        ("HEAD", "/api/v1/workloads", b"", forecasts("list")),
        ("GET", "/api/v1/workloads", b"limit=3&namespace=ns", forecasts("list", namespace="ns")),
        ("GET", "/api/v1/workloads", b"namespace=ns&namespace=other", forecasts("list")),
        ("GET", "/api/v1/workloads", b"namespace=", forecasts("list")),
        ("POST", "/api/v1/namespaces/ns/loadforecasts/n/what-if", b"", forecasts("get", namespace="ns", name="n")),
        ("GET", "/api/v1/namespaces/ns/loadforecasts/n/what-if/x", b"", forecasts("get", namespace="ns", name="n")),
        ("POST", "/api/v1/what-if", b"", Attributes("post", path="/api/v1/what-if")),
        ("POST", "/prometheus/api/v1/query", b"", forecasts("list")),
        ("GET", "/prometheus/namespaces/ns/api/v1/labels", b"", forecasts("list", namespace="ns")),
        ("GET", "/prometheus//namespaces/ns/api/v1/labels", b"", forecasts("list")),
        ("POST", "/json-datasource/query", b"", forecasts("list")),
        ("POST", "/json-datasource/namespaces/ns/query", b"", forecasts("list", namespace="ns")),
        ("POST", "/api/v1/workloads", b"", forecasts("create")),
        ("GET", "/api/v1/namespaces/ns/loadforecasts", b"", forecasts("list", namespace="ns")),
        ("GET", "/api/v1/namespaces/ns/loadforecasts/n", b"", forecasts("get", namespace="ns", name="n")),
        ("GET", "/api/v1/namespaces/ns/loadforecasts/n/forecast", b"", forecasts("get", namespace="ns", name="n")),
        ("POST", "/api/v1/namespaces/ns/loadforecasts/n/replay", b"", forecasts("create", namespace="ns", name="n")),
        ("GET", "/api/v1/namespaces/ns/other/n", b"", forecasts("get", namespace="ns")),
        ("GET", "/api/v1/health", b"", Attributes("get", path="/api/v1/health")),
        ("GET", "/api/v1", b"", Attributes("get", path="/api/v1")),
        ("GET", "/api/v1/namespaces", b"", Attributes("get", path="/api/v1/namespaces")),
    ],
)
def test_a_request_means_this_access(method, path, query, expected):
    assert attributes_of(method, path, query) == expected


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        (
            metric("list", "m", namespace="ns"),
            'm.external.metrics.k8s.io is forbidden: User "u" cannot list resource "m" in API group '
            '"external.metrics.k8s.io" in the namespace "ns"',
        ),
        (
            forecasts("get", namespace="ns", name="n"),
            'loadforecasts.forescale.dev "n" is forbidden: User "u" cannot get resource "loadforecasts" in API group '
            '"forescale.dev" in the namespace "ns"',
        ),
        (
            forecasts("list"),
            'loadforecasts.forescale.dev is forbidden: User "u" cannot list resource "loadforecasts" in API group '
            '"forescale.dev" at the cluster scope',
        ),
        (Attributes("get", path="/metrics"), 'forbidden: User "u" cannot get path "/metrics"'),
    ],
)
def test_a_denial_uses_the_words_of_kubernetes(attributes, text):
    assert attributes.forbidden("u") == text


def test_a_review_holds_only_what_is_set():
    assert metric("list", "m", namespace="ns").review() == {
        "resourceAttributes": {
            "namespace": "ns",
            "verb": "list",
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "resource": "m",
        }
    }
    assert Attributes("get", path="/metrics").review() == {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
