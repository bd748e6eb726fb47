"""The vertical autoscaler's programs as processes, with the flags and rights that k8s/vpa ships, and played usage."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml

from tests.e2e.harness.certificates import Pair
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.load import DAY_SECONDS
from tests.e2e.harness.processes import Server, free_port, wait_until
from tests.e2e.parts.build import binary, data

NAMESPACE = "vertical-pod-autoscaler"
SHIPPED = Path(__file__).parents[3] / "k8s" / "vpa" / "base"
_CRD = "verticalpodautoscalers.autoscaling.k8s.io"
_SCRAPE_SECONDS = 300  # of the played history: what an instant query looks back
_METRICS_API = "v1beta1.metrics.k8s.io"


def install(plane: ControlPlane) -> None:
    """Applies the custom resources and the shipped tree; its pods are our processes."""
    plane.kubectl("apply", "--server-side", "-f", str(data("vpa-crd.yaml")))
    wait_until(lambda: plane.get("crd", _CRD)["status"]["acceptedNames"]["kind"], seconds=90, what="VPAs are served")
    plane.apply(*(_without_pods(one) for one in _shipped(plane)))


@dataclass(frozen=True)
class Programs:
    """Starts each program with the arguments of its Deployment and its ServiceAccount's token."""

    plane: ControlPlane
    servers: list[Server] = field(default_factory=list)

    def start(self, name: str, flags: Mapping[str, str]) -> Server:
        """name: recommender, updater or admission-controller. flags: that are others on this machine."""
        account, port = f"vpa-{name}", free_port()
        (deployment,) = [
            one for one in _shipped(self.plane) if (one["kind"], one["metadata"]["name"]) == ("Deployment", account)
        ]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        kubeconfig = self.plane.kubeconfig(account, self.plane.token(NAMESPACE, account))
        own = {"kubeconfig": str(kubeconfig), "address": f"127.0.0.1:{port}", **flags}
        kept = [one for one in container["args"] if one.removeprefix("--").split("=")[0] not in own]
        command = [binary(account), *kept, *(f"--{flag}={value}" for flag, value in own.items())]
        log = self.plane.folder / f"{account}.log"
        server = Server.start(command, log=log, env={"NAMESPACE": NAMESPACE})
        self.servers.append(server)
        return server.ready(lambda: httpx.get(f"http://127.0.0.1:{port}/health-check").is_success, seconds=90)

    def stop(self) -> None:
        """Ends them, the last started first."""
        for server in reversed(self.servers):
            server.stop()


def _shipped(plane: ControlPlane) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(plane.kubectl("kustomize", str(SHIPPED))) if one]


def _without_pods(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"spec": one["spec"] | {"replicas": 0}} if one["kind"] == "Deployment" else one


@dataclass(frozen=True)
class PlayedPod:
    """A pod of the past: labels as kube-state-metrics writes them, and bytes of each container at a time."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    memory: Mapping[str, Callable[[float], float]]


def history(pods: list[PlayedPod], *, until_s: float, days: int) -> Iterator[str]:
    """Lines of OpenMetrics text under cAdvisor's and kube-state-metrics' names, as if Prometheus had scraped them."""
    end_s = int(until_s) // _SCRAPE_SECONDS * _SCRAPE_SECONDS
    times = range(end_s - days * DAY_SECONDS, end_s + 1, _SCRAPE_SECONDS)
    yield "# TYPE container_memory_working_set_bytes gauge"
    for pod in pods:
        for container, used in pod.memory.items():
            inner = _inner(job="kubelet", namespace=pod.namespace, pod=pod.name, container=container)
            yield from (f"container_memory_working_set_bytes{{{inner}}} {used(at):.0f} {at}" for at in times)
    yield "# TYPE container_cpu_usage_seconds counter"
    for pod in pods:
        for container in pod.memory:
            inner = _inner(job="kubelet", namespace=pod.namespace, pod=pod.name, container=container)
            yield from (f"container_cpu_usage_seconds_total{{{inner}}} {(at - times[0]) / 4:.0f} {at}" for at in times)
    yield "# TYPE kube_pod_labels gauge"
    for pod in pods:
        inner = _inner(job="kube-state-metrics", namespace=pod.namespace, pod=pod.name, **pod.labels)
        yield from (f"kube_pod_labels{{{inner}}} 1 {at}" for at in times)
    yield "# EOF"


def _inner(**labels: str) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


@dataclass
class UsageNow:
    """Stands for metrics-server: usage(namespace, pod, container) -> bytes, of all pods that run."""

    plane: ControlPlane
    serving: Pair
    usage: Callable[[str, str, str], float | None]
    server: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> "UsageNow":
        twin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(twin.answer(self.path.partition("?")[0])).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.serving.cert, self.serving.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.plane.apply(*self._registration())
        wait_until(lambda: self.plane.kubectl("get", "--raw", _PODS), seconds=90, what="metrics.k8s.io is served")
        return self

    def answer(self, path: str) -> dict[str, Any]:
        """To discovery, or all pods."""
        if path != _PODS:
            resource = {"name": "pods", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": _GROUP, "resources": [resource]}
        items = [self._metrics(one) for one in self.plane.get("pods", "-A")["items"]]
        return {"kind": "PodMetricsList", "apiVersion": _GROUP, "metadata": {}, "items": items}

    def _metrics(self, pod: dict[str, Any]) -> dict[str, Any]:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        used = {one["name"]: self.usage(namespace, name, one["name"]) for one in pod["spec"]["containers"]}
        containers = [
            {"name": container, "usage": {"cpu": "250m", "memory": f"{amount:.0f}"}}
            for container, amount in used.items()
            if amount is not None
        ]
        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {"namespace": namespace, "name": name}
        return {"metadata": metadata, "timestamp": now, "window": "15s", "containers": containers}

    def _registration(self) -> list[dict[str, Any]]:
        port = int(self.server.server_address[1])
        name, namespace = "metrics-server", "kube-system"
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            },
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": _METRICS_API},
                "spec": {
                    "group": "metrics.k8s.io",
                    "version": "v1beta1",
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                    "caBundle": self.plane.ca_bundle(),
                    "service": {"name": name, "namespace": namespace, "port": port},
                },
            },
        ]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.plane.kubectl("delete", "apiservice", _METRICS_API)
        self.server.shutdown()
        self.server.server_close()


USAGE_HOST = "metrics-server.kube-system.svc"
_GROUP = "metrics.k8s.io/v1beta1"
_PODS = f"/apis/{_GROUP}/pods"
