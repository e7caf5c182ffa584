"""The delay ladder, followed on paper: what RabbitMQ does with a message, step by step."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.broker.topology import (
    LEVELS,
    LONGEST_MS,
    UNIT_MS,
    Binding,
    Exchange,
    Queue,
    Topology,
    conflict_advice,
)

QUEUES = ("default", "email", "data-2")
delays = st.integers(min_value=1, max_value=LONGEST_MS)
topologies = st.builds(
    Topology,
    namespace=st.sampled_from(["", "staging", "a_b-1"]),
    queue_type=st.sampled_from(["classic", "quorum"]),
)


def _matches(pattern: list[str], words: list[str]) -> bool:
    """Tell whether a topic binding takes a routing key: `*` is one word, `#` any number of them."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_matches(pattern[1:], words[n:]) for n in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _matches(pattern[1:], words[1:])


class Paper:
    """RabbitMQ on paper: exchanges with bindings, queues whose messages expire."""

    def __init__(self, topology: Topology) -> None:
        declared = topology.declarations(QUEUES)
        self._bindings = [each for each in declared if isinstance(each, Binding)]
        self._queues = {each.name: each for each in declared if isinstance(each, Queue)}

    def routed(self, exchange: str, key: str) -> list[str]:
        """Return the queues that get a message published to an exchange."""
        if exchange == "":
            return [key]
        found = []
        for each in self._bindings:
            if each.source == exchange and _matches(each.routing_key.split("."), key.split(".")):
                found += self.routed(each.destination, key) if each.to_exchange else [each.destination]
        return found

    def follow(self, exchange: str, key: str) -> Iterator[tuple[str, int]]:
        """Yield the queues a message rests in and for how many ms, to the one it stays in (0)."""
        while True:
            (name,) = self.routed(exchange, key)
            arguments = self._queues[name].arguments
            yield name, arguments.get("x-message-ttl", 0)
            if "x-message-ttl" not in arguments:
                return
            exchange = arguments["x-dead-letter-exchange"]


@given(topologies, st.sampled_from(QUEUES), delays)
def test_a_message_rests_for_its_delay_rounded_up_and_reaches_its_queue(
    topology: Topology, queue: str, delay_ms: int
) -> None:
    *rests, (end, _) = Paper(topology).follow(*topology.route(queue, delay_ms))
    rested_ms = sum(ttl_ms for _, ttl_ms in rests)
    assert end == topology.work_queue(queue)
    assert 0 <= rested_ms - delay_ms < UNIT_MS
    assert 1 <= len(rests) <= LEVELS


@given(topologies, delays)
def test_no_message_rests_twice_in_the_same_queue(topology: Topology, delay_ms: int) -> None:
    """RabbitMQ drops a message that expires its way back to a queue it was in."""
    names = [name for name, _ in Paper(topology).follow(*topology.route("default", delay_ms))]
    assert len(names) == len(set(names))


@given(delays, delays)
def test_a_longer_delay_never_rests_shorter(one_ms: int, other_ms: int) -> None:
    def rested(delay_ms: int) -> int:
        topology = Topology()
        return sum(ttl_ms for _, ttl_ms in Paper(topology).follow(*topology.route("default", delay_ms)))

    assert (rested(one_ms) <= rested(other_ms)) or one_ms > other_ms


@given(st.integers(min_value=LONGEST_MS + 1, max_value=10 * LONGEST_MS))
def test_a_delay_beyond_the_ladder_is_cut_to_its_longest(delay_ms: int) -> None:
    topology = Topology()
    assert topology.route("default", delay_ms) == topology.route("default", LONGEST_MS)
    *rests, _ = Paper(topology).follow(*topology.route("default", delay_ms))
    assert sum(ttl_ms for _, ttl_ms in rests) == LONGEST_MS


@pytest.mark.parametrize("delay_ms", [0, -1, -LONGEST_MS])
def test_without_a_delay_a_message_goes_to_its_queue_directly(delay_ms: int) -> None:
    assert Topology("x").route("default", delay_ms) == ("", "x.default")


@given(topologies)
def test_every_exchange_and_queue_is_declared_before_it_is_named(topology: Topology) -> None:
    known = {""}
    for each in topology.declarations(QUEUES):
        match each:
            case Exchange(name):
                known.add(name)
            case Queue(name, arguments):
                assert arguments.get("x-dead-letter-exchange", "") in known
                known.add(name)
            case Binding(source, destination, _, _):
                assert {source, destination} <= known


@given(topologies)
def test_everything_carries_the_namespace(topology: Topology) -> None:
    declared = topology.declarations(QUEUES)
    prefix = f"{topology.namespace}." if topology.namespace else ""
    for kind in (Exchange, Queue):
        names = [each.name for each in declared if isinstance(each, kind)]
        assert all(name.startswith(prefix) for name in names)
        assert len(names) == len(set(names))


@given(topologies)
def test_the_ladder_is_safe_against_a_crash_of_rabbitmq(topology: Topology) -> None:
    declared = [each for each in topology.declarations([]) if isinstance(each, Queue)]
    ladder = [each for each in declared if each != topology.marker]
    assert len(ladder) == LEVELS == len(declared) - 1
    for each in ladder:
        assert each.arguments["x-queue-type"] == "quorum"
        assert each.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert each.arguments["x-overflow"] == "reject-publish"


def test_classic_work_queues_have_three_priorities_and_quorum_ones_none() -> None:
    def arguments(topology: Topology) -> dict[str, object]:
        (found,) = [
            each.arguments
            for each in topology.declarations(["default"])
            if isinstance(each, Queue) and each.name == topology.work_queue("default")
        ]
        return found

    assert arguments(Topology())["x-max-priority"] == 2
    quorum = arguments(Topology(queue_type="quorum"))
    assert "x-max-priority" not in quorum
    assert quorum["x-queue-type"] == "quorum"
    assert quorum["x-delivery-limit"] >= 1_000_000, "RabbitMQ 4 else drops what was given back 20 times"


@given(topologies, st.sampled_from(QUEUES))
def test_what_is_rejected_and_what_is_dead_lettered_meet_in_one_queue(topology: Topology, queue: str) -> None:
    declared = {each.name: each for each in topology.declarations(QUEUES) if isinstance(each, Queue)}
    work, dead = topology.work_queue(queue), topology.dead_queue(queue)
    arguments = declared[work].arguments
    assert (arguments["x-dead-letter-exchange"], arguments["x-dead-letter-routing-key"]) == ("", dead)
    assert topology.dead_route(queue) == ("", dead)
    assert "x-message-ttl" not in declared[dead].arguments


def test_the_advice_names_the_queue_and_the_way_out() -> None:
    advice = conflict_advice("PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue 'default'")
    assert "'default'" in advice
    assert "CALLBOARD_QUEUE_TYPE" in advice
    assert "CALLBOARD_NAMESPACE" in advice
