"""A whole installation on servers of its own, which the doctor looks at."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

from callboard.doctor.examine import examine
from callboard.doctor.finding import Finding, Verdict
from callboard.local.ports import accepts
from callboard.local.process import ServerProcess
from callboard.settings import Settings
from callboard.store.clients import sync_client
from callboard.store.keys import keys_for
from callboard.store.sync import SyncStore
from tests.contract.store.bench import Bench
from tests.patience import wait_until

#: The one warning of a healthy installation: nobody can see RabbitMQ's setting over AMQP.
UNSEEN = "RabbitMQ consumer_timeout"


class Patient:
    """Web, worker and scheduler with their settings, and a way behind them."""

    def __init__(self, settings: Settings, env: dict[str, str], processes: dict[str, ServerProcess]) -> None:
        self.settings = settings
        self.env = env
        self.processes = processes
        self.keys = keys_for(settings.namespace)
        self.client = sync_client(settings.redis_url)
        self.store = SyncStore(self.client)
        self.bench = Bench(self.store.run, self.keys, self.client)

    def examine(self, **changes: Any) -> list[Finding]:
        return examine(replace(self.settings, **changes))

    def start(self, name: str) -> None:
        self.processes[name].start([sys.executable, "-m", "callboard", name], self.env)

    def wait_healthy(self) -> None:
        """Wait until the doctor finds nothing and web, which the doctor does not ask, answers."""
        wait_until(lambda: accepts(self.settings.port), what="web answers", every_s=0.1)
        wait_until(lambda: not ill(self.examine()), what="it is healthy", every_s=0.2)


def ill(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.verdict is not Verdict.OK and each.check != UNSEEN]


def one(findings: list[Finding], check: str) -> Finding:
    (found,) = [each for each in findings if each.check == check]
    return found


def command(patient: Patient, *arguments: str, **env: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "callboard", "doctor", *arguments],
        env={**patient.env, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
