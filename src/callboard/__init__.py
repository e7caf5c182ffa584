"""Callboard: a lightweight, self-hosted task service.

These names are all an author of a task type needs; see README.md, "Add a task type".
"""

from callboard.tasks.control import Cancelled, Permanent, Retry, TimeLimitExceeded
from callboard.tasks.params import Invalid, Params
from callboard.tasks.registry import task
from callboard.tasks.run import Reporter, Resources, Run, current_run, log, progress, use_run

__all__ = [
    "Cancelled",
    "Invalid",
    "Params",
    "Permanent",
    "Reporter",
    "Resources",
    "Retry",
    "Run",
    "TimeLimitExceeded",
    "current_run",
    "log",
    "progress",
    "task",
    "use_run",
]

__version__ = "0.1.0"
