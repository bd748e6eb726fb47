"""The page: complete without any other host, scripts only from files, sent small and sent once."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from app.serving.web.routes import STATIC, router

SCRIPTS = sorted(entry.name for entry in STATIC.iterdir() if entry.name.endswith(".js"))


def text_of(name: str) -> str:
    return (STATIC / name).read_text()


class Tags(HTMLParser):
    """All tags of a page with their attributes, and the text inside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.inline += data.strip()

    def values(self, attribute: str) -> list[str]:
        return [str(attributes[attribute]) for _, attributes in self.tags if attribute in attributes]


PAGES = ("index.html", "what-if.html", "docs.html")


@pytest.fixture
def page() -> Tags:
    """All pages: scripts are shared, so are the tests."""
    return Tags("".join(text_of(name) for name in PAGES))


@pytest.fixture
async def caller() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(docs_url=None)
    app.include_router(router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://forescale") as client:
        yield client


async def test_every_file_that_the_page_names_is_served_with_its_type(page: Tags, caller: httpx.AsyncClient) -> None:
    index = Tags((await caller.get("/")).text)
    named = [value for value in index.values("src") + index.values("href") if value.startswith("static/")]
    assert len(named) == 4
    for name in named:
        answer = await caller.get(f"/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].split(";")[0] in {"text/javascript", "text/css", "image/svg+xml"}


async def test_modules_import_only_modules_that_are_served(caller: httpx.AsyncClient) -> None:
    imported = {name for script in SCRIPTS for name in re.findall(r'from "\./([^"]+)"', text_of(script))}
    assert imported == set(SCRIPTS) - {"main.js", "what-if.js", "docs.js"}
    for name in imported:
        assert (await caller.get(f"/static/{name}")).status_code == 200


@pytest.mark.parametrize("name", [*PAGES, "style.css", "docs.css", *SCRIPTS])
def test_nothing_is_loaded_from_another_host(name: str) -> None:
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", text_of(name), re.IGNORECASE) == []


def test_addresses_are_relative_so_that_a_proxy_may_add_a_prefix(page: Tags) -> None:
    assert [value for value in page.values("src") + page.values("href") if value.startswith("/")] == []
    assert [name for name in SCRIPTS if re.search(r"fetch\([`\"']/", text_of(name))] == []


async def test_scripts_come_from_files_of_this_service_alone(page: Tags, caller: httpx.AsyncClient) -> None:
    policy = (await caller.get("/")).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'self'"
    assert "script-src" not in directives
    assert page.inline == ""
    assert [
        name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"
    ] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_never_becomes_markup(name: str) -> None:
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text_of(name)) == []


def test_scripts_find_the_elements_they_ask_for(page: Tags) -> None:
    asked = {found for name in SCRIPTS for found in re.findall(r'field\("([a-z-]+)"\)', text_of(name))}
    asked |= {found for name in SCRIPTS for found in re.findall(r'querySelector\("#([a-z-]+)', text_of(name))}
    assert len(asked) > 10
    assert asked - set(page.values("id")) == set()


def test_inputs_have_labels_and_tables_have_captions(page: Tags) -> None:
    names = [tag for tag, _ in page.tags]
    assert names.count("label") == sum(names.count(tag) for tag in ("input", "select", "progress"))
    assert names.count("caption") == names.count("table")
    assert ("html", {"lang": "en"}) in page.tags


@pytest.mark.parametrize(
    ("path", "name", "sent_bytes", "content"),
    [
        ("/", "plotly.min.js", 2_000_000, "plotly.js"),
        ("/docs", "swagger-ui-bundle.js", 500_000, "SwaggerUIBundle"),
        ("/docs", "swagger-ui.css", 50_000, ".swagger-ui"),
    ],
)
async def test_libraries_are_sent_compressed_and_kept_for_good(
    caller: httpx.AsyncClient, path: str, name: str, sent_bytes: int, content: str
) -> None:
    page = (await caller.get(path)).text
    (address,) = re.findall(rf'"(static/{re.escape(name)}\?v=[0-9.]+)"', page)
    answer = await caller.get(f"/{address}", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert int(answer.headers["content-length"]) < sent_bytes < len(answer.content)
    assert content in answer.text[:500]


async def test_a_caller_without_gzip_gets_the_same_file(caller: httpx.AsyncClient) -> None:
    answer = await caller.get("/static/main.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.text == text_of("main.js")


async def test_an_unchanged_file_is_not_sent_again(caller: httpx.AsyncClient) -> None:
    first = await caller.get("/static/style.css")
    assert first.headers["cache-control"] == "no-cache"
    again = await caller.get("/static/style.css", headers={"if-none-match": f"W/{first.headers['etag']}"})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["none.js", "..%2froutes.py", "index.html"])
async def test_only_the_page_s_files_are_served(caller: httpx.AsyncClient, name: str) -> None:
    assert (await caller.get(f"/static/{name}")).status_code == 404
