"""What docker-compose.yml runs, as far as the commands have to know it; a test compares the two."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Port:
    """A published port: the variables of .env that move it, and where it is without them."""

    variable: str
    default: int
    address_variable: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the compose file."""

    profiles: frozenset[str]
    port: Port | None = None
    #: The variable of .env with the number of its containers.
    count: str | None = None
    default_count: int = 1
    #: Whether it runs Callboard's image.
    ours: bool = True


def _service(*profiles: str, **fields: object) -> Service:
    return Service(frozenset(profiles), **fields)  # type: ignore[arg-type]


#: In the order in which they are restarted: who asks before who is asked.
SERVICES: Final[dict[str, Service]] = {
    "scheduler": _service("all", "scheduler"),
    "worker": _service("all", "worker", count="CALLBOARD_WORKERS", default_count=2),
    "worker-email": _service("worker-email", count="CALLBOARD_WORKERS_EMAIL"),
    "worker-data": _service("worker-data", count="CALLBOARD_WORKERS_DATA"),
    "worker-files": _service("worker-files", count="CALLBOARD_WORKERS_FILES"),
    "dashboard": _service(
        "all", "dashboard", port=Port("CALLBOARD_DASHBOARD_PORT", 5555, "CALLBOARD_DASHBOARD_BIND")
    ),
    "web": _service("all", "web", port=Port("CALLBOARD_PORT", 5000, "CALLBOARD_BIND")),
    "rabbitmq": _service(
        "all",
        "rabbitmq",
        port=Port("CALLBOARD_RABBITMQ_UI_PORT", 15672, "CALLBOARD_RABBITMQ_UI_BIND"),
        ours=False,
    ),
    "redis": _service("all", "redis", ours=False),
    "redis-browser": _service("tools", port=Port("CALLBOARD_REDIS_BROWSER_PORT", 5540), ours=False),
    "mail": _service("tools", port=Port("CALLBOARD_MAIL_PORT", 8025), ours=False),
}

PROFILES: Final = frozenset(profile for service in SERVICES.values() for profile in service.profiles)


def chosen(profiles: frozenset[str]) -> list[str]:
    """Return the names of the services that a host with these profiles runs."""
    return [name for name, service in SERVICES.items() if service.profiles & profiles]
