"""Reading the registry: pages, search, versions, as the official API v0.1 has it."""

from urllib.parse import quote

import pytest

from tests.samples.doubles import TOKEN, document

AUTH = {"Authorization": f"Bearer {TOKEN}"}
OFFICIAL = "io.modelcontextprotocol.registry/official"


async def publish(registry, *documents):
    for one in documents:
        answer = await registry.post("/v0.1/publish", json=one, headers=AUTH)
        assert answer.status_code == 200, answer.text


def versions_path(name, version=None):
    return f"/v0.1/servers/{quote(name, safe='')}/versions" + ("" if version is None else f"/{quote(version, safe='')}")


async def listed(registry, **query):
    answer = await registry.get("/v0.1/servers", params=query)
    assert answer.status_code == 200, answer.text
    return [(one["server"]["name"], one["server"]["version"]) for one in answer.json()["servers"]]


async def test_an_empty_registry_is_an_empty_page_without_a_cursor(registry):
    assert (await registry.get("/v0.1/servers")).json() == {"servers": [], "metadata": {"count": 0}}


async def test_what_was_published_is_given_back_with_the_registrys_data_beside_it(registry):
    sent = document(remotes=[{"type": "streamable-http", "url": "https://weather.example.com/mcp"}], extra={"kept": 1})
    await publish(registry, sent)
    (entry,) = (await registry.get("/v0.1/servers")).json()["servers"]
    assert entry["server"] == sent
    official = entry["_meta"][OFFICIAL]
    assert (official["status"], official["isLatest"]) == ("active", True)
    assert official["publishedAt"] == "2026-01-01T00:00:01Z"


async def test_pages_hold_every_version_once_also_when_one_is_published_meanwhile(registry):
    await publish(registry, *(document(f"com.example/s{number}") for number in range(7)))
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({} if cursor is None else {"cursor": cursor})
        page = (await registry.get("/v0.1/servers", params=query)).json()
        seen += [one["server"]["name"] for one in page["servers"]]
        assert page["metadata"]["count"] == len(page["servers"]) <= 3
        cursor = page["metadata"].get("nextCursor")
        if cursor is None:
            break
        await publish(registry, document(f"com.example/a{len(seen)}"))  # sorts before what was seen
    assert seen == [f"com.example/s{number}" for number in range(7)]


async def test_the_last_full_page_has_no_cursor(registry):
    await publish(registry, *(document(f"com.example/s{number}") for number in range(4)))
    page = (await registry.get("/v0.1/servers", params={"limit": 4})).json()
    assert "nextCursor" not in page["metadata"]


@pytest.mark.parametrize("cursor", ["nonsense", "WyJhIl0=", "W10="])
async def test_a_cursor_of_somebody_elses_is_refused(registry, cursor):
    answer = await registry.get("/v0.1/servers", params={"cursor": cursor})
    assert answer.status_code == 400
    assert "cursor" in answer.json()["error"]


@pytest.mark.parametrize("limit", ["0", "101", "many"])
async def test_a_limit_outside_1_to_100_is_refused(registry, limit):
    answer = await registry.get("/v0.1/servers", params={"limit": limit})
    assert answer.status_code == 422
    assert "limit" in answer.json()["error"]


async def test_search_ranks_names_before_titles_before_descriptions(registry):
    await publish(
        registry,
        document("com.example/by-description", description="About rain."),
        document("com.example/by-title", title="Rain"),
        document("com.example/some-rain"),
        document("com.example/rainy"),
        document("com.example/rain"),
        document("com.example/sun"),
    )
    names = [name.partition("/")[2] for name, _ in await listed(registry, search="RAIN")]
    assert names == ["rain", "rainy", "some-rain", "by-title", "by-description"]


async def test_ranked_pages_go_on_where_the_one_before_ended(registry):
    await publish(
        registry, document("com.example/z-rain"), document("com.example/rain"), document("com.example/a-rain")
    )
    first = (await registry.get("/v0.1/servers", params={"search": "rain", "limit": 1})).json()
    rest = await listed(registry, search="rain", cursor=first["metadata"]["nextCursor"])
    assert first["servers"][0]["server"]["name"] == "com.example/rain"
    assert [name for name, _ in rest] == ["com.example/a-rain", "com.example/z-rain"]


async def test_wildcards_of_the_database_are_plain_letters_in_a_search(registry):
    await publish(registry, document("com.example/plain"))
    assert await listed(registry, search="%") == []
    assert await listed(registry, search="pl_in") == []


async def test_latest_shows_one_version_a_server(registry):
    await publish(registry, *(document(version=version) for version in ("1.0.0", "1.2.0", "1.10.0")))
    assert await listed(registry, version="latest") == [("com.example/weather", "1.10.0")]
    assert await listed(registry, version="1.2.0") == [("com.example/weather", "1.2.0")]


async def test_updated_since_shows_what_changed_later_and_deleted_versions_too(registry):
    await publish(registry, document("com.example/old"), document("com.example/new"))
    _, new = (await registry.get("/v0.1/servers")).json()["servers"]
    assert new["server"]["name"] == "com.example/old"
    since = new["_meta"][OFFICIAL]["updatedAt"]
    path = versions_path("com.example/new", "1.0.0") + "/status"
    assert (await registry.patch(path, json={"status": "deleted"}, headers=AUTH)).status_code == 200
    assert await listed(registry, updated_since=since) == [("com.example/new", "1.0.0")]
    assert await listed(registry, updated_since=since.replace("Z", "+00:00")) == [("com.example/new", "1.0.0")]
    assert (await registry.get("/v0.1/servers", params={"updated_since": "yesterday"})).status_code == 422


async def test_versions_come_newest_first_under_the_encoded_name(registry):
    await publish(registry, *(document(version=version) for version in ("2.0.0", "1.0.0")))
    page = (await registry.get(versions_path("com.example/weather"))).json()
    assert [one["server"]["version"] for one in page["servers"]] == ["1.0.0", "2.0.0"]
    assert page["metadata"]["count"] == 2


async def test_a_version_is_found_by_its_name_or_as_the_latest(registry):
    await publish(registry, document(version="1.0.0+build.7"), document(version="0.9.0"))
    for asked in ("1.0.0+build.7", "latest"):
        answer = await registry.get(versions_path("com.example/weather", asked))
        assert answer.json()["server"]["version"] == "1.0.0+build.7"


@pytest.mark.parametrize("path", [versions_path("com.example/none"), versions_path("com.example/weather", "9.9.9")])
async def test_what_is_not_there_is_404_with_a_reason(registry, path):
    await publish(registry, document())
    answer = await registry.get(path)
    assert answer.status_code == 404
    assert "not found" in answer.json()["error"]


async def test_a_name_with_a_bare_slash_is_no_path_of_the_api(registry):
    await publish(registry, document())
    assert (await registry.get("/v0.1/servers/com.example/weather/versions")).status_code == 404


async def test_v0_answers_as_v0_1(registry):
    await publish(registry, document())
    assert (await registry.get("/v0/servers")).json() == (await registry.get("/v0.1/servers")).json()


async def test_health_says_whether_the_database_answers(registry):
    for path in ("/livez", "/readyz", "/v0.1/health", "/v0/health"):
        assert (await registry.get(path)).json() == {"status": "ok"}
