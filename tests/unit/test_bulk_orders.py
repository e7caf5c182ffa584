"""What `POST /api/tasks/bulk` takes, and what is refused at which place."""

import json
from typing import Any

import pytest

from callboard.bulk import order_of
from callboard.errors import ValidationFailed
from callboard.store.operations import Action
from callboard.store.pages import Filter
from callboard.tasks.states import Priority, State

NOON_MS = 1_769_860_800_000


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/action"),
        ({"action": "retry"}, "/filter"),
        ({"action": "retry", "filter": {}}, "/filter"),
        ({"action": "retry", "filter": {"status": None, "tag": None}}, "/filter"),
        ({"action": "retry", "filter": {}, "all": False}, "/filter"),
        ({"action": "retry", "filter": None}, "/filter"),
        ({"action": "retry", "filter": []}, "/filter"),
        ({"action": "Retry", "filter": {"status": "failed"}}, "/action"),
        ({"action": 1, "filter": {"status": "failed"}}, "/action"),
        ({"action": "retry", "filter": {"state": "failed"}}, "/filter/state"),
        ({"action": "retry", "filter": {"status": "dead"}}, "/filter/status"),
        ({"action": "retry", "filter": {"status": ["failed", "dead"]}}, "/filter/status/1"),
        ({"action": "retry", "filter": {"status": []}}, "/filter/status"),
        ({"action": "retry", "filter": {"status": ["failed"] * 101}}, "/filter/status"),
        ({"action": "retry", "filter": {"type": [1]}}, "/filter/type"),
        ({"action": "retry", "filter": {"type": {}}}, "/filter/type"),
        ({"action": "retry", "filter": {"priority": "urgent"}}, "/filter/priority"),
        ({"action": "retry", "filter": {"created_after": "yesterday"}}, "/filter/created_after"),
        ({"action": "retry", "filter": {"created_after": 5}}, "/filter/created_after"),
        (
            {"action": "retry", "filter": {"created_before": ["2026-01-31T12:00:00Z"] * 2}},
            "/filter/created_before",
        ),
        ({"action": "retry", "filter": {"status": "failed"}, "expect": -1}, "/expect"),
        ({"action": "retry", "filter": {"status": "failed"}, "expect": "3"}, "/expect"),
        ({"action": "retry", "filter": {"status": "failed"}, "expect": True}, "/expect"),
        ({"action": "retry", "filter": {"status": "failed"}, "all": "yes"}, "/all"),
        ({"action": "retry", "filter": {"status": "failed"}, "dry_run": 1}, "/dry_run"),
        ({"action": "retry", "filter": {"status": "failed"}, "force": True}, "/force"),
        ([], ""),
        ("retry", ""),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_at_its_place(body: Any, pointer: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        order_of(json.loads(json.dumps(body)))
    assert [each.pointer.removesuffix("/0") for each in caught.value.problems] == [pointer]


def test_a_filter_is_shown_as_it_was_written() -> None:
    written = {"status": ["failed"], "created_after": "2026-01-31T12:00:00+02:00"}
    order = order_of({"action": "retry", "filter": written})
    assert json.loads(order.filter_json) == written
    assert order.wanted.created_after_ms == NOON_MS - 2 * 3_600_000


def test_a_value_or_a_list_of_values_mean_what_they_mean_in_the_lists_query() -> None:
    order = order_of(
        {
            "action": "cancel",
            "filter": {
                "status": ["queued", "running"],
                "type": "flaky",
                "priority": "high",
                "queue": ["email"],
                "tag": ["a", "b"],
                "created_after": "2026-01-31T12:00:00Z",
                "created_before": ["2026-01-31T12:00:01Z"],
            },
            "expect": 3,
            "dry_run": True,
        }
    )
    assert (order.action, order.expect, order.dry_run) == (Action.CANCEL, 3, True)
    assert order.wanted == Filter(
        status=(State.QUEUED, State.RUNNING),
        types=("flaky",),
        priority=(Priority.HIGH,),
        queue=("email",),
        tag=("a", "b"),
        created_after_ms=NOON_MS,
        created_before_ms=NOON_MS + 1000,
    )


def test_every_task_is_meant_only_when_it_is_said() -> None:
    assert order_of({"action": "delete", "all": True}).wanted == Filter()
    assert order_of({"action": "delete", "all": True, "filter": {"tag": "a"}}).wanted == Filter(tag=("a",))
