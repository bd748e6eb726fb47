"""Stand-ins for the Kubernetes API behind the access control, and a clock that stands still."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.serving.access.identity import User
from app.serving.access.reviews import AuthenticationConfig, ReviewFailed


@dataclass
class HandClock:
    """Moves only by hand."""

    seconds: float = 1_700_000_020.0

    def now(self) -> float:
        return self.seconds

    def real_seconds(self, seconds: float) -> float:
        return seconds


@dataclass
class FakeReviews:
    """Answers from tables and notes what it was asked. `down` makes every question fail; `gate` holds answers back."""

    config: AuthenticationConfig = field(default_factory=AuthenticationConfig)
    tokens: dict[str, User] = field(default_factory=dict)
    allowed: set[tuple[str, str]] = field(default_factory=set)  # (user, resource or path)
    down: bool = False
    gate: asyncio.Event | None = None
    access_asked: list[dict[str, object]] = field(default_factory=list)
    tokens_asked: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def authentication_config(self) -> AuthenticationConfig:
        self._check()
        return self.config

    async def configuration_changed(self, version: str, *, seconds: float) -> None:
        await self.changed.wait()
        self.changed.clear()

    async def review_token(self, token: str) -> User | None:
        self.tokens_asked.append(token)
        self._check()
        return self.tokens.get(token)

    async def review_access(self, spec: Mapping[str, object]) -> bool:
        self.access_asked.append(dict(spec))
        if self.gate is not None:
            await self.gate.wait()
        self._check()
        attributes = spec.get("resourceAttributes") or spec.get("nonResourceAttributes")
        assert isinstance(attributes, Mapping)
        return (str(spec["user"]), str(attributes.get("resource") or attributes.get("path"))) in self.allowed

    def _check(self) -> None:
        if self.down:
            raise ReviewFailed("the API is down")


def requestheader_config(
    *, client_ca: str, proxy_ca: str, version: str = "1", names: tuple[str, ...] = ("front-proxy",)
):
    """What a usual cluster publishes."""
    return AuthenticationConfig(
        client_ca=client_ca,
        requestheader_ca=proxy_ca,
        allowed_names=names,
        username_headers=("X-Remote-User",),
        uid_headers=("X-Remote-Uid",),
        group_headers=("X-Remote-Group",),
        extra_prefixes=("X-Remote-Extra-",),
        version=version,
    )
