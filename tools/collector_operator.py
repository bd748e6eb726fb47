"""The OpenTelemetry operator's objects, written from the shipped ones: `python -m tools.collector_operator --write`.

The operator takes one merged configuration inside its object, where kustomize cannot put it. So the two files of
tracing/collector/overlays/operator are made from what the plain manifests render to; without --write they are compared.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

COLLECTOR = Path(__file__).parents[1] / "tracing" / "collector"
OVERLAY = COLLECTOR / "overlays" / "operator"
HEADER = "# Written by `python -m tools.collector_operator --write` from ../../base; change it there.\n"
MODES = {"agent": ("DaemonSet", "daemonset"), "gateway": ("StatefulSet", "statefulset")}
_OF_WORKLOAD = ("replicas", "serviceName", "persistentVolumeClaimRetentionPolicy", "volumeClaimTemplates")
_OF_POD = ("tolerations", "priorityClassName", "terminationGracePeriodSeconds", "topologySpreadConstraints")
_OF_CONTAINER = ("image", "env", "envFrom", "resources", "securityContext")


def main() -> None:
    """Compares the files with what they should be, or writes them."""
    for name, text in documents().items():
        path = OVERLAY / f"opentelemetrycollector-{name}.yaml"
        if "--write" in sys.argv:
            path.write_text(text)
        elif path.read_text() != text:
            raise SystemExit(f"{path.name} is not what the base says; run python -m tools.collector_operator --write")


def documents() -> dict[str, str]:
    """Name of the tier -> its file."""
    kubectl = Path(sys.executable).parent / "kubectl"
    command = [str(kubectl), "kustomize", str(COLLECTOR / "base")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - of this environment
    objects = list(yaml.safe_load_all(done.stdout))
    return {
        name: HEADER + yaml.safe_dump(_collector(objects, name), sort_keys=False, width=120, allow_unicode=True)
        for name in MODES
    }


def _collector(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    kind, mode = MODES[name]
    (workload,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
    (data,) = (one["data"] for one in objects if "agent.yaml" in one.get("data", {}))
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    spec: dict[str, Any] = {"mode": mode, "managementState": "managed", "serviceAccount": pod["serviceAccountName"]}
    for keys, owner in ((_OF_WORKLOAD, workload["spec"]), (_OF_POD, pod), (_OF_CONTAINER, container)):
        spec |= {key: owner[key] for key in keys if key in owner}
    for one in spec.get("envFrom", ()):
        reference = one["configMapRef"]
        reference["name"] = reference["name"].rpartition("-")[0]  # kustomize puts the hash on again
    spec["podSecurityContext"] = pod["securityContext"]
    spec["ports"] = [{"name": one["name"], "port": one["containerPort"]} for one in container["ports"]]
    spec["volumes"] = [one for one in pod["volumes"] if "configMap" not in one]
    spec["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] != "config"]
    files = [Path(word).name for word in container["args"]]
    spec["config"] = merged([yaml.safe_load(data[file]) for file in files])
    labels = workload["metadata"]["labels"]
    return {
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": name, "namespace": "tracing", "labels": labels},
        "spec": spec,
    }


def merged(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mappings are merged, everything else is replaced: what a collector makes of several files."""
    result: dict[str, Any] = {}
    for config in configs:
        for key, value in config.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged([result[key], value]) if both else value
    return result


if __name__ == "__main__":
    main()
