"""Calls made from the OpenAPI document: nothing answers 5xx, and nothing answers what the document does not promise."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_asgi
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import app.serving.rest.economy_schemas as economy_schemas
import app.serving.rest.inquiry_schemas as inquiry_schemas
import app.serving.rest.problems as problems
import app.serving.rest.schemas as schemas
from app.inquiries import State, WhatIfQuestion, WhatIfTerms
from app.serving.rest.examples import EXAMPLES
from app.serving.rest.routes import rest_app
from app.snapshot import Snapshot, SnapshotStore
from tests.serving.rest_doubles import FixedClock, ScriptedInquiries

PROMISES = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


OPERATIONS = (
    "GET /workloads",
    "GET /namespaces/{namespace}/loadforecasts/{name}",
    "GET /namespaces/{namespace}/loadforecasts/{name}/forecast",
    "GET /namespaces/{namespace}/loadforecasts/{name}/quality",
    "GET /namespaces/{namespace}/loadforecasts/{name}/parts",
    "GET /namespaces/{namespace}/loadforecasts/{name}/drain",
    "GET /namespaces/{namespace}/loadforecasts/{name}/explanation",
    "POST /namespaces/{namespace}/loadforecasts/{name}/what-if",
    "GET /namespaces/{namespace}/loadforecasts/{name}/what-if/{identity}",
    "POST /what-if",
    "GET /what-if/{identity}",
    "GET /namespaces/{namespace}/loadforecasts/{name}/spot",
    "GET /namespaces/{namespace}/loadforecasts/{name}/savings",
    "GET /prices",
    "GET /expander/decisions",
    "GET /health",
    "GET /problems/{kind}",
)
KNOWN = {"namespace": "mcp", "name": "workload-00001", "identity": "0", "kind": "busy"}


@pytest.fixture(params=[State.RUNNING, State.FAILED])
def document(request: pytest.FixtureRequest, make_snapshot: Callable[..., Snapshot]) -> BaseSchema:
    inquiries = ScriptedInquiries()
    inquiries.state, inquiries.text = request.param, "scripted"
    inquiries.ask(WhatIfQuestion(WhatIfTerms(), csv=b"x"))
    return from_asgi("/openapi.json", rest_app(SnapshotStore(make_snapshot(3)), FixedClock(), inquiries))


def test_the_operations_are_those_of_the_document(document: BaseSchema) -> None:
    assert {one.ok().label for one in document.get_all_operations()} == set(OPERATIONS)


def test_every_answer_has_an_example_that_its_schema_accepts(document: BaseSchema) -> None:
    answers = {
        content["schema"]["$ref"].rpartition("/")[2]
        for path in document.raw_schema["paths"].values()
        for operation in path.values()
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
    }
    assert answers == set(EXAMPLES)
    for name, example in EXAMPLES.items():
        (model,) = {
            getattr(module, name)
            for module in (schemas, economy_schemas, inquiry_schemas, problems)
            if name in vars(module)
        }
        told = model.model_validate(example, strict=False).model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert told == example, name
        assert document.raw_schema["components"]["schemas"][name]["examples"] == [example]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("addressed", ["anything", "what there is"])
def test_every_call_gets_an_answer_that_the_document_promises(
    document: BaseSchema, operation: str, addressed: str
) -> None:
    method, path = operation.split()
    calls = document[path][method].as_strategy()

    @given(case=calls)
    @settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def called(case: Case) -> None:
        if addressed == "what there is":
            case.path_parameters.update({name: KNOWN[name] for name in case.path_parameters})
        case.call_and_validate(checks=PROMISES)

    called()
