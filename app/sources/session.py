"""The HTTP session under prometheus-api-client: bounded answers, bounded time, no redirects, long queries posted."""

import ssl
import threading
import time
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from app import spans
from app.errors import QueryRejected
from app.settings import Settings
from app.sources.credentials import Credentials

MAX_ANSWER_BYTES = 256 * 2**20  # unpacked; parsing takes several times as much memory

_LONGEST_URL = 4_000  # characters; proxies and servers begin to refuse at 8 KiB of request line and headers
_CHUNK_BYTES = 2**18


class AnswerTooLarge(QueryRejected):
    """More than the store or we can handle at once: ask for a shorter range."""


class StoreResponse(requests.Response):
    """An answer whose JSON is parsed once, and quickly."""

    _document: Any = None

    @classmethod
    def of(cls, response: requests.Response) -> "StoreResponse":
        """Takes over what requests made of an answer."""
        answer = cls()
        vars(answer).update(vars(response))
        return answer

    def json(self, **kwargs: Any) -> Any:
        """The parsed body; raises ValueError if it is not JSON."""
        if self._document is None:
            self._document = orjson.loads(self.content)
        return self._document


class StoreSession(requests.Session):
    """Remembers, for each thread, the last answer: the client library gives away only a part of it.

    Proxies and netrc of the environment do not count: where credentials go is decided by the settings alone.
    """

    def __init__(self, *, auth: AuthBase, verify: str | bool = True, cert: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self.auth = auth
        self.verify = verify
        self.cert = cert
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # threads share the jar; nobody needs it
        self.hooks["response"].append(self._remember)
        self._local = threading.local()

    def _remember(self, response: requests.Response, **_: Any) -> None:
        self._local.last = response

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As Session.send, in a span that reaches to the end of the answer; the store is given the trace."""
        with spans.client_request(request.method or "GET", request.url or "") as (span, headers):
            request.headers.update(headers)
            response = super().send(request, **kwargs)
            spans.answered(span, response.status_code)
            return response

    @property
    def last(self) -> requests.Response | None:
        """This thread's last answer since `forget`."""
        return getattr(self._local, "last", None)

    def forget(self) -> None:
        """Makes `last` None, so that an earlier answer is not taken for the next one."""
        self._local.last = None

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: a redirect is an answer like any other. Followed, it would carry tenant and certificate elsewhere."""
        return None


class StoreAdapter(HTTPAdapter):
    """Sends long queries as form posts and bounds the answer in bytes and in time."""

    def __init__(self, *, connections: int, timeout_seconds: float, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """As HTTPAdapter.send; reading the body raises AnswerTooLarge or requests.ReadTimeout at the limits."""
        deadline_s = time.monotonic() + self._timeout_seconds
        response = StoreResponse.of(super().send(_posted_if_long(request), *args, **kwargs))
        response.raw = _BoundedBody(response.raw, max_bytes=self._max_bytes, deadline_s=deadline_s)
        return response


class _BoundedBody:
    """Reads what has arrived, and stops at the limits: a read timeout alone lets a slow drip go on for ever."""

    def __init__(self, raw: Any, *, max_bytes: int, deadline_s: float) -> None:
        self._raw = raw
        self._max_bytes = max_bytes
        self._deadline_s = deadline_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amt: int, decode_content: bool = True) -> Iterator[bytes]:
        size = 0
        while chunk := self._raw.read1(_CHUNK_BYTES, decode_content=decode_content):
            size += len(chunk)
            if size > self._max_bytes:
                self._raw.close()
                raise AnswerTooLarge(f"the answer is larger than {self._max_bytes // 2**20} MiB")
            if time.monotonic() > self._deadline_s:
                self._raw.close()
                raise requests.ReadTimeout("the answer did not arrive in time")
            yield chunk


def _posted_if_long(request: requests.PreparedRequest) -> requests.PreparedRequest:
    url = request.url or ""
    if request.method != "GET" or len(url) <= _LONGEST_URL:
        return request
    address, _, query = url.partition("?")
    posted = request.copy()
    posted.method = "POST"
    posted.url = address
    posted.prepare_body(parse_qsl(query, keep_blank_values=True), None)
    return posted


def store_session(settings: Settings) -> StoreSession:
    """A session with the settings' credentials and trust; raises ConfigurationError."""
    ca_file = settings.prometheus_ca_file or ssl.get_default_verify_paths().cafile
    cert_file, key_file = settings.prometheus_client_cert_file, settings.prometheus_client_key_file
    return StoreSession(
        auth=Credentials.from_settings(settings),
        verify=str(ca_file) if ca_file else True,
        cert=(str(cert_file), str(key_file)) if cert_file and key_file else None,
    )
