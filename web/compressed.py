"""Long JSON answers that say nothing secret, gzipped for who takes it: statistics and task types.

Nothing else is: an answer that holds a secret beside what somebody sent tells of it by its compressed size.
"""

import gzip
from typing import Any, Final

import falcon
import falcon.asgi
import msgspec

#: Bytes below which it is not worth the time.
WORTH: Final = 1_000
#: Of 1 to 9: 10 kB of statistics take 0.1 ms and become 1 kB.
LEVEL: Final = 3


def takes_gzip(req: falcon.asgi.Request) -> bool:
    """Tell whether the client reads gzip."""
    return "gzip" in (req.get_header("Accept-Encoding") or "")


def answer_compressed(req: falcon.asgi.Request, resp: falcon.asgi.Response, value: Any) -> None:
    """Answer 200 with JSON (bytes are JSON already)."""
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    resp.content_type = falcon.MEDIA_JSON
    resp.append_header("Vary", "Accept-Encoding")
    if len(data) >= WORTH and takes_gzip(req):
        resp.set_header("Content-Encoding", "gzip")
        data = gzip.compress(data, LEVEL, mtime=0)
    resp.data = data
