"""The document in the form in which `/docs` shows it; pure."""

import json
import shlex
from dataclasses import dataclass
from typing import Any, Final

from web.openapi.operation import JSON

Schema = dict[str, Any]

#: What stands for the parameters of a path in a command.
_VARIABLES: Final = {
    "task_id": "$TASK_ID", "operation_id": "$OPERATION_ID", "schedule_id": "$SCHEDULE_ID",
    "key_id": "$KEY_ID", "name": "default",
}  # fmt: skip
_SOCKET: Final = "101"


@dataclass(frozen=True, slots=True)
class Body:
    """One example of a body, as JSON, and the command that sends it."""

    name: str
    text: str
    curl: str


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: an example is JSON, or ""."""

    status: str
    says: str
    example: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One method of one address; `curl` is "" where curl is of no use or the bodies have their own."""

    anchor: str
    method: str
    path: str
    says: str
    description: str
    parameters: list[Schema]
    bodies: list[Body]
    curl: str
    responses: list[Response]
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one heading."""

    name: str
    anchor: str
    entries: list[Entry]


def reference(document: Schema, base: str, auth_required: bool) -> list[Group]:
    """Return what `/docs` shows; commands go to `base`, a scheme and a host."""
    found = {
        tag["name"]: Group(tag["name"], tag["name"].lower().replace(" ", "-"), []) for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            entry = _entry(method.upper(), path, operation, base, auth_required)
            found[operation["tags"][0]].entries.append(entry)
    return list(found.values())


def _entry(method: str, path: str, operation: Schema, base: str, auth_required: bool) -> Entry:
    responses = operation["responses"]
    socket = _SOCKET in responses

    def command(body: Any) -> str:
        return _command(method, base + path, operation, auth_required, body)

    bodies = [Body(name, _json(value), command(value)) for name, value in _examples(operation).items()]
    return Entry(
        anchor=operation["operationId"],
        method="WS" if socket else method,
        path=path,
        says=operation["summary"],
        description=operation["description"],
        parameters=operation["parameters"],
        bodies=bodies,
        curl="" if socket or bodies else command(None),
        responses=[_response(status, each) for status, each in responses.items() if "$ref" not in each],
        problems=[status for status, each in responses.items() if "$ref" in each],
    )


def _examples(operation: Schema) -> dict[str, Any]:
    media = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    found = {name: each["value"] for name, each in media.get("examples", {}).items()}
    return found or ({"": media["example"]} if "example" in media else {})


def _response(status: str, response: Schema) -> Response:
    media = response.get("content", {}).get(JSON, {})
    return Response(status, response["description"], _json(media["example"]) if "example" in media else "")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _command(method: str, address: str, operation: Schema, auth_required: bool, body: Any) -> str:
    """Return the curl line that sends a body, or none."""
    for each in operation["parameters"]:
        if each["in"] == "path":
            address = address.replace(f"{{{each['name']}}}", _VARIABLES[each["name"]])
        elif each.get("required"):
            address += f"?{each['name']}={each['schema']['examples'][0].replace(' ', '+')}"
    streams = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    uploads = "requestBody" in operation and body is None
    parts = [f'curl -s{"N" if streams else ""} "{address}"']
    if method not in ("GET", "POST") or (method == "POST" and body is None and not uploads):
        parts.append(f"-X {method}")
    if auth_required and operation["security"]:
        parts.append('-H "Authorization: Bearer $CALLBOARD_KEY"')
    if uploads:
        parts.append("-F file=@data.csv")
    elif body is not None:
        text = json.dumps(body, ensure_ascii=False)
        parts += [f"-H 'Content-Type: {JSON}'", f"--data-raw {shlex.quote(text)}"]
    return " \\\n  ".join(parts)
