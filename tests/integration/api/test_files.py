"""POST /api/files: whole files or none."""

import hashlib
import socket
from pathlib import Path

import pytest

from tests.integration.api import problem, serving
from tests.integration.api.serving import Board
from tests.patience import wait_until

LIMIT = 300_000


def left(board: Board) -> list[str]:
    """Return what lies in the folder of the files."""
    return sorted(path.name for path in board.files.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """A Callboard that takes files of up to LIMIT bytes."""
    with serving.embedded(tmp_path_factory.mktemp("small"), upload_limit=LIMIT) as board:
        yield board
        assert board.new_bugs() == []


def test_a_raw_body_is_a_file(board: Board) -> None:
    content = bytes(range(256)) * 4096
    answer = board.client.post("/api/files", params={"filename": "../a/data.bin"}, content=content)
    assert answer.status_code == 201
    stored = answer.json()
    file_id = stored.pop("file_id")
    digest = hashlib.sha256(content).hexdigest()
    assert stored == {"filename": "data.bin", "size": len(content), "sha256": digest}
    assert (board.files / "uploads" / file_id).read_bytes() == content


def test_a_part_of_a_form_is_a_file(board: Board) -> None:
    content = b"\r\n--not a boundary\r\n" * 50_000
    answer = board.client.post("/api/files", files={"file": ("d\u00e4ta.txt", content)})
    assert answer.status_code == 201
    assert (answer.json()["filename"], answer.json()["size"]) == ("d\u00e4ta.txt", len(content))


def test_a_file_may_be_empty_and_have_no_name(board: Board) -> None:
    answer = board.client.post("/api/files", content=b"")
    assert (answer.status_code, answer.json()["filename"], answer.json()["size"]) == (201, None, 0)


def test_a_file_may_come_in_chunks_of_unknown_number(small: Board) -> None:
    answer = small.client.post("/api/files", content=iter([b"abc"] * 1000))
    assert (answer.status_code, answer.json()["size"]) == (201, 3000)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("form", [False, True])
def test_a_file_that_is_too_large_leaves_nothing(small: Board, chunked: bool, form: bool) -> None:
    before = left(small)
    content, headers = b"a" * (LIMIT + 1), {}
    if form:
        content = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            + content
            + b"\r\n--b--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = small.client.post("/api/files", content=iter([content]) if chunked else content, headers=headers)
    problem.check(answer, 413, "too-large")
    assert left(small) == before


FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nabc'
OTHER = b'\r\n--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nabc'


@pytest.mark.parametrize(
    ("content", "media", "status", "kind"),
    [
        (FILE, "multipart/form-data; boundary=b", 400, "bad-request"),
        (FILE + b"\r\n--b", "multipart/form-data; boundary=b", 400, "bad-request"),
        (FILE + b"\r\n--b--", "multipart/form-data; boundary=c", 400, "bad-request"),
        (FILE + b"\r\n--b--", "multipart/form-data", 400, "bad-request"),
        (b"", "multipart/form-data; boundary=b", 400, "bad-request"),
        (b"--b--", "multipart/form-data; boundary=b", 422, "validation"),
        (
            FILE + FILE.replace(b"--b", b"\r\n--b") + b"\r\n--b--",
            "multipart/form-data; boundary=b",
            422,
            "validation",
        ),
        (FILE + OTHER + b"\r\n--b--", "multipart/form-data; boundary=b", 422, "validation"),
        (OTHER + b"\r\n--b--", "multipart/form-data; boundary=b", 422, "validation"),
    ],
)
def test_a_form_that_is_not_one_file_leaves_nothing(
    small: Board, content: bytes, media: str, status: int, kind: str
) -> None:
    before = left(small)
    problem.check(
        small.client.post("/api/files", content=content, headers={"Content-Type": media}), status, kind
    )
    assert left(small) == before


def test_a_compressed_file_is_refused(small: Board) -> None:
    answer = small.client.post("/api/files", content=b"x", headers={"Content-Encoding": "gzip"})
    problem.check(answer, 415, "unsupported-media")


def test_unknown_query_names_are_refused(small: Board) -> None:
    problem.check(small.client.post("/api/files?name=x", content=b"x"), 422, "validation", ["/name"])
    twice = small.client.post("/api/files?filename=x&filename=y", content=b"x")
    problem.check(twice, 422, "validation", ["/filename"])


@pytest.mark.parametrize("head", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_an_upload_that_breaks_off_leaves_nothing(board: Board, head: str) -> None:
    before = left(board)
    start = f"POST /api/files HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n2710\r\n{'a' * 10_000}\r\n"
    with socket.create_connection(("127.0.0.1", board.port)) as client:
        client.sendall(start.encode())
        wait_until(lambda: left(board) != before, what="the upload has begun")
    wait_until(lambda: left(board) == before, what="nothing of it is left")


def test_a_disk_that_refuses_is_503(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "uploads").write_text("in the way", encoding="utf-8")
    with serving.embedded(tmp_path) as board:
        answer = board.client.post("/api/files", content=b"abc")
        problem.check(answer, 503, "unavailable")
        assert str(tmp_path) not in answer.text
