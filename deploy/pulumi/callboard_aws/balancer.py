"""TLS: a load balancer with a certificate of ACM in front of the web host."""

import pulumi
import pulumi_aws as aws

from callboard_aws.openings import HTTPS
from callboard_aws.plan import Plan

#: Seconds a silent connection is kept. Streams send something every 15 s, waits last up to 60 s.
_IDLE_S = 120


class Balancer(pulumi.ComponentResource):
    """An application load balancer on 443 alone: no port 80, so no key ever travels in the clear."""

    def __init__(
        self,
        plan: Plan,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: list[pulumi.Output[str]],
        group_id: pulumi.Input[str],
        web_instance_id: pulumi.Input[str],
    ) -> None:
        super().__init__("callboard:aws:Balancer", plan.name)
        child = pulumi.ResourceOptions(parent=self)
        balancer = aws.lb.LoadBalancer(
            "web",
            load_balancer_type="application",
            subnets=subnet_ids,
            security_groups=[group_id],
            idle_timeout=_IDLE_S,
            drop_invalid_header_fields=True,
            tags=plan.tags_of("web"),
            opts=child,
        )
        target = aws.lb.TargetGroup(
            "web",
            vpc_id=vpc_id,
            port=plan.web_port,
            protocol="HTTP",
            target_type="instance",
            deregistration_delay=30,
            # Alive, not ready: while RabbitMQ is away the service itself answers, with 503 and Retry-After.
            health_check={
                "path": "/healthz",
                "interval": 10,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            tags=plan.tags_of("web"),
            opts=child,
        )
        aws.lb.TargetGroupAttachment(
            "web", target_group_arn=target.arn, target_id=web_instance_id, port=plan.web_port, opts=child
        )
        aws.lb.Listener(
            "https",
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
            certificate_arn=plan.certificate_arn,
            default_actions=[{"type": "forward", "target_group_arn": target.arn}],
            tags=plan.tags_of("https"),
            opts=child,
        )
        self.dns_name = balancer.dns_name
        self.register_outputs({"dns_name": self.dns_name})
