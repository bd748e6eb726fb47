"""Keeps the price list current: file, OpenCost and nodes are looked at in a thread; reading never waits."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from app.clock import Clock
from app.errors import AppError, ClusterError, ConfigurationError, SourceError
from app.pricing.file import PriceFile, read_price_file, stamp_of
from app.pricing.nodes import Node, open_cost_prices, priced
from app.pricing.prices import PriceList, kept
from app.sources.base import Source
from app.telemetry import shortened

log = logging.getLogger(__name__)

T = TypeVar("T")
_FIRST_LOOK_SECONDS = 2.0
ListNodes = Callable[[], Sequence[Node]]


class PriceKeeper:
    """See the module's docstring. store, list_nodes: None where there are none. Raises ConfigurationError at once."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        store: Source | None,
        list_nodes: ListNodes | None,
        look_seconds: float = 60.0,
    ) -> None:
        self._path = path
        self._clock = clock
        self._store = store
        self._list_nodes = list_nodes
        self._look_seconds = look_seconds
        self._stamp = stamp_of(path)
        self._file = read_price_file(path)
        self._list = PriceList()
        self._looked, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="prices", daemon=True)

    def start(self) -> None:
        """Begins to look. Only a quick first look is waited for: a store that hangs must not hold up the pipeline."""
        self._thread.start()
        self._looked.wait(_FIRST_LOOK_SECONDS)

    def current(self) -> PriceList:
        """The list as of the last look."""
        return self._list

    def close(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._store is not None:
            self._store.close()

    def look(self) -> None:
        """Reads what there is now. What is missing keeps its last good price, and why is told once."""
        file, trouble = self._read()
        now = self._clock.now()
        nodes, no_nodes = self._nodes(file)
        found, no_prices = self._open_cost(file, now)
        pools = priced(file, nodes, found, now=now, trouble="; ".join(one for one in (no_nodes, no_prices) if one))
        before = self._list
        self._list = kept(before, pools, stale_after_seconds=file.stale_after_minutes * 60.0, trouble=trouble)
        told = {(one.pool.name, one.trouble) for one in before.pools}
        for one in self._list.pools:
            if one.trouble and (one.pool.name, one.trouble) not in told:
                last = "it has had none" if one.price is None else f"the last one, {one.price.node_hourly:g}, stays"
                log.warning("no new price of node pool %s: %s; %s", one.pool.name, one.trouble, last)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception:  # prices that cannot be read must not end the looking for good
                log.exception("prices could not be read")
            self._looked.set()
            self._stopping.wait(self._clock.real_seconds(self._look_seconds))

    def _read(self) -> tuple[PriceFile, str]:
        stamp = stamp_of(self._path)
        if stamp == self._stamp and not self._list.trouble:
            return self._file, ""
        try:
            self._file = read_price_file(self._path)
        except ConfigurationError as error:
            if stamp != self._stamp:
                log.error("%s; the last good content stays in use", error)
            self._stamp = stamp
            return self._file, shortened(str(error), 1024)
        self._stamp = stamp
        return self._file, ""

    def _nodes(self, file: PriceFile) -> tuple[Sequence[Node] | None, str]:
        if all(one.node_hourly is not None for one in file.pools):
            return (), ""
        if self._list_nodes is None:
            return None, "nodes are not to be seen outside of a cluster"
        return _tried(self._list_nodes, ClusterError)

    def _open_cost(self, file: PriceFile, now: float) -> tuple[dict[str, float], str]:
        if not file.open_cost or self._store is None:
            return {}, ""
        store = self._store
        found, trouble = _tried(lambda: open_cost_prices(store, now=now), SourceError)
        return found or {}, trouble


def _tried(ask: Callable[[], T], failure: type[AppError]) -> tuple[T | None, str]:
    """What was asked for, or None and why not."""
    try:
        return ask(), ""
    except failure as error:
        return None, shortened(str(error))
