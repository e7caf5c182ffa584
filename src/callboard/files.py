"""The folder or bucket of FILES_URL: uploads land in it, file tasks read from it, nothing else is reachable.

The web process writes with `start_upload`; tasks read with `open`, as `current_run().resources.files`.
All of it is synchronous: call it in a thread from async code. fsspec does the I/O, so a local folder and
an S3 bucket behave alike; what differs is in callboard/places.py.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

import uuid_utils

from callboard.errors import CallboardError
from callboard.places import BLOCK_BYTES, FileRefused, Place, Writing, place_of, show

__all__ = ["FileMissing", "FileRefused", "FileTooLarge", "Files", "StoredFile", "Upload"]

#: Bytes of one upload when the constructor is not told otherwise: 1 GiB.
DEFAULT_MAX_UPLOAD_BYTES: Final = 1024 * 1024 * 1024
_MAX_NAME_BYTES: Final = 1024  # S3's limit of a key
_MAX_STEP_BYTES: Final = 255  # the usual limit of one file name on disk
_MAX_FILENAME_CHARS: Final = 200


class FileMissing(CallboardError, FileNotFoundError):
    """FILES_URL has no file of that name."""

    code = "file-missing"


class FileTooLarge(CallboardError, ValueError):
    """An upload has more bytes than one file may have."""

    code = "too-large"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A finished upload. `filename` is what the client called it, without folders; it is no path."""

    file_id: str
    size: int
    sha256: str
    filename: str | None


class Files:
    """The files below one URL, by relative names such as `reports/may.csv`."""

    def __init__(self, url: str, *, max_upload_bytes: int = DEFAULT_MAX_UPLOAD_BYTES) -> None:
        """Take the root; no I/O happens here.

        Args:
            url: `file:///folder`, or `s3://bucket/prefix` with the options `endpoint_url`, `key`,
                `secret`, `token` and `region` as its query; what is not given comes from the usual AWS
                environment.
            max_upload_bytes: bytes one upload may have.

        Raises ValueError, never showing the query, when the URL cannot be used.
        """
        if max_upload_bytes < 1:
            raise ValueError(f"max_upload_bytes must be 1 or more, not {max_upload_bytes}")
        self._place: Place = place_of(url)
        #: Bytes one upload may have.
        self.max_upload_bytes = max_upload_bytes

    def __repr__(self) -> str:
        return f"Files({self._place})"

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; raises FileRefused or FileMissing."""
        path, _ = self._find(name)
        with _missing(name):
            return cast(BinaryIO, self._place.fs.open(path, "rb", block_size=BLOCK_BYTES))

    def size(self, name: str) -> int:
        """Return the size in bytes; raises FileRefused or FileMissing."""
        return self._find(name)[1]

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file; raises FileRefused for a name that cannot be used."""
        try:
            self._find(name)
        except FileMissing:
            return False
        return True

    def path_of_upload(self, file_id: str) -> str:
        """Return the name under which an upload is stored; raises FileRefused unless it is a UUID."""
        try:
            canonical = str(uuid.UUID(file_id)) == file_id
        except (ValueError, AttributeError, TypeError):
            canonical = False
        if not canonical:
            raise FileRefused(f"{show(file_id)} is no file_id; use the one that POST /api/files answered")
        return f"uploads/{file_id}"

    def filename_of_upload(self, file_id: str) -> str | None:
        """Return what the client called an upload, or None when it did not say."""
        try:
            with self.open(self.path_of_upload(file_id) + ".json") as stream:
                return str(json.load(stream)["filename"])
        except FileMissing:
            return None

    def start_upload(self, filename: str | None = None) -> "Upload":
        """Begin an upload; it is readable under its id once it is committed, and not before."""
        file_id = str(uuid_utils.uuid7())
        name = self.path_of_upload(file_id)
        return Upload(
            file_id,
            _label(filename),
            self._place.write(self._place.locate(name)),
            lambda: self._place.write(self._place.locate(name + ".json")),
            self.max_upload_bytes,
        )

    def _find(self, name: str) -> tuple[str, int]:
        """Return the path for fsspec and the size in bytes."""
        _check(name)
        path = self._place.locate(name)
        with _missing(name):
            info = self._place.fs.info(path)
        if info["type"] != "file":  # a folder, or a pipe, which would block its reader for ever
            raise FileRefused(f"{show(name)} is not a regular file; name a file inside FILES_URL")
        return path, int(info["size"])


class Upload:
    """One file being written: any number of `write`, then `commit` or `abort`."""

    def __init__(
        self,
        file_id: str,
        filename: str | None,
        writing: Writing,
        write_note: Callable[[], Writing],
        max_bytes: int,
    ) -> None:
        self.file_id = file_id
        self.filename = filename
        #: Bytes written so far.
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._writing = writing
        self._write_note = write_note
        self._max_bytes = max_bytes
        self._open = True

    def write(self, chunk: bytes) -> None:
        """Append bytes; raises FileTooLarge above the limit, after which nothing is left of the upload."""
        self._must_be_open()
        if self.size + len(chunk) > self._max_bytes:
            self.abort()
            raise FileTooLarge(f"a file may have {self._max_bytes:,} bytes; see CALLBOARD_UPLOAD_LIMIT")
        self._writing.stream.write(chunk)
        self._sha256.update(chunk)
        self.size += len(chunk)

    def commit(self) -> StoredFile:
        """Make the file readable under its id, whole and at once; on an error nothing is left."""
        self._must_be_open()
        note: Writing | None = None
        try:
            if self.filename is not None:  # before the file itself, so that no upload lacks its name
                note = self._write_note()
                note.stream.write(json.dumps({"filename": self.filename}).encode())
                note.publish()
            self._writing.publish()
        except BaseException:
            if note:
                note.discard()
            self.abort()
            raise
        self._open = False
        return StoredFile(self.file_id, self.size, self._sha256.hexdigest(), self.filename)

    def abort(self) -> None:
        """Give up and leave nothing behind; does nothing after `commit` or an earlier `abort`."""
        if self._open:
            self._open = False
            self._writing.discard()

    def _must_be_open(self) -> None:
        if not self._open:
            raise ValueError("this upload is committed or aborted; start another one")


def _check(name: str) -> None:
    """Refuse every name that is not plainly relative, before any file system sees it."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise FileRefused(f"{show(name)} is not valid Unicode; rename the file") from None
    steps = name.split("/")
    if not name or any(ord(each) < 32 or ord(each) == 127 for each in name):
        raise FileRefused(f"{show(name)} is empty or holds a control character; name a file in FILES_URL")
    if "\\" in name or any(step in ("", ".", "..") for step in steps):
        raise FileRefused(
            f"{show(name)} is not a plain relative name; write it like reports/may.csv, "
            "without a leading slash, '..' or backslashes"
        )
    if length > _MAX_NAME_BYTES or any(len(step.encode()) > _MAX_STEP_BYTES for step in steps):
        raise FileRefused(f"{show(name)} is too long for a file name; use a shorter one")


@contextmanager
def _missing(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissing(
            f"FILES_URL has no file {show(name)}; put it there or send it to POST /api/files first"
        ) from None


def _label(filename: str | None) -> str | None:
    """Return the last step of a client's path, without what would garble a log or a page."""
    last = (filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(each for each in last if each.isprintable())
    return printable.strip()[:_MAX_FILENAME_CHARS] or None
