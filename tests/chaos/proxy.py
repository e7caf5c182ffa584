"""A small TCP proxy in a process of its own, between Callboard and its servers: passes, cuts, goes silent.

Commands arrive as lines on stdin, `<command> <link>`, each answered with a line. Commands: `cut` ends all
connections (RST); `hole` lets nothing through, new connections included, until `heal`; `half` leaves the
connections there are without a peer for good (what a lost NAT entry does), and lets new ones through.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Link:
    """One listening port and the server behind it."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._passing = asyncio.Event()
        self._passing.set()
        #: Each connection: its two writers, and what its data waits for (never set: half-open).
        self._connections: dict[asyncio.Event, tuple[asyncio.StreamWriter, ...]] = {}

    async def listen(self) -> int:
        """Listen on a free port and return it."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def do(self, command: str) -> None:
        """Carry out one command."""
        if command == "cut":
            for alive, writers in list(self._connections.items()):
                alive.set()
                _abort(writers)
        elif command == "hole":
            self._passing.clear()
        elif command == "heal":
            self._passing.set()
        elif command == "half":
            for alive in self._connections:
                alive.clear()
        else:
            raise ValueError(command)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        alive = asyncio.Event()
        alive.set()
        self._connections[alive] = (writer,)
        try:
            await self._passing.wait()
            back_reader, back_writer = await asyncio.open_connection(LOOPBACK, self._behind)
            self._connections[alive] = (writer, back_writer)
            ways = [
                asyncio.create_task(self._pump(reader, back_writer, alive)),
                asyncio.create_task(self._pump(back_reader, writer, alive)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for each in ways:
                each.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            _abort(self._connections.pop(alive))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alive: asyncio.Event
    ) -> None:
        try:
            while True:
                data = await reader.read(65_536)
                await self._passing.wait()
                await alive.wait()
                if not data:
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            return


def _abort(writers: tuple[asyncio.StreamWriter, ...]) -> None:
    for writer in writers:
        found = writer.get_extra_info("socket")
        if found is not None and not writer.is_closing():
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        writer.transport.abort()


async def _serve_forever(behind: dict[str, int]) -> None:
    links = {name: Link(port) for name, port in behind.items()}
    print(json.dumps({name: await link.listen() for name, link in links.items()}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, name = line.split()
        links[name].do(command)
        print("ok", flush=True)


class Proxy:
    """Starts the proxy's process and talks to it."""

    def __init__(self, behind: dict[str, int]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, __file__, json.dumps(behind)],
            env={"PATH": os.environ.get("PATH", "")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # it ends when its stdin does
        )
        self._lock = threading.Lock()
        self.ports: dict[str, int] = json.loads(self._answer())

    def do(self, command: str, name: str) -> None:
        """Carry out a command on one link."""
        with self._lock:
            assert self._child.stdin is not None
            self._child.stdin.write(f"{command} {name}\n")
            self._child.stdin.flush()
            if self._answer() != "ok\n":
                raise RuntimeError(f"the proxy did not {command} {name}")

    def _answer(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    def stop(self) -> None:
        """End the process and every connection through it."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        self._child.kill()
        self._child.wait()


if __name__ == "__main__":
    asyncio.run(_serve_forever(json.loads(sys.argv[1])))
