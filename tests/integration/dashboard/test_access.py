"""Who may look and who may change, with every role and without a key; what the audit trail says of it."""

import base64
import secrets

import msgspec
import pytest

from callboard.access import entries
from callboard.access.audit import decode
from callboard.access.roles import Role
from callboard.access.secret import digest_of
from callboard.store import api_keys, audit, sessions
from callboard.tasks.times import now_ms
from tests.integration.dashboard import site as sites
from tests.integration.dashboard.site import Site
from tests.integration.worker.harness import Installation, soon
from tests.patience import PATIENCE_S

KEYS = {role: f"{role}-key-of-the-dashboard" for role in Role}
UNKNOWN = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"
PAGES = ("/", "/queues/default", "/queues/default/failed")


def basic(key: str, user: str = "me") -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


@pytest.fixture(scope="module")
def guarded(board: Installation) -> Site:
    """A dashboard that asks for keys."""
    given = ",".join(f"{role}er:{role}:{key}" for role, key in KEYS.items())
    return sites.start(board, auth="required", api_keys=given, proxies="127.0.0.1")


def trail(board: Installation) -> list[dict[str, object]]:
    """Return the newest entries of the audit trail."""
    kept = board.store.run(audit.before(board.keys, "changes", "", 20))
    return [msgspec.to_builtins(decode(each)[1]) for each in kept]


@pytest.mark.parametrize(
    ("authorization", "looks"),
    [
        ("", 401),
        (basic("not-a-key-of-anybody"), 401),
        (basic(""), 401),
        ("Basic ???", 401),
        ("Digest abc", 401),
        (f"Bearer {KEYS[Role.READ]}", 200),
        (basic(KEYS[Role.SUBMIT]), 403),
        (basic(KEYS[Role.READ]), 200),
        (basic("", KEYS[Role.READ]), 200),
        (basic(KEYS[Role.OPERATE]), 200),
        (basic(KEYS[Role.ADMIN]), 200),
    ],
)
def test_looking_takes_the_role_read(authorization: str, looks: int, guarded: Site) -> None:
    site = guarded.visitor(**({"Authorization": authorization} if authorization else {}))
    assert {site.get(page).status for page in PAGES} == {looks}
    refused = site.get("/")
    if looks == 401:
        assert refused.headers["www-authenticate"] == 'Basic realm="Callboard", charset="UTF-8"'
        assert refused.title == "A key, please"
    if looks == 403:
        assert "needs the role read (or operate or admin)" in refused.text
    assert site.get("/healthz").status == site.get("/static/dashboard.css").status == 200


@pytest.mark.parametrize(
    ("role", "changes"),
    [(None, 401), (Role.SUBMIT, 403), (Role.READ, 403), (Role.OPERATE, 302), (Role.ADMIN, 302)],
)
def test_changing_takes_the_role_operate(
    role: Role | None, changes: int, board: Installation, guarded: Site
) -> None:
    task_id = board.submit("echo", delay=3600)
    site = guarded.visitor(**({"Authorization": basic(KEYS[role])} if role else {}))
    site.cookie = f"__dd_csrf={secrets.token_hex(32)}"
    assert site.post("/requeue-message", queue="default.DQ", id=task_id).status == (
        409 if changes == 302 else changes
    )
    assert site.post("/delete-message", queue="default.DQ", id=task_id).status == changes
    assert board.status(task_id) == ("cancelled" if changes == 302 else "scheduled")
    if role is None:
        assert task_id not in str(trail(board))
        return
    delete, requeue = trail(board)[:2]
    assert (requeue["action"], delete["action"]) == ("task.retry", "task.cancel")
    assert (delete["actor"], delete["status"], delete["client"]) == (f"{role}er", changes, "127.0.0.1")
    if changes == 302:
        assert delete["target"] == requeue["target"] == task_id
        assert requeue["status"] == 409


def test_only_who_may_change_something_sees_the_buttons(board: Installation, guarded: Site) -> None:
    task_id = board.submit("echo", delay=3600)
    for role, shown in ((Role.READ, False), (Role.OPERATE, True), (Role.READ, False)):
        site = guarded.visitor(Authorization=basic(KEYS[role]))
        for path in ("/queues/default/delayed", f"/queues/default/delayed/{task_id}"):
            page = site.get(path)
            assert page.status == 200
            assert task_id in page.text
            assert ("<button" in page.text) is shown
    board.cancel(task_id)


def test_a_key_that_is_revoked_is_out(board: Installation, guarded: Site) -> None:
    key = entries.make("temp", Role.READ, now_ms())
    board.store.run(api_keys.add(board.keys, key.key_id, key.fields()))
    site = guarded.visitor(Authorization=basic(key.secret))
    soon(lambda: site.get("/").status == 200, "the key is known")
    board.store.run(api_keys.revoke(board.keys, key.key_id))
    soon(lambda: site.get("/").status == 401, "the key is out")


def test_who_has_signed_in_to_the_web_ui_is_known_here_too(board: Installation, guarded: Site) -> None:
    cookie = secrets.token_urlsafe(32)
    fields = {
        "key_digest": digest_of(KEYS[Role.OPERATE]), "csrf": "x", "created_at": str(now_ms()),
        "ends_at": str(now_ms() + 60_000),
    }  # fmt: skip
    board.store.run(sessions.begin(board.keys, digest_of(cookie), fields, 60))
    name = f"callboard_session_{board.settings.namespace}"
    site = guarded.visitor()
    first = site.get("/queues/default", {"Cookie": f"{name}={cookie}"})
    assert first.status == 200
    assert cookie not in first.text
    both = {"Cookie": f"{name}={cookie}; {site.cookie}"}
    task_id = board.submit("echo", delay=3600)
    assert site.post("/delete-message", both, queue="default", id=task_id).status == 302
    assert trail(board)[0]["actor"] == "operateer"
    other_site = both | {"Origin": "http://evil.example"}
    assert site.post("/delete-message", other_site, queue="default", id=task_id).status == 403
    assert guarded.visitor().get("/", {"Cookie": f"{name}=made-up"}).status == 401


def test_without_authentication_the_trail_names_loopback(board: Installation, site: Site) -> None:
    task_id = board.submit("permanent")
    board.wait(task_id)
    site.post("/delete-message", queue="default.XQ", id=task_id)
    entry = trail(board)[0]
    assert (entry["actor"], entry["action"], entry["target"]) == ("loopback", "task.delete", task_id)


def test_the_client_is_who_our_proxy_says(board: Installation, guarded: Site) -> None:
    site = guarded.visitor(Authorization=basic(KEYS[Role.OPERATE]))
    forwarded = {"X-Forwarded-For": "made-up, 203.0.113.7"}
    assert site.post("/delete-message", forwarded, queue="default", id=UNKNOWN).status == 404
    entry = trail(board)[0]
    assert (entry["client"], entry["target"], entry["status"]) == ("203.0.113.7", UNKNOWN, 404)


def test_keys_are_in_no_log(guarded: Site) -> None:
    assert not [key for key in KEYS.values() if key in guarded.process.log()]


def test_off_loopback_it_does_not_start_without_a_key(board: Installation) -> None:
    everywhere, empty = "0.0.0.0", f"{board.settings.namespace}x"  # noqa: S104 - it is not to start
    process = board.run("dashboard", ready=False, host=everywhere, namespace=empty)
    assert process.process.wait(PATIENCE_S) == 2
    assert "there is no key" in process.log()
