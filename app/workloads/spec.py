"""LoadForecast `forescale.dev/v1alpha1` as this service reads it, from Kubernetes and from YAML alike.

k8s/base/crd-loadforecasts.yaml says the same to kube-apiserver; a test compares the two.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.workloads.calendar import Calendar
from app.workloads.fields import Fraction, NonNegativeQuantity, Part, PositiveQuantity, TimeZone
from app.workloads.fields import parse_quantity as parse_quantity
from app.workloads.nodes import Nodes
from app.workloads.optional import Drain, ScaleToZero, Split, split_query

GROUP = "forescale.dev"
VERSION = "v1alpha1"
KIND = "LoadForecast"
PLURAL = "loadforecasts"
API_VERSION = f"{GROUP}/{VERSION}"

Mode = Literal["Auto", "Shadow", "Active"]


class TargetRef(Part):
    """The workload that is scaled."""

    api_version: str = "apps/v1"
    kind: Literal["Deployment", "StatefulSet", "ReplicaSet"] = "Deployment"
    name: str = Field(min_length=1, max_length=253)


class Demand(Part):
    """What measures the load. LoadForecasts with the same query share one request; seriesLabels picks the series."""

    query: str = Field(min_length=1, max_length=4096)
    series_labels: dict[str, str] = Field(default_factory=dict)
    unit: str = Field("requests/s", max_length=63)


class Lead(Part):
    """Time that a new pod needs: measured, but never below the floor; the fallback until there is a measurement."""

    floor_seconds: int = Field(15, ge=1, le=3600)
    fallback_seconds: int = Field(120, ge=1, le=3600)

    @model_validator(mode="after")
    def _ordered(self) -> "Lead":
        if self.fallback_seconds < self.floor_seconds:
            raise ValueError("lead.fallbackSeconds must not be below lead.floorSeconds")
        return self


class Objective(Part):
    """What overload is worth: a price (one missing pod-minute costs so many idle ones) or a budget (share of time)."""

    missing_pod_price: PositiveQuantity | None = None
    overload_budget: Fraction | None = None

    @model_validator(mode="after")
    def _one(self) -> "Objective":
        if (self.missing_pod_price is None) == (self.overload_budget is None):
            raise ValueError("objective needs exactly one of missingPodPrice and overloadBudget")
        return self

    @property
    def price(self) -> float:
        """Missing pod-minutes in idle ones; a budget b is the price at which the newsvendor would accept b."""
        if self.missing_pod_price is not None:
            return self.missing_pod_price
        budget = self.overload_budget or 0.05
        return (1 - budget) / budget

    @property
    def level(self) -> float:
        """The newsvendor's quantile, price / (price + 1)."""
        return self.price / (self.price + 1)


class Costs(Part):
    """What a pod-minute costs: fixed, or its share of a node of `pool`; both money in one currency. Empty: not known.

    missed_pod_minute: what a minute without a pod that was needed costs; with it the price of a missing pod-minute in
    idle ones is the ratio of the two, and objective holds only while the pool has no price. pods_per_node: of this
    workload on a node of the pool; default: what the price list says. workload_type: bounds the share of spot nodes.
    """

    pool: str | None = Field(None, min_length=1, max_length=63)
    pods_per_node: int | None = Field(None, ge=1, le=1000)
    pod_minute: PositiveQuantity | None = None
    missed_pod_minute: PositiveQuantity | None = None
    currency: str | None = Field(None, min_length=3, max_length=3, pattern="^[A-Z]{3}$")
    workload_type: Literal["Registry", "Stateless", "Stateful", "Agent", "Batch"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Costs":
        if self.pool is not None and self.pod_minute is not None:
            raise ValueError("costs takes one of pool and podMinute, not both")
        if self.missed_pod_minute is not None and self.pool is None and self.pod_minute is None:
            raise ValueError("costs.missedPodMinute needs pool or podMinute to be compared with")
        return self


class Bounds(Part):
    """Limits of the served value, in the unit of demand."""

    minimum: NonNegativeQuantity = 0.0
    maximum: PositiveQuantity | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Bounds":
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError("bounds.maximum must not be below bounds.minimum")
        return self


class CapacityScaling(Part):
    """How a pod's size changes what it carries. capacityPerPod is then that of a pod whose container requests
    `reference`; another carries (request - idle) / (reference - idle) times as much, between the two factors.
    """

    container: str = Field(min_length=1, max_length=63)
    resource: Literal["cpu", "memory"]
    reference: PositiveQuantity
    idle: NonNegativeQuantity = 0.0
    min_factor: PositiveQuantity = 0.5
    max_factor: PositiveQuantity = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> "CapacityScaling":
        if self.idle >= self.reference:
            raise ValueError("capacityScaling.idle must be below capacityScaling.reference")
        if not self.min_factor <= 1 <= self.max_factor:
            raise ValueError("1 must lie between capacityScaling.minFactor and capacityScaling.maxFactor")
        return self


class LoadForecastSpec(Part):
    """`spec` of a LoadForecast. scale_down_stabilization_seconds: as in the HPA's behavior, for which it holds pods."""

    target_ref: TargetRef
    demand: Demand
    capacity_per_pod: PositiveQuantity
    capacity_scaling: CapacityScaling | None = None
    lead: Lead = Lead()
    objective: Objective = Objective(missing_pod_price=20)
    bounds: Bounds = Bounds()
    scale_down_stabilization_seconds: int = Field(300, ge=0, le=3600)
    mode: Mode = "Auto"
    time_zone: TimeZone = "UTC"
    calendar: Calendar = Calendar()
    costs: Costs = Costs()
    parts: Split | None = None
    scale_to_zero: ScaleToZero | None = None
    drain: Drain | None = None
    nodes: Nodes = Nodes()

    @model_validator(mode="after")
    def _fits_together(self) -> "LoadForecastSpec":
        if self.scale_to_zero is not None and self.bounds.minimum > 0:
            raise ValueError("scaleToZero and bounds.minimum contradict each other; leave out one of them")
        if self.drain is not None and self.target_ref.kind == "StatefulSet":
            raise ValueError("drain has no effect on a StatefulSet, which always removes its last pod")
        if self.parts is not None and not self.parts.query:
            split_query(self.demand.query, self.parts.labels)
        return self

    @property
    def parts_query(self) -> str:
        """PromQL that gives one series for each part; empty where there are none."""
        if self.parts is None:
            return ""
        return self.parts.query or split_query(self.demand.query, self.parts.labels)

    @property
    def price(self) -> float:
        """A missing pod-minute in idle ones, without knowing what pools cost: by fixed costs, else by the objective."""
        costs = self.costs
        if costs.pod_minute is not None and costs.missed_pod_minute is not None:
            return costs.missed_pod_minute / costs.pod_minute
        return self.objective.price


class LoadForecast(BaseModel):
    """One LoadForecast; (namespace, name) is also the address of its external metric."""

    model_config = ConfigDict(frozen=True)

    namespace: str
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)
    labels: dict[str, str] = Field(default_factory=dict)
    uid: str = ""
    generation: int = 0
    spec: LoadForecastSpec

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @classmethod
    def from_object(cls, manifest: dict[str, Any]) -> "LoadForecast":
        """From a Kubernetes object; raises pydantic.ValidationError."""
        if manifest.get("apiVersion") != API_VERSION or manifest.get("kind") != KIND:
            got = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
            raise ValueError(f"expected {API_VERSION} {KIND}, got {got}")
        metadata = manifest.get("metadata") or {}
        return cls(
            namespace=metadata.get("namespace") or "default",
            name=metadata.get("name", ""),
            labels=metadata.get("labels") or {},
            uid=metadata.get("uid") or "",
            generation=metadata.get("generation") or 0,
            spec=LoadForecastSpec.model_validate(manifest.get("spec") or {}),
        )
