"""Makes one value that fits a JSON Schema, for examples; pure."""

from collections.abc import Mapping
from typing import Any, Final

_PLAIN: Final[dict[str, Any]] = {
    "string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None, "object": {}, "array": [],
}  # fmt: skip


def sample(schema: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a value for a schema: its own example, or one made of its parts.

    Args:
        schema: as msgspec writes them; references go to `#/components/schemas/`.
        components: the schemas that references lead to.
    """
    if "$ref" in schema:
        return sample(components[schema["$ref"].rpartition("/")[2]], components)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], components)
    if "properties" in schema:
        return {name: sample(each, components) for name, each in schema["properties"].items()}
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        return [sample(schema["items"], components)]
    return _PLAIN.get(schema.get("type", "object"), None)
