"""Builds the OpenAPI 3.1 document; pure, called once per process."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from callboard import __version__
from callboard.tasks.registry import TaskType
from web.access import RULES, Rule
from web.openapi import fleet, schedules, tasks
from web.openapi.examples import EXAMPLES
from web.openapi.operation import JSON, Answer, Operation, Query
from web.openapi.sample import sample
from web.openapi.shapes import Batch, Problem
from web.problems import KINDS, MEDIA_TYPE

Schema = dict[str, Any]

OPERATIONS: Final = tasks.OPERATIONS | schedules.OPERATIONS | fleet.OPERATIONS

#: What structs that are all called Body read.
_NAMES: Final = {
    "callboard.submit.Body": "Submit",
    "callboard.bulk.Body": "BulkOrder",
    "web.keys.Body": "KeyOrder",
    "callboard.schedules.Body": "ScheduleOrder",
}
_PREFIX: Final = "#/components/schemas/"
_IN_PATH: Final = {
    "task_id": ("The task's id.", {"type": "string", "format": "uuid"}),
    "schedule_id": ("The schedule's id.", {"type": "string", "format": "uuid"}),
    "operation_id": ("The operation's id.", {"type": "string", "format": "uuid"}),
    "name": ("The queue's name.", {"type": "string"}),
    "key_id": ("The key's id; not its text.", {"type": "string"}),
}
_ABOUT: Final = (
    "Submit tasks, watch them live, get their results. Times are RFC 3339 UTC, durations seconds, ids "
    "UUIDs that sort by time. Unknown fields and parameters are errors. Every answer carries "
    "`X-Request-ID`; those to a key with a rate or quota carry `RateLimit` and `RateLimit-Policy`."
)


def described(route: tuple[str, str]) -> bool:
    """Tell whether a route of web/access.py is part of the API; the others are pages."""
    _, path = route
    return path.startswith(("/api/", "/ws/")) or path in ("/healthz", "/readyz", "/metrics")


def build(types: Iterable[TaskType], *, cookie: str, auth_required: bool) -> Schema:
    """Return the document of an installation.

    Args:
        types: what can be submitted.
        cookie: the name of the sessions' cookie.
        auth_required: False where requests without a key are answered as well.
    """
    return _Builder(list(types), auth_required).document(cookie)


class _Builder:
    """Makes one document."""

    def __init__(self, types: list[TaskType], auth_required: bool) -> None:
        self._types = types
        self._auth_required = auth_required
        wanted = {each.params for each in types} | {Problem, Batch}
        for operation in OPERATIONS.values():
            wanted |= {operation.body} - {None}
            wanted |= {answer.shape for answer in operation.answers.values()} - {None}
        ordered = sorted(wanted, key=str)
        found, components = msgspec.json.schema_components(ordered, ref_template=_PREFIX + "{name}")
        self._schemas = {kind: _renamed(each) for kind, each in zip(ordered, found, strict=True)}
        self._components = {_NAMES.get(name, name): _renamed(each) for name, each in components.items()}
        for name, value in EXAMPLES.items():
            self._components[name]["examples"] = [value]
        self._problems: dict[str, Schema] = {}

    def document(self, cookie: str) -> Schema:
        """Return all of it."""
        paths: dict[str, Schema] = defaultdict(dict)
        for (method, path), rule in RULES.items():
            if described((method, path)):
                verb = "get" if method == "WEBSOCKET" else method.lower()
                paths[path][verb] = self._operation(method, path, rule, OPERATIONS[method, path])
        return {
            "openapi": "3.1.0",
            "info": {"title": "Callboard", "version": __version__, "description": _ABOUT},
            "servers": [{"url": "/"}],
            "tags": [{"name": name} for name in dict.fromkeys(each.group for each in OPERATIONS.values())],
            "paths": dict(paths),
            "components": {
                "schemas": self._components,
                "responses": self._problems,
                "securitySchemes": {
                    "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
                    "keyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                    "session": {
                        "type": "apiKey",
                        "in": "cookie",
                        "name": cookie,
                        "description": "Of a browser that has signed in; changes need X-CSRF-Token too.",
                    },
                },
            },
        }

    def _operation(self, method: str, path: str, rule: Rule, operation: Operation) -> Schema:
        names = re.findall(r"\{(\w+)\}", path)
        found: Schema = {
            "tags": [operation.group],
            "summary": operation.says.rstrip("."),
            "description": " ".join(filter(None, (operation.says, operation.more, _role(rule)))),
            "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path.removeprefix('/api')}").strip("_"),
            "parameters": [*map(_in_path, names), *map(_parameter, operation.query)],
            "responses": self._responses(rule, operation),
            "security": [] if rule.role is None else self._security(),
        }
        if operation.body is not None or operation.takes:
            found["requestBody"] = self._request(path, operation)
        return found

    def _security(self) -> list[Schema]:
        ways: list[Schema] = [{"key": []}, {"keyHeader": []}, {"session": []}]
        return ways if self._auth_required else [*ways, {}]

    def _request(self, path: str, operation: Operation) -> Schema:
        if operation.body is None:
            binary: Schema = {media: {"schema": {}} for media in operation.takes}
            if "multipart/form-data" in binary:
                part = {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}
                form = {"type": "object", "properties": part, "required": ["file"]}
                binary["multipart/form-data"] = {"schema": form}
            return {"required": True, "content": binary}
        media: Schema = {"schema": self._schemas[operation.body]}
        examples = {each.name: each.describe()["example"] for each in self._types}
        if path == "/api/tasks":
            media["schema"] = {**media["schema"], "oneOf": [self._submit_of(each) for each in self._types]}
            media["examples"] = {name: {"value": value} for name, value in examples.items()}
        elif path == "/api/tasks/batch":
            media["example"] = {"tasks": list(examples.values())[:2]}
        else:
            media["example"] = operation.example
        return {"required": True, "content": {JSON: media}}

    def _submit_of(self, task_type: TaskType) -> Schema:
        parameters = self._schemas[task_type.params]
        needed = self._components[parameters["$ref"].removeprefix(_PREFIX)].get("required")
        return {
            "title": task_type.name,
            "description": task_type.description,
            "properties": {"task_type": {"const": task_type.name}, "parameters": parameters},
            "required": ["task_type", *(["parameters"] if needed else [])],
        }

    def _responses(self, rule: Rule, operation: Operation) -> Schema:
        found = {str(status): self._answer(each) for status, each in sorted(operation.answers.items())}
        kinds = ["validation", "unavailable", "internal", *operation.problems]
        if rule.role is not None:
            kinds += ["unauthorized", "forbidden", "rate-limited"]
        by_status: dict[int, list[str]] = defaultdict(list)
        for kind in kinds:
            by_status[KINDS[kind][0]].append(kind)
        for status, each in sorted(by_status.items()):
            if str(status) not in found:
                name = "-".join((str(status), *each))
                self._problems.setdefault(name, self._problem(status, each))
                found[str(status)] = {"$ref": f"#/components/responses/{name}"}
        return found

    def _answer(self, answer: Answer) -> Schema:
        found: Schema = {"description": answer.says}
        if answer.headers:
            found["headers"] = {
                name: {"description": says, "schema": {"type": "string"}}
                for name, says in answer.headers.items()
            }
        if answer.shape is not None:
            schema = self._schemas[answer.shape]
            found["content"] = {answer.media: {"schema": schema, "example": self.sample(schema)}}
        elif answer.media != JSON:
            found["content"] = {answer.media: {"schema": {"type": "string"}}}
        return found

    def _problem(self, status: int, kinds: list[str]) -> Schema:
        schema = self._schemas[Problem]
        whole = self.sample(schema)
        examples = {}
        for kind in kinds:
            title = KINDS[kind][1]
            value = whole | {"type": f"/problems/{kind}", "title": title, "status": status, "detail": title}
            value = {name: each for name, each in value.items() if name not in ("errors", "task_id")}
            if kind == "validation":
                value |= {name: whole[name] for name in ("detail", "errors")}
            examples[kind] = {"value": value}
        says = ". ".join(KINDS[kind][1] for kind in kinds) + "."
        found: Schema = {
            "description": says,
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        if status in (429, 503):
            found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
        return found

    def sample(self, schema: Mapping[str, Any]) -> Any:
        """Return one value that fits a schema of this document."""
        return sample(schema, self._components)


def _renamed(schema: Any) -> Any:
    """Return a schema with the references to what is renamed."""
    if isinstance(schema, dict):
        return {
            name: _PREFIX + _NAMES.get(value.removeprefix(_PREFIX), value.removeprefix(_PREFIX))
            if name == "$ref"
            else _renamed(value)
            for name, value in schema.items()
        }
    return [_renamed(each) for each in schema] if isinstance(schema, (list, tuple)) else schema


def _in_path(name: str) -> Schema:
    says, schema = _IN_PATH[name]
    return {"name": name, "in": "path", "required": True, "description": says, "schema": schema}


def _parameter(query: Query) -> Schema:
    schema = {"type": "array", "items": query.schema} if query.repeats else query.schema
    place = "header" if query.header else "query"
    found = {"name": query.name, "in": place, "description": query.says, "schema": schema}
    return found | {"required": True} if query.required else found


def _role(rule: Rule) -> str:
    if rule.role is None:
        return "Needs no key."
    if rule.any_role:
        return "Needs a key of any role."
    own = "; a key that may submit reads the tasks it submitted itself" if rule.own else ""
    return f"Needs the role `{rule.role}`{own}."
