"""The task of the benchmarks: does nothing, so that only Callboard itself is measured."""

from callboard import Params, task


class Nothing(Params):
    """No parameters."""


@task("noop")
def noop(params: Nothing) -> None:
    """Do nothing."""
