"""Where the registry keeps versions: one table, any database that SQLAlchemy speaks to; SQLite in a file or in memory.

Pages are cut by the last key, not by an offset, so that a version published meanwhile neither repeats nor hides one.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Engine,
    String,
    case,
    create_engine,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import QueuePool

from examples.mcp import telemetry
from examples.mcp.registry.documents import ServerJson, Status, StatusChange
from examples.mcp.registry.versions import precedence

Clock = Callable[[], datetime]
_IN_MEMORY = ("sqlite://", "sqlite:///:memory:")


class RegistryError(Exception):
    """What a caller of the store can mend."""


class NotFoundError(RegistryError):
    """No such server or version, or it was deleted."""


class RefusedError(RegistryError):
    """The publication breaks a rule."""


class Base(DeclarativeBase):
    """Its metadata are the tables."""


class ServerVersion(Base):
    """One version of one server; times are UTC without zone, as every database keeps them."""

    __tablename__ = "server_versions"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[str] = mapped_column(String(255), primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(100))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(10), index=True)
    status_message: Mapped[str | None] = mapped_column(String(500))
    status_changed_at: Mapped[datetime] = mapped_column(DateTime())
    published_at: Mapped[datetime] = mapped_column(DateTime())
    updated_at: Mapped[datetime] = mapped_column(DateTime(), index=True)
    is_latest: Mapped[bool] = mapped_column(index=True)


class _RemoteUrl(Base):
    """Who uses an address: one server each."""

    __tablename__ = "remote_urls"

    url: Mapped[str] = mapped_column(String(700), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[str] = mapped_column(String(255), primary_key=True)


@dataclass(frozen=True)
class Filter:
    """Which versions a list shows; version may be `latest`."""

    search: str | None = None
    updated_since: datetime | None = None
    version: str | None = None
    include_deleted: bool = False


@dataclass(frozen=True)
class Page:
    """Versions in order, and where the next page begins; None: nowhere."""

    versions: Sequence[ServerVersion]
    next_cursor: str | None


def utc_now() -> datetime:
    """The store's clock: UTC without zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """The registry's database."""

    def __init__(self, url: str, *, now: Clock = utc_now) -> None:
        options: dict[str, Any] = {"pool_pre_ping": True}
        if url in _IN_MEMORY:  # the one connection is the database: transactions take turns on it
            turns = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
            options = {**turns, "connect_args": {"check_same_thread": False}}
        self._engine: Engine = create_engine(url, **options)
        self._now = now
        Base.metadata.create_all(self._engine)

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def ping(self) -> None:
        """Raises what the database raises if it cannot be asked."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def page(self, wanted: Filter, *, cursor: str | None, limit: int) -> Page:
        """At most `limit` versions after `cursor`. Raises RefusedError for a cursor that is not one of ours."""
        rank = _rank(wanted.search)
        key = (rank, ServerVersion.name, ServerVersion.version)
        query = select(ServerVersion, rank.label("rank")).where(*_conditions(wanted)).order_by(*key).limit(limit + 1)
        if cursor is not None:
            query = query.where(tuple_(*key) > tuple_(*(literal(one) for one in _unpack(cursor))))
        with telemetry.tracer.start_as_current_span("registry.search.rank") as span, self._session() as session:
            rows = session.execute(query).all()
            span.set_attributes(
                {"registry.search.ranked": wanted.search is not None, "registry.search.found": len(rows)}
            )
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        return Page(
            [row[0] for row in shown],
            None if last is None else _pack(int(last[1]), last[0].name, last[0].version),
        )

    def versions(self, name: str, *, include_deleted: bool = False) -> Sequence[ServerVersion]:
        """All versions of a server, newest publication first. Raises NotFoundError."""
        with self._session() as session:
            found = [one for one in _of(session, name) if include_deleted or one.status != Status.DELETED]
        if not found:
            raise NotFoundError("Server not found")
        return sorted(found, key=lambda one: one.published_at, reverse=True)

    def version(self, name: str, version: str, *, include_deleted: bool = False) -> ServerVersion:
        """One version, or the `latest`. Raises NotFoundError."""
        for one in self.versions(name, include_deleted=include_deleted):
            if one.version == version or (version == "latest" and one.is_latest):
                return one
        raise NotFoundError("Server version not found")

    def publish(self, document: ServerJson) -> ServerVersion:
        """Adds a version. Raises RefusedError: it is there already, or another server has its address."""
        taken = RefusedError(f"version {document.version} is published already; versions are never replaced")
        with (
            telemetry.tracer.start_as_current_span("registry.publish") as span,
            _translated(IntegrityError, taken),  # by somebody else, between the question and the answer
            self._session() as session,
        ):
            span.set_attribute("registry.server.name", document.name)
            if session.get(ServerVersion, (document.name, document.version)) is not None:
                raise taken
            now = self._now()
            added = ServerVersion(
                name=document.name,
                version=document.version,
                status=Status.ACTIVE,
                status_changed_at=now,
                published_at=now,
                is_latest=False,
            )
            self._write(session, added, document)
            return added

    def edit(self, name: str, version: str, document: ServerJson) -> ServerVersion:
        """Replaces what a version says. Raises NotFoundError, or RefusedError for another name or version."""
        if (document.name, document.version) != (name, version):
            raise RefusedError("name and version of the document are not those of the address; neither can be changed")
        with self._session() as session:
            edited = session.get(ServerVersion, (name, version))
            if edited is None:
                raise NotFoundError("Server version not found")
            self._write(session, edited, document)
            return edited

    def change_status(self, name: str, version: str | None, change: StatusChange) -> Sequence[ServerVersion]:
        """Of one version, or of all (None). Raises NotFoundError, RefusedError if nothing would change."""
        with self._session() as session:
            chosen = [one for one in _of(session, name, to_change=True) if version in (None, one.version)]
            if not chosen:
                raise NotFoundError("Server version not found")
            if all((one.status, one.status_message) == (change.status, change.status_message) for one in chosen):
                raise RefusedError("status and message are these already")
            now = self._now()
            for one in chosen:
                one.status, one.status_message = change.status, change.status_message
                one.status_changed_at = one.updated_at = now
            _mark_latest(session, name)
            return chosen

    def _write(self, session: Session, row: ServerVersion, document: ServerJson) -> None:
        taken = select(_RemoteUrl).where(_RemoteUrl.url.in_(document.remote_urls), _RemoteUrl.name != row.name)
        other = session.scalars(taken).first()
        if other is not None:
            raise RefusedError(f"the remote {other.url} belongs to {other.name}")
        row.title, row.description = document.title or "", document.description
        row.document, row.updated_at = document.stored(), self._now()
        session.add(row)
        for old in session.scalars(select(_RemoteUrl).filter_by(name=row.name, version=row.version)):
            session.delete(old)
        session.flush()
        session.add_all(_RemoteUrl(url=url, name=row.name, version=row.version) for url in set(document.remote_urls))
        _mark_latest(session, row.name)


def _of(session: Session, name: str, *, to_change: bool = False) -> Sequence[ServerVersion]:
    query = select(ServerVersion).filter_by(name=name)
    return session.scalars(query.with_for_update() if to_change else query).all()


@contextmanager
def _translated(kind: type[Exception], into: Exception) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise into from error


def _mark_latest(session: Session, name: str) -> None:
    """The highest version that is not deleted; if all are, the highest."""
    session.flush()
    rows = _of(session, name, to_change=True)
    kept = [one for one in rows if one.status != Status.DELETED] or rows
    latest = max(kept, key=lambda one: precedence(one.version, published_at=one.published_at))
    for one in rows:
        one.is_latest = one is latest


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.search:
        columns = (ServerVersion.name, ServerVersion.title, ServerVersion.description)
        conditions.append(or_(*(one.icontains(wanted.search, autoescape=True) for one in columns)))
    if wanted.updated_since is not None:
        conditions.append(ServerVersion.updated_at > wanted.updated_since.astimezone(UTC).replace(tzinfo=None))
    if wanted.version == "latest":
        conditions.append(ServerVersion.is_latest.is_(True))
    elif wanted.version is not None:
        conditions.append(ServerVersion.version == wanted.version)
    if not wanted.include_deleted:
        conditions.append(ServerVersion.status != Status.DELETED)
    return conditions


def _rank(search: str | None) -> ColumnElement[int]:
    """0 the name after its slash, 1 its beginning, 2 elsewhere in the name, 3 in the title, 4 in the description."""
    if not search:
        return literal(0)
    name, term = func.lower(ServerVersion.name), search.lower()
    return case(
        (name.endswith(f"/{term}", autoescape=True), 0),
        (name.contains(f"/{term}", autoescape=True), 1),
        (name.contains(term, autoescape=True), 2),
        (ServerVersion.title.icontains(search, autoescape=True), 3),
        else_=4,
    )


def _pack(rank: int, name: str, version: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([rank, name, version]).encode()).decode()


def _unpack(cursor: str) -> tuple[int, str, str]:
    try:
        rank, name, version = json.loads(base64.urlsafe_b64decode(cursor))
        return int(rank), str(name), str(version)
    except (ValueError, TypeError) as error:
        raise RefusedError("the cursor is none that this registry gave out") from error
