"""What a host has: the files of its user-data, and its parameters."""

import re

import boto3

from tests.unit.deploy.graph import Graph


def files_of(script: str) -> dict[str, str]:
    """Return what a script writes: path and content."""
    written = re.findall(r"^install -D -m \d+ /dev/stdin (\S+) <<'(\S+)'\n(.*?)\n\2$", script, re.M | re.S)
    return {path: content + "\n" for path, _, content in written}


def fill(graph: Graph, address: str) -> None:
    """Put the parameters of a stack into Parameter Store as Pulumi would."""
    client = boto3.client(
        "ssm", "eu-central-1", endpoint_url=address, aws_access_key_id="test", aws_secret_access_key="test"
    )
    for each in graph.of("ssm/parameter:Parameter"):
        inputs = each.inputs
        client.put_parameter(Name=inputs["name"], Value=inputs["value"], Type=inputs["type"], Overwrite=True)
