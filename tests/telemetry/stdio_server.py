"""A program of its own: a server on standard input and output that sets OpenTelemetry up by the environment."""

import asyncio
import sys
import urllib.request
from pathlib import Path

import tracing
from tests.telemetry.loopback import weather_server


def main(scraped: Path) -> None:
    """Serves until its input ends; then /metrics is written to `scraped`, as a Prometheus would have seen it."""
    telemetry = tracing.configure(service_name="weather", metrics_host="127.0.0.1", metrics_port=0)
    server = weather_server()
    tracing.instrument(server)
    asyncio.run(server.run_stdio_async())
    with urllib.request.urlopen(f"http://127.0.0.1:{telemetry.metrics_port}/metrics", timeout=10) as page:
        scraped.write_bytes(page.read())
    telemetry.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
