"""The network: a VPC, subnets in two zones, the way out, and nothing open by default."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from callboard_aws.addresses import private_subnets, public_subnets
from callboard_aws.openings import ANYWHERE
from callboard_aws.plan import Plan

Ids = list[pulumi.Output[str]]


class Network(pulumi.ComponentResource):
    """A VPC with two public subnets and, in multi mode, two private ones behind one NAT gateway.

    One gateway, not one in each zone: RabbitMQ and Redis are in the first zone as well, so a second one
    would cost as much again and keep nothing running that could still work.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__("callboard:aws:Network", plan.name)
        self._plan = plan
        self._child = pulumi.ResourceOptions(parent=self)
        self.vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=plan.vpc_cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=plan.tags_of("vpc"),
            opts=self._child,
        )
        # AWS makes this group with every VPC and puts what names none into it; ours has no rule at all.
        aws.ec2.DefaultSecurityGroup(
            "default", vpc_id=self.vpc.id, tags=plan.tags_of("default-unused"), opts=self._child
        )
        zones = aws.get_availability_zones_output(
            state="available",
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],  # no local zones
            opts=pulumi.InvokeOutputOptions(parent=self),
        ).names
        #: The zone of everything with a disk of its own.
        self.zone = zones[0]
        gateway = aws.ec2.InternetGateway(
            "internet", vpc_id=self.vpc.id, tags=plan.tags_of("internet"), opts=self._child
        )
        out = self._route_table("public", gateway_id=gateway.id)
        self.public_ids = self._subnets("public", public_subnets(plan), zones, out)
        self.private_ids: Ids = []
        if plan.multi:
            address = aws.ec2.Eip("nat", domain="vpc", tags=plan.tags_of("nat"), opts=self._child)
            nat = aws.ec2.NatGateway(
                "nat",
                allocation_id=address.id,
                subnet_id=self.public_ids[0],
                tags=plan.tags_of("nat"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
            )
            inside = self._route_table("private", nat_gateway_id=nat.id)
            self.private_ids = self._subnets("private", private_subnets(plan), zones, inside)
            # Uploads go to S3 without passing the gateway, which is paid by the byte.
            aws.ec2.VpcEndpoint(
                "s3",
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{plan.region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[out.id, inside.id],
                tags=plan.tags_of("s3"),
                opts=self._child,
            )
        self.register_outputs({"vpc_id": self.vpc.id})

    def _route_table(self, name: str, **way_out: pulumi.Input[str]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(name, vpc_id=self.vpc.id, tags=self._plan.tags_of(name), opts=self._child)
        aws.ec2.Route(
            f"{name}-out",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            opts=self._child,
            **way_out,
        )
        return table

    def _subnets(
        self, kind: str, cidrs: Sequence[str], zones: pulumi.Output[Sequence[str]], table: aws.ec2.RouteTable
    ) -> Ids:
        found: Ids = []
        for number, cidr in enumerate(cidrs):
            name = f"{kind}-{number + 1}"
            subnet = aws.ec2.Subnet(
                name,
                vpc_id=self.vpc.id,
                cidr_block=cidr,
                availability_zone=zones[number],
                map_public_ip_on_launch=False,  # hosts that need an address say so
                tags=self._plan.tags_of(name),
                opts=self._child,
            )
            aws.ec2.RouteTableAssociation(
                name, subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
            found.append(subnet.id)
        return found
