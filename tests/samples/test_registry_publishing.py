"""Writing to the registry: who may, what is refused, how versions are corrected, deprecated and deleted."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from examples.mcp.registry.access import Tokens
from examples.mcp.registry.app import create_app
from examples.mcp.registry.documents import PUBLISHER, SCHEMA, ServerJson
from examples.mcp.registry.store import Filter, RefusedError, Store
from tests.samples.doubles import OTHERS_TOKEN, TOKEN, Ticking, document
from tests.samples.test_registry_reading import OFFICIAL, listed, versions_path

ALL_VERSIONS = "/v0.1/servers/com.example%2Fweather/status"
PACKAGE = {"registryType": "pypi", "identifier": "a", "transport": {"type": "stdio"}}
AUTH = {"Authorization": f"Bearer {TOKEN}"}


async def put_in(registry, **fields):
    return await registry.post("/v0.1/publish", json=document(**fields), headers=AUTH)


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
async def test_nobody_publishes_without_a_known_token(registry, header):
    headers = {} if header is None else {"Authorization": header}
    answer = await registry.post("/v0.1/publish", json=document(), headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert await listed(registry) == []


async def test_a_token_writes_only_names_of_its_own(registry):
    headers = {"Authorization": f"Bearer {OTHERS_TOKEN}"}
    path = versions_path("com.example/weather", "1.0.0")
    assert (await put_in(registry)).status_code == 200
    answers = [
        await registry.post("/v0.1/publish", json=document(version="2.0.0"), headers=headers),
        await registry.put(path, json=document(), headers=headers),
        await registry.patch(f"{path}/status", json={"status": "deleted"}, headers=headers),
        await registry.patch(ALL_VERSIONS, json={"status": "deleted"}, headers=headers),
    ]
    assert [one.status_code for one in answers] == [403] * 4


async def test_a_registry_without_tokens_is_read_only():
    app = create_app(Store("sqlite://"), tokens=Tokens())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry.test") as client:
        answer = await client.post("/v0.1/publish", json=document(), headers=AUTH)
        assert answer.status_code == 501
        assert (await client.get("/v0.1/servers")).status_code == 200


@pytest.mark.parametrize("place", ["in memory", "in a file"])
def test_what_others_are_refused_meanwhile_takes_nothing_from_a_publication(place, tmp_path):
    store = Store("sqlite://" if place == "in memory" else f"sqlite:///{tmp_path / 'registry.db'}")
    names = [f"com.example/server-{index}" for index in range(60)]

    def published(name):
        store.publish(ServerJson.model_validate(document(name=name, remotes=[])))
        with pytest.raises(RefusedError, match="published already"):
            store.publish(ServerJson.model_validate(document(name=name, remotes=[])))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(published, names))
    kept = store.page(Filter(version="latest"), cursor=None, limit=100).versions
    store.close()
    assert sorted(one.name for one in kept) == sorted(names)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "no-slash", "name"),
        ("name", "com.example/two/slashes", "name"),
        ("name", "com_example/weather", "name"),
        ("name", "c/" + "x" * 199, "name"),
        ("description", "", "description"),
        ("description", "x" * 101, "description"),
        ("title", "x" * 101, "title"),
        ("version", "latest", "'latest'"),
        ("version", "^1.2.3", "range"),
        ("version", "~1.2.3", "range"),
        ("version", ">=1.2.3", "range"),
        ("version", "1.x", "range"),
        ("version", "1.*", "range"),
        ("version", "1.0 || 2.0", "range"),
        ("version", "x" * 256, "version"),
        ("$schema", "https://example.com/other.json", "$schema"),
        ("websiteUrl", "no url", "websiteUrl"),
        ("repository", {"url": "https://example.com/r"}, "repository.source"),
        ("remotes", [{"type": "stdio", "url": "https://example.com"}], "remotes.0.type"),
        ("remotes", [{"type": "sse", "url": "ftp://example.com"}], "remotes.0.url"),
        ("remotes", [{"type": "sse"}], "remotes.0.url"),
        ("packages", [{"registryType": "pypi", "identifier": "a"}], "packages.0.transport"),
        ("packages", [PACKAGE | {"transport": {"type": "sse"}}], "needs a url"),
        (
            "packages",
            [PACKAGE | {"version": "latest"}],
            "latest",
        ),
        (
            "packages",
            [PACKAGE | {"fileSha256": "AB"}],
            "fileSha256",
        ),
        ("icons", [{"src": "http://example.com/i.png"}], "icons.0.src"),
        ("icons", [{"src": "https://example.com/i.png", "sizes": ["big"]}], "icons.0.sizes"),
        ("_meta", {PUBLISHER: {"text": "x" * 4096}}, "4096"),
    ],
)
async def test_what_breaks_the_schema_is_refused_and_the_field_is_named(registry, field, value, told):
    answer = await registry.post("/v0.1/publish", json={**document(), field: value}, headers=AUTH)
    assert answer.status_code == 422, answer.text
    assert told in answer.json()["error"]
    assert await listed(registry) == []


@pytest.mark.parametrize("missing", ["name", "description", "version"])
async def test_name_description_and_version_are_required(registry, missing):
    body = document()
    del body[missing]
    answer = await registry.post("/v0.1/publish", json=body, headers=AUTH)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, missing)


@pytest.mark.parametrize(
    "fields",
    [
        {"$schema": SCHEMA},
        {"version": "2021.03.15"},
        {"version": "v1-final"},
        {"version": "1.0.0-alpha.x.1"},
        {"remotes": [{"type": "streamable-http", "url": "{base}/mcp", "variables": {"base": {"isRequired": True}}}]},
        {"packages": [{"registryType": "oci", "identifier": "example/weather:1", "transport": {"type": "stdio"}}]},
        {"icons": [{"src": "https://example.com/i.svg", "sizes": ["any", "48x48"], "theme": "dark"}]},
    ],
)
async def test_what_the_schema_allows_is_published(registry, fields):
    answer = await put_in(registry, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["server"] == document(**fields)


async def test_of_metadata_only_the_publishers_own_is_kept(registry):
    answer = await put_in(registry, _meta={PUBLISHER: {"tool": "ci"}, OFFICIAL: {"isLatest": False}})
    assert answer.json()["server"]["_meta"] == {PUBLISHER: {"tool": "ci"}}


async def test_a_version_is_published_once(registry):
    assert (await put_in(registry)).status_code == 200
    again = await put_in(registry, description="Other words.")
    assert again.status_code == 400
    assert "published already" in again.json()["error"]


async def test_an_address_belongs_to_one_server(registry):
    remotes = [{"type": "streamable-http", "url": "https://example.com/mcp"}]
    assert (await put_in(registry, remotes=remotes)).status_code == 200
    assert (await put_in(registry, version="1.0.1", remotes=remotes)).status_code == 200
    other = await put_in(registry, name="com.example/copy", remotes=remotes)
    assert other.status_code == 400
    assert "com.example/weather" in other.json()["error"]


async def test_an_edit_corrects_all_but_name_and_version(registry):
    await put_in(registry)
    path = versions_path("com.example/weather", "1.0.0")
    edited = await registry.put(path, json=document(description="Corrected."), headers=AUTH)
    assert edited.json()["server"]["description"] == "Corrected."
    official = edited.json()["_meta"][OFFICIAL]
    assert official["publishedAt"] < official["updatedAt"]
    renamed = await registry.put(path, json=document(version="1.0.1"), headers=AUTH)
    assert renamed.status_code == 400
    missing = await registry.put(
        versions_path("com.example/none", "1.0.0"), json=document("com.example/none"), headers=AUTH
    )
    assert missing.status_code == 404


async def test_an_edit_gives_an_address_up(registry):
    remotes = [{"type": "streamable-http", "url": "https://example.com/mcp"}]
    await put_in(registry, remotes=remotes)
    await registry.put(versions_path("com.example/weather", "1.0.0"), json=document(), headers=AUTH)
    assert (await put_in(registry, name="com.example/copy", remotes=remotes)).status_code == 200


async def test_a_deprecated_version_is_shown_with_its_message(registry):
    await put_in(registry)
    path = versions_path("com.example/weather", "1.0.0")
    change = {"status": "deprecated", "statusMessage": "use 2"}
    answer = await registry.patch(f"{path}/status", json=change, headers=AUTH)
    official = (await registry.get(path)).json()["_meta"][OFFICIAL]
    assert answer.status_code == 200
    assert (official["status"], official["statusMessage"]) == ("deprecated", "use 2")
    assert official["statusChangedAt"] > official["publishedAt"]


async def test_a_deleted_version_is_shown_only_to_who_asks_for_it_and_can_be_restored(registry):
    await put_in(registry)
    await put_in(registry, version="2.0.0")
    path = versions_path("com.example/weather", "2.0.0")
    await registry.patch(f"{path}/status", json={"status": "deleted"}, headers=AUTH)
    assert await listed(registry) == [("com.example/weather", "1.0.0")]
    assert len(await listed(registry, include_deleted=True)) == 2
    assert (await registry.get(path)).status_code == 404
    assert (await registry.get(path, params={"include_deleted": True})).status_code == 200
    latest = (await registry.get(versions_path("com.example/weather", "latest"))).json()["server"]["version"]
    assert latest == "1.0.0"
    await registry.patch(f"{path}/status", json={"status": "active"}, headers=AUTH)
    assert (await registry.get(versions_path("com.example/weather", "latest"))).json()["server"]["version"] == "2.0.0"


async def test_all_versions_change_together(registry):
    for version in ("1.0.0", "2.0.0"):
        await put_in(registry, version=version)
    answer = await registry.patch(ALL_VERSIONS, json={"status": "deleted"}, headers=AUTH)
    assert answer.json()["updatedCount"] == 2
    assert (await registry.get(versions_path("com.example/weather"))).status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"status": "active"}, 400),
        ({"status": "gone"}, 422),
        ({"status": "active", "statusMessage": "fine"}, 422),
        ({"status": "deprecated", "statusMessage": "x" * 501}, 422),
        ({}, 422),
    ],
)
async def test_a_change_that_changes_nothing_or_is_none_is_refused(registry, change, status):
    await put_in(registry)
    path = versions_path("com.example/weather", "1.0.0")
    assert (await registry.patch(f"{path}/status", json=change, headers=AUTH)).status_code == status


async def test_what_is_in_a_file_survives_the_process(tmp_path, tokens):
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    first = Store(url, now=Ticking())
    transport = httpx.ASGITransport(create_app(first, tokens=tokens))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        assert (await put_in(client)).status_code == 200
    first.close()
    second = Store(url)
    assert second.version("com.example/weather", "latest").version == "1.0.0"
    second.close()


def test_a_line_of_tokens_without_a_pattern_is_an_error(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("only-a-token\n")
    with pytest.raises(ValueError, match="pattern of names"):
        Tokens.read(file)
