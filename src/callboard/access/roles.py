"""The four roles and what each may do. Pure; the table of routes is web/access.py."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """The role of a key, and what a route needs."""

    #: Hands tasks in, and reads those it handed in itself, by their ids.
    SUBMIT = "submit"
    #: Sees everything, changes nothing.
    READ = "read"
    #: Both of these; cancels, retries, deletes, pauses, purges, edits schedules.
    OPERATE = "operate"
    #: All of it; keys and the audit trail.
    ADMIN = "admin"


#: What a key of each role has.
GRANTS: Final = {
    Role.SUBMIT: frozenset({Role.SUBMIT}),
    Role.READ: frozenset({Role.READ}),
    Role.OPERATE: frozenset({Role.SUBMIT, Role.READ, Role.OPERATE}),
    Role.ADMIN: frozenset(Role),
}


def allows(role: Role, needed: Role) -> bool:
    """Tell whether a key of `role` may use what needs `needed`."""
    return needed in GRANTS[role]


def in_words(needed: Role) -> str:
    """Return `read (or operate or admin)`: a role that is needed, and those that have it too."""
    _, *others = granting(needed)
    return f"{needed} (or {' or '.join(others)})" if others else str(needed)


def granting(needed: Role) -> list[Role]:
    """Return the roles that have `needed`, the least of them first."""
    return [role for role in Role if allows(role, needed)]
