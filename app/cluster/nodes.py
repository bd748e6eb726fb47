"""Names and labels of nodes, for what they cost: metadata alone, out of kube-apiserver's cache, every few minutes.

A node's status lists every image on it; of a thousand nodes that would be megabytes for two labels.
"""

import time
from collections.abc import Callable, Sequence

from app.cluster.connection import KubernetesApi
from app.cluster.permissions import LIST_NODES
from app.pricing.nodes import Node

_KEPT_SECONDS = 300.0


class NodeLister:
    """Lists them when the last list is old."""

    def __init__(self, api: KubernetesApi, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._listed_s = float("-inf")
        self._nodes: tuple[Node, ...] = ()

    def __call__(self) -> Sequence[Node]:
        """The nodes; raises ClusterError."""
        now_s = self._monotonic()
        if now_s - self._listed_s >= _KEPT_SECONDS:
            answer = self._api.call(LIST_NODES, query={"resourceVersion": "0"}, metadata_only=True)
            self._nodes = tuple(_node(item["metadata"]) for item in answer.get("items", []))
            self._listed_s = now_s
        return self._nodes


def _node(metadata: dict[str, object]) -> Node:
    labels = metadata.get("labels")
    return Node(str(metadata["name"]), dict(labels) if isinstance(labels, dict) else {})
