"""What waits behind busy threads runs where threads are free."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from callboard.errors import Unavailable
from callboard.local.redis import RedisServer
from callboard.store import calls
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from callboard.worker.sharing import WAIT_S, Sharing
from tests.integration.worker.harness import Installation, soon
from tests.integration.worker.test_loop import HIGH, LOW, Board, running
from tests.patience import PATIENCE_S

BOTH = frozenset({"email", "data"})


@pytest.mark.usefixtures("alone")
def test_an_idle_worker_gets_what_waits_in_a_busy_one(board: Installation) -> None:
    ledger, gate = board.path("ledger"), board.path("gate")
    busy = board.worker(threads=2)
    long = [board.submit("gated", {"ledger": ledger, "gate": gate}) for _ in range(2)]
    board.wait_ledger(ledger, "started", 2)
    mails = [board.submit("mail", {"ledger": board.path("mail")}) for _ in range(2)]
    soon(lambda: board.messages("email") == 0, "the busy worker has prefetched them")
    idle = board.worker(threads=2)
    assert {board.wait(each)["result"] for each in mails} == {idle.pid}
    board.open_gate(gate)
    assert {board.wait(each)["result"] for each in long} == {busy.pid}
    assert idle.stop() == 0
    last = board.submit("mail", {"ledger": board.path("mail")})
    assert board.wait(last)["result"] == busy.pid, "once it has a thread free it takes from that queue again"


class Office:
    """A worker with one thread, which is busy, and two tasks behind it; others say how busy they are."""

    def __init__(self, loop: Board, redis_url: str, namespace: str) -> None:
        self.board = loop
        self.keys = keys_for(namespace)
        self.store = SyncStore(sync_client(redis_url))
        self.sharing = Sharing(self.store, self.keys, "me", loop.loop)

    def beats(self, worker: str, queues: str, running: str = "", threads: int = 2) -> None:
        fields: dict[str, Any] = {"host": "h", "pid": 1, "queues": queues, "threads": threads}
        fields |= {"running": running, "started_at": 0, "cpu_percent": 0, "memory_bytes": 0}
        self.store.run(calls.beat(self.keys, worker, fields | {"done": 0, "failed": 0}, []))

    def behind(self) -> tuple[int, int]:
        """Return how many wait here, and in their queues."""
        return self.board.held(), sum(self.board.broker.depth(each)[0] for each in BOTH)


@contextmanager
def busy(redis_url: str, namespace: str) -> Iterator[Office]:
    with running() as loop:
        loop.gate.clear()
        loop.send("long")
        assert loop.entered.acquire(timeout=PATIENCE_S)
        loop.send("low", "email", LOW)
        loop.send("high", "data", HIGH)
        made = Office(loop, redis_url, namespace)
        soon(lambda: loop.loop.waiting(WAIT_S) == BOTH, "both have waited")
        yield made
        made.store.close()


@pytest.fixture
def office(redis_server: RedisServer, namespace: str) -> Iterator[Office]:
    """One with two tasks that have waited behind a long one."""
    with busy(redis_server.url, namespace) as made:
        yield made


@pytest.mark.parametrize(
    ("others", "left"),
    [
        (lambda office: None, set()),
        (lambda office: office.beats("me", "default,email,data"), set()),
        (lambda office: office.beats("other", "default"), set()),
        (lambda office: office.beats("other", "email,data", "a,b"), set()),
        (lambda office: office.beats("other", "email,data", "a"), {"email", "data"}),
        (lambda office: office.beats("other", "default,email"), {"email"}),
    ],
    ids=["nobody", "only it", "no such queue", "busy, too", "one thread free", "one queue"],
)
def test_a_queue_is_left_to_others_when_one_of_them_has_a_thread_for_it(
    office: Office, others: Callable[[Office], None], left: set[str]
) -> None:
    others(office)
    office.sharing.look()
    assert office.board.loop.spared == left
    assert office.behind() == (2 - len(left), len(left))
    office.board.gate.set()
    soon(lambda: len(office.board.ran) == 3 - len(left), "what it kept runs")
    if not left:
        assert office.board.ran == ["long", "high", "low"]


def test_it_takes_again_once_a_thread_is_free(office: Office) -> None:
    office.beats("other", "email,data")
    office.sharing.look()
    office.sharing.look()
    assert office.behind() == (0, 2), "it stays so while it is busy"
    office.board.gate.set()
    soon(lambda: not office.board.loop.full(), "its thread is free")
    office.sharing.look()
    soon(lambda: len(office.board.ran) == 3, "both run here")


def test_it_takes_again_once_the_others_are_busy(office: Office) -> None:
    office.beats("other", "email,data")
    office.sharing.look()
    office.beats("other", "email,data", "a,b")
    office.sharing.look()
    soon(lambda: office.behind() == (2, 0), "they wait here, in the order of their priorities")
    office.board.gate.set()
    soon(lambda: office.board.ran == ["long", "high", "low"], "the urgent one is first")


def test_a_pause_and_what_is_left_to_others_do_not_undo_each_other(office: Office) -> None:
    office.beats("other", "email,data")
    office.sharing.look()
    office.board.loop.hold(frozenset({"email"}))
    office.beats("other", "email,data", "a,b")
    office.sharing.look()
    soon(lambda: office.behind() == (1, 1), "the paused one still waits in its queue")
    office.board.loop.hold(frozenset())
    soon(lambda: office.behind() == (2, 0), "and not for longer")


def test_without_redis_nothing_is_left_to_others(office: Office, redis_server: RedisServer) -> None:
    office.beats("other", "email,data")
    office.sharing.look()
    assert office.board.loop.spared == BOTH

    class Away:
        def run(self, call: Any) -> Any:
            raise Unavailable("Redis is away")

    blind = Sharing(Away(), office.keys, "me", office.board.loop)
    blind.start()
    soon(lambda: office.behind() == (2, 0), "they are here again")
    blind.stop()
    blind.join(PATIENCE_S)
