"""What answers about schedules look like."""

from typing import Annotated, Any

from msgspec import Meta

from callboard.scheduler.missed import Missed
from web.openapi.shapes import Count, Id, Shape, Text, Time

Cron = Annotated[str, Meta(examples=["0 9 * * mon-fri"])]
Words = Annotated[str, Meta(description="What the cron says, for people.", examples=["at 09:00 on weekdays"])]


class LastRun(Shape):
    """The task that was submitted last."""

    task_id: Id
    status: str | None
    at: Time | None
    tick: Annotated[Time | None, Meta(description="The tick it stands for; null: it was run by hand.")]


class ScheduleProblem(Shape):
    """Why its task could not be submitted."""

    detail: Text
    at: Time | None


class ScheduleLinks(Shape):
    """Where to go on."""

    self: Annotated[str, Meta(examples=["/api/schedules/0199a3f2-7c1e-7d3a-9b52-3f1c2a4d5e6f"])]
    run: Text
    pause: Text
    resume: Text
    tasks: Text


class Schedule(Shape):
    """One schedule."""

    schedule_id: Id
    name: Annotated[str, Meta(examples=["Morning report"])]
    cron: Cron
    time_zone: Annotated[str, Meta(examples=["Europe/Berlin"])]
    words: Words
    enabled: bool
    missed: Missed
    task: Annotated[
        dict[str, Any], Meta(examples=[{"task_type": "reverse_text", "parameters": {"text": "stressed"}}])
    ]
    version: Annotated[int, Meta(ge=1)]
    created_at: Time
    updated_at: Time
    next_runs: list[Time]
    last_run: LastRun | None
    runs: Count
    skipped: Count
    problem: ScheduleProblem | None
    tag: Annotated[str, Meta(description="Every task that it submits has this tag.")]
    links: ScheduleLinks


class Schedules(Shape):
    """All of them, the oldest first."""

    schedules: list[Schedule]


class Preview(Shape):
    """What a cron expression means."""

    words: Words
    next_runs: list[Time]
