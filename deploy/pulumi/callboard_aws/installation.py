"""Both kinds of installation, from the plan to what is shown after `pulumi up`."""

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws

from callboard_aws.addresses import fixed_address
from callboard_aws.balancer import Balancer
from callboard_aws.firewall import Firewall
from callboard_aws.host import Host
from callboard_aws.identity import Identity
from callboard_aws.jobs import job
from callboard_aws.network import Network
from callboard_aws.openings import BALANCER, DASHBOARD, hosts_of, public_hosts
from callboard_aws.parameters import RELEASE, SECRET_SETTINGS, Parameters
from callboard_aws.plan import DATA_GIB, Plan
from callboard_aws.roles import Role
from callboard_aws.uploads import Uploads
from callboard_aws.user_data import render
from callboard_aws.workers import Workers


class Installation:
    """Everything of one stack. `outputs` is what people need afterwards."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._network = Network(plan)
        self._firewall = Firewall(plan, self._network.vpc.id)
        self._parameters = Parameters(plan)
        self._uploads = Uploads(plan) if plan.multi else None
        self._uploads_url = self._uploads.url if self._uploads else pulumi.Output.from_input("")
        self._key = self._key_pair()
        self._identities = {role: self._identity(role) for role in hosts_of(plan)}
        self._hosts = {role: self._host(role) for role in hosts_of(plan) if role is not Role.WORKER}
        self._groups = (
            {kind: self._workers(kind, count) for kind, count in plan.workers.items()} if plan.multi else {}
        )
        web = self._hosts[Role.WEB if plan.multi else Role.HOST]
        balancer = self._in_front_of(web)
        self.outputs = self._describe(balancer.dns_name if balancer else web.public_ip)

    def _key_pair(self) -> pulumi.Output[str] | None:
        plan = self._plan
        if not plan.ssh_public_key:
            return None
        pair = aws.ec2.KeyPair("ssh", public_key=plan.ssh_public_key, tags=plan.tags_of("ssh"))
        name: pulumi.Output[str] = pair.key_name
        return name

    def _identity(self, role: Role) -> Identity:
        wanted = job(self._plan, role)
        names = [*wanted.secrets, RELEASE, *([SECRET_SETTINGS] if wanted.application else [])]
        bucket = self._uploads.arn if self._uploads and role in (Role.WEB, Role.WORKER) else None
        return Identity(
            self._plan, role, parameters=[self._parameters.arns[name] for name in names], uploads=bucket
        )

    def _script(self, role: Role, kind: str = "worker") -> Callable[[str], pulumi.Output[str]]:
        """Return what makes user-data of the id of a disk."""

        def of(data_volume: str) -> pulumi.Output[str]:
            return self._uploads_url.apply(
                lambda url: render(
                    self._plan, job(self._plan, role, kind=kind, uploads_url=url), data_volume=data_volume
                )
            )

        return of

    def _host(self, role: Role) -> Host:
        public = role in public_hosts(self._plan)
        network = self._network
        return Host(
            self._plan,
            role,
            user_data=self._script(role),
            identity=self._identities[role],
            subnet_id=network.public_ids[0] if public or not network.private_ids else network.private_ids[0],
            group_id=self._firewall.ids[role],
            zone=network.zone,
            public=public,
            private_ip=fixed_address(self._plan, role),
            key_name=self._key,
            data_gib=self._plan.data_gib_of(role) if role in DATA_GIB else 0,
            after=[network, self._firewall, self._parameters],
        )

    def _workers(self, kind: str, count: int) -> Workers:
        return Workers(
            self._plan,
            kind,
            count,
            user_data=self._script(Role.WORKER, kind)(""),
            identity=self._identities[Role.WORKER],
            subnet_ids=self._network.private_ids,
            group_id=self._firewall.ids[Role.WORKER],
            after=[self._network, self._firewall, self._parameters],
        )

    def _in_front_of(self, web: Host) -> Balancer | None:
        if not self._plan.certificate_arn:
            return None
        return Balancer(
            self._plan,
            vpc_id=self._network.vpc.id,
            subnet_ids=self._network.public_ids,
            group_id=self._firewall.ids[BALANCER],
            web_instance_id=web.id,
        )

    def _describe(self, address: pulumi.Output[str]) -> dict[str, Any]:
        """Return what `pulumi stack output` shows."""
        plan = self._plan
        scheme = "https" if plan.certificate_arn else "http"
        port = "" if plan.certificate_arn or plan.web_port == 80 else f":{plan.web_port}"
        named = pulumi.Output.from_input(plan.domain) if plan.domain else address
        dashboard = self._hosts[Role.SCHEDULER if plan.multi else Role.HOST]
        return {
            "url": named.apply(lambda name: f"{scheme}://{name}{port}/"),
            #: What the domain's DNS entry points at: A to an address, CNAME to a name.
            "address": address,
            "dashboard": dashboard.public_ip.apply(lambda ip: f"http://{ip}:{DASHBOARD}/")
            if plan.dashboard_cidrs
            else "by a tunnel only: dashboardCidrs is empty",
            "hosts": {role.value: host.id for role, host in self._hosts.items()},
            "workers": {kind: group.name for kind, group in self._groups.items()},
            "parameters": f"/callboard/{plan.stack}/",
            "region": plan.region,
        }
