"""Networks and fixed addresses, computed from `vpcCidr`: known beforehand, the same after a rebuild."""

from ipaddress import IPv4Network

from callboard_aws.plan import Plan
from callboard_aws.roles import Role

#: Subnets are /24: the first two public, two private ones from the ninth on; each pair is in two zones.
_FIRST_PRIVATE = 8
#: The last number of a host's address; AWS keeps 0 to 3 and 255 of a subnet.
_NUMBER = {Role.RABBITMQ: 10, Role.REDIS: 11}


def public_subnets(plan: Plan) -> tuple[str, str]:
    """Return the networks with a way in from the internet, one in each of two zones."""
    return _subnet(plan, 0), _subnet(plan, 1)


def private_subnets(plan: Plan) -> tuple[str, str]:
    """Return the networks that only reach out, through NAT, one in each of two zones."""
    return _subnet(plan, _FIRST_PRIVATE), _subnet(plan, _FIRST_PRIVATE + 1)


def fixed_address(plan: Plan, role: Role) -> str | None:
    """Return the address others know a server by, in the first private subnet; None: any will do.

    On a single host they know it by its name in docker-compose.yml.
    """
    if not plan.multi or role not in _NUMBER:
        return None
    return str(IPv4Network(private_subnets(plan)[0])[_NUMBER[role]])


def _subnet(plan: Plan, number: int) -> str:
    return str(list(IPv4Network(plan.vpc_cidr).subnets(new_prefix=24))[number])
