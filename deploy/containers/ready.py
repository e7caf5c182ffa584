"""Waits until every container does its work; before that, looks whether the ports are free."""

import errno
import json
import socket
import time
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from deploy.containers import hopeless
from deploy.containers.compose import Compose, last_line
from deploy.containers.env import Env
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble

#: Seconds from the start of the containers until everything has to be ready.
DEADLINE_S: Final = 180.0
_LOOK_S: Final = 0.4

Say = Callable[[str], None]


def check_ports(env: Env, running: Iterable[str]) -> None:
    """Raise Trouble when another program has a port of a service that is not yet `running`."""
    for name in env.services:
        port = SERVICES[name].port
        if port is None or name in running:
            continue
        address, number = env.port(name)
        try:
            free = _is_free(address, number)
        except OSError:
            raise Trouble(
                f".env: {port.address_variable}={address} is no address of this host; 0.0.0.0 stands for all"
            ) from None
        if not free:
            other = number + 1 if number < 65_535 else number - 1
            raise Trouble(
                f"port {number} of {address} is taken; choose another one for {name} in .env, "
                f"e.g. {port.variable}={other}"
            )


def wait_ready(compose: Compose, names: Iterable[str], say: Say, deadline_s: float = DEADLINE_S) -> None:
    """Wait until all containers of these services do their work, telling each that does.

    Raises Trouble when one has ended, cannot get there by waiting, or does not within `deadline_s` seconds.
    """
    began = time.monotonic()
    watch = hopeless.Watch(compose)
    open_checks = {name: _check_of(name) for name in _in_order(names)}
    while open_checks:
        reasons = dict.fromkeys(open_checks, "")
        for name, check in list(open_checks.items()):
            if found := check(compose, name):
                reasons[name] = found
                if name == "web":
                    break  # the others wait for the same servers and cost more to ask
                continue
            # The API is ready when it reaches both.
            done = [name, *(each for each in ("rabbitmq", "redis") if name == "web" and each in open_checks)]
            for each in done:
                del open_checks[each]
                say(f"  {each:<14}ready after {time.monotonic() - began:.1f} s")
            if name == "web":
                break
        if open_checks:
            watch.look({name: reasons[name] for name in open_checks})
            if time.monotonic() - began > deadline_s:
                why = "; ".join(f"{name}: {reasons[name]}" for name in open_checks if reasons[name])
                raise Trouble(f"not ready after {deadline_s:g} s: {why}; see `make logs`")
            time.sleep(_LOOK_S)


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != "web", list(SERVICES).index(name)))


Check = Callable[[Compose, str], str | None]


def _check_of(name: str) -> Check:
    if name == "web":
        return _web
    if name == "dashboard":
        return _dashboard
    if SERVICES[name].count:
        return _workers
    if SERVICES[name].ours:
        return _own
    if name == "rabbitmq":
        return lambda compose, service: _asked(
            compose, service, "rabbitmq-diagnostics", "-q", "check_port_connectivity"
        )
    if name == "redis":
        return lambda compose, service: _asked(compose, service, "redis-cli", "PING")
    return lambda compose, service: None if compose.running(service) else "is not running"


def _web(compose: Compose, name: str) -> str | None:
    """Return why the API is not ready, or None."""
    status, body = _get(compose.env, name, "/readyz")
    if status == 200:
        return None
    servers = [body.get(server) for server in ("rabbitmq", "redis")]
    problems = [each["problem"] for each in servers if isinstance(each, dict) and "problem" in each]
    return "; ".join(problems) or (f"answers {status}" if status else "no answer")


def _dashboard(compose: Compose, name: str) -> str | None:
    status, _ = _get(compose.env, name, "/healthz")
    return None if status == 200 else f"answers {status}" if status else "no answer"


def _workers(compose: Compose, name: str) -> str | None:
    """Return why not every worker of a service takes tasks; all are asked in one go where the API runs."""
    if "web" not in compose.env.services:
        return _own(compose, name)
    running = compose.running(name)
    if len(running) < compose.env.count(name):
        return f"{len(running)} of {compose.env.count(name)} containers run"
    status, body = _get(compose.env, "web", "/api/workers")
    if status != 200:
        return _asked(compose, name, "callboard", "health")
    live = {str(each["host"]) for each in body["workers"]}
    missing = [each.name for each in running if each.id[:12] not in live]
    return f"no heartbeat of {', '.join(missing)}" if missing else None


def _own(compose: Compose, name: str) -> str | None:
    """Return why a worker or scheduler does not work: health asks Redis alone, of RabbitMQ the log tells."""
    return _asked(compose, name, "callboard", "health") or (
        None if "web" in compose.env.services else hopeless.complaint(compose, name)
    )


def _get(env: Env, service: str, path: str) -> tuple[int, dict[str, Any]]:
    """Return status and JSON of a published service's answer; 0 when there is none."""
    address, port = env.port(service)
    host = "127.0.0.1" if address in ("0.0.0.0", "::") else address  # noqa: S104 - compared
    connection = HTTPConnection(host, port, timeout=5.0)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {env.admin_key()}"})
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content.startswith(b"{") else {}
    except (OSError, HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


def _asked(compose: Compose, name: str, *command: str) -> str | None:
    """Return what is missing at a service, or None when each of its containers answers."""
    running = compose.running(name)
    if len(running) < compose.env.count(name):
        return f"{len(running)} of {compose.env.count(name)} containers run"
    for each in running:
        done = compose.call("exec", each.id, *command)
        if done.returncode != 0:
            return last_line(done.stderr or done.stdout)
    return None


def _is_free(address: str, port: int) -> bool:
    """Tell whether nobody listens there; raises OSError when this host has no such address."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free, one with a listener is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return True  # a port below 1024: the engine may have the right to it
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True
