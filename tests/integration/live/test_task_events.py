"""`GET /api/tasks/{id}/events`: what it tells, in which order, and when it ends."""

import json
from pathlib import Path

import pytest

from tests.integration.api import problem
from tests.integration.live.conftest import Web
from tests.integration.live.sse import Sse, numbers

UNKNOWN = "01999999-0000-7000-8000-000000000000"


def test_a_finished_task_is_replayed_from_the_start_and_the_stream_ends(web: Web) -> None:
    task_id = web.run(["at", 0.25, "STARTED"], ["say", "one", 1], ["at", 0.5, "HALF"], ["say", "two", 1])
    with web.events(task_id) as stream:
        found = list(stream)
        assert stream.complete
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
    states = [each.data["status"] for each in found if each.kind == "state"]
    assert states == ["queued", "running", "succeeded"]
    assert [each.data["message"] for each in found if each.kind == "log"] == ["one", "two"]
    assert numbers(found) == list(range(1, len(found) + 1))
    assert {each.data["task_id"] for each in found} == {task_id}
    assert found[-1].data["version"] == web.ended(task_id)["version"]


def test_every_event_says_what_the_contract_promises(web: Web) -> None:
    task_id = web.run(["at", 0.25, "STARTED"], ["say", "one", 1])
    for event in web.whole(task_id):
        if event.kind == "log":
            assert set(event.data) == {"task_id", "version", "kind", "at", "attempt", "level", "message"}
        else:
            assert set(event.data) == {
                "task_id", "version", "kind", "at", "attempt", "status", "stage", "progress",
            }  # fmt: skip


def test_a_running_task_is_replayed_and_then_followed_to_its_end(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(
        ["say", "before", 1],
        ["at", 0.5, "HALF"],
        ["open", str(gate)],
        ["say", "line #", 30],
        ["at", 0.9, "END"],
    )
    with web.events(task_id) as stream:
        found = stream.until(stage="HALF")
        gate.touch()
        found += list(stream)
        assert stream.complete
    assert numbers(found) == list(range(1, len(found) + 1))
    assert found[-1].data["status"] == "succeeded"
    logs = [each.data["message"] for each in found if each.kind == "log"]
    assert logs == ["before", *(f"line {number}" for number in range(30))]
    assert [each.data for each in found] == [each.data for each in web.whole(task_id)]


def test_a_task_that_waits_is_followed_from_before_its_start(web: Web) -> None:
    task_id = web.submit(["say", "hello", 1], delay=0.3)
    with web.events(task_id) as stream:
        assert [each.data["status"] for each in stream if each.kind == "state"] == [
            "scheduled", "queued", "running", "succeeded",
        ]  # fmt: skip


def test_hundreds_of_lines_at_once_reach_every_watcher(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(["open", str(gate)], ["say", "line #", 900])
    streams = [web.events(task_id) for _ in range(20)]
    for stream in streams:
        stream.until(status="running")
    gate.touch()
    for stream in streams:
        with stream:
            found = list(stream)
            assert stream.complete
        assert [each.data["message"] for each in found if each.kind == "log"] == [
            f"line {number}" for number in range(900)
        ]


def test_the_browser_is_told_when_to_connect_again_and_a_silent_stream_lives(
    web: Web, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(["open", str(gate)])
    with web.events(task_id) as stream:
        stream.until(status="running")
        assert stream.retry == 2000
        assert stream.comment() == "still here"
        assert stream.comment() == "still here"
        gate.touch()
        assert list(stream)[-1].data["status"] == "succeeded"


def test_a_task_that_failed_and_is_retried_by_hand_goes_on_in_the_same_stream(web: Web) -> None:
    task_id = web.run(["say", "try", 1], ["fail", "no"])
    with web.events(task_id) as first:
        before = list(first)
    assert before[-1].data["status"] == "failed"
    assert web.client.post(f"/api/tasks/{task_id}/retry").status_code in (200, 202)
    with web.events(task_id, headers={"Last-Event-ID": before[-1].id}) as second:
        again = list(second)
    states = [each.data["status"] for each in again if each.kind == "state"]
    assert states == ["queued", "running", "failed"]
    assert numbers(before + again) == list(range(1, len(before + again) + 1))
    assert [each.data for each in web.whole(task_id)] == [each.data for each in before + again]


def test_cancelling_ends_the_stream(web: Web) -> None:
    task_id = web.submit(["say", "never", 1], delay=60)
    with web.events(task_id) as stream:
        stream.until(status="scheduled")
        assert web.client.post(f"/api/tasks/{task_id}/cancel").status_code in (200, 202)
        assert [each.data["status"] for each in stream] == ["cancelled"]
        assert stream.complete


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '\n\ndata: {"kind":"state","status":"succeeded"}\nid: 999\nevent: state\n\n',
    "\r\n\r\nid: 7\r\rdata: x\r\r",
    "\u2028\u2029\x85\x0b\x0c",
    "\u202eevil\u2066 \u200f bidi",
    "\x01\x1b[31m\x7f\ufeff",
    "\\\"\\n\\u0000 'quoted' \\",
    "a|b||c: d",
    "😀" * 50,
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_stages_and_lines_arrives_as_text_and_breaks_no_frame(web: Web, text: str) -> None:
    task_id = web.run(["at", 0.5, text], ["say", text, 1])
    found = web.whole(task_id)
    assert numbers(found) == list(range(1, len(found) + 1))
    assert [each.data["message"] for each in found if each.kind == "log"] == [text]
    assert found[-1].data["stage"] == text
    assert {each.data["stage"] for each in found if each.kind == "progress"} <= {text}


def test_a_line_of_a_megabyte_arrives_cut(web: Web) -> None:
    task_id = web.run(["grow", "x\n", 500_000], ["grow", "\x01", 1_000_000], ["say", "after", 1])
    lines = [each.data["message"] for each in web.whole(task_id) if each.kind == "log"]
    assert [line[:4] for line in lines] == ["x\nx\n", "\x01\x01\x01\x01", "afte"]
    assert all(len(line) < 10_000 for line in lines)


def test_a_level_with_quotes_and_a_malformed_line_disturb_nothing(web: Web) -> None:
    task_id = web.run(["level", 'my "own"\n'], ["malformed"], ["say", "after", 1])
    found = web.whole(task_id)
    assert numbers(found) == list(range(1, len(found) + 1))
    assert found[-1].data["status"] == "succeeded"
    assert [each.data["message"] for each in found if each.kind == "log"][-1] == "after"


def test_an_unknown_task_is_a_404_problem(web: Web) -> None:
    problem.check(web.client.get(f"/api/tasks/{UNKNOWN}/events"), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "headers", "pointer"),
    [
        ("/api/tasks/nonsense/events", {}, "/task_id"),
        ("/api/tasks/{id}/events?after=-1", {}, "/after"),
        ("/api/tasks/{id}/events?after=x", {}, "/after"),
        ("/api/tasks/{id}/events?after=1&after=2", {}, "/after"),
        ("/api/tasks/{id}/events?after=99999999999999999999", {}, "/after"),
        ("/api/tasks/{id}/events?from=1", {}, "/from"),
        ("/api/tasks/{id}/events", {"Last-Event-ID": "abc"}, "/Last-Event-ID"),
        ("/api/tasks/{id}/events", {"Last-Event-ID": "1.5"}, "/Last-Event-ID"),
    ],
)
def test_what_cannot_be_a_position_is_a_422_problem(
    web: Web, path: str, headers: dict[str, str], pointer: str
) -> None:
    answer = web.client.get(path.replace("{id}", UNKNOWN), headers=headers)
    problem.check(answer, 422, "validation", [pointer])


def test_an_empty_position_is_the_start_and_one_of_the_future_is_the_present(web: Web) -> None:
    task_id = web.run(["say", "one", 1])
    whole = web.whole(task_id)
    with Sse(web.port, f"/api/tasks/{task_id}/events?after=", headers={"Last-Event-ID": ""}) as stream:
        assert list(stream) == whole
    with web.events(task_id, after=1000) as stream:
        assert (list(stream), stream.complete) == ([], True)


def test_a_position_of_the_future_does_not_hide_what_comes(web: Web, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = web.submit(["open", str(gate)], ["say", "one", 1])
    with web.events(task_id, after=1000) as stream:
        while stream.comment() != "still here":
            pass
        gate.touch()
        assert list(stream)[-1].data["status"] == "succeeded"


def test_head_has_the_headers_and_no_body(web: Web) -> None:
    task_id = web.run(["say", "one", 1])
    answer = web.client.head(f"/api/tasks/{task_id}/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"
    assert web.client.head(f"/api/tasks/{UNKNOWN}/events").status_code == 404


def test_plain_http_clients_read_it_as_well(web: Web) -> None:
    task_id = web.run(["say", "one", 1])
    with web.client.stream("GET", f"/api/tasks/{task_id}/events") as answer:
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert [json.loads(line[6:])["version"] for line in lines] == [1, 2, 3, 4]
