"""Parameters of a task type: a msgspec Struct gives types, bounds, defaults and the JSON Schema."""

import re
from typing import Any, Final, TypeVar

import msgspec

from callboard.errors import FieldProblem, ValidationFailed

T = TypeVar("T")


class Params(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of every task type's parameters. Add checks across fields in `__post_init__`."""


class Invalid(ValueError):
    """Raise it in `Params.__post_init__` to refuse one field: `raise Invalid("to", "is empty")`."""

    def __init__(self, field: str, detail: str) -> None:
        self.field = field
        self.detail = detail
        super().__init__(f"{field}: {detail}")


_PATH: Final = re.compile(r"^(?P<detail>.*?)(?: - at (?P<key>`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD: Final = re.compile(r"(?:missing required|contains unknown) field `(?P<field>.*)`")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def convert(value: Any, into: type[T], prefix: str = "") -> T:
    """Return `value` (decoded JSON) as an `into`; no type is coerced into another.

    Raises ValidationFailed with the JSON pointer of the field, below `prefix`.
    """
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        raise ValidationFailed([_problem(error, prefix)]) from None
    except RecursionError:
        raise ValidationFailed([FieldProblem(prefix, "is nested too deeply")]) from None


def _problem(error: msgspec.ValidationError, prefix: str) -> FieldProblem:
    match = _PATH.match(str(error))
    assert match is not None  # noqa: S101 - the pattern matches any text
    detail = match["detail"]
    pointer = prefix + "".join(
        f"/{escape_pointer(name)}" if name else ("" if index == "..." else f"/{index}")
        for name, index in _STEP.findall((match["path"] or "").removeprefix("$"))
    )
    if field := _FIELD.search(detail):
        pointer += "/" + escape_pointer(field["field"])
        detail = "is required" if "missing" in detail else "is not a known field; check its spelling"
    elif isinstance(error.__cause__, Invalid):
        pointer += "/" + escape_pointer(error.__cause__.field)
        detail = error.__cause__.detail
    elif match["key"]:
        detail += " as every key"
    return FieldProblem(pointer, detail)


def escape_pointer(name: str) -> str:
    """Return `name` as one step of a JSON pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def json_schema(params: type[Params]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a parameters class, self-contained."""
    schema = msgspec.json.schema(params)
    definitions: dict[str, Any] = schema.pop("$defs", {})
    reference = f"#/$defs/{params.__name__}"
    own = dict(definitions.get(params.__name__, schema))
    if f'"{reference}"'.encode() not in msgspec.json.encode(definitions):  # else it contains itself
        definitions.pop(params.__name__, None)
    if definitions:
        own["$defs"] = definitions
    return own


def example(params: type[Params]) -> dict[str, Any]:
    """Return one valid set of parameters, made of the fields' examples and defaults."""
    schema = json_schema(params)
    found: dict[str, Any] = {}
    for name, field in schema.get("properties", {}).items():
        if field.get("examples"):
            found[name] = field["examples"][0]
        elif name in schema.get("required", []):
            found[name] = _sample(field)
    return found


def _sample(field: dict[str, Any]) -> Any:
    samples: dict[str, Any] = {
        "string": "text", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {},
    }  # fmt: skip
    return samples.get(field.get("type", "string"), "text")
