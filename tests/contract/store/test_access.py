"""Keys, sessions, limits and the audit trail in Redis, through both executors, in process and for real."""

import asyncio

from callboard.store import api_keys, audit, calls, limits, sessions
from callboard.tasks.ids import new_task_id
from tests.contract.store.bench import FAR_MS, Bench, record

DIGEST = "ab" * 32
KEY = {"digest": DIGEST, "name": "billing", "role": "read", "created_at": "1"}
SESSION = {"key_digest": DIGEST, "csrf": "token", "created_at": "1", "ends_at": str(FAR_MS)}
COOKIE = "cd" * 32


async def test_a_key_is_added_once_read_listed_and_revoked(bench: Bench) -> None:
    assert await bench.run(api_keys.number(bench.keys)) == 0
    assert await bench.run(api_keys.add(bench.keys, DIGEST[:16], KEY))
    assert await bench.run(api_keys.add(bench.keys, DIGEST[:16], KEY)), "safe to repeat"
    assert not await bench.run(api_keys.add(bench.keys, DIGEST[:16], {**KEY, "digest": "ef" * 32}))
    assert await bench.run(api_keys.read(bench.keys, DIGEST[:16], used=False)) == KEY
    assert await bench.run(api_keys.read(bench.keys, DIGEST[:16])) == KEY
    ((key_id, fields),) = await bench.run(api_keys.listed(bench.keys))
    assert key_id == DIGEST[:16]
    assert int(fields.pop("last_used")) > 1
    assert fields == KEY
    assert (await bench.run(api_keys.revoke(bench.keys, key_id)))["name"] == "billing"
    assert await bench.run(api_keys.revoke(bench.keys, key_id)) == {}
    assert await bench.run(api_keys.read(bench.keys, key_id)) == {}
    assert await bench.run(api_keys.listed(bench.keys)) == []
    assert not bench.client.exists(f"{bench.keys.prefix}api_key:{key_id}"), "reading brings nothing back"


async def test_the_version_grows_with_what_ends(bench: Bench) -> None:
    async def version() -> bytes | None:
        return await bench.run(api_keys.version(bench.keys))

    await bench.run(api_keys.add(bench.keys, DIGEST[:16], KEY))
    seen = {await version()}
    await bench.run(sessions.begin(bench.keys, COOKIE, SESSION, 60))
    assert await version() in seen
    await bench.run(sessions.end(bench.keys, COOKIE))
    seen.add(await version())
    await bench.run(api_keys.revoke(bench.keys, DIGEST[:16]))
    seen.add(await version())
    assert len(seen) == 3


async def test_a_used_session_lives_on_but_not_beyond_its_end(bench: Bench) -> None:
    await bench.run(api_keys.add(bench.keys, DIGEST[:16], KEY))
    await bench.run(sessions.begin(bench.keys, COOKIE, SESSION, 60))
    assert await bench.run(sessions.read(bench.keys, COOKIE, 600, used=False)) == (SESSION, KEY)
    assert bench.ttl_s(f"session:{COOKIE}") <= 60
    assert (await bench.run(sessions.read(bench.keys, COOKIE, 600)))[0] == SESSION
    assert 60 < bench.ttl_s(f"session:{COOKIE}") <= 600
    now_ms = bench.client.time()[0] * 1000
    bench.client.hset(f"{bench.keys.prefix}session:{COOKIE}", "ends_at", now_ms + 100_000)
    await bench.run(sessions.read(bench.keys, COOKIE, 600))
    assert bench.ttl_s(f"session:{COOKIE}") <= 101
    bench.client.hset(f"{bench.keys.prefix}session:{COOKIE}", "ends_at", now_ms - 1000)
    assert await bench.run(sessions.read(bench.keys, COOKIE, 600)) == ({}, {})
    assert await bench.run(sessions.end(bench.keys, COOKIE)) == 0


async def test_a_bucket_gives_what_it_holds_and_no_more(bench: Bench) -> None:
    async def take(requests: int) -> limits.Grant:
        return await bench.run(limits.take(bench.keys, "k", (4, 3600), requests, 10, []))

    found = [await take(each) for each in (1, 1, 3, 1)]
    assert [each.requests for each in found] == [1, 1, 2, 0]
    assert [each.requests_left for each in found] == [3, 2, 0, 0]
    assert 2_700_000 < found[2].full_ms <= 3_600_000
    assert 800_000 < found[3].again_ms <= 900_000, "one of four an hour is there after a quarter"
    assert [each.tasks_left for each in found] == [10] * 4


async def test_a_quota_is_taken_whole_or_not_at_all_and_given_back(bench: Bench) -> None:
    async def take(*tasks: int) -> tuple[tuple[bool, ...], int]:
        grant = await bench.run(limits.take(bench.keys, "k", (0, 1), 0, 10, tasks))
        assert 0 < grant.day_ends_ms <= 86_400_000
        return grant.tasks, grant.tasks_left

    assert await take(7) == ((True,), 3)
    assert await take(4, 1, 3, 2) == ((False, True, False, True), 0)
    await bench.run(limits.give_back(bench.keys, "k", 2))
    assert await take(2) == ((True,), 0)
    await bench.run(limits.give_back(bench.keys, "k", 100))
    assert await take() == ((), 10), "never more than all of it"
    assert await bench.run(limits.give_back(bench.keys, "another", 1)) == 0


async def test_without_a_rate_all_requests_pass(bench: Bench) -> None:
    assert (await bench.run(limits.take(bench.keys, "k", (0, 1), 7, 0, []))).requests == 7


async def test_many_at_once_take_no_more_than_there_is(bench: Bench) -> None:
    call = limits.take(bench.keys, "k", (50, 3600), 3, 0, [])
    answers = await asyncio.gather(*(bench.run(call) for _ in range(40)))
    assert sum(each.requests for each in answers) == 50


async def test_the_trail_is_read_backwards_and_keeps_the_newest(bench: Bench) -> None:
    made = [new_task_id().encode() + b"{}" for _ in range(10)]
    await bench.run(audit.add(bench.keys, "changes", made))
    await bench.run(audit.add(bench.keys, "changes", made[:3]))
    first = await bench.run(audit.before(bench.keys, "changes", "", 4))
    assert first == made[:5:-1]
    rest = await bench.run(audit.before(bench.keys, "changes", first[-1][:36].decode(), 100))
    assert rest == made[5::-1]
    await bench.run(audit.keep_newest(bench.keys, "changes", 4))
    assert await bench.run(audit.before(bench.keys, "changes", "", 100)) == made[:5:-1]
    await bench.run(audit.keep_since(bench.keys, "changes", FAR_MS))
    assert await bench.run(audit.before(bench.keys, "changes", "", 100)) == []


async def test_a_task_belongs_to_the_key_that_submitted_it(bench: Bench) -> None:
    owned, free = record(), record()
    await bench.run(calls.create(bench.keys, owned, None, "k"))
    await bench.run(calls.create(bench.keys, free, None))
    assert await bench.run(api_keys.owner(bench.keys, owned.task_id)) == (True, "k")
    assert await bench.run(api_keys.owner(bench.keys, free.task_id)) == (True, "")
    assert await bench.run(api_keys.owner(bench.keys, new_task_id())) == (False, "")
