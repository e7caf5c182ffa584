"""file_processing on a local folder."""

import csv
import hashlib
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.files import File, file_processing
from callboard import Permanent
from callboard.errors import ValidationFailed
from callboard.files import Files
from callboard.tasks.params import convert

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


@pytest.fixture
def process(attempt, files_folder: Path) -> Callable[[str, bytes], dict[str, Any]]:
    """Put a file there and process it."""

    def put_and_process(name: str, content: bytes) -> dict[str, Any]:
        (files_folder / name).write_bytes(content)
        with attempt():
            return file_processing(File(filename=name))

    return put_and_process


def test_a_text_is_measured(process):
    content = "Grüße aus Bern\r\nzwei\rdrei\nvier  fünf".encode()
    assert process("hello.txt", content) == {
        "filename": "hello.txt",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "mime": "text/plain",
        "encoding": "utf-8",
        "lines": 4,
        "words": 7,
    }


def test_a_csv_is_measured(process):
    # Given quoted delimiters, quotes and line breaks, an empty line and a short row
    content = b'name;note\r\nann;"two\r\nlines"\r\n\r\nbob;"a;b ""c"""\r\ncarl\r\n'

    # When
    found = process("people.csv", content)

    # Then
    assert (found["mime"], found["delimiter"]) == ("text/csv", ";")
    assert (found["rows"], found["columns"], found["ragged_rows"]) == (3, 2, 1)
    assert found["header"] == ["name", "note"]
    assert found["lines"] == 6


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_what_the_rows_agree_on(process, delimiter):
    rows = [["id", "price", "text"], *(["1", "3,5", "a b, c"] for _ in range(20))]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    found = process("table.csv", text.getvalue().encode())
    assert (found["delimiter"], found["rows"], found["columns"]) == (delimiter, 20, 3)


def test_a_first_row_of_numbers_is_no_header(process):
    found = process("table.csv", b"1,2.5\n3,4e5\n")
    assert (found["rows"], found["header"]) == (2, None)


@given(
    rows=st.lists(
        st.lists(st.text(st.sampled_from('ab ,;"\r\né'), min_size=1, max_size=8), min_size=2, max_size=2),
        min_size=1,
    )
)
def test_rows_are_counted_as_the_csv_module_wrote_them(process, rows):
    # Given
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="|", quoting=csv.QUOTE_ALL)
    writer.writerow(["first", "second"])
    writer.writerows(rows)

    # When
    found = process("table.csv", text.getvalue().encode())

    # Then
    if found["delimiter"] == "|":
        assert (found["rows"], found["columns"], found["ragged_rows"]) == (len(rows), 2, 0)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff\ufffe")))
def test_lines_and_words_of_any_text(process, text):
    found = process("any.txt", text.encode())
    assert found["lines"] == len(list(io.StringIO(text, newline=None)))
    assert found["words"] == len(text.split())


@given(st.binary(max_size=200))
def test_any_bytes_are_measured(process, content):
    for name in ("any.csv", "any.bin"):
        found = process(name, content)
        assert (found["size"], found["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-32", "utf-32")],
)
def test_a_byte_order_mark_tells_the_encoding_and_is_no_part_of_the_header(process, encoding, shown):
    found = process("may.csv", "größe,b\n1,2\n".encode(encoding))
    assert found["encoding"] == shown
    assert found["header"] == ["größe", "b"]
    assert found["rows"] == 1


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "hello")
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [
        ("a.png", PNG, "image/png"),
        ("picture.txt", PNG, "image/png"),
        ("no extension", PNG, "image/png"),
        ("a.zip", zipped(), "application/zip"),
        ("zipped", zipped(), "application/zip"),
        ("a.docx", zipped(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("noise", b"\x13\x93\xfe\x00\x01", "application/octet-stream"),
        ("text.png", b"only text", "text/plain"),
        ("a.json", b'{"a": 1}', "application/json"),
        ("a.html", b"<!DOCTYPE html><html></html>", "text/html"),
        ("page", b"<!DOCTYPE html><html></html>", "text/html"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        ("README", b"hello there\n", "text/plain"),
        ("table.tsv", b"a\tb\n1\t2\n", "text/tab-separated-values"),
        ("empty", b"", "text/plain"),
    ],
)
def test_the_mime_type_follows_the_content(process, name, content, mime):
    assert process(name, content)["mime"] == mime


@pytest.mark.parametrize(
    "content", [PNG, b"text\0with a NUL", b"caf\xe9", b"good\n" * 100_000 + b"\xff", b"\xff\xfea"]
)
def test_what_is_no_text_is_binary_and_still_hashed_to_its_end(process, content):
    found = process("data.csv", content)
    assert found["encoding"] == "binary"
    assert (found["size"], found["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert "lines" not in found


@pytest.mark.parametrize(
    "length", [1024 * 1024 - 2, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000]
)
def test_lines_longer_than_what_is_held_in_memory_are_counted_once(process, length):
    line = "x" * (length - 1)
    found = process("long.txt", f"{line}\r\n{line}\rend {line}".encode())
    assert (found["lines"], found["words"]) == (3, 4)


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n1,"never closed' + b" and on" * 100_000,
        b'a,b\n1,"never closed\n' + b"and on\n" * 200_000,
        b"a,b\n" + b'"x\ny",' * 400_000,
        b"a," * 2_000_000,
    ],
)
def test_a_broken_table_is_given_up_and_the_rest_still_measured(process, reporter, content):
    found = process("broken.csv", content)
    assert "rows" not in found
    assert found["size"] == len(content)
    assert found["lines"] == len(content.splitlines())
    assert any("not readable as a table" in line for line in reporter.lines)


def test_a_large_file_is_read_block_by_block(attempt, files_folder, reporter, monkeypatch):
    # Given
    content = random.Random(1).randbytes(3_000_000)
    (files_folder / "large.bin").write_bytes(content)
    asked: list[int] = []
    really_open = Files.open

    def watched_open(self: Files, name: str) -> Any:
        stream = really_open(self, name)
        read = stream.read
        monkeypatch.setattr(stream, "read", lambda size: (asked.append(size), read(size))[1])
        return stream

    monkeypatch.setattr(Files, "open", watched_open)

    # When
    with attempt():
        found = file_processing(File(filename="large.bin"))

    # Then
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert set(asked) == {256 * 1024}
    fractions = [fraction for fraction, _ in reporter.progresses]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(fractions) > 10


def test_an_upload_is_processed_under_the_name_the_client_gave(attempt, files):
    # Given
    upload = files.start_upload("may.csv")
    upload.write(b"a,b\n1,2\n")
    stored = upload.commit()

    # When
    with attempt():
        found = file_processing(File(file_id=stored.file_id))

    # Then
    assert (found["filename"], found["rows"], found["sha256"]) == ("may.csv", 1, stored.sha256)


@pytest.mark.parametrize(
    ("content", "rows"), [(b"a,b\n1,2\n3,4\n", 2), (b"Hello, you.\nNo table\n", None), (b"one, line", None)]
)
def test_an_upload_without_a_name_is_a_table_if_it_looks_like_one(attempt, files, content, rows):
    upload = files.start_upload()
    upload.write(content)
    with attempt():
        found = file_processing(File(file_id=upload.commit().file_id))
    assert found.get("rows") == rows
    assert found["filename"] is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"filename": "missing.csv"},
        {"filename": "../etc/passwd"},
        {"filename": "/etc/passwd"},
        {"filename": ""},
        {"filename": "a\0"},
        {"filename": "a" * 10_000},
        {"file_id": "no uuid"},
        {"file_id": "01997a3c-0000-7000-8000-000000000001"},
    ],
)
def test_a_file_that_cannot_be_had_fails_at_once(attempt, parameters):
    with attempt(), pytest.raises(Permanent):
        file_processing(convert(parameters, File))


@pytest.mark.parametrize("parameters", [{}, {"filename": None}, {"filename": "a", "file_id": "b"}])
def test_exactly_one_of_filename_and_file_id_is_taken(parameters):
    with pytest.raises(ValidationFailed) as refusal:
        convert(parameters, File, "/parameters")
    assert refusal.value.problems[0].pointer == "/parameters/filename"
