"""What dramatiq-dashboard asks of its broker, answered from the records and heartbeats.

The names and shapes are those of `dramatiq_dashboard.interface.RedisInterface`; tests/contract/dashboard
fails when they change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dramatiq.common import dq_name, q_name, xq_name
from dramatiq_dashboard.interface import Job, Queue, Worker

from callboard.dashboard.again import Store
from callboard.dashboard.shown import Shown, in_line, naive_utc, on_page, visible
from callboard.errors import Conflict, QueueNotFound, TaskNotFound
from callboard.store import calls, pages, workers
from callboard.store.keys import Keys
from callboard.tasks.ids import is_task_id
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import State

#: Tasks on one page.
PAGE: Final = 50

#: What each tab lists; the other states of a task are on no tab, but its page can be seen.
TABS: Final[Mapping[str, tuple[State, ...]]] = {
    "standard": (State.QUEUED, State.RUNNING),
    "delayed": (State.SCHEDULED, State.RETRYING),
    "failed": (State.FAILED,),
}


@dataclass
class PausableQueue(Queue):  # type: ignore[misc]  # the package has no types
    """A queue of the dashboard that also knows whether it is paused."""

    paused: bool = False


def tab_of(status: State) -> str:
    """Return the tab under which a task is shown."""
    return next((tab for tab, states in TABS.items() if status in states), "standard")


def tab_of_queue(queue_name: str) -> str:
    """Return the tab that dramatiq's name of a queue (`x`, `x.DQ`, `x.XQ`) stands for."""
    if queue_name == dq_name(queue_name):
        return "delayed"
    return "failed" if queue_name == xq_name(queue_name) else "standard"


@dataclass(frozen=True, slots=True)
class Records:
    """Stands where the dashboard has its RedisInterface; used by several threads."""

    store: Store
    keys: Keys
    types_by_queue: Mapping[str, list[str]]
    result_ttl_s: int
    retry: Callable[[str], bool]

    @property
    def queues(self) -> list[PausableQueue]:
        """Return all queues by name; raises Unavailable."""
        found = self.store.run(workers.queues(self.keys, self.types_by_queue))
        return sorted((_queue(each) for each in found), key=lambda queue: queue.name)

    @property
    def workers(self) -> list[Worker]:
        """Return the workers whose heart beats, by name; raises Unavailable."""
        found = [
            Worker(visible(each.id), naive_utc(each.last_heartbeat), len(each.running))
            for each in self.store.run(workers.live(self.keys))
        ]
        return sorted(found, key=lambda worker: worker.name)

    def get_queue(self, queue_name: str) -> PausableQueue:
        """Return one queue's numbers; raises QueueNotFound, Unavailable."""
        wanted = {queue_name: self._types(queue_name)}
        return _queue(self.store.run(workers.queues(self.keys, wanted))[0])

    def get_jobs(self, queue_name: str, cursor: int = 0) -> tuple[int | None, list[Job]]:
        """Return one page of a tab, newest first, and the cursor of the next one or None.

        However many records there are, it looks at no more than pages.LOOK_AT_MOST of them.
        """
        types = self._types(q_name(queue_name))
        wanted = pages.Filter(status=TABS[tab_of_queue(queue_name)], types=tuple(types))
        page = self.store.run(pages.page(self.keys, wanted, types, PAGE, from_number(cursor)))
        return to_number(page.next), [_job(record, in_line(record)) for record in page.tasks]

    def get_job(self, queue_name: str, message_id: str) -> Job:
        """Return one task of this queue in whatever state; raises QueueNotFound, TaskNotFound."""
        record = self.record(queue_name, message_id)
        return _job(record, on_page(record))

    def delete_message(self, queue_name: str, message_id: str) -> str:
        """Cancel a task that has not ended, forget one that has; tells which: cancelled, asked, deleted.

        Raises QueueNotFound, TaskNotFound, Conflict, Unavailable.
        """
        self.record(queue_name, message_id)
        outcome, status = self.store.run(calls.cancel(self.keys, message_id, self.result_ttl_s))
        if outcome == "refused":  # it has ended
            outcome, status = self.store.run(calls.forget(self.keys, message_id))
        if outcome == "absent":
            raise TaskNotFound(message_id)
        if outcome == "refused":
            raise Conflict(f"the task has just become {status}; look again")
        return {"done": "cancelled"}.get(outcome, outcome)

    def requeue_message(self, queue_name: str, message_id: str) -> str:
        """Run a failed or cancelled task again under its id; tells whether it is `queued` or goes `later`.

        Raises QueueNotFound, TaskNotFound, Conflict, Unavailable.
        """
        self.record(queue_name, message_id)
        return "queued" if self.retry(message_id) else "later"

    def record(self, queue_name: str, message_id: str) -> TaskRecord:
        """Return a task that belongs to this queue; raises QueueNotFound, TaskNotFound."""
        types = self._types(q_name(queue_name))
        record = self.store.run(calls.read(self.keys, message_id)) if is_task_id(message_id) else None
        if record is None or record.task_type not in types:
            raise TaskNotFound(message_id[:60])
        return record

    def _types(self, queue_name: str) -> list[str]:
        types = self.types_by_queue.get(queue_name)
        if types is None:
            raise QueueNotFound(queue_name, sorted(self.types_by_queue))
        return types


def _queue(entry: workers.QueueEntry) -> PausableQueue:
    return PausableQueue(
        name=entry.name,
        jobs=entry.ready + entry.running,
        jobs_delayed=entry.scheduled + entry.retrying,
        jobs_dead=entry.failed,
        paused=entry.paused_since is not None,
    )


def _job(record: TaskRecord, shown: Shown) -> Job:
    return Job(
        message_id=record.task_id,
        message=shown,
        eta=naive_utc(record.eta or record.created_at),
        timestamp=naive_utc(record.created_at),
        retries=max(0, record.attempts - 1),
    )


def to_number(cursor: str | None) -> int | None:
    """Return a cursor of ours as the whole number that the dashboard's addresses hold."""
    return None if cursor is None else int.from_bytes(cursor.encode(), "big")


def from_number(number: int) -> str | None:
    """Return the cursor of such a number, None for 0; of any other number, text that is no cursor."""
    if number == 0:
        return None
    return number.to_bytes((number.bit_length() + 7) // 8, "big").decode("ascii", "replace")
