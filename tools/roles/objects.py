"""What all Kubernetes objects made here have in common."""

from typing import Any

Manifest = dict[str, Any]

PART_OF = {"app.kubernetes.io/part-of": "forescale"}


def manifest(api: str, kind: str, name: str, namespace: str | None, **body: Any) -> Manifest:
    """An object; `namespace` None: of the whole cluster."""
    metadata: Manifest = {"name": name, "labels": dict(PART_OF)}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}
