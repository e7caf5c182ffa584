"""dramatiq-dashboard's application with our data behind it and our frame around its pages.

Its routes, lists, pages and CSRF check are used as they are. Its delete and requeue are not: a requeue
deletes the message before it enqueues the copy.
"""

import mimetypes
from contextvars import ContextVar
from importlib.resources import files
from typing import Any, Final

import jinja2
from dramatiq.common import q_name
from dramatiq_dashboard.application import DashboardApp
from dramatiq_dashboard.csrf import csrf_protect
from dramatiq_dashboard.http import HTTP_405, handler, redirect

import callboard
from callboard.dashboard.records import Records, tab_of, tab_of_queue

#: Whether who asks may change anything; the package's templates are not told of it.
may_change: Final = ContextVar("may_change", default=False)
#: What a page says after something was done, by the value of `?done=`.
NOTICES: Final = {
    "cancelled": "The task was cancelled: it will not run.",
    "asked": "The running task was asked to stop. It ends as cancelled as soon as it notices.",
    "deleted": "The task was deleted.",
    "queued": "The task is queued again, under the same id.",
    "later": "The task is queued again, but RabbitMQ did not answer. Its message is sent as soon as it does.",
}
#: Static files by their path, with their content type.
STATIC: Final = {
    f"/static/{each.name}": (mimetypes.guess_type(each.name)[0] or "text/plain", each.read_bytes())
    for each in (files("callboard.dashboard") / "static").iterdir()
}


class _NoRedis:
    """What DashboardApp wants of a RedisBroker while it is made; nothing is ever asked of it."""

    namespace = ""
    queues: tuple[str, ...] = ()

    @property
    def client(self) -> "_NoRedis":
        return self

    def register_script(self, script: bytes) -> None:
        """Take no script."""


class Dashboard(DashboardApp):  # type: ignore[misc]  # the package has no types
    """The WSGI application; everything that guards it is in gate.py."""

    def __init__(self, records: Records) -> None:
        super().__init__(_NoRedis(), "")
        self.iface = records
        ours = jinja2.PackageLoader("callboard.dashboard", "templates")
        theirs = self.templates.loader
        self.templates.loader = jinja2.ChoiceLoader([ours, jinja2.PrefixLoader({"package": theirs}), theirs])
        self.templates.globals |= {"version": callboard.__version__, "notices": NOTICES}
        self.templates.globals["may_change"] = may_change.get

    def job(self, req: Any, start_response: Any, *, name: str, current_tab: str, message_id: str) -> Any:
        """Show a task on the tab of its state; an address of an earlier state leads there."""
        tab = tab_of(self.iface.record(name, message_id).status)
        if tab != current_tab and current_tab != "standard":
            return self._to(req, start_response, self.make_uri("queues", name, tab, message_id))
        return super().job(req, start_response, name=name, current_tab=current_tab, message_id=message_id)

    @handler  # type: ignore[untyped-decorator]
    def _to(self, _req: Any, address: str) -> Any:
        return redirect(address)

    @handler  # type: ignore[untyped-decorator]
    @csrf_protect  # type: ignore[untyped-decorator]
    def delete_message(self, req: Any) -> Any:
        """Cancel or forget the task of a form."""
        if req.method != "POST":  # the package checks the token of POSTs only
            return HTTP_405, ""
        queue, task_id = req.post_data["queue"], req.post_data["id"]
        done = self.iface.delete_message(queue, task_id)
        return redirect(self.make_uri("queues", q_name(queue), tab_of_queue(queue), params={"done": done}))

    @handler  # type: ignore[untyped-decorator]
    @csrf_protect  # type: ignore[untyped-decorator]
    def requeue_message(self, req: Any) -> Any:
        """Run the task of a form again, under its id; lead to its page."""
        if req.method != "POST":
            return HTTP_405, ""
        queue, task_id = req.post_data["queue"], req.post_data["id"]
        done = self.iface.requeue_message(queue, task_id)
        return redirect(self.make_uri("queues", q_name(queue), "standard", task_id, params={"done": done}))

    def page(self, template: str, **values: Any) -> str:
        """Return a page of ours, for what the package has no page for."""
        return str(self.templates.get_template(template).render(values))
