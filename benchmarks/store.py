"""A store of histories that speaks as much of the Prometheus API as the service asks for, made to cost little.

Thousands of series are drawn from a few dozen shapes (a day's course, a week's, noise), each a pure function of
time, so that a year of history needs no memory. `python -m benchmarks.store --workloads N` prints its port.
"""

import argparse
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

QUERY = "bench_demand"
LABEL = "workload"
_SHAPES = 64
_DAY_SECONDS = 86_400


def name_of(number: int) -> str:
    """Of a workload, and of its series' label."""
    return f"w{number:05d}"


def demand(times_s: NDArray[np.int64]) -> NDArray[np.float64]:
    """(shapes, times) of plausible load: never zero, two peaks a day, quieter on two days of seven, 5 % noise."""
    shape = np.arange(_SHAPES, dtype=np.float64)[:, None]
    day = (times_s / _DAY_SECONDS)[None, :]
    course = 1.2 + np.sin(2 * np.pi * (day + shape / _SHAPES)) + 0.4 * np.sin(4 * np.pi * (day + shape / 7))
    weekday = np.where(day.astype(np.int64) % 7 < 5, 1.0, 0.6)
    noise = np.modf(np.abs(np.sin((times_s // 60)[None, :] * 12.9898 + shape * 78.233)) * 43758.5453)[0] - 0.5
    scale = 20 + 10 * shape
    return np.maximum(scale * course * weekday * (1 + 0.1 * noise), 0.1)


class Store:
    """Answers of the API as bytes."""

    def __init__(self, workloads: int) -> None:
        self._heads = [f'{{"metric":{{"{LABEL}":"{name_of(one)}"}},' for one in range(workloads)]

    def range(self, start_s: int, end_s: int, step_seconds: int) -> bytes:
        """A matrix of all series."""
        times_s = np.arange(start_s, end_s + 1, step_seconds, dtype=np.int64)
        clock, values = times_s.tolist(), demand(times_s).tolist()
        texts = [
            '"values":[' + ",".join(f'[{at},"{value:.3f}"]' for at, value in zip(clock, row, strict=True)) + "]}"
            for row in values
        ]
        return self._answer("matrix", texts)

    def instant(self, at_s: float) -> bytes:
        """A vector of all series."""
        texts = [f'"value":[{at_s:.3f},"{row[0]:.3f}"]}}' for row in demand(np.asarray([int(at_s)])).tolist()]
        return self._answer("vector", texts)

    def _answer(self, kind: str, texts: list[str]) -> bytes:
        series = ",".join([head + texts[number % _SHAPES] for number, head in enumerate(self._heads)])
        return f'{{"status":"success","data":{{"resultType":"{kind}","result":[{series}]}}}}'.encode()


class Handler(BaseHTTPRequestHandler):
    """GET of the two calls that the service makes."""

    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        """One request."""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/v1/query_range":
            body = self.store.range(
                int(float(asked["start"])), int(float(asked["end"])), int(asked["step"].removesuffix("s"))
            )
        elif url.path == "/api/v1/query":
            body = self.store.instant(float(asked.get("time", time.time())))
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


def main() -> None:
    """Serves until its standard input ends, that is, until whoever started it does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workloads", type=int, required=True)
    arguments = parser.parse_args()
    os.nice(5)  # in production it is another machine; here it must not take the service's time
    Handler.store = Store(arguments.workloads)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    json.dump({"port": server.server_address[1]}, sys.stdout)
    print(flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
