"""The OpenAPI document: valid, complete against the table of routes, its examples fit its schemas."""

import json
import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from callboard.tasks.registry import load
from web.access import RULES
from web.openapi.document import OPERATIONS, build, described
from web.openapi.reference import reference
from web.openapi.sample import sample
from web.problems import KINDS

TYPES = list(load(("actors",)))
DOCUMENT = build(TYPES, cookie="callboard_session", auth_required=True)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(m, path, each) for path, methods in DOCUMENT["paths"].items() for m, each in methods.items()]


def schemas_with_examples(node: Any) -> list[tuple[dict[str, Any], Any]]:
    """Return every media type's schema with each of its examples."""
    found: list[tuple[dict[str, Any], Any]] = []
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            found.append((node["schema"], node["example"]))
        if "schema" in node and isinstance(node.get("examples"), dict):
            found += [(node["schema"], each["value"]) for each in node["examples"].values()]
        for each in node.values():
            found += schemas_with_examples(each)
    elif isinstance(node, list):
        found += [pair for each in node for pair in schemas_with_examples(each)]
    return found


def check(value: Any, schema: dict[str, Any]) -> None:
    """Raise when a value does not fit a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_it_is_a_valid_document() -> None:
    validate(json.loads(json.dumps(DOCUMENT)))


def test_every_route_of_the_api_is_in_it_and_nothing_else() -> None:
    assert {route for route in RULES if described(route)} == set(OPERATIONS)
    assert len(operations()) == len(OPERATIONS)


def test_every_operation_has_its_own_id_words_and_an_answer_that_is_no_error() -> None:
    ids = [each["operationId"] for _, _, each in operations()]
    assert len(ids) == len(set(ids))
    for method, path, each in operations():
        assert each["summary"], path
        assert any(int(status) < 400 for status in each["responses"]), (method, path)


def test_every_parameter_of_a_path_is_described() -> None:
    for _, path, each in operations():
        told = [one["name"] for one in each["parameters"] if one["in"] == "path"]
        assert told == re.findall(r"\{(\w+)\}", path)


def test_every_route_says_which_role_it_needs_and_the_public_ones_that_they_need_none() -> None:
    for (method, path), rule in RULES.items():
        if described((method, path)):
            each = DOCUMENT["paths"][path]["get" if method == "WEBSOCKET" else method.lower()]
            assert bool(each["security"]) == (rule.role is not None), path
            assert ("401" in each["responses"]) == (rule.role is not None), path
            assert "key" in each["description"] or f"role `{rule.role}`" in each["description"], path


def test_without_authentication_a_key_is_one_way_of_several() -> None:
    document = build(TYPES, cookie="c", auth_required=False)
    assert {} in document["paths"]["/api/tasks"]["get"]["security"]
    assert {} not in DOCUMENT["paths"]["/api/tasks"]["get"]["security"]


def test_every_example_fits_its_schema() -> None:
    found = schemas_with_examples(DOCUMENT["paths"]) + schemas_with_examples(DOCUMENT["components"])
    assert len(found) > 60
    for schema, value in found:
        check(value, schema)


def test_a_submit_is_checked_against_the_parameters_of_its_type() -> None:
    media = DOCUMENT["paths"]["/api/tasks"]["post"]["requestBody"]["content"]["application/json"]
    assert set(media["examples"]) == {each.name for each in TYPES}
    check({"task_type": "reverse_text", "parameters": {"text": "a"}}, media["schema"])
    for bad in (
        {"task_type": "reverse_text", "parameters": {"text": 1}},
        {"task_type": "reverse_text", "parameters": {}},
        {"task_type": "unheard_of", "parameters": {}},
        {"task_type": "reverse_text", "parameters": {"text": "a"}, "prority": "high"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            check(bad, media["schema"])


def test_problems_are_those_that_the_service_has() -> None:
    for name, response in DOCUMENT["components"]["responses"].items():
        for kind, example in response["content"]["application/problem+json"]["examples"].items():
            assert KINDS[kind][0] == example["value"]["status"] == int(name.split("-")[0])


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "text"),
        ({"type": "integer", "examples": [7]}, 7),
        ({"enum": ["a", "b"]}, "a"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, 1.0),
        ({"type": "array", "items": {"$ref": "#/components/schemas/X"}}, [{"a": True}]),
        ({}, {}),
    ],
)
def test_a_sample_is_made_of_a_schema(schema: dict[str, Any], value: Any) -> None:
    components = {"X": {"type": "object", "properties": {"a": {"type": "boolean"}}}}
    assert sample(schema, components) == value


def test_commands_are_for_this_host_and_carry_a_key_where_one_is_needed() -> None:
    entries = {
        (each.method, each.path): each
        for group in reference(DOCUMENT, "https://tasks.example", True)
        for each in group.entries
    }
    assert entries["GET", "/healthz"].curl == 'curl -s "https://tasks.example/healthz"'
    cancel = entries["POST", "/api/tasks/{task_id}/cancel"].curl
    assert cancel.split(" \\\n  ") == [
        'curl -s "https://tasks.example/api/tasks/$TASK_ID/cancel"',
        "-X POST",
        '-H "Authorization: Bearer $CALLBOARD_KEY"',
    ]
    submit = entries["POST", "/api/tasks"]
    assert submit.curl == ""
    assert {each.name for each in submit.bodies} == {each.name for each in TYPES}
    assert entries["GET", "/api/events"].curl.startswith("curl -sN ")
    assert entries["POST", "/api/files"].curl.endswith("-F file=@data.csv")
    assert entries["WS", "/ws/tasks/{task_id}"].curl == ""
