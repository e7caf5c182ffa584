"""The audit trail: who did what, when, from where, and what came of it.

`note` only appends to a list; what has gathered is written a few times a second, so that no request waits
for it or fails by it. While Redis is away it gathers up to a bound, and the log says what was lost.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from callboard.errors import FieldProblem, Unavailable, ValidationFailed
from callboard.store import audit
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner
from callboard.tasks.ids import is_task_id, new_task_id
from callboard.tasks.times import now_ms

logger = logging.getLogger(__name__)

#: Seconds in which entries gather.
GATHER_S: Final = 0.2
#: Entries that wait for Redis at most, and that are written at once.
WAITING_MOST: Final = 20_000
BATCH: Final = 500
#: Seconds between looks for entries that are too old.
TRIM_S: Final = 60.0
#: Entries one request reads at most to find those that it wants.
SEARCHED_MOST: Final = 5_000
SUBMITS: Final = "submits"
CHANGES: Final = "changes"
TRAILS: Final = (CHANGES, SUBMITS)
#: What is frequent, and has a trail of its own.
FREQUENT: Final = frozenset({"task.submit", "file.upload"})


class Entry(msgspec.Struct, frozen=True, gc=False, rename={"at_ms": "at"}):
    """One thing somebody did or tried."""

    at_ms: int
    #: The key's name, `loopback` (authentication is off) or `anonymous`; `key_id` is "" for these.
    actor: str
    key_id: str
    #: As in web/access.py, or `sign-in`, `sign-out`, or what a command did.
    action: str
    #: What it was done to: an id, a name.
    target: str
    #: The client's address; "" for a command.
    client: str
    request_id: str
    #: The HTTP status of the answer; 0 for a command.
    status: int


def encode(entry: Entry) -> bytes:
    """Return an entry as it is kept: its id and its JSON."""
    return new_task_id().encode() + _encode(entry)


def decode(kept: bytes) -> tuple[str, Entry]:
    """Return the id and the entry."""
    return kept[: audit.ID_LENGTH].decode(), _decoder.decode(kept[audit.ID_LENGTH :])


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Entry)


@dataclass(frozen=True, slots=True)
class Search:
    """Which entries are wanted; "" for any. `action` may end with a dot and means all that begin so."""

    actor: str = ""
    action: str = ""
    target: str = ""

    def matches(self, entry: Entry) -> bool:
        """Tell whether an entry is wanted; the actor is a key's name or id."""
        wanted = entry.action.startswith(self.action) if self.action.endswith(".") else False
        return (
            (not self.actor or self.actor in (entry.actor, entry.key_id))
            and (not self.action or wanted or self.action == entry.action)
            and (not self.target or self.target in entry.target)
        )

    def trails(self) -> Sequence[str]:
        """Return where they can be."""
        if not self.action or any(each.startswith(self.action) for each in FREQUENT):
            return TRAILS
        return (CHANGES,)


class Audit:
    """Gathers and reads entries; one per web process."""

    def __init__(
        self, store: AsyncRunner, keys: Keys, most: int, kept_s: int, clock: Callable[[], int] = now_ms
    ) -> None:
        self._store = store
        self._keys = keys
        self._most = most
        self._kept_s = kept_s
        self._clock = clock
        self._waiting: dict[str, list[bytes]] = {trail: [] for trail in TRAILS}
        self._lost = 0
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None
        self._trimmed_at = 0.0

    def note(
        self, actor: str, key_id: str, action: str, target: str, client: str, request_id: str, status: int
    ) -> None:
        """Add an entry (see Entry); never waits, never fails."""
        waiting = self._waiting[SUBMITS if action in FREQUENT else CHANGES]
        if len(waiting) >= WAITING_MOST:
            self._lost += 1
            return
        now = self._clock()
        waiting.append(encode(Entry(now, actor, key_id, action, target, client, request_id, status)))
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_soon())

    async def _write_soon(self) -> None:
        try:
            while any(self._waiting.values()):
                await asyncio.sleep(GATHER_S)  # each time: a batch of a few costs as much as one of hundreds
                if not await self._write():
                    await asyncio.sleep(1.0)
        except Exception:
            logger.exception("writing the audit trail failed; going on with the next entries")
        finally:
            self._writer = None

    async def _write(self) -> bool:
        """Write what has gathered; False when Redis cannot take it now."""
        async with self._writing:
            return await self._write_all()

    async def _write_all(self) -> bool:
        try:
            for trail, waiting in self._waiting.items():
                left = len(waiting)  # what comes meanwhile waits for the next time
                while batch := waiting[: min(BATCH, left)]:
                    await asyncio.gather(
                        self._store.run(audit.add(self._keys, trail, batch)),
                        self._store.run(audit.keep_newest(self._keys, trail, self._most)),
                    )
                    del waiting[: len(batch)]
                    left -= len(batch)
            await self._trim()
        except Unavailable as error:
            logger.warning("%d entries of the audit trail wait for Redis: %s", self._number(), error)
            return False
        finally:
            if self._lost:
                logger.error("%d entries of the audit trail are lost: too many waited for Redis", self._lost)
                self._lost = 0
        return True

    def _number(self) -> int:
        return sum(map(len, self._waiting.values()))

    async def _trim(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._trimmed_at + TRIM_S:
            self._trimmed_at = now
            since_ms = self._clock() - self._kept_s * 1000
            for trail in TRAILS:
                await self._store.run(audit.keep_since(self._keys, trail, since_ms))

    async def page(self, wanted: Search, limit: int, cursor: str) -> tuple[list[tuple[str, Entry]], str]:
        """Return entries, the newest first, and the cursor to go on with ("": there are no more).

        A page may be short, even empty, with more to come: one call looks through a bounded number.
        Raises Unavailable, and ValidationFailed for a cursor that is none.
        """
        if cursor and not is_task_id(cursor):
            raise ValidationFailed([FieldProblem("/cursor", "is no cursor of this list")])
        if self._number():
            await self._write()  # who has just done something looks here for it
        found: list[tuple[str, Entry]] = []
        searched = 0
        while len(found) < limit and searched < SEARCHED_MOST:
            some, more = await self._some(wanted.trails(), cursor, BATCH)
            for entry_id, entry in some:
                cursor = entry_id
                if wanted.matches(entry):
                    found.append((entry_id, entry))
                    if len(found) == limit:
                        return found, cursor
            if not more:
                return found, ""
            searched += len(some)
        return found, cursor

    async def _some(
        self, trails: Sequence[str], cursor: str, number: int
    ) -> tuple[list[tuple[str, Entry]], bool]:
        """Return the newest `number` entries from before the cursor, and whether there are more."""
        reads = [self._store.run(audit.before(self._keys, trail, cursor, number + 1)) for trail in trails]
        kept = sorted((each for part in await asyncio.gather(*reads) for each in part), reverse=True)
        return [decode(each) for each in kept[:number]], len(kept) > number

    async def close(self) -> None:
        """Write what has gathered, if Redis takes it."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._write()
