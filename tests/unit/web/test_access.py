"""The table of routes says of every route who may use it, and names every change."""

import falcon.inspect
import pytest

from callboard import bootstrap
from callboard.access.roles import GRANTS, Role, allows, granting
from callboard.settings import from_env
from web.access import ADMIN, RULES, rule_of
from web.app import add_routes, create_app
from web.guard import Guard
from web.origin import SAFE
from web.site import Site
from web.streams import Streams


async def routes() -> set[tuple[str, str]]:
    """Return every (method, route) that app.py adds."""
    settings = from_env({})

    def service() -> bootstrap.Service:
        return bootstrap.service(settings)

    app = create_app(service)
    add_routes(app, service(), Streams(1, 1, 15.0, {}), Site(), Guard())
    found = set()
    for route in falcon.inspect.inspect_app(app).routes:
        for method in route.methods:
            if not method.internal and method.method != "HEAD":
                found.add((method.method, route.path))
    return found


async def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    assert await routes() == set(RULES)


def test_every_change_has_a_name_in_the_audit_trail_and_nothing_else_has() -> None:
    for (method, route), rule in RULES.items():
        changes = method not in SAFE and method != "WEBSOCKET"
        assert bool(rule.audit) == changes, (method, route)


def test_what_changes_something_needs_more_than_read() -> None:
    for (method, route), rule in RULES.items():
        if rule.audit and rule.role is not None:
            assert not allows(Role.READ, rule.role), (method, route)


def test_head_has_the_rule_of_get_and_an_unknown_route_needs_admin() -> None:
    assert rule_of("HEAD", "/api/tasks") is RULES["GET", "/api/tasks"]
    assert rule_of("POST", "/api/unheard-of") is ADMIN


@pytest.mark.parametrize("role", Role)
def test_each_role_has_itself_and_admin_has_all(role: Role) -> None:
    assert allows(role, role)
    assert allows(Role.ADMIN, role)
    assert granting(role)[0] is role
    assert set(GRANTS) == set(Role)


def test_submit_does_not_see_and_read_does_not_submit() -> None:
    assert not allows(Role.SUBMIT, Role.READ)
    assert not allows(Role.READ, Role.SUBMIT)
    assert not allows(Role.OPERATE, Role.ADMIN)
