"""Requests per time and tasks per day of a key: counted once for all web processes."""

import re
from concurrent.futures import ThreadPoolExecutor

from tests.integration.access.conftest import Guarded, request
from tests.integration.api import problem

BODY = {"task_type": "reverse_text", "parameters": {"text": "a"}}


def limit(header: str, name: str) -> tuple[int, int]:
    """Return what is left and the seconds, of a RateLimit header."""
    found = re.search(rf'"{name}";r=(\d+);t=(\d+)', header)
    assert found, header
    return int(found[1]), int(found[2])


def test_two_processes_let_pass_no_more_than_the_rate_together(guarded: Guarded) -> None:
    key = guarded.new_key("limited", rate="20/h")["key"]
    with ThreadPoolExecutor(8) as threads:
        webs = [guarded.first, guarded.second] * 20
        answers = list(threads.map(lambda web: request(web, "GET", "/api/whoami", key), webs))
    passed = [each for each in answers if each.status_code == 200]
    refused = [each for each in answers if each.status_code == 429]
    assert (len(passed), len(refused)) == (20, 20)
    assert sorted(limit(each.headers["RateLimit"], "default")[0] for each in passed) == list(range(20))
    assert {each.headers["RateLimit-Policy"] for each in answers} == {'"default";q=20;w=3600'}
    for each in refused:
        problem.check(each, 429, "rate-limited")
        assert 1 <= int(each.headers["Retry-After"]) <= 180  # when one more may pass


def test_a_rate_fills_again(guarded: Guarded) -> None:
    key = guarded.new_key("quick", rate="1000/s")["key"]
    left = [limit(guarded.call("GET", "/api/whoami", key).headers["RateLimit"], "default") for _ in range(50)]
    assert min(number for number, _ in left) > 1000 - 50  # what was taken first has come back meanwhile
    assert {seconds for _, seconds in left} == {1}


def test_a_quota_counts_tasks_that_were_accepted(guarded: Guarded) -> None:
    key = guarded.new_key("small", role="submit", quota=5)["key"]

    def post(path: str, body: object) -> tuple[int, int]:
        answer = guarded.call("POST", path, key, json=body)
        return answer.status_code, limit(answer.headers["RateLimit"], "quota")[0]

    assert post("/api/tasks", {**BODY, "task_type": "unheard_of"}) == (422, 5)
    assert post("/api/tasks", BODY) == (202, 4)
    assert post("/api/tasks/batch", {"tasks": [BODY, {**BODY, "task_type": "unheard_of"}]})[0] == 207
    assert post("/api/tasks/batch", {"tasks": [BODY] * 4}) == (429, 3)
    assert post("/api/tasks/batch", {"tasks": [BODY] * 3}) == (207, 0)
    answer = guarded.call("POST", "/api/tasks", key, json=BODY)
    assert "5 tasks a day" in problem.check(answer, 429, "rate-limited")["detail"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 86_400
    assert guarded.call("GET", "/api/whoami", key).status_code == 200


def test_a_request_sent_again_with_its_idempotency_key_uses_no_quota(guarded: Guarded) -> None:
    key = guarded.new_key("again", role="submit", quota=2)["key"]
    headers = {"Idempotency-Key": "once"}
    answers = [guarded.call("POST", "/api/tasks", key, headers=headers, json=BODY) for _ in range(4)]
    assert [each.status_code for each in answers] == [202] * 4
    assert len({each.json()["task_id"] for each in answers}) == 1
    assert limit(guarded.call("GET", "/api/whoami", key).headers["RateLimit"], "quota")[0] == 1


def test_many_at_once_take_no_more_tasks_than_the_quota(guarded: Guarded) -> None:
    key = guarded.new_key("crowd", role="submit", quota=25)["key"]
    with ThreadPoolExecutor(16) as threads:
        webs = [guarded.first, guarded.second] * 30
        sent = threads.map(lambda web: request(web, "POST", "/api/tasks", key, json=BODY), webs)
        answers = list(sent)
    passed = [each for each in answers if each.status_code == 202]
    assert sorted(limit(each.headers["RateLimit"], "quota")[0] for each in passed) == list(range(25))
    assert {each.status_code for each in answers} == {202, 429}


def test_rate_and_quota_are_told_together(guarded: Guarded) -> None:
    key = guarded.new_key("both", rate="600/min", quota=1000)["key"]
    answer = guarded.call("GET", "/api/whoami", key)
    assert answer.headers["RateLimit-Policy"] == '"default";q=600;w=60, "quota";q=1000;w=86400'
    assert limit(answer.headers["RateLimit"], "quota")[0] == 1000


def test_a_key_without_a_limit_is_not_counted(guarded: Guarded) -> None:
    answer = guarded.call("GET", "/api/whoami", guarded.new_key()["key"])
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_a_session_is_counted_with_its_key(guarded: Guarded) -> None:
    key = guarded.new_key("limited-browser", rate="3/h")["key"]
    page = guarded.call("POST", "/sign-in", data={"key": key})
    cookie = {"Cookie": page.headers["Set-Cookie"].split(";")[0]}
    assert guarded.call("GET", "/api/whoami", headers=cookie).status_code == 200
    assert guarded.call("GET", "/api/whoami", key).status_code == 200
    assert guarded.call("GET", "/api/whoami", headers=cookie).status_code == 200
    for headers in (cookie, {"X-API-Key": key}):
        problem.check(guarded.call("GET", "/api/whoami", headers=headers), 429, "rate-limited")
