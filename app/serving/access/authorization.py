"""May they: SubjectAccessReviews, remembered for a while and asked once for many callers."""

from typing import Protocol

from app.clock import Clock
from app.serving.access.attributes import Attributes
from app.serving.access.identity import MASTERS, User
from app.serving.access.remembering import Kept, Remembered
from app.serving.access.reviews import AccessReviews, ReviewFailed
from app.serving.instruments import Instruments
from app.serving.paths import HEALTH_PATHS, METRICS_GROUP

_Key = tuple[User, Attributes]


class Authorizer(Protocol):
    """How the access control finds out what a caller may do."""

    async def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether the access is allowed. Raises ReviewFailed if nobody can say: then it is not."""


class DelegatedAuthorizer:
    """Asks kube-apiserver. The HPA is one user with a review per metric and namespace, which would make this service
    a stream of reviews; so the right to all external metrics, which HPAs usually have, is asked for first.
    """

    def __init__(
        self,
        reviews: AccessReviews,
        *,
        clock: Clock,
        allow_seconds: float,
        deny_seconds: float,
        instruments: Instruments,
    ) -> None:
        self._reviews = reviews
        self._allow_seconds = allow_seconds
        self._deny_seconds = deny_seconds
        self._counter = instruments.authorizations
        self._decisions: Remembered[_Key, bool] = Remembered(clock=clock)

    async def allows(self, user: User, attributes: Attributes) -> bool:
        """See Authorizer."""
        if MASTERS in user.groups or (not attributes.resource and attributes.path in HEALTH_PATHS):
            self._counter.labels("rule", "allowed").inc()
            return True
        wide = _all_metrics(attributes)
        known = self._known(user, attributes, wide)
        if known is not None:
            self._counter.labels("memory", "allowed" if known else "denied").inc()
            return known
        return (wide is not None and await self._review(user, wide)) or await self._review(user, attributes)

    def _known(self, user: User, attributes: Attributes, wide: Attributes | None) -> bool | None:
        if wide is not None and self._decisions.known((user, wide)):
            return True
        return self._decisions.known((user, attributes))

    async def _review(self, user: User, attributes: Attributes) -> bool:
        return await self._decisions.get((user, attributes), lambda: self._ask(user, attributes))

    async def _ask(self, user: User, attributes: Attributes) -> Kept[bool]:
        try:
            allowed = await self._reviews.review_access(_spec(user, attributes))
        except ReviewFailed:
            self._counter.labels("review", "failed").inc()
            raise
        self._counter.labels("review", "allowed" if allowed else "denied").inc()
        return Kept(allowed, self._allow_seconds if allowed else self._deny_seconds)


def _all_metrics(attributes: Attributes) -> Attributes | None:
    """The wider access that includes this one, for reading an external metric; None for everything else."""
    asked = (attributes.group, attributes.verb, attributes.name)
    if asked != (METRICS_GROUP, "list", "") or not attributes.namespace:
        return None
    return Attributes("list", group=attributes.group, version=attributes.version, resource="*")


def _spec(user: User, attributes: Attributes) -> dict[str, object]:
    """`spec` of the SubjectAccessReview."""
    who = {
        "user": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra},
    }
    return {**{key: value for key, value in who.items() if value}, **attributes.review()}
