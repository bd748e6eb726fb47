"""Events of an ICS text (RFC 5545), read with icalendar.

What icalendar would pass over in silence is refused here: a broken property, a time zone that nobody knows. Zones that
the text itself defines are not used; their names must be those of IANA (or of Windows).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import icalendar

from app.workloads.fields import parse_day_or_moment, parse_moment, wall_clock
from app.workloads.recurrence import Recurrence, check_occurs, check_rule

MAX_EVENTS = 1_000
_ZONE_DEFINITION = re.compile(
    r"^BEGIN:VTIMEZONE\s*?$.*?^END:VTIMEZONE\s*?$\n?", re.DOTALL | re.MULTILINE | re.IGNORECASE
)


@lru_cache(maxsize=256)  # a text is read when it is validated and again at each forecast
def read_ics(text: str) -> tuple[tuple[str, Recurrence], ...]:
    """Summary and times of each event; raises ValueError with what to change."""
    try:
        calendar = icalendar.Calendar.from_ical(_ZONE_DEFINITION.sub("", text))
    except (ValueError, LookupError) as error:
        first = str(error).splitlines()[0] if str(error) else "it is empty"
        raise ValueError(f"is not an ICS text: {first}") from None
    if calendar.name != "VCALENDAR":
        raise ValueError(f"begins with {calendar.name}; an ICS text begins with BEGIN:VCALENDAR")
    components = calendar.walk("VEVENT")
    if len(components) > MAX_EVENTS:
        raise ValueError(f"holds {len(components)} events, more than {MAX_EVENTS}; keep those that are still needed")
    return _with_changes([_Component(one) for one in components])


class _Component:
    """One VEVENT."""

    def __init__(self, component: Any) -> None:
        self.name = str(component.get("SUMMARY") or "event").strip() or "event"
        for wrong, why in component.errors:
            raise ValueError(f"event {self.name!r}: {wrong} cannot be read: {why}")
        self.component = component
        self.uid = str(component.get("UID") or id(component))
        self.cancelled = str(component.get("STATUS") or "").upper() == "CANCELLED"
        given = self._moments("DTSTART")
        if len(given) != 1:
            raise self._trouble("needs one DTSTART")
        self.zone = given[0].tzinfo if isinstance(given[0], datetime) else None
        self.replaces = self._moments("RECURRENCE-ID")
        self.recurrence = self._recurrence(given[0])

    def _recurrence(self, start: datetime | date) -> Recurrence:
        length, elapsed = self._length(start)
        if not timedelta() < length <= timedelta(days=366):
            raise self._trouble(f"lasts {length}; let DTEND be after DTSTART, by 366 days at most")
        found = Recurrence(
            start=self._wall(start),
            length=length,
            elapsed=elapsed,
            zone=self.zone if isinstance(self.zone, ZoneInfo) else None,
            rule=self._rule(),
            also=tuple(parse_moment(one) for one in self._walls("RDATE")),
            excluded=frozenset(self._walls("EXDATE")),
        )
        try:
            check_occurs(found)
        except ValueError as error:
            raise self._trouble(str(error)) from None
        return found

    def _length(self, start: datetime | date) -> tuple[timedelta, bool]:
        ends = self._moments("DTEND")
        if ends:
            if isinstance(ends[0], datetime) != isinstance(start, datetime):
                raise self._trouble("begins with a day and ends with a time, or the reverse; give both alike")
            return self._wall(ends[0]) - self._wall(start), False
        if self.component.get("DURATION") is not None:
            length: timedelta = self.component["DURATION"].dt
            return length, bool(length.seconds)  # whole days go by the calendar
        if isinstance(start, datetime):
            raise self._trouble("has neither DTEND nor DURATION; give it an end")
        return timedelta(days=1), False

    def _rule(self) -> str | None:
        rule = self.component.get("RRULE")
        if rule is None:
            return None
        if isinstance(rule, list):
            raise self._trouble("has several RRULEs; make an event of each")
        try:
            return check_rule(rule.to_ical().decode())
        except ValueError as error:
            raise self._trouble(str(error)) from None

    def _walls(self, name: str) -> tuple[datetime | date, ...]:
        return self.walls(self._moments(name))

    def walls(self, moments: Iterable[datetime | date]) -> tuple[datetime | date, ...]:
        """By the clock of DTSTART; days stay days."""
        return tuple(self._wall(one) if isinstance(one, datetime) else one for one in moments)

    def _wall(self, moment: datetime | date) -> datetime:
        if not isinstance(moment, datetime):
            return datetime.combine(moment, time())
        return wall_clock(moment, self.zone) if isinstance(self.zone, ZoneInfo) else parse_moment(moment)

    def _moments(self, name: str) -> list[datetime | date]:
        given = self.component.get(name)
        if given is None:
            return []
        found: list[datetime | date] = []
        for one in given if isinstance(given, list) else [given]:
            for value in getattr(one, "dts", [one]):
                if not isinstance(value.dt, date):
                    raise self._trouble(f"{name} holds a period; give times")
                found.append(self._known(value.dt, value.params.get("TZID") or one.params.get("TZID")))
        return found

    def _known(self, moment: datetime | date, zone: str | None) -> datetime | date:
        if isinstance(moment, datetime) and moment.tzinfo is None and zone:
            raise self._trouble(f"TZID {zone} is not an IANA time zone such as Europe/Berlin")
        try:
            return parse_day_or_moment(moment)
        except ValueError as error:
            raise self._trouble(str(error)) from None

    def _trouble(self, text: str) -> ValueError:
        return ValueError(f"event {self.name!r}: {text}")


def _with_changes(components: list[_Component]) -> tuple[tuple[str, Recurrence], ...]:
    """Occurrences that were moved or cancelled one by one are taken out of the event that they belong to."""
    moved: dict[str, set[datetime | date]] = defaultdict(set)
    for one in components:
        moved[one.uid] |= set(one.replaces)
    found = []
    for one in components:
        if one.cancelled:
            continue
        recurrence = one.recurrence
        if not one.replaces:
            recurrence = replace(recurrence, excluded=recurrence.excluded | set(one.walls(moved[one.uid])))
        found.append((one.name, recurrence))
    return tuple(found)
