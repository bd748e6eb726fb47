"""server.json and what the registry answers: the rules of the schema of 2025-12-11, as types.

Source: the generic registry API and the server.json schema of github.com/modelcontextprotocol/registry. Unknown fields
are kept, as the schema allows them.
"""

import json
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AnyUrl, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
OFFICIAL = "io.modelcontextprotocol.registry/official"
PUBLISHER = "io.modelcontextprotocol.registry/publisher-provided"
_PUBLISHER_BYTES = 4096
_RANGE = re.compile(r"^[\^~<>=]|[<>|\s]|^(\d+\.)*[xX*](\.|$)")
_URL_TEMPLATE = r"^(https?://[^\s]+|\{[a-zA-Z_][a-zA-Z0-9_]*\}[^\s]*)$"


class Status(StrEnum):
    """Of one version: deprecated ones are shown with a message, deleted ones only to who asks for them."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    DELETED = "deleted"


def _one_version(version: str) -> str:
    if version == "latest":
        raise ValueError("'latest' is what the registry calls the highest version; name one")
    if _RANGE.search(version):
        raise ValueError(f"{version!r} is a range; name one version")
    return version


Version = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_one_version)]


class Document(BaseModel):
    """camelCase outside, unknown fields kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)


class Header(Document):
    """A header that a client has to send to a remote."""

    name: str
    value: str | None = None
    is_required: bool = False
    is_secret: bool = False


class Remote(Document):
    """An MCP server that somebody else runs."""

    type: Literal["streamable-http", "sse"]
    url: Annotated[str, Field(pattern=_URL_TEMPLATE)]
    headers: list[Header] = []


class LocalTransport(Document):
    """How a package talks once it was started."""

    type: Literal["stdio", "streamable-http", "sse"]
    url: Annotated[str, Field(pattern=_URL_TEMPLATE)] | None = None

    @model_validator(mode="after")
    def _url_where_it_listens(self) -> "LocalTransport":
        if self.type != "stdio" and self.url is None:
            raise ValueError(f"a transport of type {self.type} needs a url")
        return self


class Package(Document):
    """An MCP server to install."""

    registry_type: str
    identifier: str
    transport: LocalTransport
    version: Version | None = None
    registry_base_url: AnyUrl | None = None
    file_sha256: Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")] | None = None


class Repository(Document):
    """Where the source code lies."""

    url: AnyUrl
    source: str
    subfolder: str | None = None


class Icon(Document):
    """Of a listing; https only."""

    src: Annotated[str, Field(max_length=255, pattern=r"^https://")]
    mime_type: Literal["image/png", "image/jpeg", "image/jpg", "image/svg+xml", "image/webp"] | None = None
    sizes: list[Annotated[str, Field(pattern=r"^(\d+x\d+|any)$")]] = []
    theme: Literal["light", "dark"] | None = None


class ServerJson(Document):
    """What is published: one version of one server."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$")]
    description: Annotated[str, Field(min_length=1, max_length=100)]
    version: Version
    title: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    website_url: AnyUrl | None = None
    repository: Repository | None = None
    icons: list[Icon] | None = None
    packages: list[Package] | None = None
    remotes: list[Remote] | None = None
    meta: Annotated[dict[str, Any] | None, Field(alias="_meta")] = None

    @model_validator(mode="after")
    def _known_schema(self) -> "ServerJson":
        if self.schema_ is not None and self.schema_ != SCHEMA:
            raise ValueError(f"$schema is not {SCHEMA}")
        return self

    @model_validator(mode="after")
    def _small_metadata(self) -> "ServerJson":
        size = len(json.dumps((self.meta or {}).get(PUBLISHER, {}), separators=(",", ":")).encode())
        if size > _PUBLISHER_BYTES:
            raise ValueError(f"_meta.{PUBLISHER} has {size} bytes, more than {_PUBLISHER_BYTES}")
        return self

    def stored(self) -> dict[str, Any]:
        """What is kept and given out: of `_meta` only the publisher's own part."""
        document = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        own = (document.pop("_meta", None) or {}).get(PUBLISHER)
        return document if own is None else {**document, "_meta": {PUBLISHER: own}}

    @property
    def remote_urls(self) -> list[str]:
        """Addresses under which it runs."""
        return [remote.url for remote in self.remotes or ()]


class StatusChange(Document):
    """Body of the two PATCH requests."""

    status: Status
    status_message: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _nothing_to_say_about_active(self) -> "StatusChange":
        if self.status is Status.ACTIVE and self.status_message is not None:
            raise ValueError("statusMessage explains deprecation or deletion; leave it out with status active")
        return self


class OfficialMeta(Document):
    """What the registry knows about a version."""

    status: Status
    status_changed_at: datetime
    status_message: str | None = None
    published_at: datetime
    updated_at: datetime
    is_latest: bool


class ResponseMeta(BaseModel):
    """`_meta` of an answer."""

    model_config = ConfigDict(populate_by_name=True)
    official: Annotated[OfficialMeta, Field(alias=OFFICIAL)]


class ServerResponse(BaseModel):
    """One version with the registry's own data beside it."""

    model_config = ConfigDict(populate_by_name=True)
    server: dict[str, Any]
    meta: Annotated[ResponseMeta, Field(alias="_meta")]


class ListMetadata(Document):
    """Of a page; no nextCursor: it was the last one."""

    count: int
    next_cursor: str | None = None


class ServerList(BaseModel):
    """A page."""

    servers: list[ServerResponse]
    metadata: ListMetadata


class AllVersionsChanged(Document):
    """Answer to a PATCH of all versions."""

    updated_count: int
    servers: list[ServerResponse]
