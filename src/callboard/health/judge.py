"""From what was seen to what is wrong. Pure; watch.py does the looking.

Where the doctor asks the same it is the doctor's own judgement, words included (doctor/).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from callboard.doctor import processes, rabbitmq_server, redis_server
from callboard.flow import Minute, Rates, rates
from callboard.health.problem import Problem, Severity, of_finding
from callboard.store.schedulers import Schedulers
from callboard.store.schedules import Schedule
from callboard.store.workers import QueueEntry, WorkerEntry

#: Minutes (and the one that has begun) over which trends and failures are judged.
WINDOW_MIN: Final = 5
#: Seconds that a task waits before a queue without a worker is a problem, and that an installation has
#: to start its processes.
_UNSERVED_S: Final = 5
_STARTING_S: Final = 20
#: Failures within the window below which their share says nothing.
_FAILED_LEAST: Final = 10
#: What makes a queue's or a task type's problem critical: so many times the limit, and this share.
_FAR: Final = 5
_FAILED_CRITICAL: Final = 0.5
#: Tasks a second that are not worth telling.
_SLOW: Final = 0.05
#: Milliseconds by which clocks of machines may differ.
_SKEW_MS: Final = 5_000
#: Seconds Redis has been up before silence means anything: until then nobody could write a heartbeat.
_REDIS_UP_S: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a number becomes a problem (CALLBOARD_HEALTH_…)."""

    waiting_s: int
    depth: int
    failed_share: float
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What Redis says. Times in milliseconds since the epoch, by its own clock, as is `now`."""

    now: int
    info: Mapping[str, Any] | None
    queues: Sequence[QueueEntry]
    alive: Sequence[WorkerEntry]
    #: Those that are lost and not replaced.
    lost: Sequence[WorkerEntry]
    schedulers: Schedulers
    outbox: float | None
    due: float | None
    minutes: Sequence[Minute] = field(default_factory=list)
    #: Those whose last tick had no task.
    schedules: Sequence[Schedule] = field(default_factory=list)


def servers(rabbitmq: str | None, blocked: str | None, redis: str | None) -> Iterator[Problem]:
    """Judge whether both servers serve us; each is None or what they said."""
    if blocked is not None:
        yield from of_finding(rabbitmq_server.blocked(), "rabbitmq-blocked", "RabbitMQ has raised an alarm")
    elif rabbitmq is not None:
        yield from of_finding(
            rabbitmq_server.unreachable(rabbitmq), "rabbitmq-unreachable", "RabbitMQ cannot be reached"
        )
    if redis is not None:
        yield from of_finding(redis_server.unreachable(redis), "redis-unreachable", "Redis cannot be reached")


def inside(
    seen: Seen, types_by_queue: Mapping[str, Sequence[str]], limits: Limits, uptime_s: float
) -> Iterator[Problem]:
    """Judge everything that is known through Redis; `uptime_s` is the age of this process."""
    if seen.info is not None:
        yield from _redis(seen.info)
    up = float((seen.info or {}).get("uptime_in_seconds", _REDIS_UP_S)) >= _REDIS_UP_S
    started = uptime_s >= _STARTING_S
    if up:
        yield from _lost(seen)
    if up and started:
        if not seen.alive:
            yield from of_finding(processes.nobody(), "workers-none", "No worker is alive", Severity.WARNING)
        yield from _scheduler(seen.schedulers)
    yield from _schedules(seen.schedules)
    yield from of_finding(
        processes.judge_outbox(seen.outbox, seen.now), "outbox", "Messages are not confirmed"
    )
    yield from of_finding(processes.judge_due(seen.due, seen.now), "overdue", "Delayed tasks are overdue")
    for entry in seen.queues:
        flow = rates(seen.minutes, types_by_queue[entry.name], seen.now)
        yield from _queue(entry, seen, flow, limits)
    yield from _failures(seen.minutes, limits)
    yield from _dead(seen.queues, limits)


def _redis(info: Mapping[str, Any]) -> Iterator[Problem]:
    titles = (
        ("redis-persistence", "Redis does not keep its data safely"),
        ("redis-eviction", "Redis may forget tasks"),
        ("redis-memory", "Redis is running out of memory"),
    )
    for finding, (problem_id, title) in zip(redis_server.judge(info), titles, strict=True):
        yield from of_finding(finding, problem_id, title)


def unreplaced(lost: Sequence[WorkerEntry], alive: Sequence[WorkerEntry]) -> list[WorkerEntry]:
    """Return the lost workers in whose place no other one has been started for the same queues."""
    free = sorted(alive, key=lambda each: each.started_at)
    left = []
    for each in sorted(lost, key=lambda each: each.last_heartbeat):
        for other in free:
            if other.started_at >= each.last_heartbeat - _SKEW_MS and set(each.queues) <= set(other.queues):
                free.remove(other)
                break
        else:
            left.append(each)
    return left


def _lost(seen: Seen) -> Iterator[Problem]:
    for each in seen.lost:
        silent_s = (seen.now - each.last_heartbeat) / 1000
        ran = f" It ran {_tasks(len(each.running))}, which others take over." if each.running else ""
        yield Problem(
            id=f"worker-lost:{each.id}",
            severity=Severity.WARNING,
            title=f"The worker {each.id} was lost",
            detail=f"It has not been heard of for {spell(silent_s)} and did not say that it stops.{ran}",
            what_to_do=(
                f"See its log and {each.host}'s memory; start another worker for {', '.join(each.queues)}. "
                "If it was ended on purpose, this notice ends by itself within 15 minutes."
            ),
            since_ms=each.last_heartbeat,
        )


def _scheduler(seen: Schedulers) -> Iterator[Problem]:
    for each in of_finding(
        processes.judge_scheduler(seen), "scheduler-lost", "No scheduler is alive", Severity.WARNING
    ):
        known = max(seen.beats.values(), default=None)
        yield Problem(
            id=each.id, severity=each.severity, title=each.title, detail=each.detail,
            what_to_do=each.what_to_do, since_ms=known,
        )  # fmt: skip


def _schedules(troubled: Sequence[Schedule]) -> Iterator[Problem]:
    for each in troubled:
        yield Problem(
            id=f"schedule-broken:{each.schedule_id}",
            severity=Severity.WARNING,
            title=f"The schedule {each.definition.name} has not submitted its task",
            detail=f"{(each.problem or '').rstrip('.')}.",
            what_to_do="Change it on the page Schedules, or deploy what it needs; its next tick tries again.",
            since_ms=each.problem_at,
        )


def _queue(entry: QueueEntry, seen: Seen, flow: Rates, limits: Limits) -> Iterator[Problem]:
    waited_s = 0.0 if entry.waiting_since is None else (seen.now - entry.waiting_since) / 1000
    if entry.paused_since is not None:
        coming = f", and {flow.came:.1f} a second come in" if flow.came >= _SLOW else ""
        yield Problem(
            id=f"queue-paused:{entry.name}",
            severity=Severity.INFO,
            title=f"The queue {entry.name} is paused",
            detail=f"{_tasks(entry.ready)} {'wait' if entry.ready != 1 else 'waits'} in it{coming}.",
            what_to_do="Resume it on the page Queues when its tasks shall run.",
            since_ms=entry.paused_since,
        )
    elif not any(entry.name in each.queues for each in seen.alive):
        if entry.ready and waited_s >= _UNSERVED_S:
            for each in of_finding(
                processes.unserved_by([entry.name]),
                f"queue-unserved:{entry.name}",
                f"The queue {entry.name} has no worker",
            ):
                detail = f"{each.detail} {_tasks(entry.ready)} wait, the oldest for {spell(waited_s)}."
                yield Problem(
                    id=each.id, severity=each.severity, title=each.title, detail=detail,
                    what_to_do=each.what_to_do, since_ms=entry.waiting_since,
                )  # fmt: skip
    else:
        yield from _behind(entry, waited_s, flow, limits)


def _behind(entry: QueueEntry, waited_s: float, flow: Rates, limits: Limits) -> Iterator[Problem]:
    gain = flow.ended - flow.came
    old = waited_s >= limits.waiting_s
    deep = entry.ready >= limits.depth and (gain <= 0 or entry.ready / gain > limits.waiting_s)
    if not (old or deep):
        return
    far = waited_s >= _FAR * limits.waiting_s or entry.ready >= _FAR * limits.depth
    trend = (
        f"at this pace it is empty in {spell(entry.ready / gain)}" if gain > 0 else "it does not get shorter"
    )
    yield Problem(
        id=f"queue-behind:{entry.name}",
        severity=Severity.CRITICAL if far and gain <= 0 else Severity.WARNING,
        title=f"The queue {entry.name} is {'behind' if gain > 0 else 'growing'}",
        detail=(
            f"{_tasks(entry.ready)} wait, the oldest for {spell(waited_s)}. In the last {WINDOW_MIN} minutes "
            f"{flow.came:.1f} a second came in and {flow.ended:.1f} ended: {trend}."
        ),
        what_to_do=(
            f"Start more workers for it: `callboard worker --queues {entry.name}`; look at what its tasks "
            "wait for on the page Workers."
        ),
    )


def _failures(minutes: Sequence[Minute], limits: Limits) -> Iterator[Problem]:
    for name in sorted({name for each in minutes for name in each.failed}):
        failed = sum(each.failed.get(name, 0) for each in minutes)
        ended = sum(each.ended.get(name, 0) for each in minutes)
        if failed < _FAILED_LEAST or failed < limits.failed_share * ended:
            continue
        share = failed / ended
        yield Problem(
            id=f"failing:{name}",
            severity=Severity.CRITICAL if share >= _FAILED_CRITICAL else Severity.WARNING,
            title=f"Many {name} tasks fail",
            detail=f"In the last {WINDOW_MIN} minutes {failed:,} of {ended:,} failed ({share:.0%}).",
            what_to_do="The page Failed groups their errors; retry them there once the cause is mended.",
        )


def _dead(queues: Sequence[QueueEntry], limits: Limits) -> Iterator[Problem]:
    dead = sum(each.failed for each in queues)
    if dead >= limits.dead:
        most = max(queues, key=lambda each: each.failed)
        yield Problem(
            id="dead-letters",
            severity=Severity.WARNING,
            title="Many failed tasks are left",
            detail=f"{_tasks(dead)} have failed for good, {most.failed:,} of them in {most.name}.",
            what_to_do="Retry or delete them on the page Failed; they expire with CALLBOARD_RESULT_TTL.",
        )


def _tasks(number: int) -> str:
    return f"{number:,} task{'' if number == 1 else 's'}"


def spell(seconds: float) -> str:
    """Return a duration in words: 12 s, 3 min, 2 h, 4 d."""
    for unit, name, most in ((1, "s", 120), (60, "min", 7_200), (3_600, "h", 172_800)):
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} d"
