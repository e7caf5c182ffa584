"""The dramatiq middleware of every Callboard broker, in order, in one list.

Claim, retry, time limit and finish are not here: dramatiq swallows what hooks raise, so they are
steps of worker/execute.py (docs/decisions/0001).
"""

from dramatiq.middleware import AsyncIO, CurrentMessage, Middleware, Pipelines
from dramatiq.results import ResultBackend, Results
from periodiq import PeriodiqMiddleware


def middleware(results: ResultBackend) -> list[Middleware]:
    """Return fresh middleware for one broker."""
    return [
        CurrentMessage(),  # tells the actor which message it runs
        AsyncIO(),  # one event loop thread for `async def` tasks
        Pipelines(),  # dramatiq's own `|` between messages
        Results(backend=results),  # `message.get_result()` reads our record
        PeriodiqMiddleware(skip_delay=30),  # the scheduler's ticks
    ]
