"""What each host runs: services of docker-compose.yml, the variables they get, the secrets they may read.

The names on the right are docker-compose.yml's and docs/settings.md's; `tests/unit/deploy` compares them.
"""

from dataclasses import dataclass, field
from typing import Final

from callboard_aws.addresses import fixed_address
from callboard_aws.openings import AMQP, REDIS
from callboard_aws.parameters import Secret
from callboard_aws.plan import Plan
from callboard_aws.roles import Role

_ALL: Final = "0.0.0.0"  # noqa: S104 (inside a VPC: who reaches it is the security groups' business)

_RABBITMQ: Final = {"RABBITMQ_PASSWORD": Secret.RABBITMQ_PASSWORD}
_REDIS: Final = {"REDIS_PASSWORD": Secret.REDIS_PASSWORD}
_ADMIN: Final = {"ADMIN_KEY": Secret.ADMIN_KEY}
#: Variable and secret, by host: each reads these and no other one.
_SECRETS: Final = {
    Role.HOST: _RABBITMQ | _REDIS | _ADMIN,
    Role.WEB: _RABBITMQ | _REDIS | _ADMIN,
    Role.RABBITMQ: _RABBITMQ,
    Role.REDIS: _REDIS,
    Role.WORKER: _RABBITMQ | _REDIS,
    Role.SCHEDULER: _RABBITMQ | _REDIS | _ADMIN,  # the dashboard asks who comes
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one kind of host does."""

    #: Services, each also a profile; the first one is scaled.
    services: tuple[str, ...]
    #: Containers of the first service; 0: one for each core.
    scale: int = 1
    #: Variable and the secret that is its value.
    secrets: dict[str, Secret] = field(default_factory=dict)
    #: Variable and value; `{VARIABLE}` in a value stands for a secret above.
    fixed: dict[str, str] = field(default_factory=dict)
    #: Whether Callboard itself runs here, which takes the configured settings, also the secret ones.
    application: bool = True


def job(plan: Plan, role: Role, *, kind: str = "worker", uploads_url: str = "") -> Job:
    """Return the job of a host.

    Args:
        plan: the whole plan.
        role: the kind of host.
        kind: of a worker, its service.
        uploads_url: what CALLBOARD_FILES_URL is on several hosts; empty: the volume of docker-compose.yml.
    """
    bind = {"CALLBOARD_BIND": _ALL}
    keys = {"CALLBOARD_API_KEYS": "admin:admin:{ADMIN_KEY}"}
    web = {"CALLBOARD_PORT": str(plan.web_port), **bind, **keys}
    if not plan.multi:
        return Job(
            services=("worker", "rabbitmq", "redis", "web", "scheduler", "dashboard"),
            scale=plan.workers["worker"],
            secrets=dict(_SECRETS[role]),
            fixed=web,
        )
    rabbitmq, redis = fixed_address(plan, Role.RABBITMQ), fixed_address(plan, Role.REDIS)
    shared = {
        "CALLBOARD_BROKER_URL": f"amqp://callboard:{{RABBITMQ_PASSWORD}}@{rabbitmq}:{AMQP}/callboard",
        "CALLBOARD_REDIS_URL": f"redis://callboard:{{REDIS_PASSWORD}}@{redis}:{REDIS}/0",
        "CALLBOARD_FILES_URL": uploads_url,
    }
    match role:
        case Role.WEB:
            return Job(services=("web",), secrets=dict(_SECRETS[role]), fixed=shared | web)
        case Role.WORKER:
            return Job(services=(kind,), scale=0, secrets=dict(_SECRETS[role]), fixed=shared)
        case Role.SCHEDULER:
            return Job(
                services=("scheduler", "dashboard"), secrets=dict(_SECRETS[role]), fixed=shared | bind | keys
            )
        case _:
            return Job(services=(role.value,), secrets=dict(_SECRETS[role]), fixed=bind, application=False)
