"""What every expert of the registry must do, and what the mixture may rely on."""

import pickle
import warnings

import numpy as np
import pytest

from models import synthetic
from models.experts.base import Expert, Window
from models.experts.registry import experts, rosters
from models.experts.seasonal import Seasonal
from models.forecasters.harmonics import Harmonics
from models.series import Series

WINDOW = Window(lead=3, hold=1)
STEP_SECONDS = 300


MEMBERS: dict[str, Expert] = {**experts(), "seasonal by harmonics": Seasonal(Harmonics())}


@pytest.fixture(params=sorted(MEMBERS))
def expert(request: pytest.FixtureRequest) -> Expert:
    return MEMBERS[request.param]


@pytest.fixture(scope="module")
def days() -> Series:
    """A daily load with a surge each two hours."""
    plain = synthetic.daily(np.random.default_rng(7), workloads=3, days=5, step_seconds=STEP_SECONDS)
    surge = np.where(plain.times_s % 7_200 < 900, np.float32(3), np.float32(1))
    return Series(plain.start_s, plain.step_seconds, plain.values * surge)


def offered(expert: Expert, series: Series, *, fitted_on: int = 1_152, end: int | None = None) -> np.ndarray:
    fitted = expert.fit(Series(series.start_s, STEP_SECONDS, series.values[:, :fitted_on]), window=WINDOW)
    return fitted.candidates(Series(series.start_s, STEP_SECONDS, series.values[:, :end]), first=fitted_on)


def test_each_label_is_a_candidate_for_each_workload_and_column(expert: Expert, days: Series) -> None:
    found = offered(expert, days)
    assert found.shape == (len(expert.labels), 3, days.steps - 1_152)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_a_candidate_of_a_column_knows_nothing_later(expert: Expert, days: Series) -> None:
    later = synthetic.with_level_shift(days, first=1_300, factor=7)
    same = 1_300 - 1_152
    assert offered(expert, days)[:, :, :same].tobytes() == offered(expert, later)[:, :, :same].tobytes()
    assert (
        offered(expert, days, end=1_300).tobytes() == np.ascontiguousarray(offered(expert, days)[:, :, :same]).tobytes()
    )


def test_a_row_alone_gives_the_same_bytes(expert: Expert, days: Series) -> None:
    alone = offered(expert, days.rows(slice(1, 2)))
    assert np.ascontiguousarray(offered(expert, days)[:, 1:2]).tobytes() == alone.tobytes()


def test_a_row_gives_the_same_bytes_whenever_its_neighbour_began(expert: Expert) -> None:
    values = synthetic.daily(np.random.default_rng(3), workloads=2, days=32, step_seconds=STEP_SECONDS).values.copy()
    values[0, :30] = np.nan
    found = set()
    for began in (0, 5_000, values.shape[1]):
        values[1, :began] = np.nan
        among = offered(expert, Series(0, STEP_SECONDS, values), fitted_on=9_000)
        found.add(np.ascontiguousarray(among[:, :1]).tobytes())
    assert found == {offered(expert, Series(0, STEP_SECONDS, values[:1]), fitted_on=9_000).tobytes()}


def test_the_input_is_not_touched_and_the_same_panel_gives_the_same_bytes(expert: Expert, days: Series) -> None:
    before = days.values.tobytes()
    assert offered(expert, days).tobytes() == offered(expert, days).tobytes()
    assert days.values.tobytes() == before


def test_a_fitted_expert_pickles(expert: Expert, days: Series) -> None:
    fitted = expert.fit(days, window=WINDOW)
    again = pickle.loads(pickle.dumps(fitted))
    assert fitted.candidates(days, first=1_400).tobytes() == again.candidates(days, first=1_400).tobytes()


@pytest.mark.parametrize("kind", ["zero", "constant", "empty", "short", "gaps"])
def test_odd_rows_give_a_number_or_none_and_warn_nobody(expert: Expert, days: Series, kind: str) -> None:
    values = days.values.copy()
    if kind == "gaps":
        values = synthetic.with_gaps(np.random.default_rng(1), days, share=0.3).values.copy()
    elif kind == "short":
        values[:, :1_400] = np.nan
    else:
        values[:] = {"zero": 0.0, "constant": 4.0, "empty": np.nan}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = offered(expert, Series(days.start_s, STEP_SECONDS, values))
    assert (found[np.isfinite(found)] >= 0).all()
    assert (found[np.isfinite(found)] < 1_000).all()


def test_a_longer_lead_never_looks_at_less_than_the_hold_leaves_open() -> None:
    assert [Window(lead, hold=5).held for lead in (1, 3, 6, 11)] == [1, 3, 6, 6]


def test_the_reactive_rule_is_among_the_experts_of_every_fleet() -> None:
    assert "reactive" in experts()
    assert all(any(one.name == "reactive" for one in roster.experts) for roster in rosters().values())
