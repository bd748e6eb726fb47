"""A bound on requests at work, so that a flood is told to come back instead of slowing down everybody."""

from app.serving.paths import HEALTH_PATHS
from app.serving.status import AsgiApp, Receive, Refusal, Scope, Send, reply


class InFlightLimit:
    """ASGI middleware: more than `limit` requests at a time are refused with 429; probes never are."""

    def __init__(self, app: AsgiApp, *, limit: int = 400) -> None:
        self._app = app
        self._limit = limit
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._limit:
            refusal = Refusal(429, "too many requests at a time; try again", retry_after_seconds=1)
            await reply(send, refusal.answer(), body_wanted=scope["method"] != "HEAD")
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1
