"""What each host runs: profiles of docker-compose.yml, the .env they get, the secrets they may read.

Only what does not change while the host lives: a change replaces it. The rest is in `parameters.release`.

The names are those of docker-compose.yml and of deploy/containers, which reads the .env (and does so in
tests/unit/deploy).
"""

from dataclasses import dataclass, field
from typing import Final

from callboard_aws.addresses import fixed_address
from callboard_aws.openings import AMQP, REDIS
from callboard_aws.parameters import Secret
from callboard_aws.plan import Plan
from callboard_aws.roles import Role

_ALL: Final = "0.0.0.0"  # noqa: S104 (who reaches it is the security groups' business)

#: What each host reads of the stack's secrets, and no other one.
_SECRETS: Final = {
    Role.HOST: tuple(Secret),
    Role.WEB: (Secret.RABBITMQ, Secret.REDIS, Secret.ADMIN_KEY),
    Role.RABBITMQ: (Secret.RABBITMQ, Secret.RABBITMQ_ADMIN),
    Role.REDIS: (Secret.REDIS, Secret.REDIS_ADMIN),
    Role.WORKER: (Secret.RABBITMQ, Secret.REDIS),
    # The dashboard asks who comes.
    Role.SCHEDULER: (Secret.RABBITMQ, Secret.REDIS, Secret.ADMIN_KEY),
}
_KEYS: Final = {"CALLBOARD_API_KEYS": "admin:admin:{admin-key}"}
_RABBITMQ_ADMIN: Final = {"RABBITMQ_ADMIN_PASSWORD": "{rabbitmq-admin-password}"}
_REDIS_ADMIN: Final = {"REDIS_ADMIN_PASSWORD": "{redis-admin-password}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one kind of host does."""

    #: The secrets it reads.
    secrets: tuple[Secret, ...]
    #: Its .env; `{name of a secret}` stands for that secret.
    env: dict[str, str] = field(default_factory=dict)
    #: Whether Callboard itself runs here, which takes the configured settings, also the secret ones.
    application: bool = True
    #: The variable of .env that becomes the number of cores.
    one_a_core: str = ""
    #: The server that gets the memory of the whole host: `rabbitmq` or `redis`.
    sized: str = ""


def job(plan: Plan, role: Role, *, kind: str = "worker", uploads_url: str = "") -> Job:
    """Return the job of a host.

    Args:
        plan: the whole plan.
        role: the kind of host.
        kind: of a worker, its service.
        uploads_url: what CALLBOARD_FILES_URL is on several hosts; empty: the volume of docker-compose.yml.
    """
    secrets = _SECRETS[role]
    address = fixed_address(plan, role)
    web = {"CALLBOARD_BIND": _ALL} | _KEYS
    rabbitmq, redis = fixed_address(plan, Role.RABBITMQ), fixed_address(plan, Role.REDIS)
    servers = _servers(rabbitmq or "rabbitmq", redis or "redis")
    shared = servers | {"CALLBOARD_FILES_URL": uploads_url, "AWS_DEFAULT_REGION": plan.region}
    match role:
        case Role.HOST:
            env = {"COMPOSE_PROFILES": "all"} | servers | web | _RABBITMQ_ADMIN | _REDIS_ADMIN
            return Job(secrets=secrets, env=env)
        case Role.WEB:
            return Job(secrets=secrets, env={"COMPOSE_PROFILES": "web"} | shared | web)
        case Role.WORKER:
            count = f"CALLBOARD_{kind.replace('worker', 'workers').replace('-', '_').upper()}"
            return Job(secrets=secrets, env={"COMPOSE_PROFILES": kind} | shared, one_a_core=count)
        case Role.SCHEDULER:
            own = {"COMPOSE_PROFILES": "scheduler,dashboard"}
            return Job(secrets=secrets, env=own | shared | _KEYS)
        case Role.RABBITMQ | Role.REDIS:
            name = "CALLBOARD_BROKER_URL" if role is Role.RABBITMQ else "CALLBOARD_REDIS_URL"
            admin = _RABBITMQ_ADMIN if role is Role.RABBITMQ else _REDIS_ADMIN
            own = {"COMPOSE_PROFILES": role.value, "CALLBOARD_PRIVATE_ADDRESS": str(address)}
            env = own | admin | {name: servers[name]}
            return Job(secrets=secrets, env=env, application=False, sized=role.value)


def _servers(rabbitmq: str, redis: str) -> dict[str, str]:
    return {
        "CALLBOARD_BROKER_URL": f"amqp://callboard:{{rabbitmq-password}}@{rabbitmq}:{AMQP}/callboard",
        "CALLBOARD_REDIS_URL": f"redis://callboard:{{redis-password}}@{redis}:{REDIS}/0",
    }
