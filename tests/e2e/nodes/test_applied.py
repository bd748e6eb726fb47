"""Every object of k8s/nodes on a real API server, and what the admission policy refuses the service."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cluster.holders import balloons_for, buffer_for
from app.workloads.spec import LoadForecast
from tests.e2e.harness import pools
from tests.e2e.harness.pools import BALLOONED, NAMESPACE, PLAIN
from tests.e2e.harness.service import ROOT
from tests.e2e.nodes.conftest import Scenario

SERVICE = "--as=system:serviceaccount:forescale:forescale"
AUTOSCALER = "nodes/cluster-autoscaler"
TREES = [
    ("nodes/karpenter/pools", "nodes/karpenter/gpu"),
    ("nodes/karpenter/kwok",),
    (f"{AUTOSCALER}/aws", f"{AUTOSCALER}/grpc-expander"),
    (f"{AUTOSCALER}/gcp", f"{AUTOSCALER}/static-priorities"),
    (f"{AUTOSCALER}/azure",),
    (f"{AUTOSCALER}/cluster-api",),
]


@pytest.mark.parametrize("trees", TREES, ids=lambda trees: trees[0])
def test_every_object_is_taken_by_a_real_api_server(scenario: Scenario, tmp_path: Path, trees: tuple[str, ...]) -> None:
    """Under other names: the class of a pool's nodes cannot be changed, and these pools are there already."""
    base, *components = (
        str(Path(*[".."] * len(tmp_path.parts[1:])) / (ROOT / "k8s" / one).relative_to("/")) for one in trees
    )
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [base], "components": components, "namePrefix": "tried-"})
    )
    applied = scenario.plane.kubectl(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", str(tmp_path)
    )
    assert applied.count("serverside-applied") >= 4


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"level": "1.5"}, "must be from 0.5 to 0.99"),
        ({"lead": {"floorSeconds": 90, "fallbackSeconds": 60}}, "fallbackSeconds must not be below floorSeconds"),
        ({"provisioning": "Hope"}, "Unsupported value"),
        ({"maxHeadroom": 0}, "should be greater than or equal to 1"),
    ],
)
def test_a_loadforecast_that_asks_for_impossible_room_is_refused(
    scenario: Scenario, nodes: dict[str, Any], words: str
) -> None:
    forecast = pools.loadforecast(PLAIN)
    forecast["spec"]["nodes"] = nodes
    refused = scenario.plane.try_kubectl(
        "apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(forecast)
    )
    assert refused.returncode != 0
    assert words in refused.stderr


def of_service(scenario: Scenario, *words: str, body: dict[str, Any] | None = None) -> str:
    """What the API server says to the service's account: the answer, or the refusal."""
    stdin = None if body is None else json.dumps(body)
    done = scenario.plane.try_kubectl(*words, SERVICE, "--dry-run=server", stdin=stdin)
    return done.stdout + done.stderr


APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=forescale", "-f", "-")


def balloons(**changes: Any) -> dict[str, Any]:
    forecast = LoadForecast.from_object(pools.loadforecast(BALLOONED)).model_copy(update={"uid": "some-uid"})
    template = pools.deployment(BALLOONED, where=BALLOONED, replicas=1, priority="forescale-serving")["spec"][
        "template"
    ]
    made = balloons_for(forecast, pods=1, template=template, image="example.invalid/pause:1")
    made["spec"]["template"]["spec"] |= changes
    return made


def test_the_service_may_keep_what_it_makes(scenario: Scenario) -> None:
    assert "serverside-applied" in of_service(scenario, *APPLY, body=balloons())
    forecast = LoadForecast.from_object(pools.loadforecast(BALLOONED)).model_copy(update={"uid": "some-uid"})
    assert "serverside-applied" in of_service(scenario, *APPLY, body=buffer_for(forecast, pods=1))


def test_the_service_may_not_touch_a_workload(scenario: Scenario) -> None:
    workload = pools.deployment(PLAIN, where=PLAIN, replicas=0, priority="forescale-serving")
    mine = "but those that it keeps itself"
    assert mine in of_service(scenario, *APPLY, body=workload)
    assert mine in of_service(scenario, "delete", "deployment", PLAIN, "-n", NAMESPACE)
    assert mine in of_service(scenario, *APPLY, body=workload | {"metadata": {"name": "new", "namespace": NAMESPACE}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"priorityClassName": "forescale-serving"}, "has the priority class"),
        ({"containers": [{"name": "x", "image": "y", "command": ["sh"]}]}, "which is given nothing"),
        ({"containers": [{"name": "x", "image": "y"}, {"name": "z", "image": "y"}]}, "which is given nothing"),
        ({"volumes": [{"name": "x", "secret": {"secretName": "y"}}]}, "which is given nothing"),
        ({"hostNetwork": True}, "nothing of its host"),
        ({"automountServiceAccountToken": True}, "no token"),
        ({"serviceAccountName": "powerful"}, "no token"),
    ],
)
def test_a_balloon_that_could_do_something_is_refused(scenario: Scenario, changes: dict[str, Any], words: str) -> None:
    assert words in of_service(scenario, *APPLY, body=balloons(**changes))
