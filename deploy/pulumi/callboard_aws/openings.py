"""Who may reach whom: the one table the security groups are made of. README.md shows it to people."""

from dataclasses import dataclass
from typing import Final

from callboard_aws.plan import Plan
from callboard_aws.roles import Role

HTTPS: Final = 443
AMQP: Final = 5672
REDIS: Final = 6379
DASHBOARD: Final = 5555
SSH: Final = 22
#: The group of the load balancer; all others are named as the hosts they are around.
BALANCER: Final = "balancer"
ANYWHERE: Final = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Opening:
    """One port that is open: `peer`, a group's name or an IPv4 network, may connect to the hosts of `group`.

    `port` None, of what hosts may reach outside, is every port of every protocol.
    """

    group: str
    port: int | None
    peer: str
    why: str


def groups(plan: Plan) -> tuple[str, ...]:
    """Return the names of all security groups."""
    hosts = tuple(dict.fromkeys(role.value for role in hosts_of(plan)))
    return (*([BALANCER] if plan.certificate_arn else []), *hosts)


def hosts_of(plan: Plan) -> tuple[Role, ...]:
    """Return the kinds of hosts of a plan."""
    if plan.multi:
        return (Role.WEB, Role.RABBITMQ, Role.REDIS, Role.WORKER, Role.SCHEDULER)
    return (Role.HOST,)


def public_hosts(plan: Plan) -> tuple[Role, ...]:
    """Return the hosts that have an address on the internet; nobody can reach the others from outside."""
    if not plan.multi:
        return (Role.HOST,)
    web = () if plan.certificate_arn else (Role.WEB,)
    return (*web, *([Role.SCHEDULER] if plan.dashboard_cidrs else []))


def ingress(plan: Plan) -> list[Opening]:
    """Return every port that accepts connections, and from whom."""
    web = Role.WEB if plan.multi else Role.HOST
    found: list[Opening] = []
    if plan.certificate_arn:
        found += [Opening(BALANCER, HTTPS, cidr, "API and UI") for cidr in plan.web_cidrs]
        found.append(Opening(web, plan.web_port, BALANCER, "API and UI, from the load balancer"))
    else:
        found += [Opening(web, plan.web_port, cidr, "API and UI") for cidr in plan.web_cidrs]
    if plan.multi:
        for user in (Role.WEB, Role.WORKER, Role.SCHEDULER):
            found.append(Opening(Role.RABBITMQ, AMQP, user, f"AMQP from {user}"))
            found.append(Opening(Role.REDIS, REDIS, user, f"Redis from {user}"))
    dashboard = Role.SCHEDULER if plan.multi else Role.HOST
    found += [Opening(dashboard, DASHBOARD, cidr, "dramatiq-dashboard") for cidr in plan.dashboard_cidrs]
    found += [Opening(role, SSH, cidr, "SSH") for role in public_hosts(plan) for cidr in plan.ssh_cidrs]
    return found


def egress(plan: Plan) -> list[Opening]:
    """Return what hosts may connect to: servers only fetch packages and images, tasks may call anything."""
    found: list[Opening] = []
    if plan.certificate_arn:
        found.append(
            Opening(BALANCER, plan.web_port, Role.WEB if plan.multi else Role.HOST, "to the web host")
        )
    for role in hosts_of(plan):
        if role in (Role.RABBITMQ, Role.REDIS):
            found.append(Opening(role, 80, ANYWHERE, "packages"))
            found.append(Opening(role, HTTPS, ANYWHERE, "packages, images, Session Manager"))
        else:
            found.append(Opening(role, None, ANYWHERE, "packages, images, and whatever tasks call"))
    return found
