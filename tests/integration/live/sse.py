"""A client of server-sent events on a bare socket: it sees every byte, reads as slowly as a test wants, and
parses as browsers do (WHATWG HTML, section 9.2).
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.patience import PATIENCE_S


@dataclass(frozen=True)
class Message:
    kind: str
    id: str
    data: dict[str, Any]


class Sse:
    """One stream; `close` or a with-block ends it."""

    def __init__(
        self, port: int, path: str, *, headers: dict[str, str] | None = None, buffer: int | None = None
    ) -> None:
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._raw = b""
        #: The decoded body that is not parsed yet, and all of it there was.
        self._text = b""
        self.body = b""
        self.comments: list[str] = []
        self.retry: int | None = None
        self.last_id = ""
        #: Whether the stream has come to its proper end, and not just to that of its connection.
        self.complete = False
        self.status, self.headers = self._head()

    def __enter__(self) -> "Sse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Break the connection off without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._raw:
            got = self.socket.recv(65536)
            if not got:
                raise ConnectionError(f"no answer: {self._raw[:200]!r}")
            self._raw += got
        head, self._raw = self._raw.split(b"\r\n\r\n", 1)
        first, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        return int(first.split()[1]), headers

    def _more(self, most: int = 65536) -> bool:
        """Read on; False at the end of the stream."""
        while not self.complete:
            size, found, rest = self._raw.partition(b"\r\n")
            if found and len(rest) >= int(size, 16) + 2:
                length = int(size, 16)
                self.complete = length == 0
                self._text += rest[:length]
                self.body += rest[:length]
                self._raw = rest[length + 2 :]
                return not self.complete
            try:
                got = self.socket.recv(most)
            except ConnectionResetError:
                return False
            if not got:
                return False
            self._raw += got
        return False

    def next(self) -> Message | None:
        """Return the next message, None at the end of the stream; raises TimeoutError."""
        end = time.monotonic() + PATIENCE_S
        while True:
            if b"\n\n" in self._text:
                block, self._text = self._text.split(b"\n\n", 1)
                if (message := self._parse(block.decode("utf-8"))) is not None:
                    return message
                continue
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message came")
            self.socket.settimeout(left)
            if not self._more():
                return None

    def __iter__(self) -> Iterator[Message]:
        while (message := self.next()) is not None:
            yield message

    def take(self, number: int) -> list[Message]:
        """Return that many messages, which have to come."""
        found = [self.next() for _ in range(number)]
        assert None not in found
        return [each for each in found if each is not None]

    def until(self, **wanted: Any) -> list[Message]:
        """Return the messages up to the first whose data has these members."""
        found = []
        for message in self:
            found.append(message)
            if all(message.data.get(name) == value for name, value in wanted.items()):
                return found
        raise AssertionError(f"the stream ended without {wanted}: {found[-3:]}")

    def comment(self) -> str:
        """Return the next comment; what comes before it is dropped."""
        known = len(self.comments)
        end = time.monotonic() + PATIENCE_S
        while len(self.comments) == known:
            if b"\n\n" in self._text:
                block, self._text = self._text.split(b"\n\n", 1)
                self._parse(block.decode())
                continue
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            assert self._more(), "the stream ended"
        return self.comments[-1]

    def read_bytes(self, number: int) -> None:
        """Read until that much of the body is there, or all; drop what there is beyond it."""
        while len(self.body) < number and self._more():
            pass
        if len(self.body) > number:
            self.body = self._text = self.body[:number]

    def parsed(self) -> Iterator[Message]:
        """Return the messages that have arrived whole, without reading on."""
        while b"\n\n" in self._text:
            block, self._text = self._text.split(b"\n\n", 1)
            if (message := self._parse(block.decode("utf-8"))) is not None:
                yield message

    def _parse(self, block: str) -> Message | None:
        kind, data = "message", []
        for line in re.split(r"\r\n|\r|\n", block):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line.startswith(":"):
                self.comments.append(value)
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)
            else:
                assert not line, f"no line of a stream: {line[:100]!r}"
        return Message(kind, self.last_id, json.loads("\n".join(data))) if data else None


def numbers(messages: list[Message]) -> list[int]:
    """Return the versions that messages tell of, each gap as all of its versions; ids have to agree."""
    found: list[int] = []
    for message in messages:
        if message.kind == "gap":
            first, last = message.data["first"], message.data["last"]
            found += range(first, last + 1)
        else:
            last = message.data["version"]
            found.append(last)
        assert message.data["kind"] == message.kind
        assert message.id == str(last)
    return found
