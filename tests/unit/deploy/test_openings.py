"""Who may reach whom, and that nobody else may."""

import re
from collections.abc import Callable

import pytest

from tests.unit.deploy.graph import CERTIFICATE, PROGRAM, Graph, Made

GraphOf = Callable[..., Graph]
OPEN = {
    "dashboardCidrs": ["203.0.113.7/32"],
    "sshCidrs": ["203.0.113.8/32"],
    "sshPublicKey": "ssh-ed25519 AAAA me",
}
INGRESS = "vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "vpc/securityGroupEgressRule:SecurityGroupEgressRule"

#: (into which group, port, from whom): every rule of each stack, by hand.
SINGLE = {("host", 80, "0.0.0.0/0")}
MULTI = {
    ("web", 80, "0.0.0.0/0"),
    ("rabbitmq", 5672, "web"),
    ("rabbitmq", 5672, "worker"),
    ("rabbitmq", 5672, "scheduler"),
    ("redis", 6379, "web"),
    ("redis", 6379, "worker"),
    ("redis", 6379, "scheduler"),
}


def rules(graph: Graph, kind: str = INGRESS) -> set[tuple[str, int | None, str]]:
    def row(rule: Made) -> tuple[str, int | None, str]:
        inputs = rule.inputs
        assert inputs.get("fromPort") == inputs.get("toPort")
        assert inputs["ipProtocol"] == ("tcp" if "fromPort" in inputs else "-1")
        peer = inputs.get("cidrIpv4") or inputs["referencedSecurityGroupId"].removesuffix("-id")
        return inputs["securityGroupId"].removesuffix("-id"), inputs.get("fromPort"), peer

    found = [row(rule) for rule in graph.of(kind)]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize(
    ("mode", "values", "expected"),
    [
        ("single", {}, SINGLE),
        ("multi", {}, MULTI),
        (
            "single",
            OPEN,
            SINGLE | {("host", 5555, "203.0.113.7/32"), ("host", 22, "203.0.113.8/32")},
        ),
        (
            "multi",
            OPEN,
            MULTI
            | {("scheduler", 5555, "203.0.113.7/32")}
            | {(public, 22, "203.0.113.8/32") for public in ("web", "scheduler")},
        ),
        (
            "single",
            {"certificateArn": CERTIFICATE},
            {("balancer", 443, "0.0.0.0/0"), ("host", 80, "balancer")},
        ),
        (
            "multi",
            {"certificateArn": CERTIFICATE, "webCidrs": ["198.51.100.0/24", "203.0.113.0/24"]},
            MULTI - {("web", 80, "0.0.0.0/0")}
            | {
                ("balancer", 443, "198.51.100.0/24"),
                ("balancer", 443, "203.0.113.0/24"),
                ("web", 80, "balancer"),
            },
        ),
    ],
)
def test_exactly_these_ports_are_open(
    graph_of: GraphOf, mode: str, values: dict[str, object], expected: set[tuple[str, int, str]]
) -> None:
    assert rules(graph_of(mode, **values)) == expected


@pytest.mark.parametrize("mode", ["single", "multi"])
@pytest.mark.parametrize("values", [{}, OPEN, {"certificateArn": CERTIFICATE}, {"webPort": "8443"}])
def test_the_internet_reaches_the_web_port_and_nothing_else(
    graph_of: GraphOf, mode: str, values: dict[str, object]
) -> None:
    graph = graph_of(mode, **values)
    port = 443 if "certificateArn" in values else int(str(values.get("webPort", 80)))
    assert {number for _, number, peer in rules(graph) if peer == "0.0.0.0/0"} == {port}
    for group in graph.of("ec2/securityGroup:SecurityGroup"):
        assert not group.inputs.get("ingress")
        assert not group.inputs.get("egress")  # rules are resources of their own, so none hides here


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_the_vpcs_own_group_lets_nothing_through(graph_of: GraphOf, mode: str) -> None:
    (group,) = graph_of(mode).of("ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert not group.inputs.get("ingress")
    assert not group.inputs.get("egress")


def test_servers_reach_out_for_packages_only(graph_of: GraphOf) -> None:
    assert rules(graph_of("multi"), EGRESS) == {
        ("rabbitmq", 80, "0.0.0.0/0"),
        ("rabbitmq", 443, "0.0.0.0/0"),
        ("redis", 80, "0.0.0.0/0"),
        ("redis", 443, "0.0.0.0/0"),
        ("web", None, "0.0.0.0/0"),
        ("worker", None, "0.0.0.0/0"),
        ("scheduler", None, "0.0.0.0/0"),
    }


def test_the_load_balancer_reaches_the_web_host_only(graph_of: GraphOf) -> None:
    graph = graph_of("multi", certificateArn=CERTIFICATE)
    assert {row for row in rules(graph, EGRESS) if row[0] == "balancer"} == {("balancer", 80, "web")}


@pytest.mark.parametrize(
    ("mode", "values", "public"),
    [
        ("single", {}, {"host"}),
        ("multi", {}, {"web"}),
        ("multi", OPEN, {"web", "scheduler"}),
        ("multi", {"certificateArn": CERTIFICATE}, set()),
    ],
)
def test_only_hosts_that_need_one_have_a_public_address(
    graph_of: GraphOf, mode: str, values: dict[str, object], public: set[str]
) -> None:
    graph = graph_of(mode, **values)
    hosts = graph.of("ec2/instance:Instance")
    assert {each.name for each in hosts if each.inputs["associatePublicIpAddress"]} == public
    assert {each.name for each in graph.of("ec2/eip:Eip")} - {"nat"} == public
    for each in hosts:
        kind = "public" if each.name in public else "private"
        assert each.inputs["subnetId"] == f"{kind}-1-id"
    for subnet in graph.of("ec2/subnet:Subnet"):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_a_key_pair_is_made_only_when_asked_for(graph_of: GraphOf, mode: str) -> None:
    assert not graph_of(mode).of("ec2/keyPair:KeyPair")
    assert all("keyName" not in each.inputs for each in graph_of(mode).of("ec2/instance:Instance"))
    (pair,) = graph_of(mode, **OPEN).of("ec2/keyPair:KeyPair")
    assert pair.inputs["publicKey"] == OPEN["sshPublicKey"]


def test_private_subnets_reach_out_through_nat_and_a_single_host_needs_none(graph_of: GraphOf) -> None:
    def way_out(graph: Graph) -> dict[str, str]:
        return {
            each.name: each.inputs.get("natGatewayId", each.inputs.get("gatewayId"))
            for each in graph.of("ec2/route:Route")
        }

    assert way_out(graph_of("single")) == {"public-out": "internet-id"}
    assert not graph_of("single").of("ec2/natGateway:NatGateway")
    multi = graph_of("multi")
    assert way_out(multi) == {"public-out": "internet-id", "private-out": "nat-id"}
    assert multi.one("ec2/natGateway:NatGateway", "nat").inputs["subnetId"] == "public-1-id"
    tables = {
        each.inputs["subnetId"]: each.inputs["routeTableId"]
        for each in multi.of("ec2/routeTableAssociation:RouteTableAssociation")
    }
    assert tables == {
        "public-1-id": "public-id",
        "public-2-id": "public-id",
        "private-1-id": "private-id",
        "private-2-id": "private-id",
    }


def test_the_readme_shows_the_same_table(graph_of: GraphOf) -> None:
    text = (PROGRAM / "README.md").read_text(encoding="utf-8")
    shown = {
        (group, int(port), peer)
        for group, port, peer in re.findall(r"^\| `(\w+)` \| (\d+) \| `([\w./]+)`", text, re.MULTILINE)
    }
    assert shown == SINGLE | MULTI
