"""HTTP by hand, for requests that no client library would send."""

import socket
from dataclasses import dataclass

from tests.patience import PATIENCE_S

#: A body that would be accepted.
GOOD = b'{"task_type": "reverse_text", "parameters": {"text": "stressed"}}'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def post(body: bytes = GOOD, *headers: bytes, path: bytes = b"/api/tasks") -> bytes:
    """Return a whole, valid POST after which the connection closes."""
    length = b"Content-Length: %d" % len(body)
    return request(b"POST " + path + b" HTTP/1.1", b"Content-Type: application/json", length, *headers) + body


def request(line: bytes, *headers: bytes) -> bytes:
    """Return a request line and headers, with Host and Connection: close."""
    return b"\r\n".join([line, b"Host: localhost", b"Connection: close", *headers, b"", b""])


def get(path: bytes, *headers: bytes) -> bytes:
    return request(b"GET " + path + b" HTTP/1.1", *headers)


def talk(port: int, *parts: bytes) -> list[Answer]:
    """Send the parts and return every answer that came before the server closed the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
        for part in parts:
            client.sendall(part)
        return answers(read_all(client))


def read_all(client: socket.socket) -> bytes:
    """Return what comes until the server closes the connection, however it does."""
    found = b""
    try:
        while chunk := client.recv(65536):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def answers(text: bytes) -> list[Answer]:
    """Return the answers in what a server sent; each must be whole."""
    found = []
    while text:
        head, separator, text = text.partition(b"\r\n\r\n")
        assert separator, head
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if int(status) >= 200:
            length = int(headers.get("content-length", 0))
            assert len(text) >= length, "the answer is cut off"
        else:
            length = 0
        found.append(Answer(int(status), headers, text[:length]))
        text = text[length:]
    return found
