"""Reads JSON bodies: capped before they are parsed, and exact about what JSON leaves open.

Duplicate keys, NaN, numbers too large to be exact, NUL and lone surrogates are errors with the
JSON pointer of the place (RFC 8259 and RFC 7493 leave them to the receiver).
"""

import json
import math
from typing import Any, Final

import falcon.asgi

from callboard.errors import FieldProblem
from callboard.tasks.params import escape_pointer
from web.problems import RequestProblem

#: Bytes of one body, and of a batch's.
BODY_MOST: Final = 1024 * 1024
BATCH_MOST: Final = 8 * 1024 * 1024
#: How deep arrays and objects may be nested.
DEPTH_MOST: Final = 64
#: Digits of one number: beyond, it does not even fit a float.
DIGITS_MOST: Final = 300


class _Flaw:
    """Stands where a value cannot be accepted; `key` is set for a repeated key."""

    def __init__(self, detail: str, key: str | None = None) -> None:
        self.detail = detail
        self.key = key


async def read_json(req: falcon.asgi.Request, most: int = BODY_MOST) -> Any:
    """Return the decoded body; raises RequestProblem."""
    return decode(await read_bytes(req, most))


async def read_bytes(req: falcon.asgi.Request, most: int) -> bytes:
    """Return the body of a JSON request; raises RequestProblem when it is too large or no JSON."""
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        given = f"not {kind[:100]!r}" if kind else "and the request names none"
        raise RequestProblem("unsupported-media", f"send Content-Type: application/json, {given}")
    too_large = RequestProblem("too-large", f"the body may have {most} bytes; use a file or a batch for more")
    if (req.content_length or 0) > most:
        raise too_large
    body: bytes = await req.stream.read(most + 1)
    if len(body) > most:
        raise too_large
    if req.content_length and len(body) < req.content_length:
        raise RequestProblem("bad-request", "the body is shorter than its Content-Length")
    return body


def decode(body: bytes) -> Any:
    """Return the value of a JSON text; raises RequestProblem naming every flaw by its pointer."""
    flaws: list[_Flaw] = []

    def flaw(detail: str, key: str | None = None) -> _Flaw:
        flaws.append(_Flaw(detail, key))
        return flaws[-1]

    def whole(digits: str) -> Any:
        return int(digits) if len(digits) <= DIGITS_MOST else flaw(f"has more than {DIGITS_MOST} digits")

    def real(digits: str) -> Any:
        value = float(digits)
        return value if math.isfinite(value) else flaw("is beyond the range of a double")

    def pairs(found: list[tuple[str, Any]]) -> Any:
        made = dict(found)
        if len(made) != len(found):
            keys = [key for key, _ in found]
            twice = next(key for key in keys if keys.count(key) > 1)
            return flaw("stands twice in the same object; keep one", twice)
        return made

    try:
        text = body.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=whole,
            parse_float=real,
            parse_constant=lambda name: flaw(f"{name} is not JSON"),
        )
        # Cheap tests first: nearly no body has any of these.
        if flaws or "\\u0000" in text or "\\ud" in text.lower() or _may_be_deep(text):
            problems = list(_problems(value, "", 0))
            if problems:
                raise RequestProblem("validation", "the body has values that cannot be used", problems[:20])
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _malformed(f"the body is nested deeper than {DEPTH_MOST} levels") from None
    return value


def _malformed(detail: str) -> RequestProblem:
    return RequestProblem("malformed-json", detail, [FieldProblem("", detail)])


def _may_be_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > DEPTH_MOST


def _problems(value: Any, pointer: str, depth: int) -> Any:
    if depth > DEPTH_MOST:
        raise RecursionError
    if isinstance(value, str):
        if "\x00" in value:
            yield FieldProblem(pointer, "holds the character NUL (\\u0000); remove it")
        elif not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            yield FieldProblem(pointer, "holds half of a surrogate pair; send whole characters")
    elif isinstance(value, _Flaw):
        yield FieldProblem(pointer if value.key is None else f"{pointer}/{escape_pointer(value.key)}", value.detail)
    elif isinstance(value, dict):
        for key, each in value.items():
            step = f"{pointer}/{escape_pointer(key.encode('utf-8', 'backslashreplace').decode())}"
            if "\x00" in key or any("\ud800" <= char <= "\udfff" for char in key):
                yield FieldProblem(step.replace("\x00", "\\u0000"), "is a key that holds NUL or half a surrogate pair")
            yield from _problems(each, step, depth + 1)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _problems(each, f"{pointer}/{number}", depth + 1)
