"""What REST v1 answers about money: prices, choices between node groups, spot advice, savings. Units are in names."""

from datetime import datetime

from pydantic import Field

from app.serving.rest.schemas import AnswerModel, Number


class NodePool(AnswerModel):
    """A node pool of the price file and what it costs."""

    pool: str
    node_groups: str = Field(description="expression that finds its node groups of Cluster Autoscaler")
    spot: bool
    pods_per_node: int | None
    node_hourly: Number = Field(description="of one node, in `currency`; null: not known yet")
    currency: str = Field(description="empty while there is no price")
    source: str = Field(description="File, OpenCost or Labels; empty while there is no price")
    nodes: int = Field(description="that the price is the median of; 0: it is not of nodes")
    priced: datetime | None = Field(description="when the source said it")
    stale: bool = Field(description="it is older than the file allows; it still counts")
    pod_hour: Number = Field(description="price of a forecast pod-hour on its next node")
    forecast_pods: Number = Field(description="that will stand on that node, on average over its life")
    trouble: str = Field(description="why there is no newer price; empty: there is")


class Prices(AnswerModel):
    """All pools of the price file."""

    pools: list[NodePool]
    trouble: str = Field(description="why the file itself is not in use as it is now; empty: it is")


class WeighedGroup(AnswerModel):
    """One node group of a choice."""

    group: str
    pool: str = Field(description="empty: no pool of the price file finds it")
    nodes: int = Field(description="by which it would grow")
    pods: int = Field(description="pending ones that it would help")
    node_hourly: Number
    pod_hour: Number = Field(description="price of a forecast pod-hour; null: it could not be compared")
    fit: int | None = Field(description="pods that find a place on the new nodes")
    forecast_pods: Number = Field(description="that will stand there, on average over the nodes' life")
    life_hours: Number = Field(description="for which the nodes are needed, six at most are looked ahead")
    text: str


class Choice(AnswerModel):
    """One answer of the gRPC expander, by this replica."""

    at: datetime
    chosen: list[str] = Field(description="several: they cost the same; none: Cluster Autoscaler chose without us")
    currency: str
    text: str
    weighed: list[WeighedGroup]


class Choices(AnswerModel):
    """The last hundred, the newest first."""

    items: list[Choice]


class Spot(AnswerModel):
    """How many of a workload's pods may stand on spot nodes now."""

    namespace: str
    name: str
    workload_type: str | None
    on_demand_pods: Number = Field(description="null: no advice, see text")
    spot_pods: Number
    spot_share: Number = Field(description="of all pods, 0 to 1")
    text: str


class SavingsDay(AnswerModel):
    """One replayed day, in pod-minutes and, where a pod-minute has a price, in money."""

    end: datetime = Field(description="the day is the 24 h before")
    hours: Number = Field(description="replayed of it")
    acted: bool = Field(description="the forecast was what the HPA got")
    asked: Number
    used: Number = Field(description="demand over capacity, not rounded")
    needed: Number = Field(description="asked for by a perfect forecast")
    hpa_only: Number = Field(description="asked for by the same HPA on the newest number")
    short: Number = Field(description="missing with what was asked")
    hpa_short: Number = Field(description="missing with the HPA alone")
    saved: Number = Field(description="against HPA-only, a missing pod-minute at its price; below zero: lost")
    asked_money: Number
    hpa_only_money: Number
    needed_money: Number
    saved_money: Number


class Savings(AnswerModel):
    """What the forecast saved against the same HPA alone, day by day. All sums are over `days`."""

    namespace: str
    name: str
    missing_pod_price: float = Field(description="a missing pod-minute in idle ones")
    pod_minute_money: Number = Field(description="null: the LoadForecast's costs do not say, or its pool has no price")
    currency: str
    asked: Number
    used: Number
    needed: Number
    hpa_only: Number
    short: Number
    hpa_short: Number
    saved: Number
    saved_share: Number = Field(description="of what HPA-only cost; below zero: lost")
    saved_money: Number
    text: str
    days: list[SavingsDay] = Field(description="oldest first")
