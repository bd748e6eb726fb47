"""All metric names of the service, each ending in its base unit, and how logging is set up."""

import faulthandler
import json
import logging
import signal
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """Name, kind, help and labels of one metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


_STANDARD_ERROR = 2  # as a file descriptor: whatever stands in for sys.stderr

WORKLOAD = ("namespace", "name")

SERVED = Metric("forescale_served_value", "gauge", "Value served to the HPA, in the unit of demand.", WORKLOAD)
DEMAND = Metric("forescale_demand_value", "gauge", "Newest measured demand.", WORKLOAD)
REQUIRED = Metric(
    "forescale_required_value", "gauge", "Quantile of the largest demand until new pods are up.", WORKLOAD
)
ACTING = Metric("forescale_acting", "gauge", "1 where the forecast is served, 0 where the reactive value is.", WORKLOAD)
REFUSED = Metric("forescale_refused", "gauge", "1 where no value is served, by reason.", (*WORKLOAD, "reason"))
LEAD = Metric("forescale_lead_seconds", "gauge", "Time a new pod needs, as planned with.", (*WORKLOAD, "origin"))
NODE_LEAD = Metric(
    "forescale_node_lead_seconds", "gauge", "Time a new node needs, as planned with.", (*WORKLOAD, "origin")
)
PODS_AHEAD = Metric(
    "forescale_ahead_pods", "gauge", "Pods that the forecast sees within the leads of a node and a pod.", WORKLOAD
)
HEADROOM = Metric("forescale_headroom_pods", "gauge", "Pods that room on nodes is held for.", WORKLOAD)
COVERAGE = Metric("forescale_coverage_ratio", "gauge", "Share of held-out maxima below the quantile.", WORKLOAD)
LEVEL = Metric("forescale_level_ratio", "gauge", "Quantile that coverage should be at, from the price.", WORKLOAD)
SKILL = Metric("forescale_skill_ratio", "gauge", "1 - cost(forecast)/cost(reacting) in the replay.", WORKLOAD)
FORECAST = Metric(
    "forescale_forecast_value", "gauge", "Quantile of demand at its time, also ahead of now.", (*WORKLOAD, "quantile")
)
AHEAD = Metric(
    "forescale_forecast_ahead_value",
    "gauge",
    "Quantile of demand a fixed time ahead, as of now.",
    (*WORKLOAD, "horizon", "quantile"),
)
PART_DEMAND = Metric(
    "forescale_part_demand_value", "gauge", "Measured demand of a part; labels part_* tell parts apart.", WORKLOAD
)
PART_FORECAST = Metric(
    "forescale_part_forecast_value",
    "gauge",
    "A part's share of the quantile of demand at its time, also ahead of now; parts add up to the whole.",
    (*WORKLOAD, "quantile"),
)
PART_AHEAD = Metric(
    "forescale_part_forecast_ahead_value",
    "gauge",
    "A part's share of the median of demand a fixed time ahead, as of now.",
    (*WORKLOAD, "horizon"),
)
DRAIN_PODS = Metric(
    "forescale_drain_pods",
    "gauge",
    "Pods by their deletion cost: right, due to be written, foreign (somebody else's), unknown (nothing counted).",
    (*WORKLOAD, "state"),
)
PODS = Metric("forescale_served_pods", "gauge", "Pods that the served value asks for.", WORKLOAD)
CALENDAR = Metric(
    "forescale_calendar_ratio", "gauge", "What known events multiply the demand until new pods are up by.", WORKLOAD
)
DATA_AGE = Metric(
    "forescale_data_age_seconds",
    "gauge",
    "Age of the newest sample; of a plain selector the store calls it new until its lookback (5 min) ends.",
    WORKLOAD,
)
SPOT_PODS = Metric("forescale_spot_pods", "gauge", "Pods that may stand on spot nodes.", WORKLOAD)
ON_DEMAND_PODS = Metric(
    "forescale_on_demand_pods", "gauge", "Pods that should stand on nodes that nobody takes away.", WORKLOAD
)
MISSING_PRICE = Metric(
    "forescale_missing_pod_price_ratio",
    "gauge",
    "Idle pod-minutes that a missing one costs, as planned with.",
    WORKLOAD,
)
DAY = Metric(
    "forescale_day_pod_minutes",
    "gauge",
    "Pod-minutes of the last replayed day: asked, used, needed by a perfect forecast, HPA-only, short, short HPA-only.",
    (*WORKLOAD, "kind"),
)
DAY_SAVED = Metric(
    "forescale_day_saved_pod_minutes",
    "gauge",
    "Saved on the last replayed day against the HPA alone, missing ones at their price; below 0: lost.",
    WORKLOAD,
)
DAY_SAVED_MONEY = Metric(
    "forescale_day_saved_money", "gauge", "The same in money, where a pod-minute has a price.", (*WORKLOAD, "currency")
)
NODE_PRICE = Metric(
    "forescale_node_hourly_cost", "gauge", "Price of a node of the pool for an hour.", ("pool", "currency", "source")
)
NODE_PRICE_AGE = Metric("forescale_node_price_age_seconds", "gauge", "Age of the pool's price.", ("pool",))
POD_HOUR = Metric(
    "forescale_forecast_pod_hourly_cost",
    "gauge",
    "Price of a forecast pod-hour on the pool's next node.",
    ("pool", "currency"),
)
CUT = Metric("forescale_snapshot_cut_timestamp_seconds", "gauge", "Unix time of the snapshot's cut.")
SETTLED = Metric(
    "forescale_snapshot_settled",
    "gauge",
    "1 where the fits that the cut needs were there, else 0: older ones stood in.",
)
FITTED = Metric("forescale_fit_timestamp_seconds", "gauge", "Unix time of the cut of the last good fit.")
PASSES = Metric("forescale_refresh_passes_total", "counter", "Passes of the pipeline.", ("outcome",))
FITS = Metric("forescale_fits_total", "counter", "Fits.", ("outcome",))
PASS_SECONDS = Metric("forescale_refresh_duration_seconds", "gauge", "Duration of the last pass.")
FIT_SECONDS = Metric("forescale_fit_duration_seconds", "gauge", "Duration of the last fit.")
SOURCE_REQUESTS = Metric("forescale_source_requests_total", "counter", "Requests to the store.", ("outcome",))
CERTIFICATE_END = Metric(
    "forescale_serving_certificate_expiry_timestamp_seconds",
    "gauge",
    "Unix time at which the certificate that the doors serve with ends, or the first of its chain.",
)
RESTARTS = Metric("forescale_pipeline_restarts_total", "counter", "Restarts of the pipeline's process.")
CHOICES = Metric("forescale_expander_answers_total", "counter", "Answers of the gRPC expander.", ("outcome",))
REQUESTS = Metric("forescale_http_requests_total", "counter", "Requests to the doors.", ("door", "code"))
LATENCY = Metric("forescale_http_request_duration_seconds", "histogram", "Time to answer.", ("door",))
AUTHENTICATIONS = Metric("forescale_authentications_total", "counter", "Callers, by method.", ("method", "outcome"))
AUTHORIZATIONS = Metric("forescale_authorizations_total", "counter", "Decisions, by where from.", ("origin", "outcome"))
FRESHNESS = Metric("metrics_apiserver_metric_freshness_seconds", "histogram", "Age of served values.", ("group",))


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(level: str, style: Literal["json", "text"]) -> None:
    """Logs to standard error, and on SIGUSR1 the stack of every thread; called once per process, never on import."""
    show_stacks_on_signal()
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if style == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def show_stacks_on_signal() -> None:
    """`kill -USR1 PID` writes what each thread is doing to standard error, also where Python itself hangs."""
    faulthandler.register(signal.SIGUSR1, file=_STANDARD_ERROR, all_threads=True)


def shortened(text: str, limit: int = 256) -> str:
    """Upstream's words, cut off: they may hold secrets and whole pages of HTML."""
    plain = " ".join(text.split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
