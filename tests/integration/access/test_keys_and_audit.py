"""Keys over the API and by command; who did what, in the audit trail."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from callboard.access.roles import Role
from callboard.access.secret import digest_of
from callboard.store.keys import keys_for
from tests.integration.access.conftest import GIVEN, Guarded, heard
from tests.integration.api import problem
from tests.integration.live.conftest import ROOT

ADMIN = GIVEN[Role.ADMIN]


def test_a_key_is_shown_once_and_kept_as_a_digest(guarded: Guarded) -> None:
    made = guarded.new_key("billing", role="read", rate="100/s", quota=50, expires_at="2100-01-01T00:00:00Z")
    assert made["key"].startswith("cb_")
    assert len(made["key"]) == 46
    listed = guarded.call("GET", "/api/keys", ADMIN)
    assert made["key"] not in listed.text
    (entry,) = (each for each in listed.json()["keys"] if each["id"] == made["id"])
    assert (entry["name"], entry["role"], entry["rate"], entry["quota"]) == ("billing", "read", "100/s", 50)
    assert entry["expires_at"] == "2100-01-01T00:00:00.000Z"
    assert entry["last_used"] is None
    assert guarded.call("GET", "/api/whoami", made["key"]).json()["key_id"] == made["id"]
    (entry,) = (e for e in guarded.call("GET", "/api/keys", ADMIN).json()["keys"] if e["id"] == made["id"])
    assert entry["last_used"] is not None
    with guarded.redis() as redis:
        prefix = keys_for(guarded.settings["namespace"]).prefix
        assert redis.hget(f"{prefix}api_key:{made['id']}", "digest").decode() == digest_of(made["key"])
        for name in redis.scan_iter(f"{prefix}*"):
            assert made["key"].encode() not in name + redis.dump(name)
    assert made["key"] not in guarded.logs()


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/name"]),
        ({"name": "a", "role": "root"}, ["/role"]),
        ({"name": "a b", "role": "read"}, ["/name"]),
        ({"name": "", "role": "read"}, ["/name"]),
        ({"name": "x" * 65, "role": "read"}, ["/name"]),
        ({"name": "a", "role": "read", "rate": "fast"}, ["/rate"]),
        ({"name": "a", "role": "read", "rate": "0/s"}, ["/rate"]),
        ({"name": "a", "role": "read", "quota": 0}, ["/quota"]),
        ({"name": "a", "role": "read", "expires_at": "tomorrow"}, ["/expires_at"]),
        ({"name": "a", "role": "read", "expires_at": "2001-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"name": "a", "role": "read", "key": "mine"}, ["/key"]),
        ({"name": "-", "role": "boss", "rate": "1/day"}, ["/name", "/role", "/rate"]),
    ],
    ids=str,
)
def test_a_field_that_cannot_be_used_is_named(
    guarded: Guarded, body: dict[str, Any], pointers: list[str]
) -> None:
    problem.check(guarded.call("POST", "/api/keys", ADMIN, json=body), 422, "validation", pointers)


def entries(guarded: Guarded, **search: Any) -> list[dict[str, Any]]:
    answer = guarded.call("GET", "/api/audit", ADMIN, params=search)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


def test_the_audit_trail_names_who_did_what_to_what_from_where(guarded: Guarded) -> None:
    made = guarded.new_key("worker-bee")
    task_id = guarded.submit(made["key"], delay=3600)
    headers = {"X-Request-ID": "my-own-id"}
    guarded.call("POST", f"/api/tasks/{task_id}/cancel", made["key"], headers=headers)
    guarded.call("POST", f"/api/tasks/{task_id}/cancel", made["key"])
    guarded.call("POST", f"/api/tasks/{task_id}/retry", GIVEN[Role.READ])
    found = entries(guarded, target=task_id)
    assert [(each["actor"], each["action"], each["status"]) for each in found] == [
        ("read-given", "task.retry", 403),
        ("worker-bee", "task.cancel", 409),
        ("worker-bee", "task.cancel", 200),
        ("worker-bee", "task.submit", 202),
    ]
    assert {(each["target"], each["client"]) for each in found} == {(task_id, "127.0.0.1")}
    assert found[2]["request_id"] == "my-own-id"
    assert {each["key_id"] for each in found[1:]} == {made["id"]}
    assert [each["id"] for each in found] == sorted((each["id"] for each in found), reverse=True)
    (created,) = entries(guarded, action="key.create", target=made["id"])
    assert (created["actor"], created["target"]) == ("admin-given", f"{made['id']} worker-bee (operate)")


def test_signing_in_and_failing_to_is_written_down(
    guarded: Guarded, browser_of: Callable[..., httpx.Client]
) -> None:
    made = guarded.new_key("signer")
    browser_of(made["key"])
    guarded.call("POST", "/sign-in", data={"key": "cb_wrong"})
    newest = entries(guarded, action="sign-in", limit=2)
    assert [(each["actor"], each["status"]) for each in newest] == [("anonymous", 401), ("signer", 303)]


def test_counting_what_an_order_would_do_is_no_entry_but_the_order_is(guarded: Guarded) -> None:
    made = guarded.new_key("counter")
    order = {"action": "cancel", "filter": {"tag": "nobody-has-it"}}
    for more in ({"dry_run": True}, {"expect": 1}):
        guarded.call("POST", "/api/tasks/bulk", made["key"], json=order | more)
    guarded.call("POST", "/api/tasks/bulk", GIVEN[Role.READ], json=order | {"dry_run": True})
    found = entries(guarded, action="task.bulk")[:2]  # the newest come first
    assert [(each["actor"], each["status"]) for each in found] == [("read-given", 403), ("counter", 409)]
    assert found[1]["target"] == 'cancel {"tag":"nobody-has-it"}'


def test_filters_and_pages_of_the_audit_trail(guarded: Guarded) -> None:
    made = guarded.new_key("pager")
    ids = [guarded.submit(made["key"]) for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        search = {"actor": "pager", "action": "task.", "limit": 3, **({"cursor": cursor} if cursor else {})}
        answer = guarded.call("GET", "/api/audit", ADMIN, params=search).json()
        seen += [each["target"] for each in answer["entries"]]
        if not (cursor := answer["next"]):
            break
    assert seen == ids[::-1]
    assert entries(guarded, actor=made["id"], action="task.submit", limit=1)[0]["target"] == ids[-1]
    assert entries(guarded, actor="nobody-at-all") == []
    for search in ({"cursor": "x"}, {"limit": "0"}, {"who": "me"}):
        problem.check(guarded.call("GET", "/api/audit", ADMIN, params=search), 422, "validation")


def command(guarded: Guarded, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {f"CALLBOARD_{name.upper()}": str(text) for name, text in guarded.settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "callboard", "keys", *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_makes_lists_and_revokes(guarded: Guarded) -> None:
    made = command(guarded, "create", "by-hand", "--role", "read", "--rate", "5/s", "--quota", "9")
    assert made.returncode == 0, made.stderr
    key = made.stdout.splitlines()[0]
    assert guarded.call("GET", "/api/stats", key).status_code == 200
    listed = command(guarded, "list").stdout
    assert "by-hand" in listed
    assert key not in listed
    found = json.loads(command(guarded, "list", "--json").stdout)["keys"]
    (entry,) = (each for each in found if each["name"] == "by-hand")
    assert (entry["rate"], entry["quota"], entry["role"]) == ("5/s", 9, "read")
    assert command(guarded, "revoke", "by-hand").returncode == 0
    assert heard(lambda: guarded.call("GET", "/api/stats", key).status_code == 401)
    actions = [each["action"] for each in entries(guarded, actor="command")]
    assert actions[:2] == ["key.revoke", "key.create"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create", "a b", "--role", "read"], "the name takes 1 to 64"),
        (["create", "a", "--role", "king"], "--role 'king' is none of submit, read, operate, admin"),
        (["create", "a", "--role", "read", "--expires", "2001-01-01T00:00:00Z"], "has passed"),
        (["create", "a", "--role", "read", "--rate", "many"], "--rate 'many' is no rate; e.g. 100/s"),
        (["revoke", "nobody"], "no stored key has the id or name 'nobody'"),
    ],
    ids=str,
)
def test_the_command_says_what_is_wrong_in_one_line(
    guarded: Guarded, arguments: list[str], says: str
) -> None:
    done = command(guarded, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
