"""The configurations that are shipped, in the order in which a container is told to merge them.

Read off the rendered manifests: the tests run the files that the cluster would get, never copies.
"""

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TRACING = Path(__file__).parents[3] / "tracing"
Config = dict[str, Any]


@functools.cache
def rendered(tree: str) -> tuple[dict[str, Any], ...]:
    """Objects of a folder of tracing/, such as "collector/base". They must not be changed."""
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", TRACING / tree], capture_output=True, text=True, check=True)
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def found(tree: str, kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    (one,) = (each for each in rendered(tree) if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return one


def files(tree: str, kind: str, name: str) -> dict[str, str]:
    """File name -> text, of the files that the workload's container names by --config, in its order."""
    spec = found(tree, kind, name)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    sources = {one["name"]: one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one}
    paths = [Path(word.removeprefix("--config=")) for word in container["args"]]
    return {path.name: found(tree, "ConfigMap", sources[mounts[str(path.parent)]])["data"][path.name] for path in paths}


def configs(tree: str, kind: str, name: str) -> dict[str, Config]:
    """As `files`, parsed; the caller may change them, so nothing is shared between places that name one anchor."""
    parsed = {file: yaml.safe_load(text) for file, text in files(tree, kind, name).items()}
    return {file: json.loads(json.dumps(config)) for file, config in parsed.items()}


def merged(parts: dict[str, Config]) -> Config:
    """What the server makes of several files: mappings are merged, all else replaced."""
    result: Config = {}
    for part in parts.values():
        _merge(result, part)
    return result


def _merge(into: Config, new: Config) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value if not isinstance(value, dict) else {**value}
