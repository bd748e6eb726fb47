"""The pages in a real Chromium: data in the plot, keyboard, narrow screens, both schemes, nothing in the console."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.browser.conftest import NARROW, Screen

WORKLOAD = "demo/web"
SERIOUS = {"serious", "critical"}


def scheme(screen: Screen) -> str:
    dark = screen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return "dark" if dark else "light"


def open_workload(screen: Screen) -> None:
    screen.page.goto(f"/#{WORKLOAD}")
    expect(screen.page.locator("#detail-name")).to_have_text(WORKLOAD)
    expect(screen.page.locator("#plot .main-svg").first).to_be_visible()


def drawn(screen: Screen) -> dict[str, int]:
    """Name of each line in the plot -> its points that are numbers."""
    found: list[Any] = screen.page.evaluate(
        "document.getElementById('plot').data.map(({ name, y }) => [name, y.filter((one) => one !== null).length])"
    )
    return {name: points for name, points in found if name}


def findings(screen: Screen) -> list[str]:
    """What axe-core calls serious."""
    found = Axe().run(screen.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [f"{one['id']}: {one['help']}" for one in found.response["violations"] if one["impact"] in SERIOUS]


def test_a_workloads_plot_shows_history_and_what_is_expected(screen: Screen) -> None:
    open_workload(screen)
    lines = drawn(screen)
    assert lines["measured"] > 1_000
    assert lines["expected"] == 360
    assert lines["served"] == 2
    expect(screen.page.locator("#steps li")).to_have_count(11)
    expect(screen.page.locator("#quality tbody tr").first).to_be_visible()
    expect(screen.page.locator("#verdict")).to_contain_text("Served:")
    expect(screen.page.locator("#savings tbody tr").first).to_be_visible()
    expect(screen.page.locator("#savings-text")).to_contain_text("the HPA alone")
    expect(screen.page.locator("#savings-plot .bars .point").first).to_be_attached()
    screen.picture(f"workload-{scheme(screen)}")


def test_the_plot_can_be_zoomed_and_stays_so_when_new_numbers_come(screen: Screen) -> None:
    open_workload(screen)
    box = screen.page.locator("#plot .nsewdrag").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    screen.page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    screen.page.mouse.down()
    screen.page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=5)
    screen.page.mouse.up()
    extent = "document.getElementById('plot').layout.xaxis.range.map(String)"
    zoomed = screen.page.evaluate(extent)
    screen.page.evaluate("dispatchEvent(new HashChangeEvent('hashchange'))")
    with screen.page.expect_response("**/quality"):
        pass
    assert screen.page.evaluate(extent) == zoomed


def test_the_fleet_is_searched_and_sorted_from_the_keyboard(screen: Screen) -> None:
    screen.page.goto("/")
    rows = screen.page.locator("#workloads tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first.locator("svg.sparkline path")).to_have_attribute("d", re.compile("^M.+L"))
    screen.page.locator("#search").focus()
    screen.page.keyboard.type("thrifty")
    expect(rows).to_have_count(1)
    screen.page.locator("#search").fill("")
    expect(rows).to_have_count(2)
    skill = screen.page.get_by_role("button", name="Skill")
    skill.focus()
    screen.page.keyboard.press("Enter")
    expect(screen.page.locator("th[data-sort=skill]")).to_have_attribute("aria-sort", "descending")
    expect(rows).to_have_count(2)


def test_a_past_number_is_explained(screen: Screen) -> None:
    open_workload(screen)
    cut = screen.page.evaluate("fetch('api/v1/health').then((one) => one.json()).then((one) => one.cut)")
    day, hour = cut[:10], int(cut[11:13])
    at = f"{day}T{hour - 2:02d}:05:00"
    screen.page.locator("#at").fill(at)
    screen.page.get_by_role("button", name="Explain").click()
    expect(screen.page.locator("#then-state")).to_contain_text("was served; computed anew", timeout=120_000)
    expect(screen.page.locator("#then-state")).to_contain_text(f"{day} {hour - 2:02d}:05")


@pytest.mark.parametrize("subject", ["workload", "file"])
def test_a_what_if_ends_in_a_sentence_a_table_and_curves(screen: Screen, subject: str, history: bytes) -> None:
    screen.page.goto(f"/what-if#{WORKLOAD}" if subject == "workload" else "/what-if")
    expect(screen.page.locator("#workload option")).to_have_count(3)
    screen.page.locator("[name=fleet]").check()
    screen.page.locator("[name=pod_hour_cost]").fill("0.05")
    if subject == "file":
        upload = {"name": "mine.csv", "mimeType": "text/csv", "buffer": history}
        screen.page.locator("#file").set_input_files(upload)  # type: ignore[arg-type]
        expect(screen.page.locator("#chosen")).to_contain_text("mine.csv")
    else:
        screen.page.locator("[name=days]").fill("7")
    screen.page.get_by_role("button", name="Replay").click()
    expect(screen.page.locator("#sentence")).to_be_visible(timeout=180_000)
    expect(screen.page.locator("#policies tbody tr")).to_have_count(4)
    expect(screen.page.locator("#plot .main-svg").first).to_be_visible()
    expect(screen.page.locator("#notice")).to_be_hidden()
    assert len(drawn(screen)) == 5
    assert "rediction" in screen.page.locator("#sentence").inner_text() or "forecast" in (
        screen.page.locator("#sentence").inner_text()
    )
    screen.picture(f"what-if-{subject}-{scheme(screen)}")
    assert findings(screen) == []


def test_a_file_that_cannot_be_used_is_refused_in_words(screen: Screen) -> None:
    screen.page.goto("/what-if")
    upload = {"name": "bad.csv", "mimeType": "text/csv", "buffer": b"time,load\n1,2\n"}
    screen.page.locator("#file").set_input_files(upload)  # type: ignore[arg-type]
    screen.page.get_by_role("button", name="Replay").click()
    expect(screen.page.locator("#notice")).to_contain_text("column named timestamp", timeout=60_000)
    screen.complaints[:] = [one for one in screen.complaints if "422" not in one]  # Chromium logs refused requests


def test_the_openapi_page_shows_every_operation_and_lets_one_be_tried(screen: Screen) -> None:
    screen.page.goto("/")
    screen.page.get_by_role("navigation", name="Main").get_by_role("link", name="API").click()
    operations = screen.page.locator(".opblock")
    expect(operations).to_have_count(17, timeout=60_000)
    one = screen.page.locator(".opblock", has=screen.page.locator("[data-path$='{name}/forecast']"))
    one.locator(".opblock-summary-control").press("Enter")
    expect(one.locator("pre.example").first).to_contain_text('"required_level": 0.952')
    screen.picture(f"api-{scheme(screen)}")
    assert findings(screen) == []
    one.get_by_role("button", name="Try it out").press("Enter")
    for parameter, value in (("namespace", "demo"), ("name", "web"), ("levels", "0.95")):
        one.locator(f"[data-param-name={parameter}] input").fill(value)
    one.get_by_role("button", name="Execute").press("Enter")
    expect(one.locator(".live-responses-table tr.response .response-col_status")).to_contain_text("200")
    expect(one.locator(".live-responses-table")).to_contain_text('"level": 0.95')


def test_axe_has_nothing_serious_to_say_of_the_fleet_and_a_workload(screen: Screen) -> None:
    open_workload(screen)
    assert findings(screen) == []


def test_a_narrow_screen_shows_all_without_scrolling_sideways(screen: Screen) -> None:
    screen.page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    pages = {
        "workload": (f"/#{WORKLOAD}", "#plot .main-svg"),
        "what-if": ("/what-if", "#question"),
        "api": ("/docs", ".opblock"),
    }
    for name, (path, shown) in pages.items():
        screen.page.goto(path)
        expect(screen.page.locator(shown).first).to_be_visible()
        wider = screen.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, path
        assert findings(screen) == [], path
        screen.picture(f"narrow-{name}-{scheme(screen)}")
