"""The composition root: settings → adapters → a wired worker, scheduler or web service.

Nothing else builds adapters, and nothing is built at import.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import dramatiq
from prometheus_client import CollectorRegistry

from callboard.access.wiring import access
from callboard.board import Board
from callboard.broker.embedded import EmbeddedBroker
from callboard.broker.embedded_publisher import EmbeddedPublisher
from callboard.broker.publisher import Publisher
from callboard.broker.rabbitmq import WorkerBroker
from callboard.broker.topology import Topology
from callboard.bulk import Bulk
from callboard.carry_out import CarryOut
from callboard.dead_letters import DeadLetters
from callboard.encoding import MsgspecEncoder
from callboard.errors import SettingsError
from callboard.files import Files
from callboard.flow import Flow
from callboard.health.judge import Limits
from callboard.health.watch import Health
from callboard.live.hub import Hub
from callboard.metrics.exposition import Exposition, WorkerEndpoint
from callboard.metrics.fleet import Fleet
from callboard.metrics.processes import SharedFiles
from callboard.metrics.web import WebMetrics
from callboard.metrics.worker import WorkerMetrics
from callboard.pressure import Pressure
from callboard.queues import Queues
from callboard.reconcile import Reconciler
from callboard.scheduler.clock import LOOK_S, Clock, run_here
from callboard.scheduler.dispatch import Dispatcher
from callboard.scheduler.process import SchedulerProcess
from callboard.scheduler.ticks import QUEUE as PERIODIC
from callboard.scheduler.ticks import declare_ticks
from callboard.scheduler.trim import Trimmer
from callboard.schedules import Schedules
from callboard.service import Service
from callboard.settings import Settings, from_env, worker_id
from callboard.store import calls, schedulers
from callboard.store.aio import AsyncStore
from callboard.store.clients import async_client, sync_client
from callboard.store.keys import Keys, keys_for
from callboard.store.results import RecordResults
from callboard.store.subscription import SyncSubscription
from callboard.store.sync import SyncStore
from callboard.submit import Submitter
from callboard.tasks.registry import Registry, load
from callboard.tasks.run import Resources
from callboard.tasks.times import now_ms
from callboard.traces import Traces, traces_of
from callboard.worker.actor import make_actor
from callboard.worker.apart import Apart
from callboard.worker.cancel import CancelListener
from callboard.worker.execute import Executor
from callboard.worker.heartbeat import Heartbeat
from callboard.worker.insist import Insist
from callboard.worker.loop import PriorityWorker, Unknown
from callboard.worker.middleware import middleware
from callboard.worker.outcome import describe
from callboard.worker.pause import PauseListener
from callboard.worker.process import WorkerProcess
from callboard.worker.report import Flusher
from callboard.worker.running import Running
from callboard.worker.sharing import Sharing
from callboard.worker.watch import Watch


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What worker, scheduler and embedded mode share within one process."""

    settings: Settings
    registry: Registry
    keys: Keys
    store: SyncStore
    broker: Any
    #: What this process counts.
    counted: CollectorRegistry = field(default_factory=CollectorRegistry)
    traces: Traces | None = None


def parts(settings: Settings) -> Parts:
    """Build the registry, the blocking store and the dramatiq broker; connects to nothing yet."""
    keys = keys_for(settings.namespace)
    store = SyncStore(sync_client(settings.redis_url))
    chain = middleware(RecordResults(store, keys))
    dramatiq.set_encoder(MsgspecEncoder())
    broker: Any
    if settings.embedded:
        broker = EmbeddedBroker(chain)
    else:
        broker = WorkerBroker(settings.broker_url, topology(settings), chain, dead_ttl_s=settings.result_ttl)
    return Parts(settings=settings, registry=load(settings.actors), keys=keys, store=store, broker=broker)


def topology(settings: Settings) -> Topology:
    """Return the names and declarations in RabbitMQ."""
    return Topology(settings.namespace, settings.queue_type)


def limits(settings: Settings) -> Limits:
    """Return when health calls a number a problem."""
    return Limits(
        waiting_s=settings.health_waiting,
        depth=settings.health_depth,
        failed_share=settings.health_failures / 100,
        dead=settings.health_dead,
    )


def files(settings: Settings) -> Files:
    """Return the folder or bucket of CALLBOARD_FILES_URL."""
    try:
        return Files(settings.files_url, max_upload_bytes=settings.upload_limit)
    except ValueError as error:
        raise SettingsError(f"CALLBOARD_FILES_URL: {error}") from error


def resources(settings: Settings) -> Resources:
    """Return what tasks may use of the installation."""
    return Resources(smtp_url=settings.smtp_url, mail_from=settings.mail_from, files=files(settings))


def connect(settings: Settings | None = None) -> Registry:
    """Bind the task types of this installation to its broker, so that `reverse_text.send(…)` works.

    For Python code beside Callboard's own processes. Raises SettingsError, RegistrationError.
    """
    made = parts(settings or from_env())
    dramatiq.set_broker(made.broker)  # where `message.get_result()`, pipelines and groups look
    for task_type in made.registry:
        make_actor(task_type, made.broker, None)
    return made.registry


def worker(settings: Settings, queues: list[str] | None = None, made: Parts | None = None) -> WorkerProcess:
    """Build a worker process for some queues (default: all).

    Raises SettingsError when a queue has no task type.
    """
    made = made or replace(parts(settings), traces=traces_of(settings, "callboard-worker"))
    known = made.registry.queues()
    wanted = queues or known
    if unknown := sorted(set(wanted) - set(known)):
        raise SettingsError(f"--queues: no task type uses {', '.join(unknown)}; known: {', '.join(known)}")
    running, flusher, insist = Running(), Flusher(), Insist()
    metrics = WorkerMetrics(made.counted)
    name = worker_id()

    def fail(task_id: str, actor_name: str) -> None:
        error = LookupError(f"no worker knows the task type {actor_name!r}")
        made.store.run(calls.fail_unclaimed(made.keys, task_id, describe(error), settings.result_ttl))

    loop = PriorityWorker(
        made.broker, Unknown(made.broker, fail), queues=set(wanted), threads=settings.threads
    )
    executor = Executor(
        store=made.store,
        outlet=made.broker,
        keys=made.keys,
        worker=name,
        resources=resources(settings),
        running=running,
        flusher=flusher,
        insist=insist,
        metrics=metrics,
        traces=made.traces,
        give_up_thread=loop.give_up,
        refuse=loop.refuse,
        apart=None if settings.embedded else Apart(settings),
        result_ttl_s=settings.result_ttl,
        result_limit=settings.result_limit,
    )
    for task_type in made.registry:
        make_actor(task_type, made.broker, executor)

    return WorkerProcess(
        broker=made.broker,
        store=made.store,
        keys=made.keys,
        loop=loop,
        heartbeat=Heartbeat(made.store, made.keys, name, running, sorted(wanted), settings.threads),
        flusher=flusher,
        watch=Watch(running),
        cancels=CancelListener(
            SyncSubscription(sync_client(settings.redis_url), made.keys.cancel_requests), running
        ),
        pauses=PauseListener(
            SyncSubscription(sync_client(settings.redis_url), made.keys.queue_changes),
            made.store,
            made.keys,
            loop.hold,
        ),
        sharing=Sharing(made.store, made.keys, name, loop),
        running=running,
        insist=insist,
        metrics=metrics,
        endpoint=WorkerEndpoint(made.counted, settings),
        traces=made.traces,
        drain_timeout_s=settings.drain_timeout,
        alone=not settings.embedded,
    )


def scheduler(
    settings: Settings,
    made: Parts | None = None,
    clock: Callable[[], int] = now_ms,
    look_s: float = LOOK_S,
) -> SchedulerProcess:
    """Build a scheduler; any number of them may run.

    It goes by `clock` (milliseconds since the epoch), which it looks at every `look_s` seconds.
    """
    made = made or parts(settings)
    name = worker_id()
    actors = declare_ticks(
        made.broker,
        made.store,
        made.keys,
        Trimmer(made.store, made.keys, settings.result_ttl),
        Dispatcher(made.store, made.keys, made.registry, made.broker, clock),
    )

    def beat() -> None:
        made.store.run(schedulers.beat(made.keys, name))

    return SchedulerProcess(
        name=name,
        clock=Clock(actors, beat, run_here if settings.embedded else None, clock, look_s, made.broker.rest),
        store=made.store,
        keys=made.keys,
        loop=None if settings.embedded else dramatiq.Worker(made.broker, queues={PERIODIC}, worker_threads=2),
    )


def service(settings: Settings, shared: SharedFiles | None = None) -> Service:
    """Build the web process's service; in embedded mode, worker and scheduler with it.

    Call from the running event loop. `shared` is where several web processes count together.
    """
    keys = keys_for(settings.namespace)
    inside: list[Any] = []
    counted = CollectorRegistry()
    metrics = WebMetrics(counted)
    traces = traces_of(settings, "callboard-web")
    publisher: Publisher | EmbeddedPublisher
    if settings.embedded:
        made = replace(parts(settings), counted=counted, traces=traces)
        registry = made.registry
        inside = [worker(settings, made=made), scheduler(settings, made)]
        publisher = EmbeddedPublisher(made.broker)
    else:
        registry = load(settings.actors)
        publisher = Publisher(
            settings.broker_url, topology(settings), registry.queues(), settings.confirm_timeout
        )
    store = AsyncStore(async_client(settings.redis_url))
    pressure = Pressure(store, keys, registry.types_by_queue(), settings.queue_limit)
    submitter = Submitter(registry, store, publisher, keys, pressure=pressure, metrics=metrics, traces=traces)
    carry_out = CarryOut(store, keys, submitter, worker_id(), settings.result_ttl)
    bulk = Bulk(store, keys, settings.result_ttl, carry_out.wake)
    by_queue = registry.types_by_queue()
    flow = Flow(store, keys, [each.name for each in registry])
    hub = Hub(async_client(settings.redis_url), keys.prefix)
    return Service(
        settings=settings,
        registry=registry,
        board=Board(store, keys, submitter, hub, settings.result_ttl),
        submitter=submitter,
        files=files(settings),
        publisher=publisher,
        store=store,
        hub=hub,
        keys=keys,
        reconciler=Reconciler(store, keys, submitter, publisher, pressure),
        bulk=bulk,
        carry_out=carry_out,
        dead_letters=DeadLetters(store, keys),
        health=Health(store, keys, publisher, flow, by_queue, limits(settings), embedded=settings.embedded),
        queues=Queues(store, keys, by_queue, flow, bulk),
        access=access(settings, store, keys),
        metrics=metrics,
        traces=traces,
        exposition=Exposition(counted, shared),
        fleet=Fleet(store, keys, by_queue, publisher.problem),
        schedules=Schedules(store, keys, submitter, settings.schedule_limit),
        inside=inside,
    )
