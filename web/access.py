"""Who may use which address: one table of all routes, and what each change is called in the audit trail.

A new route gets its row here; a test compares the table with app.py. A route without one needs `admin`.
"""

from dataclasses import dataclass, field
from typing import Final

from callboard.access.roles import Role, granting


@dataclass(frozen=True, slots=True)
class Rule:
    """What one route asks of its caller; HEAD has the rule of GET."""

    #: None: everybody, also without a key.
    role: Role | None
    #: The change's name in the audit trail; None: the route changes nothing.
    audit: str | None = None
    #: A key that may submit may also read the task in the address, if it submitted that task itself.
    own: bool = False
    #: Any key will do, whatever its role.
    any_role: bool = False
    #: The roles that may, in a tuple: looking one up in it compares no texts and computes no hash.
    allowed: tuple[Role, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Work out who may."""
        some = () if self.role is None else granting(self.role)
        object.__setattr__(self, "allowed", tuple(Role) if self.any_role else tuple(some))


PUBLIC: Final = Rule(None)
ANY_KEY: Final = Rule(Role.SUBMIT, any_role=True)
READ: Final = Rule(Role.READ)
READ_OWN: Final = Rule(Role.READ, own=True)
ADMIN: Final = Rule(Role.ADMIN)


def _submits(audit: str) -> Rule:
    return Rule(Role.SUBMIT, audit)


def _operates(audit: str) -> Rule:
    return Rule(Role.OPERATE, audit)


#: (method, route) → rule. A WebSocket's method is WEBSOCKET.
RULES: Final[dict[tuple[str, str], Rule]] = {
    ("GET", "/api/tasks"): READ,
    ("POST", "/api/tasks"): _submits("task.submit"),
    ("POST", "/api/tasks/batch"): _submits("task.submit"),
    ("POST", "/api/tasks/bulk"): _operates("task.bulk"),
    ("GET", "/api/tasks/{task_id}"): READ_OWN,
    ("DELETE", "/api/tasks/{task_id}"): _operates("task.delete"),
    ("POST", "/api/tasks/{task_id}/cancel"): _operates("task.cancel"),
    ("POST", "/api/tasks/{task_id}/retry"): _operates("task.retry"),
    ("GET", "/api/tasks/{task_id}/logs"): READ_OWN,
    ("GET", "/api/tasks/{task_id}/events"): READ_OWN,
    ("WEBSOCKET", "/ws/tasks/{task_id}"): READ_OWN,
    ("GET", "/api/events"): READ,
    ("GET", "/api/operations"): READ,
    ("GET", "/api/operations/{operation_id}"): READ,
    ("POST", "/api/operations/{operation_id}/cancel"): _operates("operation.cancel"),
    ("GET", "/api/schedules"): READ,
    ("POST", "/api/schedules"): _operates("schedule.create"),
    ("GET", "/api/schedules/preview"): READ,
    ("GET", "/api/schedules/{schedule_id}"): READ,
    ("PUT", "/api/schedules/{schedule_id}"): _operates("schedule.change"),
    ("DELETE", "/api/schedules/{schedule_id}"): _operates("schedule.delete"),
    ("POST", "/api/schedules/{schedule_id}/pause"): _operates("schedule.pause"),
    ("POST", "/api/schedules/{schedule_id}/resume"): _operates("schedule.resume"),
    ("POST", "/api/schedules/{schedule_id}/run"): _operates("schedule.run"),
    ("GET", "/api/dead-letters"): READ,
    ("POST", "/api/files"): _submits("file.upload"),
    ("GET", "/api/task-types"): ANY_KEY,
    ("GET", "/api/queues"): READ,
    ("GET", "/api/queues/{name}"): READ,
    ("POST", "/api/queues/{name}/pause"): _operates("queue.pause"),
    ("POST", "/api/queues/{name}/resume"): _operates("queue.resume"),
    ("POST", "/api/queues/{name}/purge"): _operates("queue.purge"),
    ("GET", "/api/workers"): READ,
    ("GET", "/api/stats"): READ,
    ("GET", "/metrics"): READ,
    ("GET", "/api/keys"): ADMIN,
    ("POST", "/api/keys"): Rule(Role.ADMIN, "key.create"),
    ("DELETE", "/api/keys/{key_id}"): Rule(Role.ADMIN, "key.revoke"),
    ("GET", "/api/audit"): ADMIN,
    ("GET", "/api/whoami"): ANY_KEY,
    ("GET", "/api/openapi.json"): ANY_KEY,
    ("GET", "/api/health"): READ,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    # Pages; without a session a browser is sent to /sign-in.
    ("GET", "/"): READ,
    ("GET", "/tasks"): READ,
    ("GET", "/tasks/{task_id}"): READ_OWN,
    ("GET", "/observe"): READ,
    ("GET", "/failed"): READ,
    ("GET", "/schedules"): READ,
    ("GET", "/schedules/new"): Rule(Role.OPERATE),
    ("GET", "/schedules/{schedule_id}"): READ,
    ("GET", "/queues"): READ,
    ("GET", "/workers"): READ,
    ("GET", "/keys"): ADMIN,
    ("GET", "/audit"): ADMIN,
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): Rule(None, "sign-in"),
    ("POST", "/sign-out"): Rule(Role.SUBMIT, "sign-out", any_role=True),
    ("GET", "/docs"): ANY_KEY,
    ("GET", "/static/{name}"): PUBLIC,
}


#: role → the changes it may make, by their names in the audit trail; pages show no buttons for others.
CHANGES: Final = {
    role: frozenset(rule.audit for rule in RULES.values() if rule.audit is not None and role in rule.allowed)
    for role in Role
}


def needs(change: str) -> Role | None:
    """Return the role a change takes, by its name in the audit trail; raises StopIteration for none."""
    return next(rule.role for rule in RULES.values() if rule.audit == change)


def opens(role: Role, address: str) -> bool:
    """Tell whether a page of ours, named by its route, opens for a role; raises KeyError for no page."""
    rule = RULES["GET", address]
    return rule.role is None or role in rule.allowed


def rule_of(method: str, route: str) -> Rule:
    """Return the rule of a route."""
    return RULES.get(("GET" if method == "HEAD" else method, route), ADMIN)
