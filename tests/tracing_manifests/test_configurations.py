"""The configurations of collectors and Jaeger: whole, current, and in agreement with the manifests around them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.harness.shipped import TRACING, Config, configs, files, found, merged, rendered
from tools import collector_operator

SERVERS = [
    ("collector/base", "DaemonSet", "agent"),
    ("collector/base", "StatefulSet", "gateway"),
    ("collector/overlays/keep-all", "StatefulSet", "gateway"),
    ("collector/overlays/small", "StatefulSet", "gateway"),
    ("collector/overlays/zipkin", "StatefulSet", "gateway"),
    ("jaeger/base", "StatefulSet", "jaeger"),
    ("jaeger/overlays/clickhouse", "Deployment", "jaeger"),
    ("jaeger/overlays/elasticsearch", "Deployment", "jaeger"),
    ("jaeger/overlays/opensearch", "Deployment", "jaeger"),
]
COLLECTORS = [one for one in SERVERS if one[0].startswith("collector")]
SECTIONS = ("receivers", "processors", "connectors", "exporters", "extensions")
CURRENT = {
    "receivers": {"otlp"},
    "processors": {
        "attributes",
        "filter",
        "k8s_attributes",
        "memory_limiter",
        "resource",
        "tail_sampling",
        "transform",
    },
    "connectors": {"forward", "span_metrics"},
    "exporters": {"jaeger_storage_exporter", "load_balancing", "otlp_grpc", "prometheus", "zipkin"},
    "extensions": {
        "file_storage",
        "health_check",
        "healthcheckv2",
        "jaeger_query",
        "jaeger_storage",
        "remote_sampling",
    },
}
"""Types by their names of today; test_components.py asks the real servers for them."""


@pytest.mark.parametrize("server", SERVERS)
def test_every_component_bears_a_name_of_today(server: tuple[str, str, str]) -> None:
    whole = merged(configs(*server))
    for section in SECTIONS:
        assert {name.partition("/")[0] for name in whole.get(section) or ()} <= CURRENT[section]


@pytest.mark.parametrize("server", SERVERS)
def test_what_is_defined_is_used_and_what_is_used_is_defined(server: tuple[str, str, str]) -> None:
    whole = merged(configs(*server))
    pipelines = whole["service"]["pipelines"].values()
    used: dict[str, set[str]] = {"extensions": set(whole["service"]["extensions"])}
    for section in ("receivers", "processors", "exporters"):
        used[section] = {name for one in pipelines for name in one.get(section, [])}
    connectors = set(whole.get("connectors") or ())
    assert connectors == connectors & used["receivers"] & used["exporters"]
    for section in ("receivers", "exporters"):
        used[section] -= connectors
    for section, names in used.items():
        assert names == set(whole.get(section) or ()), section
    assert all(one.get("receivers") and one.get("exporters") for one in pipelines)


@pytest.mark.parametrize("server", SERVERS)
def test_memory_is_limited_before_anything_else(server: tuple[str, str, str]) -> None:
    whole = merged(configs(*server))
    for name, pipeline in whole["service"]["pipelines"].items():
        if "otlp" in pipeline["receivers"]:
            assert pipeline["processors"][0] == "memory_limiter", name


@pytest.mark.parametrize("server", SERVERS)
def test_every_variable_is_given_to_the_container(server: tuple[str, str, str]) -> None:
    tree, kind, name = server
    (container,) = found(tree, kind, name)["spec"]["template"]["spec"]["containers"]
    given = {one["name"] for one in container["env"]}
    for source in container.get("envFrom", []):
        given |= set(found(tree, "ConfigMap", source["configMapRef"]["name"])["data"])
    wanted = {one for text in files(*server).values() for one in re.findall(r"\$\{env:(\w+)\}", text)}
    assert wanted <= given
    words = {word for text in files(*server).values() for word in re.findall(r"node_from_env_var: (\w+)", text)}
    assert words <= given


@pytest.mark.parametrize("server", SERVERS)
def test_it_listens_on_the_pods_address_and_on_the_containers_ports(server: tuple[str, str, str]) -> None:
    tree, kind, name = server
    (container,) = found(tree, kind, name)["spec"]["template"]["spec"]["containers"]
    ports = {str(one["containerPort"]) for one in container["ports"]}
    listens = set(re.findall(r"\$\{env:POD_IP\}:(\d+)", yaml.safe_dump(merged(configs(*server))))) | {"8888"}
    assert listens == ports
    assert "0.0.0.0" not in "".join(files(*server).values())


@pytest.mark.parametrize("server", COLLECTORS)
def test_what_waits_waits_on_disk_without_an_end_to_its_patience(server: tuple[str, str, str]) -> None:
    tree, kind, name = server
    whole = merged(configs(*server))
    (container,) = found(tree, kind, name)["spec"]["template"]["spec"]["containers"]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    directory = next(one["value"] for one in container["env"] if one["name"] == "QUEUE_DIRECTORY")
    assert any(directory.startswith(f"{mount}/") for mount in mounts)
    for exporter in (one for key, one in whole["exporters"].items() if not key.startswith("prometheus")):
        assert exporter["sending_queue"]["storage"] == "file_storage"
        assert exporter["retry_on_failure"]["max_elapsed_time"] == 0


def test_the_queue_fits_its_volume() -> None:
    tree = "collector/base"
    queue = merged(configs(tree, "StatefulSet", "gateway"))["exporters"]["otlp_grpc/jaeger"]["sending_queue"]
    (claim,) = found(tree, "StatefulSet", "gateway")["spec"]["volumeClaimTemplates"]
    assert queue["sizer"] == "bytes"
    assert (
        queue["queue_size"] <= 0.8 * int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 2**30
    )


@pytest.mark.parametrize("server", SERVERS)
def test_servers_are_called_by_services_that_exist(server: tuple[str, str, str]) -> None:
    whole = merged(configs(*server))
    services = {one["metadata"]["name"]: one for tree in ("collector/base", "jaeger/base") for one in rendered(tree)}
    exporters = whole["exporters"]
    if "otlp_grpc/jaeger" in exporters:
        name, _, port = exporters["otlp_grpc/jaeger"]["endpoint"].partition(".tracing.svc:")
        assert int(port) in {one["port"] for one in services[name]["spec"]["ports"]}
    if "load_balancing" in exporters:
        resolver = exporters["load_balancing"]["resolver"]["k8s"]
        name, _, namespace = resolver["service"].partition(".")
        headless = services[name]["spec"]
        assert (namespace, headless["clusterIP"], headless["publishNotReadyAddresses"]) == ("tracing", "None", True)
        assert found("collector/base", "StatefulSet", "gateway")["spec"]["serviceName"] == name
        assert resolver["ports"] == [one["port"] for one in headless["ports"]]


def test_the_rights_of_the_agent_are_what_its_components_ask_for() -> None:
    agent = merged(configs("collector/base", "DaemonSet", "agent"))
    metadata = agent["processors"]["k8s_attributes"]["extract"]["metadata"]
    assert not {"k8s.cluster.uid", "container.image.repo_digests"} & set(metadata)
    assert agent["processors"]["k8s_attributes"]["extract"]["deployment_name_from_replicaset"] is True
    assert found("collector/base", "ClusterRole", "forescale-tracing-agent")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]
    assert found("collector/base", "Role", "agent")["rules"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    ]


def test_metrics_are_made_from_all_spans_and_traces_are_routed_whole_to_where_they_are_sampled() -> None:
    gateway = merged(configs("collector/base", "StatefulSet", "gateway"))["service"]["pipelines"]
    assert "span_metrics" in gateway["traces/in"]["exporters"]
    assert "tail_sampling" not in gateway["traces/in"]["processors"]
    assert gateway["traces/sampled"]["processors"] == ["tail_sampling"]
    agent = merged(configs("collector/base", "DaemonSet", "agent"))
    assert agent["exporters"]["load_balancing"]["routing_key"] == "traceID"
    assert agent["service"]["pipelines"]["traces/agent"]["processors"][-1] == "transform/redact"


def tail_sampling() -> Config:
    sampling: Config = merged(configs("collector/base", "StatefulSet", "gateway"))["processors"]["tail_sampling"]
    return sampling


def test_decisions_are_remembered_much_longer_than_traces_are_held() -> None:
    sampling = tail_sampling()
    assert all(size >= 10 * sampling["num_traces"] for size in sampling["decision_cache"].values())


def test_the_readmes_table_of_policies_is_the_list_of_policies() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \|", (TRACING / "collector" / "README.md").read_text(), re.M)
    assert [name for name, _ in rows] == [one["name"] for one in tail_sampling()["policies"]]
    shares = {name: re.findall(r"(\d+) %", kept) for name, kept in rows}
    for policy in tail_sampling()["policies"]:
        for percent in _all(policy, "sampling_percentage"):
            assert shares[policy["name"]] == [str(percent)]


def _all(tree: Any, key: str) -> Iterator[Any]:
    if isinstance(tree, dict):
        yield from (value for name, value in tree.items() if name == key)
        for value in tree.values():
            yield from _all(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from _all(value, key)


def test_the_retention_is_stated_once_and_read_everywhere() -> None:
    texts = {path: path.read_text() for path in (TRACING / "jaeger").rglob("*.*") if path.suffix != ".md"}
    assert sum("RETENTION=" in text for text in texts.values()) == 1
    storages = [text for path, text in texts.items() if path.name in ("badger.yaml", "storage.yaml")]
    assert len(storages) == 4
    assert all("${env:RETENTION}" in text for text in storages)
    policies = [text for path, text in texts.items() if path.name == "policy.json"]
    assert len(policies) == 2
    assert all(text.count("@RETENTION@") == 1 for text in policies)
    assert re.fullmatch(r"\d+h", found_retention()), "hours are what Go, Elasticsearch and OpenSearch all can read"


def found_retention() -> str:
    (data,) = (one["data"] for one in rendered("jaeger/base") if "RETENTION" in one.get("data", {}))
    return str(data["RETENTION"])


def test_jaeger_reads_the_metrics_that_the_gateways_make() -> None:
    gateway = merged(configs("collector/base", "StatefulSet", "gateway"))["connectors"]["span_metrics"]
    jaeger = merged(configs("jaeger/base", "StatefulSet", "jaeger"))
    backend = jaeger["extensions"]["jaeger_storage"]["metric_backends"]["span_metrics"]["prometheus"]
    assert backend["metric_namespace"] == gateway["namespace"].replace(".", "_")
    assert backend["latency_unit"] == gateway["histogram"]["unit"]
    assert jaeger["extensions"]["jaeger_query"]["storage"]["metrics"] == "span_metrics"


def test_the_operators_objects_are_the_plain_ones() -> None:
    for name, text in collector_operator.documents().items():
        assert (collector_operator.OVERLAY / f"opentelemetrycollector-{name}.yaml").read_text() == text
