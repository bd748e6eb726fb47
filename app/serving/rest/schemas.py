"""What REST v1 answers. `null` always means "no number", never zero; times are RFC 3339 in UTC; units are in names."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

Number = float | None


class AnswerModel(BaseModel):
    """Base of all answers: frozen, and filled by the names of its fields."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Target(AnswerModel):
    """What the HPA scales."""

    kind: str
    name: str


class Workload(AnswerModel):
    """One workload as of now, without its series."""

    namespace: str
    name: str = Field(description="of the LoadForecast; also the name of its external metric")
    target: Target
    unit: str = Field(description="of demand, served and required")
    mode: str = Field(description="Auto, Shadow or Active")
    served: Number = Field(description="what the HPA gets; null: it is refused, see reason")
    reason: str = Field(description="why this is served, or why nothing is")
    acting: bool = Field(description="true: the forecast is served; false: what reacting would ask for")
    demand: Number = Field(description="newest measured demand")
    required: Number = Field(description="the price's quantile of the largest demand until new pods are up")
    capacity_per_pod: float = Field(description="demand that one pod serves well")
    pods: int | None = Field(description="pods that the served value asks for at capacity_per_pod")
    lead_seconds: int = Field(description="time that a new pod needs, as planned with")
    lead_origin: str = Field(description="Measured, Floor or Fallback")
    skill: Number = Field(description="1 - cost of acting / cost of reacting, in the replay of held-out days")
    coverage: Number = Field(description="share of held-out maxima that the required quantile was not below")
    data_time: datetime | None = Field(description="of the newest sample")
    age_seconds: Number = Field(description="of the newest sample, now")
    note: str = Field(description="last trouble of this workload; empty: none")
    sparkline: list[Number] = Field(default=[], description="the last day's demand, if it was asked for")


class WorkloadPage(AnswerModel):
    """A page of workloads, in the order of namespace and name unless another was asked for."""

    cut: datetime = Field(description="the served values know nothing later")
    poll_seconds: float = Field(description="real seconds until a newer cut can be expected")
    total: int = Field(description="workloads that the filter lets through, on all pages")
    items: list[Workload]
    continue_token: str | None = Field(alias="continue", description="pass it as `continue` for the next page")


class Points(AnswerModel):
    """A series: values[i] at times[i]."""

    times: list[datetime]
    values: list[Number]


class QuantilePath(AnswerModel):
    """One quantile of demand at each time ahead."""

    level: float
    values: list[Number]


class Ahead(AnswerModel):
    """What is expected: quantiles[k].values[i] at times[i]."""

    times: list[datetime]
    quantiles: list[QuantilePath]


class Forecast(AnswerModel):
    """Recent history, quantiles ahead, and the number that follows from them."""

    namespace: str
    name: str
    unit: str
    cut: datetime
    served: Number = Field(description="null: refused, see reason")
    reason: str
    acting: bool
    required: Number
    required_level: Number = Field(description="which quantile `required` is")
    required_until: datetime = Field(description="end of the time whose largest demand `required` covers")
    lead_seconds: int
    lead_origin: str
    history: Points = Field(description="measured demand")
    served_history: Points = Field(description="what was served last during each step; null: nothing, or not known")
    required_history: Points = Field(description="what was required last during each step; null: nothing, or not known")
    forecast: Ahead


class DemandPart(AnswerModel):
    """Where the number starts: what was measured last."""

    text: str
    value: Number
    unit: str
    query: str
    time: datetime | None
    age_seconds: Number


class LeadPart(AnswerModel):
    """How far ahead one has to look."""

    text: str
    seconds: int
    origin: str
    window_seconds: int = Field(description="lead + refresh: the next chance to correct the number")


class ObjectivePart(AnswerModel):
    """Which quantile is asked for: the newsvendor's, price / (price + 1)."""

    text: str
    missing_pod_price: float
    level: Number
    capacity_per_pod: float = Field(description="demand that one pod serves well")


class RequiredPart(AnswerModel):
    """What the forecast asks for."""

    text: str
    value: Number
    coverage: Number


class Voice(AnswerModel):
    """A candidate forecast with a part in what is required."""

    candidate: str = Field(description="expert and its quantile or margin")
    share: float = Field(description="of all that spoke, 0 to 1")
    value: Number = Field(description="what it alone would provide for")


class VoicesPart(AnswerModel):
    """Which candidates said what; those with the largest shares."""

    text: str
    voices: list[Voice]


class CalendarPart(AnswerModel):
    """What known events do to the forecast."""

    text: str
    factor: Number = Field(description="what the window's largest demand is multiplied by; 1: no event")


class DropPart(AnswerModel):
    """Whether an unforeseen drop is waited out."""

    text: str
    holding: bool


class TrustPart(AnswerModel):
    """Whether acting on the forecast pays here: the HPA's law replayed on held-out days."""

    text: str
    mode: str
    acting: bool
    reactive_cost: Number = Field(description="idle pod-minutes that reacting is worth, shortage at its price")
    forecast_cost: Number = Field(description="the same for acting")
    skill: Number


class SizesPart(AnswerModel):
    """How the pods' sizes turn the load into the served value; all null where they do not count or are not known."""

    text: str
    load: Number = Field(description="what pods are to carry, in the unit of demand")
    asked: Number = Field(description="pods for it times capacity_per_pod, before bounds")
    pods: int | None = Field(description="there are now, starting ones included")
    carry: Number = Field(description="all of them together, in pods of the reference size")
    newest: Number = Field(description="what the newest pod carries, and those to come")
    largest: Number = Field(description="what the largest pod carries")


class BoundsPart(AnswerModel):
    """The user's limits, applied last."""

    text: str
    minimum: float
    maximum: Number
    binding: str | None = Field(description="minimum or maximum if that is what is served")


class ServedPart(AnswerModel):
    """The number itself."""

    text: str
    value: Number
    quantity: str | None = Field(description="as the external metric gives it: rounded up to thousandths")
    reason: str
    note: str


class Explanation(AnswerModel):
    """The served number step by step, in the order in which it is computed."""

    namespace: str
    name: str
    cut: datetime = Field(description="the served value knows nothing later")
    recomputed: bool = Field(description="true: of a past time, computed anew from the history up to then")
    demand: DemandPart
    lead: LeadPart
    objective: ObjectivePart
    voices: VoicesPart
    calendar: CalendarPart
    required: RequiredPart
    trust: TrustPart
    drop: DropPart
    sizes: SizesPart
    bounds: BoundsPart
    served: ServedPart


class Day(AnswerModel):
    """24 hours of the replay. All numbers null where too little was measured."""

    end: datetime
    hours: Number = Field(description="that were replayed")
    reactive_pod_minutes: Number
    reactive_short_pod_minutes: Number
    forecast_pod_minutes: Number
    forecast_short_pod_minutes: Number
    skill: Number = Field(description="1 - cost of acting / cost of reacting")
    coverage: Number = Field(description="share of the window maxima at or below their limit")


class Quality(AnswerModel):
    """How good the forecast was on the last days, by replaying the HPA's law: nothing in it knew its future."""

    namespace: str
    name: str
    level: Number = Field(description="the coverage that was aimed at")
    coverage: Number = Field(description="over all of the replay")
    skill: Number
    reactive_cost: Number = Field(description="pod-minutes plus price x pod-minutes short")
    forecast_cost: Number
    missing_pod_price: float
    trusted: bool = Field(description="the verdict: acting pays here")
    text: str
    days: list[Day] = Field(description="oldest first")


class Rejected(AnswerModel):
    """A LoadForecast that cannot be used."""

    key: str = Field(description="namespace/name")
    text: str = Field(description="what to change")


class Health(AnswerModel):
    """How fresh the numbers are. Readiness is /readyz; this is for people and dashboards."""

    status: str = Field(description="Fresh, Stale (no value is served any more) or Starting (none yet)")
    version: str
    cut: datetime | None
    cut_age_seconds: Number
    refresh_seconds: int | None
    staleness_seconds: Number
    fitted: datetime | None = Field(description="cut of the fit in use")
    fit_age_seconds: Number
    workloads: int
    refused: int = Field(description="workloads that have no value now")
    rejected_total: int
    rejected: list[Rejected] = Field(description="the first 100")
    counters: dict[str, float] = Field(description="totals since the pipeline started, as on /metrics")


class DrainPod(AnswerModel):
    """One pod, and what it would take with it."""

    name: str
    sessions: Number = Field(description="as spec.drain.query counts them; null: nothing is known")
    cost: int | None = Field(description="deletion cost that it should have; null: it is left as it is")
    written: int | None = Field(description="deletion cost that it has; null: none, which counts as 0")
    foreign: bool = Field(description="somebody else wrote the cost; it stays")
    due: bool = Field(description="it differs enough to be written")


class Drain(AnswerModel):
    """Which pods go first when the workload is scaled in. Pods that are not ready go before all of them."""

    namespace: str
    name: str
    text: str
    note: str = Field(description="why nothing is known; empty: it is")
    pods: list[DrainPod] = Field(description="in the order in which costs let them go")


class PartPath(AnswerModel):
    """One part of the demand, or several with the same values of the labels that were asked for."""

    labels: dict[str, str] = Field(description="_OTHER: all parts that are not told apart")
    now: Number = Field(description="as measured last")
    served: Number = Field(description="its share of the served value")
    values: list[Number] = Field(description="its share of the whole at each time")


class Parts(AnswerModel):
    """Demand told apart by labels: at each time the parts add up to the whole, to the last digit."""

    namespace: str
    name: str
    unit: str = Field(description="of all values")
    measured: datetime | None = Field(description="when `now` was; null: nothing is known")
    note: str = Field(description="why nothing is known, or why it is old; empty: it is not")
    level: float = Field(description="quantile of the whole")
    times: list[datetime]
    served: Number
    whole: list[Number]
    parts: list[PartPath] = Field(description="the largest of the last weeks first, the rest last")
