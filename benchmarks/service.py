"""The real service for a benchmark: `python -m app.cli serve` over a store and a Kubernetes API that stand in."""

import gzip
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from app.workloads.spec import API_VERSION, KIND
from benchmarks.authority import Authority, Pair
from benchmarks.processes import ROOT, Helper
from benchmarks.store import LABEL, QUERY, name_of
from tools.image import read

NAMESPACE = "bench"
PROXY_NAME = "front-proxy"
CALLER = {
    "X-Remote-User": "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
    "X-Remote-Group": "system:serviceaccounts",
    "Accept": "application/vnd.kubernetes.protobuf, */*",
}


@dataclass(frozen=True)
class Scale:
    """How much there is to do."""

    workloads: int
    history_days: float
    step_seconds: int
    refresh_seconds: int
    refit_seconds: int
    wide: bool


@dataclass(frozen=True)
class Service:
    """A running service and how to talk to it as the aggregator does."""

    pid: int
    port: int
    ca_file: Path
    client: Pair
    log: Path

    def get(self, path: str) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.client.cert, self.client.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        try:
            connection.request("GET", path, headers={**CALLER, "Accept-Encoding": "gzip"})  # as Prometheus does
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body
        finally:
            connection.close()

    def gauges(self) -> dict[str, float]:
        """The service's own metrics, without those of single workloads: `name{labels}` -> value."""
        text = self.get("/metrics")[1].decode()
        found = re.findall(r"^(forescale_[^ ]+) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found if 'namespace="' not in name}


def metric_path(workload: int) -> str:
    """Where the HPA asks for a workload's metric."""
    return f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/{name_of(workload)}?labelSelector="


def _workloads(count: int) -> list[dict[str, object]]:
    return [
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name_of(one), "namespace": NAMESPACE},
            "spec": {
                "targetRef": {"kind": "Deployment", "name": name_of(one)},
                "demand": {"query": QUERY, "seriesLabels": {LABEL: name_of(one)}},
                "capacityPerPod": 12,
                "mode": "Active",
            },
        }
        for one in range(count)
    ]


def _kubeconfig(port: int, ca_file: Path) -> dict[str, object]:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(ca_file)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }


@contextmanager
def running(scale: Scale, folder: Path) -> Iterator[Service]:
    """The service with its surroundings, all in processes of their own; serves numbers when the block begins."""
    cluster_ca, proxy_ca, client_ca = (Authority(name, folder) for name in ("cluster", "proxy", "client"))
    serving, api = (cluster_ca.issue(name, server=True) for name in ("serving", "api"))
    config = {
        "cert_file": str(api.cert),
        "key_file": str(api.key),
        "client_ca": client_ca.pem,
        "requestheader_ca": proxy_ca.pem,
        "proxy_name": PROXY_NAME,
        "wide": scale.wide,
    }
    with ExitStack() as stack:
        store = stack.enter_context(Helper("benchmarks.store", "--workloads", str(scale.workloads)))
        kubernetes = stack.enter_context(Helper("benchmarks.kubernetes_api", config=config))
        (folder / "workloads.yaml").write_text(yaml.dump_all(_workloads(scale.workloads), Dumper=yaml.CSafeDumper))
        (folder / "kubeconfig").write_text(json.dumps(_kubeconfig(kubernetes.said["port"], cluster_ca.file)))
        environment = _environment(scale, folder, store=store.said["port"], serving=serving)
        log = folder / "service.log"
        process = stack.enter_context(_started(environment, log))
        port = _port(process, log)
        service = Service(process.pid, port, cluster_ca.file, proxy_ca.issue(PROXY_NAME, server=False), log)
        _wait_for_numbers(service, process, scale.workloads)
        yield service


def _environment(scale: Scale, folder: Path, *, store: int, serving: Pair) -> dict[str, str]:
    settings = {
        "prometheus_url": f"http://127.0.0.1:{store}",
        "history_days": scale.history_days,
        "history_step_seconds": scale.step_seconds,
        "refresh_seconds": scale.refresh_seconds,
        "refit_seconds": scale.refit_seconds,
        "workloads_file": folder / "workloads.yaml",
        "kubeconfig": folder / "kubeconfig",
        "host": "127.0.0.1",
        "port": 0,
        "tls_cert_file": serving.cert,
        "tls_key_file": serving.key,
        "shutdown_delay_seconds": 0,
        "log_format": "text",
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FORESCALE_")}
    return {
        **clean,
        **{f"FORESCALE_{name.upper()}": str(value) for name, value in settings.items()},
        **_of_the_image(),
    }


def _of_the_image() -> dict[str, str]:
    """What the Dockerfile sets for libraries, so that memory and threads are those of the image."""
    wanted = ("OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX")
    environment = read((ROOT / "Dockerfile").read_text())[-1].environment
    return {name: environment[name] for name in wanted}


@contextmanager
def _started(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the service chose, from its log."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listening on \D*127\.0\.0\.1\D+(\d+)", log.read_text())
        if found:
            return int(found.group(1))
        time.sleep(0.2)
    raise RuntimeError(f"the service does not listen:\n{log.read_text()[-2000:]}")


def _wait_for_numbers(service: Service, process: subprocess.Popen[bytes], workloads: int) -> None:
    """Until the first and the last workload have a number; the past has been read and fitted by then."""
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended:\n{service.log.read_text()[-2000:]}")
        # Until it knows whom to trust it hangs up on certificates.
        with suppress(OSError, http.client.HTTPException):
            if all(service.get(metric_path(one))[0] == 200 for one in (0, workloads - 1)):
                return
        time.sleep(1)
    raise RuntimeError(f"no numbers within 30 minutes:\n{service.log.read_text()[-2000:]}")
