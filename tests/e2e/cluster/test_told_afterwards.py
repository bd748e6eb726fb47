"""What was served is explained later by computing it anew: the same number, from the store's history alone."""

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.cluster.conftest import Scenario
from tests.e2e.harness import twins
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import HOST, NAMESPACE, ROOT
from tests.e2e.harness.twins import Sample

READER = "reader"
ADMINISTRATOR = {"X-Remote-User": "administrator", "X-Remote-Group": "system:masters"}


def served(scenario: Scenario, name: str) -> tuple[int, float] | None:
    """Cut and value in one scrape of /metrics."""
    text = scenario.service.get("/metrics", client=scenario.proxy, headers=ADMINISTRATOR).text
    cuts, values = (
        [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(start)]
        for start in (
            "forescale_snapshot_cut_timestamp_seconds ",
            f'forescale_served_value{{namespace="{twins.NAMESPACE}",name="{name}"}}',
        )
    )
    return (int(float(cuts[0])), float(values[0])) if cuts and values else None


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


def test_an_explanation_of_a_past_time_equals_what_metrics_showed_then(
    scenario: Scenario, surge: list[Sample], tmp_path: Path
) -> None:
    a_reader(scenario)
    then = wait_until(lambda: served(scenario, twins.AHEAD), seconds=30, what="something is served")
    cut_s, value = then
    settle_s = int(scenario.settings["FORESCALE_SETTLE_SECONDS"])
    wait_until(lambda: time.time() > cut_s + settle_s + 5, seconds=30, what="it is past")
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(cut_s + settle_s))
    workload = f"{twins.NAMESPACE}/{twins.AHEAD}"
    done = cli(scenario, tmp_path, "explain", workload, "--at", at, "--output", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["recomputed"] is True
    assert (found["cut"], found["served"]["value"]) == (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cut_s)), value)
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
