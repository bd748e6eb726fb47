"""`make run`: the bundled history is what its notice says, and the demo serves a page at the address it prints."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import httpx
import pandas as pd
import pytest

from app.samples import ENDS_AT, HISTORY, STARTS_AT, WORKLOADS
from app.workloads.file import read_book

SAMPLES = Path(str(files("app.samples")))


def test_the_history_has_three_weeks_before_the_start_and_a_number_a_minute() -> None:
    table = pd.read_csv(SAMPLES / HISTORY, parse_dates=["timestamp"])
    times = table["timestamp"]
    assert (times.diff().dropna() == pd.Timedelta(minutes=1)).all()
    assert STARTS_AT - times.iloc[0].to_pydatetime() >= pd.Timedelta(days=21)
    assert times.iloc[-1].to_pydatetime() == ENDS_AT
    assert table.drop(columns="timestamp").notna().all(axis=None)


def test_the_loadforecasts_are_valid_and_ask_for_a_column_that_is_there() -> None:
    book = read_book(SAMPLES / WORKLOADS)
    assert book.rejected == {}
    columns = pd.read_csv(SAMPLES / HISTORY, nrows=1).columns
    assert {one.spec.demand.query for one in book.forecasts} <= set(columns)


def test_the_history_is_passed_on_with_its_notice() -> None:
    notice = (SAMPLES / "NOTICE").read_text()
    assert HISTORY in notice
    for name in ("NASA Kennedy Space Center", "Internet Traffic Archive", "Dumoulin", "Arlitt", "Williamson"):
        assert name in notice


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_the_demo_finds_a_free_port_serves_its_page_and_ends_on_ctrl_c(taken_port: int) -> None:
    command = [sys.executable, "-m", "app.cli", "demo", "--port", str(taken_port)]
    root = SAMPLES.parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            head = ""
            while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/\n", head)):
                line = process.stdout.readline()
                assert line, f"ended early: {process.stderr and process.stderr.read()}"
                head += line
            assert f"port {taken_port} is taken" in head
            assert int(found[1]) != taken_port
            page = httpx.get(found[0].strip(), timeout=30)
            health = httpx.get(f"{found[0].strip()}api/v1/health", timeout=30).json()
            assert "<title>Forescale</title>" in page.text
            assert health["status"] in {"Starting", "Fresh"}
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert "Traceback" not in errors
    assert process.returncode == 0, errors
