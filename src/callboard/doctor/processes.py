"""Checks Callboard's own processes by what they leave in Redis: workers, scheduler, web."""

from collections.abc import Iterator, Sequence
from typing import Final

from callboard.doctor.finding import Finding, fail, ok, warn
from callboard.doctor.rabbitmq_server import Depths
from callboard.store import look, workers
from callboard.store.keys import Keys
from callboard.store.sync import SyncStore

#: Minutes without a tick after which there is no scheduler.
_TICKS_AGO: Final = 3
#: Seconds an unconfirmed message and a due task may wait for a web process.
_OUTBOX_WARN_S: Final = 20
_OUTBOX_FAIL_S: Final = 60
_DUE_WARN_S: Final = 10
_DUE_FAIL_S: Final = 60


def alive(store: SyncStore, keys: Keys, queues: Sequence[str], depths: Depths) -> Iterator[Finding]:
    """Look which workers live and whether every queue is served; raises Unavailable."""
    found = store.run(workers.live(keys))
    if not found:
        yield fail("workers", "none is alive: nothing runs", "start `callboard worker`")
        return
    threads = sum(each.threads for each in found)
    yield ok(
        "workers", f"{len(found)} alive with {threads} threads, {sum(len(w.running) for w in found)} busy"
    )
    unserved = [name for name in queues if not any(name in each.queues for each in found)]
    if unserved:
        advice = f"start `callboard worker --queues {','.join(unserved)}`"
        yield fail("queues", f"no worker serves {', '.join(unserved)}", advice)
        return
    deaf = [name for name in queues if depths.consumers.get(name) == 0]
    if deaf:
        advice = "see the workers' logs; they connect again by themselves when RabbitMQ lets them"
        yield warn("queues", f"workers live, but none is connected to {', '.join(deaf)}", advice)
    else:
        yield ok("queues", f"{', '.join(queues)} are all served")


def scheduler(store: SyncStore, keys: Keys, now_ms: int) -> Finding:
    """Look for the newest tick; raises Unavailable."""
    minute = now_ms // 60_000
    for ago in range(-1, _TICKS_AGO + 1):  # -1: its clock may be a little ahead
        if store.run(look.exists(keys.tick("trim", minute - ago))):
            if ago < _TICKS_AGO - 1:
                return ok("scheduler", f"its last tick was {'this minute' if ago <= 0 else f'{ago} min ago'}")
            return warn("scheduler", f"its last tick was {ago} min ago", "see its log; start a second one")
    advice = "start `callboard scheduler`; any number may run"
    return fail("scheduler", f"no tick within {_TICKS_AGO} minutes: indexes are not trimmed", advice)


def outbox(store: SyncStore, keys: Keys, now_ms: int) -> Finding:
    """Look how long messages have been unconfirmed; raises Unavailable."""
    earliest = store.run(look.earliest(keys, "outbox"))
    age_s = 0.0 if earliest is None else (now_ms - earliest) / 1000
    detail = f"the oldest message without a confirm is {age_s:.0f} s old"
    if age_s > _OUTBOX_FAIL_S:
        advice = "start `callboard web`, which publishes it again; if it runs, see what RabbitMQ says above"
        return fail("outbox", detail, advice)
    if age_s > _OUTBOX_WARN_S:
        return warn("outbox", detail, "web processes publish it again after 10 s; look again in a minute")
    return ok("outbox", "every message is confirmed" if earliest is None else detail)


def due(store: SyncStore, keys: Keys, now_ms: int) -> Finding:
    """Look for delayed tasks whose time has passed; raises Unavailable."""
    earliest = store.run(look.earliest(keys, "due"))
    late_s = 0.0 if earliest is None else (now_ms - earliest) / 1000
    if late_s <= _DUE_WARN_S:
        return ok("delays", "no task is overdue")
    detail = f"a task that was due {late_s:.0f} s ago is still shown as waiting"
    advice = "start `callboard web`, which moves it; look at the delay ladder above"
    return fail("delays", detail, advice) if late_s > _DUE_FAIL_S else warn("delays", detail, advice)
