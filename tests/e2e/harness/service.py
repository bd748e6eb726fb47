"""The service as a process of its own: its ServiceAccount's token, the RBAC that is shipped, and a port on loopback."""

import os
import signal
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.e2e.harness.certificates import Pair
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.processes import NotInTime, Server, free_port, wait_until

NAMESPACE = "forescale"
ACCOUNT = "forescale"
HOST = f"{ACCOUNT}.{NAMESPACE}.svc"
ROOT = Path(__file__).parents[3]


@dataclass
class Service:
    """One replica; keeps its port, name and certificate over stop and start."""

    plane: ControlPlane
    name: str
    serving: Pair
    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    server: Server | None = None

    def start(self) -> "Service":
        """Starts the process; returns at once."""
        kubeconfig = self.plane.kubeconfig(self.name, self.plane.token(NAMESPACE, ACCOUNT))
        inherited = {key: "" for key in os.environ if key.startswith("FORESCALE_")}
        env = {
            **inherited,
            "FORESCALE_KUBECONFIG": str(kubeconfig),
            "FORESCALE_POD_NAME": self.name,
            "FORESCALE_POD_NAMESPACE": NAMESPACE,
            "FORESCALE_HOST": "127.0.0.1",
            "FORESCALE_PORT": str(self.port),
            "FORESCALE_TLS_CERT_FILE": str(self.serving.cert),
            "FORESCALE_TLS_KEY_FILE": str(self.serving.key),
            "FORESCALE_SHUTDOWN_DELAY_SECONDS": "0",
            "FORESCALE_LOG_FORMAT": "text",
            **self.settings,
        }
        command = [sys.executable, "-m", "app.cli", "serve"]
        self.server = Server.start(command, log=self.plane.folder / f"{self.name}.log", env=env, cwd=ROOT)
        return self

    def wait_until_ready(self, *, seconds: float = 240) -> "Service":
        """Waits for /readyz: for the first fit, which yields to all other programs of the machine."""
        assert self.server is not None
        try:
            self.server.ready(lambda: self.get("/readyz").status_code == 200, seconds=seconds)
        except NotInTime as error:
            raise NotInTime(f"{error}\n{self._stacks()}") from error
        return self

    def _stacks(self) -> str:
        """What each thread of its processes is doing, out of its log."""
        assert self.server is not None
        begin = self.server.log.stat().st_size
        main = psutil.Process(self.server.process.pid)
        for process in (main, *main.children(recursive=True)):
            if "resource_tracker" not in " ".join(process.cmdline()):
                process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.server and self.server.log.stat().st_size > begin, seconds=10, what="stacks are there")
        return self.server.log.read_bytes()[begin:].decode(errors="replace")

    def get(self, path: str, *, client: Pair | None = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A direct request, past kube-apiserver, with or without a client certificate."""
        context = ssl.create_default_context(cafile=str(self.plane.cluster.file))
        context.check_hostname = False  # the certificate names the Service, not the loopback address
        if client is not None:
            context.load_cert_chain(client.cert, client.key)
        return httpx.get(f"https://127.0.0.1:{self.port}{path}", headers=dict(headers or {}), verify=context, timeout=5)

    def value(self, namespace: str, name: str, *, client: Pair) -> httpx.Response:
        """The external metric as a front proxy would ask for it on behalf of the HPA."""
        headers = {
            "X-Remote-User": "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
            "X-Remote-Group": "system:serviceaccounts",
        }
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{name}"
        return self.get(path, client=client, headers=headers)

    def kill(self) -> None:
        """SIGKILL: no clean end."""
        assert self.server is not None
        self.server.process.kill()
        self.server.process.wait()

    def stop(self) -> None:
        """Ends the process if it runs."""
        if self.server is not None:
            self.server.stop()


def install(
    plane: ControlPlane, folder: Path, *, port: int, own_api: bool = True, components: Sequence[str] = ()
) -> str:
    """Applies the shipped tree, server-side, with what only differs on one machine: where the Service leads to.

    components: of k8s/, by their folders. own_api: False leaves the external metrics API to its owner, as the
    examples' README says for KEDA.
    """
    overlay = folder / "overlay"
    overlay.mkdir()
    k8s = Path(*[".."] * len(overlay.resolve().parts[1:])) / ROOT.relative_to("/") / "k8s"
    added = ", ".join(f'"{k8s / one}"' for one in components)
    text = _OVERLAY.format(base=k8s / "base", components=added) + (
        _OWN_API.format(port=port, ca=plane.ca_bundle()) if own_api else _NO_API
    )
    (overlay / "kustomization.yaml").write_text(text)
    return plane.kubectl("apply", "--server-side", "-k", str(overlay))


_OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: ["{base}"]
components: [{components}]
patches:
  - target: {{kind: Deployment, name: forescale}}
    patch: |
      - {{op: replace, path: /spec/replicas, value: 0}}
  - target: {{kind: Service, name: forescale}}
    patch: |
      - {{op: replace, path: /spec, value: {{type: ExternalName, externalName: localhost}}}}
"""

_OWN_API = """\
  - target: {{kind: APIService, name: v1beta1.external.metrics.k8s.io}}
    patch: |
      - {{op: replace, path: /spec/service/port, value: {port}}}
      - {{op: add, path: /spec/caBundle, value: {ca}}}
"""

_NO_API = """\
  - target: {kind: APIService, name: v1beta1.external.metrics.k8s.io}
    patch: |
      $patch: delete
      apiVersion: apiregistration.k8s.io/v1
      kind: APIService
      metadata: {name: v1beta1.external.metrics.k8s.io}
"""
