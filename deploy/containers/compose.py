"""Finds the compose program and runs it; containers are asked about through its engine (docker or podman)."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from deploy.containers.env import Env
from deploy.containers.services import PROFILES
from deploy.containers.trouble import Trouble

_TRIED: Final = ("docker compose", "docker-compose", "podman-compose")
_LABEL: Final = "com.docker.compose"
#: Seconds for one build or one change of what runs, downloads included.
_LONGEST_S: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the installation, running or not."""

    id: str
    name: str
    service: str
    #: running, exited, created, restarting …
    state: str


@dataclass(frozen=True, slots=True)
class Compose:
    """The compose program and engine of this machine, for one installation."""

    command: tuple[str, ...]
    engine: str
    root: Path
    env: Env
    #: The environment of this process, handed on, and the digest of the settings.
    environment: Mapping[str, str]

    def argv(self, *arguments: str, everything: bool = False) -> list[str]:
        """Return the command line; `everything`: with all profiles, whatever this host runs."""
        files = ["docker-compose.yml"]
        if self.env.get("CALLBOARD_PRIVATE_ADDRESS"):
            files.append("docker-compose.private.yml")
        chosen = sorted(PROFILES if everything else self.env.profiles)
        return [
            *self.command,
            *(part for file in files for part in ("-f", file)),
            *(part for profile in chosen for part in ("--profile", profile)),
            *arguments,
        ]

    def run(self, *arguments: str, log: Path, everything: bool = False) -> None:
        """Run compose quietly, its output appended to `log`; raises Trouble with the last thing it said."""
        _run(self.argv(*arguments, everything=everything), self.root, self.environment, log, "compose")

    def build(self, image: str, arguments: Mapping[str, str], log: Path) -> None:
        """Build the image with the engine's own builder, its output in `log`; raises Trouble."""
        parts = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        # podman's own format has no HEALTHCHECK.
        form = ["--format", "docker"] if self.engine == "podman" else []
        _run(
            [self.engine, "build", *form, "-t", image, *parts, "."], self.root, self.environment, log, "build"
        )

    def containers(self) -> list[Container]:
        """Return the containers of this installation that are there, by name."""
        service = f"{_LABEL}.service"
        label_of = f'index .Labels "{service}"' if self.engine == "podman" else f'.Label "{service}"'
        form = "{{.ID}}\t{{.Names}}\t{{.State}}\t{{" + label_of + "}}"
        label = f"label={_LABEL}.project={self.env.project}"
        lines = self.ask("ps", "--all", "--no-trunc", "--filter", label, "--format", form).splitlines()
        rows = [line.split("\t") for line in lines]
        found = [Container(row[0], row[1], row[3], _state(row[2])) for row in rows if len(row) == 4]
        return sorted(found, key=lambda each: (each.service, _number_of(each.name)))

    def running(self, service: str | None = None) -> list[Container]:
        """Return the running containers, of one service or of all."""
        return [
            each for each in self.containers() if each.state == "running" and service in (None, each.service)
        ]

    def ask(self, *arguments: str, timeout_s: float = 120.0, extra: Mapping[str, str] | None = None) -> str:
        """Run the engine and return what it printed; `extra` joins its environment. Raises Trouble."""
        done = self.call(*arguments, timeout_s=timeout_s, extra=extra)
        if done.returncode != 0:
            raise Trouble(f"{self.engine} {arguments[0]}: {last_line(done.stderr or done.stdout)}")
        return done.stdout

    def call(
        self, *arguments: str, timeout_s: float = 120.0, extra: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run the engine and return how it ended, with what it printed."""
        try:
            return subprocess.run(
                [self.engine, *arguments],
                capture_output=True,
                text=True,
                timeout=timeout_s,
                env={**self.environment, **(extra or {})},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.engine} {arguments[0]} did not end within {timeout_s:g} s") from None

    def end(self, container: Container, how: str = "stop") -> None:
        """Stop a container, or `restart` it, with the grace time of its service; raises Trouble."""
        grace_s = self.env.grace_s(container.service)
        self.ask(how, "-t", str(grace_s), container.id, timeout_s=grace_s + 120.0)

    def take(self, container: Container, path: Path, *command: str) -> None:
        """Write what a command in a container prints to a new private file; raises Trouble."""
        path.touch(mode=0o600)
        with path.open("wb") as file:
            self._pipe(container, command, None, file)

    def feed(self, container: Container, path: Path, *command: str) -> None:
        """Give a file to a command in a container; raises Trouble."""
        with path.open("rb") as file:
            self._pipe(container, command, file, subprocess.DEVNULL)

    def _pipe(
        self, container: Container, command: Sequence[str], source: IO[bytes] | None, target: IO[bytes] | int
    ) -> None:
        argv = [self.engine, "exec", *(["-i"] if source else []), container.id, *command]
        try:
            done = subprocess.run(
                argv,
                stdin=source or subprocess.DEVNULL,
                stdout=target,
                stderr=subprocess.PIPE,
                timeout=_LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Trouble(f"{container.name} has not done its part within {_LONGEST_S:g} s") from None
        if done.returncode != 0:
            said = last_line(done.stderr.decode(errors="replace"))
            raise Trouble(f"{container.name}: {said}")


def find(root: Path, env: Env, environment: Mapping[str, str]) -> Compose:
    """Return the compose program: the one COMPOSE names, else the first there is; raises Trouble."""
    path = environment.get("PATH")
    wanted = environment.get("COMPOSE", "").strip()
    for text in [wanted] if wanted else _TRIED:
        command = tuple(shlex.split(text))
        if not command or shutil.which(command[0], path=path) is None:
            continue
        engine = _engine(command, environment)
        if engine is not None and shutil.which(engine, path=path) is not None:
            told = {**environment, "CALLBOARD_SETTINGS_DIGEST": env.digest}
            return Compose(command, engine, root, env, told)
    if wanted:
        raise Trouble(f"COMPOSE={wanted} does not run; choose one of: {', '.join(_TRIED)}")
    raise Trouble(
        "no compose program is there; install Docker with its compose plugin "
        "(docs.docker.com/engine/install) or podman-compose, or use `make stack`, which needs no containers"
    )


def last_line(text: str) -> str:
    """Return the last line that says something, at most 300 characters of it; a line that is an error first.

    Lines that only have the word in them come after those that begin with it: podman without systemd
    complains of its timers after the line that matters.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"error\b", line, re.IGNORECASE)]
    mentioned = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (told or mentioned or lines or ["it said nothing"])[-1][:300]


def _engine(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return the engine behind a compose program, or None when it does not run."""
    try:
        done = subprocess.run(
            [*command, "version"],
            capture_output=True,
            text=True,
            timeout=60,
            env=dict(environment),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    said = done.stdout + done.stderr
    if re.search(r"docker-compose version 1\.", said):
        return None  # not maintained since 2021; knows neither profiles of dependencies nor this file
    return "podman" if "podman" in said else "docker"


def _run(argv: Sequence[str], root: Path, environment: Mapping[str, str], log: Path, what: str) -> None:
    with log.open("a+", encoding="utf-8") as file:
        start = file.tell()
        try:
            code = subprocess.run(
                argv,
                cwd=root,
                env=dict(environment),
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=_LONGEST_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise Trouble(
                f"{what} did not end within {_LONGEST_S:g} s; see {log.relative_to(root)}"
            ) from None
        if code != 0:
            file.seek(start)
            said = last_line(file.read())
            raise Trouble(f"{what} failed: {said} (all of it in {log.relative_to(root)})")


def _state(text: str) -> str:
    """Return a container's state in one word; older podman says "Up 3 minutes ago" instead of it."""
    word = text.split()[0].lower() if text.strip() else "unknown"
    return "running" if word == "up" else word


def _number_of(name: str) -> int:
    match = re.search(r"(\d+)$", name)
    return int(match[1]) if match else 0
