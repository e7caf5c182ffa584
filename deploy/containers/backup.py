"""`backup` and `restore`: Redis's append-only files, and RabbitMQ's definitions without its users.

Users and their passwords come from .env. Messages are not part of a backup: RabbitMQ keeps its own, and when
they are lost Callboard sends the tasks of its records again.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.containers.compose import Compose, Container
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble
from deploy.containers.up import folder_of, say, up

_REDIS: Final = "redis.tar"
_RABBITMQ: Final = "rabbitmq.json"
#: Seconds Redis has to rewrite its append-only file.
_REWRITE_S: Final = 300.0


def backup(compose: Compose, folder: str) -> None:
    """Write what this host holds into a folder (default: backups/ and the time); everything runs on."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    target = (compose.root / (folder or f"backups/{stamp}")).resolve()
    if target.exists() and any(target.iterdir()):
        raise Trouble(f"{target} is not empty; name another folder: make backup TO=…")
    held = [name for name in ("redis", "rabbitmq") if compose.running(name)]
    if not held:
        raise Trouble("neither Redis nor RabbitMQ runs on this host")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if "redis" in held:
        _save_redis(compose, compose.running("redis")[0], target / _REDIS)
    if "rabbitmq" in held:
        said = compose.ask(
            "exec", compose.running("rabbitmq")[0].id, "rabbitmqctl", "-q", "export_definitions", "-"
        )
        _private(target / _RABBITMQ, json.dumps(_without_users(json.loads(said)), indent=1).encode())
    say(f"{' and '.join(held)} in {target}")


def restore(compose: Compose, folder: str) -> None:
    """Put a backup in the place of what is there, then start everything."""
    source = (compose.root / folder).resolve() if folder else None
    if source is None or not source.is_dir():
        raise Trouble(
            f"FROM={folder}: there is no such folder; e.g. make restore FROM=backups/2026-01-31T12-00-00Z"
        )
    found = [name for name in (_REDIS, _RABBITMQ) if (source / name).is_file()]
    if not found:
        raise Trouble(f"{source} has neither {_REDIS} nor {_RABBITMQ}")
    log = folder_of(compose.root) / "restore.log"
    up(compose, new=False)
    if _RABBITMQ in found and (running := compose.running("rabbitmq")):
        path = source / _RABBITMQ
        compose.feed(running[0], path, "rabbitmqctl", "-q", "import_definitions")
        say(f"RabbitMQ: definitions of {path}")
    if _REDIS in found and (running := compose.running("redis")):
        # Nobody may write meanwhile, and Redis itself must not write over the files when it ends.
        ours = [each for each in compose.running() if SERVICES[each.service].ours]
        for each in ours:
            compose.end(each)
        compose.feed(
            running[0],
            source / _REDIS,
            "sh",
            "-c",
            "rm -rf /data/restored && mkdir /data/restored && tar -C /data/restored -x",
        )
        compose.ask("exec", running[0].id, "sh", "-c", _SWAP)
        compose.ask("kill", running[0].id)
        compose.run("up", "-d", *compose.env.services, log=log)
        say(f"Redis: data of {source / _REDIS}")
        up(compose, new=False)


#: The old files stay, as appendonlydir.before, until the next restore.
_SWAP: Final = """
set -e
cd /data
rm -rf appendonlydir.before
mv appendonlydir appendonlydir.before
mv restored/appendonlydir appendonlydir
rmdir restored
chown -R --reference=. appendonlydir
"""


def _save_redis(compose: Compose, container: Container, path: Path) -> None:
    """Copy the append-only files of a running Redis: rewritten first, so that they are short."""
    admin = {"REDISCLI_AUTH": compose.env.get("REDIS_ADMIN_PASSWORD")}

    def ask(*words: str) -> str:
        argv = (
            "exec",
            "-e",
            "REDISCLI_AUTH",
            container.id,
            "redis-cli",
            "--user",
            "admin",
            "--no-auth-warning",
        )
        return compose.ask(*argv, *words, extra=admin)

    ask("BGREWRITEAOF")
    deadline = time.monotonic() + _REWRITE_S
    while "aof_rewrite_in_progress:1" in (info := ask("INFO", "persistence")) or "scheduled:1" in info:
        if time.monotonic() > deadline:
            raise Trouble(
                f"Redis has not rewritten its append-only file within {_REWRITE_S:g} s; see its log"
            )
        time.sleep(0.2)
    usual = ask("CONFIG", "GET", "auto-aof-rewrite-percentage").split()[-1]
    ask("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
    try:
        compose.take(container, path, "tar", "-C", "/data", "-c", "appendonlydir")
    finally:
        ask("CONFIG", "SET", "auto-aof-rewrite-percentage", usual)


def _without_users(definitions: dict[str, Any]) -> dict[str, Any]:
    left_out = ("users", "permissions", "topic_permissions")
    return {name: value for name, value in definitions.items() if name not in left_out}


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
