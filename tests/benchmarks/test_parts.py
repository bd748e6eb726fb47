"""What is shipped divides no part worse than the proportions of the last value, with a season and without."""

import pytest

from benchmarks.parts import DIVISIONS, errors, synthetic


@pytest.mark.parametrize(("swing", "weekend"), [(0.8, 0.5), (0.0, 1.0)])
def test_each_part_is_divided_no_worse_than_by_its_last_value(swing: float, weekend: float) -> None:
    found = errors(synthetic(swing=swing, weekend=weekend))
    assert found.keys() == DIVISIONS.keys()
    assert (found["as shipped"] <= found["last value"]).all()
