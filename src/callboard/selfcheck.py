"""`callboard health`: does the process of this container (or host) do its work? For HEALTHCHECK and its like.

Web and dashboard are asked over HTTP; workers and schedulers, which listen to nothing, by their heartbeats.
"""

import socket
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Final

from callboard.errors import CallboardError, Unavailable
from callboard.settings import Settings
from callboard.store import schedulers, workers
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore

ROLES: Final = ("web", "worker", "scheduler", "dashboard")
#: Seconds a process has to answer, and since a scheduler's last heartbeat.
_ANSWER_S: Final = 5.0
_SILENT_S: Final = 30.0


class Unhealthy(CallboardError):
    """The process does not do its work; the text says what is missing."""

    code = "unhealthy"


def role_of_container(command_line: Path = Path("/proc/1/cmdline")) -> str:
    """Return what the first process of this container was started as; raises CallboardError."""
    try:
        words = command_line.read_bytes().decode().split("\0")
    except (OSError, ValueError):
        words = []
    for before, word in pairwise(words):
        if Path(before).name == "callboard" and word in ROLES:
            return word
    raise CallboardError(f"health: say what to ask: callboard health {'|'.join(ROLES)}")


def check(role: str, settings: Settings) -> str:
    """Return what was seen of a healthy process of this host; raises Unhealthy."""
    if role == "web":
        return _answers(settings.port, "/healthz")
    if role == "dashboard":
        return _answers(settings.dashboard_port, "/healthz")
    client = sync_client(settings.redis_url)
    try:
        store, keys, host = SyncStore(client), keys_for(settings.namespace), socket.gethostname()
        if role == "worker":
            found = [each for each in store.run(workers.live(keys)) if each.host == host]
            if not found:
                raise Unhealthy(f"no worker of {host} has a heartbeat in Redis")
            return f"{len(found)} workers of {host} live"
        seen = store.run(schedulers.seen(keys))
        ages_s = [(seen.now - at) / 1000 for name, at in seen.beats.items() if name.startswith(f"{host}:")]
        if not ages_s or min(ages_s) > _SILENT_S:
            raise Unhealthy(f"no scheduler of {host} has a heartbeat in Redis")
        return f"the scheduler of {host} lives"
    except Unavailable as error:
        raise Unhealthy(str(error)) from error
    finally:
        client.close()


def _answers(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise Unhealthy(f"port {port} does not answer: {type(error).__name__}") from error
    finally:
        connection.close()
    if status != 200:
        raise Unhealthy(f"port {port} answers {status}")
    return f"port {port} answers {status}"
