"""The page and its files. All data come from REST v1, asked for by the page's own scripts.

Nothing is loaded from elsewhere: the JavaScript of the plot library and of Swagger UI is taken out of Python packages.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from threading import Lock

from fastapi import APIRouter, Request, Response

STATIC = files("app.serving.web") / "static"
PAGES: Mapping[str, str] = {"/": "index.html", "/what-if": "what-if.html", "/docs": "docs.html"}
PLOTLY = "plotly.min.js"
SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")

# Both libraries put a few styles into the page itself; scripts may come from here alone.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "vary": "accept-encoding",
}
_FRESH = "no-cache"  # asked for each time, answered with 304 while unchanged
_FOREVER = "public, max-age=31536000, immutable"  # its address carries its version
_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass
class Asset:
    """One file, read and compressed at its first use; `gzipped` is kept, plain bytes only while they are sent."""

    source: Traversable
    cache: str = _FRESH
    replace: Mapping[bytes, bytes] = field(default_factory=dict)
    _gzipped: bytes | None = None
    _etag: str = ""
    _lock: Lock = field(default_factory=Lock)

    @property
    def media_type(self) -> str:
        """By the file's ending."""
        return _TYPES["." + self.source.name.rpartition(".")[2]]

    def prepared(self) -> tuple[bytes, str]:
        """Compressed content and ETag. Blocking at first use (half a second for the plot library)."""
        with self._lock:
            if self._gzipped is None:
                plain = self.source.read_bytes()
                for placeholder, value in self.replace.items():
                    plain = plain.replace(placeholder, value)
                self._etag = f'"{hashlib.sha256(plain).hexdigest()[:16]}"'
                self._gzipped = gzip.compress(plain, 6, mtime=0)
            return self._gzipped, self._etag

    async def answer(self, request: Request) -> Response:
        """The file, or 304; compressed unless the caller cannot take it."""
        gzipped, etag = await asyncio.to_thread(self.prepared)
        headers = {**_SAFE, "etag": etag, "cache-control": self.cache, "content-type": self.media_type}
        if request.headers.get("if-none-match", "").removeprefix("W/") == etag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(gzipped, headers={**headers, "content-encoding": "gzip"})
        return Response(await asyncio.to_thread(gzip.decompress, gzipped), headers=headers)


def router() -> APIRouter:
    """GET / and its pages, and GET /static/{name}."""
    versions = {b"PLOTLY_VERSION": version("plotly").encode(), b"SWAGGER_VERSION": version("fastapi-offline").encode()}
    pages = {path: Asset(STATIC / name, replace=versions) for path, name in PAGES.items()}
    assets = {entry.name: Asset(entry) for entry in STATIC.iterdir() if not entry.name.endswith(".html")}
    assets[PLOTLY] = Asset(files("plotly") / "package_data" / PLOTLY, cache=_FOREVER)
    assets |= {name: Asset(files("fastapi_offline") / "static" / name, cache=_FOREVER) for name in SWAGGER}
    routes = APIRouter()

    async def page(request: Request) -> Response:
        return await pages[request.url.path].answer(request)

    for path in pages:
        routes.add_api_route(path, page, include_in_schema=False)

    @routes.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        if name not in assets:
            return Response("no such file\n", status_code=404, media_type="text/plain", headers=_SAFE)
        return await assets[name].answer(request)

    return routes
