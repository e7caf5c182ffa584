"""The load: a mix of everything a client can ask for, from several threads, paced.

What is asked for is drawn from a seeded source, so that a run can be repeated as far as its processes allow.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from tests.chaos.client import Body, Client, body, new_ref
from tests.chaos.ledger import Asked

PRIORITIES: Final = ("high", "normal", "normal", "low")
#: Seconds a keyed submit is repeated until it has a definite answer.
REPEAT_S: Final = 30.0


class Driver:
    """Threads that ask; `start`, then `stop`."""

    def __init__(self, client: Client, rng: random.Random, *, per_second: float, threads: int = 8) -> None:
        self._client = client
        self._rngs = [random.Random(rng.random()) for _ in range(threads)]
        self._pause_s = threads / per_second
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(each,), name=f"driver-{n}", daemon=True)
            for n, each in enumerate(self._rngs, 1)
        ]
        self.errors: list[BaseException] = []
        self._acts: list[tuple[Callable[[random.Random], None], int]] = [
            (self._quick, 34), (self._work, 14), (self._coroutine, 5), (self._failing, 10),
            (self._delayed, 10), (self._keyed, 6), (self._cancelled, 9), (self._again, 3), (self._batch, 9),
            (self._long, 1),
        ]  # fmt: skip

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask for nothing new and wait until every answer is there."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _run(self, rng: random.Random) -> None:
        acts, weights = zip(*self._acts, strict=True)
        try:
            while not self._stopping.wait(self._pause_s * rng.uniform(0.5, 1.5)):
                rng.choices(acts, weights)[0](rng)
        except BaseException as error:  # noqa: BLE001 - told by stop(), in the test's own thread
            self.errors.append(error)

    def _options(self, rng: random.Random) -> Body:
        return {"priority": rng.choice(PRIORITIES)}

    def _quick(self, rng: random.Random) -> None:
        asked = self._client.submit("quick", body("chaos_quick", new_ref(), **self._options(rng)))
        if asked.task_id and rng.random() < 0.2:
            self._client.look(asked.task_id)

    def _timed(self, rng: random.Random, task_type: str = "chaos_work") -> Body:
        seconds = rng.uniform(0.2, 1.0)
        return body(task_type, new_ref(), parameters={"seconds": seconds}, **self._options(rng))

    def _work(self, rng: random.Random) -> None:
        self._client.submit("work", self._timed(rng))

    def _long(self, rng: random.Random) -> None:
        """Take longer than a stopping worker waits, and often longer than a lease."""
        how = {"seconds": rng.uniform(4.0, 9.0)}
        self._client.submit("long", body("chaos_work", new_ref(), parameters=how, **self._options(rng)))

    def _coroutine(self, rng: random.Random) -> None:
        self._client.submit("async", self._timed(rng, "chaos_async"))

    def _failing(self, rng: random.Random) -> None:
        how = {"fail_times": rng.choice((1, 1, 2)), "politely": rng.random() < 0.3}
        self._client.submit("failing", body("chaos_failing", new_ref(), parameters=how, **self._options(rng)))

    def _delayed(self, rng: random.Random) -> None:
        delay = round(rng.uniform(1.0, 5.0), 2)
        self._client.submit("delayed", body("chaos_quick", new_ref(), delay=delay, **self._options(rng)))

    def _keyed(self, rng: random.Random) -> None:
        """Repeat a submit with its key until it is definite, and once more."""
        asked, key = self._timed(rng), f"key-{new_ref()}"
        end = time.monotonic() + REPEAT_S
        answered = 0
        while answered < 2 and time.monotonic() < end:
            answer = self._client.submit("keyed", asked, key=key).answer
            answered += answer == "accepted"
            self._stopping.wait(0.05 if answer == "accepted" else 0.5)

    def _cancelled(self, rng: random.Random) -> None:
        asked = self._timed(rng) | ({"delay": 2.0} if rng.random() < 0.5 else {})
        answer = self._client.submit("cancelled", asked)
        if answer.task_id:
            self._stopping.wait(rng.choice((0.0, 0.0, 0.1, 0.5)))
            self._client.cancel(answer.task_id)

    def _again(self, rng: random.Random) -> None:
        """Cancel a task that waits, then have it run after all."""
        answer = self._client.submit("again", self._timed(rng) | {"delay": 3.0})
        if answer.task_id and self._client.cancel(answer.task_id) == "cancelled":
            self._client.retry(answer.task_id)

    def _batch(self, rng: random.Random) -> None:
        items = [body("chaos_quick", new_ref()) for _ in range(rng.randint(5, 20))]
        self._client.submit_batch("batch", items)


def poison_among_innocents(client: Client, rng: random.Random, innocents: int = 8) -> list[Asked]:
    """Submit a task that kills its process in the middle of others that share its worker."""
    asked = []
    for number in range(innocents):
        if number == innocents // 2:
            asked.append(client.submit("poison", body("chaos_poison", new_ref()), end="failed"))
        parameters = {"seconds": rng.uniform(0.3, 1.0)}
        asked.append(client.submit("innocent", body("chaos_work", new_ref(), parameters=parameters)))
    return asked
