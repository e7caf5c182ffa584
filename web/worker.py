"""gunicorn's asgi worker, with one difference: on SIGTERM it ends every open stream at once.

gunicorn waits for open connections before it tells the application to stop; a stream would hold it
until its grace time is over. The clients connect again and resume at another process.
"""

from collections.abc import Callable
from typing import ClassVar

from gunicorn.workers.gasgi import ASGIWorker


class StreamEndingWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Named in serve.py as gunicorn's worker class; one per process."""

    #: What the application wants called, in the event loop, when the process begins to stop.
    on_exit: ClassVar[list[Callable[[], None]]] = []

    def handle_exit_signal(self) -> None:
        """Begin to stop; called in the event loop."""
        super().handle_exit_signal()
        for each in self.on_exit:
            each()
