"""An extension API server, as kube-apiserver sees one: `python -m tests.e2e.mesh.aggregated_api`.

It answers the discovery of external metrics over TLS of its own on 6443, and over plain HTTP on 8080, with the
certificate that lies in /certificate.
"""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = "/apis/external.metrics.k8s.io/v1beta1"
TLS_PORT, PLAIN_PORT = 6443, 8080
_CERTIFICATE = "/certificate"
_DISCOVERY = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "external.metrics.k8s.io/v1beta1",
    "resources": [],
}


class Handler(BaseHTTPRequestHandler):
    """The same answer to everybody."""

    def do_GET(self) -> None:
        body = json.dumps(_DISCOVERY).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    """Serves until it is ended."""
    secure = ThreadingHTTPServer(("0.0.0.0", TLS_PORT), Handler)  # the pod's only address
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{_CERTIFICATE}/tls.crt", f"{_CERTIFICATE}/tls.key")
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", PLAIN_PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
