"""Checks the records: tasks that are stuck, and indexes that do not agree with them. Looks at the oldest
entries of every index, so that it is cheap however many tasks there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from callboard.doctor.finding import Finding, fail, ok, warn
from callboard.doctor.rabbitmq_server import Depths
from callboard.store import look, pages, queues, workers
from callboard.store.keys import Keys
from callboard.store.look import Seen
from callboard.store.sync import SyncStore
from callboard.tasks.ids import created_ms
from callboard.tasks.states import TERMINAL, Priority, State

#: Entries of one index that are looked at.
LOOK_AT_MOST: Final = 50
#: Seconds a run may be without its lease, and a task queued while a thread is idle.
_STUCK_S: Final = 60


@dataclass(slots=True)
class _Found:
    running: list[Seen] = field(default_factory=list)
    queued: dict[str, list[Seen]] = field(default_factory=dict)
    #: A task stands in several indexes and counts once.
    lost: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)


def check(
    store: SyncStore,
    keys: Keys,
    types_by_queue: dict[str, list[str]],
    depths: Depths,
    now_ms: int,
    result_ttl_s: int,
) -> Iterator[Finding]:
    """Look at the oldest tasks of every state; raises Unavailable."""
    queue_of = {name: queue for queue, names in types_by_queue.items() for name in names}
    found = _Found()
    types = store.run(pages.known_types(keys))
    for name, state in _indexes(types):
        _, seen = store.run(look.index(keys, name, LOOK_AT_MOST))
        for each in seen:
            _sort(each, state, found, now_ms - result_ttl_s * 1000)
        if state is State.RUNNING:
            found.running += seen
        if state is State.QUEUED:
            queue = queue_of.get(name.split(":")[1], "?")
            found.queued.setdefault(queue, []).extend(seen)
    yield _running(found.running, now_ms)
    yield from _queued(store, keys, found.queued, depths, now_ms)
    yield _indexed(found)
    if unknown := sorted(set(types) - set(queue_of)):
        advice = "name their modules in CALLBOARD_ACTORS, or let the tasks expire"
        yield warn("task types", f"there are tasks of types unknown here: {', '.join(unknown[:8])}", advice)


def _indexes(types: Sequence[str]) -> Iterator[tuple[str, State | None]]:
    yield "all", None
    for task_type in types:
        for priority in Priority:
            for state in State:
                yield f"idx:{task_type}:{priority.value}:{state.value}", state


def _sort(each: Seen, state: State | None, found: _Found, oldest_ms: int) -> None:
    """Note an entry whose record is not there, or says something else."""
    if each.status is None:
        may_expire = state is None or state in TERMINAL
        if may_expire and created_ms(each.task_id) < oldest_ms:
            found.expired.add(each.task_id)
        else:
            found.lost.add(each.task_id)
    elif state is not None and each.status != state:
        found.wrong.add(each.task_id)


def _running(seen: list[Seen], now_ms: int) -> Finding:
    over = [
        each
        for each in seen
        if each.status == State.RUNNING and (each.lease_ms or 0) < now_ms - _STUCK_S * 1000
    ]
    if not over:
        return ok("running tasks", "every run has its worker")
    return fail(
        "running tasks",
        f"{_some([each.task_id for each in over])} lost their worker more than {_STUCK_S} s ago "
        "and were not taken over",
        "start a worker for their queue; if one runs, their messages are lost: cancel them, then retry them",
    )


def _queued(
    store: SyncStore, keys: Keys, queued: dict[str, list[Seen]], depths: Depths, now_ms: int
) -> Iterator[Finding]:
    alive = store.run(workers.live(keys))
    paused = store.run(queues.paused(keys))
    stuck = False
    for queue, seen in sorted(queued.items()):
        old = [
            each.task_id
            for each in seen
            if each.status == State.QUEUED and each.since_ms < now_ms - _STUCK_S * 1000
        ]
        serving = [each for each in alive if queue in each.queues]
        idle = sum(max(0, each.threads - len(each.running)) for each in serving)
        if not old or not idle or queue in paused:
            continue
        stuck = True
        detail = (
            f"{_some(old)} have waited in {queue!r} for more than {_STUCK_S} s while {idle} threads are idle"
        )
        if depths.ready.get(queue) == 0:
            advice = "RabbitMQ has no message for them: cancel them, then retry them"
            yield fail("queued tasks", f"{detail}, and RabbitMQ's queue is empty", advice)
        else:
            yield warn("queued tasks", detail, "see the workers' logs")
    if not stuck:
        yield ok("queued tasks", "none waits while a thread is idle")


def _indexed(found: _Found) -> Finding:
    if found.lost:
        return fail(
            "indexes",
            f"the records of {_some(found.lost)} are gone before their time",
            "Redis has lost data or evicted keys: see its checks above; unfinished tasks whose messages are "
            "left run all the same",
        )
    if found.wrong:
        advice = "report this as a bug, with HGETALL of one of these records"
        return fail("indexes", f"{_some(found.wrong)} stand in the index of another state", advice)
    expired = f"; {len(found.expired)} have expired and will be trimmed" if found.expired else ""
    return ok("indexes", f"they agree with the records looked at{expired}")


def _some(found: Iterable[str]) -> str:
    task_ids = sorted(found)
    many = f"{len(task_ids)} tasks" if len(task_ids) > 1 else "1 task"
    return f"{many} ({', '.join(task_ids[:3])}{', …' if len(task_ids) > 3 else ''})"
