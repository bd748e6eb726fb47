"""One control plane for the whole suite, with the shipped tree applied, a Prometheus with a past, and two twins."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import node_prices, twins, workers
from tests.e2e.harness.certificates import Pair
from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.load import DailySurge, Exporter, write_history
from tests.e2e.harness.processes import Server, free_port, wait_until
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.service import HOST, ROOT, Service, install
from tests.e2e.harness.twins import AHEAD, NAMESPACE, Recorder, Sample
from tests.e2e.harness.witness import Told, Witness, told
from tests.e2e.harness.workers import DailyBatch, Sessions, Watcher

POD_START_SECONDS = 30
STALENESS_SECONDS = 20
REFRESH_SECONDS = 2
HISTORY_DAYS = 7
STEP_SECONDS = 10  # the forecast acts on whole steps, so this is also how much too early it may be
CALM_SECONDS = 140  # from the start of the scenario to the surge: all must be up and settled by then
SURGE_SECONDS = 240
BATCH_AFTER_SECONDS, BATCH_SECONDS = 40, 60  # of the workers' batch, after the surge began
SETTINGS = {
    "FORESCALE_HISTORY_DAYS": str(HISTORY_DAYS),
    "FORESCALE_HISTORY_STEP_SECONDS": str(STEP_SECONDS),
    "FORESCALE_SETTLE_SECONDS": "2",
    "FORESCALE_REFRESH_SECONDS": str(REFRESH_SECONDS),
    "FORESCALE_STALENESS_SECONDS": str(STALENESS_SECONDS),
    "FORESCALE_PROMETHEUS_TIMEOUT_SECONDS": "3",
    "FORESCALE_PROMETHEUS_ATTEMPTS": "2",
    "FORESCALE_LEASE_SECONDS": "6",
}


@dataclass
class Scenario:
    """Everything that runs."""

    plane: ControlPlane
    load: DailySurge
    exporter: Exporter
    prometheus: Prometheus
    service: Service
    settings: dict[str, str]
    serving: Pair
    proxy: Pair
    recorder: Recorder
    witness: Witness
    sessions: Sessions
    watcher: Watcher
    applied: str

    def told(self) -> Told | None:
        """What /metrics shows of the twin with the forecast now."""
        headers = {"X-Remote-User": "administrator", "X-Remote-Group": "system:masters"}
        return told(self.service.get("/metrics", client=self.proxy, headers=headers).text, NAMESPACE, AHEAD)

    def replica(self, name: str) -> Service:
        """Another replica of the service, not started."""
        return Service(self.plane, name, self.serving, self.settings)

    def servers(self) -> list[Server]:
        """All processes, for their logs."""
        own = [self.prometheus.server, self.service.server]
        return [*self.plane.servers, *(server for server in own if server is not None)]


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    folder = tmp_path_factory.mktemp("cluster")
    plane = ControlPlane.start(folder, pod_start_seconds=POD_START_SECONDS)
    try:
        yield from _on(plane, folder)
    finally:
        plane.stop()


def _on(plane: ControlPlane, folder: Path) -> Iterator[Scenario]:
    port = free_port()
    applied = install(plane, folder, port=port)
    for path in sorted((ROOT / "k8s" / "components" / "drain").glob("*-forescale-drain.yaml")):
        plane.kubectl("apply", "--server-side", "-f", str(path))
    plane.apply(*twins.objects())
    prices = node_prices.install(plane, folder)
    surge_at_s = time.time() + CALM_SECONDS
    load = DailySurge(surge_at_s, SURGE_SECONDS, base=18, surge=115)
    batch = DailyBatch(surge_at_s + BATCH_AFTER_SECONDS, BATCH_SECONDS, jobs=60)
    sessions = Sessions()

    def more() -> list[str]:
        return [*batch.lines(time.time()), *sessions.lines()]

    with Exporter(load.at, (twins.REACTIVE, twins.AHEAD), node_prices.FIRST, more) as exporter:
        prometheus = Prometheus(folder, exporter.port)
        series = [prometheus.target_labels | {"deployment": name} for name in exporter.deployments]
        past: dict[str, Any] = {"until_s": time.time(), "days": HISTORY_DAYS, "step_seconds": STEP_SECONDS}
        history = chain(batch.history(labels=prometheus.target_labels, **past), load.history(series=series, **past))
        prometheus.backfill(write_history(history, folder / "history.txt"))
        prometheus.start()
        serving = plane.cluster.issue("forescale", hosts=(HOST,))
        proxy = plane.front_proxy.issue("front-proxy-client")
        settings = {**SETTINGS, **prices, "FORESCALE_PROMETHEUS_URL": prometheus.url}
        service = Service(plane, "forescale-0", serving, settings, port=port).start()
        witness = Witness()
        recorder = Recorder(plane, load.at, surge_at_s - 45, surge_at_s + SURGE_SECONDS + 50)
        watcher: Watcher | None = None
        try:
            service.wait_until_ready()
            wait_until(lambda: _available(plane), seconds=60, what="the APIService is available")
            plane.apply(*workers.objects())  # after the fit of the twins, which the scenario waits for
            assert time.time() < recorder.begin_s, "setting up took longer than the calm before the surge"
            watcher = Watcher(plane, batch)
            running = Scenario(
                plane=plane,
                load=load,
                exporter=exporter,
                prometheus=prometheus,
                service=service,
                settings=settings,
                serving=serving,
                proxy=proxy,
                recorder=recorder,
                witness=witness,
                sessions=sessions,
                watcher=watcher,
                applied=applied,
            )
            witness.watch(running.told, until_s=recorder.end_s)
            yield running
        finally:
            witness.stop()
            recorder.stop()
            if watcher is not None:
                watcher.stop()
            service.stop()
            prometheus.stop()


def _available(plane: ControlPlane) -> bool:
    conditions = plane.get("apiservice", "v1beta1.external.metrics.k8s.io")["status"]["conditions"]
    (available,) = [one for one in conditions if one["type"] == "Available"]
    assert available["status"] == "True", f"{available['reason']}: {available['message']}"
    return True


@pytest.fixture(scope="session")
def surge(scenario: Scenario) -> list[Sample]:
    """What both twins did, once the surge is over."""
    return scenario.recorder.finished(seconds=CALM_SECONDS + SURGE_SECONDS + 120)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of every server's log."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    running = getattr(item, "funcargs", {}).get("scenario")
    if report.failed and isinstance(running, Scenario):
        for server in running.servers():
            report.sections.append((f"log of {server.name}", server.tail()))
