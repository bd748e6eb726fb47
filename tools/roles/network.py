"""The twin below the mesh: NetworkPolicies for the same hops, enforced by the CNI whether or not a proxy is there."""

from collections.abc import Iterator

from tools.roles.objects import Manifest, manifest
from tools.roles.table import Table, Workload

API = "networking.k8s.io/v1"
ISTIOD_PORTS = (15012, 15017)
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]


def policies(table: Table) -> list[Manifest]:
    """Nothing in or out by default, but names and certificates; then each workload's own ports and peers."""
    made = []
    for namespace in table.namespaces:
        everybody: Manifest = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        made.append(manifest(API, "NetworkPolicy", "deny-by-default", namespace, spec=everybody))
        basics = {"podSelector": {}, "policyTypes": ["Egress"], "egress": _basics()}
        made.append(manifest(API, "NetworkPolicy", "names-and-certificates", namespace, spec=basics))
    return made + [_of(table, one) for one in table.workloads if table.governed(one.name) and _edges(table, one)]


def edges(table: Table) -> Iterator[tuple[str, str, int]]:
    """(from, to, container port) for each pair of workloads that may talk, roles' calls included."""
    for server in table.servers:
        port = table.port_of(server.workload, server.port)
        for caller in sorted({name for role in table.callers_of(server) for name in role.callers}):
            yield caller, server.workload, port
    for hop in table.hops:
        for origin in hop.origins:
            yield origin, hop.to, table.port_of(hop.to, hop.port)


def _edges(table: Table, workload: Workload) -> list[tuple[str, str, int]]:
    return [one for one in edges(table) if workload.name in one[:2]]


def _of(table: Table, workload: Workload) -> Manifest:
    incoming = [_from(table, origin, port) for origin, to, port in edges(table) if to == workload.name]
    outgoing = [_to(table, to, port) for origin, to, port in edges(table) if origin == workload.name]
    outgoing += [_outside(one.port) for one in table.egress if workload.name in one.origins]
    outgoing += [{"ports": [*_tcp(443), *_tcp(6443)]}] if workload.api_server else []  # its addresses differ
    spec: Manifest = {"podSelector": {"matchLabels": dict(workload.labels)}}
    spec["policyTypes"] = [kind for kind, rules in (("Ingress", incoming), ("Egress", outgoing)) if rules]
    spec |= {key: rules for key, rules in (("ingress", incoming), ("egress", outgoing)) if rules}
    return manifest(API, "NetworkPolicy", f"{workload.name}-hops", workload.namespace, spec=spec)


def _from(table: Table, origin: str, port: int) -> Manifest:
    return {"from": [_peer(table.workload(origin))], "ports": _tcp(port)}


def _to(table: Table, target: str, port: int) -> Manifest:
    return {"to": [_peer(table.workload(target))], "ports": _tcp(port)}


def _outside(port: int) -> Manifest:
    """A host outside: policies know addresses, not names; the mesh's list knows the names."""
    return {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}], "ports": _tcp(port)}


def _peer(workload: Workload) -> Manifest:
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": workload.namespace}}
    return {"namespaceSelector": namespace, "podSelector": {"matchLabels": dict(workload.labels)}}


def _basics() -> list[Manifest]:
    dns = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    istiod = [one for port in ISTIOD_PORTS for one in _tcp(port)]
    return [
        {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}], "ports": ports}
        for name, ports in (("kube-system", dns), ("istio-system", istiod))
    ]


def _tcp(port: int) -> list[Manifest]:
    return [{"port": port, "protocol": "TCP"}]
