"""Istio's objects: tokens, roles and scopes by header (any proxy build), and by body (proxies with the MCP filter).

Two layers, and a message must pass both where both are applied. The first needs nothing special: it believes
Mcp-Method and Mcp-Name only beside MCP-Protocol-Version 2026-07-28, whose servers compare them with the body, and
refuses older clients. The second parses the body; it lets older clients in and decides for both eras.
"""

from tools.roles import envoy
from tools.roles.objects import Manifest, manifest
from tools.roles.table import Role, Server, Table, Workload

SECURITY = "security.istio.io/v1"
NETWORKING = "networking.istio.io/v1"
VERSION = "request.headers[mcp-protocol-version]"
METHOD = "request.headers[mcp-method]"
TARGET = "request.headers[mcp-name]"
API_SERVER = "default/kubernetes.default.svc.cluster.local"
HCM = "envoy.filters.network.http_connection_manager"
HCM_TYPE = "http_connection_manager.v3.HttpConnectionManager"
ENCODED = "=?base64?*"  # an Mcp-Name that hides what it names; every name in the table is plain


def by_header(table: Table) -> list[Manifest]:
    """What works on every proxy build, for each server."""
    made = []
    for server in table.servers:
        made += [_tokens(table, server), _roles(table, server), _scopes(table, server), _encoded_names(table, server)]
        made += [_discovery(table, server), _refusals(table, server)]
    return made


def by_body(table: Table) -> list[Manifest]:
    """What needs envoy.filters.http.mcp in the proxy, and in return lets older clients in."""
    return [one for server in table.servers for one in (_body(table, server), _legacy(table, server))]


def hops(table: Table) -> list[Manifest]:
    """Deny by default in each governed namespace, then who may reach whom."""
    made = [manifest(SECURITY, "AuthorizationPolicy", "deny-by-default", one, spec={}) for one in table.namespaces]
    targets = dict.fromkeys(hop.to for hop in table.hops if table.governed(hop.to))
    return made + [_hops_to(table, name) for name in targets]


def egress(table: Table) -> list[Manifest]:
    """What a proxy knows at all: its own namespace, where its hops lead, and the hosts listed for it."""
    made = []
    for namespace in table.namespaces:
        inside = [*_reach(table, namespace)]
        made.append(_sidecar("default", namespace, inside, None))
        for workload in (one for one in table.workloads if one.namespace == namespace):
            hosts = [one.host for one in table.egress if workload.name in one.origins]
            if hosts:
                made.append(_sidecar(workload.name, namespace, inside + [f"./{host}" for host in hosts], workload))
    return made + _entries(table)


def _tokens(table: Table, server: Server) -> Manifest:
    rule = {
        "issuer": table.tokens.issuer,
        "jwksUri": table.tokens.jwks_uri,
        "audiences": [server.resource],
        "forwardOriginalToken": True,  # the server checks it too, and sees who calls
    }
    return _on(table, server, SECURITY, "RequestAuthentication", "tokens", {"jwtRules": [rule]})


def _roles(table: Table, server: Server) -> Manifest:
    rules = []
    for role in table.callers_of(server):
        common = [_role(table, role), {"key": VERSION, "values": [envoy.MODERN]}]
        plain = [*common, {"key": METHOD, "values": list(table.methods_of(role))}]
        call = [
            *common,
            {"key": METHOD, "values": ["tools/call"]},
            {"key": TARGET, "values": sorted(role.tools[server.workload])},
        ]
        rules += [_rule(table, server, role, ["POST"], one) for one in (plain, call)]
    return _policy(table, server, "roles", "ALLOW", rules)


def _scopes(table: Table, server: Server) -> Manifest:
    rules = []
    for scope in server.scopes:
        for role in table.callers_of(server):
            tools = sorted(set(server.tools_of(scope)) & set(role.tools[server.workload]))
            if tools:
                when = [
                    _role(table, role),
                    {"key": f"request.auth.claims[{table.tokens.scope_claim}]", "notValues": [scope]},
                    {"key": VERSION, "values": [envoy.MODERN]},
                    {"key": METHOD, "values": ["tools/call"]},
                    {"key": TARGET, "values": tools},
                ]
                rules.append({"to": _operation(table, server, ["POST"]), "when": when})
    return _policy(table, server, "scopes", "DENY", rules)


def _encoded_names(table: Table, server: Server) -> Manifest:
    when = [{"key": TARGET, "values": [ENCODED]}]
    return _policy(table, server, "encoded-names", "DENY", [{"to": _operation(table, server, None), "when": when}])


def _legacy(table: Table, server: Server) -> Manifest:
    rules = [
        _rule(
            table, server, role, ["POST", "GET", "DELETE"],
            [_role(table, role), {"key": VERSION, "notValues": [envoy.MODERN]}],
        )
        for role in table.callers_of(server)
    ]  # fmt: skip
    return _policy(table, server, "legacy", "ALLOW", rules)


def _discovery(table: Table, server: Server) -> Manifest:
    patch = {
        "applyTo": "HTTP_ROUTE",
        "match": {"context": "SIDECAR_INBOUND"},
        "patch": {"operation": "INSERT_FIRST", "value": envoy.metadata_route(table, server)},
    }
    return _filter(table, server, "metadata", [patch])


def _refusals(table: Table, server: Server) -> Manifest:
    typed = {
        "@type": f"type.googleapis.com/envoy.extensions.filters.network.{HCM_TYPE}",
        "local_reply_config": envoy.local_replies(server, scope_policies=_scope_rules(table, server)),
    }
    listener = {"portNumber": table.port_of(server.workload, server.port), "filterChain": {"filter": {"name": HCM}}}
    patch = {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "SIDECAR_INBOUND", "listener": listener},
        "patch": {"operation": "MERGE", "value": {"name": HCM, "typed_config": typed}},
    }
    return _filter(table, server, "refusals", [patch])


def _scope_rules(table: Table, server: Server) -> dict[str, tuple[str, ...]]:
    """Names that Istio gives the rules of the scopes' policy, in the order in which they stand there."""
    workload = table.workload(server.workload)
    names: dict[str, tuple[str, ...]] = dict.fromkeys(server.scopes, ())
    at = 0
    for scope in server.scopes:
        for role in table.callers_of(server):
            if set(server.tools_of(scope)) & set(role.tools[server.workload]):
                names[scope] += (f"ns[{workload.namespace}]-policy[{workload.name}-scopes]-rule[{at}]",)
                at += 1
    return names


def _body(table: Table, server: Server) -> Manifest:
    router = {"name": HCM, "subFilter": {"name": "envoy.filters.http.router"}}
    listener = {"portNumber": table.port_of(server.workload, server.port), "filterChain": {"filter": router}}
    patches = [
        {
            "applyTo": "HTTP_FILTER",
            "match": {"context": "SIDECAR_INBOUND", "listener": listener},
            "patch": {"operation": "INSERT_BEFORE", "value": one},
        }
        for one in (envoy.roles_filter(table, server), envoy.scopes_filter(table, server))
    ]
    return _filter(table, server, "body", patches)


def _hops_to(table: Table, name: str) -> Manifest:
    workload = table.workload(name)
    rules = []
    for hop in (one for one in table.hops if one.to == name):
        operation: Manifest = {"ports": [str(workload.ports[hop.port])]}
        operation |= {"methods": list(hop.methods)} if hop.methods else {}
        operation |= {"paths": list(hop.paths)} if hop.paths else {}
        rules.append({"from": [_source(table, hop.origins)], "to": [{"operation": operation}]})
    spec = {"selector": {"matchLabels": dict(workload.labels)}, "action": "ALLOW", "rules": rules}
    return manifest(SECURITY, "AuthorizationPolicy", f"{name}-hops", workload.namespace, spec=spec)


def _reach(table: Table, namespace: str) -> list[str]:
    inside = {one.name for one in table.workloads if one.namespace == namespace}
    others = {table.workload(hop.to).namespace for hop in table.hops if inside & {*hop.origins}} - {namespace}
    api = [API_SERVER] if any(table.workload(one).api_server for one in inside) else []
    return [f"./*.{namespace}.svc.cluster.local", *(f"{one}/*" for one in sorted(others)), *api]


def _sidecar(name: str, namespace: str, hosts: list[str], workload: Workload | None) -> Manifest:
    selector = {"workloadSelector": {"labels": dict(workload.labels)}} if workload else {}
    spec = {**selector, "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}, "egress": [{"hosts": hosts}]}
    return manifest(NETWORKING, "Sidecar", name, namespace, spec=spec)


def _entries(table: Table) -> list[Manifest]:
    made = []
    for one in table.egress:
        for namespace in sorted({table.workload(name).namespace for name in one.origins}):
            spec = {
                "hosts": [one.host],
                "location": "MESH_EXTERNAL",
                "resolution": "DNS",
                "exportTo": ["."],
                "ports": [{"number": one.port, "name": "tls", "protocol": "TLS"}],
            }
            made.append(manifest(NETWORKING, "ServiceEntry", one.host.replace(".", "-"), namespace, spec=spec))
    return made


def _role(table: Table, role: Role) -> Manifest:
    return {"key": f"request.auth.claims[{table.tokens.roles_claim}]", "values": [role.name]}


def _source(table: Table, names: tuple[str, ...]) -> Manifest:
    return {"source": {"serviceAccounts": [table.workload(name).identity for name in names]}}


def _operation(table: Table, server: Server, verbs: list[str] | None) -> list[Manifest]:
    port = str(table.port_of(server.workload, server.port))
    return [{"operation": {"ports": [port]} | ({"methods": verbs, "paths": [server.path]} if verbs else {})}]


def _rule(table: Table, server: Server, role: Role, verbs: list[str], when: list[Manifest]) -> Manifest:
    return {"from": [_source(table, role.callers)], "to": _operation(table, server, verbs), "when": when}


def _policy(table: Table, server: Server, suffix: str, action: str, rules: list[Manifest]) -> Manifest:
    return _on(table, server, SECURITY, "AuthorizationPolicy", suffix, {"action": action, "rules": rules})


def _on(table: Table, server: Server, api: str, kind: str, suffix: str, spec: Manifest) -> Manifest:
    workload = table.workload(server.workload)
    body = {"selector": {"matchLabels": dict(workload.labels)}, **spec}
    return manifest(api, kind, f"{workload.name}-{suffix}", workload.namespace, spec=body)


def _filter(table: Table, server: Server, suffix: str, patches: list[Manifest]) -> Manifest:
    workload = table.workload(server.workload)
    spec = {"workloadSelector": {"labels": dict(workload.labels)}, "configPatches": patches}
    name = f"{workload.name}-{suffix}"
    return manifest("networking.istio.io/v1alpha3", "EnvoyFilter", name, workload.namespace, spec=spec)
