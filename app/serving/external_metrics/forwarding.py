"""Metrics that are not ours, passed to the server that owned the API before: KEDA's or prometheus-adapter's.

The caller's right to the very metric was reviewed before this door was reached; the other server sees this service's
ServiceAccount, which therefore needs the right to read external metrics there, and no more.
"""

import asyncio
import logging
import ssl
from pathlib import Path

import httpx

from app import spans
from app.serving.status import Answer, Refusal
from app.telemetry import shortened

_log = logging.getLogger(__name__)
_MARK = "x-forescale-forwarded"
_LARGEST_BYTES = 4_000_000
_CONNECTIONS = 32


class Forwarder:
    """Asks the other server. `run` holds the connections and must be running; until then, and after, it refuses."""

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None,
        ca_file: Path | None,
        timeout_seconds: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """ca_file: of its certificate; None: the system's. transport: instead of the network, in tests."""
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._ca_file = ca_file
        self._timeout_seconds = timeout_seconds
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        verify = True if self._ca_file is None else ssl.create_default_context(cafile=str(self._ca_file))
        limits = httpx.Limits(max_connections=_CONNECTIONS)
        async with httpx.AsyncClient(
            verify=verify, limits=limits, timeout=self._timeout_seconds, transport=self._transport, trust_env=False
        ) as client:
            self._client = client
            try:
                await asyncio.Event().wait()
            finally:
                self._client = None

    async def ask(self, path: str, query: bytes, headers: list[tuple[bytes, bytes]]) -> Answer:
        """The other server's answer as it is. Raises Refusal 503 where there is none."""
        if any(name == _MARK.encode() for name, _ in headers):
            raise Refusal(503, "the metric was forwarded to this service by itself; FORESCALE_FORWARD_URL leads here")
        if self._client is None:
            raise Refusal(503, "not started yet")
        address = httpx.URL(self._url + path).copy_with(query=query or None)
        try:
            with spans.client_request("GET", str(address)) as (span, carried):
                answer = await self._client.get(address, headers={**self._headers(), **carried})
                spans.answered(span, answer.status_code)
        except (httpx.HTTPError, OSError) as error:
            _log.warning("the server of other metrics does not answer: %s", shortened(repr(error)))
            raise Refusal(503, "the server that this metric is forwarded to does not answer") from error
        if len(answer.content) > _LARGEST_BYTES:
            raise Refusal(503, "the server that this metric is forwarded to answers too much")
        kind = answer.headers.get("content-type", "application/json").encode("latin-1")
        headers_kept = ((b"content-type", kind), (b"cache-control", b"no-cache, private"))
        return Answer(answer.status_code, answer.content, headers_kept)

    def _headers(self) -> dict[str, str]:
        """Nothing of the caller's: who they are was settled before."""
        headers = {"accept": "application/json", _MARK: "1"}
        if self._token_file is not None:
            headers["authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return headers
