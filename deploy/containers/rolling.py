"""New containers in place of old ones, one at a time, so that the others take over meanwhile."""

import time
from collections.abc import Iterable
from pathlib import Path

from deploy.containers import ready
from deploy.containers.compose import Compose, Container
from deploy.containers.ready import Say
from deploy.containers.services import SERVICES


def stale(compose: Compose, image: str) -> list[Container]:
    """Return Callboard's containers that were made of another image than `image` is now, web last.

    Not every compose program replaces them by itself.
    """
    found = [
        each for each in compose.containers() if each.service in SERVICES and SERVICES[each.service].ours
    ]
    if not found:
        return []
    wanted = compose.ask("image", "inspect", "--format", "{{.Id}}", image).strip().removeprefix("sha256:")
    images = compose.ask("inspect", "--format", "{{.Image}}", *(each.id for each in found)).split()
    old = [
        each for each, made_of in zip(found, images, strict=True) if made_of.removeprefix("sha256:") != wanted
    ]
    return sorted(old, key=lambda each: list(SERVICES).index(each.service))


def replace(compose: Compose, containers: Iterable[Container], log: Path, say: Say) -> None:
    """Stop, remove, make anew and wait, one after the other.

    A worker that stops lets its tasks end, the others take over; while web is replaced connections are
    refused for some seconds, and streams resume.
    """
    for each in containers:
        began = time.monotonic()
        remove(compose, each)
        compose.run("up", "-d", "--no-deps", "--no-recreate", each.service, log=log)
        ready.wait_ready(compose, [each.service], lambda _line: None)
        say(f"  {each.name:<24}replaced in {time.monotonic() - began:.1f} s")


def restart(compose: Compose, containers: Iterable[Container], say: Say) -> None:
    """Restart and wait, one after the other; quicker than `replace`, and otherwise the same."""
    for each in containers:
        began = time.monotonic()
        compose.end(each, "restart")
        ready.wait_ready(compose, [each.service], lambda _line: None)
        say(f"  {each.name:<24}restarted in {time.monotonic() - began:.1f} s")


def remove(compose: Compose, container: Container) -> None:
    """Stop a container, its grace time respected, and remove it."""
    compose.end(container)
    compose.ask("rm", container.id)
