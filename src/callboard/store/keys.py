"""Every Redis key there is, with what it holds and how long it lives. The Lua scripts in `lua/`
build the same names from the prefix (prelude.lua); a test compares the two.

| key | type | holds | lives |
| --- | --- | --- | --- |
| `task:{id}` | hash | the record and its events (`e:<version>`) | RESULT_TTL after its end |
| `task:{id}:log` | list | captured log lines, at most 1,000 | with its record |
| `task:{id}:gone` | string | that it was cancelled; for a message later than its record | 7 days + delay |
| `all` | sorted set | every task id, score 0: sorted by creation (UUIDv7) | trimmed |
| `idx:{type}:{priority}:{status}` | sorted set | the ids in that state | trimmed |
| `tag:{tag}` | sorted set | the ids with that tag | trimmed |
| `types` | set | the types that have indexes | as long as the installation |
| `tags` | sorted set | the tags that have indexes | trimmed |
| `due` | sorted set | scheduled and retrying ids by due time (ms) | until due |
| `outbox` | sorted set | ids whose message is not confirmed yet, by time (ms) | until confirmed |
| `overdue` | sorted set | ids that RabbitMQ may keep too long, by when to look at them (ms) | until it runs |
| `adrift` | sorted set | ids whose message may be lost, by when to look at them (ms) | until sent |
| `idem:{key}` | hash | first answer to an Idempotency-Key | 24 h |
| `worker:{id}` | hash | a worker's heartbeat; alive for 15 s after it | 900 s |
| `workers` | sorted set | worker ids by last heartbeat (ms) | trimmed |
| `paused` | hash | the paused queues with since when (ms) | until resumed |
| `problems` | hash | when each problem was first and last seen (ms) | 1 h |
| `stats:{minute}` | hash | counts and histograms of that minute, by type | 25 h |
| `tick:{name}:{minute}` | string | that somebody did that minute's work | 1 h |
| `schedule:{id}` | hash | a schedule, and how far its ticks are settled | until deleted |
| `schedules` | sorted set | the ids of all schedules, sorted by creation | as long as the installation |
| `schedules:due` | sorted set | the ids of those that are not paused, by next tick (ms) | until paused |
| `schedulers` | sorted set | schedulers by last heartbeat (ms) | trimmed |
| `scheduler_tick` | string | when due schedules were last looked for (ms) | as long as the installation |
| `operation:{id}` | hash | what is done to many tasks, and how far it is | 24 h |
| `operation:{id}:chunks` | hash | the ids of its tasks that are still to be done, by chunk | 24 h |
| `operations` | sorted set | the ids of the newest 50 operations | trimmed |
| `operations:running` | sorted set | the ids of those that run | trimmed |
| `api_key:{key_id}` | hash | an API key: its SHA-256, name, role, limits | until revoked |
| `api_keys` | sorted set | the ids of all API keys by creation (ms) | as long as the installation |
| `access_version` | string | grows when a key is made or revoked, or a session ends | for ever |
| `session:{digest}` | hash | a browser's session, by the SHA-256 of its cookie | 168 h |
| `limit:{key_id}` | hash | what is left of a key's rate | 2 h |
| `quota:{key_id}:{day}` | string | tasks a key submitted that day | 48 h |
| `audit:{trail}` | sorted set | who did what, each entry a text that begins with a UUIDv7 | trimmed |
| channels `task:{id}:updates`, `task_updates` | | every event as JSON | |
| channel `cancel_requests` | | the ids of running tasks that are asked to stop | |
| channel `queue_changes` | | the names of queues that were paused or resumed | |
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one namespace; `prefix` is empty or ends with a colon."""

    prefix: str = ""

    def task(self, task_id: str) -> str:
        """Return the key of a task's record."""
        return f"{self.prefix}task:{task_id}"

    def log(self, task_id: str) -> str:
        """Return the key of a task's log."""
        return f"{self.prefix}task:{task_id}:log"

    def updates(self, task_id: str) -> str:
        """Return the channel of one task's events."""
        return f"{self.prefix}task:{task_id}:updates"

    @property
    def all_updates(self) -> str:
        """Return the channel of all tasks' events."""
        return f"{self.prefix}task_updates"

    @property
    def cancel_requests(self) -> str:
        """Return the channel of running tasks that are asked to stop."""
        return f"{self.prefix}cancel_requests"

    @property
    def outbox(self) -> str:
        """Return the key of the outbox."""
        return f"{self.prefix}outbox"

    @property
    def overdue(self) -> str:
        """Return the key of the tasks that RabbitMQ may keep too long."""
        return f"{self.prefix}overdue"

    @property
    def adrift(self) -> str:
        """Return the key of the tasks whose message may be lost."""
        return f"{self.prefix}adrift"

    @property
    def paused(self) -> str:
        """Return the key of the paused queues."""
        return f"{self.prefix}paused"

    @property
    def queue_changes(self) -> str:
        """Return the channel of queues that were paused or resumed."""
        return f"{self.prefix}queue_changes"

    def idempotency(self, key: str) -> str:
        """Return the key of an Idempotency-Key's first answer."""
        return f"{self.prefix}idem:{key}"

    def worker(self, worker_id: str) -> str:
        """Return the key of a worker's heartbeat."""
        return f"{self.prefix}worker:{worker_id}"

    def operation(self, operation_id: str) -> str:
        """Return the key of an operation's record."""
        return f"{self.prefix}operation:{operation_id}"

    @property
    def api_keys(self) -> str:
        """Return the key of the list of API keys."""
        return f"{self.prefix}api_keys"

    @property
    def access_version(self) -> str:
        """Return the key of what grows when keys or sessions are made or end."""
        return f"{self.prefix}access_version"

    def audit(self, trail: str) -> str:
        """Return the key of a part of the audit trail, `changes` or `submits`."""
        return f"{self.prefix}audit:{trail}"

    def tick(self, name: str, minute: int) -> str:
        """Return the key that says a minute's work has been taken."""
        return f"{self.prefix}tick:{name}:{minute}"


def keys_for(namespace: str) -> Keys:
    """Return the keys of a namespace ("" for none)."""
    return Keys(f"{namespace}:" if namespace else "")
