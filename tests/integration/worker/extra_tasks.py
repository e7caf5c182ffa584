"""A task type that only some workers know: a rolling deploy."""

import os

from callboard import task
from tests.tasks_for_tests import Anything


@task("brand_new")
def brand_new(params: Anything) -> int:
    """Return the process id."""
    return os.getpid()
