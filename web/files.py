"""`POST /api/files`: streams an upload into FILES_URL; `file_processing` takes its `file_id`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import falcon.asgi

from callboard.files import Files, FileTooLarge, Upload
from web import query
from web.problems import RequestProblem
from web.tasks import answer

Request = falcon.asgi.Request
Response = falcon.asgi.Response

#: Bytes written at a time.
CHUNK: Final = 256 * 1024


class FileUploads:
    """`POST /api/files`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def on_post(self, req: Request, resp: Response) -> None:
        """Store one file: the raw body, or the part `file` of a multipart form."""
        query.only(req, ("filename",))
        if (req.content_length or 0) > self._files.max_upload_bytes + 64 * 1024:
            raise RequestProblem("too-large", f"a file may have {self._files.max_upload_bytes} bytes")
        kind = (req.content_type or "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            async for part in await req.get_media():
                if part.name == "file":
                    answer(resp, await self._store(part.filename, part.stream), 201)
                    return
            raise query.refuse("file", "is required: send a part named file, e.g. curl -F file=@data.csv")
        answer(resp, await self._store(query.one(req, "filename"), req.stream), 201)

    async def _store(self, filename: str | None, stream: AsyncIterator[bytes]) -> dict[str, object]:
        upload: Upload = await asyncio.to_thread(self._files.start_upload, filename)
        try:
            waiting = bytearray()
            async for chunk in stream:
                waiting += chunk
                if len(waiting) >= CHUNK:
                    await asyncio.to_thread(upload.write, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(upload.write, bytes(waiting))
            stored = await asyncio.to_thread(upload.commit)
        except FileTooLarge as error:
            await asyncio.to_thread(upload.abort)
            raise RequestProblem("too-large", str(error)) from error
        except BaseException:
            await asyncio.to_thread(upload.abort)
            raise
        return {
            "file_id": stored.file_id,
            "filename": stored.filename,
            "size": stored.size,
            "sha256": stored.sha256,
        }
