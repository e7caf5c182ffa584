"""What is to be built, as one checked, frozen object; `reading.py` makes it of the configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from callboard_aws.roles import Role

#: The sizes taken when the configuration names none.
INSTANCE_TYPES: Final = {
    Role.HOST: "t3.medium",
    Role.WEB: "t3.small",
    Role.RABBITMQ: "t3.small",
    Role.REDIS: "t3.small",
    Role.WORKER: "t3.small",
    Role.SCHEDULER: "t3.small",
}
#: GiB of the volumes with data; the key is the host they belong to.
DATA_GIB: Final = {Role.HOST: 40, Role.RABBITMQ: 20, Role.REDIS: 20}
#: Graviton: t4g, m7g, c8gn, …; everything else is taken for AMD and Intel.
_GRAVITON: Final = re.compile(r"^[a-z]+\d+g[a-z]*\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be built. Names of fields are the configuration's in snake case."""

    #: `single`: everything on one host. `multi`: one host for each part.
    mode: str
    stack: str
    region: str
    #: Where hosts get docker-compose.yml and, without `image`, the source to build from.
    git_url: str
    git_ref: str = "main"
    #: A ready image to pull instead of building one on every host.
    image: str | None = None
    #: Who may reach the API and the UI.
    web_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    #: The public port without a certificate; with one it is 443.
    web_port: int = 80
    #: The certificate (ACM) of a load balancer in front, which then does TLS.
    certificate_arn: str | None = None
    #: The name people use, e.g. tasks.example.org.
    domain: str | None = None
    #: Who may reach dramatiq-dashboard; nobody: only by a tunnel of Session Manager.
    dashboard_cidrs: tuple[str, ...] = ()
    ssh_cidrs: tuple[str, ...] = ()
    ssh_public_key: str | None = None
    #: Hosts (multi) or containers (single) of each kind of worker; the kinds are compose services.
    workers: Mapping[str, int] = field(default_factory=lambda: {"worker": 2})
    instance_types: Mapping[Role, str] = field(default_factory=dict)
    data_gib: Mapping[Role, int] = field(default_factory=dict)
    #: The image of Ubuntu of all hosts; None: the newest when a host is made, kept from then on.
    ami: str | None = None
    vpc_cidr: str = "10.80.0.0/16"
    #: `pulumi destroy` leaves volumes and uploads.
    keep_data: bool = False
    #: CALLBOARD_* for Callboard's containers.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Likewise, kept in Parameter Store as SecureString.
    secret_settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def multi(self) -> bool:
        """Tell whether every part has a host of its own."""
        return self.mode == "multi"

    @property
    def name(self) -> str:
        """What names in AWS begin with."""
        return f"callboard-{self.stack}"

    def instance_type(self, role: Role) -> str:
        """Return the size of a host."""
        return self.instance_types.get(role, INSTANCE_TYPES[role])

    def data_gib_of(self, role: Role) -> int:
        """Return GiB of a host's volume with data."""
        return self.data_gib.get(role, DATA_GIB[role])

    def architecture(self, role: Role) -> str:
        """Return `arm64` or `amd64`, by the instance type."""
        return "arm64" if _GRAVITON.match(self.instance_type(role)) else "amd64"

    def tags_of(self, name: str, role: Role | None = None) -> dict[str, str]:
        """Return the tags of one resource; ours win over the configured ones."""
        ours = {
            "Name": f"{self.name}-{name}",
            "Project": "callboard",
            "Stack": self.stack,
            "ManagedBy": "pulumi",
        }
        return {**self.tags, **ours, **({"Role": role.value} if role else {})}
