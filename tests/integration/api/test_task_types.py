"""GET /api/task-types, and each shipped type run through the API to the end the contract names."""

import hashlib
from typing import Any

import pytest

from tests.integration.api.conftest import Mailbox
from tests.integration.api.serving import Board

TYPES = [
    "data_processing",
    "email_sending",
    "file_processing",
    "flaky",
    "long_running",
    "reverse_text",
    "sentiment",
]


#: The keywords of JSON Schema 2020-12 that msgspec writes.
KEYWORDS = {
    "$ref", "$defs", "title", "description", "type", "properties", "required", "additionalProperties",
    "default", "examples", "enum", "const", "anyOf", "items", "prefixItems", "minItems", "maxItems",
    "minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf",
}  # fmt: skip
KINDS = {"object", "array", "string", "number", "integer", "boolean", "null"}


def check_schema(schema: dict[str, Any]) -> None:
    """Fail unless this is a JSON Schema, as far as task types use it, down to its last part."""
    assert set(schema) <= KEYWORDS
    assert schema.get("type", "object") in KINDS
    assert set(schema.get("required", [])) <= set(schema.get("properties", []))
    parts = [
        *schema.get("properties", {}).values(),
        *schema.get("$defs", {}).values(),
        *schema.get("anyOf", []),
    ]
    parts += [schema["items"]] if "items" in schema else []
    for part in parts:
        check_schema(part)


def types(board: Board) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in board.client.get("/api/task-types").json()["task_types"]}


def test_every_type_describes_itself(board: Board) -> None:
    found = types(board)
    assert sorted(found) == TYPES
    for each in found.values():
        assert set(each) == {"name", "description", "queue", "defaults", "schema", "example"}
        assert each["description"]
        assert set(each["defaults"]) == {"priority", "max_retries", "time_limit"}


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_is_one_and_takes_its_example(board: Board, name: str) -> None:
    each = types(board)[name]
    check_schema(each["schema"])
    assert each["schema"]["type"] == "object"
    assert each["schema"]["additionalProperties"] is False
    assert (
        set(each["schema"]["required"])
        <= set(each["example"]["parameters"])
        <= set(each["schema"]["properties"])
    )
    answer = board.client.post("/api/tasks", json={**each["example"], "delay": 3600})
    assert answer.status_code == 202, answer.text
    assert board.client.post(f"{answer.headers['Location']}/cancel").status_code == 200


def test_text_is_reversed_by_grapheme(board: Board) -> None:
    flag, family = "\U0001f1e9\U0001f1ea", "\U0001f468\u200d\U0001f469\u200d\U0001f466"
    assert (
        board.run("reverse_text", {"text": f"a{flag}{family}e\u0301"})["result"] == f"e\u0301{family}{flag}a"
    )


def test_sentiment_is_labelled(board: Board) -> None:
    result = board.run("sentiment", {"text": "What a wonderful day!"})["result"]
    assert result["label"] == "positive"
    assert set(result) == {"label", "compound", "pos", "neu", "neg"}
    assert board.run("sentiment", {"text": "This is horrible."})["result"]["label"] == "negative"


def test_a_mail_reaches_the_smtp_server(board: Board, mailbox: Mailbox) -> None:
    to = ["ann@example.org", "bob@example.org"]
    task = board.run(
        "email_sending", {"to": to, "subject": "Grüße", "body": "It is ready.", "html": "<p>Yes</p>"}
    )
    assert task["status"] == "succeeded", task
    (mail,) = mailbox.find(task["task_id"])
    assert (mail["To"], mail["Subject"]) == ("ann@example.org, bob@example.org", "Grüße")
    assert mail.get_body(("plain",)).get_content() == "It is ready.\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("one two\nthree", {"kind": "text", "words": 3, "lines": 2}),
        ([3, 1, 2], {"kind": "numbers", "count": 3, "min": 1, "max": 3, "mean": 2}),
        ([{"a": 1}, {"a": 3, "b": "x"}], {"kind": "records", "count": 2}),
    ],
)
def test_data_is_summarised(board: Board, data: Any, expected: dict[str, Any]) -> None:
    task = board.run("data_processing", {"data": data})
    assert task["status"] == "succeeded"
    assert {name: task["result"][name] for name in expected} == expected
    assert (task["progress"], task["queue"]) == (1.0, "data")


def test_an_uploaded_file_is_measured(board: Board) -> None:
    content = b"name,age\nann,30\nbob,40\n"
    stored = board.client.post("/api/files", files={"file": ("people.csv", content, "text/csv")})
    assert stored.status_code == 201
    result = board.run("file_processing", {"file_id": stored.json()["file_id"]})["result"]
    assert (result["filename"], result["size"], result["rows"], result["columns"]) == ("people.csv", 23, 2, 2)
    assert result["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_file_below_files_url_is_measured_by_name(board: Board) -> None:
    (board.files / "notes.txt").write_text("one two\nthree\n", encoding="utf-8")
    result = board.run("file_processing", {"filename": "notes.txt"})["result"]
    assert (result["lines"], result["words"], result["mime"]) == (2, 3, "text/plain")


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "missing.txt"])
def test_a_file_that_cannot_be_read_fails_at_once(board: Board, name: str) -> None:
    task = board.run("file_processing", {"filename": name})
    assert (task["status"], task["attempts"]) == ("failed", 1)


def test_a_long_task_shows_its_stages(board: Board) -> None:
    task = board.run("long_running", {"duration": 0.3})
    assert (task["status"], task["stage"], task["progress"]) == ("succeeded", "COMPLETED", 1.0)
    lines = board.client.get(task["links"]["logs"]).json()["attempts"][0]["lines"]
    assert [line["message"] for line in lines] == [
        "stage STARTED (1 of 4)",
        "stage PROCESSING (2 of 4)",
        "stage CONCLUDING (3 of 4)",
        "stage COMPLETED (4 of 4)",
    ]


def test_a_flaky_task_is_retried_with_growing_pauses_until_it_succeeds(board: Board) -> None:
    task = board.run("flaky", {"fail_times": 2})
    assert (task["status"], task["attempts"]) == ("succeeded", 3)
    assert [each["status"] for each in task["history"]] == ["retrying", "retrying", "succeeded"]
    assert [each["attempt"] for each in task["history"]] == [1, 2, 3]
    for each in task["history"][:2]:
        assert each["error"]["type"] == "RuntimeError"
        assert set(each) == {"attempt", "status", "started_at", "finished_at", "error", "worker"}


def test_a_task_that_keeps_failing_is_a_dead_letter_that_can_be_revived(board: Board) -> None:
    before = board.client.get("/api/queues").json()["queues"]
    task = board.run("flaky", {"fail_times": 2}, max_retries=1)
    assert (task["status"], task["attempts"]) == ("failed", 2)
    after = board.client.get("/api/queues").json()["queues"]
    dead = [sum(each["dead"] for each in queues) for queues in (before, after)]
    assert dead[1] == dead[0] + 1
    assert board.client.post(task["links"]["retry"]).status_code == 202
    revived = board.ended(task["task_id"])
    assert (revived["status"], revived["attempts"]) == ("succeeded", 3)
    assert [each["status"] for each in revived["history"]] == ["retrying", "failed", "succeeded"]
