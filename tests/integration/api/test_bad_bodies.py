"""POST /api/tasks with everything that is no task: a clear problem, and nothing recorded or published."""

import json
from typing import Any

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board

JSON = {"Content-Type": "application/json"}
TEXT = '{"task_type": "reverse_text", "parameters": {"text": "a"}'


def parameters(text: str) -> str:
    return f'{{"task_type": "reverse_text", "parameters": {text}}}'


def data(text: str) -> str:
    return f'{{"task_type": "data_processing", "parameters": {{"data": {text}}}}}'


def field(text: str) -> str:
    return f"{TEXT}, {text}}}"


MALFORMED = {
    "empty": "",
    "blank": " \n\t ",
    "cut off": TEXT,
    "one comma too many": '{"task_type": "reverse_text",}',
    "single quotes": "{'task_type': 'reverse_text'}",
    "a comment": '{"task_type": "reverse_text" /* the type */}',
    "two values": '{"task_type": "reverse_text"} {}',
    "garbage behind": '{"task_type": "reverse_text"}x',
    "an escape that is none": '{"task_type": "\\x41"}',
    "a raw line break in a text": '{"task_type": "a\nb"}',
    "a raw NUL in a text": parameters('{"text": "a\x00b"}'),
    "a number with a leading zero": field('"delay": 01'),
    "a number with a plus": field('"delay": +1'),
    "hexadecimal": field('"delay": 0x10'),
    "invalid UTF-8": b'{"task_type": "\xff"}',
    "cut UTF-8": b'{"task_type": "\xe2\x82"}',
    "a surrogate in UTF-8": b'{"task_type": "\xed\xa0\x80"}',
    "an overlong slash": b'{"task_type": "\xc0\xaf"}',
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-32": "{}".encode("utf-32"),
    "50,000 open arrays": "[" * 50_000,
    "50,000 arrays": "[" * 50_000 + "]" * 50_000,
    "50,000 objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "50,000 arrays in a parameter": data("[" * 50_000 + "]" * 50_000),
    "66 arrays in a parameter": data("[" * 66 + "]" * 66),
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_json_is_malformed(still_empty: Board, content: str | bytes) -> None:
    answer = still_empty.client.post("/api/tasks", content=content, headers=JSON)
    problem.check(answer, 400, "malformed-json", [""])


def test_a_bom_and_an_empty_body_are_named(still_empty: Board) -> None:
    bom = still_empty.client.post("/api/tasks", content=b"\xef\xbb\xbf{}", headers=JSON)
    assert "byte order mark" in bom.json()["detail"]
    assert "empty" in still_empty.client.post("/api/tasks", content=b"", headers=JSON).json()["detail"]


WRONG: dict[str, tuple[str, str]] = {
    "a list": ("[]", ""),
    "null": ("null", ""),
    "a text": ('"task"', ""),
    "a number": ("1", ""),
    "true": ("true", ""),
    "NaN alone": ("NaN", ""),
    "no task type": ("{}", "/task_type"),
    "a type that is null": ('{"task_type": null}', "/task_type"),
    "a type that is a number": ('{"task_type": 1}', "/task_type"),
    "a type that is a list": ('{"task_type": ["reverse_text"]}', "/task_type"),
    "parameters that are null": (parameters("null"), "/parameters"),
    "parameters that are a list": (parameters("[]"), "/parameters"),
    "parameters that are a text": (parameters('"a"'), "/parameters"),
    "a parameter missing": (parameters("{}"), "/parameters/text"),
    "a parameter of the wrong type": (parameters('{"text": 1}'), "/parameters/text"),
    "a parameter that is null": (parameters('{"text": null}'), "/parameters/text"),
    "a parameter nobody knows": (parameters('{"text": "a", "txt": "b"}'), "/parameters/txt"),
    "a parameter with / and ~": (parameters('{"text": "a", "a/b~c": 1}'), "/parameters/a~1b~0c"),
    "a parameter that is too long": (parameters(json.dumps({"text": "a" * 100_001})), "/parameters/text"),
    "an empty list of data": (data("[]"), "/parameters/data"),
    "a bad item of a list": (data('[1, "a"]'), "/parameters/data/1"),
    "a priority nobody knows": (field('"priority": "urgent"'), "/priority"),
    "a priority that is null": (field('"priority": null'), "/priority"),
    "a priority that is a number": (field('"priority": 1'), "/priority"),
    "a negative delay": (field('"delay": -1'), "/delay"),
    "a delay of more than ten years": (field('"delay": 315360001'), "/delay"),
    "a delay that is true": (field('"delay": true'), "/delay"),
    "a delay that is a text": (field('"delay": "1"'), "/delay"),
    "a delay of NaN": (field('"delay": NaN'), "/delay"),
    "a delay of Infinity": (field('"delay": Infinity'), "/delay"),
    "a delay of -Infinity": (field('"delay": -Infinity'), "/delay"),
    "a delay of 1e400": (field('"delay": 1e400'), "/delay"),
    "a delay of 300 digits": (field(f'"delay": {"9" * 300}'), "/delay"),
    "a delay of 10,000 digits": (field(f'"delay": {"9" * 10_000}'), "/delay"),
    "delay and eta": (field('"delay": 1, "eta": "2030-01-01T00:00:00Z"'), "/delay"),
    "an eta that is a number": (field('"eta": 1893456000'), "/eta"),
    "an eta that is no time": (field('"eta": "tomorrow"'), "/eta"),
    "an eta without offset": (field('"eta": "2030-01-01T00:00:00"'), "/eta"),
    "an eta that is empty": (field('"eta": ""'), "/eta"),
    "an eta on 30 February": (field('"eta": "2030-02-30T00:00:00Z"'), "/eta"),
    "an eta too far away": (field('"eta": "9999-12-31T23:59:59Z"'), "/eta"),
    "an eta before the year 1": (field('"eta": "0001-01-01T00:00:00+23:59"'), "/eta"),
    "retries that are negative": (field('"max_retries": -1'), "/max_retries"),
    "retries that are many": (field('"max_retries": 101'), "/max_retries"),
    "retries that are a fraction": (field('"max_retries": 1.5'), "/max_retries"),
    "retries that are true": (field('"max_retries": true'), "/max_retries"),
    "retries of 300 digits": (field(f'"max_retries": {"9" * 300}'), "/max_retries"),
    "a time limit of zero": (field('"time_limit": 0'), "/time_limit"),
    "a time limit of more than a day": (field('"time_limit": 86401'), "/time_limit"),
    "a time limit that is a text": (field('"time_limit": "60"'), "/time_limit"),
    "tags that are null": (field('"tags": null'), "/tags"),
    "tags that are a text": (field('"tags": "a"'), "/tags"),
    "eleven tags": (field(f'"tags": {json.dumps(list("abcdefghijk"))}'), "/tags"),
    "an empty tag": (field('"tags": ["a", ""]'), "/tags/1"),
    "a tag of 65 characters": (field(f'"tags": ["{"a" * 65}"]'), "/tags/0"),
    "a tag that is a number": (field('"tags": ["a", "b", 3]'), "/tags/2"),
    "a webhook": (field('"webhook": "https://example.org"'), "/webhook"),
    "a field with a typo": (field('"prioritty": "high"'), "/prioritty"),
    "a field of the answer": (field('"task_id": "01a2033e-77b8-75bb-b329-f72e9b3743e9"'), "/task_id"),
    "dramatiq's options": (field('"options": {"max_retries": 0}'), "/options"),
    "a key like __proto__": (field('"__proto__": {}'), "/__proto__"),
    "a key twice": (field('"task_type": "reverse_text"'), "/task_type"),
    "a key twice, once escaped": (field('"\\u0074ags": [], "tags": []'), "/tags"),
    "a nested key twice": (parameters('{"text": "a", "text": "b"}'), "/parameters/text"),
    "a deep key twice": (data('[{"a": 1, "b": {"c": 1, "c": 2}}]'), "/parameters/data/0/b/c"),
    "NaN in a list": (data("[1, NaN]"), "/parameters/data/1"),
    "1e400 in a list": (data("[1e400]"), "/parameters/data/0"),
    "-1e400 in a list": (data("[-1e400]"), "/parameters/data/0"),
    "10,000 digits": (data(f"[{'1' * 10_000}]"), "/parameters/data/0"),
    "500,000 digits": (data(f"[{'1' * 500_000}]"), "/parameters/data/0"),
    "NUL in a text": (parameters('{"text": "a\\u0000b"}'), "/parameters/text"),
    "NUL in a tag": (field('"tags": ["\\u0000"]'), "/tags/0"),
    "NUL in a key": (data('[{"a\\u0000": 1}]'), "/parameters/data/0/a\\u0000"),
    "NUL in the task type": ('{"task_type": "reverse_text\\u0000"}', "/task_type"),
    "half a surrogate pair": (parameters('{"text": "\\ud800"}'), "/parameters/text"),
    "the other half": (parameters('{"text": "\\udfff"}'), "/parameters/text"),
    "a pair in the wrong order": (parameters('{"text": "\\ude00\\ud83d"}'), "/parameters/text"),
    "half a pair in capitals": (parameters('{"text": "\\uDBFF"}'), "/parameters/text"),
    "half a pair in a key": (data('[{"\\ud800": 1}]'), "/parameters/data/0/\\ud800"),
    "half a pair in a field": ('{"\\udfff": 1}', "/\\udfff"),
    "half a pair in the task type": ('{"task_type": "\\ud800"}', "/task_type"),
    "half a pair in the eta": (field('"eta": "\\ud800"'), "/eta"),
}


@pytest.mark.parametrize(("content", "pointer"), WRONG.values(), ids=WRONG)
def test_what_is_no_task_is_refused_at_its_place(still_empty: Board, content: str, pointer: str) -> None:
    answer = still_empty.client.post("/api/tasks", content=content, headers=JSON)
    problem.check(answer, 422, "validation", [pointer])


@pytest.mark.parametrize(
    "name", ["reverse", "", "Reverse_Text", "x" * 5000, "<script>", "../actors", "__class__"]
)
def test_an_unknown_type_is_refused_with_the_known_ones(still_empty: Board, name: str) -> None:
    answer = still_empty.client.post("/api/tasks", json={"task_type": name})
    found = problem.check(answer, 422, "unknown-task-type", ["/task_type"])
    assert "reverse_text" in found["detail"]
    assert len(found["detail"]) < 500


def test_every_flaw_is_named_up_to_twenty(still_empty: Board) -> None:
    answer = still_empty.client.post("/api/tasks", content=data(f"[{'NaN,' * 30}1e400]"), headers=JSON)
    problem.check(answer, 422, "validation", [f"/parameters/data/{number}" for number in range(20)])


def test_an_answer_never_grows_with_the_request(still_empty: Board) -> None:
    for content in (
        f'{{"{"k" * 500_000}": NaN}}',
        field(f'"{"k" * 500_000}": 1'),
        parameters(f'{{"{"k" * 500_000}": 1}}'),
    ):
        answer = still_empty.client.post("/api/tasks", content=content, headers=JSON)
        problem.check(answer, 422, "validation")
        assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    "content",
    [
        f'{{"{"k" * 400_000}": [{"0," * 200_000}NaN]}}',
        "{" + ",".join(f'"{number}": 1' for number in range(60_000)) + ', "59999": 1}',
        '"' + "\\u0000" * 170_000 + '"',
        "[" * 60 + "[]" + ",[]" * 300_000 + "]" * 60,
        "[" + '{"a":1},' * 100_000 + "NaN]",
    ],
    ids=["long key, many items", "many keys", "many NULs", "many arrays", "many objects"],
)
def test_a_body_made_to_be_slow_is_not(still_empty: Board, content: str) -> None:
    before = still_empty.cpu_s()
    answer = still_empty.client.post("/api/tasks", content=content, headers=JSON)
    problem.check(answer, 422, "validation")
    assert still_empty.cpu_s() - before < 5  # seconds of work, and not of waiting for other programs


def test_a_body_above_one_mebibyte_is_refused_however_it_comes(still_empty: Board) -> None:
    for size in (1024 * 1024 + 1, 5_000_000):
        large = parameters('{"text": "a"}').encode().ljust(size)
        for content in (large, iter([large[:500_000], large[500_000:]])):
            answer: Any = still_empty.client.post("/api/tasks", content=content, headers=JSON)
            problem.check(answer, 413, "too-large")


def test_a_batch_above_eight_mebibytes_is_refused_however_it_comes(still_empty: Board) -> None:
    large = b'{"tasks": []}'.ljust(8 * 1024 * 1024 + 1)
    for content in (large, iter([large])):
        answer: Any = still_empty.client.post("/api/tasks/batch", content=content, headers=JSON)
        problem.check(answer, 413, "too-large")
    answer = still_empty.client.post("/api/tasks/batch", content=large[:-1], headers=JSON)
    problem.check(answer, 422, "validation", ["/tasks"])


@pytest.mark.parametrize(
    ("content", "status", "kind", "pointer"),
    [
        ("", 400, "malformed-json", ""),
        ("[]", 422, "validation", "/tasks"),
        ("null", 422, "validation", "/tasks"),
        ("NaN", 422, "validation", ""),
        ("{}", 422, "validation", "/tasks"),
        ('{"tasks": null}', 422, "validation", "/tasks"),
        ('{"tasks": {}}', 422, "validation", "/tasks"),
        ('{"tasks": []}', 422, "validation", "/tasks"),
        ('{"tasks": NaN}', 422, "validation", "/tasks"),
        ('{"tasks": [], "tasks": []}', 422, "validation", "/tasks"),
        ('{"tasks": [{}], "more": 1}', 422, "validation", "/more"),
        ('{"tasks": [{}], "\\ud800": 1}', 422, "validation", "/\\ud800"),
        ('{"tasks": [{}], "more": NaN}', 422, "validation", "/more"),
        ('{"tasks": ' + "[" * 50_000, 400, "malformed-json", ""),
    ],
)
def test_what_is_no_batch_is_refused(
    still_empty: Board, content: str, status: int, kind: str, pointer: str
) -> None:
    answer = still_empty.client.post("/api/tasks/batch", content=content, headers=JSON)
    problem.check(answer, status, kind, [pointer])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "x" * 4000},
        {"Content-Type": b"application/\xff"},
        {**JSON, "Content-Encoding": "gzip"},
        {**JSON, "Content-Encoding": "identity, br"},
    ],
)
@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/batch"])
def test_a_body_of_another_kind_is_refused(still_empty: Board, path: str, headers: Any) -> None:
    answer = still_empty.client.post(path, content=parameters('{"text": "a"}'), headers=headers)
    found = problem.check(answer, 415, "unsupported-media")
    assert len(found["detail"]) < 300


@pytest.mark.parametrize(
    "key", ["", "a b", "k" * 256, "k\u00e9y", "a\tb", "\u3042"], ids=lambda key: ascii(key)[:20]
)
@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/batch"])
def test_an_idempotency_key_that_is_none_is_refused(still_empty: Board, path: str, key: str) -> None:
    headers: Any = {**JSON, "Idempotency-Key": key.encode()}
    answer = still_empty.client.post(path, content=parameters('{"text": "a"}'), headers=headers)
    problem.check(answer, 422, "validation", ["/Idempotency-Key"])


@pytest.mark.parametrize("path", ["/api/tasks?wait=5", "/api/tasks/batch?dry_run=1", "/api/tasks?%00=1"])
def test_query_names_nobody_knows_are_refused(still_empty: Board, path: str) -> None:
    answer = still_empty.client.post(path, content=parameters('{"text": "a"}'), headers=JSON)
    problem.check(answer, 422, "validation")
