"""/livez, /readyz and /healthz: whether this process can serve, not whether Prometheus is up.

An unready pod takes the whole API away from the cluster, and with it every HPA's metrics; refused values only hold
the HPAs that they belong to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.serving.paths import HEALTH_PATHS
from app.serving.status import Answer, AsgiApp, Headers, Receive, Scope, Send, reply

Check = Callable[[], bool]
_TEXT: Headers = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-cache, private"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass
class Drain:
    """Whether the process is on its way out; set once, by the listener."""

    draining: bool = False


class Health:
    """Answers the probes; other paths go to `otherwise`. `checks`: name -> whether it holds now."""

    def __init__(self, otherwise: AsgiApp, *, checks: Mapping[str, Check], drain: Drain) -> None:
        self._otherwise = otherwise
        self._ready: Mapping[str, Check] = {**checks, "not-draining": lambda: not drain.draining}
        self._alive: Mapping[str, Check] = {"ping": lambda: True}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] not in HEALTH_PATHS:
            await self._otherwise(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await reply(send, Answer(405, b"only GET\n", (*_TEXT, (b"allow", b"GET, HEAD"))))
            return
        verbose = b"verbose" in scope["query_string"]
        await reply(send, self._answer(scope["path"], verbose=verbose), body_wanted=scope["method"] != "HEAD")

    def _answer(self, path: str, *, verbose: bool) -> Answer:
        results = {name: check() for name, check in (self._alive if path == "/livez" else self._ready).items()}
        well = all(results.values())
        if well and not verbose:
            return Answer(200, b"ok", _TEXT)
        lines = [f"[{'+' if holds else '-'}]{name} {'ok' if holds else 'failed'}" for name, holds in results.items()]
        lines.append(f"{path.strip('/')} check {'passed' if well else 'failed'}\n")
        return Answer(200 if well else 503, "\n".join(lines).encode(), _TEXT)
