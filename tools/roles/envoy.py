"""Envoy filters that decide by the parsed body, and what a client is told when it is refused.

Why the body: until 2026-07-28 nothing compares an Mcp-Method or Mcp-Name header with the message, so a client may send
what it likes there. envoy.filters.http.mcp (mesh/istio/limits/envoyfilter-mcp-body.yaml) parses the message; what it
could not read whole, or read twice (a repeated key, trailing bytes, more than the limit), it passes on with
`passthrough_reason`. Nothing so marked is allowed here, nor what was not parsed at all.

All functions give plain dicts in Envoy's v3 API, the same for EnvoyFilter objects and for a stand-alone Envoy.
"""

import json
from typing import Any

from tools.roles.table import Role, Server, Table

Config = dict[str, Any]

MODERN = "2026-07-28"
"""The version from which servers must refuse a header that contradicts the body."""
MCP = "envoy.filters.http.mcp"
ROLES_FILTER = "forescale.mcp.roles"
SCOPES_FILTER = "forescale.mcp.scopes"
RBAC = "envoy.filters.http.rbac"
JWT = "envoy.filters.http.jwt_authn"
JWT_PAYLOAD = "payload"  # the key under which Istio has jwt_authn keep the claims
_V3 = "type.googleapis.com/envoy.extensions.filters.http"


def roles_filter(table: Table, server: Server) -> Config:
    """RBAC that allows what the message itself says, for the roles in the token; nothing else passes."""
    return _rbac(ROLES_FILTER, "ALLOW", {role.name: _allowed(table, server, role) for role in table.callers_of(server)})


def scopes_filter(table: Table, server: Server) -> Config:
    """RBAC that refuses a tool whose scope the token lacks; after the roles: who may never call gets no hint."""
    policies = {
        scope_policy(scope): {
            "permissions": [
                _all(_message(), _metadata(MCP, "method", exact("tools/call")), _tool(server.tools_of(scope)))
            ],
            "principals": [{"not_id": _claim(table.tokens.scope_claim, scope)}],
        }
        for scope in server.scopes
    }
    return _rbac(SCOPES_FILTER, "DENY", policies)


def scope_policy(scope: str) -> str:
    """Name of the policy that refuses for want of a scope; a refusal carries it in its metadata."""
    return f"needs-scope {scope}"


def metadata_document(table: Table, server: Server) -> str:
    """RFC 9728's protected-resource metadata of a server."""
    return json.dumps(
        {
            "resource": server.resource,
            "authorization_servers": [table.tokens.issuer],
            "scopes_supported": list(server.scopes),
            "bearer_methods_supported": ["header"],
        }
    )


def metadata_route(table: Table, server: Server) -> Config:
    """Answers with that document before anybody is asked for a token."""
    no_rbac = {"@type": f"{_V3}.rbac.v3.RBACPerRoute"}
    return {
        "name": "oauth-protected-resource",
        "match": {"path": server.metadata_path, "headers": [{"name": ":method", "string_match": exact("GET")}]},
        "direct_response": {"status": 200, "body": {"inline_string": metadata_document(table, server)}},
        "response_headers_to_add": [
            {
                "header": {"key": "content-type", "value": "application/json"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "typed_per_filter_config": {
            JWT: {"@type": f"{_V3}.jwt_authn.v3.PerRouteConfig", "disabled": True},
            RBAC: no_rbac,
            ROLES_FILTER: no_rbac,
            SCOPES_FILTER: no_rbac,
        },
    }


def local_replies(server: Server, *, scope_policies: dict[str, tuple[str, ...]]) -> Config:
    """HCM's local_reply_config: 401 and 403 as MCP's authorization asks for them.

    A missing token and one for another audience are 403 in Envoy, and 401 here. A missing scope names it.
    `scope_policies`: scope -> names of other RBAC policies that refuse for want of it.
    """
    where = f'resource_metadata="{server.metadata_url}"'
    no_token = {
        "name": "authorization",
        "string_match": {"prefix": "Bearer "},
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }
    mappers = [
        _mapper(
            403,
            {"header_filter": {"header": no_token}},
            f"Bearer {where}",
            401,
        ),
        _mapper(401, None, f'Bearer error="invalid_token", {where}', 401),
        _mapper(403, _code_details("jwt_authn_access_denied"), f'Bearer error="invalid_token", {where}', 401),
    ]
    for scope in server.scopes:
        told = f'Bearer error="insufficient_scope", scope="{scope}", {where}'
        names = (scope_policy(scope), *scope_policies[scope])
        mappers += [_mapper(403, _refused_by(name), told, 403) for name in names]
    return {"mappers": mappers}


def exact(value: str) -> Config:
    """A StringMatcher."""
    return {"exact": value}


def _allowed(table: Table, server: Server, role: Role) -> Config:
    session = [{"header": {"name": ":method", "string_match": exact(verb)}} for verb in ("GET", "DELETE")]
    method = _metadata(MCP, "method", *(exact(one) for one in table.methods_of(role)))
    call = _all(_metadata(MCP, "method", exact("tools/call")), _tool(role.tools[server.workload]))
    path = {"url_path": {"path": exact(server.path)}}
    return {
        "permissions": [_all(path, _any(*session)), _all(path, _message(), _any(method, call))],
        "principals": [_claim(table.tokens.roles_claim, role.name)],
    }


def _message() -> Config:
    """One whole message, read to its end, no key twice."""
    post = {"header": {"name": ":method", "string_match": exact("POST")}}
    doubt = {"metadata": {"filter": MCP, "path": [{"key": "passthrough_reason"}], "value": {"present_match": True}}}
    return _all(post, {"not_rule": doubt})


def _tool(names: tuple[str, ...]) -> Config:
    return _metadata(MCP, "params", *(exact(name) for name in names), below="name")


def _metadata(namespace: str, key: str, *strings: Config, below: str | None = None) -> Config:
    path = [{"key": key}] + ([{"key": below}] if below else [])
    return _any(*({"metadata": {"filter": namespace, "path": path, "value": {"string_match": one}}} for one in strings))


def _claim(claim: str, value: str) -> Config:
    """A claim that is the string, or a list that holds it."""
    one = {"string_match": exact(value)}
    either = {"or_match": {"value_matchers": [one, {"list_match": {"one_of": one}}]}}
    return {"metadata": {"filter": JWT, "path": [{"key": JWT_PAYLOAD}, {"key": claim}], "value": either}}


def _any(*rules: Config) -> Config:
    return rules[0] if len(rules) == 1 else {"or_rules": {"rules": list(rules)}}


def _all(*rules: Config) -> Config:
    return {"and_rules": {"rules": list(rules)}}


def _rbac(name: str, action: str, policies: Config) -> Config:
    return {
        "name": name,
        "typed_config": {
            "@type": f"{_V3}.rbac.v3.RBAC",
            "rules": {"action": action, "policies": policies},
            "rules_stat_prefix": f"{name.removeprefix('forescale.')}.",
        },
    }


def _mapper(status: int, condition: Config | None, told: str, answer: int) -> Config:
    is_status = {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": status, "runtime_key": "forescale.unused"}}
        }
    }
    return {
        "filter": {"and_filter": {"filters": [is_status, condition]}} if condition else is_status,
        "status_code": answer,
        "headers_to_add": [
            {"header": {"key": "www-authenticate", "value": told}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }


def _code_details(beginning: str) -> Config:
    return _cel(f'response.code_details.startsWith("{beginning}")')


def _refused_by(policy: str) -> Config:
    return _cel(f'response.code_details == "rbac_access_denied_matched_policy[{policy.replace(" ", "_")}]"')


def _cel(expression: str) -> Config:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": expression,
            },
        }
    }
