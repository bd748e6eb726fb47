"""From a snapshot to the answer for one metric, or to the refusal that says why there is none."""

from datetime import UTC, datetime

import orjson

from app.reasons import Reason
from app.serving.external_metrics import selectors
from app.serving.external_metrics.naming import GROUP, GROUP_VERSION, Address, metric_labels
from app.serving.status import Answer, Refusal
from app.snapshot import Snapshot
from app.workloads.quantity import NotServable, quantity

WHY = {
    Reason.NO_DATA: "its query returns nothing; run spec.demand.query against the store",
    Reason.AMBIGUOUS_QUERY: "its query returns several series; aggregate it or set spec.demand.seriesLabels",
    Reason.QUERY_REJECTED: "the store rejects its query; see the LoadForecast's conditions",
    Reason.SOURCE_UNAVAILABLE: "the store of histories does not answer, or only in part",
    Reason.INVALID_NUMBER: "its query returns no usable number (NaN, infinite or negative)",
    Reason.STALE: "the newest sample is too old",
    Reason.STARTING: "the service has just started and made no pass yet",
}


def found_row(snapshot: Snapshot | None, asked: Address) -> tuple[Snapshot, int]:
    """The snapshot and the metric's row in it. Raises Refusal 503 before the first pass, 404 for what is unknown."""
    if snapshot is None:
        raise _unavailable(asked, Reason.STARTING)
    row = snapshot.rows.get((asked.namespace, asked.metric))
    if row is None:
        raise _unknown(asked, snapshot.rejected.get(f"{asked.namespace}/{asked.metric}"))
    return snapshot, row


def value_answer(snapshot: Snapshot, row: int, *, selector: selectors.Selector, now: float) -> Answer:
    """ExternalMetricValueList with exactly one item. Raises Refusal: 404 if the selector misses, 503 if refused."""
    forecast = snapshot.forecasts[row]
    asked = Address(forecast.namespace, forecast.name)
    labels = metric_labels(forecast)
    if not selectors.matches(selector, labels):
        raise _unknown(asked, "the labelSelector does not match its labels")
    reason = snapshot.refusal(row, now)
    if reason is not None:
        raise _unavailable(asked, reason)
    try:
        text = quantity(float(snapshot.served[row]))
    except NotServable:
        raise _unavailable(asked, Reason.INVALID_NUMBER) from None
    item = {
        "metricName": forecast.name,
        "metricLabels": labels,
        "timestamp": datetime.fromtimestamp(snapshot.cut_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "window": int(snapshot.lead_seconds[row]) + snapshot.refresh_seconds,
        "value": text,
    }
    listed = {"kind": "ExternalMetricValueList", "apiVersion": GROUP_VERSION, "metadata": {}, "items": [item]}
    return Answer(200, orjson.dumps(listed))


def _unknown(asked: Address, why: str | None) -> Refusal:
    known = f"{asked.metric}.{GROUP} not found in namespace {asked.namespace}"
    hint = why or "a metric is named as its LoadForecast; see kubectl get loadforecasts"
    return Refusal(404, f"{known}: {hint}", details={"name": asked.metric, "group": GROUP})


def _unavailable(asked: Address, reason: str) -> Refusal:
    """Without Retry-After: client-go would make the same request ten times, that many seconds apart, and meanwhile the
    HPA controller's worker evaluates no other HPA. The HPA asks again at its next sync anyway."""
    why = WHY.get(Reason(reason)) if reason in set(Reason) else None
    message = f"no value for {asked.namespace}/{asked.metric}: {reason}"
    return Refusal(503, f"{message}: {why}" if why else message)
