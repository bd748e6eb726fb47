"""Every object of k8s/nodes on a real API server, and what the admission policy refuses the service."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cluster.holders import balloons_for, buffer_for
from app.settings import Settings
from app.workloads.spec import LoadForecast
from tests.e2e.harness import pools
from tests.e2e.harness.pools import BALLOONED, NAMESPACE, PLAIN
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service import ROOT
from tests.e2e.nodes.conftest import Scenario

SHELL = {"exec": {"command": ["sh"]}}
GIVEN, LOCKED = "which is given nothing", "has no privileges"
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


IMAGE = Settings.model_fields["balloon_image"].default


def balloons(container: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **pod: Any) -> Any:
    """As the service makes them, with changes to the container, to the pods' metadata and to the pod."""
    forecast = LoadForecast.from_object(pools.loadforecast(BALLOONED)).model_copy(update={"uid": "some-uid"})
    template = pools.deployment(BALLOONED, where=BALLOONED, replicas=1, priority="forescale-serving")["spec"][
        "template"
    ]
    made = balloons_for(forecast, pods=1, template=template, image=IMAGE)
    made["spec"]["template"]["spec"]["containers"][0] |= container or {}
    made["spec"]["template"]["metadata"] |= metadata or {}
    made["spec"]["template"]["spec"] |= pod
    return made


def locks(**changes: Any) -> dict[str, Any]:
    """A change of the container's security context."""
    (container,) = balloons()["spec"]["template"]["spec"]["containers"]
    return {"container": {"securityContext": container["securityContext"] | changes}}


def pod_locks(**changes: Any) -> dict[str, Any]:
    """A change of the pod's."""
    return {"securityContext": balloons()["spec"]["template"]["spec"]["securityContext"] | changes}


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
        ({"container": {"image": "docker.io/attacker/anything:latest"}}, "has the image"),
        ({"containers": [{"name": "x", "image": IMAGE}, {"name": "z", "image": IMAGE}]}, GIVEN),
        ({"initContainers": [{"name": "x", "image": IMAGE}]}, GIVEN),
        ({"volumes": [{"name": "x", "secret": {"secretName": "y"}}]}, GIVEN),
        ({"resourceClaims": [{"name": "x", "resourceClaimName": "y"}]}, GIVEN),
        ({"container": {"command": ["sh"]}}, GIVEN),
        ({"container": {"args": ["-c"]}}, GIVEN),
        ({"container": {"env": [{"name": "X", "value": "y"}]}}, GIVEN),
        ({"container": {"envFrom": [{"secretRef": {"name": "x"}}]}}, GIVEN),
        ({"container": {"ports": [{"containerPort": 1, "hostPort": 1}]}}, GIVEN),
        ({"container": {"lifecycle": {"postStart": SHELL}}}, GIVEN),
        ({"container": {"lifecycle": {"preStop": SHELL}}}, GIVEN),
        ({"container": {"livenessProbe": SHELL}}, GIVEN),
        ({"container": {"readinessProbe": SHELL}}, GIVEN),
        ({"container": {"startupProbe": SHELL}}, GIVEN),
        ({"container": {"securityContext": {}}}, LOCKED),
        ({"container": {"securityContext": {"privileged": True}}}, LOCKED),
        (locks(capabilities={"drop": ["NET_RAW"]}), LOCKED),
        (locks(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}), LOCKED),
        (locks(readOnlyRootFilesystem=False), LOCKED),
        (locks(runAsNonRoot=False), LOCKED),
        (locks(runAsUser=0), LOCKED),
        (locks(seccompProfile={"type": "Unconfined"}), LOCKED),
        (pod_locks(runAsNonRoot=False), LOCKED),
        (pod_locks(runAsUser=0), LOCKED),
        (pod_locks(seccompProfile={"type": "Unconfined"}), LOCKED),
        (pod_locks(sysctls=[{"name": "kernel.shm_rmid_forced", "value": "0"}]), LOCKED),
        ({"hostNetwork": True}, "nothing of its host"),
        ({"hostPID": True}, "nothing of its host"),
        ({"hostIPC": True}, "nothing of its host"),
        ({"nodeName": "control-plane-1"}, "the scheduler gives it its node"),
        ({"metadata": {"annotations": {"sidecar.istio.io/proxyImage": "x"}}}, "in no mesh"),
        ({"automountServiceAccountToken": True}, "no token"),
        ({"serviceAccountName": "powerful"}, "no token"),
    ],
)
def test_a_balloon_that_could_do_something_is_refused(scenario: Scenario, changes: dict[str, Any], words: str) -> None:
    assert words in of_service(scenario, *APPLY, body=balloons(**changes))


def test_a_taken_over_service_gets_no_root_on_a_node(scenario: Scenario) -> None:
    """Everything at once, as who took it over would ask for it."""
    mount = {"exec": {"command": ["sh", "-c", "mount /dev/sda1 /mnt && cat /mnt/etc/kubernetes/admin.conf"]}}
    container = {
        "image": "docker.io/attacker/anything:latest",
        "securityContext": {"privileged": True},
        "ports": [{"containerPort": 1, "hostPort": 1}],
        "lifecycle": {"postStart": mount},
    }
    evil = balloons(container, hostIPC=True, nodeName="control-plane-1")
    evil["metadata"] |= {"name": "forescale-headroom-evil", "namespace": "kube-system"}
    assert "denied request" in of_service(scenario, *APPLY, body=evil)
    by_admin = scenario.plane.try_kubectl(
        "apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(evil)
    )
    assert by_admin.returncode == 0, "it is the policy that refuses"


def test_balloons_of_before_may_go_but_not_stay(scenario: Scenario) -> None:
    """What was made under another image, or changed by somebody, must not cost money for ever."""
    old = balloons({"image": "example.invalid/pause:1"})
    old["metadata"] |= {"name": "forescale-headroom-old", "ownerReferences": []}
    old["spec"]["replicas"] = 0
    scenario.plane.apply(old)
    assert "has the image" in of_service(scenario, *APPLY, body=old)
    assert "deleted" in of_service(scenario, "delete", "deployment", "forescale-headroom-old", "-n", NAMESPACE)


def test_the_policys_expressions_fit_the_types_that_they_look_at(scenario: Scenario) -> None:
    """The API server checks them itself and writes down what does not fit."""
    policy = ("validatingadmissionpolicy", "forescale-balloons")
    wait_until(
        lambda: "typeChecking" in scenario.plane.get(*policy).get("status", {}), seconds=30, what="it is checked"
    )
    assert scenario.plane.get(*policy)["status"]["typeChecking"] == {}
