"""Since when a problem is known, whichever process sees it; and what INFO says."""

from callboard.store import problems
from callboard.store.problems import GAP_MS
from tests.contract.store.bench import Bench


async def test_a_problem_keeps_the_time_it_was_first_seen(bench: Bench) -> None:
    before = bench.now_ms()
    first = await bench.run(problems.first_seen(bench.keys, ["a", "b"]))
    assert all(before <= at <= bench.now_ms() and new for at, new in first.values())
    again = await bench.run(problems.first_seen(bench.keys, ["b", "c"]))
    assert again["b"] == (first["b"][0], False)
    assert again["c"][1]


async def test_one_that_another_process_does_not_see_is_not_forgotten(bench: Bench) -> None:
    first = await bench.run(problems.first_seen(bench.keys, ["a"]))
    await bench.run(problems.first_seen(bench.keys, ["b"]))
    assert (await bench.run(problems.first_seen(bench.keys, ["a"])))["a"] == (first["a"][0], False)


async def test_one_that_comes_again_later_is_new(bench: Bench) -> None:
    old = bench.now_ms() - GAP_MS - 1000
    for name in ("again", "over"):
        bench.client.hset(f"{bench.keys.prefix}problems", name, f"{old} {old}")
    found = await bench.run(problems.first_seen(bench.keys, ["again"]))
    assert found["again"][0] > old
    assert found["again"][1]
    assert set(bench.hash("problems")) == {"again"}, "what is over is dropped"


async def test_one_that_lasts_is_as_old_as_it_is(bench: Bench) -> None:
    now = bench.now_ms()
    bench.client.hset(f"{bench.keys.prefix}problems", "a", f"5000 {now - GAP_MS + 5000}")
    assert await bench.run(problems.first_seen(bench.keys, ["a"])) == {"a": (5000, False)}


async def test_what_redis_says_of_itself_is_read_by_name(bench: Bench, url: str) -> None:
    if url.startswith("memory"):
        return  # there is no server, and nobody asks
    found = await bench.run(problems.info())
    assert int(found["used_memory"]) > 0
    assert found["maxmemory_policy"] == "noeviction"
    assert float(found["uptime_in_seconds"]) >= 0
