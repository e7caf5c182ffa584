"""What holds for every task type this installation ships."""

import os
import subprocess
import sys

import pytest

from callboard.tasks.params import convert
from callboard.tasks.registry import TaskType, load

QUEUES = {
    "data_processing": "data",
    "email_sending": "email",
    "file_processing": "files",
    "flaky": "default",
    "long_running": "default",
    "reverse_text": "default",
    "sentiment": "default",
}
TYPES = list(load(["actors"]))


def test_the_seven_types_are_found_with_their_queues():
    assert {each.name: each.queue for each in TYPES} == QUEUES


@pytest.mark.parametrize("task_type", TYPES, ids=lambda each: each.name)
def test_the_example_shown_to_clients_is_accepted(task_type: TaskType):
    # Given
    shown = task_type.describe()

    # When
    parameters = shown["example"]["parameters"]

    # Then
    assert convert(parameters, task_type.params)


@pytest.mark.parametrize("task_type", TYPES, ids=lambda each: each.name)
def test_every_parameter_tells_its_type_and_purpose(task_type: TaskType):
    shown = task_type.describe()
    assert shown["description"]
    for name, schema in shown["schema"]["properties"].items():
        assert schema.get("description"), f"{name} has no description"
        assert "type" in schema or "anyOf" in schema, f"{name} has no type"


def test_importing_the_types_leaves_heavy_libraries_alone():
    """The API imports the types for their schemas only."""
    # Given
    program = "import sys; from callboard.tasks.registry import load; load(['actors']); print(*sys.modules)"

    # When
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    # Then
    heavy = {"fsspec", "s3fs", "regex", "vaderSentiment", "puremagic", "smtplib"}
    assert not heavy & set(done.stdout.split())
