"""Reads JSON bodies: capped before they are parsed, and exact about what JSON leaves open.

Duplicate keys, NaN, numbers too large to be exact, NUL and lone surrogates are errors with the
JSON pointer of the place (RFC 8259 and RFC 7493 leave them to the receiver). Everything here takes
time in proportion to the body, whatever is in it.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import falcon.asgi

from callboard.errors import FieldProblem
from callboard.tasks.params import escape_pointer
from web.problems import RequestProblem

#: Bytes of one body, and of a batch's.
BODY_MOST: Final = 1024 * 1024
BATCH_MOST: Final = 8 * 1024 * 1024
#: Bytes of a body that is too large which are read all the same, so that a client which sends before it
#: listens gets the answer and not a broken connection.
DRAIN_MOST: Final = 16 * 1024 * 1024
#: How deep arrays and objects may be nested.
DEPTH_MOST: Final = 64
#: Digits of one number: beyond, it does not even fit a float.
DIGITS_MOST: Final = 300
#: Flaws named in one answer.
FLAWS_MOST: Final = 20

Path = tuple[str | int, ...]


class _Flaw:
    """Stands where a value cannot be accepted; `key` is set for a repeated key."""

    def __init__(self, detail: str, key: str | None = None) -> None:
        self.detail = detail
        self.key = key


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JSON text's value; `check` it, or each part that is used, before use."""

    value: Any
    #: What the text may hold, by cheap tests: nearly no body has any of it.
    maybe_deep: bool
    maybe_flawed: bool

    def check(self, part: Any) -> None:
        """Raise RequestProblem when a part of the value, or all of it, is too deep or has flaws."""
        if self.maybe_deep and _is_too_deep(part):
            raise _too_deep()
        if self.maybe_flawed and (problems := list(islice(_problems(part, ()), FLAWS_MOST))):
            raise RequestProblem("validation", "the body has values that cannot be used", problems)


async def read_json(req: falcon.asgi.Request, most: int = BODY_MOST) -> Any:
    """Return the decoded body; raises RequestProblem."""
    return decode(await read_bytes(req, most))


async def read_bytes(req: falcon.asgi.Request, most: int) -> bytes:
    """Return the body of a JSON request; raises RequestProblem when it is too large or no JSON."""
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        given = f"not {kind[:100]!r}" if kind else "and the request names none"
        raise RequestProblem("unsupported-media", f"send Content-Type: application/json, {given}")
    refuse_coding(req)
    if (req.content_length or 0) <= most:
        body: bytes = await req.stream.read(most + 1)
        if len(body) <= most:
            return body
    if (req.content_length or 0) <= DRAIN_MOST:
        for _ in range(0, DRAIN_MOST, BODY_MOST):
            if not await req.stream.read(BODY_MOST):
                break
    raise RequestProblem("too-large", f"the body may have {most} bytes; use a file or a batch for more")


def refuse_coding(req: falcon.asgi.Request) -> None:
    """Raise RequestProblem for a compressed body: no coding is supported."""
    coding = req.get_header("Content-Encoding")
    if coding is not None and coding.strip().lower() not in ("", "identity"):
        raise RequestProblem("unsupported-media", f"send the body as it is, without {coding[:100]!r} coding")


def decode(body: bytes) -> Any:
    """Return the value of a JSON text; raises RequestProblem naming every flaw by its pointer."""
    parsed = parse(body)
    parsed.check(parsed.value)
    return parsed.value


def parse(body: bytes) -> Parsed:
    """Return the value of a JSON text, with flaws still in it; raises RequestProblem if it is no JSON."""
    flawed = False

    def flaw(detail: str, key: str | None = None) -> _Flaw:
        nonlocal flawed
        flawed = True
        return _Flaw(detail, key)

    def whole(digits: str) -> Any:
        if len(digits) > DIGITS_MOST + digits.startswith("-"):
            return flaw(f"has more than {DIGITS_MOST} digits")
        return int(digits)

    def real(digits: str) -> Any:
        value = float(digits)
        return value if math.isfinite(value) else flaw("is beyond the range of a double")

    def pairs(found: list[tuple[str, Any]]) -> Any:
        made = dict(found)
        if len(made) != len(found):
            return flaw("stands twice in the same object; keep one", _repeated(found))
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
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed(_explain(error)) from None
    except RecursionError:
        raise _too_deep() from None
    return Parsed(
        value,
        maybe_deep=text.count("[") + text.count("{") > DEPTH_MOST,
        maybe_flawed=flawed or "\\u0000" in text or "\\ud" in text or "\\uD" in text,
    )


def _is_too_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH_MOST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _malformed(detail: str) -> RequestProblem:
    return RequestProblem("malformed-json", detail, [FieldProblem("", detail)])


def _too_deep() -> RequestProblem:
    return _malformed(f"the body is nested deeper than {DEPTH_MOST} levels")


def _explain(error: json.JSONDecodeError) -> str:
    if error.pos == 0 and error.doc.startswith("\ufeff"):
        return "the body begins with a byte order mark (BOM); send UTF-8 without one"
    if not error.doc.strip():
        return "the body is empty; send one JSON object"
    return f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"


def _repeated(pairs: list[tuple[str, Any]]) -> str | None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return None


def _problems(value: Any, path: Path) -> Iterator[FieldProblem]:
    """Find the flaws; a pointer is only written where there is one: keys can be long and many."""
    if isinstance(value, str):
        if "\x00" in value:
            yield FieldProblem(_pointer(path), "holds the character NUL (\\u0000); remove it")
        elif _has_surrogate(value):
            yield FieldProblem(_pointer(path), "holds half of a surrogate pair; send whole characters")
    elif isinstance(value, _Flaw):
        yield FieldProblem(_pointer(path if value.key is None else (*path, value.key)), value.detail)
    elif isinstance(value, dict):
        for key, each in value.items():
            if "\x00" in key or _has_surrogate(key):
                yield FieldProblem(_pointer((*path, key)), "is a key that holds NUL or half a surrogate pair")
            yield from _problems(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _problems(each, (*path, number))


def _has_surrogate(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _pointer(path: Path) -> str:
    steps = (step if isinstance(step, str) else str(step) for step in path)
    pointer = "".join(f"/{escape_pointer(step)}" for step in steps)
    return pointer.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")
