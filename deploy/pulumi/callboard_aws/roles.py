"""The kinds of hosts."""

from enum import StrEnum


class Role(StrEnum):
    """What a host is for; the value is in its name and its tag `Role`."""

    #: Everything on one machine.
    HOST = "host"
    WEB = "web"
    RABBITMQ = "rabbitmq"
    REDIS = "redis"
    WORKER = "worker"
    SCHEDULER = "scheduler"


#: The hosts of each mode.
ROLES_OF_MODE = {
    "single": (Role.HOST,),
    "multi": (Role.WEB, Role.RABBITMQ, Role.REDIS, Role.WORKER, Role.SCHEDULER),
}
