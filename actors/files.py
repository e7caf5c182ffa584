"""A file, read once from front to back whatever its size: a task that reads from FILES_URL."""

import codecs
import hashlib
import io
import mimetypes
import re
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

from msgspec import Meta

from actors.tables import NotText, measure_text
from callboard import Invalid, Params, Permanent, current_run, progress, task

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK_BYTES: Final = 256 * 1024
_HEAD_BYTES: Final = 64 * 1024
#: By its first bytes; UTF-32 before UTF-16, whose mark it begins with. Other text has to be UTF-8.
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_TEXTUAL: Final = re.compile(r"text/|application/(.*\+)?(json|xml|javascript|yaml|sql|toml)|image/svg")


class File(Params):
    """What `file_processing` takes: one of the two."""

    filename: Annotated[
        str | None,
        Meta(description="A file below FILES_URL.", examples=["reports/may.csv"]),
    ] = None
    file_id: Annotated[str | None, Meta(description="The id POST /api/files answered.")] = None

    def __post_init__(self) -> None:
        """Take exactly one of the two; what a name may look like is the business of Files."""
        if (self.filename is None) == (self.file_id is None):
            raise Invalid("filename", "give either filename or file_id, and not both")


@task("file_processing", queue="files", time_limit=1200, permanent=(PermissionError,))
def file_processing(params: File) -> dict[str, Any]:
    """Measure a file: size, SHA-256, MIME type; lines and words of text; rows and columns of CSV.

    The file is streamed once. `rows` of a CSV does not count the header, which is the first row unless
    that holds a number; a quoted line break does not end a row. Text is UTF-8, or has a byte order mark.
    """
    files = current_run().resources.files
    try:
        if params.file_id is not None:
            path = files.path_of_upload(params.file_id)
            name = files.filename_of_upload(params.file_id)
        else:
            path = name = params.filename or ""
        size = files.size(path)
        stream = files.open(path)
    except (FileNotFoundError, ValueError) as error:  # missing, or refused: no retry changes that
        raise Permanent(str(error)) from error
    progress(0.0, stage="PROCESSING")
    with stream:
        return {"filename": name, **_measure(_Hashed(stream, size), name)}


class _Hashed(io.RawIOBase):
    """The file underneath: counts and hashes every byte on its way up, and reports progress."""

    def __init__(self, stream: BinaryIO, total: int) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._stream = stream
        self._total = total

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        chunk = self._stream.read(len(view))
        view[: len(chunk)] = chunk
        self.sha256.update(chunk)
        self.size += len(chunk)
        if chunk:  # a file may grow while it is read
            progress(min(1.0, self.size / max(1, self._total)))
        return len(chunk)


def _measure(source: _Hashed, name: str | None) -> dict[str, Any]:
    buffered = io.BufferedReader(source, _BLOCK_BYTES)
    head = buffered.peek()[:_HEAD_BYTES]
    encoding = next((each for mark, each in _MARKS.items() if head.startswith(mark)), "utf-8")
    text = io.TextIOWrapper(buffered, encoding, newline="")
    try:
        found = measure_text(text, head.decode(encoding, "ignore"), name)
        found = {"encoding": encoding.removesuffix("-sig"), **found}
    except (UnicodeError, NotText):
        found = {"encoding": "binary"}
    while source.read(_BLOCK_BYTES):  # what is left of it, for the hash
        pass
    mime = _mime(head, name or "", is_text=found["encoding"] != "binary", is_table="rows" in found)
    return {"size": source.size, "sha256": source.sha256.hexdigest(), "mime": mime, **found}


def _mime(head: bytes, name: str, *, is_text: bool, is_table: bool) -> str:
    """Return the MIME type by content, the name deciding between several that fit."""
    import puremagic

    by_name, packed = mimetypes.guess_type(name)
    by_name = f"application/{packed}" if packed else by_name or ""
    try:
        found = puremagic.magic_string(head, filename=name)
    except (puremagic.PureError, ValueError):  # nothing known begins like this, or the file is empty
        found = []
    kinds = {each.mime_type for each in found}
    if by_name and kinds & {by_name, by_name.replace("/", "/x-")}:
        return by_name
    best = found[0].mime_type if found and found[0].confidence >= 0.3 else ""
    if not is_text:
        return "application/zip" if "application/zip" in kinds else best or "application/octet-stream"
    plain = "text/csv" if is_table else "text/plain"
    return next((each for each in (by_name, best) if _TEXTUAL.match(each)), plain)
