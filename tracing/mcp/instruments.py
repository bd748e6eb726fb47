"""The instruments, made once for each pair of providers; the record of trouble inside the instrumentation."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import ParamSpec, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation
from opentelemetry.trace import Tracer, TracerProvider

from tracing.mcp import names
from tracing.mcp.known import KnownNames
from tracing.mcp.names import Metric

log = logging.getLogger("tracing.mcp")

P = ParamSpec("P")
T = TypeVar("T")


class Level:
    """How many of something are open now, by attributes; an observable instrument that is read when metrics are.

    A step is a number changed under a lock: a synchronous instrument would cost two measurements an operation.
    Attributes once seen stay, at 0 if nothing is open, so their values must be bounded and their order always the same.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[tuple[str, str], ...], int] = {}
        self._lock = Lock()

    def add(self, change: int, attributes: Mapping[str, str]) -> None:
        """Opens (1) or closes (-1) one."""
        key = tuple(attributes.items())
        with self._lock:
            self._open[key] = self._open.get(key, 0) + change

    def observe(self, _: CallbackOptions) -> list[Observation]:
        """The callback of the instrument."""
        with self._lock:
            return [Observation(value, dict(key)) for key, value in self._open.items()]


@dataclass(frozen=True)
class Side:
    """The instruments of one side of a connection, server or client."""

    duration: Histogram
    session_duration: Histogram
    active: Level
    sessions: Level
    streams: Level


@dataclass(frozen=True)
class Instruments:
    """Tracer and instruments of one pair of providers, and the tool names that its clients have learned."""

    tracer: Tracer
    server: Side
    client: Side
    queue: Histogram
    learned: KnownNames


@lru_cache(maxsize=8)
def instruments(tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> Instruments:
    """The instruments of these providers; None stands for the global one, also where that is set later."""
    meter = metrics.get_meter(names.SCOPE, names.SCHEMA_VERSION, meter_provider)
    return Instruments(
        tracer=trace.get_tracer(names.SCOPE, names.SCHEMA_VERSION, tracer_provider),
        server=Side(
            duration=_histogram(meter, names.SERVER_OPERATION_DURATION),
            session_duration=_histogram(meter, names.SERVER_SESSION_DURATION),
            active=_level(meter, names.SERVER_ACTIVE_OPERATIONS),
            sessions=_level(meter, names.SERVER_ACTIVE_SESSIONS),
            streams=_level(meter, names.SERVER_ACTIVE_STREAMS),
        ),
        client=Side(
            duration=_histogram(meter, names.CLIENT_OPERATION_DURATION),
            session_duration=_histogram(meter, names.CLIENT_SESSION_DURATION),
            active=_level(meter, names.CLIENT_ACTIVE_OPERATIONS),
            sessions=_level(meter, names.CLIENT_ACTIVE_SESSIONS),
            streams=_level(meter, names.CLIENT_ACTIVE_STREAMS),
        ),
        queue=_histogram(meter, names.SERVER_QUEUE_DURATION),
        learned=KnownNames(),
    )


def _histogram(meter: Meter, metric: Metric) -> Histogram:
    return meter.create_histogram(
        metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.boundaries
    )


def _level(meter: Meter, metric: Metric) -> Level:
    level = Level()
    meter.create_observable_up_down_counter(metric.name, [level.observe], metric.unit, metric.meaning)
    return level


class Trouble:
    """Errors of the instrumentation itself: swallowed, since no call may fail by being watched, and logged once."""

    def __init__(self) -> None:
        self.count = 0
        self._seen: set[tuple[str, str]] = set()

    def note(self, where: str, error: Exception) -> None:
        """Counts `error`; logs it with its traceback the first time that its type occurs at `where`."""
        self.count += 1
        kind = (where, type(error).__name__)
        if kind not in self._seen:
            self._seen.add(kind)
            log.warning("instrumentation failed in %s; calls go on without it", where, exc_info=error)

    def forget(self) -> None:
        """Logs what was logged already again when it occurs again."""
        self._seen.clear()


TROUBLE = Trouble()
"""Of this process; a count above zero is a defect of this library."""


def guarded(where: str, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T | None:
    """What `function` returns, or None where it raised an Exception, which is noted."""
    try:
        return function(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - whatever it is, the watched call goes on
        TROUBLE.note(where, error)
        return None
