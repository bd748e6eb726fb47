"""Each dashboard drawn from its own queries into build/pictures, to be looked at; none has an empty panel."""

import time

import pytest

from tests.e2e.dashboards.asking import seconds
from tests.e2e.dashboards.conftest import ROOT, World
from tests.e2e.dashboards.drawing import draw
from tests.e2e.dashboards.test_queries import DASHBOARDS, datasource

SHOWN_SECONDS = 600
WITH_A_PAST = {"forescale-capacity", "forescale-cost", "forescale-forecast"}
"""The others are drawn since their programs began: the minutes of this suite."""
PICTURES = ROOT / "build" / "pictures"


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_dashboard_is_drawn_and_has_no_empty_panel(world: World, uid: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"dashboard-{uid.removeprefix('forescale-')}.png"
    now_s = time.time()
    start_s = (
        now_s + seconds(DASHBOARDS[uid].start) if uid in WITH_A_PAST else max(world.began_s, now_s - SHOWN_SECONDS)
    )
    assert draw(DASHBOARDS[uid], datasource(world, uid), path, start_s=start_s, now_s=now_s) == []
