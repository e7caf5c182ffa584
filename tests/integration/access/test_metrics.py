"""`/metrics` asks for a key that may read, and counts who was turned away."""

from callboard.access.roles import Role
from tests.integration.access.conftest import GIVEN, Guarded
from tests.integration.api import problem
from tests.integration.metrics.scraping import Scrape, parse

BODY = {"task_type": "reverse_text", "parameters": {"text": "a"}}
REFUSED = "callboard_tasks_refused_total"


def scrape(guarded: Guarded) -> Scrape:
    answer = guarded.call("GET", "/metrics", GIVEN[Role.READ])
    assert answer.status_code == 200, answer.text
    return parse(answer.text)


def test_a_scrape_needs_the_role_read(guarded: Guarded) -> None:
    problem.check(guarded.call("GET", "/metrics"), 401, "unauthorized")
    problem.check(guarded.call("GET", "/metrics", GIVEN[Role.SUBMIT]), 403, "forbidden")
    assert scrape(guarded)("callboard_up", dependency="redis") == 1


def test_submits_of_strangers_and_of_those_who_had_their_share_are_counted(guarded: Guarded) -> None:
    key = guarded.new_key("one-a-day", role="submit", quota=1)["key"]
    before = scrape(guarded)
    guarded.submit(key)
    problem.check(guarded.call("POST", "/api/tasks", json=BODY), 401, "unauthorized")
    problem.check(guarded.call("POST", "/api/tasks", GIVEN[Role.READ], json=BODY), 403, "forbidden")
    problem.check(guarded.call("POST", "/api/tasks", key, json=BODY), 429, "rate-limited")
    after = scrape(guarded)
    for reason in ("unauthorized", "forbidden", "rate-limited"):
        assert after.total(REFUSED, reason=reason) - before.total(REFUSED, reason=reason) == 1
    accepted = "callboard_tasks_accepted_total"
    assert after.total(accepted) - before.total(accepted) == 1
    assert key not in str(after)
