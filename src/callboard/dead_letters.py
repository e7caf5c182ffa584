"""What operators see of dead letters: what fails, how often, with which error, and one example of each.

The messages themselves are in RabbitMQ's dead-letter queues as long as the records are in Redis.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from callboard.store import failures, pages
from callboard.store.keys import Keys
from callboard.submit import AsyncRunner
from callboard.tasks.times import to_rfc3339


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Groups failed tasks; one per web process."""

    store: AsyncRunner
    keys: Keys

    async def summary(self, types: Sequence[str] = ()) -> dict[str, Any]:
        """Return what `GET /api/dead-letters` answers, for some task types (default: all).

        The groups count the newest failures of each type only, so that no number of them can hold Redis;
        `complete` tells whether that was all of them. Raises Unavailable.
        """
        known = await self.store.run(pages.known_types(self.keys))
        wanted = [name for name in known if not types or name in types]
        found = await asyncio.gather(*(self.store.run(failures.of_type(self.keys, name)) for name in wanted))
        groups = [group for each in found for group in each.groups]
        groups.sort(key=lambda each: (-each.count, -each.newest_at))
        return {
            "failed": sum(each.failed for each in found),
            "complete": all(each.looked_at == each.failed for each in found),
            "groups": [_view(each) for each in groups],
        }


def _view(group: failures.Group) -> dict[str, Any]:
    return {
        "task_type": group.task_type,
        "queue": group.queue,
        "error_type": group.error_type or None,
        "count": group.count,
        "newest": {
            "task_id": group.newest_id,
            "failed_at": to_rfc3339(group.newest_at),
            "message": group.message,
            "links": {"self": f"/api/tasks/{group.newest_id}"},
        },
        "links": {"tasks": "/api/tasks?" + urlencode({"status": "failed", "type": group.task_type})},
    }
