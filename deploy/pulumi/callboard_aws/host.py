"""One host of Ubuntu: no way in but its security group, encrypted disks, data on a disk of its own."""

from collections.abc import Callable
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from callboard_aws.identity import Identity
from callboard_aws.plan import Plan
from callboard_aws.roles import Role

#: Canonical's images, by the name AWS keeps the newest one's id under.
_UBUNTU: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
_ROOT_GIB: Final = 20


def image_id(plan: Plan, role: Role) -> pulumi.Input[str]:
    """Return the AMI of a host."""
    if plan.ami:
        return plan.ami
    name = _UBUNTU.format(plan.architecture(role))
    found: pulumi.Output[str] = aws.ssm.get_parameter_output(name=name).value
    return found


def metadata_options(role: Role) -> dict[str, Any]:
    """Return how a host reaches its metadata: with a session token only (IMDSv2).

    Two hops where containers use the host's role (uploads in S3), one everywhere else: a container of
    RabbitMQ or Redis cannot get the host's credentials.
    """
    hops = 2 if role in (Role.WEB, Role.WORKER) else 1
    return {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": hops}


def root_disk() -> dict[str, Any]:
    """Return the disk with the system, gone with its host."""
    return {"volume_type": "gp3", "volume_size": _ROOT_GIB, "encrypted": True, "delete_on_termination": True}


class Host(pulumi.ComponentResource):
    """An instance, with a disk for data when `data_gib` says so; the disk outlives the instance."""

    def __init__(
        self,
        plan: Plan,
        role: Role,
        *,
        user_data: Callable[[str], pulumi.Input[str]],
        identity: Identity,
        subnet_id: pulumi.Input[str],
        group_id: pulumi.Input[str],
        zone: pulumi.Input[str],
        public: bool = False,
        private_ip: str | None = None,
        key_name: pulumi.Input[str] | None = None,
        data_gib: int = 0,
        after: list[pulumi.Resource] | None = None,
    ) -> None:
        """Args:
        user_data: makes the script of the id of the disk with data, empty without one.
        after: what has to be there before the host can install itself: its way out.
        """
        super().__init__("callboard:aws:Host", f"{plan.name}-{role}")
        child = pulumi.ResourceOptions(parent=self)
        disk: aws.ebs.Volume | None = None
        if data_gib:
            disk = aws.ebs.Volume(
                f"{role}-data",
                availability_zone=zone,
                size=data_gib,
                type="gp3",
                encrypted=True,
                tags=plan.tags_of(f"{role}-data", role),
                opts=pulumi.ResourceOptions(parent=self, retain_on_delete=plan.keep_data),
            )
        tags = plan.tags_of(role, role)
        instance = aws.ec2.Instance(
            role,
            ami=image_id(plan, role),
            instance_type=plan.instance_type(role),
            subnet_id=subnet_id,
            private_ip=private_ip,
            associate_public_ip_address=public,
            vpc_security_group_ids=[group_id],
            iam_instance_profile=identity.profile.name,
            key_name=key_name,
            metadata_options=metadata_options(role),
            root_block_device={**root_disk(), "tags": tags},
            user_data=disk.id.apply(user_data) if disk else user_data(""),
            user_data_replace_on_change=True,
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                # A disk and a fixed address have one host at a time.
                delete_before_replace=disk is not None or private_ip is not None,
                # A newer image of Ubuntu is no reason to replace a host; `ami` in the configuration is.
                ignore_changes=None if plan.ami else ["ami"],
            ),
        )
        if disk:
            aws.ec2.VolumeAttachment(
                f"{role}-data",
                device_name="/dev/sdf",
                instance_id=instance.id,
                volume_id=disk.id,
                stop_instance_before_detaching=True,  # servers write their last word first
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.id = instance.id
        self.private_ip = instance.private_ip
        self.public_ip: pulumi.Output[str] = instance.public_ip
        if public:
            address = aws.ec2.Eip(role, domain="vpc", tags=tags, opts=child)
            aws.ec2.EipAssociation(role, allocation_id=address.id, instance_id=instance.id, opts=child)
            self.public_ip = address.public_ip
        self.register_outputs({"id": self.id})
