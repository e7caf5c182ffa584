"""`backup` and `restore`: Redis's append-only files, and RabbitMQ's definitions without its users.

Users and their passwords come from .env. Messages are not part of a backup: RabbitMQ keeps its own, and when
they are lost Callboard sends the tasks of its records again.
"""

import json
import os
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy.containers.compose import Compose, Container
from deploy.containers.env import secrets_of
from deploy.containers.services import SERVICES
from deploy.containers.trouble import Trouble
from deploy.containers.up import folder_of, say, up

_REDIS: Final = "redis.tar"
_RABBITMQ: Final = "rabbitmq.json"
#: Seconds Redis has to rewrite its append-only file.
_REWRITE_S: Final = 300.0
#: Bytes of zeros at the end of an archive.
_TAR_END: Final = 1024


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
    try:
        if "redis" in held:
            _save_redis(compose, compose.running("redis")[0], target / _REDIS)
        if "rabbitmq" in held:
            _save_rabbitmq(compose, compose.running("rabbitmq")[0], target / _RABBITMQ)
    except BaseException:
        for name in (_REDIS, _RABBITMQ):  # half a backup is none
            (target / name).unlink(missing_ok=True)
        raise
    say(f"{' and '.join(held)} in {target}")


def restore(compose: Compose, folder: str) -> None:
    """Put a backup in the place of what is there, then start everything.

    Raises Trouble; what is no backup is found before anything is stopped or changed.
    """
    source = (compose.root / folder).resolve() if folder else None
    if source is None or not source.is_dir():
        raise Trouble(
            f"FROM={folder}: there is no such folder; e.g. make restore FROM=backups/2026-01-31T12-00-00Z"
        )
    found = [name for name in (_REDIS, _RABBITMQ) if (source / name).is_file()]
    if not found:
        raise Trouble(f"{source} has neither {_REDIS} nor {_RABBITMQ}")
    for name in found:
        _EXAMINE[name](source / name)
    up(compose, new=False)
    redis = compose.running("redis") if _REDIS in found else []
    if redis:
        compose.feed(redis[0], source / _REDIS, "sh", "-c", _UNPACK)
    if _RABBITMQ in found and (running := compose.running("rabbitmq")):
        compose.feed(running[0], source / _RABBITMQ, "sh", "-c", _IMPORT)
        say(f"RabbitMQ: definitions of {source / _RABBITMQ}")
        if not redis:
            _have_all_sent_again(compose)
    if redis:
        _replace_data(compose, redis[0])
        say(f"Redis: data of {source / _REDIS}")
        up(compose, new=False)


def _replace_data(compose: Compose, redis: Container) -> None:
    """Let Redis start with what is unpacked; everything of ours is stopped before, and started after it."""
    try:
        # Nobody may write meanwhile, and Redis itself must not write over the files when it ends.
        for each in compose.running():
            if SERVICES[each.service].ours:
                compose.end(each)
        _have_all_sent_again(compose)
        compose.ask("exec", redis.id, "sh", "-c", _SWAP)
        compose.ask("kill", redis.id)
    finally:
        compose.run("up", "-d", *compose.env.wanted, log=folder_of(compose.root) / "restore.log")


def _have_all_sent_again(compose: Compose) -> None:
    """Let the messages of all tasks that have not ended in the restored records be sent again.

    RabbitMQ may have none of them: it is new, or they have ended since. A RabbitMQ without its marker counts
    as one that has lost its data.
    """
    vhost = secrets_of(compose.env).vhost
    for rabbitmq in compose.running("rabbitmq"):
        names = compose.ask("exec", rabbitmq.id, "rabbitmqctl", "-q", "list_queues", "-p", vhost, "name")
        for name in names.split():
            if name.endswith("epoch.marker"):
                compose.ask("exec", rabbitmq.id, "rabbitmqctl", "-q", "purge_queue", "-p", vhost, name)


#: Beside the data, and looked at as Redis will. What was written while the backup was taken may end in the
#: middle of a command, which is cut off; anything else that is damaged is refused.
_UNPACK: Final = """
set -e
cd /data
rm -rf restored
mkdir restored
trap 'rm -rf restored' EXIT
tar -C restored -x
yes | redis-check-aof --fix restored/appendonlydir/*.manifest >&2
trap - EXIT
"""

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

#: From a file: rabbitmqctl that reads its standard input may wait for the end of it for ever (seen with 4.0).
_IMPORT: Final = """
umask 022
trap 'rm -f /tmp/definitions.json' EXIT
cat >/tmp/definitions.json && rabbitmqctl -q import_definitions /tmp/definitions.json </dev/null
"""


def _examine_redis(path: Path) -> None:
    """Raise Trouble unless the file has an append-only folder in it, whole, and nothing else."""
    try:
        with tarfile.open(path, "r:") as archive:
            members = archive.getmembers()
        with path.open("rb") as file:
            file.seek(-_TAR_END, os.SEEK_END)
            if file.read().strip(b"\0"):
                raise tarfile.ReadError("its end is missing")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Trouble(f"{path} is no backup of Redis, or not all of it: {error}") from None
    names = [each.name for each in members]
    plain = all(each.isfile() or each.isdir() for each in members)
    inside = all(name.split("/")[0] == "appendonlydir" and ".." not in name for name in names)
    if not (plain and inside and any(name.endswith(".manifest") for name in names)):
        raise Trouble(f"{path} is no backup of Redis: it holds no append-only files, or more than them")


def _examine_rabbitmq(path: Path) -> None:
    """Raise Trouble unless the file has definitions in it."""
    try:
        definitions = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Trouble(f"{path} is no backup of RabbitMQ, or not all of it: {error}") from None
    if not (isinstance(definitions, dict) and isinstance(definitions.get("queues"), list)):
        raise Trouble(f"{path} is no backup of RabbitMQ: there are no queues in it")


_EXAMINE: Final = {_REDIS: _examine_redis, _RABBITMQ: _examine_rabbitmq}


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
        # tar ends with 1 when a file has grown meanwhile, as this one does.
        compose.take(container, path, "sh", "-c", "tar -C /data -c appendonlydir || [ $? -eq 1 ]")
    finally:
        ask("CONFIG", "SET", "auto-aof-rewrite-percentage", usual)


def _save_rabbitmq(compose: Compose, container: Container, path: Path) -> None:
    said = compose.ask("exec", container.id, "rabbitmqctl", "-q", "export_definitions", "-")
    _private(path, json.dumps(_without_users(json.loads(said)), indent=1).encode())


def _without_users(definitions: dict[str, Any]) -> dict[str, Any]:
    left_out = ("users", "permissions", "topic_permissions")
    return {name: value for name, value in definitions.items() if name not in left_out}


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
