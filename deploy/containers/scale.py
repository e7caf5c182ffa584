"""`scale-workers` and `restart`: more or fewer worker containers; new ones in place of the old, in turn."""

import time
from pathlib import Path
from typing import Final

from deploy.containers import dotenv, ready, rolling
from deploy.containers.compose import Compose
from deploy.containers.env import Env
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble
from deploy.containers.up import IMAGE, folder_of, remove_surplus, say

MOST: Final = 64

WORKERS: Final = [name for name, service in SERVICES.items() if service.count]


def check(number: str, service: str) -> tuple[int, str]:
    """Return the number and the service to scale; raises Trouble for what is neither."""
    if service not in WORKERS:
        raise Trouble(f"SERVICE={service} is no worker service; there are {', '.join(WORKERS)}")
    lowest = 1 if service == "worker" else 0
    if not (number.isascii() and number.isdigit() and lowest <= int(number) <= MOST):
        given = f"N={number} is" if number else "N is missing:"
        raise Trouble(f"{given} no whole number from {lowest} to {MOST}; e.g. make scale-workers N=4")
    return int(number), service


def write(path: Path, env: Env, number: int, service: str) -> None:
    """Write to .env how many containers a service has, and its profile, so that the next `up` keeps it."""
    variable = SERVICES[service].count
    assert variable is not None  # noqa: S101 - checked by check()
    dotenv.change(path, variable, str(number))
    profiles = env.profiles
    if number and service not in env.services:
        profiles |= {service}
    elif not number:
        profiles -= {service}
    if profiles != env.profiles:
        dotenv.change(path, "COMPOSE_PROFILES", ",".join(sorted(profiles)))


def scale(compose: Compose, number: int, service: str) -> None:
    """Bring a service to its number of containers and wait until each works; the others are left alone."""
    began = time.monotonic()
    log = folder_of(compose.root) / "up.log"
    if number:
        compose.run("up", "-d", "--no-deps", "--no-recreate", service, log=log)
        remove_surplus(compose, [service])
        ready.wait_ready(compose, [service], say)
    else:
        for each in compose.containers():
            if each.service == service:
                rolling.remove(compose, each)
    say(f"{number} × {service} in {time.monotonic() - began:.1f} s")


def restart(compose: Compose, only: str) -> None:
    """Restart Callboard's containers one at a time, web last; those of an older image are replaced."""
    names = [name for name in compose.env.services if SERVICES[name].ours]
    if only and only not in names:
        raise Trouble(f"SERVICE={only} is none of Callboard's on this host; there are {', '.join(names)}")
    log = folder_of(compose.root) / "up.log"
    found = compose.containers()
    stale = rolling.stale(compose, compose.env.get("CALLBOARD_IMAGE", IMAGE))
    for name in [only] if only else names:
        for each in [container for container in found if container.service == name]:
            if each in stale:
                rolling.replace(compose, [each], log, say)
            else:
                rolling.restart(compose, [each], say)
