"""What schedulers leave behind about themselves: heartbeats and the last tick."""

from callboard.store import schedulers
from tests.contract.store.bench import Bench


async def test_nothing_is_known_before_a_scheduler_runs(bench: Bench) -> None:
    found = await bench.run(schedulers.seen(bench.keys))
    assert (found.last_tick, found.beats) == (None, {})
    assert found.now > 1_700_000_000_000


async def test_heartbeats_and_the_last_tick_are_told_by_rediss_clock(bench: Bench) -> None:
    for name in ("a:1", "b:2"):
        await bench.run(schedulers.beat(bench.keys, name))
    await bench.run(schedulers.ticked(bench.keys))
    found = await bench.run(schedulers.seen(bench.keys))
    assert set(found.beats) == {"a:1", "b:2"}
    assert found.last_tick is not None
    assert max(found.beats.values()) <= found.last_tick <= found.now


async def test_a_scheduler_that_stopped_is_not_listed_and_one_that_died_for_a_week(bench: Bench) -> None:
    for name in ("stopped:1", "lives:2"):
        await bench.run(schedulers.beat(bench.keys, name))
    await bench.run(schedulers.gone(bench.keys, "stopped:1"))
    long_ago = (await bench.run(schedulers.seen(bench.keys))).now - schedulers.SEEN_S * 1000 - 1
    bench.client.zadd(f"{bench.keys.prefix}schedulers", {"died:3": long_ago, "silent:4": long_ago + 60_000})
    await bench.run(schedulers.beat(bench.keys, "lives:2"))
    assert set((await bench.run(schedulers.seen(bench.keys))).beats) == {"lives:2", "silent:4"}
