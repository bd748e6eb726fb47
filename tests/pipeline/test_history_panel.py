"""The panel keeps one grid for all workloads and never loses or invents a number."""

import numpy as np
import pytest

from app.pipeline.history import HistoryPanel

STEP = 60


@pytest.fixture
def panel() -> HistoryPanel:
    panel = HistoryPanel(keep_steps=10, step_seconds=STEP)
    panel.select(["a/x", "a/y"])
    panel.advance(6000)
    return panel


def row(panel: HistoryPanel, key: str, *, steps: int = 10, last_s: int = 6000) -> list[float]:
    return panel.window([key], last_s=last_s, steps=steps).values[0].tolist()


def write(panel: HistoryPanel, key: str, start_s: int, numbers: list[float], *, overwrite: bool = True) -> None:
    panel.write(key, start_s=start_s, values=np.asarray(numbers, dtype=np.float32), overwrite=overwrite)


def test_a_new_panel_holds_no_number(panel: HistoryPanel) -> None:
    assert np.isnan(panel.window(["a/x", "a/y"], last_s=6000, steps=10).values).all()


def test_numbers_stay_at_their_time_when_columns_are_appended(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5880, [1, 2, 3])
    panel.advance(6060)
    assert row(panel, "a/x", steps=4, last_s=6060)[:3] == [1, 2, 3]
    assert np.isnan(row(panel, "a/x", steps=1, last_s=6060)[0])


def test_numbers_survive_thousands_of_appended_columns_as_long_as_they_are_kept(panel: HistoryPanel) -> None:
    for last_s in range(6060, 6000 + 3000 * STEP, STEP):
        panel.advance(last_s)
        write(panel, "a/x", last_s, [last_s])
    last_s = 6000 + 2999 * STEP
    assert row(panel, "a/x", last_s=last_s) == [float(last_s - STEP * back) for back in reversed(range(10))]


def test_a_jump_longer_than_the_panel_forgets_everything(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5460, list(range(10)))
    panel.advance(6000 + 50 * STEP)
    assert np.isnan(row(panel, "a/x", last_s=6000 + 50 * STEP)).all()
    assert panel.last_s == 6000 + 50 * STEP


def test_a_clock_set_back_drops_what_would_lie_in_the_future(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5880, [1, 2, 3])
    panel.advance(5880)
    panel.advance(6000)
    assert row(panel, "a/x", steps=3)[0] == 1
    assert np.isnan(row(panel, "a/x", steps=2)).all()


def test_a_clock_set_back_by_more_than_the_panel_starts_anew(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5880, [1, 2, 3])
    panel.advance(600)
    assert panel.last_s == 600
    assert np.isnan(row(panel, "a/x", last_s=600)).all()


def test_nan_never_replaces_a_number(panel: HistoryPanel) -> None:
    write(panel, "a/x", 6000, [5])
    write(panel, "a/x", 6000, [float("nan")])
    assert row(panel, "a/x", steps=1) == [5]


def test_a_late_correction_replaces_a_number(panel: HistoryPanel) -> None:
    write(panel, "a/x", 6000, [5])
    write(panel, "a/x", 6000, [7])
    assert row(panel, "a/x", steps=1) == [7]


def test_a_partial_answer_only_fills_gaps(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5940, [5])
    write(panel, "a/x", 5940, [1, 2], overwrite=False)
    assert row(panel, "a/x", steps=2) == [5, 2]


def test_numbers_outside_the_panel_are_ignored(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5400, [1, 2])
    write(panel, "a/x", 6000, [3, 4])
    assert row(panel, "a/x")[0] == 2
    assert row(panel, "a/x")[-1] == 3


def test_rows_follow_their_workload_when_others_come_and_go(panel: HistoryPanel) -> None:
    write(panel, "a/y", 6000, [5])
    panel.select(["a/new", "a/y"])
    assert row(panel, "a/y", steps=1) == [5]
    assert np.isnan(row(panel, "a/new", steps=1)[0])


def test_a_workload_that_returns_does_not_inherit_its_old_row(panel: HistoryPanel) -> None:
    write(panel, "a/x", 6000, [5])
    panel.select(["a/y"])
    panel.select(["a/y", "a/x"])
    assert np.isnan(row(panel, "a/x", steps=1)[0])


def test_hundreds_of_new_workloads_keep_the_old_rows(panel: HistoryPanel) -> None:
    write(panel, "a/x", 6000, [5])
    panel.select(["a/x", "a/y", *(f"b/{number}" for number in range(500))])
    assert row(panel, "a/x", steps=1) == [5]
    assert np.isnan(row(panel, "b/499", steps=1)[0])


def test_a_window_may_end_in_the_past_and_begin_before_the_panel(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5460, list(range(10)))
    window = panel.window(["a/x"], last_s=5520, steps=4)
    assert window.start_s == 5340
    assert window.values[0, 2:].tolist() == [0, 1]
    assert np.isnan(window.values[0, :2]).all()


def test_a_window_is_a_copy(panel: HistoryPanel) -> None:
    write(panel, "a/x", 6000, [5])
    panel.window(["a/x"], last_s=6000, steps=1).values[:] = 9
    assert row(panel, "a/x", steps=1) == [5]


def test_a_window_of_an_unknown_workload_has_no_number(panel: HistoryPanel) -> None:
    assert np.isnan(panel.window(["no/body"], last_s=6000, steps=3).values).all()


def test_rows_written_together_land_where_they_would_alone(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5880, [1, 2, 3])
    numbers = np.asarray([[10, np.nan, 30], [7, 8, np.nan]], dtype=np.float32)
    panel.write_rows(["a/y", "a/x"], start_s=5880, values=numbers, overwrite=True)
    assert row(panel, "a/x", steps=3) == [7, 8, 3]
    assert row(panel, "a/y", steps=3)[::2] == [10, 30]


def test_rows_written_together_only_fill_gaps_when_they_may_be_incomplete(panel: HistoryPanel) -> None:
    write(panel, "a/x", 5880, [1])
    panel.write_rows(
        ["a/x", "a/y"], start_s=5880, values=np.asarray([[5, 6], [5, 6]], dtype=np.float32), overwrite=False
    )
    assert row(panel, "a/x", steps=3)[:2] == [1, 6]
    assert row(panel, "a/y", steps=3)[:2] == [5, 6]
