"""One pod's life: volumes, init containers, sidecars, containers, probes, hooks, and its end in Kubernetes' order."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.harness import volumes
from tests.e2e.harness.processes import NotInTime, wait_until
from tests.e2e.harness.sandbox import Sandbox, User

REPOSITORY = Path(__file__).parents[3]
_PROBE_SECONDS = 0.2
_PROBE_READY_SECONDS = 1.0
_BACK_OFF_SECONDS = 1.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """Stands for a container image: what its entry point runs, in which folder. unprivileged: runAsUser is honoured."""

    entrypoint: tuple[str, ...]
    cwd: str = "/"
    unprivileged: bool = False


def python(*words: str) -> Image:
    """An image of the project: its interpreter, in the repository's root, as root because the clone may be root's."""
    return Image((sys.executable, *words), str(REPOSITORY))


@dataclass
class Container:
    """A container's specification and its process."""

    spec: Mapping[str, Any]
    process: "subprocess.Popen[bytes] | None" = None
    ready: bool = False
    restarts: int = 0

    @property
    def name(self) -> str:
        """As the pod names it."""
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        """Started and not ended."""
        return self.process is not None and self.process.poll() is None


class PodRunner:
    """Runs one pod in threads of its own; `terminate` is called when the API server wants it gone."""

    def __init__(
        self,
        api: Any,
        pod: dict[str, Any],
        *,
        folder: Path,
        address: str,
        interface: str,
        images: Mapping[str, Image],
        binaries: Mapping[Path, str],
        environment: Mapping[str, str],
    ) -> None:
        self._api, self.pod, self.folder, self.address = api, pod, folder, address
        self._images, self._environment = images, environment
        self.namespace, self.name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        spec = pod["spec"]
        first = spec.get("initContainers", ())
        self.inits = [Container(one) for one in first if one.get("restartPolicy") != "Always"]
        self.sidecars = [Container(one) for one in first if one.get("restartPolicy") == "Always"]
        self.containers = [Container(one) for one in spec["containers"]]
        pod["status"] |= {"podIP": address, "hostIP": "10.244.0.1", "podIPs": [{"ip": address}]}
        self.sandbox = Sandbox(folder, address, interface, binaries=binaries)
        self._http = httpx.Client(verify=False, headers={"user-agent": "kube-probe/1.37", "connection": "close"})
        self._ending = threading.Event()
        self._dead = threading.Event()
        self._life = threading.Thread(target=self._live, name=f"pod {self.name}")
        self.over = False
        self.trouble = ""

    @property
    def labels(self) -> dict[str, str]:
        """Of the pod, as injected."""
        found: dict[str, str] = self.pod["metadata"].get("labels", {})
        return found

    @property
    def ending(self) -> bool:
        """Being terminated, or gone."""
        return self._ending.is_set()

    def start(self) -> None:
        """Begins the pod's life."""
        self._life.start()

    def log(self, container: str) -> Path:
        """What a container wrote."""
        return self.folder / f"{container}.log"

    def _live(self) -> None:
        try:
            volumes.mount(self._api, self.pod, self.sandbox)
            self._report("Pending")
            for one in self.inits:  # istio-init comes first; native sidecars follow it
                self._run_to_completion(one)
            for one in [*self.sidecars, *self.containers]:
                self._start(one)
                if one in self.sidecars:
                    self._wait_started(one)
            self._watch()
        except (OSError, LookupError, RuntimeError, NotInTime, httpx.HTTPError) as error:
            self.trouble = repr(error)
            if not self._ending.is_set():
                sys.stderr.write(f"pod {self.namespace}/{self.name}: {error}\n")

    def _run_to_completion(self, one: Container) -> None:
        self._start(one)
        assert one.process is not None
        if one.process.wait(60):
            raise RuntimeError(f"{one.name} failed:\n{self.log(one.name).read_text()[-2000:]}")

    def _start(self, one: Container) -> None:
        if self._ending.is_set():
            raise RuntimeError("the pod ends before it began")
        image = self._image(one.spec)
        env = {"PATH": _PATH, **self._environment, **volumes.environment(self.pod, one.spec)}
        given = [*one.spec.get("command", ()), *one.spec.get("args", ())]
        words = [volumes.expand(str(word), env) for word in given]
        command = words if "command" in one.spec else [*image.entrypoint, *words]
        context = {**self.pod["spec"].get("securityContext", {}), **one.spec.get("securityContext", {})}
        user = User(context.get("runAsUser", 0), context.get("runAsGroup", 0)) if image.unprivileged else User()
        one.process = self.sandbox.start(command, env=env, log=self.log(one.name), user=user, cwd=image.cwd)

    def _image(self, spec: Mapping[str, Any]) -> Image:
        name = str(spec["image"]).split("/")[-1].split("@")[0].split(":")[0]
        if name not in self._images:
            raise LookupError(f"no image {name}")
        return self._images[name]

    def _wait_started(self, one: Container) -> None:
        probe = one.spec.get("startupProbe") or one.spec.get("readinessProbe")
        if probe:
            wait_until(
                lambda: self._dead.is_set() or self._ending.is_set() or (one.running and self._probe(probe)),
                seconds=60,
                what=f"{self.name}/{one.name} has started",
            )

    def _watch(self) -> None:
        """Probes until the end, and reports every change."""
        last: object = None
        while not self._dead.is_set():
            for one in [*self.sidecars, *self.containers]:
                self._restart(one)
                probe = one.spec.get("readinessProbe")
                one.ready = one.running and (probe is None or self._probe(probe))
            state = tuple(one.ready for one in [*self.sidecars, *self.containers])
            if state != last:
                with contextlib.suppress(OSError, LookupError, httpx.HTTPError):
                    self._report("Running")
                    last = state
            self._dead.wait(_PROBE_READY_SECONDS if all(state) else _PROBE_SECONDS)

    def _restart(self, one: Container) -> None:
        """A container that ended by itself is started again a second later."""
        if one.running or self._ending.is_set():
            return
        if self._dead.wait(_BACK_OFF_SECONDS) or self._ending.is_set():
            return
        self._start(one)
        one.restarts += 1

    def _probe(self, probe: Mapping[str, Any]) -> bool:
        """As a kubelet asks: from the node, at the pod's address."""
        if "tcpSocket" in probe:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.address, self._port(probe["tcpSocket"]["port"])), timeout=1),
            ):
                return True
            return False
        if "httpGet" not in probe:
            return True
        asked = probe["httpGet"]
        port = self._port(asked["port"])
        url = f"{asked.get('scheme', 'HTTP').lower()}://{self.address}:{port}{asked.get('path', '/')}"
        try:
            return self._http.get(url, timeout=probe.get("timeoutSeconds", 1)).status_code < 400
        except httpx.HTTPError:
            return False

    def _port(self, port: int | str) -> int:
        if isinstance(port, int):
            return port
        for one in [*self.sidecars, *self.containers]:
            for candidate in one.spec.get("ports", ()):
                if candidate.get("name") == port:
                    return int(candidate["containerPort"])
        raise LookupError(f"{self.name} has no port {port}")

    def terminate(self, grace_seconds: float) -> None:
        """Begins the end, once: preStop hooks, SIGTERM to containers, then to sidecars, SIGKILL at the deadline."""
        if not self._ending.is_set():
            self._ending.set()
            threading.Thread(target=self._end, args=(grace_seconds,), name=f"end of {self.name}").start()

    def _end(self, grace_seconds: float) -> None:
        deadline = time.monotonic() + grace_seconds
        hooks = [threading.Thread(target=self._hook, args=(one,)) for one in self.sidecars]
        mains = [threading.Thread(target=self._end_one, args=(one, deadline)) for one in self.containers]
        for thread in [*hooks, *mains]:
            thread.start()
        for thread in [*mains, *hooks]:
            thread.join()
        for one in reversed(self.sidecars):
            self._stop_process(one, deadline)
        self.kill()
        with contextlib.suppress(OSError, httpx.HTTPError):
            self._api.delete(self._path)

    def _end_one(self, one: Container, deadline: float) -> None:
        self._hook(one)
        self._stop_process(one, deadline)

    def _hook(self, one: Container) -> None:
        hook = one.spec.get("lifecycle", {}).get("preStop", {})
        if "sleep" in hook:
            time.sleep(hook["sleep"]["seconds"])
        if "exec" in hook and one.running:
            self.execute(hook["exec"]["command"], log=self.log(f"{one.name}-prestop"))

    def execute(self, command: list[str], *, log: Path) -> int:
        """A command in the pod, as `kubectl exec` would run it."""
        return self.sandbox.start(command, env={"PATH": _PATH, **self._environment}, log=log).wait()

    def _stop_process(self, one: Container, deadline: float) -> None:
        if one.process is None or not one.running:
            return
        one.process.terminate()
        try:
            one.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()

    def kill(self) -> None:
        """Ends every process and the namespaces at once."""
        self._ending.set()
        self._dead.set()
        for one in [*self.containers, *self.sidecars, *self.inits]:
            if one.process is not None and one.running:
                one.process.kill()
                one.process.wait()
        self._life.join()
        if not self.over:
            self.sandbox.stop()
            self._http.close()
            self.over = True

    def _report(self, phase: str) -> None:
        ready = phase == "Running" and all(one.ready for one in [*self.sidecars, *self.containers])
        begun = phase == "Running"
        conditions = [
            {"type": kind, "status": "True" if truth else "False"}
            for kind, truth in (
                ("PodScheduled", True),
                ("Initialized", begun),
                ("ContainersReady", ready),
                ("Ready", ready),
            )
        ]
        status = {
            "phase": phase,
            "hostIP": "10.244.0.1",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": conditions,
            "containerStatuses": [_status(one) for one in self.containers],
            "initContainerStatuses": [_status(one) for one in [*self.inits, *self.sidecars]],
        }
        self._api.merge(f"{self._path}/status", {"status": status})


def _status(one: Container) -> dict[str, Any]:
    state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
    if one.running:
        state = {"running": {}}
    elif one.process is not None:
        state = {"terminated": {"exitCode": one.process.returncode}}
    return {
        "name": one.name,
        "image": one.spec["image"],
        "imageID": "",
        "restartCount": one.restarts,
        "ready": one.ready,
        "started": one.running,
        "state": state,
    }
