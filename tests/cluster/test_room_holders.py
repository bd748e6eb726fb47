"""The objects that hold room: a buffer points at the target, a balloon is as large as a pod and yields to all."""

from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest

from app.cluster.holders import balloons_for, buffer_for, holder_name, requests_of
from app.workloads.spec import LoadForecast

Make = Callable[..., LoadForecast]


def container(cpu: str | None = None, memory: str | None = None, **more: Any) -> dict[str, Any]:
    asked = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value is not None}
    return {"name": "c", "resources": {"requests": asked}, **more}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"containers": [container("500m", "1Gi"), container("250m")]}, {"cpu": "0.75", "memory": "1073741824"}),
        ({"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}, {"cpu": "2"}),
        ({"containers": [container("1")], "initContainers": [container("3")]}, {"cpu": "3"}),
        ({"containers": [container("1")], "initContainers": [container("2", restartPolicy="Always")]}, {"cpu": "3"}),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("2", restartPolicy="Always"), container("4")],
            },
            {"cpu": "6"},
        ),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}}, {"cpu": "5"}),
        ({"containers": [container("1")], "overhead": {"cpu": "100m"}}, {"cpu": "1.1"}),
        ({"containers": [{"name": "c"}]}, {}),
    ],
)
def test_a_balloon_is_as_large_as_what_the_scheduler_reserves_for_a_pod(
    pod: dict[str, Any], expected: dict[str, str]
) -> None:
    assert requests_of(pod) == expected


def test_a_buffer_points_at_the_target_and_goes_with_its_loadforecast(make_forecast: Make) -> None:
    made = buffer_for(make_forecast("web"), pods=4)
    assert made["spec"]["scalableRef"] == {"apiGroup": "apps", "kind": "Deployment", "name": "web"}
    assert made["spec"]["replicas"] == 4
    assert [one["kind"] for one in made["metadata"]["ownerReferences"]] == ["LoadForecast"]


TEMPLATE = {
    "spec": {
        "containers": [container("1", "2Gi")],
        "nodeSelector": {"forescale.dev/pool": "stateless-spot"},
        "tolerations": [{"key": "forescale.dev/pool", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}},
            "podAntiAffinity": {},
        },
        "serviceAccountName": "powerful",
        "volumes": [{"name": "secrets", "secret": {"secretName": "x"}}],
    }
}


def test_balloons_go_to_the_nodes_of_the_pods_with_nothing_of_what_these_may(make_forecast: Make) -> None:
    made = balloons_for(make_forecast("web"), pods=3, template=TEMPLATE, image="example.invalid/pause:1")
    pod = made["spec"]["template"]["spec"]
    assert made["spec"]["replicas"] == 3
    assert pod["nodeSelector"] == TEMPLATE["spec"]["nodeSelector"]
    assert pod["tolerations"] == TEMPLATE["spec"]["tolerations"]
    assert list(pod["affinity"]) == ["nodeAffinity"]
    assert not {"serviceAccountName", "volumes", "initContainers"} & pod.keys()
    assert pod["priorityClassName"] == "forescale-headroom"
    assert pod["terminationGracePeriodSeconds"] == 0
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["resources"] == {"requests": {"cpu": "1", "memory": "2147483648"}}
    kubernetes_validate.validate(made, "1.37", strict=True)


def test_balloons_are_no_pods_of_the_target_and_no_part_of_a_mesh(make_forecast: Make) -> None:
    made = balloons_for(make_forecast("web"), pods=3, template=TEMPLATE, image="example.invalid/pause:1")
    meta = made["spec"]["template"]["metadata"]
    assert "app" not in meta["labels"]
    assert meta["labels"].items() >= made["spec"]["selector"]["matchLabels"].items()
    assert meta["labels"]["sidecar.istio.io/inject"] == "false"
    assert meta["annotations"]["linkerd.io/inject"] == "disabled"


@pytest.mark.parametrize("name", ["web", "a" * 253, "a" * 199 + ".b" + "c" * 50])
def test_names_and_labels_keep_to_kubernetes_lengths(make_forecast: Make, name: str) -> None:
    made = balloons_for(make_forecast(name), pods=1, template=TEMPLATE, image="example.invalid/pause:1")
    assert len(made["metadata"]["name"]) <= 253
    assert all(len(value) <= 63 for value in made["spec"]["selector"]["matchLabels"].values())


def test_long_names_that_differ_at_their_end_have_different_holders() -> None:
    assert holder_name("a" * 250 + "b") != holder_name("a" * 250 + "c")
