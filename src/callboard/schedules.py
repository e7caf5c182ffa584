"""Schedules as their owners see them: `/api/schedules` calls this. scheduler/dispatch.py runs them.

A schedule is checked as a whole when it is saved: cron, zone, and its task by the rules of a submit.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from callboard.errors import Changed, Conflict, FieldProblem, ScheduleNotFound, Unavailable, ValidationFailed
from callboard.scheduler.cron import five_fields, words
from callboard.scheduler.missed import Missed
from callboard.scheduler.timetable import Timetable
from callboard.scheduler.zones import zone
from callboard.store import schedules
from callboard.store.calls import Idempotency
from callboard.store.keys import Keys
from callboard.store.schedules import Definition, Schedule
from callboard.submit import AsyncRunner, Submitted, Submitter
from callboard.tasks.ids import created_ms, id_of, new_task_id
from callboard.tasks.params import convert
from callboard.tasks.record import TaskRecord
from callboard.tasks.times import now_ms, to_rfc3339

logger = logging.getLogger(__name__)

#: Bytes of a schedule's task: Redis keeps it for as long as the schedule lives.
TASK_BYTES_MOST: Final = 64 * 1024
CHANGED: Final = "the schedule has been changed by somebody else; read it again"
#: A last tick that lies further ahead was noted by a clock that was wrong; the store's script knows it too.
AHEAD_MS: Final = 86_400_000
#: Coming runs that are shown.
NEXT_SHOWN: Final = 5


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `POST /api/schedules` and `PUT /api/schedules/{id}` take."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    cron: str
    time_zone: str = "UTC"
    missed: Missed = Missed.ONCE
    enabled: bool = True
    task: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a cron expression says, and when it ticks next (milliseconds since the epoch)."""

    words: str
    next_runs: list[int]


class Schedules:
    """Reads and changes schedules; one per web process."""

    def __init__(
        self,
        store: AsyncRunner,
        keys: Keys,
        submitter: Submitter,
        limit: int,
        clock: Callable[[], int] = now_ms,
        new_id: Callable[[], str] = new_task_id,
    ) -> None:
        self._store = store
        self._keys = keys
        self._submitter = submitter
        self._limit = limit
        self._clock = clock
        self._new_id = new_id

    def checked(self, raw: Any) -> Definition:
        """Return the definition of a decoded body; raises ValidationFailed with every field's pointer."""
        body = convert(raw, Body)
        problems: list[FieldProblem] = []
        if not body.name.strip():
            problems.append(FieldProblem("/name", "is blank"))
        problems += _timing_problems(body.cron, body.time_zone)
        task = msgspec.json.encode(body.task)
        try:
            self._check_task(body.task, task)
        except ValidationFailed as error:
            if not problems:
                raise error.below("/task") from None
            problems += error.below("/task").problems
        if problems:
            raise ValidationFailed(problems)
        return Definition(
            name=body.name.strip(),
            cron=" ".join(body.cron.split()),
            time_zone=body.time_zone,
            missed=body.missed.value,
            task=task,
            enabled=body.enabled,
        )

    def _check_task(self, body: dict[str, Any], encoded: bytes) -> None:
        if len(encoded) > TASK_BYTES_MOST:
            detail = f"is larger than {TASK_BYTES_MOST // 1024} KiB, which is what a schedule keeps"
            raise ValidationFailed([FieldProblem("", detail)])
        for name in ("delay", "eta"):
            if name in body:
                detail = "has no place in a schedule, whose cron says when; leave it out"
                raise ValidationFailed([FieldProblem(f"/{name}", detail)])
        self._submitter.validate(body)

    async def create(self, definition: Definition) -> Schedule:
        """Make a schedule; raises Conflict when there are too many, Unavailable."""
        schedule_id, now = self._new_id(), self._clock()
        saved = await self._store.run(
            schedules.save(
                self._keys,
                schedule_id,
                schedules.fields_of(definition),
                expected="new",
                settled_ms=now,
                next_tick=_next(definition, now),
                at_most=self._limit,
            )
        )
        if saved == "full":
            raise Conflict(
                f"there are {self._limit} schedules already; delete some, or raise CALLBOARD_SCHEDULE_LIMIT"
            )
        return await self.get(schedule_id)

    async def replace(
        self, schedule_id: str, change: Callable[[Definition], Definition], expected: int | None = None
    ) -> Schedule:
        """Change a schedule; raises ScheduleNotFound, Changed (it is not the expected version), Unavailable.

        A new cron or zone, and a pause that ends, count from now on; other changes leave its ticks alone.
        """
        while True:
            before = await self.get(schedule_id)
            if expected not in (None, before.version):
                raise Changed(CHANGED)
            old, new, now = before.definition, change(before.definition), self._clock()
            if old == new:
                return before
            moved = (old.cron, old.time_zone, old.enabled) != (new.cron, new.time_zone, new.enabled)
            saved = await self._store.run(
                schedules.save(
                    self._keys,
                    schedule_id,
                    schedules.fields_of(new),
                    expected=before.version,
                    settled_ms=now if moved else None,
                    next_tick=_next(new, self._settled(before, now)) if moved else "=",
                )
            )
            if saved != "stale":
                return await self.get(schedule_id)

    def _settled(self, schedule: Schedule, now: int) -> int:
        """Return up to when its ticks are settled; what a clock that was wrong has noted does not count."""
        return now if schedule.last_tick > now + AHEAD_MS else max(now, schedule.last_tick)

    async def get(self, schedule_id: str) -> Schedule:
        """Return a schedule; raises ScheduleNotFound, Unavailable."""
        found = await self._store.run(schedules.read(self._keys, schedule_id))
        if found is None:
            raise ScheduleNotFound(schedule_id)
        return found

    async def all(self) -> list[Schedule]:
        """Return all schedules, the oldest first; raises Unavailable."""
        return await self._store.run(schedules.newest(self._keys, max(1, self._limit)))

    async def enable(self, schedule_id: str, enabled: bool) -> Schedule:
        """Pause a schedule, or let it go on: the ticks of the pause are not made up. Raises as `get`."""
        return await self.replace(schedule_id, lambda before: replace(before, enabled=enabled))

    async def run(
        self, schedule_id: str, idempotency: Callable[[TaskRecord], Idempotency | None], by: str = ""
    ) -> Submitted:
        """Submit a schedule's task now, also of a paused one; raises as `get` and `Submitter.submit`.

        `idempotency` is given the task's record; `by` is the id of the key that does it.
        """
        found = await self.get(schedule_id)
        try:
            record = self._submitter.validate(msgspec.json.decode(found.definition.task))
        except ValidationFailed as error:
            raise error.below("/task") from None
        record = msgspec.structs.replace(record, tags=(*record.tags, found.tag))
        done = await self._submitter.submit(record, idempotency(record), by)
        try:
            await self._store.run(schedules.ran(self._keys, schedule_id, done.task_id))
        except Unavailable as error:  # the task runs, and that is what the client must hear
            logger.info("schedule %s: its run could not be noted: %s", schedule_id, error)
        return done

    async def delete(self, schedule_id: str, expected: int | None = None) -> None:
        """Forget a schedule; its tasks stay. Raises ScheduleNotFound, Changed, Unavailable."""
        outcome = await self._store.run(schedules.delete(self._keys, schedule_id, expected))
        if outcome == "absent":
            raise ScheduleNotFound(schedule_id)
        if outcome == "stale":
            raise Changed(CHANGED)

    def preview(self, cron: str, time_zone: str) -> Preview:
        """Return what an expression says; raises ValidationFailed."""
        if problems := _timing_problems(cron, time_zone):
            raise ValidationFailed(problems)
        return Preview(words(cron, time_zone), Timetable(cron, time_zone).next(self._clock(), NEXT_SHOWN))

    def _problem(self, schedule: Schedule) -> dict[str, Any] | None:
        if schedule.last_tick > self._clock() + AHEAD_MS:
            until = to_rfc3339(schedule.last_tick)
            detail = f"a clock that was wrong has noted its ticks up to {until}; pause and resume it"
            return {"detail": detail, "at": to_rfc3339(schedule.updated_at)}
        if schedule.problem is None:
            return None
        return {"detail": schedule.problem, "at": to_rfc3339(schedule.problem_at)}

    def view(self, schedule: Schedule) -> dict[str, Any]:
        """Return what `GET /api/schedules/{id}` answers, ready for msgspec's JSON encoder."""
        definition = schedule.definition
        self_link = f"/api/schedules/{schedule.schedule_id}"
        try:
            said = words(definition.cron, definition.time_zone)
            table = Timetable(definition.cron, definition.time_zone)
            coming = table.next(max(self._clock(), schedule.last_tick), NEXT_SHOWN)
        except ValueError as error:  # its zone is not known any more
            said, coming = str(error), []
        return {
            "schedule_id": schedule.schedule_id,
            "name": definition.name,
            "cron": definition.cron,
            "time_zone": definition.time_zone,
            "words": said,
            "enabled": definition.enabled,
            "missed": definition.missed,
            "task": msgspec.Raw(definition.task),
            "version": schedule.version,
            "created_at": to_rfc3339(schedule.created_at),
            "updated_at": to_rfc3339(schedule.updated_at),
            "next_runs": [to_rfc3339(each) for each in coming] if definition.enabled else [],
            "last_run": _last_run(schedule),
            "runs": schedule.runs,
            "skipped": schedule.skipped,
            "problem": self._problem(schedule),
            "tag": schedule.tag,
            "links": {
                "self": self_link,
                "run": self_link + "/run",
                "pause": self_link + "/pause",
                "resume": self_link + "/resume",
                "tasks": f"/api/tasks?tag={schedule.tag}",
            },
        }


def _last_run(schedule: Schedule) -> dict[str, Any] | None:
    if schedule.last_task_id is None:
        return None
    task_id, tick = schedule.last_task_id, created_ms(schedule.last_task_id)
    return {
        "task_id": task_id,
        "status": schedule.last_status,
        "at": to_rfc3339(schedule.last_run_at),
        # None for a run by hand, whose task has an id like any other.
        "tick": to_rfc3339(tick) if task_id == id_of(tick, schedule.schedule_id) else None,
    }


def _next(definition: Definition, after_ms: int) -> int | str:
    if not definition.enabled:
        return ""
    return next(iter(Timetable(definition.cron, definition.time_zone).next(after_ms, 1)), "")


def _timing_problems(cron: str, time_zone: str) -> list[FieldProblem]:
    problems = []
    try:
        five_fields(cron)
    except ValueError as error:
        problems.append(FieldProblem("/cron", str(error)))
    try:
        zone(time_zone)
    except ValueError as error:
        problems.append(FieldProblem("/time_zone", str(error)))
    return problems
