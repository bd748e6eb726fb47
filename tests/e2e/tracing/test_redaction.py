"""What must not be stored, sent through both tiers to a real Jaeger."""

import random

import pytest

from tests.e2e.harness.jaeger import Span
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLWl0"
SECRETS = {
    "gen_ai.tool.call.arguments": '{"card": "4111 1111 1111 1111"}',
    "gen_ai.tool.call.result": "the balance is 7",
    "gen_ai.input.messages": "my diagnosis",
    "http.request.header.authorization": f"Bearer {TOKEN}",
    "http.request.header.cookie": "session=abcdef",
    "db.password": "hunter2",
    "error.message": f"401 for Authorization: Bearer {TOKEN}",
    "note": f"token {TOKEN} expired",
    "url.full": "http://registry/v0.1/servers?access_token=s3cr3tvalue&limit=5",
}


@pytest.fixture(scope="module")
def stored(chain: Chain) -> list[Span]:
    call = Call(next(trace_ids(random.Random(31))), failed=True, extra=tuple(SECRETS.items()))
    Sender(chain.agent.http_port, server="secretive").send([call])
    return chain.jaeger.call(call.trace_id)


def test_no_argument_result_credential_or_message_is_stored(stored: list[Span]) -> None:
    text = str([dict(span.attributes) for span in stored])
    for secret in ("4111", "balance", "diagnosis", TOKEN, "eyJ", "abcdef", "hunter2", "s3cr3tvalue"):
        assert secret not in text, secret


def test_what_is_not_secret_stays(stored: list[Span]) -> None:
    for span in stored:
        assert span.attributes["gen_ai.tool.name"] == "search"
        assert span.attributes["error.message"] == "401 for Authorization: Bearer [redacted]"
        assert span.attributes["url.full"] == "http://registry/v0.1/servers?access_token=[redacted]&limit=5"
