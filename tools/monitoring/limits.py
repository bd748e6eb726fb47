"""Every threshold of dashboards and alerts, once, with its reason: a line in a panel is where its alert fires."""

from dataclasses import dataclass

RETENTION_DAYS = 30
"""Over which objectives are kept."""


@dataclass(frozen=True)
class Limit:
    """A value in the unit of what it limits. below: what is under it is bad, not what is over it."""

    value: float
    reason: str
    below: bool = False
    colour: str = "orange"


OPERATION_SECONDS = Limit(2, "the objective of a call; the collectors keep traces that are slower")
AVAILABILITY = Limit(0.995, "objective of MCP operations over 30 days", below=True)
PROMPTNESS = Limit(0.99, "objective: share of operations within 2 s over 30 days", below=True)
BURN = Limit(1, "above 1 the error budget ends before its 30 days do")

SNAPSHOT_AGE_SECONDS = Limit(90, "six refreshes were missed; values are refused from 180 s on")
DATA_AGE_SECONDS = Limit(120, "values are refused from 180 s on")
FIT_AGE_SECONDS = Limit(32_400, "three refits of three hours were missed; the season slowly grows old")
COVERAGE_SHORTFALL = Limit(0.05, "a quantile that is missed this much more often than asked is not that quantile")
SKILL = Limit(0, "below it the forecast costs more than reacting", below=True)
DOOR_SECONDS = Limit(0.1, "the HPA asks for all its metrics in one pass of 15 s; p99 is 0.01 s when all is well")
REFRESH_SECONDS = Limit(15, "a pass that takes longer than the refresh interval is late for the next")

PENDING_PODS = Limit(1, "a pod that waits serves nobody", colour="orange")
REQUESTED = Limit(0.85, "of what nodes offer; the rest is what comes while a node starts")
REPLICAS_OF_MAXIMUM = Limit(1, "at its maximum an HPA cannot follow the load")
USED_OF_REQUESTED = Limit(0.5, "below half of what is asked for is paid and not used", below=True)
DAYS_LEFT = Limit(14, "ordering quota or nodes takes up to two weeks", below=True)
QUOTA = Limit(0.9, "beyond it the next scale-out may be refused")

CERTIFICATE_SECONDS = Limit(7 * 86_400, "renewal is tried for weeks before; a week is left for people", below=True)
QUEUE = Limit(0.5, "half full: what it sends to is away or too slow, and half of the patience is gone")
DISK = Limit(0.85, "badger needs room to compact; the rest is days, not weeks")
NONE = Limit(0, "none is expected")
MUTUAL_TLS = Limit(1, "whatever is not mutual TLS goes round the mesh's policies", below=True)
SPOT = Limit(0.7, "more than this can be taken away at once")
