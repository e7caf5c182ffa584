"""What tasks say from inside: progress, stages and log lines, throttled, the last of it always told."""

from datetime import datetime
from pathlib import Path

from tests.integration.live.conftest import Web
from tests.integration.live.sse import Message


def progress_of(messages: list[Message]) -> list[Message]:
    return [each for each in messages if each.kind == "progress"]


def test_the_stages_of_a_long_task_come_as_they_begin(web: Web) -> None:
    task_id = web.submit_type("long_running", {"duration": 0.9})
    with web.events(task_id) as stream:
        found = list(stream)
    told = [(each.data["stage"], each.data["progress"]) for each in progress_of(found)]
    last = found[-1].data
    assert [*told, (last["stage"], last["progress"])][:3] == [
        ("STARTED", 0.25), ("PROCESSING", 0.5), ("CONCLUDING", 0.75),
    ]  # fmt: skip
    assert (last["status"], last["stage"], last["progress"]) == ("succeeded", "COMPLETED", 1.0)


def test_progress_is_written_at_most_ten_times_a_second_and_the_last_value_at_once(
    web: Web, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    burst = [step for _ in range(20) for step in (["steps", 200], ["rest", 0.05])]
    task_id = web.submit(*burst, ["at", 0.77, "AND THEN SILENCE"], ["open", str(gate)])
    with web.events(task_id) as stream:
        found = stream.until(stage="AND THEN SILENCE")  # though the task says nothing more
        assert found[-1].data["progress"] == 0.77
        gate.touch()
        found += list(stream)
    times = [datetime.fromisoformat(each.data["at"]) for each in progress_of(found)]
    assert len(times) < 10 * (times[-1] - times[0]).total_seconds() + 3
    assert found[-1].data["stage"] == "AND THEN SILENCE"


def test_progress_without_a_stage_keeps_the_stage_and_a_stage_alone_keeps_the_progress(web: Web) -> None:
    task_id = web.run(
        ["at", 0.3, "FIRST"], ["rest", 0.15], ["at", 0.6, None], ["rest", 0.15], ["stage", "SECOND"]
    )
    told = [(each.data["progress"], each.data["stage"]) for each in web.whole(task_id) if each.kind != "log"]
    assert told[2:4] == [(0.3, "FIRST"), (0.6, "FIRST")]
    assert web.ended(task_id)["stage"] == "SECOND"


def test_a_thousand_lines_are_kept_the_newest(web: Web) -> None:
    task_id = web.run(["say", "old #", 700], ["rest", 0.3], ["say", "new #", 700])
    (attempt,) = web.client.get(f"/api/tasks/{task_id}/logs").json()["attempts"]
    lines = [each["message"] for each in attempt["lines"]]
    assert lines == [*(f"old {n}" for n in range(400, 700)), *(f"new {n}" for n in range(700))]


def test_the_last_lines_of_a_task_that_fails_are_told_before_its_end(web: Web) -> None:
    task_id = web.run(
        ["say", "line #", 50], ["at", 0.5, "HALF"], ["say", "the last words", 1], ["fail", "no"]
    )
    found = web.whole(task_id)
    assert [each.kind for each in found][-1] == "state"
    assert [each.data["message"] for each in found if each.kind == "log"][-1] == "the last words"
    assert (found[-1].data["status"], found[-1].data["stage"]) == ("failed", "HALF")
