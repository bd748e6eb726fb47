"""What is served, and why: the table of reasons, and properties that hold for every number."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.capacity import Recommendation, lasting, lasting_now, lasting_steps, recommend
from app.planning.sizing import SizeColumns
from app.reasons import Reason
from app.workloads.book import PodSizes
from models.series import Series

NAN, INF = math.nan, math.inf

anything = st.floats(allow_nan=True, allow_infinity=True)
loads = st.floats(min_value=0, max_value=1e9)
modes = st.sampled_from(["Auto", "Shadow", "Active"])


def advise(
    *,
    demand: float,
    required: float = NAN,
    foreseen: float = NAN,
    trusted: bool = False,
    mode: str = "Auto",
    minimum: float = 0.0,
    maximum: float = INF,
    recent_peak: float = NAN,
    lasts: float | None = None,
    judged: bool | None = None,
) -> Recommendation:
    """One workload's recommendation."""
    return recommend(
        demand=np.array([demand]),
        required=np.array([required]),
        foreseen=np.array([foreseen]),
        trusted=np.array([trusted]),
        modes=(mode,),
        minimum=np.array([minimum]),
        maximum=np.array([maximum]),
        recent_peak=np.array([recent_peak]),
        lasting=None if lasts is None else np.array([lasts]),
        judged=None if judged is None else np.array([judged]),
    )


TABLE = [
    # mode, trusted, demand, required, served, acting, reason
    ("Auto", True, 40.0, 90.0, 90.0, True, Reason.FORECAST_ACTS),
    ("Auto", True, 90.0, 40.0, 90.0, False, Reason.DEMAND_ABOVE_FORECAST),
    ("Auto", False, 40.0, 90.0, 40.0, False, Reason.REACTING_IS_CHEAPER),
    ("Auto", False, 90.0, 40.0, 90.0, False, Reason.REACTING_IS_CHEAPER),
    ("Auto", True, 40.0, NAN, 40.0, False, Reason.LEARNING),
    ("Auto", False, 40.0, INF, 40.0, False, Reason.LEARNING),
    ("Auto", True, 40.0, -1.0, 40.0, False, Reason.LEARNING),
    ("Active", False, 40.0, 90.0, 90.0, True, Reason.FORECAST_ACTS),
    ("Active", False, 90.0, 40.0, 90.0, False, Reason.DEMAND_ABOVE_FORECAST),
    ("Active", True, 40.0, NAN, 40.0, False, Reason.LEARNING),
    ("Shadow", True, 40.0, 90.0, 40.0, False, Reason.SHADOW),
    ("Shadow", True, 40.0, NAN, 40.0, False, Reason.SHADOW),
    ("Auto", True, NAN, 90.0, NAN, False, Reason.NO_DATA),
    ("Active", True, INF, 90.0, NAN, False, Reason.INVALID_NUMBER),
    ("Active", True, -INF, 90.0, NAN, False, Reason.INVALID_NUMBER),
    ("Shadow", True, -0.5, 90.0, NAN, False, Reason.INVALID_NUMBER),
    ("Auto", True, 0.0, 0.0, 0.0, True, Reason.FORECAST_ACTS),
]


@pytest.mark.parametrize(("mode", "trusted", "demand", "required", "served", "acting", "reason"), TABLE)
def test_each_case_has_its_value_and_its_reason(
    mode: str, trusted: bool, demand: float, required: float, served: float, acting: bool, reason: Reason
) -> None:
    advice = advise(mode=mode, trusted=trusted, demand=demand, required=required)
    np.testing.assert_equal(advice.served, [served])
    assert (bool(advice.acting[0]), advice.reason) == (acting, (reason,))


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    modes, trusted, demand, required, served, _, reason = (list(column) for column in zip(*TABLE, strict=True))
    n = len(TABLE)
    advice = recommend(
        demand=np.array(demand),
        required=np.array(required),
        foreseen=np.full(n, NAN),
        trusted=np.array(trusted),
        modes=modes,
        minimum=np.zeros(n),
        maximum=np.full(n, INF),
        recent_peak=np.full(n, NAN),
    )
    np.testing.assert_equal(advice.served, served)
    assert list(advice.reason) == reason


def test_no_workloads_give_an_empty_recommendation() -> None:
    none = np.zeros(0)
    advice = recommend(
        demand=none,
        required=none,
        foreseen=none,
        trusted=np.zeros(0, dtype=np.bool_),
        modes=(),
        minimum=none,
        maximum=none,
        recent_peak=none,
    )
    assert advice.served.shape == (0,)
    assert advice.reason == ()


def test_a_workload_without_a_verdict_is_learning() -> None:
    assert advise(demand=4.0, required=9.0, judged=False).reason == (Reason.LEARNING,)
    assert advise(demand=4.0, required=9.0, judged=True).reason == (Reason.REACTING_IS_CHEAPER,)


def test_an_active_workload_needs_no_verdict() -> None:
    advice = advise(demand=4.0, required=9.0, mode="Active", judged=False)
    assert (advice.served[0], advice.reason) == (9.0, (Reason.FORECAST_ACTS,))


@pytest.mark.parametrize(
    ("demand", "minimum", "maximum", "served"),
    [(5.0, 10.0, 20.0, 10.0), (50.0, 10.0, 20.0, 20.0), (15.0, 10.0, 20.0, 15.0), (0.0, 0.0, 20.0, 0.0)],
)
def test_the_served_value_keeps_within_its_bounds(demand: float, minimum: float, maximum: float, served: float) -> None:
    assert advise(demand=demand, minimum=minimum, maximum=maximum).served[0] == served


def test_the_minimum_does_not_turn_no_number_into_one() -> None:
    assert np.isnan(advise(demand=NAN, minimum=10.0).served[0])


def test_the_forecast_is_capped_too() -> None:
    advice = advise(demand=5.0, required=80.0, mode="Active", maximum=20.0)
    assert (advice.served[0], advice.reason) == (20.0, (Reason.FORECAST_ACTS,))


HOLDS = [
    # demand, foreseen, peak, held
    (10.0, 90.0, 100.0, True),  # the forecast still expects the clients
    (30.0, 50.0, 100.0, True),  # just at both limits
    (31.0, 90.0, 100.0, False),  # not far enough below
    (10.0, 49.0, 100.0, False),  # the forecast saw it coming
    (0.0, 0.0, 100.0, False),  # the end of the day, foreseen
    (0.0, NAN, 100.0, True),  # no forecast, gone at once
    (5.0, NAN, 100.0, True),  # almost gone
    (6.0, NAN, 100.0, False),  # without a forecast a fall like this may be usual
    (0.0, 90.0, NAN, False),  # no recent past
    (0.0, 90.0, -INF, False),
    (0.0, 90.0, INF, False),
    (0.0, NAN, INF, False),
    (0.0, 0.0, 0.0, False),  # a workload that never had load
]


@pytest.mark.parametrize("mode", ["Auto", "Shadow", "Active"])
@pytest.mark.parametrize(("demand", "foreseen", "peak", "held"), HOLDS)
def test_a_drop_that_no_forecast_foresaw_keeps_the_peak_of_the_last_minutes(
    mode: str, demand: float, foreseen: float, peak: float, held: bool
) -> None:
    advice = advise(mode=mode, demand=demand, foreseen=foreseen, recent_peak=peak)
    assert advice.served[0] == (peak if held else demand)
    assert (advice.reason == (Reason.HOLDING_AFTER_DROP,)) == held
    assert not advice.acting[0]


def test_a_forecast_above_the_peak_is_served_as_a_forecast_after_a_drop() -> None:
    advice = advise(demand=1.0, required=120.0, foreseen=90.0, mode="Active", recent_peak=100.0)
    assert (advice.served[0], advice.acting[0], advice.reason) == (120.0, True, (Reason.FORECAST_ACTS,))


def test_a_forecast_below_the_peak_does_not_end_the_hold() -> None:
    advice = advise(demand=1.0, required=60.0, foreseen=60.0, mode="Active", recent_peak=100.0)
    assert (advice.served[0], advice.acting[0], advice.reason) == (100.0, False, (Reason.HOLDING_AFTER_DROP,))


def test_what_is_held_is_capped() -> None:
    assert advise(demand=0.0, recent_peak=100.0, maximum=40.0).served[0] == 40.0


def test_an_outage_of_the_measurement_is_not_a_drop() -> None:
    advice = advise(demand=NAN, foreseen=90.0, recent_peak=100.0)
    assert np.isnan(advice.served[0])
    assert advice.reason == (Reason.NO_DATA,)


@given(
    demand=anything,
    required=anything,
    foreseen=anything,
    peak=anything,
    trusted=st.booleans(),
    mode=modes,
    minimum=loads,
    spread=loads,
)
def test_what_is_served_is_a_number_within_the_bounds_or_nothing(
    demand: float,
    required: float,
    foreseen: float,
    peak: float,
    trusted: bool,
    mode: str,
    minimum: float,
    spread: float,
) -> None:
    advice = advise(
        demand=demand,
        required=required,
        foreseen=foreseen,
        recent_peak=peak,
        trusted=trusted,
        mode=mode,
        minimum=minimum,
        maximum=minimum + spread,
    )
    served = advice.served[0]
    if math.isfinite(demand) and demand >= 0:
        assert minimum <= served <= minimum + spread
        assert served >= min(demand, minimum + spread)
        assert math.copysign(1, served) == 1
    else:
        assert math.isnan(served)
        assert not advice.acting[0]
    assert advice.reason[0] in {str(reason) for reason in Reason}


@given(demand=loads, required=loads, more=loads, foreseen=loads, peak=loads, trusted=st.booleans(), mode=modes)
def test_more_required_never_serves_less(
    demand: float, required: float, more: float, foreseen: float, peak: float, trusted: bool, mode: str
) -> None:
    less, larger = (
        advise(demand=demand, required=one, foreseen=foreseen, recent_peak=peak, trusted=trusted, mode=mode).served[0]
        for one in (required, required + more)
    )
    assert larger >= less


@given(demand=loads, required=loads, peak=loads, foreseen=loads)
def test_shadow_never_serves_the_forecast(demand: float, required: float, peak: float, foreseen: float) -> None:
    advice = advise(demand=demand, required=required, foreseen=foreseen, recent_peak=peak, trusted=True, mode="Shadow")
    assert advice.served[0] in (demand, peak)
    assert not advice.acting[0]


# --- a number that stands alone


def test_a_lone_high_number_does_not_raise_what_the_forecast_asks_for() -> None:
    advice = advise(demand=90, lasts=40, required=60, trusted=True)
    assert (advice.served[0], advice.acting[0], advice.reason) == (60, True, (Reason.FORECAST_ACTS,))


def test_one_that_lasts_does() -> None:
    advice = advise(demand=90, lasts=80, required=60, trusted=True)
    assert (advice.served[0], advice.acting[0], advice.reason) == (80, False, (Reason.DEMAND_ABOVE_FORECAST,))


@pytest.mark.parametrize("given", [{"mode": "Shadow"}, {"trusted": False}, {"required": NAN, "trusted": True}])
def test_where_the_forecast_has_no_say_the_newest_number_is_served(given: dict[str, float | str | bool]) -> None:
    assert advise(**{"demand": 90, "lasts": 40, "required": 60, **given}).served[0] == 90  # type: ignore[arg-type]


def test_what_lasts_is_the_least_of_some_columns() -> None:
    demand = np.array([[5.0, 9, 9, 4, NAN, 8, 8]])
    assert lasting(demand, np.array([2])).tolist()[0][:4] == [5, 5, 9, 4]
    np.testing.assert_array_equal(lasting(demand, np.array([2]))[0, 4:], [NAN, 8, 8])
    both = lasting(np.repeat(demand[:, :4], 2, axis=0), np.array([4, 1]))
    assert both.tolist() == [[5, 5, 5, 4], [5, 9, 9, 4]]


@pytest.mark.parametrize(
    ("step_seconds", "lead_steps", "steps"),
    [(60, 5, 2), (60, 1, 1), (15, 40, 8), (15, 2, 2), (300, 9, 1), (60, 0, 1)],
)
def test_a_load_must_last_for_two_minutes_or_for_as_long_as_a_pod_needs(
    step_seconds: int, lead_steps: int, steps: int
) -> None:
    assert lasting_steps(np.array([lead_steps]), step_seconds=step_seconds).tolist() == [steps]


@pytest.mark.parametrize(
    ("columns", "data_s", "least"),
    [
        ([4.0, 7.0], 120, 4.0),  # the newest number is the last column
        ([4.0, 7.0], 165, 7.0),  # or newer
        ([4.0, NAN], 165, 9.0),
        ([NAN, NAN], 120, 9.0),
        ([4.0, 7.0], 600, 9.0),  # what is older says nothing
    ],
)
def test_what_lasts_now_looks_at_the_columns_of_the_last_two_minutes(
    columns: list[float], data_s: float, least: float
) -> None:
    recent = Series(60, 60, np.array([columns], dtype=np.float32))
    assert lasting_now(np.array([9.0]), np.array([float(data_s)]), recent, np.array([2])).tolist() == [least]


def test_nothing_measured_lasts_for_nothing() -> None:
    recent = Series(60, 60, np.array([[4.0, 7.0]], dtype=np.float32))
    assert np.isnan(lasting_now(np.array([NAN]), np.array([NAN]), recent, np.array([2]))).all()


@pytest.mark.parametrize(("minimum", "maximum", "served"), [(0, INF, 27.2), (30, INF, 30), (0, 20, 20)])
def test_sizes_of_pods_come_after_the_load_and_before_the_bounds(minimum: float, maximum: float, served: float) -> None:
    """Bounds are limits of what is served, so of pods: two pods' worth stays two pods, however large they are."""
    advice = recommend(
        demand=np.array([50.0]),
        required=np.array([NAN]),
        foreseen=np.array([NAN]),
        trusted=np.array([False]),
        modes=("Auto",),
        minimum=np.array([minimum]),
        maximum=np.array([maximum]),
        recent_peak=np.array([NAN]),
        capacity_per_pod=np.array([10.0]),
        sizes=SizeColumns.of([PodSizes(2, 3.2, newest=2.5, largest=2.5)]),
    )
    assert (advice.load[0], advice.asked[0], advice.served[0]) == pytest.approx((50.0, 27.2, served))
