"""Kinds of values in a LoadForecast's spec: Kubernetes quantities, times and time zones."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

_SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(1000),
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
}
_SUFFIXES |= {"Ki": Decimal(2) ** 10, "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30}
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)
_YEARS = range(1970, 2200)


class Part(BaseModel):
    """A part of the spec: frozen, names in camelCase, nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


def parse_quantity(text: object) -> float:
    """A Kubernetes quantity ("1500m", "2k", 3) as a float; raises ValueError for anything else."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"{text!r} is not a quantity such as 12, 0.5 or 1500m")
    plain = str(text)
    suffix = plain.lstrip("+-0123456789.eE") if not plain.endswith(("E", "e")) else ""
    try:
        number = Decimal(plain.removesuffix(suffix)) * _SUFFIXES[suffix]
    except (InvalidOperation, KeyError):
        raise ValueError(f"{plain!r} is not a quantity such as 12, 0.5 or 1500m") from None
    if not number.is_finite():
        raise ValueError(f"{plain!r} is not a finite quantity")
    return float(number)


def parse_moment(given: object) -> datetime:
    """A day (its midnight), a local time, or a time with its offset; YAML may have read it already."""
    found = parse_day_or_moment(given)
    return found if isinstance(found, datetime) else datetime.combine(found, time())


def parse_day_or_moment(given: object) -> datetime | date:
    """As `parse_moment`, but a day stays a day."""
    trouble = f"{str(given)!r} is not a time such as 2026-12-24, 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00"
    found = given
    if isinstance(given, str) and _MOMENT.fullmatch(given):
        try:
            found = datetime.fromisoformat(given) if "T" in given else date.fromisoformat(given)
        except ValueError:
            raise ValueError(trouble) from None
    if not isinstance(found, date):
        raise ValueError(trouble)
    if found.year not in _YEARS:
        raise ValueError(f"{str(given)!r} is not within the years {_YEARS.start} to {_YEARS.stop - 1}")
    return found


def check_time_zone(name: str) -> str:
    """The name of an IANA time zone that is known here."""
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin or UTC") from None
    return name


def wall_clock(moment: datetime, zone: ZoneInfo) -> datetime:
    """What a clock in `zone` shows at a moment; one without an offset is that already."""
    return moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)


def unix_seconds(wall: datetime, zone: ZoneInfo) -> int:
    """The moment at which a clock in `zone` shows `wall`: the first of two, and an hour on where it shows it never."""
    return int(wall.replace(tzinfo=zone, fold=0).astimezone(UTC).timestamp())


Quantity = Annotated[float, BeforeValidator(parse_quantity)]
PositiveQuantity = Annotated[Quantity, Field(gt=0)]
NonNegativeQuantity = Annotated[Quantity, Field(ge=0)]
Fraction = Annotated[Quantity, Field(gt=0, lt=1)]
Moment = Annotated[datetime, BeforeValidator(parse_moment)]
DayOrMoment = Annotated[datetime | date, BeforeValidator(parse_day_or_moment)]
TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(check_time_zone)]
