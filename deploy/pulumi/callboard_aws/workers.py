"""Workers: as many equal hosts as configured, replaced when one is lost."""

import base64

import pulumi
import pulumi_aws as aws

from callboard_aws.host import image_id, metadata_options, root_disk
from callboard_aws.identity import Identity
from callboard_aws.plan import Plan
from callboard_aws.roles import Role


class Workers(pulumi.ComponentResource):
    """An auto-scaling group of one kind of worker.

    It has exactly the configured number of hosts; a new template (another size, another setup) is rolled out
    host by host, the new one first. A host that goes hands its unfinished tasks back to RabbitMQ.
    """

    def __init__(
        self,
        plan: Plan,
        kind: str,
        count: int,
        *,
        user_data: pulumi.Output[str],
        identity: Identity,
        subnet_ids: list[pulumi.Output[str]],
        group_id: pulumi.Input[str],
        after: list[pulumi.Resource],
    ) -> None:
        super().__init__("callboard:aws:Workers", f"{plan.name}-{kind}")
        tags = plan.tags_of(kind, Role.WORKER)
        template = aws.ec2.LaunchTemplate(
            kind,
            image_id=image_id(plan, Role.WORKER),
            instance_type=plan.instance_type(Role.WORKER),
            iam_instance_profile={"arn": identity.profile.arn},
            metadata_options=metadata_options(Role.WORKER),
            vpc_security_group_ids=[group_id],
            block_device_mappings=[
                # A template's yes and no are texts.
                {
                    "device_name": "/dev/sda1",
                    "ebs": {**root_disk(), "encrypted": "true", "delete_on_termination": "true"},
                }
            ],
            user_data=user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
            update_default_version=True,
            tag_specifications=[{"resource_type": each, "tags": tags} for each in ("instance", "volume")],
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=None if plan.ami else ["image_id"]),
        )
        group = aws.autoscaling.Group(
            kind,
            min_size=count,
            max_size=count,
            desired_capacity=count,
            vpc_zone_identifiers=subnet_ids,
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            health_check_type="EC2",
            instance_refresh={
                "strategy": "Rolling",
                "preferences": {"min_healthy_percentage": 100, "max_healthy_percentage": 200},
            },
            tags=[{"key": key, "value": value, "propagate_at_launch": True} for key, value in tags.items()],
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        self.name = group.name
        self.register_outputs({"name": self.name})
