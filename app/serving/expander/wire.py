"""What Cluster Autoscaler sends, read into offers: pods and nodes as they are serialized, in both of its ways."""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from app.cluster.pods import target_of
from app.pricing.decisions import Offer, PendingPod
from app.serving.expander import expander_pb2

messages: Any = expander_pb2  # made at import: types are not to be seen


def offers_of(request: Any) -> tuple[Offer, ...]:
    """Raises ValueError or google.protobuf.message.DecodeError for what is no request."""
    nodes = {group: messages.Node.FromString(raw) for group, raw in request.nodeBytesMap.items()}
    read = cache(lambda raw: _pending(messages.Pod.FromString(raw)))  # a pod comes once for each group that helps it
    return tuple(
        Offer(
            group=option.nodeGroupId,
            nodes=option.nodeCount,
            pods=tuple(map(read, option.podBytes)) or tuple(map(_pending, option.pod)),
            allocatable=_allocatable(nodes.get(option.nodeGroupId) or _old_node(request, option.nodeGroupId)),
        )
        for option in request.options
    )


def _old_node(request: Any, group: str) -> Any:
    return request.nodeMap[group] if group in request.nodeMap else None  # noqa: SIM401 - reading makes an entry


def _allocatable(node: Any) -> Mapping[str, float]:
    return {} if node is None else _amounts(node.status.allocatable)


def _pending(pod: Any) -> PendingPod:
    metadata = {
        "namespace": pod.metadata.namespace,
        "labels": dict(pod.metadata.labels),
        "ownerReferences": [
            {"kind": one.kind, "name": one.name, "controller": one.controller} for one in pod.metadata.ownerReferences
        ],
    }
    return PendingPod(target_of(metadata), requests_of(pod.spec))


def requests_of(spec: Any) -> Mapping[str, float]:
    """What the scheduler reserves for a pod: its containers and sidecars together, or an init container if that is
    more; what is said for the whole pod goes before that of its containers; and the overhead."""
    total: dict[str, float] = {}
    for container in spec.containers:
        _add(total, container.resources.requests)
    beside: dict[str, float] = {}  # sidecars that run already while an init container does
    most: dict[str, float] = {}
    for container in spec.initContainers:
        if container.restartPolicy == "Always":
            _add(total, container.resources.requests)
            _add(beside, container.resources.requests)
        else:
            needs = dict(beside)
            _add(needs, container.resources.requests)
            most = {name: max(most.get(name, 0.0), needs.get(name, 0.0)) for name in most.keys() | needs.keys()}
    total = {name: max(total.get(name, 0.0), most.get(name, 0.0)) for name in total.keys() | most.keys()}
    total |= _amounts(spec.resources.requests)
    _add(total, spec.overhead)
    return total


def _add(total: dict[str, float], quantities: Any) -> None:
    for name, amount in _amounts(quantities).items():
        total[name] = total.get(name, 0.0) + amount


def _amounts(quantities: Any) -> Mapping[str, float]:
    return dict(_each(quantities))


def _each(quantities: Any) -> Iterator[tuple[str, float]]:
    for name, quantity in quantities.items():
        yield name, _amount(quantity.string)


@lru_cache(maxsize=4_096)
def _amount(text: str) -> float:
    return float(parse_quantity(text))  # type: ignore[no-untyped-call]
