"""Real clients of the Prometheus API read a forecast six hours ahead, and are content with all else that they ask."""

import json
import subprocess
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_api_client import PrometheusConnect

from tests.e2e.harness.demo import Demo
from tests.e2e.parts.build import binary

AHEAD_S = 6 * 3_600
FORECAST = 'forescale_forecast_value{namespace="demo",name="web",quantile="0.95"}'


def run(command: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(binary(command)), *words], capture_output=True, text=True, timeout=60, check=False)


def test_client_golang_reads_a_forecast_six_hours_ahead(demo: Demo) -> None:
    cut_s = demo.cut_s
    words = (demo.prometheus, FORECAST, str(cut_s + 60), str(cut_s + AHEAD_S), "60")
    done = run("promclient", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["points"] == 360
    assert found["last_time"] == cut_s + AHEAD_S
    assert found["last"] > 0
    assert (found["sum"], found["series"], found["instant"]) == ("2", 1, 1)
    assert found["names"] >= 9
    assert {"namespace", "name", "quantile"} <= set(found["labels"])
    assert found["version"]
    assert found["metadata"] >= 9


def test_client_golang_understands_a_refusal(demo: Demo) -> None:
    done = run("promclient", demo.prometheus, "sum(up)", "1", "2", "1")
    assert done.returncode == 1
    assert "bad_data" in done.stderr
    assert "AggregateExpr is not supported" in done.stderr


def test_promtool_reads_a_forecast_six_hours_ahead(demo: Demo) -> None:
    cut_s = demo.cut_s
    span = ("--start", str(cut_s + 60), "--end", str(cut_s + AHEAD_S), "--step", "5m")
    done = run("promtool", "query", "range", *span, demo.prometheus, FORECAST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" @[") == 72
    instant = run("promtool", "query", "instant", "--time", str(cut_s), demo.prometheus, "forescale_served_value")
    assert instant.stdout.count("=>") == 2
    labels = run("promtool", "query", "labels", demo.prometheus, "quantile")
    assert labels.stdout.split() == ["0.1", "0.5", "0.9", "0.95"]
    series = run("promtool", "query", "series", "--match", FORECAST, demo.prometheus)
    assert 'quantile="0.95"' in series.stdout


def test_promtool_shows_what_is_wrong_with_a_query(demo: Demo) -> None:
    done = run("promtool", "query", "instant", demo.prometheus, "rate(up[5m])")
    assert done.returncode
    assert "bad_data" in done.stdout + done.stderr


def test_prometheus_api_client_reads_past_and_future(demo: Demo) -> None:
    client = PrometheusConnect(url=demo.prometheus)
    assert client.check_prometheus_connection()
    assert "forescale_forecast_value" in client.all_metrics()
    start, end = (datetime.fromtimestamp(demo.cut_s + one, UTC) for one in (-3_600, AHEAD_S))
    (demand,) = client.custom_query_range('forescale_demand_value{name="web"}', start, end, "60")
    (forecast,) = client.custom_query_range(FORECAST, start, end, "60")
    assert len(demand["values"]) >= 55
    assert max(time_s for time_s, _ in demand["values"]) <= demo.cut_s + 120 < forecast["values"][-1][0]
    now = client.custom_query("forescale_served_value", params={"time": str(demo.cut_s)})
    assert {one["metric"]["name"] for one in now} == {"web", "web-thrifty"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_grafanas_requests_in_their_order(demo: Demo, method: str) -> None:
    """As its built-in Prometheus datasource sends them: Save & test, the editor, a panel from yesterday to 6 h on."""
    cut_s = demo.cut_s
    day = {"start": str(cut_s - 86_400), "end": str(cut_s + AHEAD_S)}

    def ask(path: str, parameters: dict[str, str], *, posted: bool = False) -> dict[str, object]:
        sent = {"data": parameters} if posted else {"params": parameters}
        headers = {"accept-encoding": "gzip", "x-grafana-org-id": "1"}
        verb = "POST" if posted else "GET"
        answer = httpx.request(verb, f"{demo.prometheus}/api/v1/{path}", headers=headers, timeout=30, **sent)  # type: ignore[arg-type]
        body: dict[str, object] = answer.json()
        assert (answer.status_code, body["status"]) == (200, "success"), answer.text
        return body

    posted = method == "POST"
    assert ask("query", {"query": "1+1", "time": "4"}, posted=posted)["data"] == {
        "resultType": "scalar",
        "result": [4.0, "2"],
    }
    assert ask("status/buildinfo", {})["data"]
    assert ask("label/__name__/values", day)["data"]
    assert ask("metadata", {"limit": "1000"})["data"]
    assert ask("labels", {**day, "match[]": "forescale_forecast_value"}, posted=posted)["data"]
    assert ask("label/name/values", {**day, "match[]": 'forescale_forecast_value{namespace="demo"}'})["data"]
    assert ask("series", {**day, "match[]": FORECAST}, posted=posted)["data"]
    assert ask("rules", {})["data"]
    step = 60
    panel = {
        "query": 'forescale_forecast_value{namespace="demo",name="web"}',
        "start": str((cut_s - 86_400) // step * step),
        "end": str((cut_s + AHEAD_S) // step * step),
        "step": str(step),
    }
    found = ask("query_range", panel, posted=posted)["data"]
    assert isinstance(found, dict)
    assert len(found["result"]) == 4
    assert ask("query_exemplars", {key: panel[key] for key in ("query", "start", "end")}, posted=posted)["data"] == []
