"""docs/security.md has the table as it is in web/access.py; `python -m` with this module writes it."""

import re
from pathlib import Path

from callboard.access.roles import Role, allows
from web.access import RULES, Rule

PAGE = Path(__file__).parents[3] / "docs/security.md"
PLACE = re.compile(r"(<!-- made from [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)


def words(rule: Rule) -> str:
    """Return what a rule asks for, in the words of the page."""
    if rule.role is None:
        return "public"
    return "any" if rule.any_role else "own" if rule.own else rule.role.value


def table() -> str:
    """Return the rules, grouped by address."""
    rows = ["| address | needs |", "| --- | --- |"]
    for route in dict.fromkeys(route for _, route in RULES):
        needs = ", ".join(
            f"{method} {words(rule)}" for (method, each), rule in RULES.items() if each == route
        )
        rows.append(f"| `{route}` | {needs} |")
    return "\n".join(rows) + "\n"


def written(text: str) -> str:
    """Return the page with the table as it is."""
    return PLACE.sub(lambda found: found[1] + table() + found[2], text)


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    assert PLACE.search(text)
    assert text == written(text), f"run python -m {__spec__.name}"


def test_the_page_names_every_role() -> None:
    text = PAGE.read_text("utf-8")
    for role in Role:
        assert f"| `{role}` |" in text
        assert allows(Role.ADMIN, role)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
