"""`forescale tune`: from a file and from a store to a proposal, and what it says where it cannot."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from app.cli.__main__ import application
from app.cli.tune import ratio, with_what_it_says
from app.clock import PlayedClock
from app.errors import ConfigurationError
from app.pipeline.measurements import measured_file, measured_workload
from app.settings import Settings
from app.tuning.proposal import Wishes
from app.tuning.types import WorkloadType
from tests.tuning.histories import measured

END_S = 20_000 * 86_400


def written(folder: Path, *, days: int = 3, without: tuple[str, ...] = ()) -> Path:
    rng = np.random.default_rng(4)
    one = measured(rng, days=days)
    started = np.where(np.arange(one.demand.size) % 100 == 0, rng.normal(40, 3, one.demand.size), np.nan)
    table = pd.DataFrame(
        {
            "timestamp": END_S - 60 * np.arange(one.demand.size)[::-1],
            "value": one.demand,
            "pods": one.pods,
            "latency_seconds": one.latency_s,
            "utilisation": one.utilisation,
            "startup_seconds": started,
        }
    ).drop(columns=list(without))
    table.to_csv(folder / "history.csv", index=False)
    return folder / "history.csv"


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(application(["tune"]), ["tune", *words])
    return done.exit_code, done.output


def test_a_history_becomes_a_proposal_with_evidence_and_a_manifest(tmp_path: Path) -> None:
    place = tmp_path / "hpa.yaml"
    words = ("--no-forecast", "--workload", "mcp/catalog", "--manifest", str(place), "--output", "json")
    code, output = run(str(written(tmp_path)), *words)
    assert code == 0, output
    told = json.loads(output)
    settings = {one["setting"]: one for one in told["settings"]}
    assert settings["capacityPerPod"]["value"] == pytest.approx(10, rel=0.1)
    assert settings["leadSeconds"]["confidence"] == "measured"
    hpa, forecast = yaml.safe_load_all(place.read_text())
    assert [hpa, forecast] == told["objects"]
    assert (hpa["metadata"]["name"], forecast["kind"]) == ("catalog", "LoadForecast")
    assert yaml.safe_load(run(str(tmp_path / "history.csv"), *words[:-1], "yaml")[1]) == told


def test_for_eyes_there_are_two_tables_and_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    code, output = run(str(written(tmp_path)), "--no-forecast", "--type", "stateful")
    assert code == 0, output
    assert "how far it is known" in output
    assert "today: what ran" in output
    assert "shipped policy" in output.rstrip().splitlines()[-1]


def test_without_latency_and_cpu_it_refuses_and_goes_on_with_a_capacity(tmp_path: Path) -> None:
    path = str(written(tmp_path, without=("latency_seconds", "utilisation")))
    code, output = run(path, "--no-forecast")
    assert code == 1
    assert "cannot be told: neither latency nor CPU" in output
    assert run(path, "--no-forecast", "--pod-capacity", "9")[0] == 0


def test_a_file_with_two_demands_says_what_it_may_hold(tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text("timestamp,a,b\n0,1,2\n60,1,2\n")
    with pytest.raises(ConfigurationError, match="one column of demand"):
        measured_file(tmp_path / "two.csv")


def test_the_store_is_asked_for_each_series_of_the_workload(tmp_path: Path, make_forecast) -> None:
    path = written(tmp_path)
    settings = Settings(source="csv", csv_file=path, host="127.0.0.1", authentication="none", settle_seconds=0)
    queries = {name: name for name in ("pods", "latency_seconds", "startup_seconds")}
    file, found = measured_workload(
        make_forecast(demand={"query": "value"}, capacityPerPod=5),
        queries,
        days=3,
        settings=settings,
        clock=PlayedClock(start_s=END_S, epoch_s=0.0, speed=0.0),
        on_progress=lambda share: None,
    )
    _, by_file = measured_file(path)
    last = min(found.demand.size, by_file.demand.size) - 120
    assert file.demand.size == found.demand.size
    np.testing.assert_allclose(found.demand[-last:-60], by_file.demand[-last:-60], rtol=1e-5)
    assert found.pods is not None
    assert by_file.pods is not None
    np.testing.assert_allclose(found.pods[-last:-60], by_file.pods[-last:-60])
    assert found.utilisation is None
    assert found.startups_s is not None
    assert found.startups_s.size > 20
    assert np.median(found.startups_s) == pytest.approx(40, abs=3)


def test_what_the_loadforecast_says_is_begun_with(make_forecast) -> None:
    costs = {"workloadType": "Stateful", "podMinute": "0.002", "missedPodMinute": "0.05", "currency": "USD"}
    one = make_forecast(demand={"query": "value"}, capacityPerPod=5, costs=costs)
    found = with_what_it_says(Wishes(None), one)
    assert (found.type, found.price, found.fallback_capacity) == (WorkloadType.STATEFUL, 25, 5)
    asked = with_what_it_says(Wishes(WorkloadType.AGENT, price=3), one)
    assert (asked.type, asked.price) == (WorkloadType.AGENT, 3)
    assert with_what_it_says(Wishes(None), make_forecast(objective={"missingPodPrice": 12})).price == 12


def test_a_price_in_money_needs_both_of_its_parts() -> None:
    assert ratio(0.002, 0.05) == pytest.approx(25)
    with pytest.raises(ConfigurationError, match="give both"):
        ratio(0.002, None)
