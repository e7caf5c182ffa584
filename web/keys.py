"""`/api/keys`, `/api/audit` and `/api/whoami`: who may do what, and who did."""

from typing import Annotated, Any, cast

import falcon.asgi
import msgspec
from msgspec import Meta

from callboard.access import entries
from callboard.access.access import Access
from callboard.access.audit import Entry, Search
from callboard.access.entries import NewKey
from callboard.access.limits import QUOTA_MOST, parse_rate
from callboard.access.principal import Principal
from callboard.access.roles import GRANTS
from callboard.access.secret import check_name, role_named
from callboard.errors import FieldProblem, ValidationFailed
from callboard.tasks.params import convert
from callboard.tasks.times import from_rfc3339, now_ms, to_rfc3339
from web import query
from web.body import read_json
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Entries of the audit trail in one answer at most.
LIMIT_MOST = 500
SEARCH_NAMES = ("actor", "action", "target")


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What `POST /api/keys` takes."""

    name: str
    role: str
    rate: str | None = None
    quota: Annotated[int, Meta(ge=1, le=QUOTA_MOST)] | None = None
    expires_at: str | None = None


class Keys:
    """`GET` and `POST /api/keys`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def on_get(self, req: Request, resp: Response) -> None:
        """List all keys; never their texts."""
        query.only(req, ())
        answer(resp, {"keys": [entries.view(each) for each in await self._access.list_keys()]})

    async def on_post(self, req: Request, resp: Response) -> None:
        """Make a key; this answer is the only place where its text is ever seen."""
        query.only(req, ())
        made = _key(await read_json(req))
        entry = await self._access.add_key(made)
        req.context["target"] = f"{entry.id} {entry.name} ({entry.role})"
        resp.set_header("Cache-Control", "no-store")
        answer(resp, {**entries.view(entry), "key": made.secret}, 201)


def _key(raw: Any) -> NewKey:
    body = convert(raw, Body)
    problems: list[FieldProblem] = []

    def parsed(name: str, parse: Any, text: str | None) -> Any:
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            problems.append(FieldProblem(f"/{name}", str(error)))

    now = now_ms()
    fields = [
        parsed("name", check_name, body.name),
        parsed("role", role_named, body.role),
        parsed("rate", parse_rate, body.rate),
        parsed("expires_at", from_rfc3339, body.expires_at),
    ]
    if fields[3] is not None and fields[3] <= now:
        problems.append(FieldProblem("/expires_at", f"{body.expires_at} has passed"))
    if problems:
        raise ValidationFailed(problems)
    name, role, rate, expires_at = fields
    return entries.make(name, role, now, rate=rate, quota=body.quota, expires_at=expires_at)


class Key:
    """`DELETE /api/keys/{key_id}`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def on_delete(self, req: Request, resp: Response, key_id: str) -> None:
        """Revoke a key: within a second it is of no use anywhere."""
        query.only(req, ())
        entry = await self._access.revoke_key(key_id)
        req.context["target"] = f"{entry.id} {entry.name} ({entry.role})"
        resp.status = 204


class AuditTrail:
    """`GET /api/audit`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def on_get(self, req: Request, resp: Response) -> None:
        """List who did what, the newest first."""
        query.only(req, (*SEARCH_NAMES, "limit", "cursor"))
        limit = query.whole(req, "limit", 100, LIMIT_MOST)
        found, cursor = await self._access.audit.page(search(req), limit, query.one(req, "cursor") or "")
        answer(resp, {"entries": [entry_view(*each) for each in found], "next": cursor or None})


def search(req: Request) -> Search:
    """Return which entries a request asks for."""
    return Search(**{name: (query.one(req, name) or "").strip() for name in SEARCH_NAMES})


def entry_view(entry_id: str, entry: Entry) -> dict[str, Any]:
    """Return an entry as the API shows it."""
    return {
        "id": entry_id,
        "at": to_rfc3339(entry.at_ms),
        "actor": entry.actor,
        "key_id": entry.key_id or None,
        "action": entry.action,
        "target": entry.target or None,
        "client": entry.client or None,
        "request_id": entry.request_id or None,
        "status": entry.status or None,
    }


class WhoAmI:
    """`GET /api/whoami`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def on_get(self, req: Request, resp: Response) -> None:
        """Say whose key or session this is, and what it may do."""
        query.only(req, ())
        who = cast(Principal, req.context["principal"])
        resp.set_header("Cache-Control", "no-store")
        answer(
            resp,
            {
                "name": who.name,
                "role": who.role.value,
                "grants": sorted(each.value for each in GRANTS[who.role]),
                "key_id": who.key_id or None,
                "by": who.kind if self._access.required else None,
                "rate": str(who.rate) if who.rate else None,
                "quota": who.quota,
                "ends_at": None if who.ends_at is None else to_rfc3339(who.ends_at),
                "authentication": "required" if self._access.required else "off",
            },
        )
