"""What holds room on nodes for a LoadForecast's pods, as objects: a CapacityBuffer, or a Deployment of balloon pods.

A CapacityBuffer is a wish to the autoscaler: no pods, no scheduler, and the workload's own template decides what fits.
A balloon is a pod that asks for as much as one of the workload's and does nothing; it has the lowest priority, so the
scheduler removes it when any other pod wants its place.
"""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from app.workloads.spec import API_VERSION, KIND, LoadForecast

MANAGED_BY = {"app.kubernetes.io/managed-by": "forescale"}
PREFIX = "forescale-headroom-"
PRIORITY_CLASS = "forescale-headroom"
BUFFER_API = "autoscaling.x-k8s.io/v1beta1"
_STRATEGY = "buffer.x-k8s.io/active-capacity"
_LONGEST_NAME = 200  # pods of a Deployment of 253 characters would have cut names
_LONGEST_LABEL = 63
_OF = "forescale.dev/headroom-of"
_NOBODY = 65_534

Object = dict[str, Any]


def holder_name(name: str) -> str:
    """Name of what holds room for a LoadForecast's pods; the k8s/nodes admission policy knows its beginning."""
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{PREFIX}{name}"


def buffer_for(forecast: LoadForecast, *, pods: int) -> Object:
    """CapacityBuffer of `pods` pods shaped as the target's."""
    target = forecast.spec.target_ref
    group = target.api_version.partition("/")[0]
    reference = {"apiGroup": group, "kind": target.kind, "name": target.name}
    spec = {"scalableRef": reference, "replicas": pods, "provisioningStrategy": _STRATEGY}
    return {"apiVersion": BUFFER_API, "kind": "CapacityBuffer", "metadata": _metadata(forecast), "spec": spec}


def balloons_for(forecast: LoadForecast, *, pods: int, template: Mapping[str, Any], image: str) -> Object:
    """Deployment of `pods` balloons, each as large as a pod of the target's template and bound to the same nodes.

    Not taken over: anti-affinity and spreading between pods, and volumes; where a pod needs these to find its node, a
    CapacityBuffer is the better holder.
    """
    selector = {_OF: _label(forecast.name)}
    spec = {
        "replicas": pods,
        "selector": {"matchLabels": selector},
        "strategy": {"type": "Recreate"},  # two generations at once would hold room twice
        "template": {
            "metadata": {
                "labels": selector | MANAGED_BY | {"sidecar.istio.io/inject": "false"},
                "annotations": {"linkerd.io/inject": "disabled"},
            },
            "spec": _balloon(template.get("spec") or {}, image),
        },
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(forecast), "spec": spec}


def requests_of(pod: Mapping[str, Any]) -> dict[str, str]:
    """What the scheduler reserves for a pod's spec: the sum of its containers and sidecars, or an init container's
    request with the sidecars before it where that is larger; what the pod asks for as a whole counts first."""
    running, starting = _sum(_requests(one) for one in pod.get("containers") or []), dict[str, Decimal]()
    sidecars: dict[str, Decimal] = {}
    for one in pod.get("initContainers") or []:
        if one.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, _requests(one)))
            starting = _largest(starting, sidecars)
        else:
            starting = _largest(starting, _sum((sidecars, _requests(one))))
    total = _largest(_sum((running, sidecars)), starting) | _requests(pod)
    return {
        name: f"{amount.normalize():f}"
        for name, amount in sorted(_sum((total, _quantities(pod.get("overhead")))).items())
    }


def _balloon(pod: Mapping[str, Any], image: str) -> Object:
    node_affinity = (pod.get("affinity") or {}).get("nodeAffinity")
    container = {
        "name": "balloon",
        "image": image,
        "resources": {"requests": requests_of(pod)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    placed = {name: pod[name] for name in ("nodeSelector", "tolerations", "schedulerName") if pod.get(name)}
    return {
        **placed,
        **({"affinity": {"nodeAffinity": node_affinity}} if node_affinity else {}),
        "priorityClassName": PRIORITY_CLASS,
        "terminationGracePeriodSeconds": 0,  # who wants the place must not wait
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": _NOBODY, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }


def _metadata(forecast: LoadForecast) -> Object:
    """Owned by the LoadForecast, so that it goes with it."""
    owner = {"apiVersion": API_VERSION, "kind": KIND, "name": forecast.name, "uid": forecast.uid}
    return {
        "name": holder_name(forecast.name),
        "namespace": forecast.namespace,
        "labels": dict(MANAGED_BY),
        "ownerReferences": [owner],
    }


def _label(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else hashlib.sha256(name.encode()).hexdigest()[:16]


def _requests(part: Mapping[str, Any]) -> dict[str, Decimal]:
    """Requests of a container or a pod; a limit alone is its request too."""
    resources = part.get("resources") or {}
    return _quantities(resources.get("limits")) | _quantities(resources.get("requests"))


def _quantities(given: Mapping[str, Any] | None) -> dict[str, Decimal]:
    return {name: _quantity(value) for name, value in (given or {}).items()}


def _quantity(value: object) -> Decimal:
    amount: Decimal = parse_quantity(value)  # type: ignore[no-untyped-call]
    return amount


def _sum(parts: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _largest(first: Mapping[str, Decimal], second: Mapping[str, Decimal]) -> dict[str, Decimal]:
    zero = Decimal(0)
    return {name: max(first.get(name, zero), second.get(name, zero)) for name in {*first, *second}}
