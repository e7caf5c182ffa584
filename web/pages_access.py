"""Pages of keys and of the audit trail, for admins."""

from typing import Any, Final
from urllib.parse import urlencode

import falcon.asgi

from callboard.access import entries
from callboard.access.access import Access
from callboard.access.roles import Role
from callboard.errors import Unavailable, ValidationFailed
from web import keys, query
from web.pages import trouble
from web.site import Site

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Entries on one page.
ROWS: Final = 50

#: What each role is for, in the words of the form.
WORDS: Final = {
    Role.SUBMIT: "hands tasks in and reads those",
    Role.READ: "sees everything, changes nothing",
    Role.OPERATE: "both, and cancels, retries, pauses, purges, edits schedules",
    Role.ADMIN: "all of it, and keys and the audit trail",
}


class KeysPage:
    """`GET /keys`."""

    def __init__(self, site: Site, access: Access) -> None:
        self._site = site
        self._access = access

    async def on_get(self, req: Request, resp: Response) -> None:
        """List the keys; static/keys.js makes and revokes them."""
        values: dict[str, Any] = {"found": None, "roles": WORDS, "required": self._access.required}
        try:
            values["found"] = [entries.view(each) for each in await self._access.list_keys()]
        except Unavailable as error:
            values["trouble"] = trouble(error)
        self._site.send(req, resp, "keys.html", **values)


class AuditPage:
    """`GET /audit`."""

    def __init__(self, site: Site, access: Access) -> None:
        self._site = site
        self._access = access

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show one page of who did what."""
        values: dict[str, Any] = {"found": [], "older": "", "search": dict.fromkeys(keys.SEARCH_NAMES, "")}
        status = 200
        try:
            query.only(req, (*keys.SEARCH_NAMES, "cursor"))
            wanted, cursor = keys.search(req), query.one(req, "cursor") or ""
            values["search"] = {name: getattr(wanted, name) for name in keys.SEARCH_NAMES}
            found, more = await self._access.audit.page(wanted, ROWS, cursor)
            values["found"] = [keys.entry_view(*each) for each in found]
            chosen = {name: text for name, text in values["search"].items() if text}
            values["older"] = f"/audit?{urlencode({**chosen, 'cursor': more})}" if more else ""
            values["newest"] = f"/audit?{urlencode(chosen)}" if cursor else ""
        except ValidationFailed as error:
            values["problem"], status = str(error), 422
        except Unavailable as error:
            values["trouble"] = trouble(error)
        self._site.send(req, resp, "audit.html", status, **values)
