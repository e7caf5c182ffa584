"""The table in store/keys.py is complete and true: names, types and lives of all keys and channels."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from callboard.store import (
    adrift,
    api_keys,
    audit,
    calls,
    keys,
    limits,
    operations,
    problems,
    queues,
    schedulers,
    sessions,
    upkeep,
)
from callboard.tasks.states import State
from tests.contract.store.bench import ERROR, FAR_MS, TTL_S, Bench, Watcher
from tests.contract.store.test_operations import begin
from tests.contract.store.test_schedules import make as make_schedule

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    kind: str
    lives: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return what names of this row look like."""
        text = re.escape(self.name).replace(r"\{", "{").replace(r"\}", "}")
        own_id = ".+" if self.name.startswith("worker:") else UUID
        return re.compile(re.sub(r"\{\w+\}", lambda hole: own_id if hole[0] == "{id}" else ".+", text))


def rows() -> list[Row]:
    """Read the table out of the docstring."""
    found = []
    for line in (keys.__doc__ or "").splitlines():
        if line.startswith("| ") and "`" in line:
            names, kinds, _, lives = (cell.strip() for cell in line.strip("|").split("|"))
            kind = "channel" if names.startswith("channel") else kinds
            quoted = re.findall(r"`([^`]+)`", names)
            each = [part.strip() for part in kind.split(",")]
            found += [Row(n, each[min(i, len(each) - 1)], lives) for i, n in enumerate(quoted)]
    return found


async def everything(bench: Bench) -> None:
    """Make the scripts write every key there is."""
    idempotency = calls.Idempotency("Any: key", "fingerprint", b"{}")
    task = await bench.create(idempotency, tags=("a", "b:c"))
    claim = await bench.claim(task)
    lines = [calls.LogLine("INFO", 1, "one")]
    await bench.run(calls.report(bench.keys, task.task_id, claim.run, (0.5, ""), lines))
    await bench.run(calls.cancel(bench.keys, task.task_id, TTL_S))
    await bench.run(calls.beat(bench.keys, "host:1", {"pid": 1}, [(task.task_id, claim.run)]))
    await bench.run(calls.mark(bench.keys, task.task_id, "sent"))
    await bench.conclude(task, claim.run, State.SUCCEEDED, result=b"1")
    await bench.in_state(State.SCHEDULED)
    await bench.retrying(FAR_MS)
    for state in (State.FAILED, State.CANCELLED):
        await bench.in_state(state)
    forgotten = await bench.in_state(State.FAILED)
    await bench.run(calls.forget(bench.keys, forgotten.task_id))
    rejected = await bench.create()
    await bench.run(calls.reject(bench.keys, rejected.task_id))
    unclaimed = await bench.create()
    await bench.run(calls.fail_unclaimed(bench.keys, unclaimed.task_id, ERROR, TTL_S))
    await bench.run(calls.requeue(bench.keys, unclaimed.task_id))
    await bench.run(adrift.add(bench.keys, "idx:reverse_text:normal:queued", ""))
    await bench.create(status=State.SCHEDULED, eta=1)
    await bench.run(calls.promote_due(bench.keys, look_after_ms=60_000))
    await bench.run(problems.first_seen(bench.keys, ["any"]))
    for each in ("default", "email"):
        await bench.run(queues.pause(bench.keys, each))
    await bench.run(queues.resume(bench.keys, "email"))
    await bench.run(upkeep.take_tick(bench.keys, "trim", 29_000_000))
    await make_schedule(bench)
    await bench.run(schedulers.beat(bench.keys, "host:2"))
    await bench.run(schedulers.ticked(bench.keys))
    found = {"digest": "ab" * 32, "name": "a", "role": "read", "created_at": "1"}
    await bench.run(api_keys.add(bench.keys, "ab" * 8, found))
    session = {"key_digest": "ab" * 32, "csrf": "c", "created_at": "1", "ends_at": str(FAR_MS)}
    await bench.run(sessions.begin(bench.keys, "cd" * 32, session, 168 * 3600))
    await bench.run(limits.take(bench.keys, "ab" * 8, (10, 3600), 1, 100, [1]))
    await bench.run(audit.add(bench.keys, "changes", [task.task_id.encode() + b"{}"]))
    for _ in range(2):
        await begin(bench, [task], [unclaimed])
    for operation in await bench.run(operations.running(bench.keys)):
        await bench.run(operations.step(bench.keys, operation.operation_id, "host:1", 2, TTL_S))
        break


async def test_every_key_is_in_the_table_with_its_type(bench: Bench) -> None:
    await everything(bench)
    for name in bench.names():
        kind = bench.kind(name)
        assert [row for row in rows() if row.pattern.fullmatch(name) and row.kind == kind], (name, kind)


async def test_every_key_of_the_table_is_written_by_some_script(bench: Bench) -> None:
    await everything(bench)
    names = bench.names()
    for row in rows():
        if row.kind != "channel":
            assert [name for name in names if row.pattern.fullmatch(name)], row


async def test_every_channel_is_in_the_table(bench: Bench, watch: Callable[[Bench], Watcher]) -> None:
    watcher = watch(bench)
    await everything(bench)
    heard = {name for name, _ in watcher.heard()}
    channels = [row for row in rows() if row.kind == "channel"]
    for name in heard:
        assert [row for row in channels if row.pattern.fullmatch(name)], name
    for row in channels:
        assert [name for name in heard if row.pattern.fullmatch(name)], row


async def test_keys_live_as_long_as_the_table_says(bench: Bench) -> None:
    """What the table gives a time expires; what it calls trimmed is cleared by somebody else."""
    await everything(bench)
    for name in bench.names():
        (row,) = (row for row in rows() if row.pattern.fullmatch(name))
        ttl_s = bench.ttl_s(name)
        if re.fullmatch(r"\d+ (s|h)", row.lives):
            number, unit = row.lives.split()
            assert 0 < ttl_s <= int(number) * {"s": 1, "h": 3600}[unit], (name, row.lives)
        elif not name.startswith("task:"):  # whose lives the tests of its states check
            assert ttl_s == -1, (name, row.lives)


async def test_every_key_begins_with_the_namespace(bench: Bench) -> None:
    def others() -> set[bytes]:
        """Return keys without any namespace: those of other tests' programs come and go meanwhile."""
        return {name for name in bench.client.scan_iter() if not re.match(rb"[a-z]+[0-9a-f]{12}:", name)}

    assert re.match(r"[a-z]+[0-9a-f]{12}:", bench.keys.prefix)
    before = others()
    await everything(bench)
    assert others() <= before


def test_python_and_lua_agree_on_the_names() -> None:
    names = keys.keys_for("n")
    made = [
        names.task(UUID), names.log(UUID), names.updates(UUID), names.all_updates, names.outbox,
        names.adrift, names.overdue, names.idempotency("k"), names.worker("host:1"), names.tick("trim", 1),
        names.operation(UUID), names.paused, names.queue_changes,
    ]  # fmt: skip
    plain = [name.replace(UUID, "0199d2a0-0000-7000-8000-000000000000") for name in made]
    for name in plain:
        assert name.startswith("n:")
        assert [row for row in rows() if row.pattern.fullmatch(name.removeprefix("n:"))], name


def test_without_a_namespace_names_have_no_prefix() -> None:
    assert keys.keys_for("").prefix == ""
    assert keys.keys_for("").outbox == "outbox"
