"""`GET /api/stats`: counts by state, throughput and latency by minute and by task type."""

import asyncio
from typing import Any, Final

import falcon.asgi

from callboard.board import Board
from callboard.store import stats
from callboard.store.stats import OUTCOMES, MinuteStats, TypeStats
from callboard.tasks.times import now_ms, to_rfc3339
from web import query
from web.compressed import answer_compressed

Request = falcon.asgi.Request
Response = falcon.asgi.Response

MINUTES: Final = 60
#: Minutes read in one go.
CHUNK: Final = 60
#: A minute that is so far in the past does not change any more, whatever the clocks say.
SETTLED: Final = 3


class Stats:
    """`GET /api/stats`; keeps the settled minutes of the default window, so that dashboards cost little."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._settled: dict[int, MinuteStats] = {}

    async def on_get(self, req: Request, resp: Response) -> None:
        """Count tasks by state, and what ended in the last `minutes`."""
        query.only(req, ("minutes",))
        number = query.whole(req, "minutes", MINUTES, stats.MINUTES_MOST)
        current = now_ms() // 60_000
        wanted = range(current - number + 1, current + 1)
        counts = await self._board.counts()
        minutes = await self._read(wanted, current)
        answer_compressed(
            req,
            resp,
            {
                "counts": counts,
                "minutes": [_minute(each, minutes[each]) for each in wanted],
                "types": {name: _type(each) for name, each in stats.by_type(minutes.values()).items()},
            },
        )

    async def _read(self, wanted: range, current: int) -> dict[int, MinuteStats]:
        found = {each: self._settled[each] for each in wanted if each in self._settled}
        missing = [each for each in wanted if each not in found]
        for at in range(0, len(missing), CHUNK):
            chunk = missing[at : at + CHUNK]
            read = await asyncio.gather(*(self._minute(each) for each in chunk))
            found |= zip(chunk, read, strict=True)
        kept = range(current - MINUTES, current - SETTLED)
        self._settled = {each: known for each, known in {**self._settled, **found}.items() if each in kept}
        return found

    async def _minute(self, number: int) -> MinuteStats:
        return await self._board.store.run(stats.minute(self._board.keys, number))


def _minute(number: int, found: MinuteStats) -> dict[str, Any]:
    whole = stats.total(found.values())
    return {"minute": to_rfc3339(number * 60_000), **_type(whole)}


def _type(found: TypeStats) -> dict[str, Any]:
    return {
        **{outcome: found.outcomes[outcome] for outcome in OUTCOMES},
        "run": stats.percentiles(found.run),
        "wait": stats.percentiles(found.wait),
    }
