"""KEDA's operator and metrics server as processes, installed from the manifests that come in its Go module."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import Server, free_port
from tests.e2e.parts.build import binary, data

NAMESPACE = "keda"
ACCOUNT = "keda-operator"
METRICS_SERVER = "keda-metrics-apiserver"
API = "v1beta1.external.metrics.k8s.io"
_PLAYED_HERE = (
    "Deployment",
    "ValidatingWebhookConfiguration",
)  # its pods are our processes; its webhook is not started


@dataclass
class Keda:
    """Owns the external metrics API once it is installed. port: of its metrics server, which `api` leads to."""

    plane: ControlPlane
    folder: Path
    port: int
    servers: list[Server]
    api: dict[str, Any]

    @classmethod
    def start(cls, plane: ControlPlane) -> "Keda":
        """Applies its manifests and starts both processes; raises NotInTime with a log where one does not come up."""
        folder = plane.folder / "keda"
        (folder / "ca").mkdir(parents=True)
        port = free_port()
        objects = [_on_this_machine(one, plane, port) for one in _manifests(plane) if one["kind"] not in _PLAYED_HERE]
        plane.apply(*(one for one in objects if one["kind"] in ("Namespace", "CustomResourceDefinition")))
        plane.apply(*objects)
        (api,) = [one for one in objects if one["kind"] == "APIService"]
        keda = cls(plane, folder, port, [], api)
        try:
            keda._start_servers()
        except BaseException:
            keda.stop()
            raise
        return keda

    def _start_servers(self) -> None:
        self._write_certificates()
        health, service = free_port(), f"127.0.0.1:{free_port()}"
        environment = {
            "KUBECONFIG": str(self.plane.kubeconfig(ACCOUNT, self.plane.token(NAMESPACE, ACCOUNT))),
            "POD_NAMESPACE": NAMESPACE,
            "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
            "WATCH_NAMESPACE": "",
        }
        operator = [
            binary("keda-operator"),
            "--metrics-bind-address=0",
            f"--health-probe-bind-address=127.0.0.1:{health}",
            f"--metrics-service-bind-address={service}",
            f"--cert-dir={self.folder}",
            f"--ca-dir={self.folder / 'ca'}",
        ]
        started = Server.start(operator, log=self.folder / "operator.log", env=environment)
        self.servers.append(started)
        started.ready(lambda: httpx.get(f"http://127.0.0.1:{health}/readyz").is_success, seconds=60)
        kubeconfig = environment["KUBECONFIG"]
        metrics_server = [
            binary("keda-adapter"),
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--port={free_port()}",
            f"--metrics-service-address={service}",
            f"--client-ca-file={self.plane.cluster.file}",
            f"--tls-cert-file={self.folder / 'tls.crt'}",
            f"--tls-private-key-file={self.folder / 'tls.key'}",
            f"--cert-dir={self.folder}",
            *(f"--{one}-kubeconfig={kubeconfig}" for one in ("lister", "authentication", "authorization")),
        ]
        self.servers.append(Server.start(metrics_server, log=self.folder / "adapter.log", env=environment))

    def _write_certificates(self) -> None:
        """One for both servers, under the names that its rotation would write; scalers trust the cluster's CA."""
        hosts = ("127.0.0.1", "localhost", f"{METRICS_SERVER}.{NAMESPACE}.svc")
        pair = self.plane.cluster.issue("keda", hosts=hosts)
        shutil.copy(pair.cert, self.folder / "tls.crt")
        shutil.copy(pair.key, self.folder / "tls.key")
        for place in (self.folder, self.folder / "ca"):
            shutil.copy(self.plane.cluster.file, place / "ca.crt")

    def stop(self) -> None:
        """Ends both."""
        for server in reversed(self.servers):
            server.stop()


def _manifests(plane: ControlPlane) -> list[dict[str, Any]]:
    """What an installation of KEDA applies."""
    text = plane.kubectl("kustomize", str(data("keda-manifests") / "default"))
    return [one for one in yaml.safe_load_all(text) if one]


def _on_this_machine(one: dict[str, Any], plane: ControlPlane, port: int) -> dict[str, Any]:
    """The metrics server is a process on loopback; kube-apiserver reaches it under its Service's name."""
    if (one["kind"], one["metadata"]["name"]) == ("Service", METRICS_SERVER):
        return one | {"spec": {"type": "ExternalName", "externalName": "localhost"}}
    if one["kind"] == "APIService":
        service = one["spec"]["service"] | {"port": port}
        return one | {"spec": one["spec"] | {"service": service, "caBundle": plane.ca_bundle()}}
    return one
