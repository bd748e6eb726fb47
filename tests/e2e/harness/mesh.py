"""A cluster with a mesh on one machine: real API server, real istiod and pilot-agent, stock Envoy, real interception.

Pods are injected by istiod's own webhook and run in sandboxes by the small kubelet, so what is tested are the objects
that are shipped: namespaces with a revision label, Deployments, Services, and every object in mesh/istio.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import envoy
import httpx
import yaml

from tests.e2e.harness import sandbox
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.kubelet import ApiClient, Kubelet
from tests.e2e.harness.pod import REPOSITORY, Image, PodRunner, python
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.service_proxy import ServiceProxy
from tests.e2e.parts.build import binary, data

T = TypeVar("T")

MESH = REPOSITORY / "mesh" / "istio"
REVISION = "1-31-1"
_QUIET_SECONDS = 0.5  # istiod gathers changes for a tenth of a second, longer on a busy machine
ZONES = {"node-a": "zone-1", "node-b": "zone-1", "node-c": "zone-2"}
# The four filters that only Istio's own build of Envoy has, and sizes for one machine; the rest is as shipped.
STOCK_ENVOY = (
    "values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE=false",
    "values.pilot.env.PILOT_ENABLE_ALPN_FILTER=false",
    "values.telemetry.enabled=false",
    "values.global.proxy.readinessPeriodSeconds=1",
    "meshConfig.defaultConfig.drainDuration=3s",  # so long old connections keep old rules: settle waits for them
)
IMAGES = {
    "proxyv2": Image(("/usr/local/bin/pilot-agent",), unprivileged=True),
    "pilot": Image(("/usr/local/bin/pilot-discovery",)),
    "example-mcp-catalog": python("-m", "examples.mcp.servers.catalog"),
    "example-mcp-workshop": python("-m", "examples.mcp.servers.workshop"),
    "example-mcp-registry": python("-m", "examples.mcp.registry"),
    "effects": python("-m", "tests.e2e.mesh.effects"),
    "aggregated-api": python("-m", "tests.e2e.mesh.aggregated_api"),
    "pause": Image(("sleep", "infinity")),
    "ratelimit": Image(("/usr/local/bin/ratelimit",)),
    "redis": Image(("redis-server",)),
}


@dataclass
class Mesh:
    """Everything that runs, and how to ask it."""

    plane: ControlPlane
    api: ApiClient
    kubelet: Kubelet
    services: ServiceProxy

    @classmethod
    def start(cls, folder: Path) -> "Mesh":
        """Control plane, nodes, no mesh yet."""
        sandbox.required()
        plane = ControlPlane.start(folder, pod_start_seconds=None, address=sandbox.GATEWAY)
        try:
            return cls._on(plane, folder)
        except BaseException:
            plane.stop()
            raise

    @classmethod
    def _on(cls, plane: ControlPlane, folder: Path) -> "Mesh":
        api = ApiClient(plane.url, ca=plane.cluster.file, cert=folder / "admin.crt", key=folder / "admin.key")
        inside = {"KUBERNETES_SERVICE_HOST": sandbox.GATEWAY, "KUBERNETES_SERVICE_PORT": str(plane.port)}
        pods = folder / "pods"
        pods.mkdir()
        kubelet = Kubelet(api, pods, IMAGES, _binaries(), inside)
        kubelet.register({name: {"topology.kubernetes.io/zone": zone} for name, zone in ZONES.items()})
        return cls(plane, api, kubelet.start(), ServiceProxy(api).start())

    def stop(self) -> None:
        """Ends pods, then servers."""
        self.kubelet.stop()
        self.services.stop()
        self.api.close()
        self.plane.stop()

    # -- objects

    def install(self) -> None:
        """The shipped control plane, as istioctl renders it, and its tag `stable`."""
        crds, rest = _split(render(MESH / "control-plane" / "istiooperator.yaml", STOCK_ENVOY))
        self.plane.apply(*crds, *_yaml_files(data("gateway-api-crds")), namespace("istio-system"))
        self.plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self.plane.apply(*rest)
        self.plane.kubectl("-n", "istio-system", "rollout", "status", f"deployment/istiod-{REVISION}", "--timeout=90s")
        self.tag("stable", REVISION)

    def tag(self, name: str, revision: str) -> None:
        """Points a tag at a revision; namespaces carry the tag."""
        done = self.istioctl("tag", "generate", name, "--revision", revision, "--overwrite")
        self.plane.apply(*yaml.safe_load_all(done))

    def istioctl(self, *words: str) -> str:
        """istioctl as an administrator; raises with what it wrote."""
        command = [str(binary("istioctl")), *words, "--kubeconfig", str(self.plane.admin)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise AssertionError(f"istioctl {' '.join(words)}: {done.stderr.strip()}\n{done.stdout.strip()}")
        return done.stdout

    def apply_tree(self, folder: Path) -> str:
        """`kubectl apply -k`, server-side: the API server and istiod's webhook accept every object, or it raises."""
        return self.plane.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))

    def apply(self, *objects: dict[str, Any]) -> str:
        """The same for objects in memory."""
        return self.plane.apply(*objects)

    def delete(self, *words: str) -> None:
        """`kubectl delete`, of what may be gone already."""
        self.plane.kubectl("delete", "--ignore-not-found", "--wait=false", *words)

    # -- pods

    def pods(self, namespace: str, app: str) -> list[PodRunner]:
        """Those with the label app.kubernetes.io/name, ready and not ending, oldest first."""
        query = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app.kubernetes.io%2Fname%3D{app}"
        ready = [one for one in self.api.get(query)["items"] if _is_ready(one)]
        ready.sort(key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))
        return [self.kubelet.runners[one["metadata"]["uid"]] for one in ready]

    def pod(self, namespace: str, app: str) -> PodRunner:
        """The first of them."""
        found = self.pods(namespace, app)
        if not found:
            raise LookupError(f"no pod of {namespace}/{app} is ready")
        return found[0]

    def rollout(self, namespace: str, *names: str, seconds: int = 120) -> None:
        """Waits until Deployments are rolled out."""
        for name in names:
            words = ("rollout", "status", f"deployment/{name}", f"--timeout={seconds}s")
            self.plane.kubectl("-n", namespace, *words, seconds=seconds + 5)

    def scale(self, namespace: str, name: str, replicas: int, *, seconds: int = 120) -> None:
        """Scales a Deployment; waits until new pods are ready and none is ending."""
        self.plane.kubectl("-n", namespace, "scale", f"deployment/{name}", f"--replicas={replicas}")
        self.rollout(namespace, name, seconds=seconds)
        self.kubelet.wait_gone(namespace, name, seconds=seconds)

    # -- what proxies have

    @staticmethod
    def envoy(pod: PodRunner, path: str, *, method: str = "GET") -> httpx.Response:
        """A pod's Envoy, at its administration address, which only the pod itself reaches."""
        return pod.sandbox.inside(lambda: httpx.request(method, f"http://127.0.0.1:15000{path}", timeout=10))

    def stat(self, pod: PodRunner, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match a regular expression."""
        text = self.envoy(pod, f"/stats?filter={pattern}").text
        pairs = (line.rsplit(": ", 1) for line in text.splitlines())
        return {name: int(value) for name, value in pairs if value.isdigit()}

    def istiods(self) -> list[PodRunner]:
        """Running istiods."""
        query = "/api/v1/namespaces/istio-system/pods?labelSelector=app%3Distiod"
        return [self.kubelet.runners[p["metadata"]["uid"]] for p in self.api.get(query)["items"] if _is_ready(p)]

    def sync(self) -> dict[str, dict[str, Any]]:
        """proxy -> what istiod has sent it and what it has acknowledged."""
        found: dict[str, dict[str, Any]] = {}
        for one in self.istiods():
            ask = lambda: httpx.get("http://127.0.0.1:8080/debug/syncz", timeout=10)  # noqa: E731
            for entry in one.sandbox.inside(ask).json() or ():  # only the pod itself may ask
                found[entry["proxy"]] = entry
        return found

    def rejects(self) -> dict[str, float]:
        """Configurations that a proxy refused (NACK), by kind, since istiod's start; empty if none."""
        found: dict[str, float] = {}
        for one in self.istiods():
            for line in httpx.get(f"http://{one.address}:15014/metrics", timeout=10).text.splitlines():
                if line.startswith(("pilot_total_xds_rejects", "pilot_xds_cds_reject", "pilot_xds_lds_reject")):
                    name, value = line.rsplit(" ", 1)
                    found[name] = found.get(name, 0) + float(value)
        return {name: value for name, value in found.items() if value}

    def change(self, work: Callable[[], T], *, seconds: float = 30) -> T:
        """Does something that changes configuration; returns when every proxy has acknowledged a newer one."""
        before = _acknowledged(self.sync())
        answer = work()
        wait_until(lambda: _acknowledged(self.sync()) != before, seconds=seconds, what="istiod pushes")
        self.settle(seconds=seconds)
        return answer

    def settle(self, *, seconds: float = 30) -> None:
        """Waits until every proxy has acknowledged the last thing sent, nothing new was sent for a while, and no
        connection is left that still obeys older rules."""

        def quiet() -> bool:
            seen = []
            for _ in range(3):
                now = self.sync()
                behind = [name for name, one in now.items() if not _synced(one)]
                assert not behind, f"{behind} have not, or refuse: {self.rejects()}"
                seen.append(_acknowledged(now))
                time.sleep(_QUIET_SECONDS)
            draining = self._draining()
            assert not draining, f"old connections keep old rules: {draining}"
            assert len(set(seen)) == 1, f"istiod goes on sending: {_changed(seen)}"
            return bool(now)

        wait_until(quiet, seconds=seconds, what="all proxies have acknowledged their configuration")

    def _draining(self) -> dict[str, dict[str, int]]:
        """pod -> listeners and filter chains that were replaced and still serve connections made before."""
        found: dict[str, dict[str, int]] = {}
        for pod in list(self.kubelet.runners.values()):
            proxies = [one for one in [*pod.sidecars, *pod.containers] if one.name == "istio-proxy" and one.ready]
            if proxies and not pod.ending:
                stats = self.stat(pod, "listener_manager.total_(listeners|filter_chains)_draining")
                found[pod.name] = {name: count for name, count in stats.items() if count}
        return {name: stats for name, stats in found.items() if stats}


def render(operator: Path, sets: Iterable[str] = ()) -> list[dict[str, Any]]:
    """All objects of an IstioOperator file, as `istioctl install` would apply them."""
    command = [str(binary("istioctl")), "manifest", "generate", "-f", str(operator)]
    command += [word for one in sets for word in ("--set", one)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def namespace(name: str, **labels: str) -> dict[str, Any]:
    """A Namespace; `rev="stable"` puts it into the mesh."""
    found = {"istio.io/rev": labels["rev"]} if "rev" in labels else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": found}}


def _split(objects: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    kind = "CustomResourceDefinition"
    return [one for one in objects if one["kind"] == kind], [one for one in objects if one["kind"] != kind]


def _yaml_files(folder: Path) -> list[dict[str, Any]]:
    found = (one for path in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()))
    return [one for one in found if one and one["kind"] == "CustomResourceDefinition"]


def _binaries() -> Mapping[Path, str]:
    found = {binary(name): f"/usr/local/bin/{name}" for name in ("pilot-agent", "pilot-discovery", "ratelimit")}
    found[Path(envoy.__file__).parent / "_bin" / "envoy"] = "/usr/local/bin/envoy"
    found[data("envoy_bootstrap_tmpl.json")] = "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
    return found


def _is_ready(pod: Mapping[str, Any]) -> bool:
    ready = {"type": "Ready", "status": "True"}
    conditions = pod["status"].get("conditions", ())
    return "deletionTimestamp" not in pod["metadata"] and any(ready.items() <= one.items() for one in conditions)


def _acknowledged(proxies: Mapping[str, Mapping[str, Any]]) -> str:
    """As one text that does not depend on the order in which istiod names its proxies."""
    acknowledged = {name: {k: v for k, v in one.items() if k.endswith("_acked")} for name, one in proxies.items()}
    return json.dumps(acknowledged, sort_keys=True)


def _changed(seen: Sequence[str]) -> dict[str, list[str]]:
    """proxy -> kinds of configuration that were not the same at all times."""
    first, *others = (json.loads(one) for one in seen)
    kinds = {
        name: sorted(
            {kind for other in others for kind, value in one.items() if other.get(name, {}).get(kind) != value}
        )
        for name, one in first.items()
    }
    return {name: changed for name, changed in kinds.items() if changed}


def _synced(entry: Mapping[str, Any]) -> bool:
    sent = {key.removesuffix("_sent"): value for key, value in entry.items() if key.endswith("_sent")}
    return all(entry.get(f"{key}_acked") == value for key, value in sent.items())
