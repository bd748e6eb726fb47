"""Commands that ask a running service: over loopback HTTP, with what a person and a program read, and exit codes."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
import yaml
from fastapi import FastAPI, Request, Response
from typer.testing import CliRunner

from app.cli.__main__ import application
from app.inquiries import State
from app.serving.rest.routes import rest_app
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.rest_doubles import FixedClock, ScriptedInquiries
from tests.serving.test_rest_inquiries import an_answer

cli = application()

ONE = "mcp/workload-00001"


@dataclass
class Served:
    """The REST door on a port, and what it was sent."""

    url: str
    inquiries: ScriptedInquiries
    store: SnapshotStore
    authorizations: list[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "FORESCALE_SERVER": self.url})
        found = runner.invoke(cli, list(words))
        return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def served(make_snapshot: Callable[..., Snapshot]) -> Iterator[Served]:
    inquiries, store, seen = ScriptedInquiries(), SnapshotStore(make_snapshot(3)), []
    inquiries.progress = 0.5
    app = FastAPI()

    @app.middleware("http")
    async def note(request: Request, call_next: Callable[..., object]) -> Response:
        seen.append(request.headers.get("authorization", ""))
        answer: Response = await call_next(request)  # type: ignore[misc]
        if answer.status_code == 202:  # done when it is asked for again, and at once
            answer.headers["retry-after"] = "0"
            inquiries.state = State.DONE
        return answer

    app.mount("/api/v1", rest_app(store, FixedClock(), inquiries))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:  # bound, but not listening yet
            thread.join(0.01)
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", inquiries, store, seen)
        server.should_exit = True
        thread.join()


def test_all_workloads_are_listed_with_what_is_served(served: Served) -> None:
    code, text, _ = served.run("forecast")
    assert code == 0
    assert "3 workloads" in text
    assert "mcp/workload-00002" in text
    assert "ForecastActs" in text


def test_a_forecast_is_a_table_or_a_document(served: Served) -> None:
    code, text, _ = served.run("forecast", ONE, "--horizon", "600", "--step", "300")
    assert code == 0
    assert text.count("2023-11-14 22:") == 2
    assert "served: 21 (ForecastActs); required: 21" in text
    found = yaml.safe_load(served.run("forecast", ONE, "--output", "yaml")[1])
    assert (found["served"], len(found["forecast"]["quantiles"])) == (21.0, 3)


@pytest.mark.parametrize("words", [("forecast",), ("forecast", ONE), ("explain", ONE), ("what-if", ONE)])
def test_programs_get_the_same_in_json_and_in_yaml(served: Served, words: tuple[str, ...]) -> None:
    served.inquiries.answer = an_answer()
    as_json, as_yaml = (served.run(*words, "--output", form)[1] for form in ("json", "yaml"))
    assert json.loads(as_json) == yaml.safe_load(as_yaml)


def test_an_explanation_names_every_step_and_of_a_past_time_says_so(
    served: Served, make_snapshot: Callable[..., Snapshot]
) -> None:
    code, text, _ = served.run("explain", ONE)
    assert code == 0
    assert text.startswith("mcp/workload-00001: 21, as of 2023-11-14T22:13:30Z\n")
    assert "season would provide for 24 requests/s (75%)" in text
    served.inquiries.answer = make_snapshot(1, cut_s=1_699_999_485)
    code, text, _ = served.run("explain", ONE, "--at", "2023-11-14T22:05:00+00:00")
    assert code == 0
    assert "computed anew from the history up to then" in text
    assert served.run("explain", ONE, "--at", "2023-11-14T22:05:00+00:00", "--lead-seconds", "77")[0] == 0
    assert served.inquiries.questions[-1].lead_seconds == 77


def test_a_refused_number_has_an_exit_code_of_its_own(served: Served, make_snapshot: Callable[..., Snapshot]) -> None:
    served.store.replace(make_snapshot(3, served=[float("nan")] * 3, reason=("NoData",) * 3))
    code, text, _ = served.run("explain", ONE)
    assert (code, "nothing" in text) == (3, True)
    assert served.run("forecast", ONE)[0] == 3


def test_a_what_if_of_a_workload_is_waited_for_and_told(served: Served) -> None:
    served.inquiries.answer = an_answer()
    code, text, _ = served.run("what-if", ONE, "--lead", "3", "--days", "7")
    assert code == 0
    assert "some policy" in text
    assert "It would have helped." in text
    (question,) = served.inquiries.questions
    assert question.terms.lead_minutes == 3  # type: ignore[union-attr]
    document = json.loads(served.run("what-if", ONE, "--output", "json")[1])
    assert document["gap_closed"] == 0.5
    assert "curves" not in document


def test_a_token_is_sent_and_read_anew(served: Served, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    assert served.run("forecast", "--token-file", str(token))[0] == 0
    assert served.authorizations[-1] == "Bearer secret"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("forecast", "mcp/none"), "There is no LoadForecast mcp/none"),
        (("forecast", "workload-00001"), "NAMESPACE/NAME"),
        (("explain", ONE, "--at", "yesterday"), "2026-01-31T14:05"),
        (("explain", ONE, "--lead-seconds", "77"), "--at"),
        (("explain", ONE, "--server", "http://127.0.0.1:1"), "kubectl port-forward"),
        (("forecast", "--token-file", "/nowhere"), "cannot be read"),
        (("what-if", "no-such-file.csv"), "no-such-file.csv"),
    ],
)
def test_what_went_wrong_is_said_with_what_to_do(served: Served, words: tuple[str, ...], text: str) -> None:
    code, _, errors = served.run(*words)
    assert code == 1
    assert text in errors
