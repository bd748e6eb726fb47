"""Parts of demand, from labelled series to shares: which are told apart, what is expected of each, when it is read."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.errors import SourceUnavailable
from app.pipeline import parts as module
from app.pipeline.parts import PartsKeeper
from app.planning.rollup import Parts
from app.settings import Settings
from app.sources.base import Answer, LabelledHistory
from app.workloads.spec import LoadForecast
from models.series import RawHistory

DAY, HOUR, STEP = 86_400, 3_600, 300
CUT_S = 19_000 * DAY + 12 * HOUR  # noon
QUERY = "sum by (tool) (active)"

Load = Callable[[np.ndarray], np.ndarray]


def constant(value: float) -> Load:
    return lambda times_s: np.full(times_s.shape, value)


def office(value: float) -> Load:
    """From noon to midnight."""
    return lambda times_s: np.where(times_s % DAY >= 12 * HOUR, value, 0.0)


class Store:
    """Series by labels; what is asked for is kept."""

    def __init__(self, series: Mapping[tuple[tuple[str, str], ...], Load]) -> None:
        self.series = dict(series)
        self.ranges: list[tuple[str, int, int]] = []
        self.error: Exception | None = None
        self.missing: tuple[str, ...] = ()  # parts of an answer

    def range(self, query: str, *, start_s: int, end_s: int, step_seconds: int) -> Answer:
        self.ranges.append((query, start_s, end_s))
        return self._at(np.arange(start_s, end_s + 1, step_seconds, dtype=np.float64))

    def instant(self, query: str, *, at_s: float) -> Answer:
        return self._at(np.asarray([at_s], dtype=np.float64))

    def close(self) -> None: ...

    def _at(self, times_s: np.ndarray) -> Answer:
        if self.error is not None:
            raise self.error
        found = []
        for labels, load in self.series.items():
            values = load(times_s)
            known = np.isfinite(values)
            if known.any():
                found.append(LabelledHistory(dict(labels), RawHistory(times_s[known], values[known])))
        return Answer(tuple(found), complete=not self.missing, notes=self.missing)


def tools(**loads: Load) -> Store:
    return Store({(("tool", name),): load for name, load in loads.items()})


@pytest.fixture
def keep(executor: ThreadPoolExecutor) -> Callable[[Store], PartsKeeper]:
    settings = Settings(authentication="none", host="127.0.0.1", history_days=14, refit_seconds=HOUR)
    return lambda store: PartsKeeper(store, settings, executor=executor)


@pytest.fixture
def forecast(make_forecast: Any) -> Callable[..., LoadForecast]:
    def make(name: str = "web", *, demand: Any = None, **block: Any) -> LoadForecast:
        asked = {"query": "sum(active)"} if demand is None else demand
        found: LoadForecast = make_forecast(name, demand=asked, parts={"labels": ["tool"], **block})
        return found

    return make


def only(found: Mapping[str, Parts]) -> Parts:
    (parts,) = found.values()
    return parts


def test_the_demand_query_is_split_and_each_part_has_its_share(keep: Any, forecast: Any) -> None:
    store = tools(search=constant(30), fetch=constant(10))
    parts = only(keep(store).refresh([forecast()], cut_s=CUT_S))
    assert {query for query, _, _ in store.ranges} == {QUERY}
    assert (parts.names, parts.now.tolist()) == ((("search",), ("fetch",), ("_OTHER",)), [30, 10, 0])
    assert parts.shares[:, 0].tolist() == pytest.approx([0.75, 0.25, 0])
    assert (parts.at_s, parts.step_seconds, parts.note) == (CUT_S, STEP, "")


def test_a_part_that_wakes_at_noon_has_its_share_of_the_afternoon_before(keep: Any, forecast: Any) -> None:
    store = tools(always=constant(10), afternoon=office(30))
    parts = only(keep(store).refresh([forecast()], cut_s=CUT_S - HOUR))
    assert parts.names[0] == ("afternoon",)
    assert parts.shares[0, 0] == pytest.approx(0, abs=0.01)
    assert parts.shares[0, -1] == pytest.approx(0.75, abs=0.03)


def test_only_the_largest_are_told_apart_and_all_others_are_one(keep: Any, forecast: Any) -> None:
    store = tools(**{f"tool{number:02d}": constant(number) for number in range(1, 31)})
    parts = only(keep(store).refresh([forecast(maxParts=3)], cut_s=CUT_S))
    assert parts.names == (("tool30",), ("tool29",), ("tool28",), ("_OTHER",))
    assert parts.now.tolist() == [30, 29, 28, sum(range(1, 28))]


def test_what_is_other_already_is_never_told_apart(keep: Any, forecast: Any) -> None:
    store = tools(_OTHER=constant(50), search=constant(30))
    store.series[()] = constant(20)  # without the label
    parts = only(keep(store).refresh([forecast(maxParts=1)], cut_s=CUT_S))
    assert (parts.names, parts.now.tolist()) == ((("search",), ("_OTHER",)), [30, 70])


def test_a_tool_that_is_new_belongs_to_the_rest_until_the_next_fit(keep: Any, forecast: Any) -> None:
    store = tools(old=constant(10))
    keeper = keep(store)
    keeper.refresh([forecast()], cut_s=CUT_S)
    store.series[("tool", "new"),] = constant(30)
    assert only(keeper.refresh([forecast()], cut_s=CUT_S + STEP)).now.tolist() == [10, 30]
    later = only(keeper.refresh([forecast()], cut_s=CUT_S + HOUR))
    assert (later.names, later.now.tolist()) == ((("new",), ("old",), ("_OTHER",)), [30, 10, 0])


def test_a_tool_that_nobody_calls_any_more_is_zero_not_unknown(keep: Any, forecast: Any) -> None:
    gone = office(30)
    store = tools(always=constant(10), gone=lambda times_s: np.where(times_s < CUT_S - HOUR, gone(times_s), np.nan))
    parts = only(keep(store).refresh([forecast()], cut_s=CUT_S + STEP))
    assert dict(zip(parts.names, parts.now.tolist(), strict=True))[("gone",)] == 0


def test_parts_of_a_shared_query_are_those_of_the_workloads_own_labels(keep: Any, forecast: Any) -> None:
    store = Store({(("service", one), ("tool", "search")): constant(load) for one, load in (("a", 5), ("b", 9))})
    demand = {"query": "sum by (service) (active)"}
    both = [forecast(name, demand={**demand, "seriesLabels": {"service": name}}) for name in ("a", "b")]
    found = keep(store).refresh(both, cut_s=CUT_S)
    assert {key: parts.now.tolist() for key, parts in found.items()} == {"mcp/a": [5, 0], "mcp/b": [9, 0]}
    assert {query for query, _, _ in store.ranges} == {"sum by (service, tool) (active)"}


def test_parts_are_told_apart_by_several_labels(keep: Any, forecast: Any) -> None:
    pairs = {(("tenant", tenant), ("tool", "search")): constant(load) for tenant, load in (("x", 5), ("y", 9))}
    parts = only(keep(Store(pairs)).refresh([forecast(labels=["tool", "tenant"])], cut_s=CUT_S))
    assert parts.names == (("search", "y"), ("search", "x"), ("_OTHER", "_OTHER"))


def test_series_that_differ_in_other_labels_are_added_up(keep: Any, forecast: Any) -> None:
    store = Store({(("tool", "search"), ("pod", pod)): constant(load) for pod, load in (("1", 5), ("2", 9))})
    assert only(keep(store).refresh([forecast(query="active")], cut_s=CUT_S)).now.tolist() == [14, 0]


def test_between_columns_of_the_grid_and_fits_nothing_is_asked(keep: Any, forecast: Any) -> None:
    store = tools(search=constant(30))
    keeper = keep(store)
    first = keeper.refresh([forecast()], cut_s=CUT_S)
    asked = len(store.ranges)
    assert keeper.refresh([forecast()], cut_s=CUT_S + STEP - 15) == first
    assert len(store.ranges) == asked
    keeper.refresh([forecast()], cut_s=CUT_S + STEP)
    assert store.ranges[asked:] == [(QUERY, CUT_S + STEP - HOUR, CUT_S + STEP)]


def test_what_is_read_comes_in_slices(keep: Any, forecast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLICE_SAMPLES", 3_000)
    store = tools(search=constant(30), fetch=office(10))
    whole = only(keep(tools(search=constant(30), fetch=office(10))).refresh([forecast()], cut_s=CUT_S))
    parts = only(keep(store).refresh([forecast()], cut_s=CUT_S))
    assert len(store.ranges) == 4  # 4,032 columns by 1,500, and the last hour
    assert parts.shares.tobytes() == whole.shares.tobytes()


def test_only_so_many_queries_are_learned_in_a_pass(keep: Any, forecast: Any) -> None:
    forecasts = [forecast(f"w{number}", query=f"query {number}") for number in range(5)]
    keeper = keep(tools(search=constant(30)))
    counts = [len(keeper.refresh(forecasts, cut_s=CUT_S)) for _ in range(3)]
    assert counts == [2, 4, 5]


def test_an_outage_leaves_what_was_known_and_says_so(keep: Any, forecast: Any) -> None:
    store = tools(search=constant(30))
    keeper = keep(store)
    keeper.refresh([forecast()], cut_s=CUT_S)
    store.error = SourceUnavailable("connection refused")
    parts = only(keeper.refresh([forecast()], cut_s=CUT_S + STEP))
    assert (parts.at_s, parts.now.tolist()) == (CUT_S, [30, 0])
    assert parts.note == "SourceUnavailable: connection refused"
    store.error = None
    assert only(keeper.refresh([forecast()], cut_s=CUT_S + 2 * STEP)).note == ""


def test_a_partial_answer_is_not_looked_at_and_not_learned_from(keep: Any, forecast: Any) -> None:
    store = tools(search=constant(30))
    keeper = keep(store)
    store.missing = ("store gateway eu-2 is down",)
    assert "eu-2" in only(keeper.refresh([forecast()], cut_s=CUT_S)).note
    store.missing = ()
    keeper.refresh([forecast()], cut_s=CUT_S)
    store.missing, store.series = ("store gateway eu-2 is down",), tools(search=constant(10)).series
    parts = only(keeper.refresh([forecast()], cut_s=CUT_S + STEP))
    assert (parts.at_s, parts.now.tolist()) == (CUT_S, [30, 0])
    assert "eu-2" in parts.note


def test_without_series_and_with_too_many_it_says_why(
    keep: Any, forecast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "none of 0 series" in only(keep(tools()).refresh([forecast()], cut_s=CUT_S)).note
    monkeypatch.setattr(module, "MOST_SERIES", 2)
    many = tools(a=constant(1), b=constant(2), c=constant(3))
    assert "choose labels with fewer values" in only(keep(many).refresh([forecast()], cut_s=CUT_S)).note


def test_a_young_workload_is_divided_as_in_its_last_hour(keep: Any, forecast: Any) -> None:
    def young(value: float) -> Load:
        return lambda times_s: np.where(times_s > CUT_S - 2 * HOUR, value, np.nan)

    parts = only(keep(tools(a=young(30), b=young(10))).refresh([forecast()], cut_s=CUT_S))
    assert parts.shares[:, -1].tolist() == pytest.approx([0.75, 0.25, 0])


@pytest.mark.parametrize(("late_columns", "at_s"), [(1, CUT_S - STEP), (2, None)])
def test_one_late_sample_is_waited_for_with_the_one_before_it(
    keep: Any, forecast: Any, late_columns: int, at_s: int | None
) -> None:
    def late(value: float) -> Load:
        return lambda times_s: np.where(times_s <= CUT_S - late_columns * STEP, value, np.nan)

    keeper = keep(tools(a=late(30), b=late(10)))
    keeper.refresh([forecast()], cut_s=CUT_S)
    parts = only(keeper.refresh([forecast()], cut_s=CUT_S))
    if at_s is None:
        assert "returns nothing now" in parts.note
    else:
        assert (parts.at_s, parts.now.tolist(), parts.note) == (at_s, [30, 10, 0], "")


def test_two_keepers_started_apart_give_the_same_bytes(keep: Any, forecast: Any) -> None:
    def noisy(scale: float) -> Load:
        return lambda times_s: scale * (1 + (times_s * 7919 % 101) / 50)

    store = tools(a=noisy(3), b=noisy(1))
    early, late = keep(store), keep(store)
    for cut_s in range(CUT_S - 2 * HOUR, CUT_S, 900):
        early.refresh([forecast()], cut_s=cut_s)
    first = only(early.refresh([forecast()], cut_s=CUT_S + 600))
    second = only(late.refresh([forecast()], cut_s=CUT_S + 600))
    assert first.shares.tobytes() == second.shares.tobytes()


def test_without_the_block_nothing_is_asked(keep: Any, make_forecast: Any) -> None:
    store = tools(search=constant(30))
    assert keep(store).refresh([make_forecast("web")], cut_s=CUT_S) == {}
    assert store.ranges == []
