"""The service of `make run` and a real Chromium, once for the suite."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.e2e.harness.demo import ROOT, Demo, running_demo

PICTURES = ROOT / "build" / "pictures"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 800}


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's; `make test-browser` installs it where it is missing."""
    path = shutil.which("chromium")
    assert path, "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Screen:
    """A page and all that it complained about."""

    page: Page
    complaints: list[str]

    def picture(self, name: str) -> None:
        """For eyes: build/pictures/NAME.png."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@pytest.fixture(params=["light", "dark"])
def screen(request: pytest.FixtureRequest, chromium: Browser, demo: Demo) -> Iterator[Screen]:
    """A fresh window in one of the two schemes; any error in its console fails the test."""
    context = chromium.new_context(base_url=demo.url, color_scheme=request.param, viewport=WIDE, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    yield Screen(page, complaints)
    context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def history() -> bytes:
    """Four days of minutes with a daily rise, as a user would export them."""
    lines = ["timestamp,value"]
    start_s = 1_767_225_600
    for minute in range(4 * 1_440):
        rise = 60 if 480 <= minute % 1_440 < 600 else 10
        lines.append(f"{start_s + 60 * minute},{rise + minute % 7}")
    return "\n".join(lines).encode()
