"""Where files are: a folder (`file://`) or a bucket (`s3://`), behind one seam for callboard/files.py.

fsspec does the reading and writing; what is ours is which path a name leads to, and that a new file appears
whole or not at all.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from callboard.errors import CallboardError

#: Bytes per request to S3, in both directions: S3 takes at most 10,000 parts, so 80 GB a file.
BLOCK_BYTES: Final = 8 * 1024 * 1024
_EXAMPLE: Final = "an example is file:///var/lib/callboard/files or s3://bucket/prefix"


class FileRefused(CallboardError, ValueError):
    """The name cannot be used, or leads out of FILES_URL."""

    code = "file-refused"


@dataclass(frozen=True, slots=True)
class Writing:
    """A file that is not there yet: `publish` makes it appear whole, `discard` leaves nothing of it."""

    stream: Any
    publish: Callable[[], None]
    discard: Callable[[], None]


class Place(Protocol):
    """A folder or a bucket."""

    @property
    def fs(self) -> Any:
        """The fsspec file system, made when first used."""

    def locate(self, name: str) -> str:
        """Return the path fsspec wants; raises FileRefused when it is outside of the root."""

    def write(self, path: str) -> Writing:
        """Begin a new file at a path that `locate` gave."""


class Folder:
    """`file://`: links are followed as long as they stay inside the root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return self._root.as_uri()

    @cached_property
    def fs(self) -> Any:
        """The local file system of fsspec."""
        import fsspec

        return fsspec.filesystem("file")

    def locate(self, name: str) -> str:
        """Return the real path, with no link left in it."""
        try:
            path = (self._root / name).resolve()
            inside = path.is_relative_to(self._root.resolve())
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                path.stat()  # a loop of links: from Python 3.13 on resolve() leaves it in
        except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError up to Python 3.12
            raise FileRefused(f"{show(name)} cannot be followed; name a regular file") from error
        if not inside:
            raise FileRefused(f"{show(name)} is a link out of FILES_URL; put the file itself there")
        return str(path)

    def write(self, path: str) -> Writing:
        """Write beside the target, on the same disk: the rename is atomic, and kept through a crash."""
        target = Path(path)
        self.fs.makedirs(str(target.parent), exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        stream = self.fs.open(str(part), "wb")
        published = False

        def publish() -> None:
            nonlocal published
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            part.replace(target)
            published = True
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

        def discard() -> None:
            with suppress(OSError):  # a full disk makes close() fail; the file is to go anyway
                stream.close()
            part.unlink(missing_ok=True)
            if published:
                target.unlink(missing_ok=True)

        return Writing(stream, publish, discard)


class Bucket:
    """`s3://`: an object appears when its upload is completed, so no temporary name is needed.

    A process that dies in the middle of an upload leaves its parts; give the bucket a lifecycle rule
    for incomplete multipart uploads.
    """

    def __init__(self, root: str, options: dict[str, str]) -> None:
        self._root = root
        self._options = options

    def __str__(self) -> str:
        return f"s3://{self._root}"

    @cached_property
    def fs(self) -> Any:
        """The S3 file system; it keeps no listings, as other processes write to the bucket."""
        import s3fs

        given = dict(self._options)
        region = given.pop("region", None)
        client = {"region_name": region} if region else {}
        return s3fs.S3FileSystem(client_kwargs=client, use_listings_cache=False, **given)

    def locate(self, name: str) -> str:
        """Return bucket and key."""
        if "?versionId=" in name:  # s3fs would read another object than the one named
            raise FileRefused(f"{show(name)} asks for a version of an object; leave out ?versionId=")
        return f"{self._root}/{name}"

    def write(self, path: str) -> Writing:
        """Write an object, in parts when it is larger than one block."""
        stream = self.fs.open(path, "wb", block_size=BLOCK_BYTES)
        published = False

        def publish() -> None:
            nonlocal published
            stream.close()
            published = True

        def discard() -> None:
            stream.closed = True  # else the garbage collector would complete the upload
            stream.discard()
            if published:
                self.fs.rm_file(path)

        return Writing(stream, publish, discard)


def place_of(url: str) -> Place:
    """Return the folder or bucket a FILES_URL names, without I/O; raises ValueError for any other URL."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not path.startswith("/") or parts.query:
            raise ValueError(f"a file:// URL names an absolute folder and nothing else; {_EXAMPLE}")
        return Folder(Path(path))
    if parts.scheme == "s3":
        if not parts.netloc or "@" in parts.netloc:
            raise ValueError(f"an s3:// URL begins with its bucket, credentials are options; {_EXAMPLE}")
        query = parts.query.replace("+", "%2B")  # AWS secrets have plus signs; a form's blank is not meant
        options = dict(parse_qsl(query, keep_blank_values=True))
        if unknown := sorted(options.keys() - {"endpoint_url", "key", "secret", "token", "region"}):
            raise ValueError(f"an s3:// URL has no option {', '.join(unknown)}; {_EXAMPLE}")
        return Bucket("/".join([parts.netloc, *filter(None, path.split("/"))]), options)
    raise ValueError(f"files live below file:// or s3://, not {parts.scheme or 'nothing'}://; {_EXAMPLE}")


def show(name: object) -> str:
    """Return a name from outside as text that fits a sentence and a log line."""
    text = str(name)
    return repr(text if len(text) <= 100 else text[:100] + "…")
