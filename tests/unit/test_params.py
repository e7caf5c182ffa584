"""Parameters: what is refused, and to which field the refusal points."""

from typing import Annotated, Any

import pytest
from msgspec import Meta

from callboard.errors import FieldProblem, ValidationFailed
from callboard.tasks.params import Invalid, Params, convert, escape_pointer, example, json_schema


class Part(Params):
    number: Annotated[int, Meta(ge=1, le=5)]

    def __post_init__(self) -> None:
        if self.number == 3:
            raise Invalid("number", "is three")


class Order(Params):
    """An order."""

    text: Annotated[str, Meta(max_length=3, examples=["abc"], description="What to write.")]
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] | None = None
    codes: dict[Annotated[str, Meta(max_length=2)], int] | None = None
    ratio: float = 1.0


class Pair(Params):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise Invalid("high", "is below low")


class Tree(Params):
    children: "tuple[Tree, ...]" = ()


def problem(value: Any, into: type[Params] = Order, prefix: str = "/parameters") -> FieldProblem:
    with pytest.raises(ValidationFailed) as caught:
        convert(value, into, prefix)
    (only,) = caught.value.problems
    return only


def test_valid_parameters_become_an_instance_with_its_defaults() -> None:
    order = convert({"text": "abc", "parts": [{"number": 1}]}, Order)
    assert order == Order(text="abc", parts=(Part(number=1),), ratio=1.0)


def test_a_missing_field_is_named() -> None:
    assert problem({}) == FieldProblem("/parameters/text", "is required")


def test_an_unknown_field_is_named() -> None:
    assert problem({"text": "a", "txet": 1}) == FieldProblem(
        "/parameters/txet", "is not a known field; check its spelling"
    )


@pytest.mark.parametrize(
    ("value", "pointer", "detail"),
    [
        ({"text": 1}, "/parameters/text", "Expected `str`, got `int`"),
        ({"text": None}, "/parameters/text", "Expected `str`, got `null`"),
        ({"text": "abcd"}, "/parameters/text", "Expected `str` of length <= 3"),
        ({"text": "a", "ratio": "1"}, "/parameters/ratio", "Expected `float`, got `str`"),
        ({"text": "a", "part": {"number": 9}}, "/parameters/part/number", "Expected `int` <= 5"),
        ({"text": "a", "part": {"number": True}}, "/parameters/part/number", "Expected `int`, got `bool`"),
        ({"text": "a", "part": {}}, "/parameters/part/number", "is required"),
        ({"text": "a", "parts": {}}, "/parameters/parts", "Expected `array`, got `object`"),
        (
            {"text": "a", "parts": [{"number": 1}, {"number": "1"}]},
            "/parameters/parts/1/number",
            "Expected `int`, got `str`",
        ),
        (
            {"text": "a", "parts": [{"number": 1, "extra": 2}]},
            "/parameters/parts/0/extra",
            "is not a known field; check its spelling",
        ),
        ([], "/parameters", "Expected `object`, got `array`"),
        (None, "/parameters", "Expected `object`, got `null`"),
        ("text", "/parameters", "Expected `object`, got `str`"),
    ],
)
def test_a_wrong_value_is_pointed_at(value: Any, pointer: str, detail: str) -> None:
    assert problem(value) == FieldProblem(pointer, detail)


def test_no_value_is_coerced_into_another_type() -> None:
    assert problem({"low": "1", "high": 2}, Pair).pointer == "/parameters/low"
    assert problem({"low": 1.5, "high": 2}, Pair).pointer == "/parameters/low"
    assert problem({"low": False, "high": 2}, Pair).pointer == "/parameters/low"


def test_a_check_across_fields_points_at_the_field_it_names() -> None:
    assert problem({"low": 2, "high": 1}, Pair) == FieldProblem("/parameters/high", "is below low")


def test_a_check_of_a_nested_struct_points_into_it() -> None:
    assert problem({"text": "a", "part": {"number": 3}}) == FieldProblem(
        "/parameters/part/number", "is three"
    )
    assert problem({"text": "a", "parts": [{"number": 1}, {"number": 3}]}) == FieldProblem(
        "/parameters/parts/1/number", "is three"
    )


def test_a_problem_of_an_object_with_free_keys_points_at_the_object() -> None:
    assert problem({"text": "a", "by_name": {"x.y": {"number": 9}}}).pointer == "/parameters/by_name/number"
    assert problem({"text": "a", "codes": {"a": "1"}}).pointer == "/parameters/codes"


def test_a_wrong_key_of_an_object_points_at_the_object() -> None:
    assert problem({"text": "a", "codes": {"abc": 1}}) == FieldProblem(
        "/parameters/codes", "Expected `str` of length <= 2 as every key"
    )


def test_without_a_prefix_the_pointer_starts_at_the_value_itself() -> None:
    assert problem({}, prefix="").pointer == "/text"
    assert problem([], prefix="").pointer == ""


def test_field_names_are_escaped_in_the_pointer() -> None:
    assert escape_pointer("a/b~c") == "a~1b~0c"
    assert problem({"text": "a", "a/b~c": 1}).pointer == "/parameters/a~1b~0c"


def test_a_value_nested_without_end_is_refused_and_does_not_crash() -> None:
    bomb: dict[str, Any] = {}
    for _ in range(50_000):
        bomb = {"children": [bomb]}
    assert problem(bomb, Tree) == FieldProblem("/parameters", "is nested too deeply")


def test_the_problem_reads_well_as_the_errors_message() -> None:
    with pytest.raises(ValidationFailed, match=r"^/parameters/text: is required$"):
        convert({}, Order, "/parameters")


def test_the_schema_is_self_contained_and_tells_bounds_defaults_and_words() -> None:
    schema = json_schema(Order)
    assert schema["properties"]["text"] == {
        "type": "string", "maxLength": 3, "examples": ["abc"], "description": "What to write.",
    }  # fmt: skip
    assert schema["properties"]["ratio"] == {"type": "number", "default": 1.0}
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False
    assert schema["description"] == "An order."


@pytest.mark.parametrize("params", [Order, Pair, Part, Tree])
def test_every_reference_of_a_schema_leads_somewhere(params: type[Params]) -> None:
    schema = json_schema(params)

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema.get("$defs", {})


def test_the_example_is_valid() -> None:
    assert example(Order) == {"text": "abc"}
    convert(example(Order), Order)


def test_required_fields_without_an_example_get_a_value_of_their_type() -> None:
    class Mixed(Params):
        word: str
        count: int
        share: float
        flag: bool
        items: list[int]
        fields: dict[str, int]
        free: int = 7

    made = example(Mixed)
    assert set(made) == {"word", "count", "share", "flag", "items", "fields"}
    convert(made, Mixed)


def test_invalid_may_be_raised_when_a_struct_is_made_directly() -> None:
    with pytest.raises(Invalid, match="number: is three"):
        Part(number=3)
