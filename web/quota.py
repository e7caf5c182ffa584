"""Takes tasks from a key's quota of the day when they are about to be submitted; others cost nothing."""

import falcon.asgi

from callboard.access.access import Access
from callboard.access.limits import headers
from callboard.access.principal import Principal
from web.problems import RequestProblem


class Charge:
    """`async with` around submitting `tasks`: `by` is the id of the key that does ("": none).

    Set `unused` to those that were not accepted.
    """

    __slots__ = ("_access", "_resp", "_tasks", "_who", "by", "unused")

    def __init__(
        self, access: Access, req: falcon.asgi.Request, resp: falcon.asgi.Response, tasks: int
    ) -> None:
        who: Principal | None = req.context.get("principal")
        self.by = "" if who is None else who.key_id
        self._who = who if who is not None and who.quota is not None else None
        self._access = access
        self._resp = resp
        self._tasks = tasks
        self.unused = 0

    async def __aenter__(self) -> "Charge":
        if self._who is not None:
            taken = await self._access.limiter.tasks(self._who, self._tasks)
            if taken is None:
                self._who = None
            else:
                self._resp.set_headers(headers(self._who.rate, self._who.quota, taken))
                if taken.refused:
                    raise RequestProblem(
                        "rate-limited",
                        f"this key may submit {self._who.quota} tasks a day, and has {taken.tasks_left} left",
                    )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        unused = self._tasks if kind is not None else self.unused
        if self._who is not None and unused:
            await self._access.limiter.give_back(self._who, unused)
