"""The ASGI application: every route and every middleware on this one screen."""

from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi

from callboard import logs
from callboard.errors import CallboardError
from callboard.service import Service
from callboard.tasks.ids import new_task_id
from web import (
    bulk,
    discovery,
    docs,
    health,
    keys,
    live,
    pages,
    pages_access,
    pages_fleet,
    pages_schedules,
    pages_tasks,
    problems,
    queues,
    schedules,
    sign_in,
    tasks,
)
from web.files import FileUploads
from web.guard import Guard
from web.metrics import Measure, Metrics
from web.origin import OriginCheck
from web.site import Site, Static
from web.sockets import TaskSocket
from web.stats import Stats
from web.streams import Streams
from web.traces import TraceRequests
from web.worker import StreamEndingWorker

App = falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]


def create_app(
    make_service: Callable[[], Service], *, traced: bool = False, measure: Measure | None = None
) -> App:
    """Return the application; the service is made and started with the process's event loop."""
    guard = Guard()
    lifespan = Lifespan(make_service, guard, measure or Measure())
    middleware: list[Any] = [lifespan, lifespan.measure, RequestId(), OriginCheck(), guard]
    if traced:
        middleware.insert(3, lifespan.trace)
    app = App(middleware=middleware)
    lifespan.app = app
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.keep_blank_qs_values = True
    app.add_error_handler(Exception, problems.on_unexpected)
    app.add_error_handler(falcon.HTTPError, problems.on_http_error)
    app.add_error_handler(CallboardError, problems.on_callboard_error)
    return app


def add_routes(app: App, service: Service, streams: Streams, site: Site, guard: Guard) -> None:
    """Add every address there is."""

    def add(path: str, resource: Any) -> None:
        if hasattr(resource, "on_get"):
            resource.on_head = resource.on_get  # HEAD is GET without the body (RFC 9110, section 9.3.2)
        app.add_route(path, resource)

    board, submitter = service.board, service.submitter
    add("/api/tasks", tasks.Tasks(submitter, board, service.access))
    add("/api/tasks/batch", tasks.Batch(submitter, service.access, service.metrics))
    add("/api/tasks/bulk", bulk.BulkOrders(service.bulk))
    add("/api/tasks/{task_id}", tasks.Task(board, service.access))
    add("/api/tasks/{task_id}/cancel", tasks.Cancel(board))
    add("/api/tasks/{task_id}/retry", tasks.Retry(board))
    add("/api/tasks/{task_id}/logs", tasks.Logs(board))
    add("/api/tasks/{task_id}/events", live.TaskEvents(board, streams))
    add("/api/events", live.AllEvents(board, service.types_by_queue(), streams))
    add("/ws/tasks/{task_id}", TaskSocket(board, streams))
    add("/api/operations", bulk.Operations(service.bulk))
    add("/api/operations/{operation_id}", bulk.Operation(service.bulk, service.access))
    add("/api/operations/{operation_id}/cancel", bulk.CancelOperation(service.bulk))
    plans = service.schedules
    add("/api/schedules", schedules.AllSchedules(plans))
    add("/api/schedules/preview", schedules.Preview(plans))
    add("/api/schedules/{schedule_id}", schedules.OneSchedule(plans))
    add("/api/schedules/{schedule_id}/pause", schedules.Pause(plans))
    add("/api/schedules/{schedule_id}/resume", schedules.Resume(plans))
    add("/api/schedules/{schedule_id}/run", schedules.RunNow(plans, service.access))
    add("/api/dead-letters", bulk.DeadLetterGroups(service.dead_letters))
    add("/api/files", FileUploads(service.files))
    add("/api/task-types", discovery.TaskTypes(service))
    add("/api/queues", queues.AllQueues(service.queues))
    add("/api/queues/{name}", queues.Queue(service.queues))
    add("/api/queues/{name}/pause", queues.Pause(service.queues))
    add("/api/queues/{name}/resume", queues.Resume(service.queues))
    add("/api/queues/{name}/purge", queues.Purge(service.queues))
    add("/api/workers", discovery.Workers(service))
    add("/api/stats", Stats(board))
    add("/metrics", Metrics(service))
    add("/api/keys", keys.Keys(service.access))
    add("/api/keys/{key_id}", keys.Key(service.access))
    add("/api/audit", keys.AuditTrail(service.access))
    add("/api/whoami", keys.WhoAmI(service.access))
    document = docs.describe(service)
    add("/api/openapi.json", docs.OpenApi(document))
    add("/api/health", health.Problems(service.health))
    add("/healthz", health.Live())
    add("/readyz", health.Ready(service))
    add("/", pages.Home(site, board, service.health))
    add("/tasks", pages_tasks.TaskList(site, service))
    add("/tasks/{task_id}", pages_tasks.TaskPage(site, service))
    add("/observe", pages_tasks.Observe(site, board))
    add("/failed", pages_fleet.Failed(site, service))
    add("/schedules", pages_schedules.SchedulesPage(site, plans))
    add("/schedules/new", pages_schedules.NewSchedule(site))
    add("/schedules/{schedule_id}", pages_schedules.SchedulePage(site, plans))
    add("/queues", pages_fleet.QueuesPage(site, service))
    add("/workers", pages_fleet.WorkersPage(site, service))
    add("/keys", pages_access.KeysPage(site, service.access))
    add("/audit", pages_access.AuditPage(site, service.access))
    add("/docs", docs.DocsPage(site, document, service.access.required))
    add("/sign-in", sign_in.SignIn(service.access, site, guard))
    add("/sign-out", sign_in.SignOut(service.access))
    add("/static/{name}", Static(site))
    app.add_sink(pages_tasks.Missing(site), r"/(?!api/|ws/|static/)")


class Lifespan:
    """Starts and stops the service with the process; start-up needs neither RabbitMQ nor Redis."""

    def __init__(self, make_service: Callable[[], Service], guard: Guard, measure: Measure) -> None:
        self._make_service = make_service
        self._guard = guard
        self._service: Service | None = None
        self.app: App | None = None
        self.measure = measure
        self.trace = TraceRequests()

    async def process_startup(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        """Make the service on this event loop, add its routes and start it."""
        self._service = self._make_service()
        assert self.app is not None  # noqa: S101 - set in create_app
        settings = self._service.settings
        if self._service.traces is not None:
            self.trace.traces = self._service.traces
        self.measure.logs = settings.access_log
        self.measure.metrics = metrics = self._service.metrics
        limits = (settings.streams_per_client, settings.streams)
        streams = Streams(*limits, settings.heartbeat, metrics.watchers)
        site = Site()
        add_routes(self.app, self._service, streams, site, self._guard)
        self._guard.open(self._service.access, site)
        self._service.access.keyring.on_end(streams.end_of)
        self._service.start()
        StreamEndingWorker.on_exit += [self._service.hub.end_all, streams.end_all]

    async def process_shutdown(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        """Finish what is under way."""
        if self._service is not None:
            await self._service.stop()


class RequestId:
    """Gives every request an id: the client's own X-Request-ID if it is sane, else a fresh one."""

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Put the id into the request's context and the answer."""
        given = req.get_header("X-Request-ID")
        sane = given is not None and len(given) <= 128 and given.isascii() and given.isprintable()
        request_id = given if sane else new_task_id()
        req.context["request_id"] = request_id
        resp.set_header("X-Request-ID", str(request_id))
        logs.bind_only(request_id=request_id)  # until the next request of this connection
