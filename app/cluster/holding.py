"""The calls for what holds room on nodes: list it, write it, delete it, for each kind of holder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from app.cluster.connection import ApiFailure, KubernetesApi
from app.cluster.holders import MANAGED_BY, PREFIX, balloons_for, buffer_for
from app.cluster.permissions import (
    CREATE_BUFFER,
    CREATE_DEPLOYMENT,
    DELETE_BUFFER,
    DELETE_DEPLOYMENT,
    GET_DEPLOYMENT,
    GET_REPLICASET,
    GET_STATEFULSET,
    LIST_BUFFERS,
    LIST_DEPLOYMENTS,
    PATCH_BUFFER,
    PATCH_DEPLOYMENT,
    Permission,
)
from app.settings import Settings
from app.workloads.spec import LoadForecast

_PAGE = 500
_OURS = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())
_FORBIDDEN, _NOT_FOUND = 403, 404

Kind = Literal["CapacityBuffer", "BalloonPods"]


@dataclass(frozen=True)
class _Calls:
    """listing, applying (for which creating is needed too), deleting."""

    listing: Permission
    applying: Permission
    creating: Permission
    deleting: Permission
    component: str


_CALLS: Mapping[Kind, _Calls] = {
    "CapacityBuffer": _Calls(LIST_BUFFERS, PATCH_BUFFER, CREATE_BUFFER, DELETE_BUFFER, "k8s/nodes/headroom"),
    "BalloonPods": _Calls(
        LIST_DEPLOYMENTS, PATCH_DEPLOYMENT, CREATE_DEPLOYMENT, DELETE_DEPLOYMENT, "k8s/nodes/balloons"
    ),
}
_READING = {"Deployment": GET_DEPLOYMENT, "StatefulSet": GET_STATEFULSET, "ReplicaSet": GET_REPLICASET}


class Holder(NamedTuple):
    """Address of an object that holds room."""

    kind: Kind
    namespace: str
    name: str


class HolderApi:
    """Room as the cluster holds it. `kinds` are those that the settings allow."""

    def __init__(self, api: KubernetesApi, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self.kinds: tuple[Kind, ...] = ("CapacityBuffer",)
        if settings.node_headroom == "buffers-and-balloons":
            self.kinds = ("CapacityBuffer", "BalloonPods")

    def held(self) -> dict[Holder, int | None]:
        """What we hold, with its pods; balloons are written anew once a minute, since their template may be another."""
        found: dict[Holder, int | None] = {}
        for kind in self.kinds:
            query = {"labelSelector": _OURS, "limit": str(_PAGE)}
            while True:
                page = self._page(kind, query)
                for item in page.get("items") or []:
                    metadata, spec = item["metadata"], item.get("spec") or {}
                    if metadata["name"].startswith(PREFIX):
                        holder = Holder(kind, metadata["namespace"], metadata["name"])
                        found[holder] = spec.get("replicas") if kind == "CapacityBuffer" else None
                query["continue"] = (page.get("metadata") or {}).get("continue") or ""
                if not query["continue"]:
                    break
        return found

    def _page(self, kind: Kind, query: Mapping[str, str]) -> dict[str, Any]:
        asked = {name: value for name, value in query.items() if value}
        try:
            return self._api.call(_CALLS[kind].listing, namespace=self._settings.watch_namespace, query=asked)
        except ApiFailure as failure:
            if failure.status != _NOT_FOUND:
                raise
            return {}  # not served; whoever wants it is told when it is written

    def apply(self, holder: Holder, forecast: LoadForecast, pods: int) -> None:
        """Makes it hold room for so many pods."""
        if holder.kind == "CapacityBuffer":
            body = buffer_for(forecast, pods=pods)
        else:
            body = balloons_for(
                forecast, pods=pods, template=self._template(forecast), image=self._settings.balloon_image
            )
        self._api.apply(_CALLS[holder.kind].applying, body, namespace=holder.namespace)

    def delete(self, holder: Holder) -> None:
        """Gives the room up; it may be gone already."""
        try:
            self._api.call(_CALLS[holder.kind].deleting, namespace=holder.namespace, name=holder.name)
        except ApiFailure as failure:
            if failure.status != _NOT_FOUND:
                raise

    def _template(self, forecast: LoadForecast) -> Mapping[str, Any]:
        target = forecast.spec.target_ref
        found = self._api.call(_READING[target.kind], namespace=forecast.namespace, name=target.name)
        template: Mapping[str, Any] = (found.get("spec") or {}).get("template") or {}
        return template


def remedy(kind: Kind, failure: ApiFailure) -> str:
    """What is said about a failure besides."""
    if failure.status == _NOT_FOUND and kind == "CapacityBuffer":
        return "; is autoscaling.x-k8s.io/v1beta1 served, does its target exist? BalloonPods need no such API"
    return f"; {_CALLS[kind].component} gives the right to it" if failure.status == _FORBIDDEN else ""
