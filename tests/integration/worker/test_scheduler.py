"""The every-minute work: ticked by every scheduler, done by one; index entries of expired records go."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
import pendulum
import pytest
from periodiq import PeriodiqMiddleware

from callboard import bootstrap
from callboard.broker.embedded import EmbeddedBroker
from callboard.local.redis import RedisServer
from callboard.scheduler.clock import Clock
from callboard.scheduler.ticks import QUEUE, declare_ticks
from callboard.scheduler.trim import Trimmer
from callboard.settings import MEMORY, Settings
from callboard.store import calls, pages, schedulers, schedules
from callboard.store.clients import sync_client
from callboard.store.keys import Keys, keys_for
from callboard.store.schedules import Definition
from callboard.store.sync import SyncStore
from callboard.tasks.ids import first_id_at, new_task_id
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import State
from callboard.tasks.times import now_ms
from tests.contract.store.bench import record
from tests.integration.worker.harness import Installation, soon
from tests.patience import PATIENCE_S

MINUTE_MS = 60_000
TTL_S = 3_600


@pytest.fixture
def keys(namespace: str) -> Keys:
    """A namespace of its own in the memory of this process."""
    return keys_for(namespace)


@pytest.fixture
def store() -> SyncStore:
    """The store both schedulers share."""
    return SyncStore(sync_client(MEMORY))


class CountingTrimmer:
    """Counts how often the work is done."""

    def __init__(self) -> None:
        self.done = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Do it."""
        with self._lock:
            self.done += 1


@contextmanager
def scheduler(
    store: SyncStore, keys: Keys, work: Any, clock: Callable[[], int]
) -> Iterator[tuple[Clock, dramatiq.Worker]]:
    """Run one scheduler process's parts, without its own timer: the test ticks."""
    broker = EmbeddedBroker([PeriodiqMiddleware(skip_delay=30)])
    nothing_due: Any = CountingTrimmer()
    actors = declare_ticks(broker, store, keys, work, nothing_due, clock)
    loop = dramatiq.Worker(broker, queues={QUEUE}, worker_threads=1, worker_timeout=50)
    loop.start()
    try:
        yield Clock(actors), loop
    finally:
        loop.stop(timeout=int(PATIENCE_S * 1000))
        broker.close()


def _done(loop: dramatiq.Worker) -> bool:
    queues = loop.broker.queues
    return queues[QUEUE].qsize() == 0 and loop.work_queue.unfinished_tasks == 0


def test_of_two_schedulers_one_does_the_minutes_work(store: SyncStore, keys: Keys) -> None:
    now = [29_000_000 * MINUTE_MS]
    work = CountingTrimmer()
    with (
        scheduler(store, keys, work, lambda: now[0]) as (one, one_loop),
        scheduler(store, keys, work, lambda: now[0] + 3_000) as (other, other_loop),
    ):
        for minute in range(1, 4):
            now[0] += MINUTE_MS
            at = pendulum.from_timestamp(now[0] // 1000)
            for clock in (one, other, one):
                clock.tick(at)
            soon(lambda: _done(one_loop) and _done(other_loop), "both have worked")
            assert work.done == minute


def test_a_failing_minute_does_not_stop_the_next(
    store: SyncStore, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(CountingTrimmer):
        def run(self) -> None:
            super().run()
            raise RuntimeError("no")

    now = [29_000_000 * MINUTE_MS]
    work = Failing()
    with scheduler(store, keys, work, lambda: now[0]) as (clock, loop):
        for minute in (1, 2):
            now[0] += MINUTE_MS
            clock.tick(pendulum.from_timestamp(now[0] // 1000))
            soon(lambda: _done(loop), "the work was tried")
            assert work.done == minute


def test_without_redis_a_minute_is_left_out_in_one_line(
    own_redis: RedisServer, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    store = SyncStore(sync_client(own_redis.url))
    now = [29_000_000 * MINUTE_MS]
    work = CountingTrimmer()
    with scheduler(store, keys, work, lambda: now[0]) as (clock, loop):
        own_redis.kill()
        clock.tick(pendulum.from_timestamp(now[0] // 1000))
        soon(lambda: _done(loop), "it was tried")
        assert work.done == 0
        assert "trim: left to the next minute: Redis" in caplog.text
        assert [each for each in caplog.records if each.exc_info] == []
        own_redis.start()
        own_redis.wait_ready()
        now[0] += MINUTE_MS
        clock.tick(pendulum.from_timestamp(now[0] // 1000))
        soon(lambda: _done(loop), "the work was done")
        assert work.done == 1
    store.close()


def _run(store: SyncStore, keys: Keys, task: TaskRecord, end: State | None) -> None:
    store.run(calls.create(keys, task, None))
    if end is not None:
        claim = store.run(calls.claim(keys, task.task_id, "host:1", 0, None, "token"))
        store.run(calls.conclude(keys, calls.Ending(task_id=task.task_id, run=claim.run, outcome=end), TTL_S))


def test_index_entries_of_expired_records_are_dropped_and_no_others(store: SyncStore, keys: Keys) -> None:
    now = now_ms()
    old_id = first_id_at(now - 2 * TTL_S * 1000)
    tasks = {
        name: record(task_id=f"{old_id[:-1]}{n}", tags=("a",))
        for n, name in enumerate(("expired", "kept", "still waiting"))
    }
    tasks["new"] = record(tags=("a",))
    for name, task in tasks.items():
        _run(store, keys, task, None if name == "still waiting" else State.SUCCEEDED)
    redis: Any = sync_client(MEMORY)
    redis.delete(keys.task(tasks["expired"].task_id))  # what its time to live does

    Trimmer(store, keys, TTL_S, clock=lambda: now).run()

    gone = tasks["expired"].task_id.encode()
    left = {task.task_id.encode() for name, task in tasks.items() if name != "expired"}
    assert set(redis.zrange(f"{keys.prefix}all", 0, -1)) == left
    assert set(redis.zrange(f"{keys.prefix}tag:a", 0, -1)) == left
    for name in redis.keys(f"{keys.prefix}idx:*"):
        assert gone not in redis.zrange(name, 0, -1)
    assert store.run(pages.known_types(keys)) == ["reverse_text"]


def test_trimming_goes_on_where_a_round_ends(store: SyncStore, keys: Keys) -> None:
    """One script call looks at 500 entries."""
    now = now_ms()
    old_id = first_id_at(now - 2 * TTL_S * 1000)
    redis: Any = sync_client(MEMORY)
    redis.sadd(f"{keys.prefix}types", "reverse_text")
    redis.zadd(f"{keys.prefix}all", {f"{old_id[:-4]}{n:04d}": 0 for n in range(1_700)})
    Trimmer(store, keys, TTL_S, clock=lambda: now).run()
    assert redis.zcard(f"{keys.prefix}all") == 0


def test_two_scheduler_processes_start_tick_and_stop(board: Installation) -> None:
    started = [board.run("scheduler") for _ in range(2)]
    soon(lambda: board.redis.keys(f"{board.keys.prefix}tick:trim:*"), "the minute that has begun is taken")
    soon(lambda: len(board.store.run(schedulers.seen(board.keys)).beats) == 2, "both say that they live")
    for each in started:
        assert each.stop() == 0
        assert "Traceback" not in each.log()
    assert board.store.run(schedulers.seen(board.keys)).beats == {}
    minutes: Any = board.redis.keys(f"{board.keys.prefix}tick:trim:*")
    assert 1 <= len(minutes) <= 2


def test_in_embedded_mode_the_clock_itself_submits_what_is_due(namespace: str) -> None:
    """The workers' threads may all be busy: nothing of it waits in a queue."""
    settings = Settings(namespace=namespace, actors=("tests.tasks_for_tests",))
    made = bootstrap.parts(settings)
    now = [29_000_000 * MINUTE_MS]
    task = Definition(name="n", cron="* * * * *", time_zone="UTC", missed="all", task=b'{"task_type":"echo"}')
    kept = schedules.fields_of(task)
    schedule_id = new_task_id()
    made.store.run(
        schedules.save(
            made.keys, schedule_id, kept, expected="new", settled_ms=now[0], next_tick=now[0] + 1, at_most=1
        )
    )

    def queued() -> int:
        return int(made.broker.queues["default"].qsize()) if "default" in made.broker.queues else 0

    process = bootstrap.scheduler(settings, made, clock=lambda: now[0], look_s=0.005)
    process.start()
    try:
        soon(lambda: made.store.run(schedulers.seen(made.keys)).beats, "it says that it lives")
        for minute in range(1, 4):
            now[0] += MINUTE_MS
            soon(lambda n=minute: queued() == n, "the task is queued")  # type: ignore[misc]
    finally:
        process.stop()
        made.broker.close()
    found = made.store.run(schedules.read(made.keys, schedule_id))
    assert found is not None
    assert (found.runs, found.last_tick, found.last_status) == (3, now[0], "queued")
    assert made.store.run(schedulers.seen(made.keys)).beats == {}
