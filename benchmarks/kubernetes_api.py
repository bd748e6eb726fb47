"""As much of kube-apiserver as delegated access control asks: reviews that are answered, and whom to trust.

`python -m benchmarks.kubernetes_api < config.json` prints its port. The real one is used in tests/e2e/cluster; here
it would take from the two cores what is to be measured.
"""

import json
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
NAME = "extension-apiserver-authentication"


@dataclass(frozen=True)
class Config:
    """wide: whether the caller may read all external metrics at once. review_seconds: what a review takes."""

    cert_file: str
    key_file: str
    client_ca: str
    requestheader_ca: str
    proxy_name: str
    wide: bool
    review_seconds: float = 0.003

    @property
    def config_map(self) -> dict[str, object]:
        """What kube-apiserver publishes for its extensions."""
        data = {
            "client-ca-file": self.client_ca,
            "requestheader-client-ca-file": self.requestheader_ca,
            "requestheader-allowed-names": json.dumps([self.proxy_name]),
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-uid-headers": '["X-Remote-Uid"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        }
        metadata = {"name": NAME, "namespace": "kube-system", "resourceVersion": "1"}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class Handler(BaseHTTPRequestHandler):
    """The four calls."""

    protocol_version = "HTTP/1.1"
    config: Config
    reviews = 0
    counting = threading.Lock()

    def do_GET(self) -> None:
        """The ConfigMap, or a watch on it that sees nothing."""
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if url.path == f"{CONFIG_MAPS}/{NAME}":
            self._answer(200, self.config.config_map)
        elif url.path == CONFIG_MAPS and asked.get("watch") == ["true"]:
            time.sleep(float(asked.get("timeoutSeconds", ["30"])[0]))
            self._send(200, b"")
        elif url.path == "/reviews":
            self._answer(200, {"reviews": Handler.reviews})
        else:
            self._answer(404, {"kind": "Status", "message": f"no {url.path} here", "code": 404})

    def do_POST(self) -> None:
        """A review of an access; tokens are nobody's here."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.counting:
            Handler.reviews += 1
        time.sleep(self.config.review_seconds)
        if body["kind"] == "TokenReview":
            self._answer(201, {**body, "status": {"authenticated": False}})
            return
        resource = body["spec"].get("resourceAttributes", {}).get("resource")
        self._answer(201, {**body, "status": {"allowed": resource != "*" or self.config.wide}})

    def _answer(self, status: int, content: object) -> None:
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


def main() -> None:
    """Serves until its standard input ends, that is, until whoever started it does."""
    config = Config(**json.loads(sys.stdin.readline()))
    Handler.config = config
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.cert_file, config.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    json.dump({"port": server.server_address[1]}, sys.stdout)
    print(flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
