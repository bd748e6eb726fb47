"""What can be wrong with an installation, looked for one by one; each finding says how to mend it.

Runs with the rights of whoever asks (an administrator), not with the service's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from app.cluster.certificates import SERVICE_NAME, ForeignApiService, Keeping
from app.cluster.connection import ApiFailure
from app.cluster.findings import Finding as Finding
from app.cluster.findings import Patient as Patient
from app.cluster.findings import condition
from app.cluster.permissions import (
    EXTERNAL_METRICS_API,
    GET_APISERVICE,
    LIST_LOADFORECASTS,
    REVIEW_ACCESS_OF_OTHERS,
    SERVICE,
    Permission,
)
from app.cluster.surroundings import asked_by_keda, certificate, deployment, namespaces, version
from app.cluster.users import autoscalers
from app.errors import ClusterError, SourceError
from app.telemetry import shortened

MOST_SKEW_SECONDS = 5.0
_METRICS_GROUP = "external.metrics.k8s.io"
_HPA = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
_NOT_FOUND = 404


def diagnose(patient: Patient) -> Iterator[Finding]:
    """All findings, the most basic first."""
    looks = (
        version,
        deployment,
        certificate,
        _api_service,
        namespaces,
        _rights,
        _loadforecasts,
        autoscalers,
        _server_clock,
    )
    for look in looks:
        yield from _reachable(look, patient)
    yield from _store(patient)


def _reachable(look: Callable[[Patient], Iterator[Finding]], patient: Patient) -> Iterator[Finding]:
    try:
        yield from look(patient)
    except ClusterError as error:
        text = shortened(str(error))
        yield Finding("error", "kube-apiserver", text, "check the kubeconfig, its user's rights, and the network")


def _api_service(patient: Patient) -> Iterator[Finding]:
    keeping = Keeping(patient.api, namespace=patient.namespace, service=SERVICE_NAME)
    try:
        if not keeping.check_owner():
            remedy = "kubectl apply --server-side -k k8s/overlays/production"
            yield Finding("error", "APIService", f"there is no {EXTERNAL_METRICS_API}", remedy)
            return
    except ForeignApiService as error:
        what, _, remedy = str(error).partition(". ")
        yield (
            Finding("ok", "APIService", what)
            if asked_by_keda(patient)
            else Finding("error", "APIService", what, remedy)
        )
        return
    found = patient.api.call(GET_APISERVICE, name=EXTERNAL_METRICS_API)
    available = condition(found, "Available")
    if available.get("status") == "True":
        yield Finding("ok", "APIService", f"{EXTERNAL_METRICS_API} is ours and Available")
        return
    message = shortened(str(available.get("message") or "kube-apiserver has not looked yet"), 400)
    yield Finding(
        "error", "APIService", f"not Available: {available.get('reason')}: {message}", _remedy(message, found)
    )


def _remedy(message: str, found: dict[str, Any]) -> str:
    if "x509" in message or "certificate" in message or not found["spec"].get("caBundle"):
        return (
            "kube-apiserver does not trust the serving certificate: the caBundle is not that of its CA, or the name is "
            "wrong. Run `forescale certificates`, or check the cert-manager component's annotation"
        )
    if "403" in message or "401" in message or "500" in message:
        return "the service could not find out who asks: see the rights below, and the service's log"
    return "are pods of the Deployment ready (kubectl -n forescale get pods), and may kube-apiserver reach their port?"


def _rights(patient: Patient) -> Iterator[Finding]:
    """Whether the service, and the HPA, may do what they must: asked of the cluster's own authorizer."""
    service = f"system:serviceaccount:{patient.namespace}:{patient.account}"
    wanted = [_Right(_attributes(one, patient.namespace), _remedy_of(one)) for one in sorted(SERVICE, key=repr)]
    wanted += [
        _Right(
            {"verb": "get", "resource": "configmaps", "namespace": "kube-system", "name": _AUTHENTICATION},
            "apply k8s/base/rolebinding-authentication-reader.yaml: without it no caller can be told from another",
        ),
        *(
            _Right(
                {"verb": "create", "group": f"{kind}.k8s.io", "resource": resource},
                "apply k8s/base/clusterrolebinding-auth-delegator.yaml",
            )
            for kind, resource in (("authentication", "tokenreviews"), ("authorization", "subjectaccessreviews"))
        ),
    ]
    missing = [one for one in wanted if not _may(patient, service, one.attributes)]
    for one in missing:
        yield Finding("error", "RBAC", f"{service} may not {_told(one.attributes)}", one.remedy)
    if not missing:
        yield Finding("ok", "RBAC", f"{service} has all {len(wanted)} rights that it needs")
    reading = {"verb": "list", "group": _METRICS_GROUP, "resource": "*"}
    if _may(patient, _HPA, reading):
        yield Finding("ok", "RBAC", "the HPA may read external metrics")
    else:
        remedy = "apply k8s/base/clusterrolebinding-hpa-external-metrics-reader.yaml"
        yield Finding("error", "RBAC", f"{_HPA} may not {_told(reading)}", remedy)


_AUTHENTICATION = "extension-apiserver-authentication"


@dataclass(frozen=True)
class _Right:
    attributes: dict[str, str]
    remedy: str


def _attributes(permission: Permission, namespace: str) -> dict[str, str]:
    resource, _, subresource = permission.resource.partition("/")
    named = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace if permission.scope == "own" else "",
        "name": permission.name or "",
    }
    return {key: value for key, value in named.items() if value}


def _remedy_of(permission: Permission) -> str:
    own = permission.scope == "own"
    return f"apply k8s/base/{'role-status-writer.yaml' if own else 'clusterrole-forescale.yaml'} and its binding"


def _told(attributes: dict[str, str]) -> str:
    where = f" in {attributes['namespace']}" if "namespace" in attributes else ""
    named = f" {attributes['name']}" if "name" in attributes else ""
    return f"{attributes['verb']} {attributes['resource']}{named}{where}"


def _may(patient: Patient, user: str, attributes: dict[str, str]) -> bool:
    groups = ["system:serviceaccounts", "system:authenticated"]
    spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    status = patient.api.call(REVIEW_ACCESS_OF_OTHERS, body=body).get("status") or {}
    return status.get("allowed") is True


def _loadforecasts(patient: Patient) -> Iterator[Finding]:
    try:
        items = patient.api.call(LIST_LOADFORECASTS).get("items") or []
    except ApiFailure as failure:
        if failure.status != _NOT_FOUND:
            raise
        yield Finding("error", "LoadForecast", "its definition is not there", "apply k8s/base/crd-loadforecasts.yaml")
        return
    troubled = 0
    for item in items:
        key = f"{item['metadata'].get('namespace')}/{item['metadata'].get('name')}"
        conditions = (item.get("status") or {}).get("conditions") or []
        bad = [one for one in conditions if one.get("type") in ("Ready", "Fresh") and one.get("status") == "False"]
        troubled += bool(bad) or not conditions
        if bad:
            text = f"{key}: {bad[-1].get('reason')}: {shortened(str(bad[-1].get('message')))}"
            yield Finding("warning", "LoadForecast", text, f"kubectl -n {key.replace('/', ' describe loadforecast ')}")
        elif not conditions:
            text = f"{key} has no status"
            yield Finding("warning", "LoadForecast", text, "is a replica running, and may it write a status?")
    if not troubled:
        yield Finding("ok", "LoadForecast", f"{len(items)} of them, none in trouble")


def _server_clock(patient: Patient) -> Iterator[Finding]:
    yield _skew("kube-apiserver", patient.api.server_time() - patient.now())


def _store(patient: Patient) -> Iterator[Finding]:
    if patient.store is None:
        yield Finding("warning", "Prometheus", "not looked at", "give --prometheus-url as it is seen from here")
        return
    try:
        found = patient.store.instant("vector(1)", at_s=patient.now()).series
    except SourceError as error:
        text = f"{patient.store_url}: {shortened(str(error))}"
        yield Finding("error", "Prometheus", text, "is it up, is the address right, may the service reach it, as whom?")
        return
    if len(found) != 1:
        text = f"{patient.store_url} answers, but vector(1) returned {len(found)} series"
        yield Finding("error", "Prometheus", text, "is that the Prometheus API, and the tenant right?")
        return
    yield Finding("ok", "Prometheus", f"{patient.store_url} answers")
    date = patient.store.server_date
    if date is not None:
        yield _skew("Prometheus", parsedate_to_datetime(date).timestamp() - patient.now())


def _skew(subject: str, seconds: float) -> Finding:
    if abs(seconds) <= MOST_SKEW_SECONDS:
        return Finding("ok", "clock", f"{subject} and this machine agree within {MOST_SKEW_SECONDS:.0f} s")
    word = "ahead of" if seconds > 0 else "behind"
    remedy = "let all nodes keep time (chrony, NTP): a cut beside the store's time serves old numbers, or none"
    return Finding("error", "clock", f"{subject} is {abs(seconds):.0f} s {word} this machine", remedy)
