"""Files on a local folder: what is reachable, and that an upload is there whole or not at all."""

import hashlib
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import CallboardError
from callboard.files import FileMissing, FileRefused, Files, FileTooLarge


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"inside")
    (folder / "sub").mkdir()
    (folder / "sub" / "b ü.txt").write_bytes(b"deeper")
    (tmp_path / "secret.txt").write_bytes(b"outside")
    (tmp_path / "root-sibling").mkdir()
    (tmp_path / "root-sibling" / "s.txt").write_bytes(b"outside")
    return folder


@pytest.fixture
def files(root: Path) -> Files:
    return Files(root.as_uri(), max_upload_bytes=10)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("name", "content"), [("a.txt", b"inside"), ("sub/b ü.txt", b"deeper")])
def test_a_file_inside_is_read(files: Files, name: str, content: bytes):
    with files.open(name) as stream:
        assert stream.read() == content
    assert files.size(name) == len(content)
    assert files.exists(name)


REFUSED = [
    "",
    "/etc/passwd",
    "//etc/passwd",
    "..",
    ".",
    "../secret.txt",
    "sub/../../secret.txt",
    "sub/../a.txt",
    "./a.txt",
    "sub//b.txt",
    "sub/",
    "a.txt\0",
    "\0",
    "..\\secret.txt",
    "C:\\a.txt",
    "a\nb",
    "\x7f",
    "\ud800",
    "a" * 256,
    "/".join(["a" * 100] * 11),
]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("method", ["open", "size", "exists"])
def test_a_name_that_is_not_plainly_relative_is_refused(files: Files, method: str, name: str):
    with pytest.raises(FileRefused) as refusal:
        getattr(files, method)(name)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", REFUSED[1:])
def test_a_bucket_refuses_the_same_names_before_any_request(name: str):
    with pytest.raises(FileRefused):
        Files("s3://bucket/prefix?endpoint_url=http://127.0.0.1:1").open(name)


def test_a_bucket_refuses_to_read_another_version_than_the_named_object():
    with pytest.raises(FileRefused, match="version"):
        Files("s3://bucket?endpoint_url=http://127.0.0.1:1").open("a.txt?versionId=1")


@pytest.mark.parametrize("target", ["../secret.txt", "../root-sibling/s.txt", "/etc/passwd", "../missing"])
def test_a_link_that_leads_out_is_refused(files: Files, root: Path, target: str):
    (root / "link").symlink_to(target)
    for method in (files.open, files.size, files.exists):
        with pytest.raises(FileRefused, match="out of FILES_URL"):
            method("link")


def test_a_folder_linked_from_outside_is_refused(files: Files, root: Path):
    (root / "folder").symlink_to("../root-sibling")
    with pytest.raises(FileRefused):
        files.open("folder/s.txt")


def test_links_in_a_circle_are_refused(files: Files, root: Path):
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    with pytest.raises((FileRefused, FileMissing)):
        files.open("one")


def test_a_link_that_stays_inside_is_followed(files: Files, root: Path):
    (root / "link").symlink_to("sub/b ü.txt")
    with files.open("link") as stream:
        assert stream.read() == b"deeper"


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path):
    (tmp_path / "alias").symlink_to(root)
    assert Files((tmp_path / "alias").as_uri()).exists("a.txt")


def test_what_is_no_regular_file_is_refused(files: Files, root: Path):
    os.mkfifo(root / "pipe")
    for name in ("sub", "pipe"):
        with pytest.raises(FileRefused, match="not a regular file"):
            files.open(name)


@pytest.mark.parametrize("name", ["nothing.txt", "sub/nothing.txt", "a.txt/below", "~", "*", "a*"])
def test_a_missing_file_is_said_to_be_missing(files: Files, name: str):
    assert not files.exists(name)
    for method in (files.open, files.size):
        with pytest.raises(FileMissing, match="POST /api/files") as missing:
            method(name)
        assert isinstance(missing.value, CallboardError)
        assert isinstance(missing.value, FileNotFoundError)


@given(st.text(st.sampled_from("./\\~ab\0-*é\ud800"), max_size=12))
def test_no_name_reads_outside(files: Files, root: Path, name: str):
    try:
        with files.open(name) as stream:
            assert stream.read() in (b"inside", b"deeper")
    except (FileRefused, FileMissing):
        pass


def test_an_upload_is_readable_once_it_is_committed_and_not_before(files: Files, root: Path):
    # Given
    before = everything(root)
    upload = files.start_upload()
    upload.write(b"hello ")
    upload.write(b"you")
    unseen = not files.exists(files.path_of_upload(upload.file_id))

    # When
    stored = upload.commit()

    # Then
    assert unseen
    assert uuid.UUID(stored.file_id).version == 7
    assert (stored.size, stored.filename) == (9, None)
    assert stored.sha256 == hashlib.sha256(b"hello you").hexdigest()
    assert everything(root) - before == {f"uploads/{stored.file_id}"}
    with files.open(files.path_of_upload(stored.file_id)) as stream:
        assert stream.read() == b"hello you"


def test_an_empty_upload_is_a_file_too(files: Files):
    stored = files.start_upload().commit()
    assert files.size(files.path_of_upload(stored.file_id)) == 0


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("may.csv", "may.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\may.csv", "may.csv"),
        ("a\r\nb\0.txt", "ab.txt"),
        ("ü" * 300, "ü" * 200),
        ("\ud800x", "x"),
        ("dir/", None),
        ("", None),
        (None, None),
    ],
)
def test_an_upload_keeps_the_last_step_of_its_name(files: Files, given_name: str | None, kept: str | None):
    stored = files.start_upload(given_name).commit()
    assert stored.filename == kept
    assert files.filename_of_upload(stored.file_id) == kept


def test_nothing_is_left_of_an_aborted_upload(files: Files, root: Path):
    # Given
    before = everything(root)
    upload = files.start_upload("a.csv")
    upload.write(b"hello")

    # When
    upload.abort()
    upload.abort()

    # Then
    assert everything(root) == before
    with pytest.raises(ValueError, match="start another"):
        upload.write(b"more")
    with pytest.raises(ValueError, match="start another"):
        upload.commit()


def test_an_abort_after_the_commit_changes_nothing(files: Files):
    upload = files.start_upload("a.csv")
    stored = upload.commit()
    upload.abort()
    assert files.exists(files.path_of_upload(stored.file_id))


def test_nothing_is_left_of_an_upload_above_the_limit(files: Files, root: Path):
    # Given
    before = everything(root)
    upload = files.start_upload()
    upload.write(b"0123456789")

    # When
    with pytest.raises(FileTooLarge, match="10 bytes"):
        upload.write(b"x")

    # Then
    assert everything(root) == before


def test_an_upload_of_exactly_the_limit_is_taken(files: Files):
    upload = files.start_upload()
    upload.write(b"0123456789")
    assert upload.commit().size == 10


def test_nothing_is_left_when_the_commit_fails(files: Files, root: Path):
    # Given an upload in whose place somebody put a folder
    before = everything(root)
    upload = files.start_upload("a.csv")
    upload.write(b"hello")
    (root / files.path_of_upload(upload.file_id) / "in the way").mkdir(parents=True)

    # When
    with pytest.raises(OSError, match="directory"):
        upload.commit()

    # Then
    assert everything(root) == before


def test_uploads_do_not_leave_through_a_link(files: Files, root: Path, tmp_path: Path):
    (root / "uploads").symlink_to(tmp_path)
    with pytest.raises(FileRefused):
        files.start_upload()


def test_the_folder_is_made_by_the_first_upload(tmp_path: Path):
    # Given
    files = Files((tmp_path / "not yet" / "there").as_uri())
    assert not files.exists("a.txt")

    # When
    stored = files.start_upload().commit()

    # Then
    assert files.exists(files.path_of_upload(stored.file_id))


@pytest.mark.parametrize(
    "file_id",
    [
        "",
        "x",
        "../a.txt",
        "01997A3C-0000-7000-8000-000000000001",
        "{01997a3c-0000-7000-8000-000000000001}",
        "urn:uuid:01997a3c-0000-7000-8000-000000000001",
        "01997a3c000070008000000000000001",
        "01997a3c-0000-7000-8000-000000000001\n",
        5,
        None,
    ],
)
def test_only_a_canonical_uuid_is_a_file_id(files: Files, file_id: str):
    with pytest.raises(FileRefused, match="file_id"):
        files.path_of_upload(file_id)


def test_the_path_of_an_upload():
    file_id = "01997a3c-0000-7000-8000-000000000001"
    assert Files("file:///nowhere").path_of_upload(file_id) == f"uploads/{file_id}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "/var/files",
        "http://example.org/files",
        "file://host/folder",
        "file:relative",
        "file:///folder?x=1",
        "s3://",
        "s3:///prefix",
        "s3://key:very-secret@bucket",
        "s3://bucket?secret=very-secret&colour=blue",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(url: str):
    with pytest.raises(ValueError, match="an example is") as refusal:
        Files(url)
    assert "very-secret" not in str(refusal.value)


def test_making_files_touches_nothing_and_shows_no_secret(tmp_path: Path):
    Files((tmp_path / "new").as_uri())
    assert not (tmp_path / "new").exists()
    files = Files("s3://bucket/pre/fix/?endpoint_url=http://127.0.0.1:1&key=k&secret=very+secret")
    assert repr(files) == "Files(s3://bucket/pre/fix)"


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="max_upload_bytes"):
        Files("file:///x", max_upload_bytes=0)
