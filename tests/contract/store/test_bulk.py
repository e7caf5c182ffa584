"""One order for many tasks, from its filter to the last of its tasks, without HTTP."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from callboard import bulk as bulk_module
from callboard.broker.embedded import EmbeddedBroker
from callboard.broker.embedded_publisher import EmbeddedPublisher
from callboard.bulk import Bulk, order_of
from callboard.carry_out import CarryOut
from callboard.errors import Conflict, OperationNotFound, Unavailable
from callboard.store import calls, operations
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import keys_for
from callboard.store.operations import Operation
from callboard.submit import Submitter
from callboard.tasks.ids import new_task_id
from callboard.tasks.record import TaskRecord
from callboard.tasks.registry import Registry
from callboard.tasks.states import State
from tests.contract.store.bench import FAR_MS, TTL_S, Bench, index
from tests.contract.store.test_pages import id_of
from tests.patience import PATIENCE_S


class Outlet(EmbeddedPublisher):
    """The embedded publisher, which can be told to refuse."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        super().__init__(broker)
        self.broker = broker
        self.trouble: str | None = None
        self.broken = False
        self.sent: list[str] = []

    def problem(self) -> str | None:
        return self.trouble

    async def publish(self, queue: str, body: bytes, level: int, message_id: str, delay_ms: int = 0) -> None:
        if self.broken:
            raise Unavailable("the connection broke")
        await super().publish(queue, body, level, message_id, delay_ms)
        self.sent.append(message_id)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "CHUNK", 10)


@pytest.fixture
async def bench(url: str, namespace: str) -> AsyncIterator[Bench]:
    """Yield the executor of web processes, on a server of either kind."""
    client, store = sync_client(url), AsyncStore(async_client(url))
    made = Bench(store.run, keys_for(namespace), client)
    yield made
    made.clear()
    await store.close()
    client.close()


@pytest.fixture
def outlet() -> Iterator[Outlet]:
    broker = EmbeddedBroker([])
    broker.declare_queue("default")
    yield Outlet(broker)
    broker.close()


class Office:
    """Takes orders and carries them out, one step at a time."""

    def __init__(self, bench: Bench, outlet: Outlet) -> None:
        self.bench = bench
        self.woken = 0
        self.bulk = Bulk(bench, bench.keys, TTL_S, self.wake)
        self.submitter = Submitter(Registry(), bench, outlet, bench.keys)
        self.hands = self.new_hands("host:1")

    def wake(self) -> None:
        self.woken += 1

    def new_hands(self, name: str) -> CarryOut:
        """Return another process's background task."""
        return CarryOut(self.bench, self.bench.keys, self.submitter, name, TTL_S)

    async def begin(self, action: str, **fields: Any) -> Operation:
        return await self.bulk.begin(order_of({"action": action, **fields}))

    async def finish(self, begun: Operation) -> Operation:
        """Take steps until there are none."""
        while await self.hands.once():
            pass
        return await self.bulk.get(begun.operation_id)


@pytest.fixture
async def office(bench: Bench, outlet: Outlet) -> Any:
    made = Office(bench, outlet)
    yield made
    await made.submitter.close()


def numbers(found: Operation) -> tuple[str, int, int, int, int]:
    return found.status, found.matched, found.done, found.changed, found.refused


@pytest.mark.parametrize("size", [1, 9, 10, 11, 25])
async def test_every_task_of_every_chunk_is_done_once_oldest_first(
    office: Office, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "LOOK", 7)
    tasks = [await office.bench.in_state(State.QUEUED, task_id=id_of(n)) for n in range(size)]
    begun = await office.begin("cancel", filter={"status": "queued"}, expect=size)
    assert (numbers(begun), office.woken) == (("running", size, 0, 0, 0), 1)
    await office.hands.once()
    ended = [(await office.bench.read(task)).status is State.CANCELLED for task in tasks]
    assert ended == sorted(ended, reverse=True)
    assert numbers(await office.finish(begun)) == ("finished", size, size, size, 0)
    for task in tasks:
        found = await office.bench.read(task)
        assert (found.status, found.version) == (State.CANCELLED, 2)


async def test_retried_tasks_are_queued_and_their_messages_sent(office: Office, outlet: Outlet) -> None:
    tasks = [await office.bench.in_state(State.FAILED) for _ in range(12)]
    for task in tasks:
        await office.bench.run(calls.settle(office.bench.keys, [(task.task_id, task.version)]))
    done = await office.finish(await office.begin("retry", filter={"status": "failed"}))
    assert numbers(done) == ("finished", 12, 12, 12, 0)
    assert sorted(outlet.sent) == sorted(task.task_id for task in tasks)
    assert outlet.broker.depth("default")[0] == 12
    claim = await office.bench.claim(tasks[0], 1)
    assert (claim.kind, claim.attempt) == ("run", 2)
    await office.submitter.close()
    assert office.bench.client.zcard(office.bench.keys.outbox) == 0


async def test_a_retried_task_that_fails_again_is_not_retried_twice(office: Office) -> None:
    """The tasks are settled before the first of them is done."""
    tasks = [await office.bench.in_state(State.FAILED, task_id=id_of(n)) for n in range(15)]
    begun = await office.begin("retry", filter={"status": "failed"})
    await office.hands.once()
    claim = await office.bench.claim(tasks[0], 1)
    await office.bench.conclude(tasks[0], claim.run, State.FAILED)
    assert numbers(await office.finish(begun)) == ("finished", 15, 15, 15, 0)
    assert (await office.bench.read(tasks[0])).status is State.FAILED


async def test_tasks_that_come_later_are_left_alone(office: Office) -> None:
    old = [await office.bench.create() for _ in range(3)]
    begun = await office.begin("cancel", filter={"status": "queued"})
    late = await office.bench.create()
    assert numbers(await office.finish(begun)) == ("finished", 3, 3, 3, 0)
    assert (await office.bench.read(late)).status is State.QUEUED
    assert {(await office.bench.read(task)).status for task in old} == {State.CANCELLED}


async def test_tasks_that_are_not_as_many_as_expected_are_left_alone(office: Office) -> None:
    tasks = [await office.bench.create() for _ in range(3)]
    with pytest.raises(Conflict, match="3 tasks match the filter, not the 2 expected; nothing was changed"):
        await office.begin("cancel", filter={"status": "queued"}, expect=2)
    assert await office.bulk.newest() == []
    assert office.woken == 0
    assert not [name for name in office.bench.names() if name.startswith("operation")]
    assert {(await office.bench.read(task)).version for task in tasks} == {1}


async def test_a_filter_that_nothing_fits_has_finished_at_once(office: Office) -> None:
    begun = await office.begin("delete", filter={"status": "failed"}, expect=0)
    assert numbers(begun) == ("finished", 0, 0, 0, 0)
    assert office.woken == 0


async def test_more_tasks_than_one_operation_may_have_are_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_module, "TASKS_MOST", 4)
    for _ in range(5):
        await office.bench.create()
    with pytest.raises(Conflict, match="more than 4 tasks match"):
        await office.begin("cancel", all=True)
    assert not [name for name in office.bench.names() if name.startswith("operation")]


async def test_more_operations_than_may_run_are_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "RUNNING_MOST", 1)
    await office.bench.create()
    await office.begin("cancel", all=True)
    with pytest.raises(Conflict, match="1 operations run already"):
        await office.begin("cancel", all=True)


async def test_another_process_goes_on_where_one_has_died(office: Office) -> None:
    tasks = [await office.bench.in_state(State.FAILED) for _ in range(25)]
    begun = await office.begin("retry", filter={"status": "failed"})
    await office.hands.once()
    other = office.new_hands("host:2")
    assert not await other.once()  # it has not been dead for long enough
    office.bench.client.hset(office.bench.keys.operation(begun.operation_id), "lease_ms", 0)
    while await other.once():
        pass
    assert numbers(await office.bulk.get(begun.operation_id)) == ("finished", 25, 25, 25, 0)
    before = (await office.bench.read(tasks[0])).version
    assert {(await office.bench.read(task)).version for task in tasks} == {before}


async def test_messages_a_dead_process_did_not_send_are_left_to_the_outbox(
    office: Office, outlet: Outlet
) -> None:
    task = await office.bench.in_state(State.FAILED)
    await office.bench.run(calls.settle(office.bench.keys, [(task.task_id, task.version)]))
    outlet.broken = True
    done = await office.finish(await office.begin("retry", filter={"status": "failed"}))
    assert numbers(done) == ("finished", 1, 1, 1, 0)
    assert outlet.sent == []
    assert await office.bench.run(calls.take_outbox(office.bench.keys, 0)) == [task.task_id]


async def test_a_retry_waits_while_no_message_can_be_sent(office: Office, outlet: Outlet) -> None:
    task = await office.bench.in_state(State.FAILED)
    begun = await office.begin("retry", filter={"status": "failed"})
    outlet.trouble = "RabbitMQ is not connected"
    assert not await office.hands.once()
    assert (await office.bench.read(task)).status is State.FAILED
    outlet.trouble = None
    assert numbers(await office.finish(begun)) == ("finished", 1, 1, 1, 0)


async def test_operations_take_turns(office: Office) -> None:
    for _ in range(25):
        await office.bench.create()
    large = await office.begin("cancel", filter={"status": "queued"})
    failed = await office.bench.in_state(State.FAILED)
    small = await office.begin("delete", filter={"status": "failed"})
    await office.hands.once()
    assert numbers(await office.bulk.get(small.operation_id)) == ("finished", 1, 1, 1, 0)
    assert (await office.bulk.get(large.operation_id)).running
    assert await office.bench.absent(failed)


async def test_a_cancelled_operation_takes_no_more_steps(office: Office) -> None:
    tasks = [await office.bench.create(task_id=id_of(n)) for n in range(15)]
    begun = await office.begin("cancel", filter={"status": "queued"})
    await office.hands.once()
    stopped = await office.bulk.cancel(begun.operation_id)
    assert (stopped.status, stopped.matched) == ("cancelled", 15)
    assert 0 < stopped.done < 15
    assert numbers(await office.finish(begun)) == numbers(stopped)
    left = [task for task in tasks if (await office.bench.read(task)).status is State.QUEUED]
    assert len(left) == 15 - stopped.done
    with pytest.raises(Conflict, match="already ended: it is cancelled"):
        await office.bulk.cancel(begun.operation_id)


async def test_waiting_ends_with_the_operation_or_with_its_time(office: Office) -> None:
    await office.bench.create()
    begun = await office.begin("cancel", all=True)
    assert (await office.bulk.wait(begun.operation_id, 0.01)).running
    office.hands.start()
    office.hands.wake()
    assert (await office.bulk.wait(begun.operation_id, PATIENCE_S)).status == "finished"
    await office.hands.close()


async def test_an_operation_that_is_not_there_is_not_found(office: Office) -> None:
    for ask in (office.bulk.get, office.bulk.cancel):
        with pytest.raises(OperationNotFound):
            await ask(new_task_id())


async def test_running_tasks_are_asked_to_stop(office: Office) -> None:
    task, run = await office.bench.running()
    done = await office.finish(await office.begin("cancel", filter={"status": "running"}))
    assert numbers(done) == ("finished", 1, 1, 1, 0)
    assert await office.bench.run(calls.report(office.bench.keys, task.task_id, run, None)) == "cancel"


async def test_waiting_tasks_of_every_kind_never_run_after_a_cancel(office: Office) -> None:
    waiting = [State.SCHEDULED, State.QUEUED, State.RETRYING]
    tasks: list[TaskRecord] = [await office.bench.in_state(state, eta=FAR_MS) for state in waiting[1:]]
    tasks.append(await office.bench.in_state(waiting[0]))
    await office.finish(await office.begin("cancel", filter={"status": [str(each) for each in waiting]}))
    for task in tasks:
        found = await office.bench.read(task)
        assert (await office.bench.claim(task, found.attempts)).why == "cancelled"
        assert office.bench.holding(task) - {"outbox"} == {"all", index(task, State.CANCELLED)}
