"""The addresses about schedules."""

from typing import Final

from callboard import schedules
from web.openapi import shapes
from web.openapi import shapes_schedules as plans
from web.openapi.operation import BODY_PROBLEMS, IDEMPOTENCY, Answer, Operation, Query

_GROUP: Final = "Schedules"
_ETAG: Final = {"ETag": "The schedule's version."}
_IF_MATCH: Final = Query("If-Match", "An ETag: do it only while the schedule is as it was read.", header=True)
_EXAMPLE: Final = {
    "name": "Morning report",
    "cron": "0 9 * * mon-fri",
    "time_zone": "Europe/Berlin",
    "missed": "once",
    "task": {"task_type": "reverse_text", "parameters": {"text": "stressed"}},
}

OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/api/schedules"): Operation(
        group=_GROUP,
        says="List all schedules, the oldest first.",
        answers={200: Answer("All of them.", plans.Schedules)},
    ),
    ("POST", "/api/schedules"): Operation(
        group=_GROUP,
        says="Make a schedule.",
        more="Cron, time zone and task are checked as a whole, the task by the rules of a submit. `missed` "
        "says what becomes of ticks for which nobody was there: `skip`, `once` for all of them, or `all`.",
        body=schedules.Body,
        example=_EXAMPLE,
        answers={
            201: Answer(
                "It is made.", plans.Schedule, headers=_ETAG | {"Location": "The schedule's address."}
            )
        },
        problems=(*BODY_PROBLEMS, "unknown-task-type", "conflict"),
    ),
    ("GET", "/api/schedules/preview"): Operation(
        group=_GROUP,
        says="Say what a cron expression means and when it runs next.",
        query=(
            Query("cron", "Five fields.", {"type": "string", "examples": ["0 9 * * mon-fri"]}, required=True),
            Query("time_zone", "An IANA time zone.", {"type": "string", "default": "UTC"}),
        ),
        answers={200: Answer("In words, with the next five runs.", plans.Preview)},
    ),
    ("GET", "/api/schedules/{schedule_id}"): Operation(
        group=_GROUP,
        says="Show one schedule.",
        answers={200: Answer("The schedule.", plans.Schedule, headers=_ETAG)},
        problems=("not-found",),
    ),
    ("PUT", "/api/schedules/{schedule_id}"): Operation(
        group=_GROUP,
        says="Replace a schedule.",
        query=(_IF_MATCH,),
        body=schedules.Body,
        example=_EXAMPLE,
        answers={200: Answer("It is replaced.", plans.Schedule, headers=_ETAG)},
        problems=(*BODY_PROBLEMS, "unknown-task-type", "not-found", "precondition-failed"),
    ),
    ("DELETE", "/api/schedules/{schedule_id}"): Operation(
        group=_GROUP,
        says="Forget a schedule; its tasks stay.",
        query=(_IF_MATCH,),
        answers={204: Answer("It is gone.")},
        problems=("not-found", "precondition-failed"),
    ),
    ("POST", "/api/schedules/{schedule_id}/pause"): Operation(
        group=_GROUP,
        says="Let a schedule rest; nothing is made up for when it goes on.",
        answers={200: Answer("It rests.", plans.Schedule, headers=_ETAG)},
        problems=("not-found",),
    ),
    ("POST", "/api/schedules/{schedule_id}/resume"): Operation(
        group=_GROUP,
        says="Let a schedule go on.",
        answers={200: Answer("It goes on.", plans.Schedule, headers=_ETAG)},
        problems=("not-found",),
    ),
    ("POST", "/api/schedules/{schedule_id}/run"): Operation(
        group=_GROUP,
        says="Submit a schedule's task now.",
        query=(IDEMPOTENCY,),
        answers={202: Answer("It is accepted.", shapes.Task, headers={"Location": "The task's address."})},
        problems=("not-found", "conflict", "unknown-task-type", "idempotency-mismatch"),
    ),
}
