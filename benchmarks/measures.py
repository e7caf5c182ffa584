"""The measures: each returns rounds of figures, both sides of a comparison in turn within one run."""

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks import million, pages, watchers
from benchmarks.rig import ROOT, Rig, free_port, get, wait_for, wrk
from callboard.store.clients import sync_client

ONE = '{"task_type":"noop","parameters":{}}'
SUBMITTED = 100


def submit_rps(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure POST /api/tasks a second, wrk with 32 connections, against blocking confirms."""
    ours, plain = [], []
    peer_port = free_port()
    env = rig.environment(free_port())
    with rig.callboard_web(env) as address, rig.plain_dramatiq(peer_port) as peer:
        for number in range(rounds):
            ours.append(wrk(address, ONE))
            plain.append(wrk(peer, ONE))
            say(f"round {number + 1}: callboard {ours[-1]:,.0f}/s, plain dramatiq {plain[-1]:,.0f}/s")
    return {"callboard": ours, "plain_dramatiq": plain}


def batch_submit_tps(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure tasks a second through POST /api/tasks/batch, 100 in one body, 4 connections."""
    body = '{"tasks":[' + ",".join([ONE] * SUBMITTED) + "]}"
    found = []
    with rig.callboard_web(rig.environment(free_port())) as address:
        for number in range(rounds):
            found.append(SUBMITTED * wrk(address, body, path="/api/tasks/batch", connections=4))
            say(f"round {number + 1}: {found[-1]:,.0f} tasks/s")
    return {"callboard": found}


def work_tps(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure no-op tasks a second of two worker processes working off a backlog, all recorded."""
    found = []
    for number in range(rounds):
        env = rig.environment(free_port())
        with rig.callboard_web(env) as address:
            wrk(address, ONE, seconds=4)
            with (
                rig.process("worker1", "callboard", "worker", env=env),
                rig.process("worker2", "callboard", "worker", env=env),
            ):
                found.append(_work_off(rig, env["CALLBOARD_NAMESPACE"]))
        say(f"round {number + 1}: {found[-1]:,.0f}/s")
    return {"callboard": found}


def _work_off(rig: Rig, namespace: str) -> float:
    """Return tasks a second from the first tenth of a backlog to its end; start-up does not count.

    Redis is asked itself: the statistics of `/api/stats` would cost a tenth of what is measured.
    """
    with sync_client(rig.redis.url) as client:
        index = f"{namespace}:idx:noop:normal"

        def ended() -> int:
            return int(client.zcard(f"{index}:succeeded"))

        total = ended() + client.zcard(f"{index}:queued") + client.zcard(f"{index}:running")
        wait_for(lambda: ended() >= total // 10, "the workers run")
        first, since = ended(), time.perf_counter()
        wait_for(lambda: ended() == total, "all tasks are done", 120)
        return float(total - first) / (time.perf_counter() - since)


def embedded_ready_s(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure seconds from `callboard run` to its first answer."""
    found = []
    for number in range(rounds):
        port = free_port()
        begun = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "callboard", "run"],
            env={**rig.environment(port), "CALLBOARD_ACTORS": "actors"},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda port=port: get(f"http://127.0.0.1:{port}/readyz") == 200, "it answers")
            found.append(time.perf_counter() - begun)
        finally:
            child.terminate()
            child.wait(timeout=30)
        say(f"round {number + 1}: {found[-1]:.2f} s")
    return {"callboard": found}


#: name → (measure, unit, which direction is better)
MEASURES = {
    "submit_rps": (submit_rps, "1/s", "higher"),
    "batch_submit_tps": (batch_submit_tps, "1/s", "higher"),
    "work_tps": (work_tps, "1/s", "higher"),
    "embedded_ready_s": (embedded_ready_s, "s", "lower"),
    "metrics_ms_1m": (million.metrics_ms_1m, "ms", "lower"),
    "list_ms_p99_1m": (million.list_ms_p99_1m, "ms", "lower"),
    "watchers": (watchers.watchers, "ms", "lower"),
    "watchers_kb": (watchers.watchers_kb, "KB", "lower"),
    "watchers_restart_s": (watchers.watchers_restart_s, "s", "lower"),
    "first_page_ms": (pages.first_page_ms, "ms", "lower"),
    "list_slow_frames_pct": (pages.list_slow_frames_pct, "%", "lower"),
}
