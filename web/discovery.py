"""What this installation offers and how it does: task types and workers."""

from typing import Any, Final

import falcon.asgi
import msgspec

from callboard.service import Service
from callboard.store.workers import WorkerEntry
from callboard.tasks.times import to_rfc3339
from web import query
from web.compressed import answer_compressed
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class TaskTypes:
    """`GET /api/task-types`."""

    def __init__(self, service: Service) -> None:
        types = [each.describe() for each in service.task_types()]
        self._answer: Final = msgspec.json.encode({"task_types": types})

    async def on_get(self, req: Request, resp: Response) -> None:
        """Describe every task type with its JSON Schema and an example."""
        query.only(req, ())
        answer_compressed(req, resp, self._answer)


class Workers:
    """`GET /api/workers`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the workers whose heart beats."""
        query.only(req, ())
        answer(resp, {"workers": await workers_of(self._service)})


async def workers_of(service: Service) -> list[dict[str, Any]]:
    """Return every worker whose heart beats as the API shows it; raises Unavailable."""
    return [_worker(each) for each in await service.board.workers()]


def _worker(entry: WorkerEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "host": entry.host,
        "pid": entry.pid,
        "queues": entry.queues,
        "threads": entry.threads,
        "running": entry.running,
        "started_at": to_rfc3339(entry.started_at),
        "last_heartbeat": to_rfc3339(entry.last_heartbeat),
        "cpu_percent": entry.cpu_percent,
        "memory_bytes": entry.memory_bytes,
        "done": entry.done,
        "failed": entry.failed,
    }
