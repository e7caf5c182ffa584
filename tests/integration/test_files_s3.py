"""Files in a bucket, against moto's S3 server on a free port of the loopback interface."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

import boto3
import pytest
from moto.server import ThreadedMotoServer

from actors.files import File, file_processing
from callboard import Permanent, Resources, Run, use_run
from callboard.files import FileMissing, FileRefused, Files, FileTooLarge

SECRET = "a+b/c="


class Silent:
    """A Reporter that nobody listens to."""

    def progress(self, fraction: float, stage: str | None) -> None:
        pass

    def log(self, record: logging.LogRecord) -> None:
        pass

    def mark(self, name: str) -> None:
        pass

    def marked(self, name: str) -> bool:
        return False


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str):
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="board",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="board")
    yield client
    for each in client.list_objects_v2(Bucket="board").get("Contents", []):
        client.delete_object(Bucket="board", Key=each["Key"])
    client.close()


@pytest.fixture
def files(s3, endpoint: str) -> Files:
    options = f"endpoint_url={endpoint}&key=board&secret={quote(SECRET, safe='+')}&region=us-east-1"
    return Files(f"s3://board/some/prefix?{options}", max_upload_bytes=20_000_000)


def keys(s3) -> set[str]:
    return {each["Key"] for each in s3.list_objects_v2(Bucket="board").get("Contents", [])}


def open_uploads(s3) -> list:
    return s3.list_multipart_uploads(Bucket="board").get("Uploads", [])


def attempt(files: Files) -> AbstractContextManager[Run]:
    resources = Resources(smtp_url="console://", mail_from="board@example.org", files=files)
    return use_run(Run("01997a3c-0000-7000-8000-000000000003", "file_processing", 1, resources, Silent()))


def test_a_csv_of_a_bucket_is_processed(s3, files: Files):
    # Given a file of more than one block
    content = b"name,note\n" + b'ann,"two\nlines"\n' * 600_000
    s3.put_object(Bucket="board", Key="some/prefix/reports/may.csv", Body=content)

    # When
    with attempt(files):
        found = file_processing(File(filename="reports/may.csv"))

    # Then
    assert found == {
        "filename": "reports/may.csv",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "mime": "text/csv",
        "encoding": "utf-8",
        "lines": 1_200_001,
        "words": 1_200_001,
        "delimiter": ",",
        "rows": 600_000,
        "columns": 2,
        "ragged_rows": 0,
        "header": ["name", "note"],
    }


@pytest.mark.parametrize("chunks", [[], [b"small"], [b"x" * 3_000_000] * 6])
def test_an_upload_appears_when_it_is_committed(s3, files: Files, chunks: list[bytes]):
    # Given
    upload = files.start_upload("may.bin")
    for chunk in chunks:
        upload.write(chunk)
    unseen = not keys(s3)

    # When
    stored = upload.commit()

    # Then
    assert unseen
    content = b"".join(chunks)
    assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    path = files.path_of_upload(stored.file_id)
    assert keys(s3) == {f"some/prefix/{path}", f"some/prefix/{path}.json"}
    assert s3.get_object(Bucket="board", Key=f"some/prefix/{path}")["Body"].read() == content
    assert files.filename_of_upload(stored.file_id) == "may.bin"
    assert files.size(path) == len(content)


def test_an_upload_is_processed(files: Files):
    upload = files.start_upload()
    upload.write(b"a;b\n1;2\n3;4\n")
    stored = upload.commit()
    with attempt(files):
        found = file_processing(File(file_id=stored.file_id))
    assert (found["rows"], found["delimiter"], found["sha256"]) == (2, ";", stored.sha256)


@pytest.mark.parametrize("size", [5, 18_000_000])
def test_nothing_is_left_of_an_aborted_upload(s3, files: Files, size: int):
    # Given
    upload = files.start_upload("may.bin")
    upload.write(b"x" * size)

    # When
    upload.abort()
    del upload

    # Then
    assert keys(s3) == set()
    assert open_uploads(s3) == []


def test_nothing_is_left_of_an_upload_above_the_limit(s3, files: Files):
    upload = files.start_upload()
    upload.write(b"x" * 20_000_000)
    with pytest.raises(FileTooLarge):
        upload.write(b"x")
    assert keys(s3) == set()
    assert open_uploads(s3) == []


def test_a_file_another_process_has_just_written_is_seen(s3, files: Files):
    # Given
    absent = files.exists("new.txt")

    # When
    s3.put_object(Bucket="board", Key="some/prefix/new.txt", Body=b"new")

    # Then
    assert not absent
    assert files.exists("new.txt")
    assert files.size("new.txt") == 3


def test_only_objects_below_the_prefix_are_reachable(s3, files: Files):
    # Given
    s3.put_object(Bucket="board", Key="some/secret.txt", Body=b"outside")
    s3.put_object(Bucket="board", Key="some/prefix/folder/a.txt", Body=b"inside")

    # When, Then
    assert not files.exists("secret.txt")
    with pytest.raises(FileRefused):
        files.open("../secret.txt")
    with pytest.raises(FileRefused, match="not a regular file"):
        files.open("folder")
    with pytest.raises(FileMissing):
        files.open("folder/b.txt")


def test_a_missing_object_fails_the_task_at_once(files: Files):
    with attempt(files), pytest.raises(Permanent, match="has no file"):
        file_processing(File(filename="missing.csv"))
