"""A history of any step and with gaps, on a grid of minutes: what was measured, and what was known of it when."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import ConfigurationError
from app.sources.history_file import read_history


def write(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "h.csv"
    path.write_text("\n".join(("timestamp,value", *rows, "")))
    return path


def test_minutes_are_known_at_their_end(tmp_path: Path) -> None:
    file = read_history(write(tmp_path, *(f"2026-01-01T00:0{minute}:00Z,{minute}" for minute in range(4))))
    assert file.demand.tolist() == [0, 1, 2, 3]
    assert file.known.values[0].tolist() == [0, 1, 2, 3]
    assert file.known.step_seconds == 60


def test_a_mean_of_ten_minutes_is_known_only_when_they_are_over(tmp_path: Path) -> None:
    file = read_history(write(tmp_path, *(f"2026-01-01T00:{ten}0:00Z,{ten}" for ten in range(4))))
    assert file.demand.size == 40
    assert file.demand[:20].tolist() == [0] * 10 + [1] * 10
    known = file.known.values[0]
    assert np.isnan(known[:9]).all()
    assert known[9:19].tolist() == [0] * 10
    assert known[19] == 1


def test_seconds_are_averaged_to_minutes(tmp_path: Path) -> None:
    file = read_history(write(tmp_path, *(f"{1_767_225_600 + 20 * third},{third}" for third in range(6))))
    assert file.demand.tolist() == [1, 4]


def test_a_gap_is_not_known_and_the_demand_in_it_is_a_line(tmp_path: Path) -> None:
    rows = [f"2026-01-01T00:0{minute}:00Z,{minute}" for minute in (0, 1, 2, 6, 7)]
    file = read_history(write(tmp_path, *rows, "2026-01-01T00:03:00Z,", "2026-01-01T00:04:00Z,-3"))
    assert np.isnan(file.known.values[0, 3:6]).all()
    assert file.demand.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [f"2026-01-01T00:0{minute}:00Z,{minute}" for minute in range(6)]
    ordered = read_history(write(tmp_path, *rows))
    assert read_history(write(tmp_path, *reversed(rows))).demand.tolist() == ordered.demand.tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timestamp,a,b\n2026-01-01T00:00:00Z,1,2\n", "needs one column beside timestamp"),
        ("timestamp,value\n2026-01-01T00:00:00Z,1\n", "holds 1 usable numbers"),
        ("time,value\n1,2\n", "needs a column named timestamp"),
    ],
)
def test_what_is_no_history_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "h.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        read_history(path)
