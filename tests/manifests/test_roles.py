"""The roles table, what it refuses, and what is made from it: the outputs agree with the table and with each other."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic import ValidationError

from app.cluster.permissions import EXTERNAL_METRICS_API
from app.workloads.spec import GROUP, PLURAL
from tools.roles import envoy
from tools.roles.network import edges
from tools.roles.table import ROOT, TABLE, Table
from tools.roles.write import FOLDERS, SCHEMA, differences, outputs, write

Manifest = dict[str, Any]
Edge = tuple[str, str, int]
CORE = {"Role", "RoleBinding", "ClusterRoleBinding", "NetworkPolicy"}


@pytest.fixture(scope="module")
def table() -> Table:
    return Table.read()


@pytest.fixture
def document() -> Manifest:
    found: Manifest = yaml.safe_load(TABLE.read_text())
    return found


def made(folder: str) -> list[Manifest]:
    files = [file for file in sorted((ROOT / folder).glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [yaml.safe_load(file.read_text()) for file in files]


def of_kind(kind: str, *folders: str) -> list[Manifest]:
    return [one for folder in folders or FOLDERS for one in made(folder) if one["kind"] == kind]


def test_what_is_committed_is_what_the_table_makes(table: Table) -> None:
    assert differences(outputs(table), ROOT) == [], "run `make roles`"


def test_a_file_that_nobody_makes_any_more_is_found_and_removed(table: Table, tmp_path: Path) -> None:
    texts = outputs(table)
    write(texts, tmp_path)
    stray = tmp_path / "mesh/istio/security/roles/authorizationpolicy-old.yaml"
    stray.write_text("kind: AuthorizationPolicy")
    assert differences(texts, tmp_path) == [str(stray.relative_to(tmp_path))]
    write(texts, tmp_path)
    assert not stray.exists()


def test_the_schema_for_editors_accepts_the_table_and_refuses_a_typing_error(document: Manifest) -> None:
    schema = json.loads((ROOT / SCHEMA).read_text())
    jsonschema.validate(document, schema)
    document["roles"][0]["tool"] = document["roles"][0].pop("tools")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def _set(*path: str | int, to: Any) -> Callable[[Manifest], None]:
    def change(document: Any) -> None:
        for word in path[:-1]:
            document = document[word]
        document[path[-1]] = to

    return change


WRONG: dict[str, tuple[Callable[[Manifest], None], str]] = {
    "a caller that is no workload": (_set("roles", 0, "callers", to=["mcp-agnt"]), "no workload is called mcp-agnt"),
    "a tool that its server lacks": (_set("roles", 0, "tools", "mcp-catalog", to=["serach"]), "has no tool serach"),
    "a server that there is not": (_set("roles", 0, "tools", to={"shop": ["buy"]}), "shop has no tool buy"),
    "a wildcard for a tool": (_set("servers", 0, "tools", to={"sea*": {"scope": "x"}}), "tools.sea"),
    "a wildcard for a method": (_set("roles", 0, "methods", to=["*"]), "methods"),
    "all tools at once": (_set("roles", 0, "methods", to=["tools/call"]), "given by naming tools"),
    "a scope that breaks out of its quotes": (_set("servers", 0, "tools", "search", "scope", to='a" b'), "scope"),
    "a way around the roles": (
        _set("hops", 0, to={"from": ["mcp-agent"], "to": "mcp-catalog", "port": "http"}),
        "reached by its roles alone",
    ),
    "a port that the pod does not open": (_set("hops", 0, "port", to="grpc"), "mcp-registry has no port grpc"),
    "tools for nobody": (_set("roles", 0, "callers", to=[]), "nobody to call them"),
    "two roles of one name": (_set("roles", 1, "name", to="reader"), "a name stands twice"),
    "one audience for two servers": (
        _set("servers", 1, "resource", to="https://catalog.mcp.example.com/mcp"),
        "resources: a name stands twice",
    ),
    "a server in a namespace that allows by default": (_set("namespaces", to=["forescale"]), "is not governed"),
    "an issuer without TLS": (_set("tokens", "issuer", to="http://login.example.com"), "issuer"),
    "a wildcard host": (_set("egress", 0, "host", to="*.example.com"), "host"),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_table_that_a_policy_could_misread_is_refused(document: Manifest, change: Any, told: str) -> None:
    change(document)
    with pytest.raises(ValidationError, match=told):
        Table.model_validate(document)


@pytest.mark.parametrize("folder", [*FOLDERS, "mesh/roles", "mesh/istio/security"])
def test_each_folder_renders(folder: str) -> None:
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", ROOT / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_objects_of_kubernetes_own_kinds_are_valid() -> None:
    found = [one for folder in FOLDERS for one in made(folder) if one["kind"] in CORE]
    assert len(found) > len(CORE)
    for one in found:
        kubernetes_validate.validate(one, "1.37", strict=True)


def conditions(rule: Manifest) -> dict[str, Manifest]:
    return {one["key"]: one for one in rule.get("when", [])}


def test_headers_are_only_believed_where_the_server_checks_them() -> None:
    policies = [one for one in of_kind("AuthorizationPolicy") if one["metadata"]["namespace"] == "mcp"]
    believing = [
        rule
        for one in policies
        for rule in one["spec"].get("rules", [])
        if {"request.headers[mcp-method]", "request.headers[mcp-name]"} & conditions(rule).keys()
        and not one["metadata"]["name"].endswith("encoded-names")
    ]
    assert believing
    for rule in believing:
        assert conditions(rule)["request.headers[mcp-protocol-version]"]["values"] == [envoy.MODERN]


def test_a_rule_of_the_tools_names_role_method_and_tools(table: Table) -> None:
    for server in table.servers:
        (policy,) = [
            one for one in of_kind("AuthorizationPolicy") if one["metadata"]["name"] == f"{server.workload}-roles"
        ]
        for rule in policy["spec"]["rules"]:
            found = conditions(rule)
            assert found["request.auth.claims[roles]"]["values"]
            assert rule["from"][0]["source"]["serviceAccounts"]
            methods = found["request.headers[mcp-method]"]["values"]
            assert ("tools/call" in methods) == ("request.headers[mcp-name]" in found)


def test_nobody_is_allowed_without_a_role_in_the_token(table: Table) -> None:
    names = {f"{one.workload}-{kind}" for one in table.servers for kind in ("roles", "legacy")}
    policies = [one for one in of_kind("AuthorizationPolicy") if one["metadata"]["name"] in names]
    assert len(policies) == len(names)
    for rule in (rule for one in policies for rule in one["spec"]["rules"]):
        assert "request.auth.claims[roles]" in conditions(rule)


def test_an_older_client_is_let_in_only_together_with_the_filters_that_read_its_messages(table: Table) -> None:
    folder = "mesh/istio/security/roles-by-body"
    legacy = {one["metadata"]["name"].removesuffix("-legacy") for one in of_kind("AuthorizationPolicy", folder)}
    assert legacy == {one.workload for one in table.servers}
    for one in of_kind("EnvoyFilter", folder):
        names = [patch["patch"]["value"]["name"] for patch in one["spec"]["configPatches"]]
        assert names == [envoy.ROLES_FILTER, envoy.SCOPES_FILTER]
    assert not [one for one in of_kind("AuthorizationPolicy") if "notValues" in json.dumps(one) and _admits_legacy(one)]


def _admits_legacy(policy: Manifest) -> bool:
    outside = not policy["metadata"]["name"].endswith("-legacy")
    versions = [conditions(rule).get("request.headers[mcp-protocol-version]", {}) for rule in policy["spec"]["rules"]]
    return outside and any("notValues" in one for one in versions)


def test_every_namespace_denies_by_default_in_the_mesh_and_below_it(table: Table) -> None:
    for namespace in table.namespaces:
        (policy,) = [
            one
            for one in of_kind("AuthorizationPolicy")
            if one["metadata"]["namespace"] == namespace and one["metadata"]["name"] == "deny-by-default"
        ]
        assert policy["spec"] == {}
        (network,) = [
            one
            for one in of_kind("NetworkPolicy")
            if one["metadata"]["namespace"] == namespace and one["metadata"]["name"] == "deny-by-default"
        ]
        assert network["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def istio_edges(table: Table) -> Iterator[Edge]:
    """Who may reach whom by the AuthorizationPolicies, read back from the objects."""
    accounts = {one.identity: one.name for one in table.workloads}
    for policy in of_kind("AuthorizationPolicy"):
        if policy["spec"].get("action") == "ALLOW":
            labels = policy["spec"]["selector"]["matchLabels"]
            for rule in policy["spec"]["rules"]:
                for account in rule["from"][0]["source"]["serviceAccounts"]:
                    for port in rule["to"][0]["operation"]["ports"]:
                        yield accounts[account], labels["app.kubernetes.io/name"], int(port)


def network_edges(direction: str) -> Iterator[Edge]:
    """Who may reach whom by the NetworkPolicies, from one side."""
    peers = {"ingress": "from", "egress": "to"}[direction]
    for policy in of_kind("NetworkPolicy"):
        own = policy["spec"]["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name")
        for rule in policy["spec"].get(direction, []):
            for peer in rule.get(peers, []):
                other = peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name")
                if own and other:
                    pair = (other, own) if direction == "ingress" else (own, other)
                    yield (*pair, rule["ports"][0]["port"])


def linkerd_edges(table: Table) -> Iterator[Edge]:
    """Who may reach whom by Linkerd's objects."""
    servers = {one["metadata"]["name"]: one["spec"] for one in of_kind("Server")}
    for one in of_kind("MeshTLSAuthentication"):
        server = servers[one["metadata"]["name"]]
        for identity in one["spec"]["identities"]:
            account, namespace = identity.split(".")[:2]
            (origin,) = [each.name for each in table.workloads if each.identity == f"{namespace}/{account}"]
            yield origin, server["podSelector"]["matchLabels"]["app.kubernetes.io/name"], server["port"]


def test_mesh_network_and_linkerd_let_the_same_hops_through_and_no_others(table: Table) -> None:
    expected = set(edges(table))
    inward = {one for one in expected if table.governed(one[1])}
    outward = {one for one in expected if table.governed(one[0])}
    assert set(istio_edges(table)) == inward
    assert set(network_edges("ingress")) == inward
    assert set(network_edges("egress")) == outward
    assert set(linkerd_edges(table)) == inward


def test_only_listed_hosts_outside_are_known_and_only_to_who_may_reach_them(table: Table) -> None:
    sidecars = {(one["metadata"]["namespace"], one["metadata"]["name"]): one["spec"] for one in of_kind("Sidecar")}
    assert {namespace for namespace, name in sidecars if name == "default"} == set(table.namespaces)
    for spec in sidecars.values():
        assert spec["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    outside = {
        name: [host for host in spec["egress"][0]["hosts"] if "example.com" in host]
        for (_, name), spec in sidecars.items()
    }
    assert {name for name, hosts in outside.items() if hosts} == {"mcp-agent"}
    assert all(one["spec"]["exportTo"] == ["."] for one in of_kind("ServiceEntry"))


def test_a_role_reads_its_forecasts_and_their_metrics_in_its_namespaces_only(table: Table) -> None:
    roles = {one["metadata"]["name"]: one for one in of_kind("Role")}
    reading = [role for role in table.roles if role.forecasts]
    assert roles.keys() == {f"mcp-{role.name}-forecasts" for role in reading}
    for role in reading:
        for access in role.forecasts:
            objects, metrics = roles[f"mcp-{role.name}-forecasts"]["rules"]
            assert (objects["apiGroups"], objects["resources"][0]) == ([GROUP], PLURAL)
            assert objects.get("resourceNames", []) == list(access.load_forecasts)
            assert metrics["apiGroups"] == [EXTERNAL_METRICS_API.split(".", 1)[1]]
            assert metrics["resources"] == (list(access.load_forecasts) or ["*"])
            assert not {"create", "update", "patch", "delete", "*"} & {*objects["verbs"], *metrics["verbs"]}


def test_each_role_is_the_group_of_the_same_token(table: Table) -> None:
    for one in [*of_kind("RoleBinding"), *of_kind("ClusterRoleBinding")]:
        groups = [subject["name"] for subject in one["subjects"] if subject["kind"] == "Group"]
        role = one["metadata"]["name"].removeprefix("mcp-").removesuffix("-forecasts").removesuffix("-page")
        assert groups == [f"{table.tokens.group_prefix}{role}"]


def test_the_metadata_document_is_where_its_specification_puts_it(table: Table) -> None:
    for server in table.servers:
        assert server.metadata_url == server.resource.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        document = json.loads(envoy.metadata_document(table, server))
        assert document["resource"] == server.resource
        assert document["scopes_supported"] == list(server.scopes)


def test_mutual_tls_is_strict_everywhere_but_on_the_port_that_the_api_server_calls(find: Any) -> None:
    policies = {one["metadata"]["name"]: one for one in of_kind("PeerAuthentication", "mesh/istio/security/mtls")}
    assert policies["default"]["metadata"]["namespace"] == "istio-system"
    assert policies["default"]["spec"] == {"mtls": {"mode": "STRICT"}}
    pod = find("base", "Deployment", "forescale")["spec"]["template"]
    (port,) = pod["spec"]["containers"][0]["ports"]
    exception = policies["forescale"]["spec"]
    assert exception["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert exception["mtls"] == {"mode": "STRICT"}
    assert exception["portLevelMtls"] == {str(port["containerPort"]): {"mode": "PERMISSIVE"}}


def test_the_api_server_reaches_that_port_and_nobody_any_other(find: Any) -> None:
    (policy,) = of_kind("AuthorizationPolicy", "mesh/istio/security/mtls")
    labels = find("base", "Deployment", "forescale")["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["rules"] == [{"to": [{"operation": {"ports": ["6443"]}}]}]


def test_the_table_knows_the_service_as_it_is_installed(table: Table, find: Any) -> None:
    service = table.workload("forescale")
    pod = find("base", "Deployment", "forescale")["spec"]["template"]
    assert service.labels.items() <= pod["metadata"]["labels"].items()
    assert service.service_account == pod["spec"]["serviceAccountName"]
    assert find("base", "ClusterRole", "forescale-page")


def test_the_table_knows_the_samples_as_they_are_installed(table: Table) -> None:
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run(
        [kubectl, "kustomize", ROOT / "examples/mcp/k8s/base"], capture_output=True, text=True, check=True
    )
    deployments = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment"]
    assert len(deployments) == 4
    for one in deployments:
        workload, pod = table.workload(one["metadata"]["name"]), one["spec"]["template"]
        assert (workload.namespace, workload.service_account) == (
            one["metadata"]["namespace"],
            pod["spec"]["serviceAccountName"],
        )
        assert workload.labels.items() <= pod["metadata"]["labels"].items()
        assert workload.ports == {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
