"""`spec.calendar` of a LoadForecast: known events, which times they cover, and what they do to the load.

Times without an offset are on the clock of the event's timeZone, else of spec.timeZone. Events of one name are one
event: what is learned from the one holds for the other.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from app.workloads.fields import DayOrMoment, Moment, Part, Quantity, TimeZone, wall_clock
from app.workloads.ics import read_ics
from app.workloads.recurrence import MAX_OCCURRENCES, Recurrence, TooManyOccurrences, check_occurs, check_rule
from app.workloads.recurrence import occurrences as occurrences_of
from models.calendar import MAX_FACTOR, MIN_FACTOR, EventTimes

_MAX_DAYS = 366

Factor = Annotated[Quantity, Field(ge=MIN_FACTOR, le=MAX_FACTOR)]
RampMinutes = Annotated[int, Field(ge=0, le=1_440)]
Rule = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(check_rule)]


class Event(Part):
    """One event, once or repeated; without a factor its effect is learned from its earlier occurrences."""

    name: str = Field(min_length=1, max_length=63)
    start: Moment
    end: Moment | None = None
    duration_minutes: Annotated[int, Field(ge=1, le=_MAX_DAYS * 1_440)] | None = None
    rrule: Rule | None = None
    exdates: list[DayOrMoment] = Field(default_factory=list, max_length=366)
    time_zone: TimeZone | None = None
    ramp_up_minutes: RampMinutes = 0
    ramp_down_minutes: RampMinutes = 0
    factor: Factor | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Event":
        if (self.end is None) == (self.duration_minutes is None):
            raise ValueError("event needs exactly one of end and durationMinutes")
        if self.end is not None:
            if (self.end.tzinfo is None) != (self.start.tzinfo is None):
                raise ValueError("event's start and end must both name an offset, or neither")
            if not timedelta() < self.end - self.start <= timedelta(days=_MAX_DAYS):
                raise ValueError(f"event's end must be after its start, by {_MAX_DAYS} days at most")
        check_occurs(self.recurrence(ZoneInfo("UTC")))
        return self

    def recurrence(self, default: ZoneInfo) -> Recurrence:
        """When it takes place, on the clock of its own zone or else of `default`."""
        zone = ZoneInfo(self.time_zone) if self.time_zone else default
        start = wall_clock(self.start, zone)
        end = None if self.end is None else wall_clock(self.end, zone)
        return Recurrence(
            start=start,
            length=timedelta(minutes=self.duration_minutes or 0) if end is None else end - start,
            elapsed=end is None,
            zone=zone,
            rule=self.rrule,
            excluded=frozenset(wall_clock(one, zone) if isinstance(one, datetime) else one for one in self.exdates),
        )


class IcsImport(Part):
    """The events of an ICS text, each named `name/SUMMARY`; ramps and factor are those of all of them."""

    name: str = Field(min_length=1, max_length=63)
    text: Annotated[str, Field(min_length=1, max_length=131_072)]
    ramp_up_minutes: RampMinutes = 0
    ramp_down_minutes: RampMinutes = 0
    factor: Factor | None = None

    @model_validator(mode="after")
    def _readable(self) -> "IcsImport":
        read_ics(self.text)
        return self


class Calendar(Part):
    """Known events of a workload."""

    events: list[Event] = Field(default_factory=list, max_length=64)
    ics: list[IcsImport] = Field(default_factory=list, max_length=8)

    def times(self, *, time_zone: str, from_s: int, to_s: int) -> tuple[EventTimes, ...]:
        """What touches [from_s, to_s), ramps included, one entry an event; raises TooManyOccurrences."""
        default = ZoneInfo(time_zone)
        spans: dict[tuple[str, int, int, float | None], set[tuple[int, int]]] = defaultdict(set)
        left = MAX_OCCURRENCES
        for name, recurrence, effect in self._all(default):
            found = occurrences_of(
                recurrence,
                zone=default,
                from_s=from_s - effect.ramp_down_minutes * 60,
                to_s=to_s + effect.ramp_up_minutes * 60,
                limit=left,
            )
            left -= len(found)
            spans[name, effect.ramp_up_minutes, effect.ramp_down_minutes, effect.factor] |= set(found)
        return tuple(_event_times(*key, sorted(pairs)) for key, pairs in spans.items() if pairs)

    def _all(self, default: ZoneInfo) -> Iterator[tuple[str, Recurrence, Event | IcsImport]]:
        for event in self.events:
            yield event.name, event.recurrence(default), event
        for one in self.ics:
            for summary, recurrence in read_ics(one.text):
                yield f"{one.name}/{summary}", recurrence, one


def _event_times(name: str, up: int, down: int, factor: float | None, pairs: list[tuple[int, int]]) -> EventTimes:
    starts_s, ends_s = np.asarray(pairs, dtype=np.int64).T
    return EventTimes(name, starts_s, ends_s, ramp_up_seconds=up * 60, ramp_down_seconds=down * 60, factor=factor)


__all__ = ["Calendar", "Event", "IcsImport", "TooManyOccurrences"]
