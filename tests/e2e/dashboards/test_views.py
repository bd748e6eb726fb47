"""Each dashboard drawn from its own queries into build/pictures, to be looked at; none has an empty panel."""

import time

import pytest

from tests.e2e.dashboards.asking import seconds
from tests.e2e.dashboards.conftest import ROOT, World
from tests.e2e.dashboards.drawing import draw
from tests.e2e.dashboards.test_queries import DASHBOARDS, WAIT_SECONDS, datasource
from tests.e2e.harness.processes import wait_until

WITH_A_PAST = {"forescale-capacity", "forescale-cost", "forescale-forecast"}
"""The others are drawn since their programs began: the minutes of this suite."""
PICTURES = ROOT / "build" / "pictures"


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_dashboard_is_drawn_and_has_no_empty_panel(world: World, uid: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"dashboard-{uid.removeprefix('forescale-')}.png"
    dashboard, source = DASHBOARDS[uid], datasource(world, uid)

    def whole() -> bool:
        now_s = time.time()
        began_s = now_s + seconds(dashboard.start) if uid in WITH_A_PAST else world.began_s
        empty = draw(dashboard, source, path, start_s=max(began_s, now_s + seconds(dashboard.start)), now_s=now_s)
        assert empty == []
        return True

    wait_until(whole, seconds=WAIT_SECONDS, what=f"{path.name} has no empty panel")
