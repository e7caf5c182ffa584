"""What RabbitMQ and Redis read beside their files in deploy/: users with the least rights, and memory."""

import base64
import hashlib
import json
import re
import secrets as random_secrets
from pathlib import Path
from typing import Any, Final

from deploy.containers.env import Env, Secrets, secrets_of
from deploy.containers.trouble import Trouble

#: What Callboard may do in Redis: everything with values; nothing to the server, its other users or the key
#: space as a whole (CONFIG, FLUSHALL, KEYS, SAVE, REPLICAOF, ACL, CLIENT KILL, MIGRATE, FUNCTION, MODULE …).
#: INFO is for `callboard doctor`. Redis 7.0 up; a test compares it with what the scripts call.
REDIS_RIGHTS: Final = """
    +@string +@hash +@list +@set +@sortedset -@dangerous
    +del +exists +expire +pexpire +persist +ttl +pttl +type +unlink +scan
    +@pubsub +eval +evalsha +script|load +multi +exec
    +auth +hello +ping +select +client|setname +time +info +memory|usage
"""

#: Everything in its own virtual host but RabbitMQ's own exchanges; of these only the one that every queue is
#: bound to, and only to publish to it.
_OWN: Final = r"^(?!amq\.).+$"
_OWN_AND_DEFAULT: Final = r"^(amq\.default|(?!amq\.).+)$"

_SIZE: Final = re.compile(r"(\d+)([kmg])b?", re.IGNORECASE)
_UNITS: Final = {"k": 2**10, "m": 2**20, "g": 2**30}


def write(env: Env, folder: Path) -> list[str]:
    """Write the files that RabbitMQ and Redis of this host read; return the services whose files changed.

    Readable by all, because the servers in the containers are other users; what is in them are hashes of
    random secrets, and the folder is private.
    """
    secrets = secrets_of(env)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    changed = set()
    if "rabbitmq" in env.services:
        path = folder / "definitions.json"
        if not _has(path, secrets):
            _write(path, json.dumps(definitions(secrets), indent=1) + "\n")
            changed.add("rabbitmq")
        limit = size("CALLBOARD_RABBITMQ_MEMORY", env.get("CALLBOARD_RABBITMQ_MEMORY", "1g"))
        if _changed(folder / "memory.conf", f"total_memory_available_override_value = {limit}\n"):
            changed.add("rabbitmq")
    if "redis" in env.services and _changed(folder / "users.acl", acl(secrets)):
        changed.add("redis")
    return sorted(changed)


def definitions(secrets: Secrets) -> dict[str, Any]:
    """Return RabbitMQ's users, virtual host and permissions, in the form of its definitions file."""
    users: list[tuple[str, str, list[str]]] = [
        (secrets.broker_user, secrets.broker_password, []),
        ("admin", secrets.rabbitmq_admin, ["administrator"]),
    ]
    return {
        "users": [
            {
                "name": name,
                "password_hash": password_hash(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": tags,
            }
            for name, password, tags in users
        ],
        "vhosts": [{"name": secrets.vhost}],
        "permissions": [
            {
                "user": secrets.broker_user,
                "vhost": secrets.vhost,
                "configure": _OWN,
                "write": _OWN_AND_DEFAULT,
                "read": _OWN,
            },
            {"user": "admin", "vhost": secrets.vhost, "configure": ".*", "write": ".*", "read": ".*"},
        ],
    }


def password_hash(password: str, salt: bytes | None = None) -> str:
    """Return a password as RabbitMQ keeps it: base64 of salt (4 bytes) and SHA-256 of salt and password."""
    salt = random_secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def acl(secrets: Secrets) -> str:
    """Return Redis's users: the one without a name, Callboard's, and one for backups by hand.

    Nobody can be the one without a name, but it keeps every right: Redis reads its append-only file in its
    name, and what that may not do is left out. Without rights every record was gone after a restart (seen
    with 7.0 and 8.0).
    """

    def digest(password: str) -> str:
        return hashlib.sha256(password.encode()).hexdigest()

    rights = " ".join(REDIS_RIGHTS.split())
    return (
        "user default off resetpass ~* &* +@all\n"
        f"user {secrets.redis_user} on #{digest(secrets.redis_password)} ~* &* -@all {rights}\n"
        f"user admin on #{digest(secrets.redis_admin)} ~* &* +@all\n"
    )


def size(name: str, text: str) -> int:
    """Return the bytes of a size such as 512m or 2g; raises Trouble."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Trouble(f".env: {name}={text} is no size; e.g. {name}=1g")
    return int(match[1]) * _UNITS[match[2].lower()]


def _has(path: Path, secrets: Secrets) -> bool:
    """Tell whether the definitions there are those of these secrets: with a new salt they would look new."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        salts = [base64.b64decode(user["password_hash"])[:4] for user in kept["users"]]
        wanted = definitions(secrets)
        passwords = (secrets.broker_password, secrets.rabbitmq_admin)
        for user, password, salt in zip(wanted["users"], passwords, salts, strict=True):
            user["password_hash"] = password_hash(password, salt)
    except (OSError, ValueError, KeyError):
        return False
    return bool(kept == wanted)


def _changed(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    _write(path, text)
    return True


def _write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(path)
