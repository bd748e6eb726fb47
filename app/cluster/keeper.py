"""The book of LoadForecasts as Kubernetes holds them: watched in the background, read without waiting."""

import logging
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from pydantic import ValidationError

from app.cluster.conditions import sizes_in
from app.cluster.connection import KubernetesApi
from app.cluster.leadtime import Start, lead_of
from app.cluster.nodelead import NodeLeads
from app.cluster.permissions import LIST_LOADFORECASTS, LIST_PODS, WATCH_LOADFORECASTS, WATCH_PODS
from app.cluster.pod_costs import PodCostIndex
from app.cluster.pods import PodIndex, Target
from app.cluster.reflector import Every, Reflector
from app.cluster.requests import RequestIndex
from app.planning.sizing import sizes_of
from app.settings import Settings
from app.telemetry import shortened
from app.workloads.book import Book, LeadTime, PodCost, PodSizes, Recorded
from app.workloads.spec import Costs, LoadForecast, parse_quantity

log = logging.getLogger(__name__)

_LIVING = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
_ORIGINS = ("Measured", "Floor", "Fallback")
_LARGEST_LEAD_SECONDS = 3600


class KubernetesBookKeeper:
    """A BookKeeper on two watches: LoadForecasts, and the pods that lead times are learned from."""

    def __init__(self, api: client.ApiClient, settings: Settings, *, rng: random.Random | None = None) -> None:
        connection, namespace = KubernetesApi(api), settings.watch_namespace
        rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._pods = PodIndex()
        self._requests = RequestIndex()
        self._nodes = NodeLeads(connection, rng=rng) if settings.node_headroom != "off" else None
        waits = () if self._nodes is None else (self._nodes.pods,)
        self._costs = PodCostIndex()
        self._shelf = Shelf()
        self._forecasts_watch = Reflector(
            connection,
            listing=LIST_LOADFORECASTS,
            watching=WATCH_LOADFORECASTS,
            keeper=self._shelf,
            namespace=namespace,
            rng=rng,
        )
        self._pods_watch = Reflector(
            connection,
            listing=LIST_PODS,
            watching=WATCH_PODS,
            keeper=Every(self._pods, self._requests, self._costs, *waits),
            namespace=namespace,
            selector=_LIVING,
            rng=rng,
        )
        self._forecasts_watch.start()
        self._pods_watch.start()
        if self._nodes is not None:
            self._nodes.start()

    def current(self) -> Book:
        """The book as of now."""
        entries, forecasts, rejected = self._shelf.contents()
        valid = [entries[forecast.key] for forecast in forecasts]
        targets = [target_of_forecast(forecast) for forecast in forecasts]
        known = self._pods_watch.synced()
        return Book(
            forecasts=forecasts,
            leads={entry.key: entry.lead for entry in valid if entry.lead is not None},
            pods=dict(zip((entry.key for entry in valid), self._pods.ready(targets), strict=True)) if known else {},
            sizes=self._sizes(valid, known=known),
            rejected=rejected,
            measured={
                forecast.key: lead_of(self._starts(forecast, target), forecast.spec.lead)
                for forecast, target in zip(forecasts, targets, strict=True)
            },
            recorded={key: entry.recorded for key, entry in entries.items()},
            prices={entry.key: entry.price for entry in valid if entry.price is not None},
            node_leads={entry.key: entry.node_lead for entry in valid if entry.node_lead is not None},
            drains=self._drains(forecasts),
            **self._of_nodes(forecasts, targets),
        )

    def _sizes(self, valid: Sequence["_Entry"], *, known: bool) -> dict[str, PodSizes]:
        """Of workloads with capacityScaling: as their pods are, or as status says until all pods have been listed."""
        found: dict[str, PodSizes] = {}
        for entry in valid:
            forecast, sizes = entry.forecast, entry.sizes
            if forecast is None or forecast.spec.capacity_scaling is None:
                continue
            scaling = forecast.spec.capacity_scaling
            if known:
                target = target_of_forecast(forecast)
                requests = self._requests.of(target, container=scaling.container, resource=scaling.resource)
                sizes = sizes_of(requests, scaling, before=entry.sizes)
            if sizes is not None:
                found[entry.key] = sizes
        return found

    def _starts(self, forecast: LoadForecast, target: Target) -> Sequence[Start]:
        """Of the target's pods; where room on nodes is provided, a wait for a node is the node's lead, not theirs."""
        starts = self._pods.starts(target)
        provided = self._nodes is not None and forecast.spec.nodes.provisioning != "None"
        return [start.placed for start in starts] if provided else starts

    def _of_nodes(self, forecasts: Sequence[LoadForecast], targets: Sequence[Target]) -> dict[str, Any]:
        """Of the workloads that want room on nodes: pods that exist, and how long nodes took."""
        if self._nodes is None:
            return {}
        existing = self._nodes.pods.existing()
        wanting = [pair for pair in zip(forecasts, targets, strict=True) if pair[0].spec.nodes.provisioning != "None"]
        return {
            "existing": {forecast.key: existing.get(target, 0) for forecast, target in wanting},
            "node_measured": {forecast.key: self._nodes.lead(forecast, target) for forecast, target in wanting},
        }

    def _drains(self, forecasts: Iterable[LoadForecast]) -> dict[str, tuple[PodCost, ...]]:
        """The pods of workloads whose pods are drained."""
        targets = {one.key: target_of_forecast(one) for one in forecasts if one.spec.drain is not None}
        pods = self._costs.of(set(targets.values()))
        return {key: pods[target] for key, target in targets.items()}

    def ready(self) -> bool:
        """False until the first complete list of LoadForecasts is there."""
        return self._forecasts_watch.synced()

    def wait_until_ready(self, seconds: float) -> bool:
        """Waits for LoadForecasts and pods; for tests and commands."""
        return self._forecasts_watch.wait_until_synced(seconds) and self._pods_watch.wait_until_synced(seconds)

    def close(self) -> None:
        """Ends both watches."""
        self._forecasts_watch.close()
        self._pods_watch.close()
        if self._nodes is not None:
            self._nodes.close()


def target_of_forecast(forecast: LoadForecast) -> Target:
    """The key under which the pods of a LoadForecast's target are counted."""
    return forecast.namespace, forecast.spec.target_ref.kind, forecast.spec.target_ref.name


@dataclass(frozen=True)
class _Entry:
    key: str
    forecast: LoadForecast | None
    rejection: str
    lead: LeadTime | None
    price: float | None
    sizes: PodSizes | None
    node_lead: LeadTime | None
    recorded: Recorded
    identity: tuple[Any, ...]


class Shelf:
    """LoadForecasts by key. Written by one reflector, read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._forecasts: tuple[LoadForecast, ...] | None = None

    def put(self, item: Mapping[str, Any]) -> None:
        """Takes an object in; one whose spec is unchanged (a status was written) is not validated again."""
        metadata = item["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        identity = (metadata["uid"], metadata.get("generation"), metadata.get("labels"))
        before = self._entries.get(key)
        if before is not None and before.identity == identity:
            forecast, rejection = before.forecast, before.rejection
        else:
            forecast, rejection = _read(item)
        status = item.get("status") or {}
        recorded = Recorded(metadata["uid"], metadata.get("generation") or 0, status)
        price = None if forecast is None else price_in(status, forecast.spec.costs)
        current = status.get("observedGeneration") == recorded.generation  # else they are of another reference
        entry = _Entry(
            key,
            forecast,
            rejection,
            lead=lead_in(status),
            price=price,
            sizes=sizes_in(status) if current else None,
            node_lead=lead_in(status.get("nodes") or {}),
            recorded=recorded,
            identity=identity,
        )
        with self._lock:
            self._entries[key] = entry
            if before is None or before.forecast is not forecast:
                self._forecasts = None

    def remove(self, item: Mapping[str, Any]) -> None:
        """Forgets an object."""
        with self._lock:
            self._entries.pop(f"{item['metadata']['namespace']}/{item['metadata']['name']}", None)
            self._forecasts = None

    def keep_only(self, uids: set[str]) -> None:
        """Forgets all other objects."""
        with self._lock:
            kept = {key: entry for key, entry in self._entries.items() if entry.recorded.uid in uids}
            if len(kept) != len(self._entries):
                self._entries, self._forecasts = kept, None

    def contents(self) -> tuple[Mapping[str, _Entry], tuple[LoadForecast, ...], Mapping[str, str]]:
        """Entries by key, valid LoadForecasts in the order of their keys, rejections by key."""
        with self._lock:
            if self._forecasts is None:
                ordered = sorted(self._entries.items())
                self._forecasts = tuple(entry.forecast for _, entry in ordered if entry.forecast is not None)
            entries = dict(self._entries)
            forecasts = self._forecasts
        return entries, forecasts, {key: entry.rejection for key, entry in entries.items() if entry.forecast is None}


def _read(item: Mapping[str, Any]) -> tuple[LoadForecast | None, str]:
    try:
        return LoadForecast.from_object(dict(item)), ""
    except ValidationError as error:
        text = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
    except ValueError as error:
        text = str(error)
    return None, shortened(text, 1024)


def price_in(status: Mapping[str, Any], costs: Costs) -> float | None:
    """The price of a missing pod-minute written in a status, None where the costs do not ask for one."""
    if costs.pool is None or costs.missed_pod_minute is None or status.get("missingPodPrice") is None:
        return None
    try:
        price = parse_quantity(status["missingPodPrice"])
    except ValueError:
        return None
    return price if price > 0 else None


def lead_in(status: Mapping[str, Any]) -> LeadTime | None:
    """The lead time written in a status, or None if there is none that can be used."""
    seconds, origin, samples = status.get("leadSeconds"), status.get("leadOrigin"), status.get("leadSamples")
    if not isinstance(seconds, int) or not 1 <= seconds <= _LARGEST_LEAD_SECONDS or origin not in _ORIGINS:
        return None
    return LeadTime(seconds, origin, samples if isinstance(samples, int) else 0)
