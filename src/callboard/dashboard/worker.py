"""gunicorn's gthread worker, with one difference: nobody occupies a thread by not sending their request."""

import socket
import time
from contextlib import suppress
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker

#: Seconds a client may take to send a request, from the moment a thread begins to read it.
READ_S: Final = 10.0


class ReadingInTime(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Named in serve.py as gunicorn's worker class.

    gunicorn reads without a limit: eight clients that had sent half a line held all eight threads for ever.
    """

    def init_process(self) -> None:
        """Run this process; returns when it has stopped."""
        #: What the threads are busy with, and since when.
        self._begun: dict[Any, float] = {}
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Read and answer one request, in a thread."""
        self._begun[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._begun[conn]

    def murder_pending(self) -> None:
        """Look after connections, about once a second; what is still read after its time is at its end."""
        super().murder_pending()
        late = time.monotonic() - READ_S
        for conn in [each for each, begun in self._begun.copy().items() if begun < late]:
            with suppress(OSError):  # it has ended just now
                conn.sock.shutdown(socket.SHUT_RD)  # an answer that takes long is still sent
