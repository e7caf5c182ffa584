"""Every property has a name and a type that AWS's provider knows: Pulumi's mocks take anything."""

import functools
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws
import pytest

from tests.unit.deploy.graph import CERTIFICATE, Graph, Made

GraphOf = Callable[..., Graph]


def class_of(resource: Made) -> Any:
    _, path, name = resource.kind.split(":")
    return getattr(getattr(pulumi_aws, path.split("/")[0]), name)


@functools.cache
def hints_of(of: Any) -> dict[str, Any]:
    return typing.get_type_hints(of, localns={"Output": pulumi.Output, "T": Any})


def camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def choices(hint: Any) -> list[Any]:
    """Return what a type may be, without Pulumi's and typing's wrappings."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType, typing.Required, typing.NotRequired):
        return [each for argument in arguments for each in choices(argument)]
    return [hint]


def problems(value: Any, hint: Any, where: str) -> list[str]:
    """Return what is wrong with a value: a key nobody knows, or a value of another type."""
    possible = choices(hint)
    if isinstance(value, Mapping):
        for each in possible:
            if typing.is_typeddict(each):
                known = {camel(name): kind for name, kind in hints_of(each).items()}
                return [
                    problem
                    for key, part in value.items()
                    for problem in (
                        problems(part, known[key], f"{where}.{key}")
                        if key in known
                        else [f"{where}.{key}: unknown"]
                    )
                ]
        fits = any(typing.get_origin(each) in (Mapping, dict) for each in possible)
        return [] if fits else [f"{where}: no object"]
    if isinstance(value, list):
        for each in possible:
            if typing.get_origin(each) is Sequence:
                (kind,) = typing.get_args(each)
                return [
                    problem
                    for n, part in enumerate(value)
                    for problem in problems(part, kind, f"{where}[{n}]")
                ]
        return [f"{where}: no list"]
    plain = {each for each in possible if isinstance(each, type) and not typing.is_typeddict(each)}
    number = isinstance(value, float) and value.is_integer() and int in plain  # as it travels to Pulumi
    return [] if type(value) in plain or number else [f"{where}: {value!r} is none of {plain}"]


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_aws_knows_every_property(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(
        mode,
        certificateArn=CERTIFICATE,
        dashboardCidrs=["203.0.113.7/32"],
        sshCidrs=["203.0.113.8/32"],
        sshPublicKey="ssh-ed25519 AAAA me",
    )
    found = []
    for resource in graph.made:
        hints = hints_of(class_of(resource)._internal_init)
        known = {camel(name): hint for name, hint in hints.items()}
        for key, value in resource.inputs.items():
            where = f"{resource.kind} {resource.name}.{key}"
            found += problems(value, known[key], where) if key in known else [f"{where}: unknown"]
    assert found == []


def test_the_comparison_sees_what_is_wrong() -> None:
    hints = hints_of(pulumi_aws.ec2.Instance._internal_init)
    assert problems({"httpTokens": "required"}, hints["metadata_options"], "x") == []
    assert problems({"httpToken": "required"}, hints["metadata_options"], "x") == ["x.httpToken: unknown"]
    assert problems({"httpTokens": True}, hints["metadata_options"], "x") != []
    assert problems("t3.small", hints["instance_type"], "x") == []
    assert problems(["t3.small"], hints["instance_type"], "x") == ["x: no list"]
