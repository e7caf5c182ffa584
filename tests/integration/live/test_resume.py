"""Resuming: the pieces of a stream that was cut, put together, are the whole; what is gone is told."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.live.conftest import Stack, Web
from tests.integration.live.sse import Message, Sse, numbers

#: What a stream begins with, before any event.
LEAD = len(b": callboard\nretry: 2000\n\n")


@pytest.fixture(scope="module")
def long_tasks(embedded: Web, stack: Stack) -> dict[int, tuple[str, list[Message], int]]:
    """A finished task with many events in each mode, with what its whole stream tells and its bytes."""
    found = []
    for web in (embedded, stack.first):
        script = [[["say", f"round {n}, line #", n % 4], ["at", n / 100, f"STEP {n}"]] for n in range(60)]
        task_id = web.run(*(step for each in script for step in each))
        with web.events(task_id) as stream:
            whole = list(stream)
        assert numbers(whole) == list(range(1, len(whole) + 1))
        assert len(whole) > 90
        found.append((web, task_id, whole, len(stream.body)))
    return {web.port: (task_id, whole, size) for web, task_id, whole, size in found}


@pytest.mark.parametrize("way", ["header", "query"])
@settings(max_examples=25)
@given(data=st.data())
def test_a_finished_task_cut_anywhere_is_put_together_without_gap_or_repeat(
    long_tasks: dict[int, tuple[str, list[Message], int]], web: Web, way: str, data: st.DataObject
) -> None:
    task_id, whole, size = long_tasks[web.port]
    # In bytes: a cut may fall inside of an event, which then does not count.
    cuts = data.draw(
        st.lists(st.integers(LEAD, max(LEAD, size // 2)), max_size=6), label="bytes until each cut"
    )
    found: list[Message] = []
    for cut in [*cuts, size * 2]:
        with _resumed(web, task_id, found, way) as stream:
            stream.read_bytes(cut)
            stream.reset()
            found += list(stream.parsed())
    assert found == whole


@pytest.mark.parametrize("way", ["header", "query"])
def test_every_single_position_continues_with_exactly_the_rest(
    long_tasks: dict[int, tuple[str, list[Message], int]], web: Web, way: str
) -> None:
    task_id, whole, _ = long_tasks[web.port]
    for position in range(0, len(whole) + 1, 3):
        with _resumed(web, task_id, whole[:position], way) as stream:
            assert list(stream) == whole[position:]


def _resumed(web: Web, task_id: str, found: list[Message], way: str) -> Sse:
    if not found:
        return web.events(task_id)
    if way == "header":
        return web.events(task_id, headers={"Last-Event-ID": found[-1].id})
    return web.events(task_id, after=int(found[-1].id))


@settings(max_examples=4)
@given(cuts=st.lists(st.integers(1, 25), min_size=3, max_size=15))
def test_a_running_task_cut_again_and_again_loses_and_repeats_nothing(
    web: Web, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    gates = [tmp_path_factory.mktemp("gates") / "go" for _ in range(4)]
    script = [[["say", f"{n}.#", 20], ["steps", 10], ["at", n / 10, f"S{n}"], ["open", str(gate)]]
              for n, gate in enumerate(gates)]  # fmt: skip
    task_id = web.submit(*(step for each in script for step in each))
    found: list[Message] = []
    opened = 0
    for number, cut in enumerate([*cuts, 10_000]):
        with _resumed(web, task_id, found, "header" if number % 2 else "query") as stream:
            for _ in range(cut):
                # Whoever has seen a stage whole opens the gate behind it.
                while opened < len(gates) and any(each.data.get("stage") == f"S{opened}" for each in found):
                    gates[opened].touch()
                    opened += 1
                if (message := stream.next()) is None:
                    break
                found.append(message)
            stream.reset()
    assert found == web.whole(task_id)
    assert numbers(found) == list(range(1, len(found) + 1))
    assert sum(each.kind == "log" for each in found) == 80


def test_more_than_two_hundred_events_before_the_reader_came_are_told_as_a_gap(web: Web) -> None:
    task_id = web.run(["say", "early #", 300], ["rest", 0.3], ["say", "line #", 800])
    whole = web.whole(task_id)
    # The states before the first line are gone with the first lines: 1,000 lines and 200 events are kept.
    assert (whole[0].kind, whole[0].data["first"], whole[0].id) == ("gap", 1, str(whole[0].data["last"]))
    assert set(whole[0].data) == {"task_id", "kind", "first", "last"}
    assert numbers(whole) == list(range(1, int(whole[-1].id) + 1))
    assert [each.kind for each in whole].count("gap") == 1
    logs = [each.data["message"] for each in whole if each.kind == "log"]
    assert logs == [*(f"early {n}" for n in range(100, 300)), *(f"line {n}" for n in range(800))]
    with web.events(task_id, after=int(whole[0].id)) as stream:
        assert list(stream) == whole[1:]
    with web.events(task_id, after=50) as stream:
        rest = list(stream)
    assert (rest[0].data["first"], rest[1:]) == (51, whole[1:])


def test_a_reader_that_was_away_for_too_long_is_told_what_it_missed(web: Web, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    task_id = web.submit(
        ["at", 0.1, "A"],
        ["open", str(first)],
        ["say", "line #", 600],
        ["rest", 0.3],
        ["say", "more #", 600],
        ["at", 0.5, "B"],
        ["open", str(second)],
    )
    with web.events(task_id) as stream:
        before = stream.until(stage="A")
    first.touch()
    with web.events(task_id) as stream:
        stream.until(stage="B")
    with web.events(task_id, headers={"Last-Event-ID": before[-1].id}) as stream:
        after = stream.until(stage="B")
        second.touch()
        after += list(stream)
    assert after[0].kind == "gap"
    assert numbers(before + after) == list(range(1, int(after[-1].id) + 1))
    assert sum(each.kind == "log" for each in after) == 1000


def test_another_web_process_continues_where_the_first_was_left(stack: Stack, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    task_id = stack.first.submit(
        ["say", "one #", 5], ["at", 0.5, "A"], ["open", str(gate)], ["say", "two #", 5]
    )
    with stack.first.events(task_id) as stream:
        before = stream.until(stage="A")
    gate.touch()
    with stack.second.events(task_id, headers={"Last-Event-ID": before[-1].id}) as stream:
        found = before + list(stream)
    assert found == stack.first.whole(task_id) == stack.second.whole(task_id)
