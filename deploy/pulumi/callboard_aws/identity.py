"""What a host may do at AWS: be reached by Session Manager, read its own parameters, use the uploads."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from callboard_aws.plan import Plan
from callboard_aws.roles import Role

#: What the agent on every host needs for sessions, tunnels and Run Command. AWS's own policy for it
#: (AmazonSSMManagedInstanceCore) also lets a host read every parameter of the account, so it is not used.
#: None of these actions can be narrowed to a resource of ours.
SESSION_MANAGER: Final = {
    "Sid": "SessionManager",
    "Effect": "Allow",
    "Action": [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
        "ec2messages:AcknowledgeMessage",
        "ec2messages:DeleteMessage",
        "ec2messages:FailMessage",
        "ec2messages:GetEndpoint",
        "ec2messages:GetMessages",
        "ec2messages:SendReply",
    ],
    "Resource": "*",
}
_ASSUMED_BY_EC2: Final = {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


class Identity(pulumi.ComponentResource):
    """The role of one kind of host; `profile` is what an instance carries."""

    def __init__(
        self,
        plan: Plan,
        role: Role,
        *,
        parameters: Iterable[pulumi.Output[str]],
        uploads: pulumi.Output[str] | None = None,
    ) -> None:
        """Args:
        parameters: ARNs this host reads.
        uploads: the ARN of the bucket this host reads and writes.
        """
        super().__init__("callboard:aws:Identity", f"{plan.name}-{role}")
        child = pulumi.ResourceOptions(parent=self)
        made = aws.iam.Role(
            role,
            assume_role_policy=_policy([_ASSUMED_BY_EC2]),
            tags=plan.tags_of(role, role),
            opts=child,
        )
        aws.iam.RolePolicy(
            f"{role}-session-manager", role=made.id, policy=_policy([SESSION_MANAGER]), opts=child
        )
        aws.iam.RolePolicy(
            f"{role}-parameters",
            role=made.id,
            policy=pulumi.Output.all(*parameters).apply(lambda arns: _policy([_read(arns)])),
            opts=child,
        )
        if uploads is not None:
            aws.iam.RolePolicy(
                f"{role}-uploads",
                role=made.id,
                policy=uploads.apply(lambda arn: _policy(_files(arn))),
                opts=child,
            )
        self.profile = aws.iam.InstanceProfile(
            role, role=made.name, tags=plan.tags_of(role, role), opts=child
        )
        self.register_outputs({})


def _read(arns: Sequence[str]) -> dict[str, Any]:
    # AWS's own key for Parameter Store lets those decrypt who may read, so there is nothing to say about KMS.
    return {
        "Sid": "OwnParameters",
        "Effect": "Allow",
        "Action": "ssm:GetParameters",
        "Resource": sorted(arns),
    }


def _files(arn: str) -> list[dict[str, Any]]:
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    return [
        {"Sid": "Files", "Effect": "Allow", "Action": objects, "Resource": f"{arn}/files/*"},
        {  # without it a missing file is answered 403, not 404
            "Sid": "MissingFiles",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn,
            "Condition": {"StringLike": {"s3:prefix": ["files/*"]}},
        },
    ]


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
