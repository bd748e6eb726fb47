"""The demo's load in a cluster: what is written as its past is what is played from now on."""

import csv
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from examples.mcp.demo import cluster
from examples.mcp.demo.day import DAY_SECONDS, Daily


def test_a_surge_that_comes_more_often_than_once_a_day_comes_at_the_same_times_of_each_day() -> None:
    load = Daily(base=1, hump=0, surge=10, surge_every_s=7_200, noise=0)
    hours = [load.at(hour * 3_600 + 60) > 5 for hour in range(48)]
    assert hours == [hour % 2 == 0 for hour in range(48)]


def test_the_past_is_openmetrics_of_the_series_that_the_samples_are_scaled_on(tmp_path: Path) -> None:
    cluster.history(tmp_path / "past.txt", days=1)
    lines = (tmp_path / "past.txt").read_text().splitlines()
    assert lines[0] == "# TYPE forescale_mcp_server_active_operations gauge"
    assert lines[-1] == "# EOF"
    times = [int(line.split()[-1]) for line in lines[1:-1]]
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {60}
    assert times[-1] - times[0] == DAY_SECONDS
    assert lines[1].startswith('forescale_mcp_server_active_operations{namespace="mcp",service="mcp-workshop"} ')


def test_what_is_played_is_what_the_past_says_at_that_time_of_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """execv ends this program, so it is looked at from outside: which command, with which trace."""
    called: list[list[str]] = []
    monkeypatch.setattr(cluster.os, "execv", lambda _, command: called.append(command))
    cluster.load("http://mcp-workshop/mcp", seconds=120)
    (command,) = called
    trace = next(word.partition("=")[2] for word in command if word.startswith("--trace="))
    rows = list(csv.DictReader(Path(trace).read_text().splitlines()))
    assert len(rows) >= 12
    for row in rows:
        in_flight = float(row["value"]) * 2  # a call lasts two seconds
        assert in_flight == pytest.approx(cluster.IN_FLIGHT.at(float(row["timestamp"])), abs=0.001)


def test_the_generator_knows_every_option_that_it_is_called_with() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "examples.mcp.load", "--help"], capture_output=True, text=True, check=True
    ).stdout
    source = Path(cluster.__file__).read_text()
    for option in ("--allow-remote", "--era", "--trace", "--call", "--seconds", "--count"):
        assert option in source
        assert option in told
