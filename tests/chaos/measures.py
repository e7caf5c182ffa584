"""One promise at a time, on a cluster in which nothing else happens; the figures of `make chaos`."""

import math
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from callboard.local.process import LocalServerError, wait_until
from tests.chaos import faults, ledger
from tests.chaos.client import Body, Client, body, new_ref
from tests.chaos.cluster import Cluster
from tests.chaos.figures import Figure, Spread, spread
from tests.chaos.ledger import Asked, Step
from tests.chaos.story import Say, records_of, settle

BATCH: Final = 500


class Bench:
    """A quiet cluster and a client of it."""

    def __init__(self, cluster: Cluster, rng: random.Random, say: Say) -> None:
        self.cluster = cluster
        self.client = Client(cluster.addresses, cluster.ledger, rng)
        self.rng = rng
        self.say = say

    def steps(self, event: str = "start") -> list[Step]:
        """Return the lines of one kind of all tasks."""
        found = ledger.of(ledger.read(self.cluster.folder / "sink/steps.jsonl"), Step)
        return [each for each in found if each.event == event]

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        threading.Event().wait(seconds)

    def wait_started(self, refs: Collection[str], timeout_s: float) -> None:
        """Wait until tasks of all these names have started, or the time is over."""
        wanted = set(refs)
        with suppress(LocalServerError):
            wait_until(
                lambda: wanted <= {each.ref for each in self.steps()}, timeout_s=timeout_s, every_s=0.5,
                what="all have started",
            )  # fmt: skip

    def submit_many(self, number: int, make: Callable[[], Body]) -> list[Asked]:
        """Submit tasks in batches."""
        found: list[Asked] = []
        while len(found) < number:
            size = min(BATCH, number - len(found))
            found += self.client.submit_batch("many", [make() for _ in range(size)])
        return found


def nothing_twice(bench: Bench, number: int = 100_000) -> Figure:
    """Promise 3: without faults nothing runs twice."""
    asked = bench.submit_many(number, lambda: body("chaos_noop", new_ref()))
    refs = {each.ref for each in asked if each.answer == "accepted"}
    bench.wait_started(refs, 300)
    bench.pause(2.0)
    starts = [each.ref for each in bench.steps() if each.ref in refs]
    twice, never = len(starts) - len(set(starts)), len(refs) - len(set(starts))
    return Figure(
        text=f"{twice} of {len(refs):,} ran twice, {never} never",
        how="no-op tasks in batches of 500, three workers, nothing broken; counted by the tasks' own lines",
        kept=twice == never == 0 and len(refs) == number,
    )


def restarts(bench: Bench, times: int = 6) -> Figure:
    """Promise 4: a killed worker's task restarts within 10 s; one behind a dead connection within 30 s."""
    killed = [_restart(bench, signal.SIGKILL) for _ in range(times)]
    stopped = [_restart(bench, signal.SIGSTOP) for _ in range(2)]
    silent = _silent(bench)
    return Figure(
        text=f"killed: {spread(killed).text('s')}; silent: {spread(stopped).text('s')}; "
        f"all workers cut off silently: a new task started after {silent:.1f} s",
        how="SIGKILL or SIGSTOP for the worker of a running task, until that starts in another one; then the "
        "connections of all workers become half-open",
        kept=max(killed) <= 10 and max(stopped) <= 30 and silent <= 30,
    )


def _restart(bench: Bench, number: signal.Signals) -> float:
    task = bench.client.submit("long", body("chaos_work", new_ref(), parameters={"seconds": 100}))

    def starts() -> list[Step]:
        return [each for each in bench.steps() if each.ref == task.ref]

    wait_until(lambda: len(starts()) == 1, timeout_s=20, what="it runs")
    bench.pause(bench.rng.uniform(0, 2))  # anywhere between two beats
    pid, at = starts()[0].pid, time.time()
    os.kill(pid, number)
    wait_until(lambda: len(starts()) == 2, timeout_s=60, what="it runs again")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    bench.client.cancel(task.task_id or "")
    bench.cluster.wait_ready()
    return starts()[1].at - at


def _silent(bench: Bench) -> float:
    for link in ("worker-rabbitmq", "worker-redis"):
        bench.cluster.do("half", link)
    asked = bench.client.submit("silent", body("chaos_quick", new_ref()))
    bench.wait_started([asked.ref], 60)
    return max((each.at - asked.at for each in bench.steps() if each.ref == asked.ref), default=math.inf)


def refusals(bench: Bench, number: int = 300) -> Figure:
    """Promise 5: RabbitMQ blocked or down: 503 at once, and what was refused never runs."""
    found: dict[str, Spread] = {}
    asked: list[Asked] = []
    for name in ("memory alarm", "kill rabbitmq"):
        with faults.broken(bench.cluster, faults.kind(name), bench.rng):
            bench.client.submit("first", body("chaos_quick", new_ref()))  # RabbitMQ blocks whoever publishes
            answers = _hammer(bench, number)
        found[name] = spread(each.took_ms for each in answers)
        asked += answers
        bench.cluster.wait_ready()
    accepted = [each for each in asked if each.answer != "refused"]
    bench.pause(3.0)
    ran = {each.ref for each in bench.steps()} & {each.ref for each in asked if each.answer == "refused"}
    return Figure(
        text="; ".join(f"{name}: {each.text('ms')}" for name, each in found.items())
        + f"; answered otherwise {len(accepted)}; ran later {len(ran)}",
        how=f"{number} submits by 4 threads during each, timed by the client; then both are undone",
        kept=not accepted and not ran and all(each.p99 <= 200 for each in found.values()),
    )


def _hammer(bench: Bench, number: int) -> list[Asked]:
    found: list[Asked] = []

    def work() -> None:
        for _ in range(number // 4):
            found.append(bench.client.submit("refused", body("chaos_quick", new_ref())))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def delays(bench: Bench, waiting: int = 100_000, near: int = 400) -> Figure:
    """Promise 6: delays are kept with many waiting, and through a kill of RabbitMQ."""
    bench.submit_many(waiting, lambda: body("chaos_noop", new_ref(), delay=bench.rng.uniform(3600, 36_000)))
    quiet = spread(_late(bench, _near(bench, near)))
    asked = _near(bench, near)
    killed_at = time.time()
    bench.cluster.rabbitmq.kill()
    bench.cluster.rabbitmq.start()
    bench.cluster.rabbitmq.wait_ready(120)
    back_s = time.time() - killed_at
    late = _late(bench, asked)
    beyond = max(late) - back_s
    return Figure(
        text=f"{quiet.text('s', 2)}; through a kill {spread(late).text('s', 2)}, RabbitMQ being back "
        f"after {back_s:.1f} s",
        how=f"{near} tasks with delays of 1 to 5 s while {waiting:,} with delays of hours wait; then again "
        "with a kill -9 of RabbitMQ",
        kept=quiet.count == len(late) == near and quiet.p99 <= 1 and beyond <= 1,
    )


def _near(bench: Bench, number: int) -> list[Asked]:
    def one() -> Body:
        return body("chaos_noop", new_ref(), delay=bench.rng.uniform(1.0, 5.0))

    found: list[Asked] = []
    while len(found) < number:
        asked = bench.client.submit_batch("near", [one() for _ in range(50)])
        found += [each for each in asked if each.answer == "accepted"]
    return found[:number]


def _late(bench: Bench, asked: list[Asked]) -> list[float]:
    due = {each.ref: each.due for each in asked if each.answer == "accepted" and each.due}
    bench.wait_started(due.keys(), 60)
    return [each.at - due[each.ref] for each in bench.steps() if each.ref in due]


def lost_servers(bench: Bench, number: int = 300) -> Figure:
    """Promise 1 once more: a server comes back without any data."""

    def one() -> Body:
        kind = bench.rng.random()
        if kind < 0.4:
            return body("chaos_quick", new_ref(), delay=bench.rng.uniform(1, 8))
        if kind < 0.7:
            return body("chaos_work", new_ref(), parameters={"seconds": bench.rng.uniform(0.2, 1)})
        return body("chaos_failing", new_ref(), parameters={"fail_times": 2})

    def wipe_rabbitmq() -> None:
        bench.cluster.rabbitmq.kill()
        shutil.rmtree(bench.cluster.rabbitmq.folder / "data")
        bench.cluster.rabbitmq.start()
        bench.cluster.rabbitmq.wait_ready()

    def wipe_redis() -> None:
        with bench.cluster.records() as client:
            client.flushall()

    left = {}
    for name, wipe in (("RabbitMQ", wipe_rabbitmq), ("Redis", wipe_redis)):
        asked = bench.submit_many(number, one)
        ids = {each.task_id for each in asked if each.answer == "accepted" and each.task_id}
        wipe()
        ended = {each.task_id for each in bench.steps("end")}  # a record that is lost with its end stays lost
        waiting = ids - ended
        settle(bench.cluster, 90, waiting)
        recorded = {key for key, each in records_of(bench.cluster, sorted(waiting)).items() if each.token}
        left[name] = (len(waiting), len(waiting - recorded))
    return Figure(
        text="; ".join(f"{name}: {lost} of {waiting} lost" for name, (waiting, lost) in left.items()),
        how=f"{number} tasks (delayed, working, failing and tried again) wait or run while the data of "
        "RabbitMQ is deleted, or Redis flushed",
        kept=all(lost == 0 and waiting > 0 for waiting, lost in left.values()),
    )
