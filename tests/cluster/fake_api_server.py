"""A kube-apiserver small enough to script: lists in pages, watches, patches, versions, failures on demand."""

import copy
import json
import queue
import re
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PATH = re.compile(
    r"^(?P<root>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[a-z]+)"
    r"(/(?P<name>[^/]+)(/(?P<sub>[a-z]+))?)?$"
)
_END = object()
Object = dict[str, Any]


class FakeApiServer:
    """Objects by (resource, namespace, name). `requests` records (method, path, query, headers, body)."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str], Any]] = []
        self.version = 100
        self.page_size = 500
        self.failures: deque[tuple[str, str, int]] = deque()
        self.opened: queue.Queue[str] = queue.Queue()  # one entry per watch that was opened: its resourceVersion
        self._watches: list[tuple[str, queue.Queue[Any]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet: two would wait for the client's delayed acknowledgement

            def log_message(self, *arguments: Any) -> None:
                """Says nothing."""

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return lambda: fake.answer(self)
                raise AttributeError(name)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.end_watches()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def put(self, resource: str, item: Object) -> Object:
        """Creates or replaces an object as an administrator would, and tells the watches."""
        with self.lock:
            self.version += 1
            metadata = item["metadata"]
            metadata.setdefault("uid", f"uid-{metadata['name']}")
            metadata["resourceVersion"] = str(self.version)
            key = (resource, metadata.get("namespace", ""), metadata["name"])
            kind = "MODIFIED" if key in self.objects else "ADDED"
            self.objects[key] = item
            self.emit(resource, {"type": kind, "object": item})
            return item

    def delete(self, resource: str, namespace: str, name: str) -> None:
        with self.lock:
            item = self.objects.pop((resource, namespace, name))
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            self.emit(resource, {"type": "DELETED", "object": item})

    def emit(self, resource: str, event: Object) -> None:
        with self.lock:
            for watched, events in self._watches:
                if watched == resource:
                    events.put(json.dumps(event).encode() + b"\n")

    def end_watches(self) -> None:
        with self.lock:
            watches, self._watches = self._watches, []
        for _, events in watches:
            events.put(_END)

    def fail_next(self, method: str, part_of_path: str, status: int) -> None:
        self.failures.append((method, part_of_path, status))

    def made(self, method: str, part_of_path: str) -> list[Any]:
        """Bodies of the requests that were made."""
        return [body for verb, path, _, _, body in self.requests if verb == method and part_of_path in path]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        split = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        with self.lock:
            self.requests.append(
                (
                    handler.command,
                    split.path,
                    query,
                    {name.lower(): value for name, value in handler.headers.items()},
                    body,
                )
            )
            failing = self.failures and self._matches(handler.command, split.path, query)
        found = _PATH.match(split.path)
        if failing:
            status = self.failures.popleft()[2]
            self._send(handler, status, {"kind": "Status", "message": f"scripted {status}", "code": status})
        elif found is None:
            self._send(handler, 404, {"kind": "Status", "message": "no such path", "code": 404})
        elif query.get("watch") == "true":
            self._watch(handler, found["resource"], query)
        else:
            applied = "apply-patch" in handler.headers.get("Content-Type", "")
            with self.lock:
                method = "APPLY" if applied else handler.command
                status, answer = self._act(method, found, query, body)
            self._send(handler, status, answer)

    def _matches(self, method: str, path: str, query: dict[str, str]) -> bool:
        wanted_method, part, _ = self.failures[0]
        method = "WATCH" if query.get("watch") == "true" else method
        return method == wanted_method and part in path

    def _act(self, method: str, found: re.Match[str], query: dict[str, str], body: Any) -> tuple[int, Object]:
        resource, namespace = found["resource"], found["namespace"] or ""
        if method == "GET" and not found["name"]:
            return 200, self._page(resource, namespace, query)
        name = found["name"] or body["metadata"]["name"]
        held = self.objects.get((resource, namespace, name))
        if held is None and method in ("POST", "APPLY"):
            return 201, self.put(resource, copy.deepcopy(body))
        if method == "POST":
            return 409, _status("it exists", 409)
        if held is None:
            return 404, _status(f'{resource} "{name}" not found', 404)
        if method == "GET":
            return 200, held
        return self._change(method, found, held, body)

    def _change(self, method: str, found: re.Match[str], held: Object, body: Any) -> tuple[int, Object]:
        resource = found["resource"]
        if method == "DELETE":
            self.delete(resource, found["namespace"] or "", found["name"])
            return 200, {"kind": "Status", "status": "Success"}
        given = body.get("metadata") or {}
        for field in ("uid", "resourceVersion"):
            if given.get(field) not in (None, held["metadata"][field]):
                return 409, _status(f"{field} is another", 409)
        if method == "PUT":
            return 200, self.put(resource, body)
        if found["sub"]:
            body = {found["sub"]: body[found["sub"]]}
        return 200, self.put(resource, _merged(held, body))

    def _page(self, resource: str, namespace: str, query: dict[str, str]) -> Object:
        matching = [one for key, one in sorted(self.objects.items()) if key[0] == resource]
        if "labelSelector" in query:
            label, _, value = query["labelSelector"].partition("=")
            matching = [one for one in matching if (one["metadata"].get("labels") or {}).get(label) == value]
        items = [one for one in matching if not namespace or one["metadata"].get("namespace") == namespace]
        size = min(int(query.get("limit", self.page_size)), self.page_size)
        start = int(query.get("continue", 0))
        metadata = {"resourceVersion": str(self.version)}
        if start + size < len(items):
            metadata["continue"] = str(start + size)
        return {"kind": "List", "metadata": metadata, "items": items[start : start + size]}

    def _watch(self, handler: BaseHTTPRequestHandler, resource: str, query: dict[str, str]) -> None:
        events: queue.Queue[Any] = queue.Queue()
        with self.lock:
            since = int(query["resourceVersion"])
            newer = [o for k, o in self.objects.items() if k[0] == resource]
            for item in newer:
                if int(item["metadata"]["resourceVersion"]) > since:
                    events.put(json.dumps({"type": "MODIFIED", "object": item}).encode() + b"\n")
            self._watches.append((resource, events))
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()
        self.opened.put(query["resourceVersion"])
        while (line := events.get()) is not _END:
            half = len(line) // 2  # an event need not arrive in one piece
            for piece in (line[:half], line[half:]):
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                handler.wfile.flush()
        handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()
        handler.close_connection = True

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, answer: Object) -> None:
        raw = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(raw)))
        if status in (429, 503):
            handler.send_header("Retry-After", "1")
        handler.end_headers()
        handler.wfile.write(raw)


def _status(message: str, code: int) -> Object:
    return {"kind": "Status", "message": message, "code": code}


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
