"""Promise 10, measured: event streams that are followed while the web processes die."""

import random
import threading
from typing import Final

from tests.chaos import faults
from tests.chaos.client import body, new_ref
from tests.chaos.figures import Figure
from tests.chaos.measures import Bench
from tests.integration.live.sse import Message, Sse, numbers

TERMINAL: Final = ("succeeded", "failed", "cancelled")
CONNECT_AGAIN_S: Final = 0.05


class Follower(threading.Thread):
    """Follows one task to its end as a browser does: a lost stream is resumed behind its last id."""

    def __init__(self, addresses: list[str], task_id: str, rng: random.Random) -> None:
        super().__init__(name=f"follow {task_id}", daemon=True)
        self._addresses = addresses
        self._path = f"/api/tasks/{task_id}/events"
        self._rng = rng
        self.found: list[Message] = []
        self.resumed = 0
        self.given_up = threading.Event()

    def run(self) -> None:
        """Read until the terminal event."""
        while not self.given_up.wait(CONNECT_AGAIN_S):
            try:
                if self._read():
                    return
            except (OSError, ValueError, IndexError):  # nobody listens, or the head of the answer is cut
                continue

    def _read(self) -> bool:
        headers = {"Last-Event-ID": self.found[-1].id} if self.found else {}
        port = int(self._rng.choice(self._addresses).rpartition(":")[2])
        with Sse(port, self._path, headers=headers) as stream:
            if stream.status != 200:
                return False
            self.resumed += bool(self.found)
            for message in stream:
                self.found.append(message)
                if message.data.get("status") in TERMINAL:
                    return True
        return False

    def flaws(self) -> tuple[int, int, int]:
        """Return how many events were missed, came twice, and were named in a `gap`."""
        seen = numbers(self.found)
        twice = len(seen) - len(set(seen))
        missed = max(seen, default=0) - len(set(seen))
        return missed, twice, sum(each.kind == "gap" for each in self.found)


def streams(bench: Bench, number: int = 40, kills: int = 8) -> Figure:
    """Promise 10: a resumed event stream has no gap and no repeat."""
    talking = {"parameters": {"steps": 100, "rest": 0.15}}
    asked = [
        bench.client.submit("talking", body("chaos_talking", new_ref(), **talking)) for _ in range(number)
    ]
    rng = random.Random(bench.rng.random())
    followers = [Follower(bench.cluster.addresses, each.task_id or "", rng) for each in asked]
    for follower in followers:
        follower.start()
    for _ in range(kills):
        bench.pause(rng.uniform(0.2, 1.0))
        with faults.broken(bench.cluster, faults.kind("kill web"), rng):
            bench.pause(rng.uniform(0.2, 1.0))
            bench.cluster.do("cut", "web-redis")
    for follower in followers:
        follower.join(120)
        follower.given_up.set()
    ended = sum(not follower.is_alive() for follower in followers)
    missed, twice, gaps = (sum(found) for found in zip(*(each.flaws() for each in followers), strict=True))
    events = sum(len(each.found) for each in followers)
    resumed = sum(each.resumed for each in followers)
    return Figure(
        text=f"missed {missed}, twice {twice}, gaps told {gaps} of {events:,} events; {resumed} resumes; "
        f"{ended} of {number} streams came to their end",
        how=f"{number} tasks that report and log all the time are followed by SSE while a web process is "
        f"killed {kills} times and its connection to Redis cut; versions are counted",
        kept=missed == twice == gaps == 0 and ended == number and resumed > number,
    )
