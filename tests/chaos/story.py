"""One chaos run from start to verdict: cluster, load, faults, settling, reading everything back."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callboard.local.process import LocalServerError, wait_until
from callboard.store.keys import Keys
from callboard.tasks import events
from callboard.tasks.states import TERMINAL
from tests.chaos import ledger
from tests.chaos.checker import Facts, Record, Verdict, check
from tests.chaos.client import Client
from tests.chaos.cluster import Cluster
from tests.chaos.driver import Driver, poison_among_innocents
from tests.chaos.faults import Storm
from tests.chaos.ledger import Asked, Entry, of

#: Seconds after the last fault within which every accepted task must have its recorded end.
SETTLE_S: Final = 60.0

Say = Callable[[str], None]

_KEYS: Final = Keys()


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a run gave."""

    verdict: Verdict
    facts: Facts
    faults: Counter[str]
    #: Seconds from the end of the last fault until every accepted task had its end.
    settled_s: float


def entries_of(cluster: Cluster) -> list[Entry]:
    """Return everything that was written down."""
    return ledger.read(cluster.folder / "ledger.jsonl") + ledger.read(cluster.folder / "sink/steps.jsonl")


def records_of(cluster: Cluster, task_ids: list[str]) -> dict[str, Record]:
    """Read the records of these tasks from Redis itself."""
    found = {}
    with cluster.records() as client:
        for start in range(0, len(task_ids), 500):
            chunk = task_ids[start : start + 500]
            pipeline = client.pipeline(transaction=False)
            for task_id in chunk:
                pipeline.hgetall(_KEYS.task(task_id))
            for task_id, values in zip(chunk, pipeline.execute(), strict=True):
                if b"task_type" in values:
                    found[task_id] = _record(task_id, values)
    return found


def _record(task_id: str, values: dict[bytes, bytes]) -> Record:
    changes = sorted(int(name[2:]) for name in values if name.startswith(b"e:"))
    decoded = [events.decode(task_id, each, values[b"e:%d" % each].decode()) for each in changes]
    result: Any = msgspec.json.decode(values.get(b"result", b"null"))
    return Record(
        task_id=task_id,
        status=values[b"status"].decode(),
        attempts=int(values.get(b"attempts", b"0")),
        states=tuple(each.status for each in decoded if each.kind == "state"),
        token=result if isinstance(result, str) else None,
        error=values.get(b"error", b"").decode()[:200],
    )


def settle(cluster: Cluster, timeout_s: float = SETTLE_S, task_ids: Collection[str] | None = None) -> float:
    """Wait until these tasks (default: every accepted one) have ended; return the seconds that took.

    After `timeout_s` it returns all the same: the checker says which have not.
    """
    asked = of(entries_of(cluster), Asked)
    accepted = {each.task_id for each in asked if each.answer == "accepted" and each.task_id}
    left = accepted if task_ids is None else set(task_ids)

    def all_ended() -> bool:
        for task_id, record in records_of(cluster, sorted(left)).items():
            if record.status in TERMINAL:
                left.discard(task_id)
        return not left

    began = time.monotonic()
    with suppress(LocalServerError):
        wait_until(all_ended, timeout_s=timeout_s, what="all have ended", every_s=0.25)
    return time.monotonic() - began


def judge(cluster: Cluster) -> tuple[Facts, Verdict]:
    """Read everything back and judge it."""
    entries = entries_of(cluster)
    ids = {each.task_id for each in of(entries, Asked) if each.task_id}
    facts = Facts(entries=entries, records=records_of(cluster, sorted(ids)))
    return facts, check(facts)


def storm(
    cluster: Cluster,
    rng: random.Random,
    *,
    seconds: float,
    per_second: float,
    pause: tuple[float, float],
    poison_every_s: float,
    at_least: int,
    say: Say,
) -> Story:
    """Load a cluster that is ready, break it for some time, let it settle, and judge.

    The load goes on afterwards until `at_least` tasks have been accepted.
    """
    client = Client(cluster.addresses, cluster.ledger, random.Random(rng.random()))
    driver = Driver(client, random.Random(rng.random()), per_second=per_second)
    faults = Storm(cluster, random.Random(rng.random()), say)
    poison = _Poisoner(client, random.Random(rng.random()), poison_every_s, faults.counts, say)
    driver.start()
    poison.start()
    try:
        faults.rage(seconds, pause)
        wait_until(lambda: client.accepted >= at_least, timeout_s=60, what=f"{at_least} are accepted")
    finally:
        poison.stop()
        driver.stop()
    say(f"{client.accepted} accepted, {faults.counts.total()} faults; settling")
    settled_s = settle(cluster)
    facts, verdict = judge(cluster)
    say(f"settled in {settled_s:.1f} s; {len(verdict.broken())} findings")
    return Story(verdict=verdict, facts=facts, faults=faults.counts, settled_s=settled_s)


class _Poisoner(threading.Thread):
    """Submits a poisonous task among innocents now and then; it counts as a fault."""

    def __init__(
        self, client: Client, rng: random.Random, every_s: float, counts: Counter[str], say: Say
    ) -> None:
        super().__init__(name="poisoner", daemon=True)
        self._client = client
        self._rng = rng
        self._every_s = every_s
        self._counts = counts
        self._say = say
        self._stopping = threading.Event()

    def run(self) -> None:
        """Go on until stopped; what was not accepted is tried again sooner."""
        pause_s = 2.0
        while not self._stopping.wait(pause_s):
            asked = poison_among_innocents(self._client, self._rng)
            accepted = any(each.kind == "poison" and each.answer == "accepted" for each in asked)
            pause_s = self._every_s if accepted else 1.0
            if accepted:
                self._counts["poison"] += 1
                self._say("poison among innocents")

    def stop(self) -> None:
        """Return when it has ended."""
        self._stopping.set()
        self.join()
