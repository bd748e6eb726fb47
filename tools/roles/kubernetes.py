"""Kubernetes' own RBAC: which role, as a group of the same token, reads which forecasts."""

from tools.roles.objects import Manifest, manifest
from tools.roles.table import ForecastAccess, Role, Table

RBAC = "rbac.authorization.k8s.io"
READ = ["get", "list", "watch"]


def forecasts(table: Table) -> list[Manifest]:
    """A Role and its RoleBinding for each namespace that a role may read, and the page for those who may see it."""
    made = []
    for role in table.roles:
        for access in role.forecasts:
            made += [_role(role, access), _binding(table, role, access)]
        if role.page:
            made.append(_page(table, role))
    return made


def _name(role: Role) -> str:
    return f"mcp-{role.name}-forecasts"


def _role(role: Role, access: ForecastAccess) -> Manifest:
    objects = {"apiGroups": ["forescale.dev"], "resources": ["loadforecasts", "loadforecasts/status"]}
    metrics = {"apiGroups": ["external.metrics.k8s.io"]}
    if access.load_forecasts:
        names = list(access.load_forecasts)
        # A list is not of one name, so those who may see some may not list; a metric's name is its resource.
        rules = [{**objects, "resourceNames": names, "verbs": ["get", "watch"]}]
        rules.append({**metrics, "resources": names, "verbs": ["get", "list"]})
    else:
        rules = [{**objects, "verbs": READ}, {**metrics, "resources": ["*"], "verbs": ["get", "list"]}]
    return manifest(f"{RBAC}/v1", "Role", _name(role), access.namespace, rules=rules)


def _binding(table: Table, role: Role, access: ForecastAccess) -> Manifest:
    ref = {"apiGroup": RBAC, "kind": "Role", "name": _name(role)}
    return manifest(
        f"{RBAC}/v1", "RoleBinding", _name(role), access.namespace, roleRef=ref, subjects=_subjects(table, role)
    )


def _page(table: Table, role: Role) -> Manifest:
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "forescale-page"}
    name = f"mcp-{role.name}-page"
    return manifest(f"{RBAC}/v1", "ClusterRoleBinding", name, None, roleRef=ref, subjects=_subjects(table, role))


def _subjects(table: Table, role: Role) -> list[Manifest]:
    group = {"apiGroup": RBAC, "kind": "Group", "name": f"{table.tokens.group_prefix}{role.name}"}
    accounts = [one.split("/") for one in role.readers]
    return [group, *({"kind": "ServiceAccount", "name": name, "namespace": space} for space, name in accounts)]
