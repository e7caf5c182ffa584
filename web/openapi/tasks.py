"""The addresses about tasks, and about many of them at once."""

from typing import Final

from callboard import bulk, submit
from web.openapi import shapes
from web.openapi.operation import (
    BODY_PROBLEMS,
    CURSOR,
    FILTER,
    IDEMPOTENCY,
    LIMIT,
    TAG,
    Answer,
    Operation,
    Query,
    wait,
)

_TASKS: Final = "Tasks"
_LIVE: Final = "Live"
_MANY: Final = "Many tasks"
_LOCATION: Final = {"Location": "The task's address."}
_REPLAYED: Final = {"Idempotency-Replayed": "`true`: the first answer to this Idempotency-Key, again."}
_PREFER: Final = Query(
    "Prefer", "`wait=10`: answer 200 with the finished task if it ends within 10 s (at most 60).", header=True
)
_SSE: Final = (
    "Server-sent events. Each has `event` (state, progress, log, gap), `id` (the task's version) and "
    "`data`, a JSON object. A comment every 15 s shows that the stream lives."
)
_BULK_EXAMPLE: Final = {"action": "retry", "filter": {"status": "failed"}, "expect": 37}

OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("POST", "/api/tasks"): Operation(
        group=_TASKS,
        says="Submit a task.",
        more="202 is a promise: RabbitMQ has confirmed the message and Redis has the record. Where either "
        "cannot be had the answer is 503, and the task does not run unless the problem names its id.",
        query=(IDEMPOTENCY, _PREFER),
        body=submit.Body,
        answers={
            202: Answer("It is accepted.", shapes.Task, headers=_LOCATION | _REPLAYED),
            200: Answer(
                "With `Prefer: wait`: it has ended.",
                shapes.Task,
                headers=_LOCATION | _REPLAYED | {"Preference-Applied": "`wait=…`, in seconds."},
            ),
        },
        problems=(*BODY_PROBLEMS, "unknown-task-type", "idempotency-mismatch", "conflict"),
    ),
    ("POST", "/api/tasks/batch"): Operation(
        group=_TASKS,
        says="Submit up to 1,000 tasks.",
        more="One bad item never blocks the others. A body may have 8 MiB.",
        query=(IDEMPOTENCY,),
        body=shapes.Batch,
        answers={207: Answer("One entry per item, in their order.", shapes.BatchAnswer, headers=_REPLAYED)},
        problems=BODY_PROBLEMS,
    ),
    ("GET", "/api/tasks"): Operation(
        group=_TASKS,
        says="List tasks, newest first.",
        more="Filters may be given more than once. A page may be short, even empty, with more to come: go on "
        "while `next` is not null.",
        query=(*FILTER, TAG, LIMIT, CURSOR),
        answers={200: Answer("One page.", shapes.TaskList)},
    ),
    ("GET", "/api/tasks/{task_id}"): Operation(
        group=_TASKS,
        says="Show a task.",
        query=(
            wait("task"),
            Query("If-None-Match", "An ETag: 304 while the task is as it was.", header=True),
        ),
        answers={
            200: Answer("The task.", shapes.Task, headers={"ETag": "The task's version."}),
            304: Answer("It has not changed.", headers={"ETag": "The task's version."}),
        },
        problems=("not-found",),
    ),
    ("DELETE", "/api/tasks/{task_id}"): Operation(
        group=_TASKS,
        says="Forget a finished task, with its events and log.",
        answers={204: Answer("It is gone.")},
        problems=("not-found", "conflict"),
    ),
    ("POST", "/api/tasks/{task_id}/cancel"): Operation(
        group=_TASKS,
        says="Cancel a task.",
        answers={
            200: Answer("It had not started and never will.", shapes.Task),
            202: Answer("It runs and is asked to stop.", shapes.Task),
        },
        problems=("not-found", "conflict"),
    ),
    ("POST", "/api/tasks/{task_id}/retry"): Operation(
        group=_TASKS,
        says="Run a failed or cancelled task again, under the same id.",
        answers={202: Answer("It is queued.", shapes.Task, headers=_LOCATION)},
        problems=("not-found", "conflict"),
    ),
    ("GET", "/api/tasks/{task_id}/logs"): Operation(
        group=_TASKS,
        says="Show what a task logged, by attempt.",
        answers={200: Answer("Its last 1,000 lines.", shapes.TaskLog)},
        problems=("not-found",),
    ),
    ("GET", "/api/tasks/{task_id}/events"): Operation(
        group=_LIVE,
        says="Watch a task: from the start or after an event, then live, until it has ended.",
        query=(
            Query(
                "after", "The number of the event after which to begin.", {"type": "integer", "minimum": 0}
            ),
            Query("Last-Event-ID", "The same, as browsers send it when they connect again.", header=True),
        ),
        answers={200: Answer(_SSE, media="text/event-stream")},
        problems=("not-found", "too-many-streams"),
    ),
    ("GET", "/api/events"): Operation(
        group=_LIVE,
        says="Watch all tasks from now on, each at most 10 times a second.",
        query=FILTER,
        answers={200: Answer(_SSE, media="text/event-stream")},
        problems=("too-many-streams",),
    ),
    ("WEBSOCKET", "/ws/tasks/{task_id}"): Operation(
        group=_LIVE,
        says="Watch a task over WebSocket.",
        more="The JSON objects of its event stream, one a message, the present state first. Closes with "
        "1000 after the last one; 4404 unknown id, 4401 no key, 4403 not allowed, 1013 too slow a reader.",
        query=(
            Query(
                "after", "The number of the event after which to begin.", {"type": "integer", "minimum": 0}
            ),
        ),
        answers={101: Answer("The connection is a WebSocket now.")},
    ),
    ("POST", "/api/tasks/bulk"): Operation(
        group=_MANY,
        says="Retry, cancel or delete every task that fits a filter.",
        more="The tasks are settled first: with `expect`, nothing is done unless they are as many. An "
        "empty filter needs `all`.",
        query=(Query("dry_run", "`true`: count only.", {"type": "string", "enum": ["true", "false"]}),),
        body=bulk.Body,
        example=_BULK_EXAMPLE,
        answers={
            202: Answer(
                "It has begun.", shapes.OperationShape, headers={"Location": "The operation's address."}
            ),
            200: Answer("A dry run's count.", shapes.Counted),
        },
        problems=(*BODY_PROBLEMS, "conflict"),
    ),
    ("GET", "/api/operations"): Operation(
        group=_MANY,
        says="List the newest 50 operations.",
        answers={200: Answer("Newest first.", shapes.OperationList)},
    ),
    ("GET", "/api/operations/{operation_id}"): Operation(
        group=_MANY,
        says="Show how far an operation is.",
        query=(wait("operation"),),
        answers={200: Answer("The operation.", shapes.OperationShape)},
        problems=("not-found",),
    ),
    ("POST", "/api/operations/{operation_id}/cancel"): Operation(
        group=_MANY,
        says="Stop an operation; what it has done stays done.",
        answers={200: Answer("It is stopped.", shapes.OperationShape)},
        problems=("not-found", "conflict"),
    ),
    ("GET", "/api/dead-letters"): Operation(
        group=_MANY,
        says="Show what fails, by task type and type of error.",
        query=(Query("type", "Only this task type.", repeats=True),),
        answers={200: Answer("The groups, the largest first.", shapes.DeadLetters)},
    ),
}
