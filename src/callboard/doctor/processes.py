"""Checks Callboard's own processes by what they leave in Redis: workers, scheduler, web.

What is pure here judges for `GET /api/health` as well (health/judge.py).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from callboard.doctor.finding import Finding, fail, ok, warn
from callboard.doctor.rabbitmq_server import Depths
from callboard.store import look, schedulers, workers
from callboard.store import queues as paused_queues
from callboard.store.keys import Keys
from callboard.store.schedulers import Schedulers
from callboard.store.sync import SyncStore

#: Seconds without a heartbeat after which a scheduler is lost; it has one every 5 s.
_BEAT_S: Final = 20
#: Seconds after which somebody should have looked for due schedules again; it is done every minute.
_TICK_S: Final = 180
#: Seconds an unconfirmed message and a due task may wait for a web process.
_OUTBOX_WARN_S: Final = 20
_OUTBOX_FAIL_S: Final = 60
_DUE_WARN_S: Final = 10
_DUE_FAIL_S: Final = 60


def alive(store: SyncStore, keys: Keys, queues: Sequence[str], depths: Depths) -> Iterator[Finding]:
    """Look which workers live and whether every queue is served; raises Unavailable."""
    found = store.run(workers.live(keys))
    if not found:
        yield nobody()
        return
    threads = sum(each.threads for each in found)
    yield ok(
        "workers", f"{len(found)} alive with {threads} threads, {sum(len(w.running) for w in found)} busy"
    )
    unserved = [name for name in queues if not any(name in each.queues for each in found)]
    if unserved:
        yield unserved_by(unserved)
        return
    paused = store.run(paused_queues.paused(keys))
    deaf = [name for name in queues if depths.consumers.get(name) == 0 and name not in paused]
    if deaf:
        advice = "see the workers' logs; they connect again by themselves when RabbitMQ lets them"
        yield warn("queues", f"workers live, but none is connected to {', '.join(deaf)}", advice)
    else:
        but = f", but paused: {', '.join(sorted(paused))}" if paused else ""
        yield ok("queues", f"{', '.join(queues)} are all served{but}")


def nobody() -> Finding:
    """Return that there is no worker."""
    return fail("workers", "none is alive: nothing runs", "start `callboard worker`")


def unserved_by(names: Sequence[str]) -> Finding:
    """Return that these queues have no worker."""
    advice = f"start `callboard worker --queues {','.join(names)}`"
    return fail("queues", f"no worker serves {', '.join(names)}", advice)


def scheduler(store: SyncStore, keys: Keys) -> Finding:
    """Look when schedulers last said something; raises Unavailable."""
    return judge_scheduler(store.run(schedulers.seen(keys)))


def judge_scheduler(seen: Schedulers) -> Finding:
    """Return whether one lives and ticks."""
    advice = "start `callboard scheduler`; any number may run"
    if not seen.beats:
        return fail("scheduler", "none runs: indexes are not trimmed, schedules do not run", advice)
    silent_s = (seen.now - max(seen.beats.values())) / 1000
    if silent_s > _BEAT_S:
        detail = f"the last one has not been heard of for {silent_s:.0f} s: schedules do not run"
        return fail("scheduler", detail, advice)
    if seen.last_tick is not None and (late_s := (seen.now - seen.last_tick) / 1000) > _TICK_S:
        detail = f"one lives, but due schedules were last looked for {late_s:.0f} s ago"
        return warn("scheduler", detail, "see its log and what RabbitMQ says; start a second one")
    return ok("scheduler", f"heard of {silent_s:.0f} s ago")


def outbox(store: SyncStore, keys: Keys, now_ms: int) -> Finding:
    """Look how long messages have been unconfirmed; raises Unavailable."""
    return judge_outbox(store.run(look.earliest(keys, "outbox")), now_ms)


def judge_outbox(earliest_ms: float | None, now_ms: int) -> Finding:
    """Return whether the oldest message without a confirm is young enough."""
    age_s = 0.0 if earliest_ms is None else (now_ms - earliest_ms) / 1000
    detail = f"the oldest message without a confirm is {age_s:.0f} s old"
    if age_s > _OUTBOX_FAIL_S:
        advice = "start `callboard web`, which publishes it again; if it runs, see what RabbitMQ says"
        return fail("outbox", detail, advice)
    if age_s > _OUTBOX_WARN_S:
        return warn("outbox", detail, "web processes publish it again after 10 s; look again in a minute")
    return ok("outbox", "every message is confirmed" if earliest_ms is None else detail)


def due(store: SyncStore, keys: Keys, now_ms: int) -> Finding:
    """Look for delayed tasks whose time has passed; raises Unavailable."""
    return judge_due(store.run(look.earliest(keys, "due")), now_ms)


def judge_due(earliest_ms: float | None, now_ms: int) -> Finding:
    """Return whether the task that is due first is not overdue."""
    late_s = 0.0 if earliest_ms is None else (now_ms - earliest_ms) / 1000
    if late_s <= _DUE_WARN_S:
        return ok("delays", "no task is overdue")
    detail = f"a task that was due {late_s:.0f} s ago is still shown as waiting"
    advice = "start `callboard web`, which moves it; look at the delay ladder (`callboard doctor`)"
    return fail("delays", detail, advice) if late_s > _DUE_FAIL_S else warn("delays", detail, advice)
