"""The addresses about the installation: what it offers, how it does, who may use it."""

from typing import Any, Final

from callboard.flow import MINUTES_MOST as FLOW_MINUTES
from callboard.queues import PurgeBody
from callboard.store.stats import MINUTES_MOST
from web import keys, stats
from web.openapi import shapes
from web.openapi import shapes_fleet as fleet
from web.openapi.operation import BODY_PROBLEMS, Answer, Operation, Query, whole

_OFFERED: Final = "What is offered"
_QUEUES: Final = "Queues and workers"
_ACCESS: Final = "Keys and audit"
_HEALTH: Final = "Health"
_HISTORY: Final = Query(
    "minutes", "Minutes of history.", {"type": "integer", "minimum": 1, "maximum": FLOW_MINUTES}
)

OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/api/task-types"): Operation(
        group=_OFFERED,
        says="List the task types, each with the JSON Schema of its parameters and an example.",
        answers={200: Answer("All of them.", fleet.TaskTypes)},
    ),
    ("POST", "/api/files"): Operation(
        group=_OFFERED,
        says="Upload a file, for `file_processing`.",
        more="The raw body, or one part named `file` of a multipart form.",
        query=(Query("filename", "What the file is called."),),
        takes=("application/octet-stream", "multipart/form-data"),
        answers={201: Answer("It is stored.", shapes.StoredFile)},
        problems=("too-large", "file-refused", "incomplete-body"),
    ),
    ("GET", "/api/openapi.json"): Operation(
        group=_OFFERED,
        says="Describe this API.",
        answers={200: Answer("This document.", dict[str, Any])},
    ),
    ("GET", "/api/queues"): Operation(
        group=_QUEUES,
        says="Show what waits in every queue, how fast it moves and who serves it.",
        query=(_HISTORY,),
        answers={200: Answer("All of them.", fleet.Queues)},
    ),
    ("GET", "/api/queues/{name}"): Operation(
        group=_QUEUES,
        says="Show one queue.",
        query=(_HISTORY,),
        answers={200: Answer("The queue.", fleet.Queue)},
        problems=("not-found",),
    ),
    ("POST", "/api/queues/{name}/pause"): Operation(
        group=_QUEUES,
        says="Start nothing more of a queue; what runs ends.",
        answers={200: Answer("It is paused.", fleet.Queue)},
        problems=("not-found",),
    ),
    ("POST", "/api/queues/{name}/resume"): Operation(
        group=_QUEUES,
        says="Start a queue's tasks again.",
        answers={200: Answer("It is not paused.", fleet.Queue)},
        problems=("not-found",),
    ),
    ("POST", "/api/queues/{name}/purge"): Operation(
        group=_QUEUES,
        says="Cancel every task that waits in a queue.",
        more="Nothing is done unless they are as many as expected.",
        body=PurgeBody,
        example={"expect": 12},
        answers={
            202: Answer(
                "It has begun.", shapes.OperationShape, headers={"Location": "The operation's address."}
            )
        },
        problems=(*BODY_PROBLEMS, "not-found", "conflict"),
    ),
    ("GET", "/api/workers"): Operation(
        group=_QUEUES,
        says="List the workers whose heart beats.",
        answers={200: Answer("All of them.", fleet.Workers)},
    ),
    ("GET", "/api/stats"): Operation(
        group=_QUEUES,
        says="Count tasks by state; show throughput and latency by minute and by type.",
        query=(whole("minutes", "Minutes to look back.", stats.MINUTES, MINUTES_MOST),),
        answers={200: Answer("The numbers.", fleet.Stats)},
    ),
    ("GET", "/api/keys"): Operation(
        group=_ACCESS,
        says="List the API keys, without their texts.",
        answers={200: Answer("All of them.", fleet.Keys)},
    ),
    ("POST", "/api/keys"): Operation(
        group=_ACCESS,
        says="Make an API key.",
        more="The answer is the only place where its text is ever seen.",
        body=keys.Body,
        example={"name": "billing", "role": "submit", "rate": "100/s", "quota": 10_000},
        answers={201: Answer("It is made.", fleet.NewKey)},
        problems=BODY_PROBLEMS,
    ),
    ("DELETE", "/api/keys/{key_id}"): Operation(
        group=_ACCESS,
        says="Revoke an API key: within a second it is of no use anywhere.",
        answers={204: Answer("It is revoked.")},
        problems=("not-found", "conflict"),
    ),
    ("GET", "/api/audit"): Operation(
        group=_ACCESS,
        says="List who did what, the newest first.",
        query=(
            Query("actor", "The name or id of a key."),
            Query("action", "Such as `task.cancel`; with a dot at the end, all that begin so."),
            Query("target", "A part of what it was done to."),
            whole("limit", "Entries on the page.", 100, keys.LIMIT_MOST),
            Query("cursor", "`next` of the page before."),
        ),
        answers={200: Answer("One page.", fleet.AuditPage)},
    ),
    ("GET", "/api/whoami"): Operation(
        group=_ACCESS,
        says="Say whose key or session this is, and what it may do.",
        answers={200: Answer("Who.", fleet.WhoAmI)},
    ),
    ("GET", "/api/health"): Operation(
        group=_HEALTH,
        says="Show what is wrong and what to do about it.",
        more="200 whatever is wrong.",
        answers={200: Answer("All problems, the worst first.", fleet.Health)},
    ),
    ("GET", "/healthz"): Operation(
        group=_HEALTH,
        says="Say that the process lives.",
        answers={200: Answer("It does.", fleet.Live)},
    ),
    ("GET", "/readyz"): Operation(
        group=_HEALTH,
        says="Say whether RabbitMQ and Redis answer.",
        answers={
            200: Answer("Tasks can be taken in.", fleet.Ready),
            503: Answer("They cannot; it says why.", fleet.Ready, headers={"Retry-After": "Seconds."}),
        },
    ),
    ("GET", "/metrics"): Operation(
        group=_HEALTH,
        says="Show the metrics of this process for Prometheus.",
        answers={200: Answer("Prometheus' text format.", media="text/plain")},
    ),
}
