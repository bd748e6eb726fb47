"""When an event takes place: RFC 5545 rules through dateutil, on the clock of a time zone.

A rule comes from whoever may write a LoadForecast, so what it can cost is bounded: no rule that never occurs (dateutil
would search until the year 9999), none that occurs too often, and a search begins near the asked range.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from app.workloads.fields import unix_seconds, wall_clock

MAX_OCCURRENCES = 5_000
_DENSITY_DAYS = 35  # a rule may not occur more than MAX_OCCURRENCES times in so many days: every 15 minutes is fine

_NUMBERS = {  # smallest, largest, whether they may count from the end
    "INTERVAL": (1, 10_080, False),
    "COUNT": (1, MAX_OCCURRENCES, False),
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYSETPOS": (1, 366, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
}
_SINGLE = {"INTERVAL", "COUNT"}
_WORDS = {
    "FREQ": re.compile(r"MINUTELY|HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY"),
    "UNTIL": re.compile(r"\d{8}(T\d{6}Z?)?", re.ASCII),
    "WKST": re.compile(r"MO|TU|WE|TH|FR|SA|SU"),
    "BYDAY": re.compile(r"(([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)(,|$))+(?<!,)", re.ASCII),
}
_STEPS = {
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_LAST_CYCLE_YEARS = 7_600  # the calendar repeats every 400 years; moved by so many, dateutil's search ends soon
_FAR_YEAR = 2_300


class TooManyOccurrences(ValueError):
    """More than MAX_OCCURRENCES in the asked range; the message says what to change."""


@dataclass(frozen=True)
class Recurrence:
    """start: on the clock of `zone`, or of the LoadForecast's zone if None. length: by the clock (22:00 to 06:00 ends
    at 06:00 also when an hour is skipped), or elapsed. also, excluded: further and cancelled ones, by the same clock.
    """

    start: datetime
    length: timedelta
    elapsed: bool = False
    zone: ZoneInfo | None = None
    rule: str | None = None
    also: tuple[datetime, ...] = ()
    excluded: frozenset[datetime | date] = frozenset()


def check_rule(text: str) -> str:
    """The rule without a leading "RRULE:"; raises ValueError with what to change."""
    plain = text.strip().upper().removeprefix("RRULE:")
    try:
        _check_together(_parts(plain))
    except ValueError as error:
        raise ValueError(f"rule cannot be used: {error}") from None
    return plain


def _check_together(parts: dict[str, str]) -> None:
    freq = parts["FREQ"]
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("takes COUNT or UNTIL, not both; remove one")
    narrowing = sorted(name for name in parts if name.startswith("BY"))
    if freq in ("MINUTELY", "HOURLY") and narrowing:
        raise ValueError(f"FREQ={freq} takes no {narrowing[0]}; write it as FREQ=DAILY with BYHOUR and BYMINUTE")
    if freq not in ("MONTHLY", "YEARLY") and any(digit.isdigit() for digit in parts.get("BYDAY", "")):
        raise ValueError(
            f"BYDAY={parts['BYDAY']} counts days of a month or year; remove the number, or use FREQ=MONTHLY"
        )


def check_occurs(recurrence: Recurrence) -> None:
    """Raises ValueError for a rule that never occurs, or far too often."""
    if recurrence.rule is None:
        return
    start = recurrence.start.replace(year=recurrence.start.year + _LAST_CYCLE_YEARS)
    walls = iter(rrulestr(_rule_text(recurrence.rule, None, years=_LAST_CYCLE_YEARS), dtstart=start))
    first = next(walls, None)
    if first is None:
        raise ValueError(f"rule {recurrence.rule} never occurs; check its BY... parts and UNTIL")
    end = first + timedelta(days=_DENSITY_DAYS)
    near = itertools.takewhile(lambda wall: wall < end, itertools.islice(walls, MAX_OCCURRENCES))
    if sum(1 for _ in near) >= MAX_OCCURRENCES:
        raise ValueError(
            f"rule {recurrence.rule} occurs more than {MAX_OCCURRENCES} times in {_DENSITY_DAYS} days; use a larger"
            " INTERVAL, or one longer event"
        )


def occurrences(
    recurrence: Recurrence, *, zone: ZoneInfo, from_s: int, to_s: int, limit: int = MAX_OCCURRENCES
) -> list[tuple[int, int]]:
    """Begin and end, Unix seconds, of what overlaps [from_s, to_s), in their order; `zone` for one that names none."""
    zone = recurrence.zone or zone
    slack = timedelta(days=1) + recurrence.length  # more than any change of a clock
    lower = wall_clock(datetime.fromtimestamp(from_s, UTC), zone) - slack
    upper = wall_clock(datetime.fromtimestamp(to_s, UTC), zone) + timedelta(days=1)
    found: set[tuple[int, int]] = set()
    for wall in itertools.chain(_walls(recurrence, zone, lower, upper), recurrence.also):
        if wall in recurrence.excluded or wall.date() in recurrence.excluded:
            continue
        start_s, end_s = _span(recurrence, wall, zone)
        if start_s < to_s and end_s > from_s:
            found.add((start_s, end_s))
        if len(found) > limit:
            raise TooManyOccurrences(
                f"more than {limit} occurrences in {(to_s - from_s) / 86_400:g} days; use a larger INTERVAL,"
                " longer events, or fewer of them"
            )
    return sorted(found)


def _walls(recurrence: Recurrence, zone: ZoneInfo, lower: datetime, upper: datetime) -> Iterator[datetime]:
    if recurrence.rule is None:
        yield recurrence.start
        return
    start = _nearby(recurrence.start, _parts(recurrence.rule), lower)
    for wall in rrulestr(_rule_text(recurrence.rule, zone), dtstart=start):
        if wall > upper:
            return
        if wall >= lower:
            yield wall


def _nearby(start: datetime, parts: dict[str, str], lower: datetime) -> datetime:
    """A later start that gives the same occurrences from `lower` on."""
    step = _STEPS.get(parts["FREQ"])
    if step is None or "COUNT" in parts or lower <= start:
        return start
    period = step * int(parts.get("INTERVAL", 1))
    return start + max((lower - start) // period - 1, 0) * period  # one earlier: a week begun may lack its first days


def _span(recurrence: Recurrence, wall: datetime, zone: ZoneInfo) -> tuple[int, int]:
    start_s = unix_seconds(wall, zone)
    elapsed_s = start_s + int(recurrence.length.total_seconds())
    if recurrence.elapsed:
        return start_s, elapsed_s
    end_s = unix_seconds(wall + recurrence.length, zone)
    return start_s, end_s if end_s > start_s else elapsed_s  # not after it: it begins within a skipped hour


def _parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for pair in rule.removesuffix(";").split(";"):
        name, equals, value = pair.partition("=")
        if name == "BYSECOND" or pair == "FREQ=SECONDLY":
            raise ValueError(f"{pair} is finer than a minute; use FREQ=MINUTELY or a longer one, without BYSECOND")
        if not equals or name not in _NUMBERS.keys() | _WORDS.keys():
            known = ", ".join([*_WORDS, *_NUMBERS])
            raise ValueError(f"{pair!r} is not a part of an RRULE here; use NAME=VALUE with {known}")
        if name in parts:
            raise ValueError(f"{name} is given twice; keep one")
        _check_part(name, value)
        parts[name] = value
    if "FREQ" not in parts:
        raise ValueError("needs a FREQ, such as FREQ=WEEKLY;BYDAY=MO")
    return parts


def _check_part(name: str, value: str) -> None:
    if name in _WORDS:
        if not _WORDS[name].fullmatch(value):
            raise ValueError(f"{name}={value} is not what RFC 5545 allows for {name}")
        if name == "UNTIL":
            _until(value, None)
        return
    smallest, largest, from_the_end = _NUMBERS[name]
    numbers = value.split(",")
    good = all(
        re.fullmatch(r"[+-]?\d{1,5}", one, re.ASCII)
        and smallest <= (abs(int(one)) if from_the_end else int(one)) <= largest
        for one in numbers
    )
    if not good or (name in _SINGLE and len(numbers) > 1):
        signed = f", or -{largest} to -{smallest}" if from_the_end else ""
        raise ValueError(f"{name}={value} is not within {smallest} to {largest}{signed}")


def _rule_text(rule: str, zone: ZoneInfo | None, *, years: int = 0) -> str:
    """The rule with UNTIL on the clock of `zone`, moved by whole cycles of the calendar; one far off is left out."""
    parts = _parts(rule)
    if "UNTIL" in parts:
        until = _until(parts.pop("UNTIL"), zone)
        if until.year < _FAR_YEAR:
            parts["UNTIL"] = until.replace(year=until.year + years).strftime("%Y%m%dT%H%M%S")
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _until(value: str, zone: ZoneInfo | None) -> datetime:
    """The last moment of a rule; a day means all of it."""
    try:
        at = datetime.strptime((value.removesuffix("Z") + "T235959")[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007
    except ValueError:
        raise ValueError(f"UNTIL={value} is not a time such as 20261231T235959Z") from None
    if value.endswith("Z") and zone is not None and at.year < _FAR_YEAR:
        return wall_clock(at.replace(tzinfo=UTC), zone)
    return at
