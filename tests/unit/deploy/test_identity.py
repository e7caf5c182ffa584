"""What hosts may do at AWS: exactly this."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from callboard_aws.identity import SESSION_MANAGER
from tests.unit.deploy.graph import Graph

GraphOf = Callable[..., Graph]
BOTH_SERVERS = {"rabbitmq-password", "redis-password", "release", "secret-settings"}
READS = {
    "host": BOTH_SERVERS | {"admin-key", "rabbitmq-admin-password", "redis-admin-password"},
    "web": BOTH_SERVERS | {"admin-key"},
    "rabbitmq": {"rabbitmq-password", "rabbitmq-admin-password", "release"},
    "redis": {"redis-password", "redis-admin-password", "release"},
    "worker": BOTH_SERVERS,
    "scheduler": BOTH_SERVERS | {"admin-key"},
}


def statements(graph: Graph, role: str) -> dict[str, dict[str, Any]]:
    found = {}
    for policy in graph.of("iam/rolePolicy:RolePolicy"):
        if policy.inputs["role"] == f"{role}-id":
            for statement in json.loads(policy.inputs["policy"])["Statement"]:
                assert statement["Effect"] == "Allow"
                found[statement["Sid"]] = statement
    return found


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_each_host_reads_its_own_parameters_and_nothing_else(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(mode)
    roles = {each.name for each in graph.of("iam/role:Role")}
    assert roles == ({"host"} if mode == "single" else set(READS) - {"host"})
    for role in roles:
        found = statements(graph, role)
        assert found.pop("SessionManager") == SESSION_MANAGER
        own = found.pop("OwnParameters")
        assert own["Action"] == "ssm:GetParameters"
        assert own["Resource"] == sorted(f"arn:aws:ssm:::/callboard/{mode}/{name}" for name in READS[role])
        assert set(found) == ({"Files", "MissingFiles"} if role in ("web", "worker") else set())


def test_only_sessions_are_allowed_on_every_resource() -> None:
    assert SESSION_MANAGER["Resource"] == "*"
    actions = SESSION_MANAGER["Action"]
    assert not any("*" in action or "Parameter" in action for action in actions)
    assert {action.split(":")[0] for action in actions} == {"ssm", "ssmmessages", "ec2messages"}


def test_files_are_those_of_the_bucket_below_its_folder(graph_of: GraphOf) -> None:
    for role in ("web", "worker"):
        found = statements(graph_of("multi"), role)
        assert found["Files"]["Resource"] == "arn:aws:s3:::uploads/files/*"
        assert not any("*" in action for action in found["Files"]["Action"])
        assert found["MissingFiles"]["Resource"] == "arn:aws:s3:::uploads"
        assert found["MissingFiles"]["Action"] == "s3:ListBucket"


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_roles_are_for_instances_and_have_no_policies_of_others(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(mode)
    for role in graph.of("iam/role:Role"):
        (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert trust["Principal"] == {"Service": "ec2.amazonaws.com"}
        assert "managedPolicyArns" not in role.inputs
    assert not graph.of("iam/rolePolicyAttachment:RolePolicyAttachment")
    profiles = {each.name for each in graph.of("iam/instanceProfile:InstanceProfile")}
    for host in graph.of("ec2/instance:Instance"):
        assert host.name in profiles
        assert host.inputs["iamInstanceProfile"]
