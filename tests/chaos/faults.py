"""The ways in which the installation is broken and made whole again.

A fault begins, stays for some time and ends; `Storm` draws them from a seeded source, several at a time
where they do not touch the same thing, and writes each into the ledger.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tests.chaos.cluster import Cluster
from tests.chaos.ledger import Fault

#: Seconds a stopped worker stays away: RabbitMQ notices after two missed heartbeats of 10 s, and its
#: task must have been started by another one before it comes back.
STOPPED_S: Final = 28.0
Undo = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault: `begin` breaks something and returns what makes it whole."""

    name: str
    #: `worker`, `web`, `rabbitmq`, `redis`: two faults of one target never happen at the same time.
    target: str
    begin: Callable[[Cluster, random.Random], tuple[Undo, int | None]]
    #: Shortest and longest seconds until it is undone.
    lasts: tuple[float, float]
    cuts_leases: bool = False


def _nothing() -> None:
    pass


def _a(cluster: Cluster, rng: random.Random, who: str) -> tuple[str, int] | None:
    names = [name for name, each in cluster.programs.items() if name.startswith(who) and each.pid]
    name = rng.choice(names) if names else ""
    pid = cluster.programs[name].pid if names else None
    return None if pid is None else (name, pid)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_worker(cluster: Cluster, rng: random.Random) -> tuple[Undo, int | None]:
    """Kill -9 a worker; the supervisor starts another."""
    found = _a(cluster, rng, "worker")
    if found:
        _signal(found[1], signal.SIGKILL)
    return _nothing, found and found[1]


def drain_worker(cluster: Cluster, rng: random.Random) -> tuple[Undo, int | None]:
    """Ask a worker to stop (SIGTERM), as a deployment does."""
    found = _a(cluster, rng, "worker")
    if found:
        _signal(found[1], signal.SIGTERM)
    return _nothing, None


def stop_worker(cluster: Cluster, rng: random.Random) -> tuple[Undo, int | None]:
    """Let a worker stand still (SIGSTOP) for longer than its leases, then go on."""
    found = _a(cluster, rng, "worker")
    if not found:
        return _nothing, None
    _signal(found[1], signal.SIGSTOP)
    return lambda: _signal(found[1], signal.SIGCONT), found[1]


def kill_web(cluster: Cluster, rng: random.Random) -> tuple[Undo, int | None]:
    """Kill -9 a web process: gunicorn's worker only, or gunicorn as well."""
    found = _a(cluster, rng, "web")
    if found:
        children = cluster.children(found[0])
        for pid in children if rng.random() < 0.5 else [found[1], *children]:
            _signal(pid, signal.SIGKILL)
    return _nothing, None


def kill_rabbitmq(cluster: Cluster, _rng: random.Random) -> tuple[Undo, int | None]:
    """Kill -9 RabbitMQ, start it again later."""
    cluster.rabbitmq.kill()

    def undo() -> None:
        cluster.rabbitmq.start()
        cluster.rabbitmq.wait_ready()

    return undo, None


def kill_redis(cluster: Cluster, _rng: random.Random) -> tuple[Undo, int | None]:
    """Kill -9 Redis, start it again later."""
    cluster.redis.kill()

    def undo() -> None:
        cluster.redis.start()
        cluster.redis.wait_ready()

    return undo, None


def memory_alarm(cluster: Cluster, _rng: random.Random) -> tuple[Undo, int | None]:
    """Let RabbitMQ believe that its memory is used up: it blocks publishers."""

    def set_watermark(share: str) -> None:
        cluster.rabbitmq.ctl("set_vm_memory_high_watermark", share)

    set_watermark("0.00001")
    return lambda: set_watermark("0.6"), None


def full_redis(cluster: Cluster, _rng: random.Random) -> tuple[Undo, int | None]:
    """Let Redis refuse every write (OOM)."""

    def set_most(size: str) -> None:
        with cluster.records() as client:
            client.config_set("maxmemory", size)

    set_most("200kb")
    return lambda: set_most("0"), None


def _on_link(command: str, undo: str | None, server: str) -> Callable[..., tuple[Undo, int | None]]:
    def begin(cluster: Cluster, rng: random.Random) -> tuple[Undo, int | None]:
        links = [f"{who}-{server}" for who in rng.choice((("web",), ("worker",), ("web", "worker")))]
        for link in links:
            cluster.do(command, link)

        def mend() -> None:
            for link in links:
                if undo is not None:
                    cluster.do(undo, link)

        return mend, None

    return begin


#: Every kind there is. Poison is the driver's: it comes with its innocents.
KINDS: Final = (
    Kind(name="kill worker", target="worker", begin=kill_worker, lasts=(1, 3)),
    Kind(name="drain worker", target="worker", begin=drain_worker, lasts=(1, 3)),
    Kind(
        name="stop worker", target="worker", begin=stop_worker, lasts=(STOPPED_S, STOPPED_S), cuts_leases=True
    ),
    Kind(name="kill web", target="web", begin=kill_web, lasts=(1, 2)),
    Kind(name="kill rabbitmq", target="rabbitmq", begin=kill_rabbitmq, lasts=(0.5, 3)),
    Kind(name="kill redis", target="redis", begin=kill_redis, lasts=(0.5, 3), cuts_leases=True),
    Kind(name="memory alarm", target="rabbitmq", begin=memory_alarm, lasts=(3, 8)),
    Kind(name="full redis", target="redis", begin=full_redis, lasts=(2, 5), cuts_leases=True),
    Kind(name="cut rabbitmq", target="rabbitmq", begin=_on_link("cut", None, "rabbitmq"), lasts=(0, 1)),
    Kind(name="cut redis", target="redis", begin=_on_link("cut", None, "redis"), lasts=(0, 1)),
    Kind(name="silent rabbitmq", target="rabbitmq", begin=_on_link("hole", "heal", "rabbitmq"), lasts=(2, 6)),
    Kind(
        name="silent redis", target="redis", begin=_on_link("hole", "heal", "redis"), lasts=(2, 6),
        cuts_leases=True,
    ),
    Kind(
        name="half-open rabbitmq", target="rabbitmq", begin=_on_link("half", None, "rabbitmq"), lasts=(1, 2)
    ),
    Kind(
        name="half-open redis", target="redis", begin=_on_link("half", None, "redis"), lasts=(4, 5),
        cuts_leases=True,
    ),
)  # fmt: skip


class Storm:
    """Draws faults, keeps them for their time, undoes them; use from the main thread."""

    def __init__(self, cluster: Cluster, rng: random.Random, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._rng = rng
        self._say = say
        self._open: list[tuple[float, Kind, float, Undo, int | None]] = []
        self._bag: list[Kind] = []
        self._pause = threading.Event()
        self.counts: Counter[str] = Counter()

    def _all_seen(self) -> bool:
        return all(self.counts[kind.name] for kind in KINDS)

    def fitting(self, left_s: float) -> Kind | None:
        """Draw the next kind whose target nothing else touches and that ends within `left_s` seconds.

        Each kind comes once before any comes twice; the first time it may last longer.
        """
        if not self._bag:
            self._bag = list(KINDS)
            self._rng.shuffle(self._bag)
            self._bag.sort(key=lambda kind: kind.name != "stop worker")  # it lasts longest
        busy = {kind.target for _, kind, _, _, _ in self._open if kind.name != "stop worker"}
        for kind in self._bag:
            late = self.counts[kind.name] > 0 and kind.lasts[0] > left_s
            if kind.target not in busy and not late and not (kind.name == "stop worker" and self._stopped()):
                self._bag.remove(kind)
                return kind
        return None

    def _stopped(self) -> bool:
        return any(kind.name == "stop worker" for _, kind, _, _, _ in self._open)

    def strike(self, kind: Kind) -> None:
        """Begin one fault."""
        at = time.time()
        undo, pid = kind.begin(self._cluster, self._rng)
        lasts = self._rng.uniform(*kind.lasts)
        self._say(f"{kind.name} for {lasts:.1f} s")
        self.counts[kind.name] += 1
        self._open.append((time.monotonic() + lasts, kind, at, undo, pid))

    def tick(self, *, all_of_them: bool = False) -> None:
        """Undo what has lasted long enough."""
        for each in sorted(self._open, key=lambda one: (one[1].name == "stop worker", one[0])):
            due, kind, at, undo, pid = each
            if all_of_them and kind.name == "stop worker":  # the last one, and not before its time
                self._pause.wait(max(0.0, due - time.monotonic()))
            if all_of_them or due <= time.monotonic():
                undo()
                self._open.remove(each)
                self._cluster.ledger.write(
                    Fault(kind=kind.name, at=at, until=time.time(), pid=pid, cuts_leases=kind.cuts_leases)
                )

    def rage(self, seconds: float, pause: tuple[float, float]) -> None:
        """Let faults happen for some time, and until each kind has.

        `pause` are the shortest and longest seconds between two beginnings.
        """
        end = time.monotonic() + seconds
        next_one = time.monotonic() + 1
        while (left := end - time.monotonic()) > 0 or not self._all_seen():
            self.tick()
            if time.monotonic() >= next_one and (kind := self.fitting(left)):
                self.strike(kind)
                next_one = time.monotonic() + self._rng.uniform(*pause)
            self._pause.wait(0.1)
        self.tick(all_of_them=True)


@contextmanager
def broken(cluster: Cluster, kind: Kind, rng: random.Random) -> Iterator[None]:
    """Keep one fault up inside the block."""
    at = time.time()
    undo, pid = kind.begin(cluster, rng)
    try:
        yield
    finally:
        undo()
        cluster.ledger.write(
            Fault(kind=kind.name, at=at, until=time.time(), pid=pid, cuts_leases=kind.cuts_leases)
        )


def kind(name: str) -> Kind:
    """Return the kind of that name."""
    return next(each for each in KINDS if each.name == name)
