"""What this service asks the Kubernetes API about its callers, as an interface; the real one is in delegation.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.errors import ClusterError
from app.serving.access.identity import User


class ReviewFailed(ClusterError):
    """The Kubernetes API could not say; nobody is let in because of it."""


@dataclass(frozen=True)
class AuthenticationConfig:
    """ConfigMap kube-system/extension-apiserver-authentication. Empty strings and lists: not configured.

    The bundles are PEM; header names as configured; `version` is the object's resourceVersion.
    """

    client_ca: str = ""
    requestheader_ca: str = ""
    allowed_names: Sequence[str] = ()
    username_headers: Sequence[str] = ()
    uid_headers: Sequence[str] = ()
    group_headers: Sequence[str] = ()
    extra_prefixes: Sequence[str] = ()
    version: str = ""


class AccessReviews(Protocol):
    """Three questions and one wait. All raise ReviewFailed when the API does not answer as it should."""

    async def authentication_config(self) -> AuthenticationConfig:
        """How front proxies and client certificates are recognised."""

    async def configuration_changed(self, version: str, *, seconds: float) -> None:
        """Returns when the configuration is newer than `version`, at the latest after so many seconds."""

    async def review_token(self, token: str) -> User | None:
        """TokenReview: whose token it is, None if it is nobody's."""

    async def review_access(self, spec: Mapping[str, object]) -> bool:
        """SubjectAccessReview with this `spec`: whether it is allowed."""
