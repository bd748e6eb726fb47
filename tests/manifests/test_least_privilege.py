"""The rights shipped are the calls made, in both directions: no call without a right, no right without a call."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cluster import permissions
from app.cluster.permissions import (
    BALLOONS,
    CERTIFICATES,
    DOCTOR,
    DRAIN,
    EXPANDER,
    HEADROOM,
    PRICES,
    SERVICE,
    Permission,
)
from app.cluster.pod_costs import ANNOTATION

Render = Callable[[str], tuple[dict[str, Any], ...]]
Composed = Callable[..., tuple[dict[str, Any], ...]]
Right = tuple[str, str, str, str | None, str]
"""(verb, group, resource, name, where): where is "" for the whole cluster, else a namespace."""

DELEGATED = {
    ("ClusterRole", "system:auth-delegator", ""),
    ("Role", "extension-apiserver-authentication-reader", "kube-system"),
}


NAMESPACES = {"own": "forescale", "autoscaler": "kube-system"}


def bindings_of(manifests: tuple[dict[str, Any], ...], account: str) -> set[tuple[str, str, str]]:
    """(kind and name of the role, namespace of the binding) for each binding of a ServiceAccount of ours."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": "forescale"}
    return {
        (one["roleRef"]["kind"], one["roleRef"]["name"], one["metadata"].get("namespace", ""))
        for one in manifests
        if one["kind"] in ("RoleBinding", "ClusterRoleBinding") and subject in one["subjects"]
    }


def rights_of(manifests: tuple[dict[str, Any], ...], account: str) -> set[Right]:
    rights: set[Right] = set()
    for kind, name, where in bindings_of(manifests, account) - DELEGATED:
        role = next(one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name))
        for rule in role["rules"]:
            assert not {"*"} & {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
            rights |= {
                (verb, group, resource, object_name, where)
                for verb in rule["verbs"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for object_name in rule.get("resourceNames", [None])
            }
    return rights


def needs(calls: frozenset[Permission]) -> set[Right]:
    return {(call.verb, call.group, call.resource, call.name, NAMESPACES.get(call.scope, "")) for call in calls}


@pytest.mark.parametrize("tree", ["base", "overlays/local", "overlays/production"])
def test_the_service_may_do_what_it_does_and_nothing_else(render: Render, tree: str) -> None:
    assert rights_of(render(tree), "forescale") == needs(SERVICE)


def test_what_prices_and_expanders_need_comes_with_their_components_alone(composed: Composed) -> None:
    assert rights_of(composed("prices"), "forescale") == needs(SERVICE | PRICES)
    assert rights_of(composed("prices", "expander"), "forescale") == needs(SERVICE | PRICES | EXPANDER)


def test_what_holds_room_on_nodes_needs_comes_with_its_components_alone(composed: Composed) -> None:
    headroom, balloons = "../nodes/headroom", "../nodes/balloons"
    assert rights_of(composed(headroom), "forescale") == needs(SERVICE | HEADROOM)
    assert rights_of(composed(headroom, balloons), "forescale") == needs(SERVICE | HEADROOM | BALLOONS)


def test_the_right_to_write_deletion_costs_comes_with_its_component_alone(composed: Composed) -> None:
    assert rights_of(composed("drain"), "forescale") == needs(SERVICE | DRAIN)


def test_what_may_be_changed_of_a_pod_is_what_is_written(composed: Composed) -> None:
    (policy,) = (one["spec"] for one in composed("drain") if one["kind"] == "ValidatingAdmissionPolicy")
    assert policy["failurePolicy"] == "Fail"
    assert {one["name"]: one["expression"] for one in policy["variables"]}["cost"] == f"'{ANNOTATION}'"
    (account,) = (one["expression"] for one in policy["matchConditions"])
    assert account == "request.userInfo.username == 'system:serviceaccount:forescale:forescale'"


def test_the_certificates_command_may_do_what_it_does_and_nothing_else(render: Render) -> None:
    assert rights_of(render("overlays/local"), "forescale-certificates") == needs(CERTIFICATES)


def test_authentication_is_delegated_by_kubernetes_own_roles(render: Render) -> None:
    assert bindings_of(render("base"), "forescale") >= DELEGATED


def test_the_service_cannot_touch_secrets(render: Render) -> None:
    assert not {right for right in rights_of(render("overlays/local"), "forescale") if right[2] == "secrets"}


def test_only_the_hpa_controller_reads_every_metric(render: Render) -> None:
    bound = [
        one["subjects"]
        for one in render("base")
        if one["kind"] == "ClusterRoleBinding" and one["roleRef"]["name"] == "forescale-external-metrics-reader"
    ]
    controller = {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
    assert bound == [[controller]]
    role = next(one for one in render("base") if one["metadata"]["name"] == "forescale-external-metrics-reader")
    rule = {"apiGroups": ["external.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}
    assert role["rules"] == [rule]


def test_users_may_not_write_what_the_service_says_about_a_loadforecast(render: Render) -> None:
    edit = next(one for one in render("base") if one["metadata"]["name"] == "forescale-loadforecasts-edit")
    assert edit["rules"][0]["resources"] == ["loadforecasts"]


def test_each_pod_asks_for_its_token_and_accounts_give_none_away(render: Render) -> None:
    for one in render("overlays/local"):
        if one["kind"] == "ServiceAccount":
            assert one["automountServiceAccountToken"] is False


def test_every_permission_is_used_by_the_code_and_no_call_goes_around_the_list() -> None:
    """Calls to KubernetesApi name a constant of permissions.py, so the list is what is called."""
    named = {name for name, value in vars(permissions).items() if isinstance(value, Permission)}
    used: set[str] = set()
    for path in (Path(permissions.__file__).parent).glob("*.py"):
        if path.name == "permissions.py":
            continue
        tree = ast.parse(path.read_text())
        used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & named
        constructed = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "Permission"]
        assert constructed == [], path
        generated = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.endswith("Api")]
        assert [node.attr for node in generated if node.attr != "KubernetesApi"] == [], path
    assert used == named
    every = SERVICE | PRICES | EXPANDER | DRAIN | CERTIFICATES | DOCTOR | HEADROOM | BALLOONS
    assert {getattr(permissions, name) for name in named} == every


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""
