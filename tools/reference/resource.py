"""docs/loadforecast.md from the custom resource's schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tools.reference.schemas import Schema, allowed
from tools.reference.tables import code, table

CRD: Final = Path(__file__).parents[2] / "k8s" / "base" / "crd-loadforecasts.yaml"
_RULES: Final = "x-kubernetes-validations"
_HEAD: Final = """\
# LoadForecast

Written by `make reference` from k8s/base/crd-loadforecasts.yaml; what is changed here is lost.

The custom resource `{name}/{version}`, short name `{short}`: one workload's forecast. Its namespace and name are the
address of its external metric. A quantity is a number or a string as Kubernetes writes them: `12`, `"0.5"`, `500m`.
`forescale validate FILE` checks a file without a cluster; `forescale check FILE --prometheus-url URL` also asks the
store whether the query answers, and whether a forecast would pay.
"""


def resource_page() -> str:
    """The page."""
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]
    version = crd["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    head = _HEAD.format(name=crd["group"], version=version["name"], short=crd["names"]["shortNames"][0])
    parts = [head]
    for name, columns in (
        ("spec", ("field", "default", "values", "what it is")),
        ("status", ("field", "values", "what it is")),
    ):
        part = schema["properties"][name]
        parts += [f"## {name}\n"]
        parts += [part["description"] + "\n"] if "description" in part else []
        parts += [table(columns, _rows(part, with_defaults=name == "spec")) + "\n"]
        parts += _rules(part, name)
    columns = ("column", "wide only", "what it is")
    shown = [
        (one["name"], "x" if one.get("priority") else "", one.get("description", ""))
        for one in version["additionalPrinterColumns"]
    ]
    parts += ["## What `kubectl get loadforecasts` shows\n", table(columns, shown) + "\n"]
    return "\n".join(parts)


def _rows(part: Schema, *, with_defaults: bool) -> Iterator[tuple[str, ...]]:
    for path, schema, needed in _fields(part, ""):
        default = "**required**" if needed else code(_default(schema))
        text = schema.get("description", "")
        yield (code(path), default, allowed(schema), text) if with_defaults else (code(path), allowed(schema), text)


def _fields(schema: Schema, at: str) -> Iterator[tuple[str, Schema, bool]]:
    """(path, schema, whether required), depth first, in the schema's order."""
    for name, child in schema.get("properties", {}).items():
        path = f"{at}.{name}".lstrip(".")
        yield path, child, name in schema.get("required", [])
        yield from _fields(child, path)
        yield from _fields(child.get("items", {}), f"{path}[]")


def _default(schema: Schema) -> Any:
    """Of a value; an object's is the sum of its fields'."""
    default = schema.get("default")
    return None if isinstance(default, dict | list) else default


def _rules(part: Schema, name: str) -> list[str]:
    found = [(name, part), *((f"{name}.{path}", schema) for path, schema, _ in _fields(part, ""))]
    rows = [(code(path), rule["message"]) for path, schema in found for rule in schema.get(_RULES, [])]
    return ["kube-apiserver also refuses:\n", table(("where", "what it says"), rows) + "\n"] if rows else []
