"""Thousands of watchers of one task on one web process: latency, memory, and how fast a restart is."""

import json
import resource
import select
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psutil
import redis

from benchmarks.rig import Rig, free_port, get, post_json, wait_for

WATCHERS = 2_000
RESTARTED = 1_000
EVENTS = 20


def watchers(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure ms from publishing one event until 99 % of 2,000 SSE watchers of one process have it."""
    found = []
    with _web(rig) as (env, _process, address):
        for number in range(rounds):
            task = _task(address)
            with _watching(env, task, WATCHERS) as sockets:
                times = _fan_out(rig, env, task, sockets)
            found.append(_percentile(times, 99))
            say(f"round {number + 1}: p50 {statistics.median(times):.0f} ms, p99 {found[-1]:.0f} ms")
    return {"callboard": found}


def watchers_kb(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure KB of the web process's memory for each of 2,000 SSE watchers, each of a fresh process."""
    found = []
    for number in range(rounds):
        with _web(rig) as (env, process, address):
            task = _task(address)
            with _watching(env, task, 50):
                pass  # what is loaded once
            before = _memory(process)
            with _watching(env, task, WATCHERS):
                found.append((_memory(process) - before) / 1024 / WATCHERS)
        say(f"round {number + 1}: {found[-1]:.1f} KB")
    return {"callboard": found}


def watchers_restart_s(rig: Rig, rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure seconds from SIGTERM, with 1,000 SSE watchers, until a new web process answers."""
    found = []
    for number in range(rounds):
        with _web(rig) as (env, process, address), _watching(env, _task(address), RESTARTED):
            begun = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            gone_s = time.perf_counter() - begun
            with rig.callboard_web(env):
                found.append(time.perf_counter() - begun)
        say(f"round {number + 1}: gone after {gone_s:.2f} s, answers after {found[-1]:.2f} s")
    return {"callboard": found}


@contextmanager
def _web(rig: Rig) -> Iterator[tuple[dict[str, str], "subprocess.Popen[bytes]", str]]:
    _allow_many_files()
    env = rig.environment(free_port())
    env["CALLBOARD_STREAMS_PER_CLIENT"] = str(2 * WATCHERS)
    address = f"http://127.0.0.1:{env['CALLBOARD_PORT']}"
    with rig.process("web", "callboard", "web", env=env) as process:
        wait_for(lambda: get(f"{address}/readyz") == 200, "callboard web is ready")
        yield env, process, address


def _task(address: str) -> str:
    """Return the id of a task that nobody runs."""
    return str(post_json(f"{address}/api/tasks", {"task_type": "noop", "parameters": {}})["task_id"])


@contextmanager
def _watching(env: dict[str, str], task: str, number: int) -> Iterator[list[socket.socket]]:
    """Open streams of one task; each has had the replay and waits for what comes."""
    port = int(env["CALLBOARD_PORT"])
    request = f"GET /api/tasks/{task}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with ExitStack() as stack:
        sockets = []
        for first in range(0, number, 100):
            fresh = [
                stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
                for _ in range(min(100, number - first))
            ]
            for each in fresh:
                each.sendall(request)
            for each in fresh:
                seen = b""
                while b"event: state" not in seen:
                    if not (got := each.recv(65536)):
                        raise RuntimeError(f"a stream was refused: {seen[:300]!r}")
                    seen += got
                each.setblocking(False)
            sockets += fresh
        yield sockets


def _fan_out(rig: Rig, env: dict[str, str], task: str, sockets: list[socket.socket]) -> list[float]:
    """Publish events one by one; return ms until each watcher had each."""
    poll = select.epoll()
    by_number = {each.fileno(): each for each in sockets}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    channel = f"{env['CALLBOARD_NAMESPACE']}:task:{task}:updates"
    times = []
    with redis.Redis.from_url(rig.redis.url) as client, closing(poll):
        for version in range(2, 2 + EVENTS):
            event = {"task_id": task, "version": version, "kind": "progress", "status": "running",
                     "at_ms": time.time_ns() // 1_000_000, "progress": version / 100}  # fmt: skip
            begun = time.perf_counter()
            client.publish(channel, json.dumps(event))
            mark = b'"version":%d,' % version
            waiting = set(by_number)
            while waiting:
                ready = poll.poll(10)
                if not ready:
                    raise RuntimeError(f"{len(waiting)} watchers did not get event {version} within 10 s")
                now = time.perf_counter()
                for number, _ in ready:
                    if mark in by_number[number].recv(65536):  # else a heartbeat
                        waiting.discard(number)
                        times.append((now - begun) * 1000)
    return times


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def _memory(process: "subprocess.Popen[bytes]") -> int:
    (worker,) = psutil.Process(process.pid).children()
    return int(worker.memory_info().rss)


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
