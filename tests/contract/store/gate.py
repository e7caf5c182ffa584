"""A TCP gate before Redis: shut, it takes what is sent and lets nothing through, as a cut network does."""

import asyncio
from typing import Any
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """Relays to a Redis while it is open; for one event loop."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open = asyncio.Event()
        self._open.set()
        self._server: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        #: Chunks of bytes that clients have sent.
        self.received = 0

    async def start(self) -> str:
        """Listen; return the address to use instead of Redis's own."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        login = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{login}@127.0.0.1:{port}"))

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers += (writer, back)
        ways = ((reader, back, True), (there, writer, False))
        self._tasks += [asyncio.ensure_future(self._relay(*way)) for way in ways]

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: bool) -> None:
        try:
            while data := await reader.read(65_536):
                self.received += count
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(each.wait_closed() for each in self._writers), return_exceptions=True)
