"""`forescale replay`: files in, a table, a sentence, a CSV and a page out; several side by side."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from app.cli.__main__ import application

app = application()

DAYS = 5


@pytest.fixture(scope="module")
def runner() -> CliRunner:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five-minute means with a surge at the same time of every day."""
    five = np.arange(DAYS * 288)
    level = np.where((five % 288 >= 108) & (five % 288 < 132), 90.0, 20.0)
    level *= np.random.default_rng(2).normal(1, 0.02, level.size)
    times = pd.to_datetime(1_767_225_600 + 300 * five, unit="s", utc=True)
    path = tmp_path_factory.mktemp("histories") / "gateway.csv"
    pd.DataFrame({"timestamp": times, "value": level}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def walk(history: Path) -> Path:
    times = 1_767_225_600 + 300 * np.arange(3 * 288)
    path = history.with_name("walk.csv.gz")
    values = 50 * np.exp(np.random.default_rng(4).normal(0, 0.05, times.size).cumsum())
    pd.DataFrame({"timestamp": times, "value": values}).to_csv(path, index=False)
    return path


def test_one_history_gives_a_table_a_sentence_a_csv_and_a_page(
    runner: CliRunner, history: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "out.csv", tmp_path / "out.html"
    result = runner.invoke(app, ["replay", str(history), "-o", str(out), "--report", str(page)])
    assert result.exit_code == 0, result.output
    assert "gap closed: " in result.stdout
    assert "The forecast would have cost" in result.stdout
    written = pd.read_csv(out, parse_dates=["timestamp"])
    assert list(written.columns) == ["timestamp", "capacity"]
    assert len(written) == DAYS * 1_440
    assert np.isfinite(written["capacity"]).all()
    text = page.read_text()
    assert "The forecast would have cost" in text
    assert 'src="http' not in text
    assert "ready: HPA with the forecast" in text


def test_several_run_side_by_side_on_dask_as_they_run_alone(runner: CliRunner, walk: Path, tmp_path: Path) -> None:
    alone, together, half = tmp_path / "alone", tmp_path / "together", tmp_path / "half.csv"
    pd.read_csv(walk).iloc[: 2 * 288].to_csv(half, index=False)
    files = [str(half), str(walk)]
    assert runner.invoke(app, ["replay", *files, "-o", str(alone)]).exit_code == 0
    options = ["--jobs", "2", "--backend", "dask", "--output", "json", "-o", str(together)]
    result = runner.invoke(app, ["replay", *files, *options])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [one["history"] for one in told] == ["half.csv", "walk.csv.gz"]
    for name in ("half.csv", "walk.csv"):
        assert (together / name).read_bytes() == (alone / name).read_bytes()


def test_a_backend_that_is_not_installed_says_what_to_install(
    runner: CliRunner, walk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = runner.invoke(app, ["replay", str(walk), str(walk), "--backend", "ray"])
    assert result.exit_code != 0
    assert "pip install ray" in result.output


def test_where_nothing_can_be_foreseen_it_says_so(runner: CliRunner, walk: Path) -> None:
    result = runner.invoke(app, ["replay", str(walk), "--output", "json"])
    (told,) = json.loads(result.stdout)
    assert told["gap_closed"] < 0.3
    assert told["sentence"].startswith(("Prediction would not have helped", "The forecast would have cost"))
    assert told["scored_minutes"] == 3 * 1_440 // 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--price", "5", "--budget", "0.01"), "say the same in two ways"),
        (("--start", "soon"), "write a share such as 0.5 or a time"),
        (("--time-zone", "Berlin"), "not an IANA time zone"),
        (("--start", "2031-01-01"), "lies outside of"),
    ],
)
def test_what_cannot_be_done_is_told(runner: CliRunner, walk: Path, options: tuple[str, ...], words: str) -> None:
    result = runner.invoke(app, ["replay", str(walk), *options])
    assert result.exit_code != 0
    assert words in " ".join(result.output.split())


def test_a_missing_file_is_told(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["replay", str(tmp_path / "none.csv")])
    assert result.exit_code != 0
    assert "cannot be read as CSV" in result.output
