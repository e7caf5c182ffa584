"""Whole examples of shapes, where one made of the fields' own would be of something that cannot be."""

from typing import Any, Final

_SELF: Final = "/api/tasks/0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f"
#: By the name of the shape.
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Task": {
        "task_id": "0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f",
        "task_type": "reverse_text",
        "status": "succeeded",
        "priority": "normal",
        "queue": "default",
        "progress": 1.0,
        "stage": None,
        "parameters": {"text": "stressed"},
        "result": "desserts",
        "error": None,
        "attempts": 1,
        "max_retries": 3,
        "time_limit": 60.0,
        "created_at": "2026-01-31T12:00:00.000Z",
        "eta": None,
        "started_at": "2026-01-31T12:00:00.004Z",
        "finished_at": "2026-01-31T12:00:00.005Z",
        "worker": "host:4711",
        "tags": ["demo"],
        "version": 3,
        "history": [
            {
                "attempt": 1,
                "status": "succeeded",
                "started_at": "2026-01-31T12:00:00.004Z",
                "finished_at": "2026-01-31T12:00:00.005Z",
                "error": None,
                "worker": "host:4711",
            }
        ],
        "links": {
            "self": _SELF,
            "cancel": f"{_SELF}/cancel",
            "retry": f"{_SELF}/retry",
            "events": f"{_SELF}/events",
            "logs": f"{_SELF}/logs",
        },
    },
    "BatchEntry": {
        "status": 422,
        "error": {
            "type": "/problems/validation",
            "title": "The request has fields that cannot be used",
            "status": 422,
            "detail": "/parameters/text: is required",
            "errors": [{"pointer": "/parameters/text", "detail": "is required"}],
        },
    },
}
