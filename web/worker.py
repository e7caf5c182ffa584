"""gunicorn's asgi worker, with one difference: on SIGTERM and Ctrl-C it is gone within a moment.

gunicorn waits for open connections before it tells the application to stop: a stream, or a connection a
browser keeps for later, would hold it until its grace time is over; and it goes on accepting for up to a
second. Here nothing is accepted any more, every open stream ends at once (the clients connect again and
resume at another process), idle connections are closed, and only requests under way are waited for.
"""

import asyncio
import gc
import resource
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final

from gunicorn.workers.gasgi import ASGIWorker

from web import connection

#: Seconds a connection that is just there has to send its first request to a stopping process.
FRESH_S: Final = 1.0


class StreamEndingWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Named in serve.py as gunicorn's worker class; one per process."""

    #: What the application wants called, in the event loop, when the process begins to stop.
    on_exit: ClassVar[list[Callable[[], None]]] = []

    _serving: asyncio.Task[Any] | None = None

    def init_process(self) -> None:
        """Prepare this process; returns when it has stopped."""
        connection.install()
        allow_many_files()
        super().init_process()

    async def _serve(self) -> None:
        self._serving = asyncio.current_task()
        collect_seldom()
        connection.close_silent()
        await super()._serve()

    def handle_exit_signal(self) -> None:
        """Begin to stop; called in the event loop."""
        again = not self.alive
        super().handle_exit_signal()
        if again or not self.servers:  # before it serves, its own loop sees that it shall not
            return
        for server in self.servers:
            server.close()
        for each in self.on_exit:
            each()
        connection.close_idle(fresh=False)
        self.loop.call_later(FRESH_S, partial(connection.close_idle, fresh=True))
        if self._serving is not None:
            self._serving.cancel()  # gunicorn's loop takes this for its end, instead of sleeping on

    def handle_quit_signal(self) -> None:
        """Stop on Ctrl-C as on SIGTERM: gunicorn's quick way does not tell the application.

        What embedded mode runs in this process then kept it alive until gunicorn killed it, 10 s later.
        """
        self.handle_exit_signal()


def collect_seldom() -> None:
    """Have the garbage collector leave alone what is loaded for good, and look through the rest less often.

    Thousands of open streams are hundreds of thousands of objects: going through all of them, as it did
    every few events, stopped the process for 150 ms, and there was nothing to collect.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as it may: each stream is one.

    Many systems begin with 1,024, and at the limit nothing is accepted any more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
