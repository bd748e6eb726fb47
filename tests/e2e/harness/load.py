"""The load of the scenario: a base and a surge at the same time of every day, published as Prometheus scrapes it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

METRIC = "mcp_operations_in_flight"
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class DailySurge:
    """`base` operations in flight, `surge` for surge_seconds from surge_at_s on and at that time of every day."""

    surge_at_s: float
    surge_seconds: float
    base: float
    surge: float
    jitter: float = 0.01

    def at(self, time_s: float) -> float:
        """Operations in flight at a time; the jitter is a function of the time too."""
        since = (time_s - self.surge_at_s) % DAY_SECONDS
        level = self.surge if since < self.surge_seconds else self.base
        noise = (int(time_s) * 2_654_435_761 % 4_294_967_296) / 2_147_483_648 - 1
        return level * (1 + self.jitter * noise)

    def history(
        self, *, until_s: float, days: int, step_seconds: int, series: Sequence[Mapping[str, str]]
    ) -> Iterator[str]:
        """Lines of OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`, one series for each labels."""
        yield f"# TYPE {METRIC} gauge"
        end_s = int(until_s) // step_seconds * step_seconds
        for labels in series:
            inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
            for time_s in range(end_s - days * DAY_SECONDS, end_s, step_seconds):
                yield f"{METRIC}{{{inner}}} {self.at(time_s):.3f} {time_s}"
        yield "# EOF"


@dataclass
class Exporter:
    """Serves /metrics on a loopback port with the present load of each deployment; `load` may be replaced.

    node_prices: what OpenCost would say of each node's hour; may be replaced too, empty: nothing is said.
    """

    load: Callable[[float], float]
    deployments: tuple[str, ...]
    node_prices: Mapping[str, float] = field(default_factory=dict)
    more: Callable[[], list[str]] = list
    """Further lines of the exposition format, asked for at each scrape."""
    server: ThreadingHTTPServer = field(init=False)

    def __enter__(self) -> "Exporter":
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                value = exporter.load(time.time())
                lines = [f'{METRIC}{{deployment="{one}"}} {value:.3f}' for one in exporter.deployments]
                lines += [
                    f'node_total_hourly_cost{{node="{one}"}} {cost}' for one, cost in exporter.node_prices.items()
                ]
                body = "\n".join([f"# TYPE {METRIC} gauge", *lines, *exporter.more(), ""]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.server_address[1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


def write_history(lines: Iterator[str], path: Path) -> Path:
    """Writes OpenMetrics text."""
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path
