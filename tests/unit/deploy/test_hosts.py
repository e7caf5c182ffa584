"""Hosts, disks, workers, secrets and everything else of a stack."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pulumi_aws
import pytest

from tests.unit.deploy.graph import CERTIFICATE, Graph, Made

GraphOf = Callable[..., Graph]
FULL = {
    "certificateArn": CERTIFICATE,
    "dashboardCidrs": ["203.0.113.7/32"],
    "sshCidrs": ["203.0.113.8/32"],
    "sshPublicKey": "ssh-ed25519 AAAA me",
    "tags": {"team": "jobs", "Stack": "not this one"},
}
BOTH = pytest.mark.parametrize("mode", ["single", "multi"])


def machines(graph: Graph) -> list[tuple[Made, list[dict[str, Any]]]]:
    """Return whatever becomes an instance, with its disks."""
    hosts = [(each, [each.inputs["rootBlockDevice"]]) for each in graph.of("ec2/instance:Instance")]
    groups = [
        (each, [disk["ebs"] for disk in each.inputs["blockDeviceMappings"]])
        for each in graph.of("ec2/launchTemplate:LaunchTemplate")
    ]
    return hosts + groups


@BOTH
def test_metadata_takes_a_token_and_everything_is_encrypted(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(mode)
    for machine, disks in machines(graph):
        options = machine.inputs["metadataOptions"]
        assert options["httpTokens"] == "required"
        # Only containers that use S3 by the host's role may reach the metadata.
        assert options["httpPutResponseHopLimit"] == (2 if machine.name in ("web", "worker") else 1)
        assert all(disk["encrypted"] in (True, "true") for disk in disks)
        assert all(disk["deleteOnTermination"] in (True, "true") for disk in disks)
    assert all(each.inputs["encrypted"] is True for each in graph.of("ebs/volume:Volume"))


def takes_tags(resource: Made) -> bool:
    _, path, name = resource.kind.split(":")
    module = getattr(pulumi_aws, path.split("/")[0])
    return isinstance(getattr(getattr(module, name), "tags", None), property)


@BOTH
@pytest.mark.parametrize("values", [{}, FULL])
def test_whatever_takes_tags_has_them(graph_of: GraphOf, mode: str, values: dict[str, Any]) -> None:
    graph = graph_of(mode, **values)
    taggable = [each for each in graph.made if takes_tags(each)]
    assert len(taggable) > 15
    for each in taggable:
        tags = each.inputs.get("tags")
        if isinstance(tags, list):  # of an auto-scaling group: for its hosts as well
            assert all(tag["propagateAtLaunch"] for tag in tags)
            tags = {tag["key"]: tag["value"] for tag in tags}
        assert tags, each
        assert tags["Project"] == "callboard"
        assert tags["Stack"] == mode
        assert tags["Name"].startswith(f"callboard-{mode}-")
        assert tags.get("team") == values.get("tags", {}).get("team")
    for machine, _ in machines(graph):
        assert machine.inputs["tags"]["Role"]
    for template in graph.of("ec2/launchTemplate:LaunchTemplate"):
        assert {each["resourceType"] for each in template.inputs["tagSpecifications"]} == {
            "instance",
            "volume",
        }


@BOTH
def test_data_is_on_disks_that_outlive_their_host(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(mode)
    servers = ["host"] if mode == "single" else ["rabbitmq", "redis"]
    assert sorted(each.name for each in graph.of("ebs/volume:Volume")) == [f"{name}-data" for name in servers]
    for name in servers:
        disk = graph.one("ebs/volume:Volume", f"{name}-data")
        link = graph.one("ec2/volumeAttachment:VolumeAttachment", f"{name}-data")
        host = graph.one("ec2/instance:Instance", name)
        assert (link.inputs["volumeId"], link.inputs["instanceId"]) == (disk.id, host.id)
        # One host at a time: the old one lets go before the new one takes it.
        assert link.delete_before_replace
        assert host.delete_before_replace
        assert f"DATA_VOLUME={disk.id}" in host.inputs["userData"]
        assert (
            disk.inputs["availabilityZone"]
            == graph.one("ec2/subnet:Subnet", "public-1").inputs["availabilityZone"]
        )


@BOTH
def test_destroy_leaves_nothing_unless_the_data_is_to_be_kept(graph_of: GraphOf, mode: str) -> None:
    assert not any(each.retain_on_delete for each in graph_of(mode).made)
    assert all(each.inputs["forceDestroy"] for each in graph_of(mode).of("s3/bucket:Bucket"))
    kept = {(each.kind, each.name) for each in graph_of(mode, keepData="true").made if each.retain_on_delete}
    assert kept == (
        {("aws:ebs/volume:Volume", "host-data")}
        if mode == "single"
        else {
            ("aws:ebs/volume:Volume", "rabbitmq-data"),
            ("aws:ebs/volume:Volume", "redis-data"),
            ("aws:s3/bucket:Bucket", "uploads"),
        }
    )


def test_servers_keep_their_address_when_replaced(graph_of: GraphOf) -> None:
    graph = graph_of("multi", vpcCidr="10.99.0.0/16")
    assert graph.one("ec2/instance:Instance", "rabbitmq").inputs["privateIp"] == "10.99.8.10"
    assert graph.one("ec2/instance:Instance", "redis").inputs["privateIp"] == "10.99.8.11"
    assert graph.one("ec2/subnet:Subnet", "private-1").inputs["cidrBlock"] == "10.99.8.0/24"


def test_each_kind_of_worker_is_a_group_of_exactly_that_many(graph_of: GraphOf) -> None:
    graph = graph_of("multi", workers={"worker": 3, "worker-email": 1, "worker-data": 0})
    groups = {each.name: each.inputs for each in graph.of("autoscaling/group:Group")}
    assert {name: inputs["desiredCapacity"] for name, inputs in groups.items()} == {
        "worker": 3,
        "worker-email": 1,
    }
    for name, inputs in groups.items():
        assert inputs["minSize"] == inputs["maxSize"] == inputs["desiredCapacity"]
        assert inputs["vpcZoneIdentifiers"] == ["private-1-id", "private-2-id"]
        assert inputs["launchTemplate"] == {"id": f"{name}-id", "version": "7"}
        assert inputs["instanceRefresh"]["preferences"]["minHealthyPercentage"] == 100
        script = base64.b64decode(
            graph.one("ec2/launchTemplate:LaunchTemplate", name).inputs["userData"]
        ).decode()
        assert f'"COMPOSE_PROFILES": "{name}"' in script
    assert not graph_of("single").of("autoscaling/group:Group")


def test_sizes_are_the_configured_ones_and_graviton_gets_its_own_image(graph_of: GraphOf) -> None:
    graph = graph_of(
        "multi", instanceTypes={"worker": "c7g.large", "redis": "r6i.large"}, dataGib={"redis": 100}
    )
    types = {each.name: each.inputs["instanceType"] for each, _ in machines(graph)}
    assert types == {
        "web": "t3.small",
        "rabbitmq": "t3.small",
        "redis": "r6i.large",
        "worker": "c7g.large",
        "scheduler": "t3.small",
    }
    assert graph.one("ebs/volume:Volume", "redis-data").inputs["size"] == 100
    asked = [args["name"] for token, args in graph.asked if "getParameter" in token]
    assert sum("/arm64/" in name for name in asked) == 1
    assert sum("/amd64/" in name for name in asked) == 4


@BOTH
def test_a_newer_image_replaces_no_host_unless_it_is_asked_for(graph_of: GraphOf, mode: str) -> None:
    for each, _ in machines(graph_of(mode)):
        assert each.ignore_changes == (("imageId",) if "blockDeviceMappings" in each.inputs else ("ami",))
    pinned = graph_of(mode, ami="ami-00000000000000001")
    for each, _ in machines(pinned):
        assert each.ignore_changes == ()
        assert each.inputs.get("ami", each.inputs.get("imageId")) == "ami-00000000000000001"


@BOTH
def test_secrets_are_made_once_and_kept_as_secure_strings(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(mode, secretSettings={"CALLBOARD_SMTP_URL": "smtp://me:hidden-word@mail.example.org"})
    kept = {each.name: each for each in graph.of("ssm/parameter:Parameter")}
    assert {name for name, each in kept.items() if each.inputs["type"] != "SecureString"} == {"release"}
    made = [each for name, each in kept.items() if name not in ("release", "secret-settings")]
    assert len(made) == 5
    assert all(len(each.inputs["value"]) >= 43 for each in made)
    assert len({each.inputs["value"] for each in made}) == 5
    assert all(each.ignore_changes == ("value",) for each in made)
    for each in kept.values():
        assert each.inputs["name"] == f"/callboard/{mode}/{each.name}"
    values = [*(each.inputs["value"] for each in made), "hidden-word"]
    for each in graph.made:
        text = json.dumps(each.inputs)
        if "userData" in each.inputs and each.kind.endswith("LaunchTemplate"):
            text += base64.b64decode(each.inputs["userData"]).decode()
        if each.kind != "aws:ssm/parameter:Parameter":
            assert not any(value in text for value in values), each.name
    assert not any(value in json.dumps(graph.outputs) for value in values)


def test_uploads_of_several_hosts_are_in_a_private_encrypted_bucket(graph_of: GraphOf) -> None:
    graph = graph_of("multi")
    closed = graph.one("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "uploads").inputs
    assert {key for key, value in closed.items() if value is True} == {
        "blockPublicAcls",
        "blockPublicPolicy",
        "ignorePublicAcls",
        "restrictPublicBuckets",
    }
    (rule,) = graph.one(
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", "uploads"
    ).inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    (statement,) = json.loads(graph.one("s3/bucketPolicy:BucketPolicy", "uploads").inputs["policy"])[
        "Statement"
    ]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert not graph_of("single").of("s3/bucket:Bucket")


def test_a_certificate_puts_tls_in_front(graph_of: GraphOf) -> None:
    graph = graph_of("multi", certificateArn=CERTIFICATE, domain="tasks.example.org")
    listener = graph.one("lb/listener:Listener", "https").inputs
    assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
    assert listener["certificateArn"] == CERTIFICATE
    assert len(graph.of("lb/listener:Listener")) == 1
    target = graph.one("lb/targetGroup:TargetGroup", "web").inputs
    assert target["healthCheck"]["path"] == "/healthz"
    attached = graph.one("lb/targetGroupAttachment:TargetGroupAttachment", "web").inputs
    assert (attached["targetId"], attached["port"]) == ("web-id", 80)
    assert graph.outputs["url"] == "https://tasks.example.org/"
    assert graph.outputs["address"] == "web-1.elb.example.org"
    assert not graph.warned


@BOTH
def test_without_a_certificate_it_warns_and_shows_where_to_go(graph_of: GraphOf, mode: str) -> None:
    graph = graph_of(mode, webPort="8080", dashboardCidrs=["203.0.113.7/32"])
    assert any("unencrypted" in line for line in graph.warned)
    assert graph.outputs["url"] == "http://198.51.100.4:8080/"
    assert graph.outputs["dashboard"] == "http://198.51.100.4:5555/"
    hosts = {"host"} if mode == "single" else {"web", "rabbitmq", "redis", "scheduler"}
    assert graph.outputs["hosts"] == {name: f"{name}-id" for name in hosts}
