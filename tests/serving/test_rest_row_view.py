"""What may be shown of a row, and that the rule for one row is the rule for all of them."""

from collections.abc import Callable

import numpy as np
import pytest

from app.snapshot import Snapshot, row_view

MakeSnapshot = Callable[..., Snapshot]


@pytest.mark.parametrize("served", [float("nan"), float("inf"), -1.0])
def test_a_number_that_is_none_is_shown_as_none_and_never_as_zero(make_snapshot: MakeSnapshot, served: float) -> None:
    snapshot = make_snapshot(1, served=np.asarray([served]), reason=("NoData",))
    view = row_view(snapshot, 0, now=snapshot.cut_s)
    assert (view.served, view.reason, view.acting) == (None, "NoData", False)


def test_what_was_served_is_refused_once_it_is_stale(make_snapshot: MakeSnapshot) -> None:
    snapshot = make_snapshot(1)
    last_s = float(snapshot.data_s[0]) + snapshot.staleness_seconds
    assert row_view(snapshot, 0, now=last_s).served == 20.0
    late = row_view(snapshot, 0, now=last_s + 0.5)
    assert (late.served, late.reason, late.acting) == (None, "Stale", False)


def test_unknown_numbers_are_none(make_snapshot: MakeSnapshot) -> None:
    unknown = {name: np.asarray([np.nan]) for name in ("demand", "required", "data_s", "skill", "coverage", "level")}
    view = row_view(make_snapshot(1, **unknown), 0, now=0.0)
    assert [view.demand, view.required, view.data_s, view.age_seconds, view.skill, view.coverage] == [None] * 6
    assert view.level is None


def test_the_rule_for_all_rows_is_the_rule_for_each(make_snapshot: MakeSnapshot) -> None:
    served = np.asarray([1.0, 0.0, np.nan, -1.0, np.inf, 2.0])
    data_s = np.asarray([1e9, 1e9 - 181, 1e9, 1e9, 1e9, np.nan])
    snapshot = make_snapshot(6, served=served, data_s=data_s)
    expected = [snapshot.refusal(row, 1e9) is None for row in range(6)]
    assert snapshot.servable(1e9).tolist() == expected == [True, False, False, False, False, False]
