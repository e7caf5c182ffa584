"""What is no HTTP, or only just: answered by gunicorn's parser or by us, always as a problem, never run."""

import json
import socket
from collections.abc import Callable

import pytest

from tests.integration.api import problem
from tests.integration.api.serving import Board
from tests.integration.api.wire import GOOD, Answer, answers, get, post, read_all, request, talk
from tests.patience import PATIENCE_S, wait_until

POST = b"POST /api/tasks HTTP/1.1"
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def only(found: list[Answer]) -> Answer:
    (answer,) = found
    if answer.status >= 400:
        problem.check_form(answer.status, answer.headers, answer.body)
        assert answer.headers["x-request-id"] == json.loads(answer.body)["request_id"]
    return answer


BAD_REQUEST = {
    "no HTTP at all": b"hello\r\n\r\n",
    "a TLS greeting": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version that is none": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method nobody knows": request(b"FOO /api/tasks HTTP/1.1"),
    "a method with a bracket": b"GE[T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank in the address": b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw bytes in the path": get(b"/api/tasks/\xff\xfe"),
    "raw bytes in the query": get(b"/api/tasks?tag=\xff\xfe"),
    "a header without colon": request(b"GET /healthz HTTP/1.1", b"Nonsense"),
    "a header name with a blank": request(b"GET /healthz HTTP/1.1", b"X Y: 1"),
    "DEL in a header": post(GOOD, b"Idempotency-Key: k\x7f"),
    "NUL in a header": request(b"GET /healthz HTTP/1.1", b"X: a\x00b"),
    "two different lengths": request(POST, JSON, b"Content-Length: 65", b"Content-Length: 66") + GOOD,
    "a negative length": request(POST, JSON, b"Content-Length: -1") + GOOD,
    "a length that is no number": request(POST, JSON, b"Content-Length: abc") + GOOD,
    "a length with a plus": request(POST, JSON, b"Content-Length: +65") + GOOD,
    "a length and chunks": request(POST, JSON, b"Content-Length: 65", CHUNKED) + chunk(GOOD) + b"0\r\n\r\n",
    "a chunk size that is none": request(POST, JSON, CHUNKED) + b"zz\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "a negative chunk size": request(POST, JSON, CHUNKED) + b"-5\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "a chunk longer than its size": request(POST, JSON, CHUNKED) + b"5\r\n" + GOOD + b"\r\n0\r\n\r\n",
    "a good chunk and a bad one": request(POST, JSON, CHUNKED) + chunk(GOOD) + b"zz\r\n\r\n",
}


@pytest.mark.parametrize("sent", BAD_REQUEST.values(), ids=BAD_REQUEST)
def test_what_is_no_http_is_a_bad_request(still_empty: Board, sent: bytes) -> None:
    answer = only(talk(still_empty.port, sent))
    assert answer.status == 400
    assert json.loads(answer.body)["type"] == "/problems/bad-request"


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        (get(b"/" + b"a" * 20_000), 414, "uri-too-long"),
        (get(b"/api/tasks?tag=" + b"a" * 20_000), 414, "uri-too-long"),
        (get(b"/healthz", b"X: " + b"a" * 20_000), 431, "headers-too-large"),
        (get(b"/healthz", *(b"X-%d: 1" % number for number in range(200))), 431, "headers-too-large"),
        (get(b"/healthz", b"Connection: Upgrade", b"Upgrade: websocket"), 426, "upgrade-required"),
    ],
    ids=["long path", "long query", "long header", "many headers", "half a websocket"],
)
def test_what_is_too_much_is_named(still_empty: Board, sent: bytes, status: int, kind: str) -> None:
    answer = only(talk(still_empty.port, sent))
    assert (answer.status, json.loads(answer.body)["type"]) == (status, f"/problems/{kind}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/api/tasks/%zz", 422),
        (b"/api/tasks/%ff%fe", 422),
        (b"/api/tasks/%00", 422),
        (b"/api/%ff%fe/x", 404),
        (b"/%2e%2e/%2e%2e/etc/passwd", 404),
        (b"/api/tasks?tag=%zz&tag=%ff", 200),
    ],
)
def test_odd_paths_are_answered_in_order(still_empty: Board, path: bytes, status: int) -> None:
    assert only(talk(still_empty.port, get(path))).status == status


@pytest.mark.parametrize("blanks", [b"", b"   ", b"\t"])
def test_a_header_of_blanks_is_empty(still_empty: Board, blanks: bytes) -> None:
    answer = only(talk(still_empty.port, post(GOOD, b"Idempotency-Key: " + blanks)))
    assert (answer.status, json.loads(answer.body)["errors"][0]["pointer"]) == (422, "/Idempotency-Key")


def begun(content: bytes, *headers: bytes) -> bytes:
    return request(POST, JSON, *headers).replace(b"Connection: close\r\n", b"") + content


CUT = {
    "shorter than its length": begun(GOOD, b"Content-Length: %d" % (len(GOOD) + 35)),
    "nothing of its length": begun(b"", b"Content-Length: 65"),
    "chunks without an end": begun(chunk(GOOD), CHUNKED),
    "half a chunk": begun(chunk(GOOD)[:-20], CHUNKED),
    "the last chunk without its end": begun(chunk(GOOD) + b"0\r\n", CHUNKED),
}


@pytest.mark.parametrize("sent", CUT.values(), ids=CUT)
@pytest.mark.parametrize(
    "leave", [lambda client: client.shutdown(socket.SHUT_WR), lambda client: client.close()]
)
def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(
    still_empty: Board, sent: bytes, leave: Callable[[socket.socket], None]
) -> None:
    with socket.create_connection(("127.0.0.1", still_empty.port), timeout=PATIENCE_S) as client:
        client.sendall(sent)
        leave(client)
        if client.fileno() >= 0:
            assert all(answer.status in (400, 408) for answer in answers(read_all(client)))
    # A second connection is served after the first one: what that did is done by now.
    assert only(talk(still_empty.port, get(b"/healthz"))).status == 200


def test_a_body_may_come_byte_by_byte(board: Board) -> None:
    sent = post(GOOD)
    answer = only(talk(board.port, *(sent[at : at + 1] for at in range(len(sent)))))
    assert answer.status == 202
    assert board.ended(json.loads(answer.body)["task_id"])["result"] == "desserts"


def test_chunks_make_one_body(board: Board) -> None:
    parts = [chunk(GOOD[at : at + 7]) for at in range(0, len(GOOD), 7)]
    answer = only(talk(board.port, request(POST, JSON, CHUNKED), *parts, b"0\r\nX-Checksum: 1\r\n\r\n"))
    assert answer.status == 202


def test_a_client_that_asks_first_is_told_to_go_on(board: Board) -> None:
    head = request(POST, JSON, b"Expect: 100-continue", b"Content-Length: %d" % len(GOOD))
    with socket.create_connection(("127.0.0.1", board.port), timeout=PATIENCE_S) as client:
        client.sendall(head)
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(GOOD)
        assert only(answers(read_all(client))).status == 202


def test_http_1_0_gets_an_answer_and_a_closed_connection(board: Board) -> None:
    assert only(talk(board.port, b"GET /healthz HTTP/1.0\r\n\r\n")).status == 200
    sent = b"POST /api/tasks HTTP/1.0\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (JSON, len(GOOD), GOOD)
    assert only(talk(board.port, sent)).status == 202


def test_pipelined_requests_are_answered_in_order(board: Board) -> None:
    keep = post(GOOD).replace(b"Connection: close\r\n", b"")
    missing = get(b"/nowhere").replace(b"Connection: close\r\n", b"")
    found = talk(board.port, keep + missing + keep + get(b"/healthz"))
    assert [answer.status for answer in found] == [202, 404, 202, 200]
    assert [answer.status for answer in talk(board.port, keep + b"nonsense\r\n\r\n")] == [202, 400]


def test_a_body_without_length_is_empty(still_empty: Board) -> None:
    answer = only(talk(still_empty.port, request(POST, JSON)))
    assert (answer.status, json.loads(answer.body)["type"]) == (400, "/problems/malformed-json")


def test_bodies_that_nobody_reads_do_no_harm(still_empty: Board) -> None:
    body = b"x" * 200_000
    for line in (b"GET /healthz HTTP/1.1", b"POST /healthz HTTP/1.1", b"PUT /nowhere HTTP/1.1"):
        answer = only(talk(still_empty.port, request(line, b"Content-Length: 200000") + body))
        assert answer.status in (200, 404, 405)


def test_a_websocket_where_there_is_none_is_refused(still_empty: Board) -> None:
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    upgrade = (b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", key)
    for path in (b"/api/tasks", b"/nowhere"):
        head = request(b"GET " + path + b" HTTP/1.1", *upgrade).replace(b"close", b"Upgrade")
        assert [answer.status for answer in talk(still_empty.port, head)] == [403]


def test_a_client_that_leaves_while_it_waits_is_forgotten(board: Board) -> None:
    task = board.submit("long_running", {"duration": 60})
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", board.port)) as client:
            client.sendall(get(f"/api/tasks/{task['task_id']}?wait=60".encode()))
    board.client.post(task["links"]["cancel"])
    wait_until(lambda: board.get(task["task_id"])["status"] == "cancelled", what="cancelled")
