"""The custom resource and app/workloads/spec.py say the same, field by field; the status fits its schema."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, get_args, get_origin

import jsonschema
import numpy as np
import pytest
from annotated_types import Ge, Gt
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.cluster.conditions import rejected_status, served_status, waiting_status, with_transition_times
from app.reasons import Reason
from app.snapshot import row_view
from app.workloads.book import LeadTime, PodSizes
from app.workloads.calendar import Event
from app.workloads.fields import parse_moment
from app.workloads.nodes import LARGEST_LEVEL, LEAST_LEVEL
from app.workloads.spec import (
    GROUP,
    KIND,
    PLURAL,
    VERSION,
    LoadForecastSpec,
    parse_quantity,
)
from models.calendar import MAX_FACTOR, MIN_FACTOR

Schema = dict[str, Any]


@pytest.fixture
def crd(find: Callable[[str, str, str], Schema]) -> Schema:
    return find("base", "CustomResourceDefinition", f"{PLURAL}.{GROUP}")["spec"]


@pytest.fixture
def version(crd: Schema) -> Schema:
    assert len(crd["versions"]) == 1
    found: Schema = crd["versions"][0]
    return found


@pytest.fixture
def spec_schema(version: Schema) -> Schema:
    found: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@pytest.fixture
def status_schema(version: Schema) -> Schema:
    found: Schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    return found


def parts(model: type[BaseModel], schema: Schema, at: str = "spec") -> Iterator[tuple[str, type[BaseModel], Schema]]:
    """Each object of the specification: its path, pydantic's model and the schema's part."""
    yield at, model, schema
    for name, field in model.model_fields.items():
        alias = field.alias or name
        within = schema["properties"][alias]
        if get_origin(field.annotation) is list:
            within, alias = within.get("items"), f"{alias}[]"
        for one in (field.annotation, *get_args(field.annotation)):  # itself, a list's entries, an optional part
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from parts(one, within, f"{at}.{alias}")


def test_names_are_those_of_the_code(crd: Schema, version: Schema) -> None:
    assert (crd["group"], crd["names"]["kind"], crd["names"]["plural"]) == (GROUP, KIND, PLURAL)
    assert version["name"] == VERSION
    assert crd["names"]["shortNames"] == ["lf"]
    assert version["subresources"] == {"status": {}}


def test_fields_and_required_fields_are_the_same(spec_schema: Schema) -> None:
    for at, model, schema in parts(LoadForecastSpec, spec_schema):
        aliases = {field.alias or name: field for name, field in model.model_fields.items()}
        assert schema["properties"].keys() == aliases.keys(), at
        assert set(schema.get("required", [])) == {name for name, field in aliases.items() if field.is_required()}, at


def test_defaults_are_the_same(spec_schema: Schema) -> None:
    for at, model, schema in parts(LoadForecastSpec, spec_schema):
        for name, field in model.model_fields.items():
            if field.is_required():
                continue
            default = field.get_default(call_default_factory=True)
            within = schema["properties"][field.alias or name]
            described = within.get("default")
            if isinstance(described, str) and within.get("x-kubernetes-int-or-string"):
                described = parse_quantity(described)
            if f"{at}.{name}" == "spec.objective":
                assert described is None, "a default would be stored beside the other of the two"
                assert f"a missingPodPrice of {default.missing_pod_price:g}," in within["description"]
            elif isinstance(default, BaseModel):
                given = type(default).model_validate(described)
                assert given == default, f"{at}.{name}"
            elif isinstance(default, float) and isinstance(described, str):
                assert parse_quantity(described) == default, f"{at}.{name}"
            else:
                assert described == default, f"{at}.{name}"


def test_no_default_takes_a_side_where_exactly_one_of_two_is_needed(spec_schema: Schema) -> None:
    """It is stored and nobody owns it: applying the other one later would have both."""
    chosen = [node for node in walk(spec_schema) if any(") != has(" in rule for rule in rules(node))]
    assert len(chosen) == 2
    for node in chosen:
        assert "default" not in node
        sides = re.findall(r"has\(self\.(\w+)\)", next(rule for rule in rules(node) if ") != has(" in rule))
        assert [side for side in sides if "default" in node["properties"][side]] == []
    assert spec_schema["properties"]["objective"]["x-kubernetes-map-type"] == "atomic"


def test_no_quantity_may_be_negative_where_it_is_an_integer(spec_schema: Schema, status_schema: Schema) -> None:
    """The pattern holds for strings only."""
    found = [node for node in walk([spec_schema, status_schema]) if node.get("x-kubernetes-int-or-string")]
    least = re.compile(r"(isGreaterThan|^!quantity\(string\(self\)\)\.isLessThan)\(quantity\('[0-9.]+'\)\)")
    assert [node for node in found if not any(least.search(rule) for rule in rules(node))] == []


def test_quantities_have_the_least_value_that_they_have_in_the_code(spec_schema: Schema) -> None:
    wanted = {Gt(0): "quantity(string(self)).isGreaterThan(quantity('0'))"}
    wanted |= {Ge(0): "!quantity(string(self)).isLessThan(quantity('0'))"}
    least = [
        (f"{at}.{field.alias or name}", wanted[bound] in rules(schema["properties"][field.alias or name]))
        for at, model, schema in parts(LoadForecastSpec, spec_schema)
        for name, field in model.model_fields.items()
        for bound in field.metadata
        if field.annotation is float and bound in wanted
    ]
    assert len(least) == 6
    assert [path for path, same in least if not same] == []


def test_enumerations_and_bounds_are_the_same(spec_schema: Schema) -> None:
    names = {"minimum": "minimum", "maximum": "maximum", "minLength": "minLength", "maxLength": "maxLength"}
    for at, model, schema in parts(LoadForecastSpec, spec_schema):
        described = model.model_json_schema(by_alias=True)["properties"]
        for alias, given_ours in described.items():
            ours, theirs = required(given_ours), schema["properties"][alias]
            assert theirs.get("enum") == ours.get("enum"), f"{at}.{alias}"
            if ours.get("type") == "integer" or (ours.get("type") == "string" and "maxLength" in ours):
                for keyword in names:
                    assert theirs.get(keyword) == ours.get(keyword), f"{at}.{alias}.{keyword}"


def test_each_rule_of_the_code_has_its_rule_in_the_schema(spec_schema: Schema) -> None:
    """Whether the rules do what they say is shown by a real API server; here, that none is missing."""
    properties = spec_schema["properties"]
    assert "fallbackSeconds >= self.floorSeconds" in properties["lead"]["x-kubernetes-validations"][0]["rule"]
    assert "missingPodPrice) != has(" in properties["objective"]["x-kubernetes-validations"][0]["rule"]
    assert "self.maximum" in properties["bounds"]["x-kubernetes-validations"][0]["rule"]
    nodes = properties["nodes"]["properties"]
    assert "fallbackSeconds >= self.floorSeconds" in nodes["lead"]["x-kubernetes-validations"][0]["rule"]
    level = nodes["level"]["x-kubernetes-validations"][0]["rule"]
    assert f"isLessThan(quantity('{LEAST_LEVEL:g}'))" in level
    assert f"isGreaterThan(quantity('{LARGEST_LEVEL:g}'))" in level
    scaling = properties["capacityScaling"]
    assert "self.idle)).isLessThan(quantity(string(self.reference" in scaling["x-kubernetes-validations"][0]["rule"]
    assert "self.maxFactor)).isLessThan(quantity('1'" in scaling["x-kubernetes-validations"][1]["rule"]
    positive = [
        properties["capacityPerPod"],
        scaling["properties"]["reference"],
        scaling["properties"]["minFactor"],
        properties["objective"]["properties"]["missingPodPrice"],
        properties["objective"]["properties"]["overloadBudget"],
        properties["bounds"]["properties"]["maximum"],
        properties["costs"]["properties"]["podMinute"],
        properties["costs"]["properties"]["missedPodMinute"],
    ]
    assert all("isGreaterThan(quantity('0'))" in one["x-kubernetes-validations"][0]["rule"] for one in positive)
    either, both = (one["rule"] for one in properties["costs"]["x-kubernetes-validations"])
    assert "has(self.pool) && has(self.podMinute)" in either
    assert "!has(self.missedPodMinute) || has(self.pool) || has(self.podMinute)" in both
    whole = [one["rule"] for one in spec_schema["x-kubernetes-validations"]]
    assert any("has(self.scaleToZero)" in rule and "self.bounds.minimum" in rule for rule in whole)
    assert any("has(self.drain)" in rule and "'StatefulSet'" in rule for rule in whole)
    event = properties["calendar"]["properties"]["events"]["items"]
    assert "has(self.end) != has(self.durationMinutes)" in event["x-kubernetes-validations"][0]["rule"]
    factor = event["properties"]["factor"]["x-kubernetes-validations"][0]["rule"]
    assert f"isLessThan(quantity('{MIN_FACTOR:g}'))" in factor
    assert f"isGreaterThan(quantity('{MAX_FACTOR:g}'))" in factor


def test_lists_are_as_long_here_as_there(spec_schema: Schema) -> None:
    lengths = [
        (at, alias, ours["maxItems"], schema["properties"][alias].get("maxItems"))
        for at, model, schema in parts(LoadForecastSpec, spec_schema)
        for alias, ours in model.model_json_schema(by_alias=True)["properties"].items()
        if ours.get("type") == "array"
    ]
    assert len(lengths) == 4
    assert [one for one in lengths if one[2] != one[3]] == []


def test_optional_fields_of_an_event_have_the_same_bounds(spec_schema: Schema) -> None:
    item = spec_schema["properties"]["calendar"]["properties"]["events"]["items"]["properties"]
    for alias, ours in Event.model_json_schema(by_alias=True)["properties"].items():
        options = [one for one in ours.get("anyOf", []) if one.get("type") in ("integer", "string")]
        for keyword in ("minimum", "maximum", "minLength", "maxLength"):
            for one in options:
                if one["type"] == "integer" or "maxLength" in one:
                    assert item[alias].get(keyword) == one.get(keyword), f"{alias}.{keyword}"


MOMENT = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?$")


def test_all_times_have_the_one_pattern(spec_schema: Schema) -> None:
    event = spec_schema["properties"]["calendar"]["properties"]["events"]["items"]["properties"]
    assert {event[name]["pattern"] for name in ("start", "end")} == {MOMENT.pattern}
    assert event["exdates"]["items"]["pattern"] == MOMENT.pattern


@given(st.datetimes().filter(lambda one: 1970 <= one.year < 2200), st.sampled_from([10, 16, 19]))
def test_every_time_that_the_schema_lets_in_can_be_read(moment: datetime, length: int) -> None:
    text = moment.isoformat()[:length]
    assert MOMENT.fullmatch(text)
    assert parse_moment(text).isoformat().startswith(text)


QUANTITY = re.compile(r"^\+?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2}|m|k|M|G|Ki|Mi|Gi)?$")


def test_all_quantities_have_the_one_pattern(spec_schema: Schema, status_schema: Schema) -> None:
    found = [node for node in walk([spec_schema, status_schema]) if node.get("x-kubernetes-int-or-string")]
    assert len(found) == 18
    assert {node["pattern"] for node in found} == {QUANTITY.pattern}


@given(st.from_regex(QUANTITY, fullmatch=True).filter(lambda text: len(text) <= 32))
def test_every_quantity_that_the_schema_lets_in_can_be_read(text: str) -> None:
    assert parse_quantity(text) >= 0


@pytest.mark.parametrize("text", ["-1", "1.5.2", "NaN", "inf", "", "1 m", "1mm", "m", "1E", "٣"])
def test_what_is_no_quantity_is_let_in_by_neither(text: str) -> None:
    assert not QUANTITY.fullmatch(text)
    if text != "-1":
        with pytest.raises(ValueError, match="is not a"):
            parse_quantity(text)


def test_the_list_shows_what_an_operator_asks_first(version: Schema) -> None:
    columns = [one["name"] for one in version["additionalPrinterColumns"] if not one.get("priority")]
    assert columns == ["Target", "Served", "Demand", "Lead", "Acting", "Fresh", "Mode", "Age"]


@pytest.mark.parametrize("reason", [str(one) for one in Reason])
def test_every_status_that_is_written_fits_the_schema(
    status_schema: Schema, make_forecast: Any, make_snapshot: Any, reason: str
) -> None:
    forecast = make_forecast("web")
    served = np.array([np.nan if reason in ("NoData", "SourceUnavailable") else 1.5])
    snapshot = make_snapshot(forecasts=(forecast,), reason=(reason,), served=served)
    view = row_view(snapshot, 0, now=snapshot.cut_s + 5)
    lead = LeadTime(30, "Measured", 4)
    statuses = [
        served_status(view, cut_s=snapshot.cut_s, staleness_seconds=180, lead=lead),
        served_status(view, cut_s=1, staleness_seconds=180, lead=lead, sizes=PodSizes(7, 5.5, 0.5, 1.0)),
        waiting_status(generation=1, lead=lead),
        rejected_status("capacityPerPod: must be greater than 0", generation=1),
    ]
    for status in statuses:
        complete = with_transition_times(status, {}, now=1_700_000_000)
        merged = {name: value for name, value in complete.items() if value is not None}
        jsonschema.Draft202012Validator(closed(status_schema)).validate(merged)


def test_every_reason_has_a_sentence(make_snapshot: Any) -> None:
    for reason in Reason:
        snapshot = make_snapshot(1, reason=(str(reason),))
        view = row_view(snapshot, 0, now=snapshot.cut_s)
        status = served_status(view, cut_s=0, staleness_seconds=180, lead=LeadTime(30, "Measured"))
        assert status["conditions"][0]["message"].endswith("."), reason


def required(described: Schema) -> Schema:
    """A field without the possibility that it is not given."""
    options = [one for one in described.get("anyOf", []) if one != {"type": "null"}]
    return options[0] if len(options) == 1 else described


def rules(schema: Schema) -> list[str]:
    return [one["rule"] for one in schema.get("x-kubernetes-validations", [])]


def walk(node: Any) -> Iterator[Schema]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from walk(child)


def closed(schema: Schema) -> Schema:
    """The schema with unknown fields refused, which is what pruning them amounts to."""
    copy = {name: closed(value) if isinstance(value, dict) else value for name, value in schema.items()}
    if isinstance(copy.get("items"), dict):
        copy["items"] = closed(copy["items"])
    if "properties" in copy and copy.get("type") == "object":
        copy["additionalProperties"] = False
    return copy
