"""What a request to the store carries so that it is let in; files are read again when they change."""

import base64
from pathlib import Path

from requests import PreparedRequest
from requests.auth import AuthBase

from app.errors import ConfigurationError, SourceRefused
from app.settings import Settings


class SecretFile:
    """A small file whose content may be replaced at any time, as the kubelet does with projected tokens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[tuple[int, int, int], str] | None = None

    def read(self) -> str:
        """The content without surrounding white space; raises SourceRefused if there is none."""
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_ino, status.st_size)
            if self._seen is None or self._seen[0] != version:
                self._seen = (version, self._path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise SourceRefused(f"cannot read the credentials in {self._path}: {error}") from error
        if not self._seen[1]:
            raise SourceRefused(f"the credentials file {self._path} is empty")
        return self._seen[1]


class Credentials(AuthBase):
    """Puts a bearer token or user and password, and the tenant, on each request."""

    def __init__(
        self,
        *,
        bearer: SecretFile | None = None,
        username: str | None = None,
        password: SecretFile | None = None,
        tenant: tuple[str, str] | None = None,
    ) -> None:
        self._bearer = bearer
        self._username = username
        self._password = password
        self._tenant = tenant

    @classmethod
    def from_settings(cls, settings: Settings) -> "Credentials":
        """Raises ConfigurationError for two ways at once, or half of one."""
        bearer, password = settings.prometheus_bearer_token_file, settings.prometheus_basic_password_file
        username = settings.prometheus_basic_username
        if bearer and (username or password):
            raise ConfigurationError(
                "FORESCALE_PROMETHEUS_BEARER_TOKEN_FILE and FORESCALE_PROMETHEUS_BASIC_* are two ways to do one thing; "
                "unset one of them"
            )
        if bool(username) != bool(password):
            raise ConfigurationError(
                "FORESCALE_PROMETHEUS_BASIC_USERNAME and FORESCALE_PROMETHEUS_BASIC_PASSWORD_FILE belong together"
            )
        tenant = settings.prometheus_tenant
        if tenant and not _fits_header(tenant):
            raise ConfigurationError("FORESCALE_PROMETHEUS_TENANT must be one line of ASCII characters")
        return cls(
            bearer=SecretFile(bearer) if bearer else None,
            username=username,
            password=SecretFile(password) if password else None,
            tenant=(settings.prometheus_tenant_header, tenant) if tenant else None,
        )

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Called by requests for each request before it is sent."""
        if self._bearer is not None:
            request.headers["Authorization"] = f"Bearer {_header_text(self._bearer.read())}"
        if self._username is not None and self._password is not None:
            pair = f"{self._username}:{self._password.read()}".encode()
            request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
        if self._tenant is not None:
            name, value = self._tenant
            request.headers[name] = value
        return request


def _fits_header(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _header_text(token: str) -> str:
    """The token; raises SourceRefused, without showing it, for what the HTTP library would quote in its error."""
    if not _fits_header(token):
        raise SourceRefused("the bearer token must be one line of ASCII characters; check its file")
    return token
