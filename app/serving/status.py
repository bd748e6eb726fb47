"""Refusals as Kubernetes clients read them: a `Status` object, whatever went wrong and on whichever path."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON_HEADERS: Headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-cache, private"))

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    414: "RequestURITooLong",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


@dataclass(frozen=True)
class Answer:
    """A whole answer: small enough to be made before it is sent."""

    code: int
    body: bytes
    headers: Headers = JSON_HEADERS


class Refusal(Exception):
    """Raised where a request cannot be answered; carries what the caller is told. `details`: metav1.StatusDetails."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        retry_after_seconds: int | None = None,
        details: Mapping[str, object] | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.details = details or {}
        self.headers = headers

    def answer(self) -> Answer:
        """The Status object; with Retry-After where waiting helps."""
        details = dict(self.details)
        headers = JSON_HEADERS + self.headers
        if self.retry_after_seconds is not None:
            details["retryAfterSeconds"] = self.retry_after_seconds
            headers += ((b"retry-after", str(self.retry_after_seconds).encode()),)
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": REASONS[self.code],
            **({"details": details} if details else {}),
            "code": self.code,
        }
        return Answer(self.code, orjson.dumps(status), headers)


async def reply(send: Send, answer: Answer, *, body_wanted: bool = True) -> None:
    """Sends the answer in two messages; without its body for HEAD."""
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [*answer.headers] if answer.code == 304 else [*answer.headers, length]
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if body_wanted else b""})
