"""A private RabbitMQ node on loopback, beside whatever other nodes this machine has.

Nothing of it is shared: own node name, Erlang cookie, data, and own epmd (Erlang's port mapper, otherwise one
for the machine, which stays behind). Works with RabbitMQ 3.10 (Debian 12) and 4.x; the variables are those of
rabbitmq.com/docs/configure and of the scripts rabbitmq-env and rabbitmq-server of both.
"""

import json
import secrets
import subprocess
from pathlib import Path
from typing import Final

import pika
from pika.exceptions import AMQPError

from callboard.local.ports import LOOPBACK, accepts, free_ports, is_free
from callboard.local.process import (
    LocalServerError,
    ServerProcess,
    find_program,
    kept_secret,
    private_folder,
    write_private,
)

_OLDEST: Final = (3, 10)
_USER: Final = "callboard"
_VHOST: Final = "callboard"

_CONF: Final = """\
listeners.tcp.1 = {host}:{port}
default_vhost = {vhost}
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
default_permissions.configure = .*
default_permissions.read = .*
default_permissions.write = .*
log.console = true
log.file = false
# Milliseconds: 25 h. The default, 30 minutes, cuts the channel of a worker with a longer task.
consumer_timeout = 90000000
# At either publishers are blocked. A share of the machine would mean nothing beside other programs.
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
# The log that quorum queues share: 64 MB (default 512), which is also what they keep in memory.
raft.wal_max_size_bytes = 67108864
"""

#: A step of the delay ladder that waits for a confirm which a crash has lost sends again after this many
#: milliseconds; RabbitMQ's own three minutes would hold up every delayed message meanwhile.
ADVANCED: Final = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 1000}]}].\n"


class RabbitNode:
    """A RabbitMQ node whose configuration, name, ports, password and data live in `folder`.

    `port` None keeps the port of the last time while it is free, and else takes a free one. `node_name` None
    is made the first time and kept, because RabbitMQ's data belongs to it.
    """

    def __init__(
        self, folder: Path, port: int | None = None, node_name: str | None = None, *, log: Path | None = None
    ) -> None:
        self.folder = private_folder(folder)
        log = log or self.folder / "rabbitmq.log"
        self.process = ServerProcess("RabbitMQ", log)
        self.epmd = ServerProcess("epmd", log.with_name("epmd.log"))
        self._password = kept_secret(self.folder / "password")
        kept_secret(self.folder / ".erlang.cookie")
        self.node_name, self.port, self._dist_port, self.epmd_port = self._identity(port, node_name)

    @property
    def url(self) -> str:
        """The address with user, password and virtual host, as CALLBOARD_BROKER_URL wants it."""
        return f"amqp://{_USER}:{self._password}@{LOOPBACK}:{self.port}/{_VHOST}"

    @property
    def pid(self) -> int:
        """The process id of the node (the Erlang virtual machine itself)."""
        return self.process.pid

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Write the configuration; return arguments and environment that run the node in the foreground.

        epmd must be running (`epmd_command`).
        """
        self._write_files()
        return [str(_scripts() / "rabbitmq-server")], self._env()

    def epmd_command(self) -> tuple[list[str], dict[str, str]]:
        """Return arguments and environment that run the node's own epmd in the foreground."""
        return [str(find_program("epmd"))], self._env()

    def start(self) -> None:
        """Start epmd and the node as children of this process; `wait_ready` tells when it serves."""
        self.epmd.start(*self.epmd_command())
        self.epmd.wait_until(lambda: accepts(self.epmd_port), timeout_s=60.0, what="epmd listens")
        self.process.start(*self.command())

    def wait_ready(self, timeout_s: float = 60.0) -> float:
        """Wait until it lets us in over AMQP; return the seconds that took. Raises LocalServerError."""
        return self.process.wait_until(self.answers, timeout_s=timeout_s, what="RabbitMQ lets us in")

    def answers(self) -> bool:
        """Tell whether an AMQP connection can be opened now. Raises LocalServerError if it is below 3.10."""
        if not accepts(self.port):  # pika would log a traceback for every try
            return False
        parameters = pika.URLParameters(self.url)
        parameters.socket_timeout = parameters.stack_timeout = 5.0
        try:
            connection = pika.BlockingConnection(parameters)
        except (AMQPError, OSError):
            return False
        # Known to every pika connection, though the blocking one has no name for it.
        version = str(connection._impl.server_properties["version"])  # type: ignore[attr-defined]
        connection.close()
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            raise LocalServerError(f"RabbitMQ {version} is too old; Callboard needs 3.10 or later")
        return True

    def stop(self, timeout_s: float = 30.0) -> None:
        """Stop the node, its data written, then its epmd; kill what is there after `timeout_s` seconds."""
        self.process.stop(timeout_s)
        self.epmd.stop(timeout_s)

    def kill(self) -> None:
        """Kill -9 the node: what a crash leaves is what `start` finds. Its epmd goes on until `stop`."""
        self.process.kill()

    def ctl(self, *args: str, timeout_s: float = 60.0) -> str:
        """Run `rabbitmqctl ARGS` on this node and return what it printed. Raises LocalServerError.

        For example `ctl("set_vm_memory_high_watermark", "0")` raises the memory alarm.
        """
        argv = [str(_scripts() / "rabbitmqctl"), "--node", self.node_name, "--quiet", *args]
        done = subprocess.run(
            argv, env=self._env(), capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise LocalServerError(f"rabbitmqctl {' '.join(args)}: {said}")
        return done.stdout

    def _identity(self, port: int | None, node_name: str | None) -> tuple[str, int, int, int]:
        kept = self.folder / "node.json"
        saved = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        name = node_name or saved.get("name") or f"callboard-{secrets.token_hex(4)}"
        ports = [port or saved.get("port", 0), saved.get("dist_port", 0), saved.get("epmd_port", 0)]
        fresh = free_ports(3, avoid=frozenset(ports))
        ports = [
            old if old and (old == port or is_free(old)) else new
            for old, new in zip(ports, fresh, strict=True)
        ]
        identity = dict(zip(("port", "dist_port", "epmd_port"), ports, strict=True), name=name)
        write_private(kept, json.dumps(identity))
        return f"{name}@localhost", *ports

    def _write_files(self) -> None:
        conf = _CONF.format(host=LOOPBACK, port=self.port, vhost=_VHOST, user=_USER, password=self._password)
        write_private(self.folder / "rabbitmq.conf", conf)
        write_private(self.folder / "advanced.config", "[].\n")
        write_private(self.folder / "enabled_plugins", "[].\n")
        write_private(self.folder / "rabbitmq-env.conf", "")
        write_private(self.folder / "advanced.config", ADVANCED)
        private_folder(self.folder / "data")

    def _env(self) -> dict[str, str]:
        """Return the whole environment of node, epmd and rabbitmqctl; nothing of the machine's leaks in."""
        programs = [str(_scripts()), str(find_program("erl").parent), "/usr/local/bin", "/usr/bin", "/bin"]
        folder = self.folder
        return {
            "PATH": ":".join(programs),
            "HOME": str(folder),  # where Erlang looks for its cookie
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.epmd_port),
            # For every Erlang, rabbitmqctl's too: loopback only, and no epmd but ours (it would stay behind).
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",  # any free one
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            # Waiting schedulers sleep; spinning cost more CPU than the messages (engine: +sbwt none).
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "none",
            # rabbitmq-server becomes the Erlang virtual machine, rather than a shell that waits for one: our
            # pid is the node's, and a signal reaches it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def _scripts() -> Path:
    """Return the folder of RabbitMQ's scripts.

    What Debian puts on PATH is a wrapper that changes to the user rabbitmq; these are behind it.
    """
    found = find_program("rabbitmq-server")
    behind = found.parent.parent / "lib/rabbitmq/bin"
    return behind if (behind / "rabbitmq-server").exists() else found.resolve().parent
