"""What hosts fetch when they start: secrets and settings in Parameter Store, never in user-data."""

import json
import secrets
from enum import StrEnum
from typing import Final

import pulumi
import pulumi_aws as aws

from callboard_aws.addresses import public_subnets
from callboard_aws.plan import Plan


class Secret(StrEnum):
    """A secret the stack makes itself; the value is the last part of its parameter's name."""

    #: Of the user callboard, with the least rights.
    RABBITMQ = "rabbitmq-password"
    REDIS = "redis-password"
    #: Of the user admin: RabbitMQ's own pages, backups of Redis.
    RABBITMQ_ADMIN = "rabbitmq-admin-password"
    REDIS_ADMIN = "redis-admin-password"
    #: The first key of the API, with the role admin: sign in with it, make others, keep it for emergencies.
    ADMIN_KEY = "admin-key"


#: JSON objects of variables: what everybody may see, and what not.
RELEASE: Final = "release"
SECRET_SETTINGS: Final = "secret-settings"  # noqa: S105

_SECRET_BYTES: Final = 32


def path(plan: Plan, name: str) -> str:
    """Return the full name of a parameter."""
    return f"/callboard/{plan.stack}/{name}"


class Parameters(pulumi.ComponentResource):
    """A parameter for each secret, one for release and settings, one for secret settings; `arns` by name.

    Secrets are made once, when their parameter is: later runs leave the value alone, also one that somebody
    has changed at AWS. They are encrypted in Pulumi's state.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__("callboard:aws:Parameters", plan.name)
        self._plan = plan
        self.arns: dict[str, pulumi.Output[str]] = {}
        for each in Secret:
            made = "cb_" * (each is Secret.ADMIN_KEY) + secrets.token_urlsafe(_SECRET_BYTES)
            self._add(each, pulumi.Output.secret(made), "SecureString", keep=True)
        hidden = pulumi.Output.secret(json.dumps(dict(plan.secret_settings)))
        self._add(SECRET_SETTINGS, hidden, "SecureString")
        self._add(RELEASE, json.dumps(release(plan)), "String")
        self.register_outputs({})

    def _add(self, name: str, value: pulumi.Input[str], kind: str, *, keep: bool = False) -> None:
        parameter = aws.ssm.Parameter(
            name,
            name=path(self._plan, name),
            type=kind,
            value=value,
            tags=self._plan.tags_of(name),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"] if keep else None),
        )
        self.arns[name] = parameter.arn


def release(plan: Plan) -> dict[str, str]:
    """Return what changes with an upgrade: hosts read it at every start, so no host is replaced for it."""
    found = {
        "CALLBOARD_GIT_REF": plan.git_ref,
        "CALLBOARD_IMAGE": plan.image or "",
        "CALLBOARD_PORT": str(plan.web_port),
    }
    if plan.dashboard_cidrs:  # else it stays on loopback, where a tunnel of Session Manager ends
        found["CALLBOARD_DASHBOARD_BIND"] = "0.0.0.0"  # noqa: S104 (who reaches it is the security groups' business)
    if plan.certificate_arn:  # the load balancer is in the public subnets, and says who the client is
        found["CALLBOARD_PROXIES"] = ",".join(public_subnets(plan))
    if not plan.multi:
        found["CALLBOARD_WORKERS"] = str(plan.workers["worker"])
    return found | dict(plan.settings)
