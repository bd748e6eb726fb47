"""CSV files as histories: what is accepted, and what the error says about the rest."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigurationError, QueryRejected
from app.sources.csv import csv_source
from app.sources.fixed import FixedSource

FOREVER = float("inf")


def source(tmp_path: Path, text: str) -> FixedSource:
    path = tmp_path / "load.csv"
    path.write_text(text)
    return csv_source(path, now=lambda: FOREVER)


def read(fixed: FixedSource, query: str, *, start: int = 0, end: int = 300) -> dict[float, float]:
    series = fixed.range(query, start_s=start, end_s=end, step_seconds=60).series
    return dict(zip(series[0].history.times_s, series[0].history.values, strict=True)) if series else {}


UNIX = "timestamp,a,b\n0,1,10\n60,2,20\n120,3,30\n"
ISO = "timestamp,a,b\n1970-01-01T00:00:00Z,1,10\n1970-01-01 00:01:00,2,20\n1970-01-01T01:02:00+01:00,3,30\n"


@pytest.mark.parametrize("text", [UNIX, ISO, UNIX.replace("\n", "\r\n"), UNIX.replace(",", ", ")])
def test_a_column_is_a_query(tmp_path: Path, text: str) -> None:
    fixed = source(tmp_path, text)
    assert fixed.queries == ("a", "b")
    assert read(fixed, "b") == {0: 10, 60: 20, 120: 30}


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "load.csv.gz"
    path.write_bytes(gzip.compress(UNIX.encode()))
    assert read(csv_source(path, now=lambda: 60.0), "a") == {0: 1, 60: 2}


def test_fractions_of_a_second_count(tmp_path: Path) -> None:
    fixed = source(
        tmp_path, "timestamp,a\n1970-01-01T00:00:59.5Z,1\n1970-01-01T00:01:59.5Z,2\n1970-01-01T00:03:00.001Z,3\n"
    )
    assert read(fixed, "a", end=180) == {60: 1, 120: 2}


def test_empty_cells_and_missing_rows_are_gaps_not_zeros(tmp_path: Path) -> None:
    fixed = source(tmp_path, "timestamp,a,b\n0,1,\n60,,2\n120,3,3\n240,5,5\n")
    assert read(fixed, "a") == {0: 1, 120: 3, 240: 5}
    assert read(fixed, "b") == {60: 2, 120: 3, 240: 5}


def test_a_column_without_any_number_has_no_series(tmp_path: Path) -> None:
    assert read(source(tmp_path, "timestamp,a,b\n0,1,\n60,2,\n"), "b") == {}


def test_a_value_counts_until_the_next_one(tmp_path: Path) -> None:
    fixed = source(tmp_path, UNIX)
    assert fixed.instant("a", at_s=119).series[0].history.values.tolist() == [2]
    assert fixed.instant("a", at_s=179.9).series[0].history.values.tolist() == [3]
    assert fixed.instant("a", at_s=180).series == ()


def test_rows_may_come_in_any_order_and_the_last_of_equal_times_counts(tmp_path: Path) -> None:
    assert read(source(tmp_path, "timestamp,a\n120,3\n0,1\n60,9\n60,2\n"), "a") == {0: 1, 60: 2, 120: 3}


def test_numbers_that_are_no_load_are_passed_on_as_they_are(tmp_path: Path) -> None:
    found = read(source(tmp_path, "timestamp,a\n0,-1\n60,inf\n120,1e3\n"), "a")
    np.testing.assert_equal(found, {0.0: -1.0, 60.0: np.inf, 120.0: 1000.0})


def test_an_unknown_column_is_rejected_with_the_names_of_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(QueryRejected, match=r"'c' is not in load\.csv; there are: a, b"):
        source(tmp_path, UNIX).instant("c", at_s=0)


WRONG = [
    ("", "check its name and content"),
    ("time,a\n0,1\n60,2\n", "needs a column named timestamp; its columns are .*time"),
    ("timestamp\n0\n60\n", "at least one column of numbers"),
    ("timestamp,a\n0,1\nyesterday,2\n", "column timestamp, line 3 holds 'yesterday'; write times as"),
    ("timestamp,a\n0,1\n,2\n", "column timestamp, line 3 holds 'nan'; write times as"),
    ("timestamp,a\n2020-01-01,1\n,2\n", "column timestamp, line 3 holds 'nan'; write times as"),
    ("timestamp,a\n0,1\n60,many\n", "column a, line 3 holds 'many'; write a number"),
    ("timestamp,a\n0,1\n", "at least two different times"),
    ("timestamp,a\n0,1\n0,2\n", "at least two different times"),
    ('timestamp,a\n0,1\n60,2,3,4\n"', "cannot be read as CSV"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_file_that_cannot_be_used_says_what_to_change(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        source(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.csv: cannot be read"):
        csv_source(tmp_path / "absent.csv", now=lambda: 0.0)


@pytest.mark.parametrize("content", [UNIX.encode(), gzip.compress(UNIX.encode(), mtime=0)[:-12]], ids=["plain", "cut"])
def test_a_file_that_is_not_wholly_compressed_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "load.csv.gz").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read as CSV"):
        csv_source(tmp_path / "load.csv.gz", now=lambda: 0.0)
