"""`/api/schedules`: make, read, change, pause, resume, run and delete schedules; look ahead in a cron."""

import re
from typing import Any, Final

import falcon
import falcon.asgi

from callboard.access.access import Access
from callboard.errors import Changed
from callboard.schedules import Schedules
from callboard.store.schedules import Schedule
from callboard.tasks.ids import is_task_id
from callboard.tasks.times import to_rfc3339
from web import query
from web.body import read_json
from web.quota import Charge
from web.tasks import answer, first_answer, idempotency_key, idempotency_of

Request = falcon.asgi.Request
Response = falcon.asgi.Response

_TAG: Final = re.compile(r'"([0-9]{1,15})"')


def _id(text: str) -> str:
    """Return the id of a path; raises ValidationFailed when it is no UUID."""
    lowered = text.lower()
    if not is_task_id(lowered):
        raise query.refuse("schedule_id", f"{text[:60]!r} is no schedule id; ids are UUIDs")
    return lowered


def _expected(req: Request) -> int | None:
    """Return the version of If-Match, None for none; raises Changed for what no schedule has."""
    given = req.get_header("If-Match")
    if given is None or given.strip() == "*":
        return None
    tag = _TAG.fullmatch(given.strip())
    if tag is None:
        raise Changed(f"If-Match takes the ETag of the schedule as it was read, not {given[:40]!r}")
    return int(tag[1])


class _Resource:
    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    def _show(self, resp: Response, schedule: Schedule, status: int = 200) -> None:
        resp.set_header("ETag", f'"{schedule.version}"')
        resp.set_header("Cache-Control", "no-store")  # the next run is part of it
        answer(resp, self._schedules.view(schedule), status)


class AllSchedules(_Resource):
    """`GET` and `POST /api/schedules`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """List all schedules, the oldest first."""
        query.only(req, ())
        found = await self._schedules.all()
        answer(resp, {"schedules": [self._schedules.view(each) for each in found]})

    async def on_post(self, req: Request, resp: Response) -> None:
        """Make a schedule."""
        query.only(req, ())
        made = await self._schedules.create(self._schedules.checked(await read_json(req)))
        req.context["target"] = made.schedule_id
        resp.set_header("Location", f"/api/schedules/{made.schedule_id}")
        self._show(resp, made, 201)


class OneSchedule(_Resource):
    """`GET`, `PUT` and `DELETE /api/schedules/{id}`."""

    async def on_get(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Show one schedule."""
        query.only(req, ())
        self._show(resp, await self._schedules.get(_id(schedule_id)))

    async def on_put(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Replace a schedule; with If-Match only as it was read."""
        query.only(req, ())
        found, expected = _id(schedule_id), _expected(req)
        definition = self._schedules.checked(await read_json(req))
        self._show(resp, await self._schedules.replace(found, lambda _: definition, expected))

    async def on_delete(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Forget a schedule; its tasks stay."""
        query.only(req, ())
        await self._schedules.delete(_id(schedule_id), _expected(req))
        resp.status = 204


class Pause(_Resource):
    """`POST /api/schedules/{id}/pause`."""

    async def on_post(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Let it rest; nothing is made up for when it goes on."""
        query.only(req, ())
        self._show(resp, await self._schedules.enable(_id(schedule_id), False))


class Resume(_Resource):
    """`POST /api/schedules/{id}/resume`."""

    async def on_post(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Let it go on."""
        query.only(req, ())
        self._show(resp, await self._schedules.enable(_id(schedule_id), True))


class RunNow(_Resource):
    """`POST /api/schedules/{id}/run`."""

    def __init__(self, schedules: Schedules, access: Access) -> None:
        super().__init__(schedules)
        self._access = access

    async def on_post(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Submit its task now."""
        query.only(req, ())
        found, key = _id(schedule_id), idempotency_key(req)
        body = f"run schedule {found}".encode()
        async with Charge(self._access, req, resp, 1) as charge:
            done = await self._schedules.run(
                found, lambda record: idempotency_of(key, body, record), charge.by
            )
            charge.unused = int(done.record is None)
        resp.set_header("Location", f"/api/tasks/{done.task_id}")
        if done.record is None:
            resp.set_header("Idempotency-Replayed", "true")
        answer(resp, first_answer(done), 202)


class Preview(_Resource):
    """`GET /api/schedules/preview`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Say what a cron expression means and when it runs next."""
        query.only(req, ("cron", "time_zone"))
        cron, zone = query.one(req, "cron"), query.one(req, "time_zone")
        if cron is None:
            raise query.refuse("cron", "is required")
        seen = self._schedules.preview(cron, "UTC" if zone is None else zone)
        found: dict[str, Any] = {
            "words": seen.words,
            "next_runs": [to_rfc3339(each) for each in seen.next_runs],
        }
        answer(resp, found)
