"""`make chaos`: the long run. Writes docs/reliability.md; ends with 1 when a promise was broken."""

import argparse
import os
import platform
import random
import secrets
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

from callboard import __version__
from tests.chaos import measures
from tests.chaos.cluster import Cluster
from tests.chaos.figures import Figure
from tests.chaos.measures import Bench
from tests.chaos.outcome import of_the_storm
from tests.chaos.report import Run, broken, page
from tests.chaos.story import Say, storm
from tests.chaos.streams import streams
from tests.chaos.ticks import ticks
from tests.servers import ROOT

PAGE: Final = ROOT / "docs/reliability.md"
PACKAGES: Final = ("dramatiq", "pika", "redis", "falcon", "gunicorn")


def main() -> int:
    """Run all of it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long things break (default 20)")
    parser.add_argument("--seed", type=int, default=None, help="draw the faults of an earlier run again")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the table goes")
    options = parser.parse_args()
    seed: int = secrets.randbelow(10**6) if options.seed is None else options.seed
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", flush=True)

    say(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="callboard-chaos-"))
    run = _run(folder, seed, options.minutes, say)
    options.page.write_text(page(run), encoding="utf-8")
    say(f"written to {options.page}")
    found = broken(run) + [f"{path.relative_to(folder)} has a stack trace" for path in _traces(folder)]
    for line in found:
        say(f"BROKEN {line}")
    if found:
        say(f"what was asked, done and logged stays in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run(folder: Path, seed: int, minutes: float, say: Say) -> Run:
    rng = random.Random(seed)
    found: dict[int, list[Figure]] = {number: [] for number in range(1, 11)}
    quiet = folder / "quiet"
    quiet.mkdir()
    with Cluster(quiet) as cluster:
        bench = Bench(cluster, random.Random(rng.random()), say)
        versions = _versions(cluster)
        for number, measure in (
            (3, measures.nothing_twice),
            (6, measures.delays),
            (5, measures.refusals),
            (4, measures.restarts),
            (7, ticks),
            (10, streams),
            (1, measures.lost_servers),
        ):
            say(f"promise {number}: {(measure.__doc__ or '').partition(': ')[2]}")
            figure = measure(bench)
            found[number].append(figure)
            say(f"  {figure.text}{'' if figure.kept else '  BROKEN'}")
    stormy = folder / "storm"
    stormy.mkdir()
    with Cluster(stormy) as cluster:
        story = storm(
            cluster, rng, seconds=minutes * 60, per_second=30, pause=(2.0, 6.0), poison_every_s=25,
            at_least=500, say=say,
        )  # fmt: skip
    for line in story.verdict.broken():
        say(f"FOUND {line}")
    for number, figure in of_the_storm(story).items():
        found[number].insert(0, figure)
    return Run(
        seed=seed, minutes=minutes, accepted=story.verdict.accepted, faults=story.faults,
        machine=_machine(), versions=versions, figures=found,
    )  # fmt: skip


def _traces(folder: Path) -> list[Path]:
    """Return the logs with a stack trace: whatever breaks, each process knows how to say it in a line."""
    logs = sorted(folder.rglob("*.log"))
    return [path for path in logs if "Traceback (most" in path.read_text(encoding="utf-8", errors="replace")]


def _versions(cluster: Cluster) -> dict[str, str]:
    with cluster.records() as client:
        info: Any = client.info("server")
    servers = {
        "Callboard": __version__,
        "RabbitMQ": cluster.rabbitmq.ctl("version").strip(),
        "Redis": str(info["redis_version"]),
        "Python": platform.python_version(),
    }
    return servers | {name: version(name) for name in PACKAGES}


def _machine() -> str:
    memory_gb = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} processors, {memory_gb:.0f} GB, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    sys.exit(main())
