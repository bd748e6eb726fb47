"""What is made from the table, as files: `python -m tools.roles` writes them, `--check` compares."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tools.roles import istio, kubernetes, linkerd, network
from tools.roles.objects import Manifest
from tools.roles.table import Table

HEADER = "# Made from mesh/roles/roles.yaml by `make roles`. Change that file, not this one.\n"
SCHEMA = "mesh/roles/roles.schema.json"
FOLDERS: dict[str, Callable[[Table], list[Manifest]]] = {
    "mesh/roles/kubernetes": kubernetes.forecasts,
    "mesh/roles/network": network.policies,
    "mesh/istio/security/roles": istio.by_header,
    "mesh/istio/security/roles-by-body": istio.by_body,
    "mesh/istio/security/hops": istio.hops,
    "mesh/istio/security/egress": istio.egress,
    "mesh/linkerd/hops": linkerd.policies,
}
"""Folder below the clone -> what fills it, and nothing else does."""


def outputs(table: Table) -> dict[str, str]:
    """Path in the clone -> text, of every file that is made from the table."""
    made = {SCHEMA: json.dumps(Table.model_json_schema(by_alias=True), indent=2) + "\n"}
    for folder, fill in FOLDERS.items():
        files = {_file(one): _dumped(one) for one in fill(table)}
        files["kustomization.yaml"] = _dumped(
            {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(files)}
        )
        made |= {f"{folder}/{name}": text for name, text in files.items()}
    return made


def differences(made: dict[str, str], root: Path) -> list[str]:
    """What differs below `root`: files that are other or missing, and files that nobody makes any more."""
    wrong = [path for path, text in made.items() if not (root / path).exists() or (root / path).read_text() != text]
    there = {str(file.relative_to(root)) for folder in FOLDERS for file in (root / folder).glob("*.yaml")}
    return sorted([*wrong, *(there - made.keys())])


def write(made: dict[str, str], root: Path) -> None:
    """Writes what differs and removes what nobody makes any more."""
    for path in differences(made, root):
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path])
        else:
            (root / path).unlink()


def _file(one: Manifest) -> str:
    """Kind, namespace and name: the same name may stand in several namespaces."""
    meta = one["metadata"]
    return "-".join(word for word in (one["kind"].lower(), meta.get("namespace"), meta["name"]) if word) + ".yaml"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dumped(one: Manifest) -> str:
    return HEADER + yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
