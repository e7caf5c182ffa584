"""All checks in their order; `callboard doctor` prints what they find."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from callboard.bootstrap import topology
from callboard.doctor import processes, rabbitmq_server, records, redis_server, surroundings
from callboard.doctor.finding import Finding, Verdict, fail, without_secrets
from callboard.doctor.rabbitmq_server import Depths
from callboard.errors import Unavailable
from callboard.scheduler.ticks import QUEUE as PERIODIC
from callboard.settings import Settings
from callboard.store import look
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from callboard.tasks.registry import Registry, load


def examine(settings: Settings, rabbitmq_conf: Path | None = None) -> list[Finding]:
    """Look at the installation that these settings describe; nothing in it is changed.

    `rabbitmq_conf` is its rabbitmq.conf, where that can be read.

    Raises RegistrationError when the task types cannot be loaded.
    """
    return without_secrets(list(_all(settings, load(settings.actors), rabbitmq_conf)), settings)


def _all(settings: Settings, registry: Registry, conf: Path | None) -> Iterator[Finding]:
    depths = Depths()
    client = sync_client(settings.redis_url)
    found = list(redis_server.check(client, settings.redis_url))
    yield from found
    longest = max(((each.name, each.time_limit_s) for each in registry), key=lambda each: each[1])
    queues = [*registry.queues(), PERIODIC]
    yield from rabbitmq_server.check(settings.broker_url, topology(settings), queues, longest, depths, conf)
    if found[0].verdict is Verdict.OK or len(found) > 1:
        yield from _inside(settings, registry, SyncStore(client), depths)
    else:
        yield fail("tasks", "not looked at, as Redis cannot be reached", "see above")
    client.close()
    yield surroundings.files(settings.files_url)
    yield surroundings.mail(settings.smtp_url)


def _inside(settings: Settings, registry: Registry, store: SyncStore, depths: Depths) -> Iterable[Finding]:
    keys = keys_for(settings.namespace)
    try:
        now_ms = store.run(look.clock())
        yield from processes.alive(store, keys, registry.queues(), depths)
        yield processes.scheduler(store, keys)
        yield processes.outbox(store, keys, now_ms)
        yield processes.due(store, keys, now_ms)
        by_queue = registry.types_by_queue()
        yield from records.check(store, keys, by_queue, depths, now_ms, settings.result_ttl)
    except Unavailable as error:
        yield fail("tasks", f"could not be looked at: {error}", "see what Redis says above")
