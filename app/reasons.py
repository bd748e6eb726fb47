"""Typed reasons: why a value is what it is, or why there is none. They appear in status, REST, logs and /metrics."""

from enum import StrEnum


class Reason(StrEnum):
    """Values are CamelCase words, as conditions of Kubernetes want them."""

    # a value is served
    FORECAST_ACTS = "ForecastActs"  # the forecast's quantile is above the demand that lasts, and is trusted
    DEMAND_ABOVE_FORECAST = "DemandAboveForecast"  # trusted, but the demand that lasts (planning/capacity.py) is higher
    REACTING_IS_CHEAPER = "ReactingIsCheaper"  # Auto: the replay says that the forecast does not pay here
    SHADOW = "Shadow"  # mode Shadow: the reactive value is served
    LEARNING = "Learning"  # not enough history for a fit or a verdict: the reactive value is served
    HOLDING_AFTER_DROP = "HoldingAfterDrop"  # a drop that no forecast foresaw: capacity is kept for a while
    NOTHING_EXPECTED = "NothingExpected"  # scaleToZero: no work is there, and none is expected until a pod is up
    WORK_EXPECTED = "WorkExpected"  # scaleToZero: no work is there yet, and one pod is asked for ahead of it
    # no value is served
    NO_DATA = "NoData"  # the query returned nothing for this workload
    AMBIGUOUS_QUERY = "AmbiguousQuery"  # the query returned several series and seriesLabels does not pick one
    QUERY_REJECTED = "QueryRejected"  # the store says that the query is wrong
    SOURCE_UNAVAILABLE = "SourceUnavailable"  # the store does not answer
    INVALID_NUMBER = "InvalidNumber"  # NaN, infinite or negative
    STALE = "Stale"  # the newest sample is too old
    STARTING = "Starting"  # no pass has been made yet
