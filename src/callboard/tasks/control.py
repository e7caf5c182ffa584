"""What a task may raise to steer its own end; anything else it raises is retried by policy."""


class Permanent(Exception):
    """Fail now; trying again would not help."""


class Retry(Exception):
    """Run again after `after` seconds; it is no error and does not use up a retry's budget.

    The number of such retries is bounded by the task's own sense: use it for "not ready yet".
    """

    def __init__(self, message: str = "", *, after: float = 1.0) -> None:
        if not after >= 0:
            raise ValueError("Retry(after=…) takes seconds, 0 or more")
        self.after = after
        super().__init__(message or f"asked to run again in {after:g} s")


class Interrupted(BaseException):
    """Raised inside a running task from outside. A BaseException, so `except Exception` lets it by."""


class Cancelled(Interrupted):
    """Somebody cancelled the task while it was running."""


class TimeLimitExceeded(Interrupted):
    """The task ran longer than its `time_limit`."""
