"""What the dashboard shows of real tasks, and what its buttons do to them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from callboard.local.ports import free_ports
from callboard.store import queues
from callboard.tasks.states import State
from tests.integration.dashboard import site as sites
from tests.integration.dashboard.site import Answer, Site
from tests.integration.worker.harness import Installation, soon


@pytest.fixture(scope="module")
def failed(board: Installation) -> str:
    """A task that has failed for good."""
    task_id = board.submit("permanent", {"value": "of the failed one"})
    board.wait(task_id, State.FAILED)
    return task_id


def running(board: Installation) -> tuple[str, str]:
    """Start a task that waits for a gate; return its id and the gate."""
    gate, ledger = board.path("gate"), board.path("ledger")
    task_id = board.submit("gated", {"ledger": ledger, "gate": gate})
    board.wait_ledger(ledger, "started")
    return task_id, gate


def numbers(answer: Answer, queue: str) -> list[int]:
    """Return the three numbers of a queue's row."""
    row = answer.text.split(f'href="/queues/{queue}"')[1].split("</tr>")[0]
    return [int(each) for each in re.findall(r">\s*(\d+)\s*</td>", row)]


def test_the_first_page_counts_queues_and_shows_workers(board: Installation, site: Site, failed: str) -> None:
    before = numbers(site.get("/"), "default")
    delayed = board.submit("echo", delay=3600)
    task_id, gate = running(board)
    page = site.get("/")
    jobs, later, dead = numbers(page, "default")
    assert (jobs, later, dead) == (before[0] + 1, before[1] + 1, before[2])
    assert dead >= 1
    worker = str(board.view(task_id)["worker"])

    def row() -> str:
        return site.get("/").text.split(worker)[1].split("</tr>")[0]

    since = datetime.now(UTC)
    soon(lambda: re.search(r">\s*1\s*</td>", row()), "its heartbeat tells of the running task")
    seen = datetime.fromisoformat(re.findall(r'datetime="([^"]+)"', row())[0]).replace(tzinfo=UTC)
    assert since - timedelta(seconds=15) < seen <= datetime.now(UTC)
    board.open_gate(gate)
    board.cancel(delayed)
    board.wait(task_id)


def test_a_paused_queue_says_so(board: Installation, site: Site) -> None:
    board.store.run(queues.pause(board.keys, "email"))
    assert "The queue email is paused" in site.get("/queues/email/failed").text
    board.store.run(queues.resume(board.keys, "email"))
    assert "is paused" not in site.get("/queues/email/failed").text


def test_each_task_is_on_the_tab_of_its_state(board: Installation, site: Site, failed: str) -> None:
    delayed = board.submit("echo", delay=3600)
    task_id, gate = running(board)
    tabs = {tab: site.get(f"/queues/default/{tab}").tasks() for tab in ("standard", "delayed", "failed")}
    assert site.get("/queues/default").tasks() == tabs["standard"]
    for tab, its_own in (("standard", task_id), ("delayed", delayed), ("failed", failed)):
        assert [name for name, tasks in tabs.items() if its_own in tasks] == [tab]
    board.open_gate(gate)
    board.cancel(delayed)
    board.wait(task_id)


def test_a_failed_task_shows_its_arguments_and_its_traceback(site: Site, failed: str) -> None:
    page = site.get(f"/queues/default/failed/{failed}")
    assert page.title == f"Job {failed} in default"
    assert "of the failed one" in page.text
    assert "Permanent: never again" in page.text
    assert "Traceback (most recent call last)" in page.text
    assert "tasks_for_tests.py" in page.text


def test_earlier_attempts_are_told_with_their_tracebacks(board: Installation, site: Site) -> None:
    task_id = board.submit("boom", {"times": 99}, max_retries=1)
    board.wait(task_id, State.FAILED)
    page = site.get(f"/queues/default/failed/{task_id}").text
    assert "attempt 2 went wrong" in page
    assert "attempt 1 went wrong" in page
    assert "2 of 2" in page
    assert page.count("Traceback (most recent call last)") == 2


def test_a_requeued_task_runs_again_under_its_id(board: Installation, site: Site) -> None:
    task_id = board.submit("boom", {"times": 1}, max_retries=0)
    board.wait(task_id, State.FAILED)
    answer = site.post("/requeue-message", queue="default.XQ", id=task_id)
    assert (answer.status, answer.headers["location"]) == (
        302,
        f"/queues/default/standard/{task_id}?done=queued",
    )
    done = board.wait(task_id, State.SUCCEEDED)
    assert (done["result"], done["attempts"]) == (2, 2)
    assert [each["status"] for each in done["history"]] == ["failed", "succeeded"]
    assert board.redis.zscore(board.keys.outbox, task_id) is None
    page = site.get(answer.headers["location"])
    assert "queued again" in page.text
    assert "succeeded" in page.text
    assert site.get(f"/queues/default/failed/{task_id}").headers["location"] == (
        f"/queues/default/standard/{task_id}"
    )


def test_without_rabbitmq_a_requeue_is_kept_for_later(board: Installation) -> None:
    (nobody,) = free_ports(1)
    site = sites.start(board, broker_url=f"amqp://a:b@127.0.0.1:{nobody}/c")
    task_id = board.submit("permanent")
    board.wait(task_id, State.FAILED)
    soon(lambda: board.redis.zscore(board.keys.outbox, task_id) is None, "its first message is confirmed")
    answer = site.post("/requeue-message", queue="default.XQ", id=task_id)
    assert answer.headers["location"] == f"/queues/default/standard/{task_id}?done=later"
    assert board.status(task_id) == "queued"
    assert board.redis.zscore(board.keys.outbox, task_id) is not None
    assert "RabbitMQ did not answer" in site.get(answer.headers["location"]).text
    assert site.process.stop() == 0


@pytest.mark.parametrize("tab", ["", ".DQ"])
def test_a_waiting_task_that_is_deleted_is_cancelled_and_never_runs(
    tab: str, board: Installation, site: Site
) -> None:
    ledger = board.path("ledger")
    task_id = board.submit("noted", {"ledger": ledger}, delay=1.5)
    answer = site.post("/delete-message", queue=f"default{tab}", id=task_id)
    assert answer.headers["location"].endswith("?done=cancelled")
    assert board.status(task_id) == "cancelled"
    after = board.submit("noted", {"ledger": ledger, "value": "after"}, delay=1.6)
    board.wait(after)
    assert [each["value"] for each in board.ledger(ledger)] == ["after"]
    assert task_id not in site.get("/queues/default/delayed").tasks()


def test_a_running_task_that_is_deleted_is_asked_to_stop(board: Installation, site: Site) -> None:
    task_id, _gate = running(board)
    answer = site.post("/delete-message", queue="default", id=task_id)
    assert answer.headers["location"] == "/queues/default/standard?done=asked"
    assert "asked to stop" in site.get(answer.headers["location"]).text
    board.wait(task_id, State.CANCELLED)


def test_a_failed_task_that_is_deleted_is_gone(board: Installation, site: Site) -> None:
    task_id = board.submit("permanent")
    board.wait(task_id, State.FAILED)
    answer = site.post("/delete-message", queue="default.XQ", id=task_id)
    assert answer.headers["location"] == "/queues/default/failed?done=deleted"
    assert board.record(task_id) is None
    for address in ("/delete-message", "/requeue-message"):  # a second tab had it still
        again = site.post(address, queue="default.XQ", id=task_id)
        assert (again.status, again.title) == (404, "No such task")


def test_a_task_that_has_moved_on_is_not_requeued(board: Installation, site: Site) -> None:
    task_id = board.submit("echo", delay=3600)
    answer = site.post("/requeue-message", queue="default.XQ", id=task_id)
    assert (answer.status, answer.title) == (409, "Too late")
    assert "this one is scheduled" in answer.text
    assert board.status(task_id) == "scheduled"
    board.cancel(task_id)


def test_pages_follow_each_other_without_a_gap_or_a_repeat(board: Installation, site: Site) -> None:
    body = {"task_type": "crunch", "parameters": {"ledger": "nowhere"}, "delay": 3600}
    submitted = board.submit_many([body] * 120)
    seen: list[str] = []
    address, pages = "/queues/data/delayed", 0
    while address:
        page = site.get(address)
        pages += 1
        seen += page.tasks()
        following = re.findall(r'href="(/queues/data/delayed\?cursor=\d+)"', page.text)
        address = following[0] if following else ""
    assert pages == 3
    assert seen == sorted(submitted, reverse=True)
