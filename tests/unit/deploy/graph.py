"""Runs the Pulumi program without Pulumi's engine or AWS, and keeps every resource it registers."""

import asyncio
import contextlib
import importlib
import json
import logging
import runpy
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, settings
from pulumi.runtime.config import CONFIG
from pulumi.runtime.stack import Stack, run_pulumi_func

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of its own modules, on import
    for module in ("autoscaling", "ebs", "ec2", "iam", "lb", "s3", "ssm", "vpc"):
        importlib.import_module(f"pulumi_aws.{module}").__dir__()

PROGRAM = Path(__file__).parents[3] / "deploy/pulumi"
GIT_URL = "https://git.example.org/callboard.git"
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d"
_ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]


@dataclass(frozen=True)
class Made:
    """One resource as the program registered it; `inputs` have the names of AWS's provider."""

    kind: str
    name: str
    inputs: dict[str, Any]
    delete_before_replace: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.name}-id"


@dataclass
class Graph:
    """Everything one run of the program made, and what it showed at the end."""

    made: list[Made] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Made]:
        """Return all resources of a kind, e.g. `ec2/instance:Instance`."""
        return [each for each in self.made if each.kind == f"aws:{kind}"]

    def one(self, kind: str, name: str) -> Made:
        """Return the resource of that kind and name; there has to be exactly one."""
        (found,) = (each for each in self.of(kind) if each.name == name)
        return found


class _Answers(mocks.Mocks):
    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        known = {
            "arn": f"arn:aws:{args.typ.split(':')[1].split('/')[0]}:::{args.inputs.get('name', args.name)}",
            "bucket": "callboard-uploads-1",
            "name": args.name,
            "dnsName": "web-1.elb.example.org",
            "latestVersion": 7,
            "publicIp": "198.51.100.4",
        }
        return f"{args.name}-id", {**known, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        self._graph.asked.append((args.token, args.args))
        if args.token == "aws:index/getAvailabilityZones:getAvailabilityZones":
            return {"names": _ZONES, "id": "zones"}, []
        assert args.token == "aws:ssm/getParameter:getParameter"
        return {"value": "ami-0123456789abcdef0"}, []


class _Monitor(mocks.MockMonitor):
    """Also keeps the options of resources, which Pulumi's mocks do not hand on."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(_Answers(graph))
        self._graph = graph

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        answer = super().RegisterResource(request)
        if request.custom:
            self._graph.made.append(
                Made(
                    kind=request.type,
                    name=request.name,
                    inputs=_plain(mocks.rpc.deserialize_properties(request.object)),
                    delete_before_replace=request.deleteBeforeReplace,
                    retain_on_delete=request.retainOnDelete,
                    ignore_changes=tuple(request.ignoreChanges),
                )
            )
        return answer


def _plain(value: Any) -> Any:
    """Return inputs with secrets as their values."""
    if isinstance(value, Mapping):
        if mocks.rpc._special_sig_key in value:
            return _plain(value["value"])
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def build(mode: str, values: Mapping[str, Any], *, region: str | None = "eu-central-1") -> Graph:
    """Run the program for a stack named like its mode; `values` are keys of the configuration.

    Raises what the program raises.
    """
    graph = Graph()
    given = {"mode": mode, "gitUrl": GIT_URL, **values}
    config = {
        f"callboard:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in given.items()
        if value is not None
    }
    if region:
        config["aws:region"] = region
    # Pulumi keeps its state in context variables and wants the loop of its thread: both are new in a new one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_run, graph, config, mode).result()
    return graph


def _run(graph: Graph, config: dict[str, str], stack: str) -> None:
    loop, calls = asyncio.new_event_loop(), asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # Where Pulumi calls the mocks: one thread, so in the order of the program, with a loop that is closed.
    loop.set_default_executor(ThreadPoolExecutor(1, initializer=asyncio.set_event_loop, initargs=(calls,)))
    CONFIG.set(config)
    monitor = _Monitor(graph)
    try:
        with _warnings(graph):
            mocks.set_mocks(monitor.mocks, project="callboard", stack=stack, preview=False, monitor=monitor)
            loop.run_until_complete(run_pulumi_func(lambda: _program(graph)))
    finally:
        asyncio.set_event_loop(None)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        calls.close()


def _program(graph: Graph) -> None:
    stack = settings.get_root_resource()
    assert isinstance(stack, Stack)
    stack.outputs.clear()  # of the graph before
    runpy.run_path(str(PROGRAM / "__main__.py"), run_name="__main__")
    pulumi.Output.all(**stack.outputs).apply(graph.outputs.update)


@contextlib.contextmanager
def _warnings(graph: Graph) -> Iterator[None]:
    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            graph.warned.append(record.getMessage())

    handler = Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
