"""Events of a LoadForecast: when they take place by the clock of their zone, and what is refused with which words."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.workloads.calendar import Calendar, TooManyOccurrences
from app.workloads.documents import read_documents
from app.workloads.recurrence import MAX_OCCURRENCES, Recurrence, check_occurs, check_rule, occurrences

BERLIN = ZoneInfo("Europe/Berlin")
NAIVE = datetime(2020, 1, 1)  # noqa: DTZ001 - on a clock
NINE = {"name": "opening", "start": "2026-01-05T09:00", "end": "2026-01-05T10:00", "rrule": "FREQ=DAILY"}


def unix(text: str) -> int:
    """Of a time in UTC, `2026-01-05` or `2026-01-05T09:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def calendar(*events: dict[str, Any]) -> Calendar:
    return Calendar.model_validate({"events": list(events)})


def starts(found: Calendar, begin: str, end: str, *, time_zone: str = "UTC") -> list[str]:
    """Begin of each occurrence of all events, UTC."""
    times = found.times(time_zone=time_zone, from_s=unix(begin), to_s=unix(end))
    return [datetime.fromtimestamp(at, UTC).strftime("%m-%dT%H:%M") for one in times for at in one.starts_s]


def refusal(**changes: Any) -> str:
    event = {name: value for name, value in (NINE | changes).items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        calendar(event)
    return str(caught.value)


@given(day=st.dates(date(2026, 3, 1), date(2026, 11, 30)))
def test_nine_oclock_in_berlin_stays_nine_oclock_through_daylight_saving(day: date) -> None:
    found = calendar(NINE | {"timeZone": "Europe/Berlin"})
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=BERLIN).timestamp())
    (times,) = found.times(time_zone="UTC", from_s=midnight, to_s=midnight + 82_800)
    local = [datetime.fromtimestamp(int(at[0]), BERLIN) for at in (times.starts_s, times.ends_s)]
    assert [(one.date(), one.hour) for one in local] == [(day, 9), (day, 10)]


def test_an_event_without_a_zone_is_on_the_clock_of_the_loadforecast() -> None:
    assert starts(calendar(NINE), "2026-07-01", "2026-07-02") == ["07-01T09:00"]
    assert starts(calendar(NINE), "2026-07-01", "2026-07-02", time_zone="Europe/Berlin") == ["07-01T07:00"]


def test_a_time_with_an_offset_is_that_moment_and_then_recurs_by_the_clock() -> None:
    event = {"name": "x", "start": "2026-01-05T08:00:00Z", "durationMinutes": 5, "rrule": "FREQ=DAILY"}
    assert starts(calendar(event), "2026-07-01", "2026-07-02", time_zone="Europe/Berlin") == ["07-01T07:00"]


def test_a_night_ends_by_the_clock_and_a_duration_by_elapsed_time() -> None:
    night = {"name": "night", "start": "2026-03-28T22:00", "timeZone": "Europe/Berlin"}
    found = calendar(night | {"end": "2026-03-29T06:00"}, night | {"name": "run", "durationMinutes": 480})
    clock, elapsed = found.times(time_zone="UTC", from_s=unix("2026-03-28"), to_s=unix("2026-03-30"))
    assert clock.ends_s[0] - clock.starts_s[0] == 7 * 3_600
    assert elapsed.ends_s[0] - elapsed.starts_s[0] == 8 * 3_600


def test_an_event_within_the_skipped_hour_takes_place_right_after_it() -> None:
    event = {"name": "x", "start": "2026-03-28T02:30", "end": "2026-03-28T03:00", "rrule": "FREQ=DAILY"}
    (times,) = calendar(event).times(time_zone="Europe/Berlin", from_s=unix("2026-03-29"), to_s=unix("2026-03-30"))
    assert times.starts_s[0] == unix("2026-03-29T01:30")
    assert times.ends_s[0] == unix("2026-03-29T02:00")


def test_an_event_that_touches_the_range_is_found_and_one_that_only_meets_it_is_not() -> None:
    found = calendar({"name": "x", "start": "2026-01-05T09:00", "end": "2026-01-05T10:00"})
    assert starts(found, "2026-01-05T09:59", "2026-01-05T12:00") == ["01-05T09:00"]
    assert starts(found, "2026-01-05T10:00", "2026-01-05T12:00") == []
    assert starts(found, "2026-01-05T08:00", "2026-01-05T09:00") == []


def test_ramps_belong_to_what_touches_the_range() -> None:
    ramped = NINE | {"rampUpMinutes": 30, "rampDownMinutes": 15, "rrule": None}
    found = calendar({name: value for name, value in ramped.items() if value is not None})
    assert starts(found, "2026-01-05T08:00", "2026-01-05T08:31") == ["01-05T09:00"]
    assert starts(found, "2026-01-05T10:14", "2026-01-05T12:00") == ["01-05T09:00"]
    assert starts(found, "2026-01-05T10:15", "2026-01-05T12:00") == []


def test_days_left_out_do_not_occur_whether_given_as_day_time_or_moment() -> None:
    out = ["2026-01-06", "2026-01-07T09:00", "2026-01-08T08:00:00Z", "2026-01-09T10:00"]
    found = calendar(NINE | {"exdates": out, "timeZone": "Europe/Berlin"})
    assert starts(found, "2026-01-05", "2026-01-11") == ["01-05T08:00", "01-09T08:00", "01-10T08:00"]


def test_a_last_day_counts_whole_and_a_last_moment_in_utc_is_put_on_the_clock() -> None:
    for until, last in (("20260107", 7), ("20260107T080000Z", 7), ("20260107T075959Z", 6), ("20260107T085959", 6)):
        found = calendar(NINE | {"rrule": f"FREQ=DAILY;UNTIL={until}", "timeZone": "Europe/Berlin"})
        assert starts(found, "2026-01-01", "2026-02-01")[-1] == f"01-{last:02}T08:00", until


def test_events_of_one_name_and_effect_are_one_event() -> None:
    once = [{"name": "letter", "start": f"2026-01-{day}T09:00", "durationMinutes": 5} for day in (20, 10)]
    (times,) = calendar(*once).times(time_zone="UTC", from_s=unix("2026-01-01"), to_s=unix("2026-02-01"))
    assert times.starts_s.tolist() == [unix("2026-01-10T09:00"), unix("2026-01-20T09:00")]


RULES = st.builds(
    lambda freq, interval, extra, stop: f"FREQ={freq};INTERVAL={interval}{extra}{stop}",
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 5),
    st.sampled_from(["", ";BYMONTH=1,6", ";BYDAY=MO,SU", ";BYDAY=TU;WKST=SU", ";BYHOUR=1,13", ";BYMONTHDAY=1,-1"]),
    st.sampled_from(["", ";COUNT=40", ";UNTIL=20250101T000000"]),
)


@settings(deadline=None)
@given(
    rule=RULES,
    start=st.datetimes(NAIVE, NAIVE.replace(year=2023)).map(lambda one: one.replace(microsecond=0)),
    from_day=st.integers(0, 2_000),
)
def test_a_search_near_the_range_finds_what_a_search_from_the_start_finds(
    rule: str, start: datetime, from_day: int
) -> None:
    recurrence = Recurrence(start, timedelta(minutes=1), rule=rule)
    try:
        check_occurs(recurrence)
    except ValueError:
        reject()
    lower = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=from_day)
    upper = lower + timedelta(days=60)
    every = list(rrulestr(rule, dtstart=start).between(NAIVE.replace(year=2019), upper.replace(tzinfo=None), inc=True))
    expected = [one.replace(tzinfo=UTC).timestamp() for one in every]
    found = occurrences(
        recurrence,
        zone=ZoneInfo("UTC"),
        from_s=int(lower.timestamp()),
        to_s=int(upper.timestamp()),
    )
    within = [at for at in expected if at < upper.timestamp() and at + 60 > lower.timestamp()]
    assert [at for at, _ in found] == within


@given(weekday=st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]))
def test_a_weekly_event_takes_place_on_its_weekday_by_the_clock(weekday: str) -> None:
    found = calendar(NINE | {"rrule": f"FREQ=WEEKLY;BYDAY={weekday}"})
    (times,) = found.times(time_zone="Asia/Tokyo", from_s=unix("2026-02-01"), to_s=unix("2026-03-29"))
    local = [datetime.fromtimestamp(int(at), ZoneInfo("Asia/Tokyo")) for at in times.starts_s]
    assert {one.strftime("%a")[:2].upper() for one in local} == {weekday}
    assert len(local) == 8


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("weekly", "'WEEKLY' is not a part of an RRULE here; use NAME=VALUE"),
        ("BYDAY=MO", "needs a FREQ, such as FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=SECONDLY", "FREQ=SECONDLY is finer than a minute; use FREQ=MINUTELY"),
        ("FREQ=DAILY;BYSECOND=0,30", "BYSECOND=0,30 is finer than a minute"),
        ("FREQ=FORTNIGHTLY", "FREQ=FORTNIGHTLY is not what RFC 5545 allows"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13 is not within 1 to 12"),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY=0 is not within 1 to 31, or -31 to -1"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not within 1 to 10080"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL=1,2 is not within"),
        ("FREQ=DAILY;BYHOUR=nine", "BYHOUR=NINE is not within 0 to 23"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "takes COUNT or UNTIL, not both"),
        ("FREQ=DAILY;UNTIL=20261399", "UNTIL=20261399 is not a time such as 20261231T235959Z"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
        ("FREQ=WEEKLY;BYDAY=2MO", "counts days of a month or year"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY=XX is not what RFC 5545 allows"),
        ("FREQ=HOURLY;BYDAY=MO", "FREQ=HOURLY takes no BYDAY; write it as FREQ=DAILY with BYHOUR and BYMINUTE"),
        ("FREQ=DAILY;BYEASTER=1", "is not a part of an RRULE here"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_what_to_change(rule: str, words: str) -> None:
    assert words in refusal(rrule=rule)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=40",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=DAILY;UNTIL=20250101",
    ],
)
def test_a_rule_that_never_occurs_is_refused_without_a_search_of_all_time(rule: str) -> None:
    assert f"{rule} never occurs; check its BY... parts and UNTIL" in refusal(rrule=rule)


def test_a_rule_that_occurs_too_often_is_refused_and_every_quarter_hour_is_not() -> None:
    assert "use a larger INTERVAL, or one longer event" in refusal(rrule="FREQ=MINUTELY")
    calendar(NINE | {"rrule": "FREQ=MINUTELY;INTERVAL=15"})


def test_a_leading_rrule_and_small_letters_are_taken() -> None:
    assert check_rule("rrule:freq=daily") == "FREQ=DAILY"


def test_more_occurrences_than_can_be_used_are_an_error_that_says_what_to_change() -> None:
    quarter = NINE | {"rrule": "FREQ=MINUTELY;INTERVAL=15"}
    found = calendar(quarter, quarter | {"name": "other"})
    with pytest.raises(TooManyOccurrences, match="occurrences in 35 days; use a larger INTERVAL"):
        found.times(time_zone="UTC", from_s=unix("2026-02-01"), to_s=unix("2026-03-08"))
    assert len(starts(found, "2026-02-01", "2026-02-02")) == 2 * (96 + 3)  # an hour long, so three began the day before
    assert MAX_OCCURRENCES > 35 * 96


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": "tomorrow"}, "'tomorrow' is not a time such as 2026-12-24"),
        ({"start": "2026-02-30"}, "'2026-02-30' is not a time such as"),
        ({"start": 5}, "'5' is not a time such as"),
        ({"start": "1815-06-18"}, "is not within the years 1970 to 2199"),
        ({"end": "2026-01-05T09:00"}, "end must be after its start, by 366 days at most"),
        ({"end": "2026-01-05T10:00:00Z"}, "start and end must both name an offset, or neither"),
        ({"end": None}, "exactly one of end and durationMinutes"),
        ({"durationMinutes": 5}, "exactly one of end and durationMinutes"),
        ({"timeZone": "Berlin"}, "'Berlin' is not an IANA time zone such as Europe/Berlin or UTC"),
        ({"timeZone": "../Europe/Berlin"}, "is not an IANA time zone"),
        ({"timeZone": "Europe"}, "is not an IANA time zone"),
        ({"factor": "0"}, "greater than or equal to 0.05"),
        ({"factor": 21}, "less than or equal to 20"),
        ({"rampUpMinutes": -1}, "greater than or equal to 0"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_with_what_to_change(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(**changes)


DOCUMENT = """
apiVersion: forescale.dev/v1alpha1
kind: LoadForecast
metadata: {name: gateway}
spec:
  targetRef: {name: gateway}
  demand: {query: up}
  capacityPerPod: 12
  timeZone: Europe/Berlin
  calendar:
    events:
      - {name: sale, start: 2026-11-27, end: 2026-11-30, factor: "2.5"}
      - {name: letter, start: 2026-11-27T09:00:00, durationMinutes: 60, rrule: FREQ=WEEKLY, exdates: [2026-12-25]}
"""


def test_a_file_may_hold_times_that_yaml_reads_itself() -> None:
    (document,) = read_documents(DOCUMENT)
    assert document.problems == ()
    assert document.forecast is not None
    spec = document.forecast.spec
    times = spec.calendar.times(time_zone=spec.time_zone, from_s=unix("2026-11-01"), to_s=unix("2027-01-01"))
    assert [(one.name, one.factor, one.starts_s.size) for one in times] == [("sale", 2.5, 1), ("letter", None, 4)]
    assert times[0].starts_s[0] == unix("2026-11-26T23:00")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("factor:", "faktor:", "spec.calendar.events.0.faktor: is not a field here; did you mean factor?"),
        (
            "FREQ=WEEKLY",
            "FREQ=SECONDLY",
            "spec.calendar.events.1.rrule: rule cannot be used: FREQ=SECONDLY is finer than a minute",
        ),
        ("Europe/Berlin", "Berlin", "spec.timeZone: 'Berlin' is not an IANA time zone"),
        ("name: sale, ", "", "spec.calendar.events.0.name: is missing; add it"),
    ],
)
def test_what_is_wrong_in_an_event_names_its_place(old: str, new: str, expected: str) -> None:
    (document,) = read_documents(DOCUMENT.replace(old, new))
    assert [str(one)[: len(expected)] for one in document.problems] == [expected]
