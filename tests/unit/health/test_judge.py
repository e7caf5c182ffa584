"""From what was seen to problems: when there is one, how bad it is, and that it says what to do."""

from collections.abc import Sequence
from typing import Any

import pytest

from callboard.flow import Minute, rates
from callboard.health.judge import Limits, Seen, inside, servers, spell, unreplaced
from callboard.health.problem import Problem, Report, Severity, in_order, view
from callboard.store.schedulers import Schedulers
from callboard.store.schedules import Definition, Schedule
from callboard.store.workers import QueueEntry, WorkerEntry

NOW = 1_800_000_059_999  # the last millisecond of a minute
MINUTE = NOW // 60_000
LIMITS = Limits(waiting_s=300, depth=10_000, failed_share=0.2, dead=1_000)
TYPES = {"default": ["echo"], "email": ["mail"]}


def queue(name: str = "default", ready: int = 0, waited_s: float = 0, **changes: Any) -> QueueEntry:
    fields: dict[str, Any] = {
        "name": name, "high": 0, "normal": ready, "low": 0, "scheduled": 0, "retrying": 0, "running": 0,
        "failed": 0, "oldest_id": None, "waiting_since": NOW - int(waited_s * 1000) if ready else None,
    }  # fmt: skip
    return QueueEntry(**fields | changes)


def worker(name: str = "host:1", queues: Sequence[str] = ("default", "email"), **changes: Any) -> WorkerEntry:
    fields: dict[str, Any] = {
        "id": name, "host": "host", "pid": 1, "queues": list(queues), "threads": 4, "running": [],
        "started_at": NOW - 3_600_000, "last_heartbeat": NOW - 1_000, "cpu_percent": 0.0, "memory_bytes": 1,
        "done": 0, "failed": 0,
    }  # fmt: skip
    return WorkerEntry(**fields | changes)


def minutes(came: int = 0, ended: int = 0, failed: int = 0, name: str = "echo") -> list[Minute]:
    """Six minutes of which each is like this."""
    return [
        Minute(MINUTE - 5 + n, {name: came}, {name: ended} if ended else {}, {name: failed}) for n in range(6)
    ]


def well(**changes: Any) -> Seen:
    """An installation that is well, but for what is changed."""
    fields: dict[str, Any] = {
        "now": NOW, "info": None, "queues": [queue(), queue("email")], "alive": [worker()], "lost": [],
        "schedulers": Schedulers(NOW, NOW - 30_000, {"host:2": NOW - 2_000}), "outbox": None, "due": None,
        "minutes": minutes(),
    }  # fmt: skip
    return Seen(**fields | changes)


def found(uptime_s: float = 3600, **changes: Any) -> list[Problem]:
    return list(inside(well(**changes), TYPES, LIMITS, uptime_s))


def only(problems: Sequence[Problem]) -> Problem:
    (one,) = problems
    assert one.title
    for text in (one.detail, one.what_to_do):
        assert text.endswith((".", "?"))
    return one


def test_an_installation_that_is_well_has_no_problem() -> None:
    assert found() == []


# -- servers


@pytest.mark.parametrize(
    ("said", "problem_id"),
    [
        ((None, None, "ConnectionError: refused"), "redis-unreachable"),
        (("RabbitMQ at host:5672: refused", None, None), "rabbitmq-unreachable"),
        (("blocked", "memory", None), "rabbitmq-blocked"),
    ],
)
def test_a_server_that_does_not_serve_is_critical(said: Sequence[str | None], problem_id: str) -> None:
    problem = only(list(servers(*said)))
    assert (problem.id, problem.severity) == (problem_id, Severity.CRITICAL)


def test_servers_that_serve_are_no_problem() -> None:
    assert list(servers(None, None, None)) == []


INFO: dict[str, Any] = {
    "uptime_in_seconds": "100", "aof_enabled": "1", "maxmemory_policy": "noeviction", "used_memory": 1,
    "maxmemory": 100,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "problem_id", "severity"),
    [
        ({"aof_enabled": "0"}, "redis-persistence", Severity.CRITICAL),
        ({"aof_last_write_status": "err"}, "redis-persistence", Severity.CRITICAL),
        ({"maxmemory_policy": "allkeys-lru"}, "redis-eviction", Severity.CRITICAL),
        ({"used_memory": "80"}, "redis-memory", Severity.WARNING),
        ({"used_memory": "96"}, "redis-memory", Severity.CRITICAL),
    ],
)
def test_a_redis_that_may_lose_tasks_is_named(
    changes: dict[str, Any], problem_id: str, severity: Severity
) -> None:
    assert found(info=INFO) == []
    problem = only(found(info=INFO | changes))
    assert (problem.id, problem.severity) == (problem_id, severity)


# -- workers and schedulers


def test_a_worker_that_vanished_is_named_with_its_last_heartbeat() -> None:
    gone = worker("host:9", last_heartbeat=NOW - 60_000, running=["a"])
    problem = only(found(lost=[gone]))
    assert (problem.id, problem.severity) == ("worker-lost:host:9", Severity.WARNING)
    assert problem.since_ms == NOW - 60_000
    assert "1 task" in problem.detail


def test_a_lost_worker_is_replaced_by_one_that_was_started_since_and_does_its_work() -> None:
    gone = [worker(f"host:{n}", last_heartbeat=NOW - 60_000) for n in (8, 9)]
    young = {"started_at": NOW - 30_000}
    assert len(unreplaced(gone, [worker()])) == 2, "that one was there before"
    assert len(unreplaced(gone, [worker("host:2", **young)])) == 1
    assert unreplaced(gone, [worker("host:2", **young), worker("host:3", **young)]) == []
    assert len(unreplaced(gone, [worker("host:2", queues=["email"], **young)])) == 2


def test_silence_means_nothing_while_redis_has_just_been_started() -> None:
    gone = worker("host:9", last_heartbeat=NOW - 60_000)
    assert found(lost=[gone], alive=[], info=INFO | {"uptime_in_seconds": "3"}) == []


def test_no_worker_at_all_is_told_once_the_installation_has_started() -> None:
    assert found(alive=[], uptime_s=5) == []
    assert only(found(alive=[])).id == "workers-none"


def test_a_queue_without_a_worker_is_critical_when_something_waits_in_it() -> None:
    email_only = [worker(queues=["email"])]
    assert found(alive=email_only) == []
    assert found(alive=email_only, queues=[queue(ready=1, waited_s=1)]) == [], "one may be starting"
    problem = only(found(alive=email_only, queues=[queue(ready=3, waited_s=60)]))
    assert (problem.id, problem.severity) == ("queue-unserved:default", Severity.CRITICAL)
    assert "--queues default" in problem.what_to_do
    assert problem.since_ms == NOW - 60_000


@pytest.mark.parametrize(
    "seen",
    [
        Schedulers(NOW, None, {}),
        Schedulers(NOW, NOW - 1, {"host:2": NOW - 60_000}),
        Schedulers(NOW, NOW - 600_000, {"host:2": NOW - 1_000}),
    ],
)
def test_a_scheduler_that_is_gone_or_does_not_tick_is_named(seen: Schedulers) -> None:
    problem = only(found(schedulers=seen))
    assert (problem.id, problem.severity) == ("scheduler-lost", Severity.WARNING)
    assert problem.since_ms == max(seen.beats.values(), default=None)


def test_one_scheduler_that_lives_is_enough() -> None:
    assert found(schedulers=Schedulers(NOW, NOW, {"old": NOW - 600_000, "new": NOW - 3_000})) == []


# -- queues


def test_a_queue_whose_tasks_wait_too_long_is_behind() -> None:
    assert found(queues=[queue(ready=5, waited_s=299)]) == []
    problem = only(found(queues=[queue(ready=5, waited_s=301)], minutes=minutes(came=60, ended=120)))
    assert (problem.id, problem.severity) == ("queue-behind:default", Severity.WARNING)
    assert problem.title == "The queue default is behind"
    assert "1.0 a second came in and 2.0 ended: at this pace it is empty in 5 s" in problem.detail
    assert "--queues default" in problem.what_to_do


def test_a_deep_queue_that_will_soon_be_empty_is_no_problem() -> None:
    deep = [queue(ready=10_000, waited_s=5)]
    assert found(queues=deep, minutes=minutes(ended=6_000)) == [], "100 s at this pace"
    problem = only(found(queues=deep, minutes=minutes(came=600, ended=600)))
    assert problem.title == "The queue default is growing"
    assert "does not get shorter" in problem.detail


@pytest.mark.parametrize(
    ("entry", "came", "severity"),
    [
        (queue(ready=50_000, waited_s=1), 1, Severity.CRITICAL),
        (queue(ready=1, waited_s=1_501), 1, Severity.CRITICAL),
        (queue(ready=1, waited_s=1_501), 0, Severity.WARNING),
    ],
)
def test_far_behind_and_not_getting_better_is_critical(
    entry: QueueEntry, came: int, severity: Severity
) -> None:
    ended = 0 if came else 6
    assert only(found(queues=[entry], minutes=minutes(came=came, ended=ended))).severity is severity


def test_a_paused_queue_is_to_be_known_and_nothing_more() -> None:
    paused = queue("email", ready=20_000, waited_s=3_000, paused_since=NOW - 9_000)
    problem = only(found(queues=[paused], alive=[worker()], minutes=minutes(came=120, name="mail")))
    assert (problem.id, problem.severity) == ("queue-paused:email", Severity.INFO)
    assert "20,000 tasks wait in it, and 2.0 a second come in" in problem.detail
    assert problem.since_ms == NOW - 9_000


# -- failures, outbox, delays


@pytest.mark.parametrize(
    ("ended", "failed", "severity"),
    [
        (100, 0, None), (100, 19, None), (100, 20, Severity.WARNING), (100, 50, Severity.CRITICAL),
        (1, 1, None), (2, 2, Severity.CRITICAL),
    ],
)  # fmt: skip
def test_a_type_of_which_many_fail_is_named(ended: int, failed: int, severity: Severity | None) -> None:
    problems = found(minutes=minutes(ended=ended, failed=failed))
    if severity is None:
        assert problems == []
    else:
        assert (only(problems).id, only(problems).severity) == ("failing:echo", severity)


@pytest.mark.parametrize(("name", "problem_id"), [("outbox", "outbox"), ("due", "overdue")])
def test_messages_and_delays_nobody_looks_after_are_named(name: str, problem_id: str) -> None:
    assert found(**{name: NOW - 5_000}) == []
    assert only(found(**{name: NOW - 30_000})).severity is Severity.WARNING
    assert (only(found(**{name: NOW - 90_000})).id) == problem_id
    assert only(found(**{name: NOW - 90_000})).severity is Severity.CRITICAL


def test_many_failed_tasks_are_named() -> None:
    assert found(queues=[queue(failed=999)]) == []
    problem = only(found(queues=[queue(failed=400), queue("email", failed=601)]))
    assert (problem.id, problem.severity) == ("dead-letters", Severity.WARNING)
    assert "601 of them in email" in problem.detail


# -- what comes of them


def problem(severity: Severity, problem_id: str = "a") -> Problem:
    return Problem(id=problem_id, severity=severity, title="A", detail="B.", what_to_do="C.", since_ms=0)


@pytest.mark.parametrize(
    ("severities", "status"),
    [
        ([], "ok"),
        ([Severity.INFO], "ok"),
        ([Severity.INFO, Severity.WARNING], "degraded"),
        ([Severity.WARNING, Severity.CRITICAL], "critical"),
    ],
)
def test_the_worst_problem_is_the_status(severities: Sequence[Severity], status: str) -> None:
    assert Report(0, in_order(problem(each) for each in severities)).status == status


def test_the_worst_comes_first_and_the_order_stays() -> None:
    made = [problem(Severity.INFO), problem(Severity.CRITICAL, "z"), problem(Severity.CRITICAL, "b")]
    assert [each.id for each in in_order(made)] == ["b", "z", "a"]


def test_clients_see_every_field() -> None:
    shown = view(Report(0, (problem(Severity.INFO),), ("workers",)))
    assert shown == {
        "status": "ok",
        "checked_at": "1970-01-01T00:00:00.000Z",
        "problems": [
            {
                "id": "a", "severity": "info", "title": "A", "detail": "B.", "what_to_do": "C.",
                "since": "1970-01-01T00:00:00.000Z",
            }
        ],
        "not_checked": ("workers",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (180, "3 min"), (7_200, "2 h"), (400_000, "5 d")]
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert spell(seconds) == words


def test_rates_are_over_the_whole_window() -> None:
    steady = [Minute(MINUTE - 2 + n, {"echo": 60}, {"echo": 30}, {}) for n in range(2)]
    for begun_ms, last in ((15_000, 15), (30_000, 30), (60_000, 60)):
        now = Minute(MINUTE, {"echo": last}, {"echo": last // 2}, {})
        found = rates([*steady, now], ["echo", "mail"], MINUTE * 60_000 + begun_ms)
        assert (round(found.came, 1), round(found.ended, 1)) == (1.0, 0.5)
    assert rates(steady, ["another"], NOW).came == 0


def test_a_schedule_whose_last_tick_had_no_task() -> None:
    task = Definition(name="Nightly", cron="@daily", time_zone="UTC", missed="once", task=b"{}")
    broken = Schedule(
        schedule_id="0199d2a0-0000-7000-8000-000000000000", definition=task, version=1, created_at=NOW,
        updated_at=NOW, last_tick=NOW, next_tick=NOW, last_task_id=None, last_status=None, last_run_at=None,
        runs=0, skipped=0, problem="/task_type: no task type 'gone'", problem_at=NOW - 9_000,
    )  # fmt: skip
    one = only(found(schedules=[broken]))
    assert (one.id, one.severity) == (f"schedule-broken:{broken.schedule_id}", Severity.WARNING)
    assert (one.since_ms, "Nightly" in one.title) == (NOW - 9_000, True)
    assert "no task type 'gone'" in one.detail
