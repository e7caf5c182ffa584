"""The frame of every page: templates, static files with their version, headers; the pages call it.

Static files are read once at the start. Every address of one carries `?v=`, a digest of all of them, so
that browsers keep them for good and still see a new release at once.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import falcon
import falcon.asgi
import jinja2

import callboard
from callboard.access.principal import Principal
from callboard.access.roles import Role
from callboard.tasks.times import to_rfc3339
from web import query
from web.access import CHANGES, needs, opens
from web.compressed import takes_gzip

Request = falcon.asgi.Request
Response = falcon.asgi.Response

HERE: Final = Path(__file__).parent

#: Nothing inline, nothing from other hosts.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FOR_EVER: Final = "public, max-age=31536000, immutable"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_IMPORT: Final = re.compile(r'((?:from|import) ")\./([a-z-]+\.js)(")')
#: Characters that reorder or hide what is around them; the same set as in static/json.js.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One static file; `imports` are the modules it needs, directly or not."""

    data: bytes
    packed: bytes
    content_type: str
    tag: str
    imports: tuple[str, ...] = ()


def visible(text: object) -> str:
    """Return text with hidden and direction-changing characters written as their escapes."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


class Site:
    """Renders pages and knows the static files; one per process."""

    def __init__(self) -> None:
        found = {path.name: path for path in sorted((HERE / "static").iterdir()) if path.suffix in _TYPES}
        digest = hashlib.sha256()
        for path in found.values():
            digest.update(path.read_bytes())
        self.version: Final = digest.hexdigest()[:12]
        self.files: Final = {name: self._file(path) for name, path in found.items()}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"static": self.address, "imports": self.imports}
        self._templates.globals |= {"version": callboard.__version__}
        self._templates.filters |= {"visible": visible, "rfc3339": to_rfc3339}

    def _file(self, path: Path) -> StaticFile:
        text = path.read_text("utf-8")
        names = self._needs(path.name) if path.suffix == ".js" else ()
        if names:  # a module and what it imports have to come from the same release
            text = _IMPORT.sub(rf"\1./\2?v={self.version}\3", text)
        data = text.encode()
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        return StaticFile(data, gzip.compress(data, 9, mtime=0), _TYPES[path.suffix], tag, names)

    def _needs(self, name: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            text = (HERE / "static" / waiting.pop()).read_text("utf-8")
            new = [each[2] for each in _IMPORT.finditer(text) if each[2] not in found]
            found |= dict.fromkeys(new)
            waiting += new
        return tuple(found)

    def address(self, name: str) -> str:
        """Return the address of a static file; raises KeyError for one that is not there."""
        assert name in self.files, name  # noqa: S101 - a template's mistake
        return f"/static/{name}?v={self.version}"

    def imports(self, *names: str) -> list[str]:
        """Return the addresses of all modules that these need, to be loaded with them and not after."""
        needed = dict.fromkeys(each for name in names for each in self.files[name].imports)
        return [self.address(each) for each in needed if each not in names]

    def send(self, req: Request, resp: Response, template: str, status: int = 200, **values: Any) -> None:
        """Answer with a page, or with 304 when the browser has this very one."""
        who: Principal | None = req.context.get("principal")
        values["me"] = who if who is not None and who.kind == "session" else None
        role = Role.ADMIN if who is None else who.role
        values["changes"] = sorted(CHANGES[role])
        values["may"] = CHANGES[role].__contains__
        values["opens"], values["needs"] = partial(opens, role), needs
        data = self._templates.get_template(template).render(values).encode("utf-8", "replace")
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        resp.set_headers(
            {
                "Content-Security-Policy": POLICY,
                # With "no-referrer" a browser's own forms would come with `Origin: null`.
                "Referrer-Policy": "same-origin",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-cache" if values["me"] is None else "private, no-cache",
                "Vary": "Cookie",
                "ETag": tag,
            }
        )
        if status == 200 and query.none_match(req, tag):
            resp.status = 304
            return
        resp.status = status
        resp.content_type = "text/html; charset=utf-8"
        resp.data = data


class Static:
    """`GET /static/{name}`: scripts and styles; no other file can be named."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def on_get(self, req: Request, resp: Response, name: str) -> None:
        """Send one file; `?v=` of this release lets the browser keep it for good."""
        file = self._site.files.get(name)
        if file is None:
            raise falcon.HTTPNotFound
        resp.set_header("ETag", file.tag)
        resp.set_header("Vary", "Accept-Encoding")
        resp.set_header("X-Content-Type-Options", "nosniff")
        kept = req.params.get("v") == self._site.version
        resp.set_header("Cache-Control", FOR_EVER if kept else "no-cache")
        if query.none_match(req, file.tag):
            resp.status = 304
            return
        resp.content_type = file.content_type
        if takes_gzip(req):
            resp.set_header("Content-Encoding", "gzip")
            resp.data = file.packed
        else:
            resp.data = file.data
