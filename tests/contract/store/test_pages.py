"""Lists: every filter alone and combined, newest first, each task exactly once."""

import itertools
from collections.abc import Callable, Iterable

import pytest

from callboard.errors import ValidationFailed
from callboard.store import calls, pages
from callboard.store.pages import Filter, Page
from callboard.tasks.ids import first_id_at
from callboard.tasks.record import TaskRecord
from callboard.tasks.states import Priority, State
from tests.contract.store.bench import Bench

START_MS = 1_769_860_800_000

#: Filters of one field each; every one matches some tasks of `a_crowd` and leaves out others.
ONES: dict[str, Filter] = {
    "status": Filter(status=(State.QUEUED,)),
    "two statuses": Filter(status=(State.RUNNING, State.SUCCEEDED)),
    "type": Filter(types=("sentiment",)),
    "two types": Filter(types=("sentiment", "flaky")),
    "priority": Filter(priority=(Priority.HIGH,)),
    "two priorities": Filter(priority=(Priority.HIGH, Priority.LOW)),
    "queue": Filter(queue=("email",)),
    "two queues": Filter(queue=("email", "data")),
    "tag": Filter(tag=("blue",)),
    "two tags": Filter(tag=("blue", "red")),
    "after": Filter(created_after_ms=START_MS + 12),
    "before": Filter(created_before_ms=START_MS + 30),
}
#: Filters that match nothing.
NONES: dict[str, Filter] = {
    "no such type": Filter(types=("unheard_of",)),
    "no such queue": Filter(queue=("unheard_of",)),
    "no such tag": Filter(tag=("unheard_of",)),
    "no such time": Filter(created_after_ms=START_MS + 10_000),
    "no time between": Filter(created_after_ms=START_MS + 20, created_before_ms=START_MS + 20),
}


def both(one: Filter, other: Filter) -> Filter:
    """Return a filter that asks for both; a field set in both is the other's."""
    fields = {name: getattr(other, name) or getattr(one, name) for name in Filter.__slots__}
    return Filter(**fields)


def matches(wanted: Filter, task: TaskRecord) -> bool:
    """Tell what a page should hold, in the plainest words."""
    at_ms = START_MS + int(task.task_id[-4:], 16)
    return (
        (not wanted.status or task.status in wanted.status)
        and (not wanted.types or task.task_type in wanted.types)
        and (not wanted.priority or task.priority in wanted.priority)
        and (not wanted.queue or task.queue in wanted.queue)
        and (not wanted.tag or bool(set(wanted.tag) & set(task.tags)))
        and (wanted.created_after_ms is None or at_ms >= wanted.created_after_ms)
        and (wanted.created_before_ms is None or at_ms < wanted.created_before_ms)
    )


def id_of(number: int) -> str:
    return first_id_at(START_MS + number)[:-4] + f"{number:04x}"


async def a_crowd(bench: Bench, size: int = 48) -> list[TaskRecord]:
    """Make tasks that differ in everything a filter asks for, one per millisecond, oldest first."""
    kinds = itertools.cycle(itertools.product(("reverse_text", "sentiment", "flaky"), Priority))
    made = []
    for number, (kind, priority) in zip(range(size), kinds, strict=False):
        made.append(
            await bench.in_state(
                list(State)[number % 7],
                task_id=id_of(number),
                task_type=kind,
                priority=priority,
                queue=("default", "email", "data", "files")[number % 4],
                tags=((), ("blue",), ("red", "blue"), ("red",), ("green",))[number % 5],
            )
        )
    return [await bench.read(task) for task in made]


async def page(
    bench: Bench, wanted: Filter, limit: int = pages.LIMIT_MOST, cursor: str | None = None
) -> Page:
    types = await bench.run(pages.known_types(bench.keys))
    return await bench.run(pages.page(bench.keys, wanted, types, limit, cursor))


async def walk(bench: Bench, wanted: Filter, limit: int, most: int = 1000) -> list[list[str]]:
    """Follow the cursors to the end; return the ids of each page."""
    found: list[list[str]] = []
    cursor = None
    while cursor is not None or not found:
        one = await page(bench, wanted, limit, cursor)
        found.append([task.task_id for task in one.tasks])
        assert len(found[-1]) <= limit
        assert len(found) <= most
        cursor = one.next
    return found


def ids(tasks: Iterable[TaskRecord]) -> list[str]:
    """Return the ids of tasks, newest first."""
    return sorted((task.task_id for task in tasks), reverse=True)


def flat(found: list[list[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(found))


async def test_without_a_filter_every_task_is_listed_newest_first_as_it_stands(bench: Bench) -> None:
    crowd = await a_crowd(bench)
    listed = await page(bench, Filter())
    assert listed.tasks == sorted(crowd, key=lambda task: task.task_id, reverse=True)
    assert listed.next is None


async def test_every_filter_alone_finds_what_it_asks_for(bench: Bench) -> None:
    crowd = await a_crowd(bench)
    for name, wanted in ONES.items():
        expected = ids(task for task in crowd if matches(wanted, task))
        assert 0 < len(expected) < len(crowd), name
        assert [task.task_id for task in (await page(bench, wanted)).tasks] == expected, name


async def test_every_two_filters_together_find_what_both_ask_for(bench: Bench) -> None:
    crowd = await a_crowd(bench)
    for one, other in itertools.combinations(ONES, 2):
        wanted = both(ONES[one], ONES[other])
        expected = ids(task for task in crowd if matches(wanted, task))
        assert [task.task_id for task in (await page(bench, wanted)).tasks] == expected, (one, other)


async def test_all_filters_together_find_the_task_that_fits_them_all(bench: Bench) -> None:
    crowd = await a_crowd(bench)
    for task in crowd:
        at_ms = START_MS + int(task.task_id[-4:], 16)
        wanted = Filter(
            status=(task.status,), types=(task.task_type,), priority=(task.priority,), queue=(task.queue,),
            tag=task.tags, created_after_ms=at_ms, created_before_ms=at_ms + 1,
        )  # fmt: skip
        assert [found.task_id for found in (await page(bench, wanted)).tasks] == [task.task_id]


@pytest.mark.parametrize("name", NONES)
async def test_a_filter_that_nothing_fits_gives_an_empty_last_page(bench: Bench, name: str) -> None:
    await a_crowd(bench, 8)
    assert await page(bench, NONES[name]) == Page([], None)


async def test_a_value_given_twice_counts_once(bench: Bench) -> None:
    crowd = await a_crowd(bench, 16)
    for wanted in (
        Filter(status=(State.QUEUED,) * 2, types=("flaky",) * 2, priority=(Priority.HIGH,) * 2),
        Filter(tag=("blue", "blue"), queue=("email", "email")),
    ):
        assert flat(await walk(bench, wanted, 3)) == ids(task for task in crowd if matches(wanted, task))


@pytest.mark.parametrize("limit", [1, 7, 48, 200])
async def test_the_cursors_lead_to_every_task_once(bench: Bench, limit: int) -> None:
    crowd = await a_crowd(bench)
    assert flat(await walk(bench, Filter(), limit)) == ids(crowd)


async def test_the_cursors_of_every_filter_lead_to_every_fitting_task_once(bench: Bench) -> None:
    crowd = await a_crowd(bench)
    for name, wanted in ONES.items():
        expected = ids(task for task in crowd if matches(wanted, task))
        assert flat(await walk(bench, wanted, 5)) == expected, name


async def test_a_page_that_holds_the_last_task_has_no_next(bench: Bench) -> None:
    crowd = await a_crowd(bench, 6)
    assert [len(found) for found in await walk(bench, Filter(), 3)] == [3, 3]
    assert (await page(bench, Filter(), len(crowd))).next is None


async def test_tasks_that_come_in_during_a_walk_do_not_disturb_it(bench: Bench) -> None:
    crowd = await a_crowd(bench, 20)
    found: list[str] = []
    cursor, number = None, 100
    while cursor is not None or not found:
        one = await page(bench, Filter(), 4, cursor)
        found += [task.task_id for task in one.tasks]
        cursor = one.next
        await bench.create(task_id=id_of(number))
        number += 1
    assert found == ids(crowd)


async def test_tasks_forgotten_during_a_walk_do_not_disturb_it(bench: Bench) -> None:
    crowd = [await bench.in_state(State.FAILED, task_id=id_of(n)) for n in range(12)]
    one = await page(bench, Filter(), 4)
    for task in one.tasks[-1:] + crowd[4:6]:  # the one the cursor stands on, and two still to come
        await bench.run(calls.forget(bench.keys, task.task_id))
    found = []
    while one.next is not None:
        one = await page(bench, Filter(), 4, one.next)
        found += [task.task_id for task in one.tasks]
    assert found == ids([*crowd[:4], *crowd[6:8]])


async def test_expired_and_taken_back_tasks_are_not_listed(bench: Bench) -> None:
    gone, back, stays = [await bench.create(tags=("a",)) for _ in range(3)]
    bench.client.delete(bench.keys.task(gone.task_id))
    await bench.run(calls.reject(bench.keys, back.task_id))
    for wanted in (Filter(), Filter(status=(State.QUEUED,)), Filter(tag=("a",))):
        assert [task.task_id for task in (await page(bench, wanted)).tasks] == [stays.task_id]


async def test_one_request_looks_at_a_bounded_number_of_records(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOK_AT_MOST", 5)
    rare = await bench.create(task_id=id_of(0), queue="rare")
    for number in range(1, 12):
        await bench.create(task_id=id_of(number))
    found = await walk(bench, Filter(queue=("rare",)), 10)
    assert found == [[], [], [rare.task_id]]


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!!", "AAAA", "ä" * 22, "A" * 21, "A" * 23, "A" * 500, "AZ\x00", "../../etc/passwd"]
)
def test_what_is_no_cursor_is_refused(memory_bench: Bench, cursor: str) -> None:
    with pytest.raises(ValidationFailed, match=r"^/cursor: is no cursor of this service"):
        pages.page(memory_bench.keys, Filter(), [], 10, cursor)


async def test_a_cursor_does_not_lead_out_of_the_times_asked_for(bench: Bench) -> None:
    crowd = await a_crowd(bench, 12)
    newest = (await page(bench, Filter(), 1)).next
    wanted = Filter(created_before_ms=START_MS + 6)
    found = await page(bench, wanted, 50, newest)
    assert [task.task_id for task in found.tasks] == ids(crowd[:6])


async def test_a_hostile_filter_is_only_a_name(bench: Bench) -> None:
    await a_crowd(bench, 4)
    hostile: Callable[[str], Filter] = lambda text: Filter(types=(text,), queue=(text,), tag=(text,))  # noqa: E731
    for text in ("*", "a:b", "\r\nFLUSHALL", "'..redis.call('FLUSHALL')..'", "x" * 10_000, "\x00"):
        assert await page(bench, hostile(text)) == Page([], None)
    assert len((await page(bench, Filter())).tasks) == 4


async def test_the_types_that_have_tasks_are_known(bench: Bench) -> None:
    assert await bench.run(pages.known_types(bench.keys)) == []
    await a_crowd(bench, 8)
    assert await bench.run(pages.known_types(bench.keys)) == ["flaky", "reverse_text", "sentiment"]
