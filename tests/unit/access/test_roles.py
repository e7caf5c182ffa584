"""What each role may do, and how it is told."""

import pytest

from callboard.access.roles import Role, allows, granting, in_words
from web.access import CHANGES, RULES, needs, opens


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (Role.SUBMIT, "submit (or operate or admin)"),
        (Role.READ, "read (or operate or admin)"),
        (Role.OPERATE, "operate (or admin)"),
        (Role.ADMIN, "admin"),
    ],
)
def test_a_role_that_is_needed_is_told_with_those_that_have_it_too(role: Role, words: str) -> None:
    assert in_words(role) == words
    assert granting(role)[0] is role


def test_pages_offer_what_the_rules_of_the_routes_allow() -> None:
    for (method, route), rule in RULES.items():
        if rule.role is None or rule.any_role:
            continue
        for role in Role:
            if rule.audit is not None:
                assert (rule.audit in CHANGES[role]) is allows(role, rule.role), (method, route)
                assert needs(rule.audit) is rule.role, "one name, one role"
            if method == "GET":
                assert opens(role, route) is allows(role, rule.role)
    assert CHANGES[Role.READ] == {"sign-out"}
    assert opens(Role.SUBMIT, "/sign-in")
    with pytest.raises(KeyError):
        opens(Role.ADMIN, "/no-such-page")
