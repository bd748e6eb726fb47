"""Around the service: the cluster's version, its Deployment, its certificate, namespaces that do not go."""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cryptography import x509

from app.cluster.connection import ApiFailure
from app.cluster.findings import Finding, Patient, condition
from app.cluster.issuing import utc
from app.cluster.permissions import (
    EXTERNAL_METRICS_API,
    GET_OWN_DEPLOYMENT,
    GET_SERVING,
    LIST_NAMESPACES,
    SERVING_SECRET,
    Permission,
)

LEAST_VERSION = (1, 29)
NEAR_EXPIRY = timedelta(days=20)  # cert-manager and our own command renew with 30 days left
_NOT_FOUND = 404


def version(patient: Patient) -> Iterator[Finding]:
    """Whether kube-apiserver knows the rules in the custom resource."""
    told = patient.api.server_version()
    numbers = re.match(r"v(\d+)\.(\d+)", told)
    wanted = ".".join(map(str, LEAST_VERSION))
    if numbers and (int(numbers[1]), int(numbers[2])) < LEAST_VERSION:
        remedy = f"upgrade the cluster: {wanted} is the first that checks a LoadForecast's rules"
        yield Finding("error", "kube-apiserver", f"version {told}", remedy)
    else:
        yield Finding("ok", "kube-apiserver", f"version {told}")


def deployment(patient: Patient) -> Iterator[Finding]:
    """Whether replicas are ready."""
    found = _looked_up(patient, GET_OWN_DEPLOYMENT)
    where = f"kubectl -n {patient.namespace}"
    if found is None:
        remedy = "install it; or, where it is gone for good, delete the APIService: namespaces hang while it stays"
        yield Finding("error", "Deployment", f"there is no {GET_OWN_DEPLOYMENT.name} in {patient.namespace}", remedy)
        return
    wanted, ready = found["spec"].get("replicas", 1), (found.get("status") or {}).get("readyReplicas", 0)
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    if wanted == 0:
        remedy = f"{where} scale deployment {GET_OWN_DEPLOYMENT.name} --replicas=2"
        yield Finding("warning", "Deployment", "it is scaled to 0: nothing answers, unless from elsewhere", remedy)
    elif ready == 0:
        remedy = f"{where} describe pods: an image that cannot be pulled, a missing Secret, or /readyz that says why"
        yield Finding("error", "Deployment", f"none of {wanted} replicas is ready ({image})", remedy)
    elif ready < wanted:
        yield Finding("warning", "Deployment", f"{ready} of {wanted} replicas are ready", f"{where} describe pods")
    else:
        yield Finding("ok", "Deployment", f"{ready} of {wanted} replicas are ready, {image}")


def asked_by_keda(patient: Patient) -> bool:
    """Whether the component that leaves the external metrics API to KEDA is installed: it opens the port of gRPC."""
    found = _looked_up(patient, GET_OWN_DEPLOYMENT)
    containers = found["spec"]["template"]["spec"]["containers"] if found else []
    return any(port.get("name") == "grpc" for one in containers for port in one.get("ports") or [])


def certificate(patient: Patient) -> Iterator[Finding]:
    """How long the serving certificate lasts."""
    found = _looked_up(patient, GET_SERVING)
    pem = base64.b64decode(((found or {}).get("data") or {}).get("tls.crt", ""))
    if not pem:
        remedy = "run `forescale certificates`, or look at the cert-manager component: pods wait for this Secret"
        yield Finding("warning", "certificate", f"there is none in the Secret {SERVING_SECRET}", remedy)
        return
    try:
        end = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        yield Finding("error", "certificate", f"Secret {SERVING_SECRET} holds none", "run `forescale certificates`")
        return
    left = end - utc(patient.now())
    if left <= NEAR_EXPIRY:
        text = f"ends in {left.days} days, at {end:%Y-%m-%d %H:%M} UTC" if left.days >= 0 else f"ended {end:%Y-%m-%d}"
        remedy = (
            f"nothing renews it: kubectl -n {patient.namespace} get cronjobs,jobs,certificates; "
            "by hand `forescale certificates`"
        )
        yield Finding("error" if left <= NEAR_EXPIRY / 2 else "warning", "certificate", text, remedy)
    else:
        yield Finding("ok", "certificate", f"lasts for {left.days} days")


def namespaces(patient: Patient) -> Iterator[Finding]:
    """Those whose deletion waits for an API group without a server, as one does whose namespace was deleted first."""
    hanging = [
        item["metadata"]["name"]
        for item in patient.api.call(LIST_NAMESPACES).get("items") or []
        if "external.metrics" in condition(item, "NamespaceDeletionDiscoveryFailure").get("message", "")
    ]
    if hanging:
        text = f"{', '.join(sorted(hanging))}: deletion waits for the external metrics API, which does not answer"
        remedy = f"kubectl delete apiservice {EXTERNAL_METRICS_API}; they go within a minute. Or bring the service back"
        yield Finding("error", "namespaces", text, remedy)
    else:
        yield Finding("ok", "namespaces", "none waits for the external metrics API to be deleted")


def _looked_up(patient: Patient, permission: Permission) -> dict[str, Any] | None:
    try:
        return patient.api.call(permission, namespace=patient.namespace)
    except ApiFailure as failure:
        if failure.status == _NOT_FOUND:
            return None
        raise
