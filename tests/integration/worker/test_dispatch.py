"""Due schedules become tasks: wherever a scheduler dies, whoever else is there, whatever is gone."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pika
import pytest
from dramatiq.errors import ConnectionClosed

from callboard import bootstrap
from callboard.access.audit import CHANGES, decode
from callboard.errors import Unavailable
from callboard.scheduler.dispatch import Dispatcher
from callboard.schedules import Schedules
from callboard.store import audit, schedulers, schedules
from callboard.store.schedules import Definition, Schedule
from callboard.submit import Submitter
from callboard.tasks.ids import created_ms, new_task_id
from callboard.tasks.registry import Registry
from tests.integration.worker.harness import Installation

MINUTE = 60_000
NOW = 29_500_000 * MINUTE
DEFINITION = Definition(
    name="n", cron="* * * * *", time_zone="UTC", missed="all", task=b'{"task_type":"echo","tags":["a"]}'
)


class Died(BaseException):
    """The process was killed."""


class Mortal:
    """A store and an outlet that work until their process dies, before or after its n-th step outside."""

    def __init__(self, store: Any, outlet: Any, steps: int = 10**9) -> None:
        self._store = store
        self._outlet = outlet
        self.left = steps

    def run(self, call: Any) -> Any:
        return self._step(lambda: self._store.run(call))

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        return self._step(lambda: self._outlet.enqueue(message, delay=delay))

    def dead_letter(self, message: Any) -> None:
        raise AssertionError(message)

    def _step(self, work: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Died
        done = work()
        self.left -= 1
        if self.left < 0:
            raise Died
        return done


@pytest.fixture(scope="module")
def parts(board: Installation) -> Iterator[bootstrap.Parts]:
    """What a scheduler process is made of; no web process is there."""
    made = bootstrap.parts(board.settings)
    yield made
    made.broker.close()


@pytest.fixture
def plans(board: Installation) -> Iterator[list[str]]:
    """The schedules of a test; they go with it, and so do its messages."""
    made: list[str] = []
    yield made
    for schedule_id in made:
        board.store.run(schedules.delete(board.keys, schedule_id, None))
    if made:
        published(board)


def dispatcher(
    board: Installation,
    parts: bootstrap.Parts,
    now: int = NOW,
    mortal: Mortal | None = None,
    known: Registry | None = None,
) -> Dispatcher:
    doors = mortal or Mortal(board.store, parts.broker)
    return Dispatcher(doors, board.keys, known or parts.registry, doors, lambda: now)


def make(board: Installation, plans: list[str], last: int = NOW - 3 * MINUTE, **fields: Any) -> str:
    schedule_id = new_task_id()
    kept = schedules.fields_of(replace(DEFINITION, **fields))
    board.store.run(
        schedules.save(
            board.keys, schedule_id, kept, expected="new", settled_ms=last, next_tick=last + 1, at_most=100
        )
    )
    plans.append(schedule_id)
    return schedule_id


def read(board: Installation, schedule_id: str) -> Schedule:
    found = board.store.run(schedules.read(board.keys, schedule_id))
    assert found is not None
    return found


def ticks(board: Installation, schedule_id: str) -> list[int]:
    """Return the times of the ticks that have a task, one for each task."""
    ids: Any = board.redis.zrange(f"{board.keys.prefix}tag:schedule:{schedule_id}", 0, -1)
    return [created_ms(each.decode()) for each in ids]


def published(board: Installation) -> list[str]:
    """Take the ids of all messages in the queue."""
    found = []
    with pika.BlockingConnection(pika.URLParameters(board.settings.broker_url)) as connection:
        channel = connection.channel()
        while True:
            method, _, body = channel.basic_get(board.topology.work_queue("default"), auto_ack=True)
            if method is None or body is None:
                return found
            found.append(json.loads(body)["message_id"])


def outbox(board: Installation) -> set[str]:
    ids: Any = board.redis.zrange(board.keys.outbox, 0, -1)
    return {each.decode() for each in ids}


def test_wherever_a_scheduler_dies_every_tick_has_its_task_once(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    """Every point: before and after each script and each publish, of two schedules with three ticks each."""
    three = [NOW - 2 * MINUTE, NOW - MINUTE, NOW]
    deaths = 0
    while True:
        made = [make(board, plans) for _ in range(2)]
        doomed = Mortal(board.store, parts.broker, steps=deaths)
        try:
            dispatcher(board, parts, mortal=doomed).run()
        except Died:
            deaths += 1
        else:
            break
        dispatcher(board, parts).run()
        for schedule_id in made:
            assert ticks(board, schedule_id) == three, deaths
            assert read(board, schedule_id).runs == 3
        sent, kept = published(board), outbox(board)
        assert len(set(sent) | kept) == 6, deaths
        for each in kept:
            board.redis.zadd(board.keys.outbox, {each: 0})  # its publisher has died long ago
        dispatcher(board, parts).run()
        assert outbox(board) == set()
        assert set(published(board)) == kept
    assert deaths > 30


def test_many_schedulers_at_the_same_moment(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    made = [make(board, plans) for _ in range(8)]
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        dispatcher(board, parts).run()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for schedule_id in made:
        assert ticks(board, schedule_id) == [NOW - 2 * MINUTE, NOW - MINUTE, NOW]
        assert read(board, schedule_id).runs == 3
    sent = published(board)
    assert (len(sent), len(set(sent)), outbox(board)) == (24, 24, set())


@pytest.mark.parametrize("jump", [-MINUTE, -60 * MINUTE, 30 * MINUTE])
def test_a_clock_that_jumps_and_comes_back_doubles_nothing(
    board: Installation, parts: bootstrap.Parts, plans: list[str], jump: int
) -> None:
    schedule_id = make(board, plans, NOW - 2 * MINUTE)
    for now in (NOW, NOW + jump, NOW + MINUTE, NOW + 31 * MINUTE):
        dispatcher(board, parts, now + 200).run()
    assert ticks(board, schedule_id) == [NOW + n * MINUTE for n in range(-1, 32)]


def test_a_scheduler_whose_clock_stands_in_the_past_touches_nothing(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    """A machine without a battery starts in 1970, until it has asked for the time."""
    schedule_id = make(board, plans, NOW - MINUTE)
    for now in (NOW, 0, NOW + MINUTE, 60_000, NOW + 2 * MINUTE):
        dispatcher(board, parts, now).run()
    assert ticks(board, schedule_id) == [NOW, NOW + MINUTE, NOW + 2 * MINUTE]


@pytest.mark.parametrize(("missed", "run", "skipped"), [("skip", 0, 8), ("once", 1, 7), ("all", 8, 0)])
def test_missed_ticks_by_policy(
    board: Installation, parts: bootstrap.Parts, plans: list[str], missed: str, run: int, skipped: int
) -> None:
    hour = 60 * MINUTE
    top = NOW - NOW % hour
    schedule_id = make(board, plans, top - 8 * hour, cron="@hourly", missed=missed)
    dispatcher(board, parts, top + 30 * MINUTE).run()
    found = read(board, schedule_id)
    assert ticks(board, schedule_id) == [top - n * hour for n in range(run - 1, -1, -1)]
    assert (found.runs, found.skipped, found.next_tick) == (run, skipped, top + hour)
    dispatcher(board, parts, top + hour).run()
    assert ticks(board, schedule_id)[-1] == top + hour


def test_a_year_of_minutes_is_cut_to_a_thousand(
    board: Installation, parts: bootstrap.Parts, plans: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    schedule_id = make(board, plans, NOW - 365 * 1440 * MINUTE)
    dispatcher(board, parts).run()
    assert len(ticks(board, schedule_id)) == read(board, schedule_id).runs == 1_000
    assert "missed more than 1000 ticks" in caplog.text


def trail(board: Installation) -> list[str]:
    found = board.store.run(audit.before(board.keys, CHANGES, "", 100))
    return [entry.target for _, entry in map(decode, found) if entry.action == "schedule.problem"]


def test_a_type_that_is_gone_is_a_problem_until_it_is_back(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    broken, sound = (
        make(board, plans, NOW - MINUTE, task=body) for body in (DEFINITION.task, b'{"task_type":"noted"}')
    )
    board.redis.hset(f"{board.keys.prefix}schedule:{sound}", "task", b'{"task_type":"boom"}')
    others = Registry()
    others.add(parts.registry.get("boom"))
    for now in (NOW, NOW + MINUTE):
        dispatcher(board, parts, now, known=others).run()
    found = read(board, broken)
    assert "no task type 'echo'" in str(found.problem)
    assert (found.runs, found.last_tick, found.next_tick) == (0, NOW + MINUTE, NOW + 2 * MINUTE)
    assert ticks(board, sound) == [NOW, NOW + MINUTE]
    assert len([each for each in trail(board) if broken in each]) == 1  # not once a minute
    dispatcher(board, parts, NOW + 2 * MINUTE).run()
    assert (read(board, broken).problem, ticks(board, broken)) == (None, [NOW + 2 * MINUTE])


@pytest.mark.parametrize("fields", [{"time_zone": "Mars/Olympus"}, {"cron": "x"}, {"missed": "no"}])
def test_what_cannot_be_read_any_more_is_a_problem_and_stops_nobody(
    board: Installation, parts: bootstrap.Parts, plans: list[str], fields: dict[str, str]
) -> None:
    broken, sound = make(board, plans, **fields), make(board, plans)
    dispatcher(board, parts).run()
    found = read(board, broken)
    assert found.problem
    assert (found.runs, found.next_tick) == (0, NOW + 60 * MINUTE)
    assert len(ticks(board, sound)) == 3


def test_without_rabbitmq_tasks_wait_in_the_outbox(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    class Closed(Mortal):
        tried = 0

        def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
            Closed.tried += 1
            raise ConnectionClosed("no RabbitMQ")

    made = [make(board, plans) for _ in range(2)]
    dispatcher(board, parts, mortal=Closed(board.store, parts.broker)).run()
    assert Closed.tried == 1  # the others do not wait for a timeout each
    assert len(outbox(board)) == 6
    for each in outbox(board):
        board.redis.zadd(board.keys.outbox, {each: 0})
    dispatcher(board, parts).run()
    assert (len(published(board)), outbox(board)) == (6, set())
    assert all(len(ticks(board, schedule_id)) == 3 for schedule_id in made)


def test_without_redis_it_says_so_and_the_next_try_does_it_all(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    class Away(Mortal):
        def run(self, call: Any) -> Any:
            if call.script is not None and call.script.name == "schedule_settle":
                raise Unavailable("Redis cannot serve now")
            return super().run(call)

    schedule_id = make(board, plans)
    with pytest.raises(Unavailable):
        dispatcher(board, parts, mortal=Away(board.store, parts.broker)).run()
    assert ticks(board, schedule_id) == []
    dispatcher(board, parts).run()
    assert len(ticks(board, schedule_id)) == 3


def test_a_look_for_due_schedules_is_told(board: Installation, parts: bootstrap.Parts) -> None:
    before = board.store.run(schedulers.seen(board.keys)).now
    dispatcher(board, parts).run()
    last = board.store.run(schedulers.seen(board.keys)).last_tick
    assert last is not None
    assert last >= before


class Here:
    """Runs Calls from the event loop, by the store of this thread."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def run(self, call: Any) -> Any:
        return self._store.run(call)


def schedules_of(board: Installation, parts: bootstrap.Parts, now: list[int]) -> Schedules:
    """Return what the web process has, with a clock of its own."""
    here: Any = Here(board.store)
    submitter = Submitter(parts.registry, here, here, board.keys)
    return Schedules(here, board.keys, submitter, 10, clock=lambda: now[0])


def test_after_a_clock_that_was_wrong_by_years_a_pause_puts_a_schedule_right(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    now = [NOW]
    owned = schedules_of(board, parts, now)
    schedule_id = make(board, plans, NOW - MINUTE)
    dispatcher(board, parts, NOW + 10**11).run()
    wrong = board.loop.run(owned.get(schedule_id))
    assert "pause and resume it" in owned.view(wrong)["problem"]["detail"]
    for enabled in (False, True):
        right = board.loop.run(owned.enable(schedule_id, enabled))
    assert (right.last_tick, right.next_tick, owned.view(right)["problem"]) == (NOW, NOW + MINUTE, None)
    dispatcher(board, parts, NOW + MINUTE).run()
    assert NOW + MINUTE in ticks(board, schedule_id)


def test_a_pause_is_not_made_up_for_and_an_edit_keeps_what_is_due(
    board: Installation, parts: bootstrap.Parts, plans: list[str]
) -> None:
    now = [NOW]
    owned = schedules_of(board, parts, now)
    body = {"name": "n", "cron": "* * * * *", "missed": "all", "task": {"task_type": "echo"}}
    made = board.loop.run(owned.create(owned.checked(body)))
    plans.append(made.schedule_id)
    board.loop.run(owned.enable(made.schedule_id, False))
    now[0] = NOW + 10 * MINUTE
    dispatcher(board, parts, now[0]).run()
    board.loop.run(owned.enable(made.schedule_id, True))
    now[0] = NOW + 11 * MINUTE
    renamed = owned.checked({**body, "name": "m", "task": {"task_type": "boom"}})
    board.loop.run(owned.replace(made.schedule_id, lambda _: renamed))
    dispatcher(board, parts, now[0]).run()
    assert ticks(board, made.schedule_id) == [NOW + 11 * MINUTE]
    last = board.record(read(board, made.schedule_id).last_task_id or "")
    assert last is not None
    assert (last.task_type, last.tags) == ("boom", (made.tag,))
    now[0] = NOW + 12 * MINUTE + 30_000  # the tick of minute 12 is left behind with the old cron
    moved = replace(renamed, cron="0 0 1 1 *")
    board.loop.run(owned.replace(made.schedule_id, lambda _: moved))
    dispatcher(board, parts, now[0]).run()
    assert ticks(board, made.schedule_id) == [NOW + 11 * MINUTE]
