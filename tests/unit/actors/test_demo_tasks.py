"""long_running and flaky."""

import pytest

from actors.demo import Flaky, LongRunning, flaky, long_running
from callboard.errors import ValidationFailed
from callboard.tasks.params import convert


async def test_long_running_reports_its_four_stages(attempt, reporter):
    # When
    with attempt():
        result = await long_running(LongRunning(duration=0))

    # Then
    assert reporter.progresses == [
        (0.25, "STARTED"),
        (0.5, "PROCESSING"),
        (0.75, "CONCLUDING"),
        (1.0, "COMPLETED"),
    ]
    assert result["stages"] == ["STARTED", "PROCESSING", "CONCLUDING", "COMPLETED"]
    assert len(reporter.lines) == 4


@pytest.mark.parametrize(
    ("stages", "fractions"), [(("ALL",), [1.0]), (("A", "B"), [0.5, 1.0]), (("A", "B", "C", "D", "E"), None)]
)
async def test_long_running_takes_any_stages(attempt, reporter, stages, fractions):
    with attempt():
        await long_running(LongRunning(duration=0, stages=stages))
    assert [stage for _, stage in reporter.progresses] == list(stages)
    assert [fraction for fraction, _ in reporter.progresses] == (fractions or [0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"duration": -1},
        {"duration": 3601},
        {"duration": True},
        {"duration": "20"},
        {"duration": 10**400},
        {"duration": float("nan")},
        {"stages": []},
        {"stages": [""]},
        {"stages": ["A"] * 21},
        {"stages": "A"},
        {"seconds": 1},
    ],
)
def test_long_running_refuses(parameters):
    with pytest.raises(ValidationFailed):
        convert(parameters, LongRunning)


def test_flaky_fails_the_first_attempts_and_then_succeeds(attempt):
    # Given
    params = Flaky(fail_times=2, message="not yet")

    # When, Then
    for number in (1, 2):
        with attempt(number), pytest.raises(RuntimeError, match=r"^not yet$"):
            flaky(params)
    with attempt(3):
        assert flaky(params)["attempts"] == 3


def test_flaky_may_succeed_at_once(attempt):
    with attempt(1):
        assert flaky(Flaky(fail_times=0))["failed"] == 0


@pytest.mark.parametrize("parameters", [{"fail_times": -1}, {"fail_times": 10**400}, {"fail_times": 1.5}])
def test_flaky_refuses(parameters):
    with pytest.raises(ValidationFailed):
        convert(parameters, Flaky)
