"""The figures of a storm, by the number of the promise. Pure."""

from collections.abc import Sized
from typing import Final

from tests.chaos import figures, runs
from tests.chaos.checker import Verdict
from tests.chaos.figures import Figure, spread
from tests.chaos.ledger import Asked, Cancel, Death, Entry, Step, of
from tests.chaos.story import Story

STORM: Final = "clients submit everything there is while servers, workers and connections break"


def of_the_storm(story: Story) -> dict[int, Figure]:
    """Return a figure for each promise that a storm tests."""
    verdict, entries = story.verdict, story.facts.entries
    return {
        1: _recorded(verdict, story.settled_s),
        2: _once(verdict, entries),
        4: _restarts(entries),
        5: _refusals(verdict, entries),
        8: _poison(verdict, entries),
        9: _cancels(verdict, entries),
    }


def _counts(**lists: Sized) -> tuple[str, bool]:
    """Return `name number, …` and whether all are empty."""
    text = ", ".join(f"{name.replace('_', ' ')} {len(found)}" for name, found in lists.items())
    return text, not any(len(found) for found in lists.values())


def _recorded(verdict: Verdict, settled_s: float) -> Figure:
    text, kept = _counts(
        lost=verdict.lost, not_recorded_after_60_s=verdict.unrecorded, wrong_ends=verdict.wrong_ends
    )
    return Figure(
        text=f"{text} of {verdict.accepted:,}; the last one ended {settled_s:.0f} s after the last fault",
        how=f"{STORM}; the client's own list of 202s against the records",
        kept=kept,
    )


def _once(verdict: Verdict, entries: list[Entry]) -> Figure:
    text, kept = _counts(
        two_ends=verdict.double_results,
        two_effects=verdict.double_effects,
        illegal_moves=verdict.illegal,
        overlaps_outside_cut_off_leases=verdict.overlaps,
        keys_with_two_tasks=verdict.keys,
    )
    return Figure(
        text=f"{text}; starts repeated because of faults {figures.repeats(entries)}",
        how="in the same run: the events of every record, a sink keyed by task id, lines of every run",
        kept=kept,
    )


def _restarts(entries: list[Entry]) -> Figure:
    found = figures.restarts(entries)
    how = "in the same run: from the death of a worker until its tasks ran again, servers being well"
    if not found:
        return Figure(text="no worker died while all servers were well for long enough", how=how, kept=None)
    return Figure(text=spread(found).text("s"), how=how, kept=max(found) <= 10)


def _refusals(verdict: Verdict, entries: list[Entry]) -> Figure:
    found = spread(figures.refusals_ms(entries))
    refused = sum(each.answer == "refused" for each in of(entries, Asked))
    slowest_s = max(figures.answers_ms(entries), default=0.0) / 1000
    text, kept = _counts(ran_all_the_same=verdict.refused_but_ran, other_answers=verdict.wrong_answers)
    return Figure(
        text=f"{found.text('ms')}; refused {refused:,}, {text}; slowest answer of all {slowest_s:.1f} s",
        how="in the same run: 503s while RabbitMQ was down or blocked and nothing else was broken",
        kept=kept and (not found.count or found.p99 <= 200) and slowest_s < 15,
    )


def _poison(verdict: Verdict, entries: list[Entry]) -> Figure:
    accepted = [each for each in of(entries, Asked) if each.answer == "accepted" and each.task_id]
    poison = [each.task_id or "" for each in accepted if each.kind == "poison"]
    innocents = sum(each.kind == "innocent" for each in accepted)
    failed = sum(line.startswith("innocent") for line in (*verdict.wrong_ends, *verdict.unrecorded))
    by_task = runs.by_task(of(entries, Step), of(entries, Death))
    most = max((len(by_task.get(task_id, [])) for task_id in poison), default=0)
    return Figure(
        text=f"{len(poison)} of them, at most {most} starts; {innocents - failed} of {innocents} completed",
        how="in the same run: each submitted in the middle of eight others",
        kept=not verdict.poison and not failed,
    )


def _cancels(verdict: Verdict, entries: list[Entry]) -> Figure:
    cancelled = sum(each.answer == "cancelled" for each in of(entries, Cancel))
    return Figure(
        text=f"{cancelled} cancelled, {len(verdict.cancelled_but_ran)} of them started",
        how="in the same run: cancelled while they waited, delayed or queued",
        kept=not verdict.cancelled_but_ran,
    )
