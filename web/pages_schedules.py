"""Pages of schedules: the list, and the form that makes or changes one; static/schedule*.js go on."""

from typing import Any, Final

import falcon.asgi

from callboard.errors import ScheduleNotFound, Unavailable
from callboard.scheduler import zones
from callboard.scheduler.missed import MADE_UP_MOST, Missed
from callboard.schedules import Schedules
from callboard.tasks.ids import is_task_id
from web.pages import trouble
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: What each policy does, in the words of the form.
WORDS: Final = {
    Missed.ONCE: "runs once for all of them",
    Missed.SKIP: "leaves them out",
    Missed.ALL: f"runs every one of them, up to {MADE_UP_MOST:,}",
}


class SchedulesPage:
    """`GET /schedules`."""

    def __init__(self, site: Site, schedules: Schedules) -> None:
        self._site = site
        self._schedules = schedules

    async def on_get(self, req: Request, resp: Response) -> None:
        """List the schedules."""
        values: dict[str, Any] = {"found": None}
        try:
            values["found"] = [self._schedules.view(each) for each in await self._schedules.all()]
        except Unavailable as error:
            values["trouble"] = trouble(error)
        self._site.send(req, resp, "schedules.html", **values)


class NewSchedule:
    """`GET /schedules/new`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show an empty form."""
        self._site.send(req, resp, "schedule.html", schedule=None, policies=WORDS, zones=zones.names())


class SchedulePage:
    """`GET /schedules/{id}`."""

    def __init__(self, site: Site, schedules: Schedules) -> None:
        self._site = site
        self._schedules = schedules

    async def on_get(self, req: Request, resp: Response, schedule_id: str) -> None:
        """Show one schedule in a form; an id that leads nowhere gets a page that says so."""
        values: dict[str, Any] = {"policies": WORDS, "zones": zones.names()}
        try:
            if not is_task_id(schedule_id):
                raise ScheduleNotFound(schedule_id)
            values["schedule"] = self._schedules.view(await self._schedules.get(schedule_id))
        except ScheduleNotFound:
            self._site.send(req, resp, "missing.html", 404, kind="schedule", text=schedule_id[:200])
            return
        except Unavailable as error:
            self._site.send(req, resp, "schedules.html", 503, found=None, trouble=trouble(error))
            return
        self._site.send(req, resp, "schedule.html", **values)
