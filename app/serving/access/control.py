"""The guard in front of every door: finds out who asks, takes their credentials away, and lets in or refuses."""

import logging

from app.serving.access.attributes import Attributes, attributes_of
from app.serving.access.authentication import Authenticator
from app.serving.access.authorization import Authorizer
from app.serving.access.certificates import PeerChain
from app.serving.access.identity import User
from app.serving.access.reviews import ReviewFailed
from app.serving.paths import PEER_EXTENSION
from app.serving.status import AsgiApp, Receive, Refusal, Scope, Send, reply
from app.telemetry import shortened

_log = logging.getLogger(__name__)
_LONGEST_PATH = 4096


class AccessControl:
    """ASGI middleware. The doors behind it find the caller as scope["user"] and no credential in the headers."""

    def __init__(self, app: AsgiApp, *, authenticator: Authenticator, authorizer: Authorizer) -> None:
        self._app = app
        self._authenticator = authenticator
        self._authorizer = authorizer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Fails closed: whatever cannot be decided is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        user = await self._admitted_or_refused(scope)
        if isinstance(user, Refusal):
            await reply(send, user.answer(), body_wanted=scope["method"] != "HEAD")
            return
        headers = self._authenticator.harmless(scope["headers"])
        await self._app({**scope, "headers": headers, "user": user}, receive, send)

    async def _admitted_or_refused(self, scope: Scope) -> User | Refusal:
        try:
            return await self._admitted(scope)
        except Refusal as refusal:
            return refusal
        except ReviewFailed as error:
            _log.warning("access to %s could not be reviewed: %s", scope["path"], shortened(str(error)))
            return Refusal(500, "Internal Server Error: the Kubernetes API could not say whether this is allowed")

    async def _admitted(self, scope: Scope) -> User:
        path = scope["path"]
        if len(path) > _LONGEST_PATH:
            raise Refusal(414, f"the path is longer than {_LONGEST_PATH} characters")
        chain: PeerChain | None = scope.get("extensions", {}).get(PEER_EXTENSION)
        user = await self._authenticator.authenticate(scope["headers"], chain)
        attributes = attributes_of(scope["method"], path, scope["query_string"])
        if not await self._authorizer.allows(user, attributes):
            raise _forbidden(user, attributes)
        return user


def _forbidden(user: User, attributes: Attributes) -> Refusal:
    named = {"name": attributes.name, "group": attributes.group, "kind": attributes.resource}
    return Refusal(
        403,
        attributes.forbidden(user.name),
        details={key: value for key, value in named.items() if value},
        headers=((b"x-content-type-options", b"nosniff"),),
    )
