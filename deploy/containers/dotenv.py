"""The file .env itself: made with new secrets the first time, read, changed."""

import re
import secrets
from pathlib import Path
from typing import Final

from deploy.containers.trouble import Trouble

_LINE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")

_TEMPLATE: Final = """\
# Callboard in containers, written by `make up`. It holds every secret of the installation.
# After a change: `make up`. All settings: docs/settings.md.

# What this host runs: all, or some of web, worker, worker-email, worker-data, worker-files, scheduler,
# dashboard, rabbitmq, redis; tools adds a Redis browser and a mail catcher. Separated by commas.
COMPOSE_PROFILES=all

# Where RabbitMQ and Redis are; on several hosts their addresses instead of the names, the same on each.
CALLBOARD_BROKER_URL=amqp://callboard:{broker}@rabbitmq:5672/callboard
CALLBOARD_REDIS_URL=redis://callboard:{redis}@redis:6379/0

# name:role:key, several separated by commas. More keys: make key NAME=… ROLE=…
CALLBOARD_API_KEYS=admin:admin:{key}

# The user admin of RabbitMQ's own pages and of Redis (backups); Callboard does not use them.
RABBITMQ_ADMIN_PASSWORD={rabbitmq_admin}
REDIS_ADMIN_PASSWORD={redis_admin}

# Worker containers: make scale-workers N=4 changes it. Each runs CALLBOARD_THREADS (8) tasks at a time.
CALLBOARD_WORKERS=2
# The queues they serve, all if it is empty. What is left out needs worker-email, worker-data or worker-files.
#CALLBOARD_WORKER_QUEUES=default,data,files

# Where the API is published. Put a proxy with TLS in front of anything but 127.0.0.1.
#CALLBOARD_BIND=127.0.0.1
#CALLBOARD_PORT=5000
#CALLBOARD_DASHBOARD_PORT=5555
#CALLBOARD_RABBITMQ_UI_PORT=15672

# What a container may use; RabbitMQ blocks submits at 60 % of its share, Redis at its maxmemory.
#CALLBOARD_WEB_MEMORY=1g
#CALLBOARD_WORKER_MEMORY=1g
#CALLBOARD_RABBITMQ_MEMORY=1g
#CALLBOARD_REDIS_MEMORY=1536m
#CALLBOARD_REDIS_MAXMEMORY=768mb
"""


def first_use(path: Path) -> bool:
    """Write .env with new secrets unless it is there; tell whether it was written."""
    if path.exists():
        return False
    names = ("broker", "redis", "rabbitmq_admin", "redis_admin")
    text = _TEMPLATE.format(
        key=f"cb_{secrets.token_urlsafe(32)}", **{name: secrets.token_urlsafe(32) for name in names}
    )
    write_private(path, text)
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def change(path: Path, name: str, value: str) -> None:
    """Set one value in .env; everything else in it stays as it is."""
    lines = path.read_text(encoding="utf-8").splitlines()
    places = [n for n, line in enumerate(lines) if line.split("=", 1)[0].strip() == name]
    if places:
        lines[places[-1]] = f"{name}={value}"
    else:
        lines.append(f"{name}={value}")
    write_private(path, "\n".join(lines) + "\n")


def read(path: Path) -> dict[str, str]:
    """Return the values in .env; raises Trouble when there is a line that is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Trouble(".env is missing; `make up` writes it") from None
    except (OSError, UnicodeError) as error:
        raise Trouble(f".env cannot be read: {error}") from None
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise Trouble(f".env, line {number}: not NAME=value")
        value = match[2].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if "$" in value:
            raise Trouble(
                f".env: {match[1]} has a $ in it, which compose would replace; choose a value without"
            )
        found[match[1]] = value
    return found
