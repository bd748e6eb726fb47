"""Room on nodes, pass by pass: a larger number counts at once, a smaller one when a node's lead time has gone by."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from app.pipeline.outlook import LEVELS, VOICES, Outlook
from app.pipeline.plan import Plan, measured_as
from app.pipeline.room import Held, RoomPlanner
from app.planning.headroom import Room
from app.planning.replay import DAILY
from app.snapshot import QUALITY, Voices
from app.workloads.book import Book, LeadTime, PodSizes
from app.workloads.nodes import Nodes
from app.workloads.spec import Bounds, CapacityScaling, LoadForecast

NAN = math.nan
Make = Callable[..., LoadForecast]


def largest(held: Held, number: float, *, at: float, hold: float = 60) -> float:
    return held.largest({"mcp/web": number}, now_s=at, hold_seconds={"mcp/web": hold})[0]


def test_more_counts_at_once_and_less_only_after_a_lead_time() -> None:
    held = Held()
    assert [largest(held, number, at=at) for at, number in ((0, 2), (15, 9), (30, 4), (75, 4), (76, 4))] == [
        2,
        9,
        9,
        9,
        4,
    ]


def test_between_two_peaks_the_higher_of_those_that_are_recent_counts() -> None:
    held = Held()
    seen = [largest(held, number, at=at) for at, number in ((0, 10), (30, 8), (60, 1), (61, 1), (90, 1), (91, 1))]
    assert seen == [10, 10, 10, 8, 8, 1]


def test_what_is_not_known_changes_nothing_until_everything_is_too_old() -> None:
    held = Held()
    assert largest(held, 5, at=0) == 5
    assert largest(held, NAN, at=30) == 5
    assert math.isnan(largest(held, NAN, at=61))


def test_a_clock_that_was_set_back_does_not_hold_a_peak_for_longer() -> None:
    held = Held()
    largest(held, 50, at=1_000_000)
    assert largest(held, 3, at=0) == 3


def test_who_is_gone_is_forgotten() -> None:
    held = Held()
    largest(held, 50, at=0)
    held.largest({}, now_s=1, hold_seconds={})
    assert largest(held, 3, at=2) == 3


@pytest.fixture
def wanting(make_forecast: Make) -> Callable[..., LoadForecast]:
    def make(name: str, **spec: object) -> LoadForecast:
        forecast = make_forecast(name)
        nodes = Nodes(provisioning="CapacityBuffer", max_headroom=30)
        fields = {"nodes": nodes, "mode": "Active", "capacity_per_pod": 10.0, **spec}
        return forecast.model_copy(update={"spec": forecast.spec.model_copy(update=fields)})

    return make


def plan_of(*forecasts: LoadForecast, **book: object) -> Plan:
    return Plan(Book(forecasts=forecasts, **book), 60, 15, 20)  # type: ignore[arg-type]


def outlook_of(*required: float, trusted: bool = True) -> Outlook:
    """What is required of each workload of a plan, and whether its forecast has proved itself."""
    n = len(required)
    blank = np.full(n, np.nan)
    return Outlook(
        required=np.asarray(required),
        foreseen=np.asarray(required),
        quantiles=np.zeros((n, 1, len(LEVELS)), dtype=np.float32),
        trusted=np.full(n, trusted),
        coverage=blank,
        skill=blank,
        reactive_cost=blank,
        forecast_cost=blank,
        calendar=blank,
        judged_s=blank,
        voices=Voices.silent(n, shown=VOICES),
        quality=np.zeros((n, len(QUALITY), 1), dtype=np.float32),
        daily=np.zeros((n, len(DAILY), 1), dtype=np.float32),
        fitted_s=0.0,
    )


def room_of(
    plan: Plan,
    *further: float,
    served: float = 20.0,
    at: float = 0,
    trusted: bool = True,
    by: RoomPlanner | None = None,
) -> Room:
    now = outlook_of(*[20.0] * len(plan.keys), trusted=trusted)
    return (by or RoomPlanner()).room(plan, now, outlook_of(*further), served=np.full(len(plan.keys), served), now_s=at)


def test_the_further_plan_looks_ahead_by_the_leads_of_a_node_and_a_pod(wanting: Callable[..., LoadForecast]) -> None:
    plan = plan_of(wanting("web"), leads={"mcp/web": LeadTime(60, "Measured")})
    assert plan.further.keys == ("mcp/web@nodes",)
    assert plan.further.window_steps.tolist() == [6]  # 240 s of a node, 60 s of a pod, one step
    assert plan.further.level.tolist() == [pytest.approx(0.95)]
    assert plan.further.roster == plan.roster
    assert measured_as("mcp/web@nodes") == "mcp/web"
    both = ("mcp/web@nodes", "mcp/web")
    assert plan.gathered(both, lambda one: one.window_steps).tolist() == [6, 2]
    assert plan.forecast("mcp/web@nodes").spec.nodes == plan.forecast("mcp/web").spec.nodes


def test_room_is_for_what_is_required_further_on_and_is_told_with_its_lead(
    wanting: Callable[..., LoadForecast],
) -> None:
    room = room_of(plan_of(wanting("web"), existing={"mcp/web": 2}), 110)
    assert (room.headroom.tolist(), room.ahead.tolist()) == ([9], [11])
    assert (room.node_lead_seconds.tolist(), room.node_lead_origin) == ([240], ("Fallback",))


def test_pods_that_come_up_take_their_room_over(wanting: Callable[..., LoadForecast]) -> None:
    forecast, planner = wanting("web"), RoomPlanner()
    seen = [
        room_of(plan_of(forecast, existing={"mcp/web": pods}), 110, served=served, at=at, by=planner).headroom[0]
        for at, pods, served in ((0, 2, 20), (15, 2, 110), (30, 11, 110))
    ]
    assert seen == [9, 0, 0]


@pytest.mark.parametrize(("mode", "trusted", "expected"), [("Auto", True, 9), ("Auto", False, 0), ("Shadow", True, 0)])
def test_room_is_held_only_where_the_forecast_may_act(
    wanting: Callable[..., LoadForecast], mode: str, trusted: bool, expected: int
) -> None:
    plan = plan_of(wanting("web", mode=mode), existing={"mcp/web": 2})
    assert room_of(plan, 110, trusted=trusted).headroom.tolist() == [expected]


def test_the_bound_of_the_served_value_bounds_room_too(wanting: Callable[..., LoadForecast]) -> None:
    plan = plan_of(wanting("web", bounds=Bounds(maximum=50)), existing={"mcp/web": 2})
    assert room_of(plan, 110).headroom.tolist() == [3]


def test_room_is_for_pods_of_the_size_that_further_ones_will_have(wanting: Callable[..., LoadForecast]) -> None:
    scaling = CapacityScaling(container="server", resource="memory", reference="512Mi")
    sizes = {"mcp/web": PodSizes(2, 4.0, newest=2.0, largest=2.0)}
    room = room_of(plan_of(wanting("web", capacity_scaling=scaling), existing={"mcp/web": 2}, sizes=sizes), 110)
    assert (room.headroom.tolist(), room.ahead.tolist()) == ([4], [6])


def test_without_a_fit_or_a_served_value_room_is_not_known(wanting: Callable[..., LoadForecast]) -> None:
    plan = plan_of(wanting("web"))
    assert np.isnan(room_of(plan, NAN).headroom).all()
    assert np.isnan(room_of(plan, 110, served=NAN).headroom).all()


def test_only_who_wants_room_has_some_and_its_rows_are_told(
    wanting: Callable[..., LoadForecast], make_forecast: Make
) -> None:
    assert room_of(plan_of(make_forecast("a"), wanting("b"), make_forecast("c")), 110).rows.tolist() == [1]
    assert not room_of(plan_of(make_forecast("a"))).rows.size
