"""Tasks that show what Callboard does: an async task with progress, and a task that fails on purpose."""

import asyncio
from typing import Annotated, Any

from msgspec import Meta

from callboard import Params, current_run, log, progress, task

Stage = Annotated[str, Meta(min_length=1, max_length=100)]


class LongRunning(Params):
    """What `long_running` takes."""

    duration: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds from the first stage to the last.", examples=[20])
    ] = 20.0
    stages: Annotated[
        tuple[Stage, ...], Meta(min_length=1, max_length=20, description="Names, in order.")
    ] = (
        "STARTED",
        "PROCESSING",
        "CONCLUDING",
        "COMPLETED",
    )


@task("long_running", time_limit=3700)
async def long_running(params: LongRunning) -> dict[str, Any]:
    """Take some time and report each stage as it begins: STARTED 25 % … COMPLETED 100 %.

    The stages are evenly spaced; the first begins at once, the last one ends the task.
    """
    count = len(params.stages)
    pause_s = params.duration / max(1, count - 1)
    for number, stage in enumerate(params.stages, start=1):
        if number > 1 or count == 1:
            await asyncio.sleep(pause_s)  # a coroutine waits without holding a worker's thread
        progress(number / count, stage=stage)
        log.info("stage %s (%d of %d)", stage, number, count)
    return {"duration": params.duration, "stages": list(params.stages)}


class Flaky(Params):
    """What `flaky` takes."""

    fail_times: Annotated[
        int, Meta(ge=0, le=1000, description="Attempts that fail before one succeeds.", examples=[2])
    ] = 2
    message: Annotated[
        str, Meta(min_length=1, max_length=500, description="What the failing attempts say.")
    ] = "failing on purpose"


@task("flaky", time_limit=60)
def flaky(params: Flaky) -> dict[str, Any]:
    """Fail the first `fail_times` attempts, then succeed: shows retries and their backoff.

    With more `fail_times` than `max_retries` the task fails for good and lands in the dead-letter queue.
    """
    attempt = current_run().attempt
    if attempt <= params.fail_times:
        log.warning("attempt %d fails, as do the first %d", attempt, params.fail_times)
        raise RuntimeError(params.message)
    return {"attempts": attempt, "failed": attempt - 1, "message": f"succeeded in attempt {attempt}"}
