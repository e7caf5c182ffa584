"""Submits the tasks of due schedules; ticks.py calls it every minute, in as many processes as there are.

One script (store/lua/schedule_settle.lua) settles a tick: it makes the task, with its outbox entry, and notes
the tick. Whoever dies before it has done nothing, and another scheduler does it; who dies after it leaves an
entry in the outbox, which whoever comes first publishes: a web process, or the next tick here. The task's id
is made of schedule and tick, so that even a Redis that has lost its last second makes the same task again.
"""

import logging
from collections.abc import Callable
from typing import Final

import dramatiq
import msgspec
from dramatiq.errors import BrokerConnectionError

from callboard.access.audit import CHANGES, Entry, encode
from callboard.errors import Unavailable, ValidationFailed
from callboard.reconcile import LEFT_MS
from callboard.scheduler.missed import MADE_UP_MOST, Missed, Plan, plan
from callboard.scheduler.timetable import Timetable
from callboard.store import audit, calls, schedulers, schedules
from callboard.store.keys import Keys
from callboard.store.schedules import Schedule
from callboard.submit import validated
from callboard.tasks import message
from callboard.tasks.ids import id_of
from callboard.tasks.record import TaskRecord
from callboard.tasks.registry import Registry
from callboard.tasks.times import now_ms
from callboard.worker.ports import Outlet, Store

logger = logging.getLogger(__name__)

#: Schedules read at a time, and ids that leave the outbox together.
BATCH: Final = 100
#: Milliseconds until a schedule that cannot be read, of a zone that is gone, is looked at again.
UNREADABLE_MS: Final = 3_600_000


class Dispatcher:
    """Settles due ticks; one per scheduler."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        registry: Registry,
        outlet: Outlet,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store = store
        self._keys = keys
        self._registry = registry
        self._outlet = outlet
        self._clock = clock

    def run(self) -> None:
        """Settle every tick that is due, and publish what others left in the outbox; raises Unavailable."""
        outbox = _Outbox(self._store, self._keys, self._outlet, self._clock)
        now = self._clock()
        looked_at: set[str] = set()
        while True:
            found = self._store.run(schedules.due(self._keys, now, BATCH + len(looked_at)))
            new = [each for each in found if each.schedule_id not in looked_at]
            if not new:
                break
            for each in new:
                looked_at.add(each.schedule_id)
                self._try(each, now, outbox)
            outbox.settle()
        outbox.publish_left()
        self._store.run(schedulers.ticked(self._keys))

    def _try(self, schedule: Schedule, now: int, outbox: "_Outbox") -> None:
        try:
            self._settle(schedule, now, outbox)
        except Unavailable:
            raise
        except ValueError as error:  # its zone or its cron is not known any more
            last = schedule.last_tick
            self._complain(schedule, last, last, now + UNREADABLE_MS, str(error))
        except Exception:  # a loop's edge: one schedule must not stop the others
            logger.exception("schedule %s could not be handled; trying again", schedule.schedule_id)

    def _settle(self, schedule: Schedule, now: int, outbox: "_Outbox") -> None:
        table = Timetable(schedule.definition.cron, schedule.definition.time_zone)
        last = schedule.last_tick
        decided = plan(Missed(schedule.definition.missed), table, last, now)
        self._tell(schedule, decided)
        following = next(iter(table.next(max(now, last), 1)), None)
        if not decided.run:
            upto = last if decided.upto is None else decided.upto
            self._note(schedule, last, upto, following, skipped=decided.skipped)
            return
        try:
            task = self._task(schedule, now)
        except ValidationFailed as error:
            self._complain(schedule, last, decided.run[-1], following, str(error))
            return
        skipped = decided.skipped
        for at, tick in enumerate(decided.run, 1):
            record = msgspec.structs.replace(task, task_id=id_of(tick, schedule.schedule_id))
            upcoming = decided.run[at] if at < len(decided.run) else following
            if not self._note(schedule, last, tick, upcoming, skipped=skipped, record=record):
                return  # another scheduler goes on with it, or it has been changed
            last, skipped = tick, 0
            outbox.send(record)

    def _task(self, schedule: Schedule, now: int) -> TaskRecord:
        """Return the record of its next task, whose id is still to be set; raises ValidationFailed."""
        body = msgspec.json.decode(schedule.definition.task)
        record = validated(self._registry, body, id_of(now, schedule.schedule_id), now)
        tags = (*record.tags, schedule.tag)
        return msgspec.structs.replace(record, created_at=now, tags=tags)

    def _note(
        self,
        schedule: Schedule,
        last: int,
        upto: int,
        following: int | None,
        *,
        skipped: int = 0,
        problem: str = "",
        record: TaskRecord | None = None,
    ) -> bool:
        call = schedules.settle(
            self._keys,
            schedule,
            last,
            upto,
            following,
            skipped=skipped,
            problem=problem[:1000],
            record=record,
        )
        return self._store.run(call)

    def _complain(
        self, schedule: Schedule, last: int, upto: int, following: int | None, problem: str
    ) -> None:
        """Note why there is no task; the audit trail hears of it once."""
        logger.error("schedule %s has no task: %s", schedule.schedule_id, problem)
        known = problem[:1000] == schedule.problem
        if self._note(schedule, last, upto, following, problem=problem) and not known:
            entry = Entry(
                at_ms=now_ms(), actor="scheduler", key_id="", action="schedule.problem",
                target=f"{schedule.schedule_id} {problem[:300]}", client="", request_id="", status=0,
            )  # fmt: skip
            self._store.run(audit.add(self._keys, CHANGES, [encode(entry)]))

    def _tell(self, schedule: Schedule, decided: Plan) -> None:
        if decided.cut:
            logger.warning(
                "schedule %s missed more than %d ticks; the older ones are left out",
                schedule.schedule_id, MADE_UP_MOST,
            )  # fmt: skip
        elif decided.skipped:
            logger.info("schedule %s: %d missed ticks left out", schedule.schedule_id, decided.skipped)


class _Outbox:
    """Publishes recorded tasks during one round, and takes them off the outbox."""

    def __init__(self, store: Store, keys: Keys, outlet: Outlet, clock: Callable[[], int]) -> None:
        self._store = store
        self._keys = keys
        self._outlet = outlet
        self._clock = clock
        self._confirmed: list[tuple[str, int]] = []
        #: RabbitMQ did not take one: the others wait as well, or each would wait for its own timeout.
        self._closed = False

    def send(self, record: TaskRecord) -> None:
        """Publish a task; one that cannot be stays in the outbox."""
        if self._closed:
            return
        delay_ms = 0 if record.eta is None else max(0, record.eta - self._clock())
        envelope = message.of_record(record, record.eta if delay_ms else None)
        try:
            self._outlet.enqueue(dramatiq.Message.decode(message.encode(envelope)), delay=delay_ms or None)
        except BrokerConnectionError as error:
            logger.warning("due tasks are recorded and will be published later: %s", error)
            self._closed = True
            return
        self._confirmed.append((record.task_id, record.version))
        if len(self._confirmed) >= BATCH:
            self.settle()

    def settle(self) -> None:
        """Take what is confirmed off the outbox; raises Unavailable."""
        if self._confirmed:
            self._store.run(calls.settle(self._keys, self._confirmed))
            self._confirmed = []

    def publish_left(self) -> None:
        """Publish what nobody has seen confirmed for a while, as reconcile.py does; raises Unavailable."""
        while not self._closed and (taken := self._store.run(calls.take_outbox(self._keys, LEFT_MS, BATCH))):
            for task_id in taken:
                record = self._store.run(calls.read(self._keys, task_id))
                if record is not None and not record.terminal:
                    self.send(record)
            self.settle()
