"""What was served is explained later by computing it anew: the same number, from the history alone."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.service import HOST, NAMESPACE, ROOT
from tests.e2e.harness.twins import Sample
from tests.e2e.harness.witness import Told

READER = "reader"
NEARLY = 1e-6  # single precision


def cli(scenario: Scenario, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line with the token of a reader of one namespace."""
    token = folder / "token"
    token.write_text(scenario.plane.token(twins.NAMESPACE, READER))
    connection = [
        *("--server", f"https://127.0.0.1:{scenario.service.port}", "--tls-server-name", HOST),
        *("--ca-file", str(scenario.plane.cluster.file), "--token-file", str(token)),
    ]
    command = [sys.executable, "-m", "app.cli", *words, *connection]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)


def a_reader(scenario: Scenario) -> None:
    """May view the twins' namespace, and nothing else."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": READER, "namespace": twins.NAMESPACE}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": READER, "namespace": twins.NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": twins.NAMESPACE}],
    }
    scenario.plane.apply(account, binding)


def explained(scenario: Scenario, folder: Path, then: Told) -> dict[str, Any]:
    """What the command line says of that time: the service had `then` while its cut was the newest."""
    settle_s = int(scenario.settings["FORESCALE_SETTLE_SECONDS"])
    at = datetime.fromtimestamp(then.cut_s + settle_s, UTC).isoformat()
    workload = f"{twins.NAMESPACE}/{twins.AHEAD}"
    lead = str(then.lead_seconds)
    done = cli(scenario, folder, "explain", workload, "--at", at, "--lead-seconds", lead, "--output", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_explanations_of_past_times_equal_what_metrics_showed_then(
    scenario: Scenario, surge: list[Sample], tmp_path: Path
) -> None:
    """Of before the surge, of when the forecast had begun to act ahead of it, and of its end; not of the moments
    when an older fit stands in and /metrics says so. The lead is measured anew meanwhile: each time has its own."""
    a_reader(scenario)
    settled = [one for one in scenario.witness.seen if one.settled]
    acting = [one for one in settled if one.acting]
    assert acting, "the forecast never acted"
    for then in (settled[0], acting[0], acting[len(acting) // 2], settled[-1]):
        found = explained(scenario, tmp_path, then)
        assert found["recomputed"] is True
        assert datetime.fromisoformat(found["cut"]).timestamp() == then.cut_s
        assert found["trust"]["acting"] is then.acting, then
        assert found["served"]["value"] == pytest.approx(then.value, rel=NEARLY), then
        assert found["voices"]["voices"]


def test_a_reader_of_one_namespace_sees_nothing_of_another(scenario: Scenario, tmp_path: Path) -> None:
    a_reader(scenario)
    headers = {"Authorization": f"Bearer {scenario.plane.token(twins.NAMESPACE, READER)}"}
    own = scenario.service.get(f"/api/v1/workloads?namespace={twins.NAMESPACE}", headers=headers)
    assert {one["namespace"] for one in own.json()["items"]} == {twins.NAMESPACE}
    for path in (
        "/api/v1/workloads",
        f"/api/v1/workloads?namespace={NAMESPACE}",
        f"/api/v1/namespaces/{NAMESPACE}/loadforecasts/{twins.AHEAD}/explanation",
        "/prometheus/api/v1/labels",
        f"/prometheus/namespaces/{NAMESPACE}/api/v1/labels",
        "/json-datasource",
        "/metrics",
    ):
        assert scenario.service.get(path, headers=headers).status_code == 403, path
    query = f"/prometheus/namespaces/{twins.NAMESPACE}/api/v1/query?query=forescale_served_value"
    assert scenario.service.get(query, headers=headers).json()["data"]["result"]
    nobody = scenario.service.get(
        f"/api/v1/workloads?namespace={twins.NAMESPACE}", headers={"Authorization": "Bearer x"}
    )
    assert nobody.status_code == 401
