"""A small kubelet: runs the pods that the real scheduler put onto its nodes, in sandboxes, and reports them.

It does what decides how a mesh behaves: init containers, native sidecars, start-up and readiness probes, preStop hooks,
restarts, and termination in Kubernetes' order and within the grace period. It does not measure or limit containers.
"""

import itertools
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.harness.pod import Image, PodRunner
from tests.e2e.harness.processes import wait_until

_POLL_SECONDS = 0.25
_FIRST_ADDRESS = 10  # of 10.244.0.0/16; the bridge is .0.1


class ApiClient:
    """The API server as an administrator, over one kept connection pool."""

    def __init__(self, url: str, *, ca: Path, cert: Path, key: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(cert, key)
        self._http = httpx.Client(base_url=url, verify=context, timeout=30)

    def get(self, path: str) -> dict[str, Any]:
        """GET; raises LookupError where there is no such object."""
        answer = self._http.get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise LookupError(path)
        return _json(answer)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST."""
        return _json(self._http.post(path, json=body))

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH by JSON merge."""
        return _json(self._http.patch(path, json=body, headers={"content-type": "application/merge-patch+json"}))

    def delete(self, path: str) -> None:
        """DELETE at once; an object that is gone is fine."""
        answer = self._http.request("DELETE", path, json={"gracePeriodSeconds": 0})
        if answer.status_code != httpx.codes.NOT_FOUND:
            _json(answer)

    def close(self) -> None:
        """Gives the connections up."""
        self._http.close()


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise OSError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    found: dict[str, Any] = answer.json()
    return found


@dataclass
class Kubelet:
    """All nodes of the cluster at once. nodes: name -> its labels, e.g. the zone."""

    api: ApiClient
    folder: Path
    images: Mapping[str, Image]
    binaries: Mapping[Path, str]
    environment: Mapping[str, str]
    runners: dict[str, PodRunner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(_FIRST_ADDRESS)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="kubelet")
        self.trouble: list[str] = []

    def start(self) -> "Kubelet":
        """Begins to look for pods."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends every pod's processes at once."""
        self._ending.set()
        self._thread.join()
        for runner in self.runners.values():
            runner.kill()

    def runner(self, namespace: str, name: str) -> PodRunner:
        """The running pod of that name."""
        for runner in self.runners.values():
            if (runner.namespace, runner.name) == (namespace, name):
                return runner
        raise LookupError(f"{namespace}/{name}")

    def _loop(self) -> None:
        while not self._ending.wait(_POLL_SECONDS):
            try:
                self._pass()
            except (OSError, LookupError, RuntimeError, httpx.HTTPError) as error:
                self.trouble.append(repr(error))

    def _pass(self) -> None:
        pods = self.api.get("/api/v1/pods")["items"]
        for pod in pods:
            uid = pod["metadata"]["uid"]
            if uid not in self.runners and pod["spec"].get("nodeName"):
                if "deletionTimestamp" in pod["metadata"]:
                    self.api.delete(f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}")
                    continue
                self.runners[uid] = self._run(pod)
            elif uid in self.runners and "deletionTimestamp" in pod["metadata"]:
                self.runners[uid].terminate(pod["metadata"].get("deletionGracePeriodSeconds", 30))
        alive = {pod["metadata"]["uid"] for pod in pods}
        for uid in [uid for uid, runner in self.runners.items() if uid not in alive and runner.over]:
            del self.runners[uid]

    def _run(self, pod: dict[str, Any]) -> PodRunner:
        number = next(self._numbers)
        address = f"10.244.{number // 256}.{number % 256}"
        folder = self.folder / f"{pod['metadata']['namespace']}-{pod['metadata']['name']}"
        folder.mkdir(exist_ok=True)
        runner = PodRunner(
            self.api,
            pod,
            folder=folder,
            address=address,
            interface=f"pod{number}",
            images=self.images,
            binaries=self.binaries,
            environment=self.environment,
        )
        runner.start()
        return runner

    def register(self, nodes: Mapping[str, Mapping[str, str]]) -> None:
        """Creates the nodes, ready, before the first pod."""
        for name, labels in nodes.items():
            capacity = {"cpu": "512", "memory": "1Ti", "pods": "1000"}
            meta = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels}}
            self.api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": meta})
            condition = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
            status = {"capacity": capacity, "allocatable": capacity, "conditions": [condition]}
            status["addresses"] = [{"type": "InternalIP", "address": "10.244.0.1"}]
            self.api.merge(f"/api/v1/nodes/{name}/status", {"status": status})
            self.api.merge(f"/api/v1/nodes/{name}", {"spec": {"taints": []}})

    def wait_gone(self, namespace: str, prefix: str, *, seconds: float) -> None:
        """Waits until no pod of that prefix is terminating."""

        def gone() -> bool:
            pods = self.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
            return not [
                one
                for one in pods
                if one["metadata"]["name"].startswith(prefix) and "deletionTimestamp" in one["metadata"]
            ]

        wait_until(gone, seconds=seconds, what=f"no {namespace}/{prefix} is terminating")
