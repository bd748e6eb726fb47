"""The roles table as data: read, checked, and asked questions that every output needs.

Whatever a policy could silently get wrong is refused here: a role that names no workload, a tool that its server does
not have, a name with a wildcard in it (Istio would take `*` for a prefix), a port that the pod does not open.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "mesh" / "roles" / "roles.yaml"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=53)]
"""A Kubernetes name, short enough for a prefix of ours."""
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*$", max_length=128)]
"""A tool or a method as MCP spells it: no `*`, no space, nothing that a header would have to encode."""
Scope = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$", max_length=64)]
"""RFC 6749's scope-token: it may stand between quotes in WWW-Authenticate."""
Label = Annotated[str, StringConstraints(max_length=63)]
Port = Annotated[int, Field(ge=1, le=65535)]
Https = Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/-]*)?$")]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Tokens(_Row):
    """How a token is known and where in it the roles stand."""

    issuer: Https
    jwks_uri: Https = Field(alias="jwksUri")
    roles_claim: Name = Field(alias="rolesClaim")
    scope_claim: Literal["scope"] = Field(alias="scopeClaim")
    group_prefix: str = Field(alias="groupPrefix", min_length=1)


class Workload(_Row):
    """A pod: its identity in the mesh, its labels, its container ports by name."""

    name: Name
    namespace: Name
    service_account: Name = Field(alias="serviceAccount")
    labels: dict[Label, Label] = Field(min_length=1)
    ports: dict[Name, Port]
    api_server: bool = Field(False, alias="apiServer")

    @property
    def identity(self) -> str:
        """As AuthorizationPolicy's `serviceAccounts` spells it."""
        return f"{self.namespace}/{self.service_account}"


class Tool(_Row):
    """What a token needs beside a role to call it."""

    scope: Scope


class Server(_Row):
    """A protected MCP server."""

    workload: Name
    port: Name
    path: Annotated[str, StringConstraints(pattern=r"^/[a-z0-9/-]*[a-z0-9]$")]
    resource: Https
    tools: dict[Word, Tool] = Field(min_length=1)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Each scope that one of its tools needs, sorted."""
        return tuple(sorted({tool.scope for tool in self.tools.values()}))

    def tools_of(self, scope: str) -> tuple[str, ...]:
        """The tools that need this scope, sorted."""
        return tuple(sorted(name for name, tool in self.tools.items() if tool.scope == scope))

    @property
    def metadata_path(self) -> str:
        """Where RFC 9728 puts the document of a resource with a path."""
        return f"/.well-known/oauth-protected-resource{self.path}"

    @property
    def metadata_url(self) -> str:
        """The same as a client sees it."""
        return f"{self.resource.removesuffix(self.path)}{self.metadata_path}"


class ForecastAccess(_Row):
    """Read access to LoadForecasts and their external metrics; no names: all of the namespace."""

    namespace: Name
    load_forecasts: tuple[Name, ...] = Field((), alias="loadForecasts")


class Role(_Row):
    """A role in a token: through which workloads, which methods, which tools of which server, which forecasts."""

    name: Name
    callers: tuple[Name, ...]
    methods: tuple[Word, ...]
    tools: dict[Name, tuple[Word, ...]]
    forecasts: tuple[ForecastAccess, ...] = ()
    page: bool = False
    readers: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")], ...] = ()
    """ServiceAccounts (namespace/name) that read the forecasts without a token of the issuer."""


class Hop(_Row):
    """One workload may reach a port of another; with HTTP methods and paths where the port speaks HTTP."""

    origins: tuple[Name, ...] = Field(alias="from", min_length=1)
    to: Name
    port: Name
    methods: tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...] = ()
    paths: tuple[Annotated[str, StringConstraints(pattern=r"^/[^*]*\*?$")], ...] = ()


class Egress(_Row):
    """A host outside of the cluster."""

    origins: tuple[Name, ...] = Field(alias="from", min_length=1)
    host: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
    port: Port


class Table(_Row):
    """The whole file."""

    version: Literal[1]
    trust_domain: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+$")] = Field(alias="trustDomain")
    tokens: Tokens
    namespaces: tuple[Name, ...] = Field(min_length=1)
    workloads: tuple[Workload, ...] = Field(min_length=1)
    servers: tuple[Server, ...] = Field(min_length=1)
    common_methods: tuple[Word, ...] = Field(alias="commonMethods", min_length=1)
    roles: tuple[Role, ...] = Field(min_length=1)
    hops: tuple[Hop, ...]
    egress: tuple[Egress, ...]

    @classmethod
    def read(cls, path: Path = TABLE) -> Self:
        """The table in a file; raises pydantic.ValidationError with every place that is wrong."""
        return cls.model_validate(yaml.safe_load(path.read_text()))

    @model_validator(mode="after")
    def _names_exist_and_are_unique(self) -> Self:
        problems = [*_repeated(self), *_unknown_workloads(self), *_unknown_ports(self), *_unusable_roles(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def workload(self, name: str) -> Workload:
        """The workload of that name; there is one, or the table would not have been accepted."""
        return next(one for one in self.workloads if one.name == name)

    def server_of(self, workload: str) -> Server | None:
        """The server in that workload, if it is one."""
        return next((one for one in self.servers if one.workload == workload), None)

    def port_of(self, workload: str, port: str) -> int:
        """The container port of that name."""
        return self.workload(workload).ports[port]

    def governed(self, workload: str) -> bool:
        """Whether its namespace denies by default; elsewhere an ALLOW of ours would shut out everybody else."""
        return self.workload(workload).namespace in self.namespaces

    def methods_of(self, role: Role) -> tuple[str, ...]:
        """Every method that a role may send, without tools/call, sorted."""
        return tuple(sorted({*self.common_methods, *role.methods}))

    def callers_of(self, server: Server) -> tuple[Role, ...]:
        """The roles that may reach a server at all."""
        return tuple(role for role in self.roles if role.callers and role.tools.get(server.workload))


def _repeated(table: Table) -> list[str]:
    lists = {
        "workloads": [one.name for one in table.workloads],
        "servers": [one.workload for one in table.servers],
        "resources": [one.resource for one in table.servers],
        "roles": [one.name for one in table.roles],
    }
    return [f"{what}: a name stands twice" for what, names in lists.items() if len(set(names)) < len(names)]


def _unknown_workloads(table: Table) -> list[str]:
    known = {one.name for one in table.workloads}
    used = {
        **{f"servers.{one.workload}": {one.workload} for one in table.servers},
        **{f"roles.{one.name}.callers": set(one.callers) for one in table.roles},
        **{f"hops[{at}]": {*one.origins, one.to} for at, one in enumerate(table.hops)},
        **{f"egress.{one.host}": set(one.origins) for one in table.egress},
    }
    return [f"{where}: no workload is called {name}" for where, names in used.items() for name in sorted(names - known)]


def _unknown_ports(table: Table) -> list[str]:
    ports = {one.name: one.ports.keys() for one in table.workloads}
    asked = [(one.workload, one.port) for one in table.servers] + [(one.to, one.port) for one in table.hops]
    missing = [(name, port) for name, port in asked if port not in ports.get(name, {port: 0})]
    open_twice = [
        f"hops to {one.to}:{one.port}: a protected server is reached by its roles alone"
        for one in table.hops
        if (one.to, one.port) in {(server.workload, server.port) for server in table.servers}
    ]
    outside = [
        f"servers.{one.workload}: its namespace is not governed" for one in table.servers if _outside(table, one)
    ]
    return [f"{name} has no port {port}" for name, port in missing] + open_twice + outside


def _outside(table: Table, server: Server) -> bool:
    found = [one for one in table.workloads if one.name == server.workload]
    return bool(found) and found[0].namespace not in table.namespaces


def _unusable_roles(table: Table) -> list[str]:
    tools = {one.workload: one.tools.keys() for one in table.servers}
    problems = []
    for role in table.roles:
        if "tools/call" in table.methods_of(role):
            problems.append(f"roles.{role.name}: tools/call is given by naming tools")
        if role.tools and not role.callers:
            problems.append(f"roles.{role.name}: has tools and nobody to call them")
        for server, names in role.tools.items():
            unknown = sorted(set(names) - set(tools.get(server, ())))
            problems += [f"roles.{role.name}: {server} has no tool {name}" for name in unknown]
    return problems
