"""What a running Callboard answers fits what its own OpenAPI document says."""

import re
from typing import Any

import httpx
import jsonschema
import pytest

from tests.integration.api.serving import Board

NOBODY = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"


class Description:
    """A document, against which answers are held."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in node:
            *_, kind, name = node["$ref"].split("/")
            found: dict[str, Any] = self.document["components"][kind][name]
            return found
        return node

    def check(self, answer: httpx.Response) -> httpx.Response:
        """Fail unless this status of this operation is described, and with this body."""
        path, method = answer.request.url.path, answer.request.method.lower()
        exact = [path] if path in self.document["paths"] else []
        patterns = {each: re.sub(r"\{\w+\}", "[^/]+", each) for each in self.document["paths"]}
        (template,) = exact or [each for each, one in patterns.items() if re.fullmatch(one, path)]
        responses = self.document["paths"][template][method]["responses"]
        assert str(answer.status_code) in responses, (
            f"{method} {template}: {answer.status_code} {answer.text}"
        )
        response = self.resolve(responses[str(answer.status_code)])
        content = response.get("content", {})
        if not content:
            assert answer.content == b""
            return answer
        media = answer.headers["content-type"].partition(";")[0]
        assert media in content, f"{template}: {media}"
        if media.endswith("json"):
            whole = {**content[media]["schema"], "components": self.document["components"]}
            jsonschema.Draft202012Validator(whole).validate(answer.json())
        for name in response.get("headers", {}):
            if name in ("Location", "ETag"):
                assert name in answer.headers, f"{template}: {name}"
        return answer


@pytest.fixture
def described(board: Board) -> Description:
    answer = board.client.get("/api/openapi.json")
    assert answer.status_code == 200
    return Description(answer.json())


def test_it_is_sent_again_only_when_it_has_changed(board: Board) -> None:
    tag = board.client.get("/api/openapi.json").headers["etag"]
    again = board.client.get("/api/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_what_reads_answers_as_described(board: Board, described: Description) -> None:
    board.run("reverse_text", {"text": "a"}, tags=["described"])
    board.run("flaky", {"fail_times": 2}, max_retries=0)
    board.submit("reverse_text", {"text": "b"}, delay=3600)
    read = set()
    for path, methods in described.document["paths"].items():
        if "get" in methods and "{" not in path and path not in ("/api/events", "/api/schedules/preview"):
            described.check(board.client.get(path))
            described.check(
                board.client.get(path, params={"no such": "parameter"})
            ) if path != "/metrics" else 0
            read.add(path)
    assert {"/api/tasks", "/api/stats", "/api/health", "/api/keys", "/metrics", "/readyz"} <= read
    for address in ("/api/schedules/preview?cron=0+9+*+*+1", "/api/schedules/preview?cron=x"):
        described.check(board.client.get(address))
    described.check(board.client.get("/api/stats", params={"minutes": 3}))
    described.check(board.client.get("/api/queues/default", params={"minutes": 3}))
    described.check(board.client.get("/api/queues/nowhere"))


def test_a_task_answers_as_described_from_its_submit_to_its_end(board: Board, described: Description) -> None:
    client, check = board.client, described.check
    example = {"task_type": "flaky", "parameters": {"fail_times": 1}, "max_retries": 0}
    submitted = check(
        client.post("/api/tasks", json=example, headers={"Idempotency-Key": "described"})
    ).json()
    check(client.post("/api/tasks", json=example, headers={"Idempotency-Key": "described"}))
    check(
        client.post("/api/tasks", json={**example, "tags": ["x"]}, headers={"Idempotency-Key": "described"})
    )
    link = submitted["links"]["self"]
    tag = check(client.get(link, params={"wait": 20})).headers["etag"]
    check(client.get(link, headers={"If-None-Match": tag}))
    check(client.get(f"{link}/logs"))
    check(client.get(f"{link}/events"))
    check(client.post(f"{link}/retry"))
    check(client.get(link, params={"wait": 20}))
    check(client.post(f"{link}/cancel"))
    check(client.get("/api/tasks", params={"type": "flaky"}))
    check(client.get("/api/dead-letters"))
    check(client.delete(link))
    check(client.delete(link))
    waited = {"Prefer": "wait=20"}
    done = check(
        client.post(
            "/api/tasks", json={"task_type": "sentiment", "parameters": {"text": "good"}}, headers=waited
        )
    )
    assert done.status_code == 200
    later = board.submit("reverse_text", {"text": "c"}, delay=3600)["links"]["self"]
    assert check(client.post(f"{later}/cancel")).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"task_type": "unheard_of"}', "application/json"),
        (b'{"task_type": "reverse_text", "parameters": {}}', "application/json"),
        (b"{", "application/json"),
        (b"{}", "text/plain"),
        (b" " * 1_100_000, "application/json"),
    ],
)
def test_a_bad_submit_is_refused_as_described(
    content: bytes, kind: str, board: Board, described: Description
) -> None:
    answer = board.client.post("/api/tasks", content=content, headers={"Content-Type": kind})
    assert described.check(answer).status_code >= 400


def test_orders_for_many_tasks_answer_as_described(board: Board, described: Description) -> None:
    client, check = board.client, described.check
    good, bad = {"task_type": "reverse_text", "parameters": {"text": "a"}, "delay": 3600}, {"task_type": "x"}
    check(client.post("/api/tasks/batch", json={"tasks": [{**good, "tags": ["of-many"]}, bad]}))
    order = {"action": "cancel", "filter": {"tag": "of-many", "status": "scheduled"}}
    check(client.post("/api/tasks/bulk", json={**order, "dry_run": True}))
    check(client.post("/api/tasks/bulk", json={**order, "expect": 10**6}))
    begun = check(client.post("/api/tasks/bulk", json=order)).json()["links"]["self"]
    check(client.get(begun, params={"wait": 20}))
    check(client.post(f"{begun}/cancel"))
    check(client.get("/api/operations"))
    check(client.get(f"/api/operations/{NOBODY}"))
    check(client.post("/api/queues/files/pause"))
    check(client.get("/api/queues"))
    check(client.post("/api/queues/files/resume"))
    assert check(client.post("/api/queues/files/purge", json={"expect": 7})).status_code == 409
    check(client.post("/api/files", params={"filename": "a.txt"}, content=b"abc"))


def test_schedules_and_keys_answer_as_described(board: Board, described: Description) -> None:
    client, check = board.client, described.check
    paths = described.document["paths"]
    example = paths["/api/schedules"]["post"]["requestBody"]["content"]["application/json"]["example"]
    made = check(client.post("/api/schedules", json=example)).json()["links"]
    check(client.post("/api/schedules", json={**example, "cron": "x"}))
    check(client.get("/api/schedules"))
    check(client.post(made["pause"]))
    check(client.post(made["resume"]))
    check(client.post(made["run"]))
    tag = check(client.get(made["self"])).headers["etag"]
    check(client.put(made["self"], json=example))
    check(client.delete(made["self"], headers={"If-Match": tag}))
    check(client.delete(made["self"]))
    check(client.get(made["self"]))
    order = paths["/api/keys"]["post"]["requestBody"]["content"]["application/json"]["example"]
    key = check(client.post("/api/keys", json=order)).json()
    check(client.get("/api/keys"))
    check(client.delete(f"/api/keys/{key['id']}"))
    check(client.delete(f"/api/keys/{key['id']}"))
    check(client.get("/api/audit", params={"action": "key."}))


def test_the_commands_of_the_page_are_for_this_very_host(board: Board) -> None:
    page = board.client.get("/docs", headers={"Accept": "text/html"}).text
    assert f"curl -s &#34;{board.url.rstrip('/')}/api/tasks&#34;" in page
