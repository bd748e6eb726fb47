"""Linkerd's share of the table: who may reach which port, by identity. It reads no token and no message."""

from tools.roles.network import edges
from tools.roles.objects import Manifest, manifest
from tools.roles.table import Table, Workload

SERVER = "policy.linkerd.io/v1beta3"
POLICY = "policy.linkerd.io/v1alpha1"


def policies(table: Table) -> list[Manifest]:
    """A Server for each port that somebody may reach, and for it the identities that may."""
    made = []
    ports = dict.fromkeys((to, port) for _, to, port in edges(table) if table.governed(to))
    for name, port in ports:
        origins = sorted({origin for origin, to, number in edges(table) if (to, number) == (name, port)})
        made += _port(table, table.workload(name), port, origins)
    return made


def port_name(workload: Workload, port: int) -> str:
    """The Server's name: the workload's and what it calls the port."""
    (called,) = [name for name, number in workload.ports.items() if number == port]
    return f"{workload.name}-{called}"


def _port(table: Table, workload: Workload, port: int, origins: list[str]) -> list[Manifest]:
    name, namespace = port_name(workload, port), workload.namespace
    identities = [_identity(table, table.workload(origin)) for origin in origins]
    server = {
        "podSelector": {"matchLabels": dict(workload.labels)},
        "port": port,
        "proxyProtocol": "gRPC" if name.endswith("grpc") else "HTTP/1",
        "accessPolicy": "deny",
    }
    callers = {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": name}
    policy = {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": name},
        "requiredAuthenticationRefs": [callers],
    }
    return [
        manifest(SERVER, "Server", name, namespace, spec=server),
        manifest(POLICY, "MeshTLSAuthentication", name, namespace, spec={"identities": identities}),
        manifest(POLICY, "AuthorizationPolicy", name, namespace, spec=policy),
    ]


def _identity(table: Table, workload: Workload) -> str:
    return f"{workload.service_account}.{workload.namespace}.serviceaccount.identity.linkerd.{table.trust_domain}"
