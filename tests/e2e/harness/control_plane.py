"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok."""

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.e2e.harness.certificates import Authority, Pair, service_account_key
from tests.e2e.harness.processes import Server, free_port
from tests.e2e.parts.build import binary

KUBECTL = Path(sys.executable).with_name("kubectl")
HERE = Path(__file__).parent


@dataclass
class ControlPlane:
    """Its servers, in the order of their start, and how to reach the API as an administrator."""

    folder: Path
    port: int
    cluster: Authority
    front_proxy: Authority
    admin: Path
    address: str = "127.0.0.1"
    servers: list[Server] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of the API."""
        return f"https://127.0.0.1:{self.port}"

    @classmethod
    def start(cls, folder: Path, *, pod_start_seconds: int | None, address: str = "127.0.0.1") -> "ControlPlane":
        """Starts everything; pods become Ready `pod_start_seconds` after they were scheduled. None: without kwok, the
        caller brings nodes. address: at which pods reach the API, where they have a network."""
        cluster, front_proxy = Authority(folder, "cluster"), Authority(folder, "front-proxy")
        plane = cls(folder, free_port(), cluster, front_proxy, folder / "admin.kubeconfig", address)
        try:
            plane._start_servers(pod_start_seconds)
        except BaseException:
            plane.stop()
            raise
        return plane

    def _start_servers(self, pod_start_seconds: int | None) -> None:
        etcd_url = self._start_etcd()
        keys = service_account_key(self.folder)
        self.kubeconfig("admin", self.cluster.issue("admin", organizations=("system:masters",)))
        self._start_apiserver(etcd_url, keys)
        self._start_controllers(keys)
        if pod_start_seconds is not None:
            self._start_kwok(pod_start_seconds)

    def _start_etcd(self) -> str:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        command = [binary("etcd"), "--data-dir", self.folder / "etcd", "--unsafe-no-fsync", "--log-level=warn"]
        command += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        command += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        command += ["--name=test", f"--initial-cluster=test={peer}"]
        self._run(command, "etcd").ready(lambda: httpx.get(f"{client}/health").is_success, seconds=30)
        return client

    def _start_apiserver(self, etcd_url: str, keys: Path) -> None:
        hosts = ("127.0.0.1", "localhost", "kubernetes.default.svc", self.address)
        serving = self.cluster.issue("kube-apiserver", hosts=hosts)
        proxy = self.front_proxy.issue("front-proxy-client")
        command = [
            binary("kube-apiserver"),
            f"--etcd-servers={etcd_url}",
            f"--bind-address={'127.0.0.1' if self.address == '127.0.0.1' else '0.0.0.0'}",
            f"--secure-port={self.port}",
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",  # as clusters have it: a policy that refuses it must do so itself
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--tls-cert-file={serving.cert}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self.cluster.file}",
            f"--requestheader-client-ca-file={self.front_proxy.file}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.cert}",
            f"--proxy-client-key-file={proxy.key}",
            f"--service-account-key-file={keys}",
            f"--service-account-signing-key-file={keys}",
            "--service-account-issuer=https://kubernetes.default.svc",
        ]
        server = self._run(command, "kube-apiserver")
        server.ready(lambda: self.kubectl("get", "--raw", "/readyz") == "ok", seconds=90)

    def _start_controllers(self, keys: Path) -> None:
        manager = self.cluster.issue("system:kube-controller-manager")
        scheduler = self.cluster.issue("system:kube-scheduler")
        managed = self.kubeconfig("kube-controller-manager", manager)
        self._run(
            [
                binary("kube-controller-manager"),
                f"--kubeconfig={managed}",
                f"--authentication-kubeconfig={managed}",
                f"--authorization-kubeconfig={managed}",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
                f"--service-account-private-key-file={keys}",
                f"--root-ca-file={self.cluster.file}",
                "--use-service-account-credentials=true",
                "--leader-elect=false",
                "--node-monitor-grace-period=2h",  # kwok sends no heartbeats, and these nodes never fail
                "--horizontal-pod-autoscaler-sync-period=1s",
                "--horizontal-pod-autoscaler-downscale-stabilization=30s",
                "--concurrent-horizontal-pod-autoscaler-syncs=5",
            ],
            "kube-controller-manager",
        )
        scheduled = self.kubeconfig("kube-scheduler", scheduler)
        self._run(
            [
                binary("kube-scheduler"),
                f"--kubeconfig={scheduled}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
            ],
            "kube-scheduler",
        )

    def _start_kwok(self, pod_start_seconds: int) -> None:
        stages = (
            (HERE / "kwok-stages.yaml").read_text().replace("POD_START_MILLISECONDS", str(pod_start_seconds * 1000))
        )
        (self.folder / "kwok.yaml").write_text(stages)
        command = [binary("kwok"), f"--kubeconfig={self.admin}", f"--config={self.folder / 'kwok.yaml'}"]
        command += ["--manage-all-nodes=true", f"--server-address=127.0.0.1:{free_port()}"]
        server = self._run(command, "kwok")
        self.apply(*(_node(f"node-{number}") for number in range(3)))
        server.ready(self._nodes_are_ready, seconds=60)

    def _nodes_are_ready(self) -> bool:
        nodes = self.get("nodes")["items"]
        conditions = [c for node in nodes for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
        return len(conditions) == len(nodes) > 0 and all(one["status"] == "True" for one in conditions)

    def _run(self, command: Sequence[str | Path], name: str) -> Server:
        server = Server.start(command, log=self.folder / f"{name}.log")
        self.servers.append(server)
        return server

    def kubeconfig(self, name: str, user: Pair | str) -> Path:
        """A kubeconfig for a client certificate or a token."""
        if isinstance(user, Pair):
            credentials = {"client-certificate": str(user.cert), "client-key": str(user.key)}
        else:
            credentials = {"token": user}
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.cluster.file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def kubectl(
        self, *words: str, kubeconfig: Path | None = None, stdin: str | None = None, seconds: float = 60
    ) -> str:
        """Runs kubectl as an administrator or with another kubeconfig; raises with what it wrote to standard error."""
        done = self.try_kubectl(*words, kubeconfig=kubeconfig, stdin=stdin, seconds=seconds)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def try_kubectl(
        self, *words: str, kubeconfig: Path | None = None, stdin: str | None = None, seconds: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """The same without an opinion about failure."""
        command = [str(KUBECTL), f"--kubeconfig={kubeconfig or self.admin}", *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)

    def apply(self, *objects: dict[str, Any]) -> str:
        """Server-side apply."""
        text = yaml.safe_dump_all(objects)
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, *words: str) -> dict[str, Any]:
        """`kubectl get ... -o json`."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *words, "-o", "json"))
        return found

    def token(self, namespace: str, account: str) -> str:
        """A token of a ServiceAccount, from the TokenRequest API."""
        return self.kubectl("create", "token", account, "-n", namespace, "--duration=2h").strip()

    def ca_bundle(self) -> str:
        """The cluster's CA, base64, as APIService wants it."""
        return base64.b64encode(self.cluster.file.read_bytes()).decode()

    def stop(self) -> None:
        """Ends all servers, the last started first."""
        for server in reversed(self.servers):
            server.stop()


def _node(name: str) -> dict[str, Any]:
    capacity = {"cpu": "512", "memory": "1Ti", "pods": "1000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "type": "kwok"}},
        "status": {"allocatable": capacity, "capacity": capacity},
    }
