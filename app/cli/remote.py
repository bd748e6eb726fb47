"""How a command asks a running service: its REST door, with a bearer token where it wants one."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import requests
import typer
from requests.adapters import HTTPAdapter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.errors import AppError, ConfigurationError

ServerOption = Annotated[
    str, typer.Option(envvar="FORESCALE_SERVER", help="Base URL of the service, such as of kubectl port-forward.")
]
TokenOption = Annotated[
    Path | None, typer.Option(envvar="FORESCALE_TOKEN_FILE", help="File with a bearer token (kubectl create token).")
]
CaOption = Annotated[
    Path | None, typer.Option(envvar="FORESCALE_CA_FILE", help="CA to verify the service with; default: the system's.")
]
WorkloadArgument = Annotated[str, typer.Argument(help="NAMESPACE/NAME of the LoadForecast.")]
NameOption = Annotated[
    str | None,
    typer.Option(envvar="FORESCALE_TLS_SERVER_NAME", help="Name in its certificate, if it is not that of the URL."),
]
DEFAULT_SERVER = "http://127.0.0.1:8080"

_TIMEOUT_SECONDS = 30.0
_LONGEST_SECONDS = 1_800.0
_FAILED_FROM = 400


class ServiceError(AppError):
    """The service did not answer as it should; the message says what it said, or how to reach it."""


@dataclass(frozen=True)
class Service:
    """A running service."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    tls_server_name: str | None = None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The answer of GET /api/v1..., waited for where it takes a while. Raises ServiceError."""
        return self._ask("GET", path, query, b"")

    def post(self, path: str, query: Mapping[str, str], *, csv: bytes = b"") -> Any:
        """Asks a question and gives its answer. Raises ServiceError."""
        return self._ask("POST", path, query, csv)

    def _ask(self, method: str, path: str, query: Mapping[str, str] | None, csv: bytes) -> Any:
        deadline = time.monotonic() + _LONGEST_SECONDS
        answer = self._send(method, f"/api/v1{path}", query, csv)
        if answer.status_code != requests.codes.accepted:
            return answer.json()
        columns = (TextColumn("the service works on it"), BarColumn(), TimeElapsedColumn())
        shown = sys.stderr.isatty()
        with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bar:
            task = bar.add_task("", total=1.0)
            while answer.status_code == requests.codes.accepted:
                if time.monotonic() > deadline:
                    raise ServiceError(f"no answer from {self.url} within {_LONGEST_SECONDS:.0f} s")
                bar.update(task, completed=float(answer.json()["progress"]))
                time.sleep(min(float(answer.headers.get("retry-after", 1)), 5))
                answer = self._send("GET", answer.headers["location"], None, b"")
        return answer.json()

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # a token goes where --server says, through no proxy of the environment
        if self.tls_server_name is not None:
            session.mount("https://", _NamedAdapter(self.tls_server_name))
        return session

    def _send(self, method: str, path: str, query: Mapping[str, str] | None, csv: bytes) -> requests.Response:
        headers = {"content-type": "text/csv"} if csv else {}
        if self.token_file is not None:
            headers["authorization"] = f"Bearer {_token(self.token_file)}"
        try:
            answer = self._session().request(
                method,
                self.url.rstrip("/") + path,
                params=query,
                data=csv or None,
                headers=headers,
                verify=str(self.ca_file) if self.ca_file else True,
                timeout=_TIMEOUT_SECONDS,
            )
        except requests.RequestException as error:
            text = f"{self.url} does not answer ({type(error).__name__}). Start `kubectl port-forward -n forescale "
            text += "svc/forescale 8443:443` and give --server https://127.0.0.1:8443 --tls-server-name "
            text += "forescale.forescale.svc with --ca-file and --token-file"
            raise ServiceError(text) from error
        if answer.status_code >= _FAILED_FROM:
            raise ServiceError(f"{answer.status_code}: {_words(answer)}")
        return answer


class _NamedAdapter(HTTPAdapter):
    """Verifies the certificate for a name of its own: a forwarded port on loopback is not what it was issued for."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """See HTTPAdapter."""
        super().init_poolmanager(*arguments, **named, server_hostname=self._name, assert_hostname=self._name)


def workload_path(workload: str) -> str:
    """Of the REST door, from NAMESPACE/NAME. Raises ConfigurationError."""
    namespace, separator, name = workload.partition("/")
    if not (namespace and separator and name) or "/" in name:
        raise ConfigurationError(f"{workload}: write NAMESPACE/NAME, as `forescale forecast` without a name lists them")
    return f"/namespaces/{namespace}/loadforecasts/{name}"


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"{path}: the token cannot be read: {error.strerror}") from error


def _words(answer: requests.Response) -> str:
    """A problem's detail, a Status' message, or the beginning of whatever it is."""
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:200]
    return str(body.get("detail") or body.get("message") or body) if isinstance(body, dict) else str(body)[:200]
