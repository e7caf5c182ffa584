"""Security groups made of the table in `openings.py`."""

import pulumi
import pulumi_aws as aws

from callboard_aws.openings import Opening, egress, groups, ingress
from callboard_aws.plan import Plan


class Firewall(pulumi.ComponentResource):
    """One security group for each kind of host, and one rule for each opening; `ids` by name."""

    def __init__(self, plan: Plan, vpc_id: pulumi.Input[str]) -> None:
        super().__init__("callboard:aws:Firewall", plan.name)
        self._plan = plan
        self._child = pulumi.ResourceOptions(parent=self)
        self.ids: dict[str, pulumi.Output[str]] = {
            name: aws.ec2.SecurityGroup(
                name,
                description=f"Callboard {plan.stack}: {name}",
                vpc_id=vpc_id,
                tags=plan.tags_of(name),
                opts=self._child,
            ).id
            for name in groups(plan)
        }
        for opening in ingress(plan):
            self._rule(aws.vpc.SecurityGroupIngressRule, "from", opening)
        for opening in egress(plan):
            self._rule(aws.vpc.SecurityGroupEgressRule, "to", opening)
        self.register_outputs({})

    def _rule(
        self,
        kind: type[aws.vpc.SecurityGroupIngressRule] | type[aws.vpc.SecurityGroupEgressRule],
        direction: str,
        opening: Opening,
    ) -> None:
        is_group = opening.peer in self.ids
        name = f"{opening.group}-{opening.port or 'all'}-{direction}-{opening.peer.replace('/', '-')}"
        kind(
            name,
            security_group_id=self.ids[opening.group],
            description=opening.why,
            ip_protocol="-1" if opening.port is None else "tcp",
            from_port=opening.port,
            to_port=opening.port,
            referenced_security_group_id=self.ids[opening.peer] if is_group else None,
            cidr_ipv4=None if is_group else opening.peer,
            tags=self._plan.tags_of(name),
            opts=self._child,
        )
