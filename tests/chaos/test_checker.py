"""The checker finds every kind of broken promise on made-up ledgers, and nothing on a sound one."""

from dataclasses import replace

import msgspec
import pytest

from tests.chaos.checker import Facts, Record, Verdict, check
from tests.chaos.ledger import Again, Asked, Cancel, Death, Entry, Fault, Seen, Step

T1 = "t1"
DONE = ("queued", "running", "succeeded")


def asked(task_id: str | None = "a", kind: str = "work", answer: str = "accepted", **more: object) -> Asked:
    fields = {"ref": f"ref-{task_id}", "kind": kind, "answer": answer, "at": 0.0, "took_ms": 5.0}
    return Asked(**fields | {"task_id": task_id} | more)  # type: ignore[arg-type]


def run(
    start: float, stop: float | None, *, task_id: str = "a", token: str = T1, pid: int = 1, ref: str = ""
) -> list[Entry]:
    def step(event: str, at: float) -> Step:
        named = ref or f"ref-{task_id}"
        return Step(event=event, ref=named, task_id=task_id, attempt=1, token=token, pid=pid, at=at)

    return [step("start", start), *([] if stop is None else [step("end", stop)])]


def record(task_id: str = "a", states: tuple[str, ...] = DONE, token: str | None = T1) -> Record:
    return Record(task_id=task_id, status=states[-1], states=states, token=token)


def verdict(entries: list[Entry], *records: Record) -> Verdict:
    return check(Facts(entries=entries, records={each.task_id: each for each in records}))


def only(found: Verdict, name: str) -> None:
    """Assert that exactly this promise is broken."""
    assert {line.partition(":")[0] for line in found.broken()} == {name}, found.broken()


SOUND: list[Entry] = [asked(), *run(1, 2)]


def test_a_sound_run_has_no_findings() -> None:
    assert verdict(SOUND, record()).broken() == []
    assert verdict(SOUND, record()).accepted == 1


def test_an_accepted_task_that_never_ran_and_has_no_record_is_lost() -> None:
    found = verdict([asked()])
    assert found.lost == ["work a"]
    assert found.unrecorded == ["work a is without a record"]


def test_an_accepted_task_that_ran_but_is_not_recorded() -> None:
    only(verdict(SOUND, record(states=("queued", "running"), token=None)), "unrecorded")
    only(verdict(SOUND), "unrecorded")


def test_two_ends_in_one_record() -> None:
    found = verdict(SOUND, record(states=(*DONE, "failed"), token=None))
    assert found.double_results == ["a ended twice: queued running succeeded failed"]
    assert found.illegal


def test_an_end_that_changes_after_it_was_seen() -> None:
    seen = Seen(task_id="a", status="succeeded", token="t0", at=2.5)
    only(verdict([*SOUND, seen], record()), "double_results")
    assert verdict([*SOUND, Seen(task_id="a", status="succeeded", token="t1", at=3)], record()).broken() == []


def test_an_end_seen_before_a_retry_may_change() -> None:
    entries = [*SOUND, Seen(task_id="a", status="cancelled", token=None, at=0.4), Again(task_id="a", at=0.5)]
    states = ("queued", "cancelled", *DONE)
    assert verdict(entries, record(states=states)).broken() == []


def test_two_effects_of_one_task() -> None:
    effect = Step(event="effect", ref="ref-a", task_id="a", attempt=1, token="t1", pid=1, at=1.5)
    assert verdict([*SOUND, effect], record()).broken() == []
    only(verdict([*SOUND, effect, effect], record()), "double_effects")


def test_a_result_that_no_run_has_made() -> None:
    only(verdict(SOUND, record(token="other")), "double_effects")


class TestOverlaps:
    TWO = (asked(), *run(1, 20), *run(10, 12, token="t2", pid=2))

    def test_two_runs_at_once(self) -> None:
        only(verdict(list(self.TWO), record()), "overlaps")

    @pytest.mark.parametrize("pid", [1, None])
    def test_are_excused_when_the_first_ones_lease_was_cut(self, pid: int | None) -> None:
        cut = Fault(kind="stop worker", at=2, until=15, pid=pid, cuts_leases=True)
        assert verdict([*self.TWO, cut], record()).broken() == []

    @pytest.mark.parametrize(
        "cut",
        [
            Fault(kind="another worker", at=2, until=15, pid=2, cuts_leases=True),
            Fault(kind="kills no lease", at=2, until=15, pid=1),
            Fault(kind="too short", at=2, until=3, pid=1, cuts_leases=True),
            Fault(kind="too late", at=11, until=19, pid=1, cuts_leases=True),
        ],
        ids=lambda cut: cut.kind,
    )
    def test_are_not_excused_by_other_faults(self, cut: Fault) -> None:
        only(verdict([*self.TWO, cut], record()), "overlaps")

    def test_a_run_ends_with_its_process(self) -> None:
        entries = [asked(), *run(1, None), Death(pid=1, name="worker", at=3), *run(9, 10, token="t2", pid=2)]
        assert verdict(entries, record(token="t2", states=("queued", "running", *DONE[1:]))).broken() == []

    def test_a_run_apart_ends_with_its_worker(self) -> None:
        (start,) = run(1, None, pid=100)
        assert isinstance(start, Step)
        child = msgspec.structs.replace(start, parents=(99, 1))
        entries = [asked(), child, Death(pid=1, name="worker", at=3), *run(9, 10, token="t2", pid=2)]
        assert verdict(entries, record(token="t2", states=("queued", "running", *DONE[1:]))).broken() == []

    def test_a_run_without_an_end_in_a_living_process_goes_on(self) -> None:
        entries = [asked(), *run(1, None), *run(9, 10, token="t2", pid=2)]
        only(verdict(entries, record(token="t2")), "overlaps")


def test_a_move_that_is_not_in_the_table() -> None:
    only(verdict(SOUND, record(states=("running", "queued", "running", "succeeded"))), "illegal")


def test_a_status_without_its_event() -> None:
    only(verdict(SOUND, replace(record(), states=("queued", "running"))), "illegal")


@pytest.mark.parametrize("answer", ["refused", "down"])
def test_a_refused_task_that_ran(answer: str) -> None:
    only(verdict([asked(answer=answer), *run(1, 2)]), "refused_but_ran")


@pytest.mark.parametrize("answer", ["told", "unknown"])
def test_a_task_whose_client_was_left_in_doubt_may_run(answer: str) -> None:
    assert verdict([asked(answer=answer), *run(1, 2)]).broken() == []


def test_a_cancelled_task_that_started() -> None:
    entries = [asked(), Cancel(task_id="a", answer="cancelled", at=0.5), *run(1, 2)]
    only(verdict(entries, record()), "cancelled_but_ran")
    assert verdict([*entries, Again(task_id="a", at=0.7)], record()).broken() == []
    assert verdict([*entries, Again(task_id="a", at=0.7, answer="unknown")], record()).broken() == []
    (found,) = verdict(entries, record()).cancelled_but_ran
    assert found.endswith(": queued running succeeded")


def test_a_task_cancelled_between_its_attempts_has_run_before() -> None:
    entries = [asked(), *run(1, 2), Cancel(task_id="a", answer="cancelled", at=2.5)]
    states = ("queued", "running", "retrying", "cancelled")
    assert verdict(entries, record(states=states, token=None)).broken() == []


def test_poison_that_was_started_four_times() -> None:
    def entries(times: int) -> list[Entry]:
        found: list[Entry] = [asked(kind="poison", end="failed")]
        for number in range(times):
            found += run(10 * number, None, token=f"t{number}", pid=number)
            found.append(Death(pid=number, name="worker", at=10 * number + 0.1))
        return found

    failed = record(states=("queued", "running", "failed"), token=None)
    assert verdict(entries(3), failed).broken() == []
    only(verdict(entries(4), failed), "poison")


def test_an_innocent_task_that_failed() -> None:
    failed = record(states=("queued", "running", "failed"), token=None)
    only(verdict([asked(kind="innocent"), *run(1, 2)], failed), "wrong_ends")


def test_a_cancel_without_an_answer_may_have_been_done_or_not() -> None:
    unknown = Cancel(task_id="a", answer="unknown", at=0.5)
    assert verdict([asked(), unknown], record(states=("queued", "cancelled"), token=None)).broken() == []
    assert verdict([*SOUND, unknown], record()).broken() == []
    only(verdict([asked()], record(states=("queued", "cancelled"), token=None)), "wrong_ends")
    assert verdict([asked(), unknown]).lost == ["work a"]


def test_a_cancelled_one_may_end_either_way() -> None:
    entries = [*SOUND, Cancel(task_id="a", answer="asked", at=1.5)]
    assert verdict(entries, record(states=("queued", "running", "cancelled"), token=None)).broken() == []
    assert verdict(entries, record()).broken() == []


def test_one_that_was_tried_again_by_hand_may_end_either_way() -> None:
    entries = [asked(end="failed"), *run(1, 2), Again(task_id="a", at=0.9)]
    assert verdict(entries, record(states=("queued", "running", "failed", *DONE))).broken() == []


def test_one_key_that_made_two_tasks() -> None:
    first, second = asked("a", key="k", ref="r"), asked("b", key="k", ref="r")
    entries = [first, second, *run(1, 2, ref="r"), *run(1, 2, task_id="b", ref="r")]
    only(verdict(entries, record(), record("b")), "keys")


def test_a_key_whose_unanswered_try_ran_as_well() -> None:
    entries = [
        asked(None, key="k", ref="r", answer="unknown"), asked("b", key="k", ref="r"),
        *run(1, 2, ref="r"), *run(1, 2, task_id="b", ref="r"),
    ]  # fmt: skip
    only(verdict(entries, record("b")), "keys")


def test_an_answer_that_no_contract_knows() -> None:
    only(verdict([asked(answer="wrong", status=500)]), "wrong_answers")
    only(verdict([asked(answer="conflict", status=409)]), "wrong_answers")
    assert verdict([asked(answer="conflict", status=409, key="k")]).broken() == []
