"""`POST /api/files`: streams an upload into FILES_URL; `file_processing` takes its `file_id`."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

import falcon.asgi

from callboard.errors import Unavailable
from callboard.files import Files, FileTooLarge, StoredFile, Upload
from web import query
from web.body import refuse_coding
from web.problems import RequestProblem
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response
T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Bytes written at a time.
CHUNK: Final = 256 * 1024
#: Bytes a multipart form may have beside the file in it.
FORM_MOST: Final = 64 * 1024


class FileUploads:
    """`POST /api/files`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def on_post(self, req: Request, resp: Response) -> None:
        """Store one file: the raw body, or the part `file` of a multipart form."""
        query.only(req, ("filename",))
        refuse_coding(req)
        most = self._files.max_upload_bytes
        if (req.content_length or 0) > most + FORM_MOST:
            raise RequestProblem("too-large", f"a file may have {most:,} bytes; see CALLBOARD_UPLOAD_LIMIT")
        kind = (req.content_type or "").partition(";")[0].strip().lower()
        stored = await (self._form(req) if kind == "multipart/form-data" else self._raw(req))
        answer(
            resp,
            {
                "file_id": stored.file_id,
                "filename": stored.filename,
                "size": stored.size,
                "sha256": stored.sha256,
            },
            201,
        )

    async def _raw(self, req: Request) -> StoredFile:
        async with self._upload(query.one(req, "filename")) as upload:
            await _write(upload, req.stream)
            return await _in_thread(upload.commit)

    async def _form(self, req: Request) -> StoredFile:
        parts = aiter(await req.get_media())
        part = await anext(parts, None)
        if part is None or part.name != "file":
            raise query.refuse("file", "is required: send a part named file, e.g. curl -F file=@data.csv")
        async with self._upload(query.one(req, "filename") or part.filename) as upload:
            await _write(upload, part.stream)
            # Only after the closing boundary is the file known to be whole.
            async for other in parts:
                raise query.refuse(other.name or "", "is one part too many; send one file")
            return await _in_thread(upload.commit)

    @asynccontextmanager
    async def _upload(self, filename: str | None) -> AsyncIterator[Upload]:
        """Give an upload that leaves nothing behind unless it was committed."""
        upload = await _in_thread(lambda: self._files.start_upload(filename))
        try:
            yield upload
        except FileTooLarge as error:
            raise RequestProblem("too-large", str(error)) from error
        finally:
            await asyncio.to_thread(upload.abort)


async def _write(upload: Upload, stream: AsyncIterable[bytes]) -> None:
    waiting = bytearray()
    async for chunk in stream:
        waiting += chunk
        if len(waiting) >= CHUNK:
            await _in_thread(partial(upload.write, bytes(waiting)))
            waiting.clear()
    await _in_thread(partial(upload.write, bytes(waiting)))


async def _in_thread(work: Callable[[], T]) -> T:
    """Do blocking I/O; raises Unavailable when the disk or the bucket refuses."""
    try:
        return await asyncio.to_thread(work)
    except FileTooLarge:
        raise
    except OSError as error:
        logger.error("cannot store an upload: %s", error)
        raise Unavailable("the file cannot be stored now; the log says why") from error
