"""web/body.py: what a JSON text means, and everything that is wrong with one, at its place."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.body import DEPTH_MOST, DIGITS_MOST, decode, parse
from web.problems import RequestProblem

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
numbers = st.integers(1 - 10**DIGITS_MOST, 10**DIGITS_MOST - 1) | st.floats(
    allow_nan=False, allow_infinity=False
)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5),
)


def flaws(body: str | bytes) -> list[tuple[str, str]]:
    """Return pointer and detail of each flaw of a body that must be refused."""
    with pytest.raises(RequestProblem) as refused:
        decode(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body)
    assert refused.value.kind in ("validation", "malformed-json")
    return [(each.pointer, each.detail) for each in refused.value.problems]


def pointers(body: str | bytes) -> list[str]:
    return [pointer for pointer, _ in flaws(body)]


@given(value=values, ascii_only=st.booleans(), indent=st.none() | st.just(2))
def test_json_without_flaws_is_what_python_makes_of_it(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    decoded = decode(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode())
    assert decoded == value
    assert repr(decoded) == repr(value)  # 1 is not 1.0 and 0.0 is not -0.0


@given(body=st.binary(max_size=40) | text.map(str.encode))
def test_any_bytes_are_decoded_as_json_or_refused(body: bytes) -> None:
    try:
        decoded = decode(body)
    except RequestProblem:
        assert pointers(body)
    else:
        assert decoded == json.loads(body)


@given(
    value=values.filter(bool),
    bad=st.sampled_from(["NaN", "1e999", '"\\u0000"', '"\\ud800"', '{"a":1,"a":2}']),
)
def test_a_flaw_is_found_wherever_it_is(value: Any, bad: str) -> None:
    place = f'{{"before": {json.dumps(value)}, "here": [{bad}, {json.dumps(value)}]}}'
    assert [each.removesuffix("/a") for each in pointers(place)] == ["/here/0"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("NaN", ""),
        ("[1, -Infinity]", "/1"),
        ('{"a": 1, "b": {"a": 1, "c": 2, "a": 3}}', "/b/a"),
        ('{"a": 1, "\\u0061": 2}', "/a"),
        ('{"a/b": {"c~d": NaN}}', "/a~1b/c~0d"),
        ('{"": NaN}', "/"),
        ('{"a\\u0000": 1}', "/a\\u0000"),
        ('{"\\udc00": 1}', "/\\udc00"),
        ("9" * (DIGITS_MOST + 1), ""),
        ("-" + "9" * (DIGITS_MOST + 1), ""),
        ("1e309", ""),
        ('"\\uDBFF"', ""),
    ],
)
def test_a_flaw_is_named_by_its_pointer(body: str, expected: str) -> None:
    assert pointers(body) == [expected]


def test_pairs_of_surrogates_and_literal_escapes_are_no_flaws() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert decode(b'"\\\\ud800 \\\\u0000"') == "\\ud800 \\u0000"


def test_twenty_flaws_are_named_and_no_more() -> None:
    assert pointers("[" + "NaN," * 50 + "NaN]") == [f"/{number}" for number in range(20)]


def test_nesting_ends_at_its_limit() -> None:
    most = b"[" * DEPTH_MOST + b"]" * DEPTH_MOST
    assert decode(most) is not None
    assert decode(b'{"a":' * DEPTH_MOST + b"1" + b"}" * DEPTH_MOST) is not None
    for body in (b"[" + most + b"]", b'{"a":' + most + b"}", b"[" * 100_000, b'{"a":' * 100_000):
        ((pointer, detail),) = flaws(body)
        assert pointer == ""
        assert "deeper" in detail


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert decode(b"[" + b"[],{}," * 1000 + b"1]")[-1] == 1


def test_parts_are_checked_by_themselves() -> None:
    parsed = parse(b'{"tasks": [{"a": 1}, {"a": NaN}]}')
    good, bad = parsed.value["tasks"]
    parsed.check(good)
    with pytest.raises(RequestProblem):
        parsed.check(bad)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'{"a": tru}', "line 1, column 7"),
        (b'"a\x00"', "control character at line 1"),
    ],
)
def test_what_is_no_json_is_explained(body: bytes, words: str) -> None:
    ((pointer, detail),) = flaws(body)
    assert pointer == ""
    assert words in detail


@pytest.mark.parametrize(
    "body",
    [
        '{"' + "k" * 400_000 + '": [' + "0," * 200_000 + "NaN]}",
        "{" + ",".join(f'"{number}": 1' for number in range(60_000)) + ', "59999": 1}',
        "[" * 60 + "[]" + ",[]" * 300_000 + "]" * 60 + "x",
        "[" + "1." + "1" * 1_000_000 + ",NaN]",
    ],
    ids=["long key", "many keys", "many arrays", "long fraction"],
)
def test_a_body_made_to_be_slow_takes_its_length_and_not_its_square(body: str) -> None:
    began = time.process_time()
    assert flaws(body)
    assert time.process_time() - began < 2  # some 0.1 s; the square would be minutes
