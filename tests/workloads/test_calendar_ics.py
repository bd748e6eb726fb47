"""Events from an ICS text: whole days, named zones, moved and cancelled occurrences; what is refused, and how."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.workloads.calendar import Calendar, IcsImport


def ics(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\n{one}\nEND:VEVENT\n" for one in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{body}END:VCALENDAR\n"


def spans(text: str, *, time_zone: str = "UTC", **more: Any) -> list[tuple[str, str, str]]:
    """Name, begin and end of all occurrences in 2026, UTC."""
    found = Calendar.model_validate({"ics": [{"name": "feed", "text": text} | more]})
    year = [int(datetime(one, 1, 1, tzinfo=UTC).timestamp()) for one in (2026, 2027)]
    shown = [
        (one.name, *(datetime.fromtimestamp(int(at), UTC).strftime("%m-%dT%H:%M") for at in pair))
        for one in found.times(time_zone=time_zone, from_s=year[0], to_s=year[1])
        for pair in zip(one.starts_s, one.ends_s, strict=True)
    ]
    return [(name, begin, end) for name, begin, end in shown]


def test_an_event_of_a_whole_day_is_the_day_of_the_loadforecasts_zone() -> None:
    text = ics("UID:1\nSUMMARY:Fair\nDTSTART;VALUE=DATE:20260329")
    assert spans(text) == [("feed/Fair", "03-29T00:00", "03-30T00:00")]
    assert spans(text, time_zone="Europe/Berlin") == [("feed/Fair", "03-28T23:00", "03-29T22:00")]


def test_several_whole_days_end_before_the_day_that_dtend_names() -> None:
    text = ics("UID:1\nSUMMARY:Fair\nDTSTART;VALUE=DATE:20260701\nDTEND;VALUE=DATE:20260704")
    assert spans(text) == [("feed/Fair", "07-01T00:00", "07-04T00:00")]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "W. Europe Standard Time"])
def test_a_named_zone_decides_through_daylight_saving(zone: str) -> None:
    text = ics(
        f"UID:1\nSUMMARY:Call\nDTSTART;TZID={zone}:20260327T090000\nDTEND;TZID={zone}:20260327T093000\n"
        "RRULE:FREQ=DAILY;BYDAY=MO,FR;COUNT=2"
    )
    assert [one[1:] for one in spans(text)] == [("03-27T08:00", "03-27T08:30"), ("03-30T07:00", "03-30T07:30")]


def test_a_time_in_utc_recurs_in_utc() -> None:
    text = ics("UID:1\nSUMMARY:Job\nDTSTART:20260327T090000Z\nDURATION:PT30M\nRRULE:FREQ=DAILY;INTERVAL=3;COUNT=2")
    assert [one[1] for one in spans(text, time_zone="Europe/Berlin")] == ["03-27T09:00", "03-30T09:00"]


def test_an_event_without_a_zone_is_on_the_clock_of_the_loadforecast() -> None:
    text = ics("UID:1\nDTSTART:20260701T090000\nDURATION:PT1H")
    assert spans(text, time_zone="Europe/Berlin") == [("feed/event", "07-01T07:00", "07-01T08:00")]


def test_occurrences_left_out_moved_cancelled_and_added_are_so() -> None:
    weekly = (
        "UID:1\nSUMMARY:Call\nDTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=5\n"
        "EXDATE;TZID=Europe/Berlin:20260112T090000\nRDATE;TZID=Europe/Berlin:20260114T110000"
    )
    moved = (
        "UID:1\nSUMMARY:Call\nRECURRENCE-ID;TZID=Europe/Berlin:20260119T090000\nDTSTART:20260120T100000Z\nDURATION:PT1H"
    )
    gone = (
        "UID:1\nSUMMARY:Call\nRECURRENCE-ID;TZID=Europe/Berlin:20260126T090000\nSTATUS:CANCELLED\n"
        "DTSTART;TZID=Europe/Berlin:20260126T090000\nDURATION:PT1H"
    )
    found = [begin for _, begin, _ in spans(ics(weekly, moved, gone))]
    assert found == ["01-05T08:00", "01-14T10:00", "01-20T10:00", "02-02T08:00"]


def test_a_cancelled_event_does_not_take_place() -> None:
    assert spans(ics("UID:1\nSTATUS:CANCELLED\nDTSTART:20260701T090000\nDURATION:PT1H")) == []


def test_the_same_holiday_entered_year_by_year_is_one_event() -> None:
    years = [f"UID:{year}\nSUMMARY:Christmas\nDTSTART;VALUE=DATE:{year}1225" for year in (2024, 2025, 2026)]
    found = Calendar.model_validate({"ics": [{"name": "feed", "text": ics(*years), "factor": "0.4"}]})
    (times,) = found.times(time_zone="UTC", from_s=1_700_000_000, to_s=1_800_000_000)
    assert (times.name, times.starts_s.size, times.factor) == ("feed/Christmas", 3, 0.4)


def test_a_zone_that_the_text_defines_itself_is_that_of_iana() -> None:
    liar = (
        "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0900\n"
        "TZOFFSETTO:+0900\nRRULE:FREQ=SECONDLY\nEND:STANDARD\nEND:VTIMEZONE\n"
    )
    text = ics("UID:1\nDTSTART;TZID=Europe/Berlin:20260701T090000\nDURATION:PT1H")
    text = text.replace("BEGIN:VEVENT", liar + "BEGIN:VEVENT")
    assert [begin for _, begin, _ in spans(text)] == ["07-01T07:00"]
    assert [begin for _, begin, _ in spans(text.replace("\n", "\r\n"))] == ["07-01T07:00"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "is not an ICS text: "),
        ("BEGIN:VCALENDAR\n", "is not an ICS text: "),
        ("BEGIN:VEVENT\nEND:VEVENT\n", "begins with VEVENT; an ICS text begins with BEGIN:VCALENDAR"),
        (ics("SUMMARY:a"), "event 'a': needs one DTSTART"),
        (ics("SUMMARY:a\nDTSTART:20260101T090000"), "event 'a': has neither DTEND nor DURATION; give it an end"),
        (ics("SUMMARY:a\nDTSTART:20260101T090000\nDTEND:20260101T080000"), "let DTEND be after DTSTART"),
        (
            ics("SUMMARY:a\nDTSTART:20260101T090000\nDTEND;VALUE=DATE:20260102"),
            "begins with a day and ends with a time",
        ),
        (
            ics("SUMMARY:a\nDTSTART;TZID=Nowhere/Land:20260101T090000\nDURATION:PT1H"),
            "event 'a': TZID Nowhere/Land is not an IANA time zone such as Europe/Berlin",
        ),
        (
            ics("SUMMARY:a\nDTSTART:20260101T090000\nDURATION:PT1H\nRRULE:FREQ=NONSENSE"),
            "event 'a': RRULE cannot be read",
        ),
        (
            ics("SUMMARY:a\nDTSTART:20260101T090000\nDURATION:PT1H\nRRULE:FREQ=SECONDLY"),
            "event 'a': rule cannot be used: FREQ=SECONDLY is finer than a minute",
        ),
        (
            ics("SUMMARY:a\nDTSTART:20260101T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
            "never occurs",
        ),
        (
            ics("SUMMARY:a\nDTSTART:20260101T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY"),
            "has several RRULEs; make an event of each",
        ),
        (ics(*["DTSTART;VALUE=DATE:20260101"] * 1_001), "holds 1001 events, more than 1000"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_with_what_to_change(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IcsImport(name="feed", text=text)
    assert words in str(caught.value)
