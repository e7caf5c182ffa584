"""Compares what clients were told with what tasks did and what the records say. Pure.

Every finding is a line of text in the Verdict's list of its promise; an empty list is a kept promise.
test_checker.py shows, on made-up ledgers, that each of them can be found.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from callboard.store.calls import LEASE_MS, STARTS_TOGETHER
from callboard.tasks.states import TERMINAL, TRANSITIONS, State
from tests.chaos import runs
from tests.chaos.ledger import Again, Asked, Cancel, Death, Entry, Fault, Seen, Step, of
from tests.chaos.runs import Run

#: Seconds a worker's heart may stop before its leases count as cut: one lease without the last beat.
CUT_S: Final = LEASE_MS / 1000 - 4.0


@dataclass(frozen=True, kw_only=True)
class Record:
    """A task's record after everything has settled."""

    task_id: str
    status: str
    attempts: int = 0
    #: The statuses of its state events in the order of their versions.
    states: tuple[str, ...] = ()
    token: str | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that is known of one chaos run."""

    entries: list[Entry]
    records: dict[str, Record]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found; every list is empty when its promise was kept."""

    accepted: int
    lost: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    double_results: list[str] = field(default_factory=list)
    double_effects: list[str] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)
    refused_but_ran: list[str] = field(default_factory=list)
    cancelled_but_ran: list[str] = field(default_factory=list)
    poison: list[str] = field(default_factory=list)
    wrong_ends: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    wrong_answers: list[str] = field(default_factory=list)

    def broken(self) -> list[str]:
        """Return every finding, with the name of its promise."""
        lists = {name: value for name, value in vars(self).items() if isinstance(value, list)}
        return [f"{name}: {line}" for name, lines in lists.items() for line in lines]


def check(facts: Facts) -> Verdict:
    """Judge one run."""
    entries, records = facts.entries, facts.records
    asked = of(entries, Asked)
    accepted = {each.task_id: each for each in asked if each.answer == "accepted" and each.task_id}
    steps, deaths = of(entries, Step), of(entries, Death)
    by_task = runs.by_task(steps, deaths)
    cancels = of(entries, Cancel)
    again = {each.task_id: each.at for each in of(entries, Again)}
    return Verdict(
        accepted=len(accepted),
        lost=_lost(accepted, by_task, records, cancels),
        unrecorded=_unrecorded(accepted, records),
        double_results=_double_results(records, of(entries, Seen), again),
        double_effects=_double_effects(steps, by_task, records),
        overlaps=_overlaps(by_task, of(entries, Fault)),
        illegal=_illegal(records.values()),
        refused_but_ran=_refused_but_ran(asked, steps),
        cancelled_but_ran=_cancelled_but_ran(cancels, again, by_task, records),
        poison=_poison(accepted, by_task),
        wrong_ends=_wrong_ends(accepted, records, {each.task_id for each in cancels}, again),
        keys=_keys(asked, steps),
        wrong_answers=[
            f"{each.kind} {each.ref} was answered {each.status} after {each.took_ms:.0f} ms"
            for each in asked
            if each.answer == "wrong" or (each.answer == "conflict" and each.key is None)
        ],
    )


def _lost(
    accepted: dict[str, Asked], by_task: dict[str, list[Run]], records: dict[str, Record],
    cancels: list[Cancel],
) -> list[str]:  # fmt: skip
    """Accepted, and neither did it run to an end nor does its record say why."""
    cancelled = {each.task_id for each in cancels if each.answer != "unknown"}
    ended = {task_id for task_id, found in by_task.items() if any(each.ended for each in found)}
    return [
        f"{each.kind} {task_id}"
        for task_id, each in accepted.items()
        if task_id not in ended | cancelled and not _terminal(records.get(task_id))
    ]


def _terminal(record: Record | None) -> bool:
    return record is not None and record.status in TERMINAL


def _unrecorded(accepted: dict[str, Asked], records: dict[str, Record]) -> list[str]:
    return [
        f"{each.kind} {task_id} is {records[task_id].status if task_id in records else 'without a record'}"
        for task_id, each in accepted.items()
        if not _terminal(records.get(task_id))
    ]


def _double_results(records: dict[str, Record], seen: list[Seen], again: dict[str, float]) -> list[str]:
    """Two ends recorded, or an end that changed after a client had seen it."""
    found = []
    for record in records.values():
        ended = False
        for state in record.states:
            if state in TERMINAL and ended:
                found.append(f"{record.task_id} ended twice: {' '.join(record.states)}")
                break
            ended = state in TERMINAL
    for each in seen:
        now = records.get(each.task_id)
        if each.task_id in again and each.at <= again[each.task_id] + 1:
            continue
        if now is not None and (now.status, now.token) != (each.status, each.token):
            found.append(f"{each.task_id} was {each.status} {each.token}, is {now.status} {now.token}")
    return found


def _double_effects(
    steps: list[Step], by_task: dict[str, list[Run]], records: dict[str, Record]
) -> list[str]:
    """The keyed sink took a task twice; or a result was committed that no run has made."""
    effects: defaultdict[str, int] = defaultdict(int)
    for step in steps:
        effects[step.task_id] += step.event == "effect"
    found = [f"{task_id} had {count} effects" for task_id, count in effects.items() if count > 1]
    for record in records.values():
        if record.status == State.SUCCEEDED and record.token is not None:
            tokens = {each.token for each in by_task.get(record.task_id, []) if each.ended}
            if record.token not in tokens:
                found.append(f"{record.task_id} has the result of a run that did not end: {record.token}")
    return found


def _overlaps(by_task: dict[str, list[Run]], faults: list[Fault]) -> list[str]:
    """Two runs of one task at the same time, though the first one's lease was not cut."""
    cuts = [each for each in faults if each.cuts_leases and each.until - each.at >= CUT_S]

    def excused(first: Run, second: Run) -> bool:
        spans = [cut for cut in cuts if cut.pid is None or cut.pid in first.pids]
        return any(cut.at < second.start and cut.until > first.start - CUT_S for cut in spans)

    return [
        f"{task_id} ran at {first.start:.2f} to {first.stop:.2f} in {first.pids[0]} "
        f"and from {second.start:.2f} in {second.pids[0]}"
        for task_id, each in by_task.items()
        for first, second in runs.overlapping(each)
        if not excused(first, second)
    ]


def _illegal(records: Iterable[Record]) -> list[str]:
    found = []
    for record in records:
        moves = zip(record.states, record.states[1:], strict=False)
        if any(State(end) not in TRANSITIONS[State(start)] for start, end in moves):
            found.append(f"{record.task_id}: {' '.join(record.states)}")
        elif record.states and record.states[-1] != record.status:
            found.append(f"{record.task_id} is {record.status}, its last event {record.states[-1]}")
    return found


def _refused_but_ran(asked: list[Asked], steps: list[Step]) -> list[str]:
    may_run = {each.ref for each in asked if each.answer in ("accepted", "told", "unknown")}
    refused = {each.ref: each for each in asked if each.ref not in may_run}
    ran = {step.ref for step in steps}
    return [f"{each.kind} {ref} ({each.answer})" for ref, each in refused.items() if ref in ran]


def _cancelled_but_ran(
    cancels: list[Cancel], again: dict[str, float], by_task: dict[str, list[Run]], records: dict[str, Record]
) -> list[str]:
    found = []
    for each in cancels:
        if each.answer != "cancelled" or each.task_id in again:
            continue
        states = " ".join(records[each.task_id].states) if each.task_id in records else "no record"
        late = [run for run in by_task.get(each.task_id, []) if run.start > each.at]
        found += [
            f"{each.task_id} cancelled at {each.at:.2f}, started at {run.start:.2f}: {states}" for run in late
        ]
    return found


def _poison(accepted: dict[str, Asked], by_task: dict[str, list[Run]]) -> list[str]:
    return [
        f"{task_id} was started {len(by_task[task_id])} times"
        for task_id, each in accepted.items()
        if each.kind == "poison" and len(by_task.get(task_id, [])) > STARTS_TOGETHER + 1
    ]


def _wrong_ends(
    accepted: dict[str, Asked], records: dict[str, Record], cancelled: set[str], again: dict[str, float]
) -> list[str]:
    """An end that its kind does not have; who was cancelled or tried again by hand may end either way."""
    found = []
    for task_id, each in accepted.items():
        record = records.get(task_id)
        if record is None or not _terminal(record) or record.status == each.end or task_id in again:
            continue
        if not (task_id in cancelled and record.status in ("cancelled", "succeeded")):
            found.append(f"{each.kind} {task_id} {record.status}: {record.error}")
    return found


def _keys(asked: list[Asked], steps: list[Step]) -> list[str]:
    """One Idempotency-Key, more than one task."""
    ran: defaultdict[str, set[str]] = defaultdict(set)
    for step in steps:
        ran[step.ref].add(step.task_id)
    answers: defaultdict[str, set[str]] = defaultdict(set)
    for each in asked:
        if each.key and each.answer == "accepted" and each.task_id:
            answers[each.ref].add(each.task_id)
    found = []
    for ref, ids in answers.items():
        if len(ids) > 1:
            found.append(f"{ref} was answered with {len(ids)} ids: {' '.join(sorted(ids))}")
        if strange := ran[ref] - ids:
            found.append(f"{ref} also ran as {' '.join(sorted(strange))}")
    return found
